# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read, check and count which test holds which sentence of the pages in ``docs/development``: ``sentences/*.yml``.

``python -m emulator_tests.sentence_table`` prints the figures.
"""

from __future__ import annotations

import ast
import collections
import dataclasses
import functools
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).resolve().parent
FOLDER: Final = HERE / "sentences"


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A sentence of a page; ``unseen`` is why no test of the emulator can hold it.

    The ``id`` begins with the section: ``3.1/row-6`` is of server-behaviour.md, ``planner-5.1/greedy`` of planner.md.
    """

    id: str
    says: str
    tests: tuple[str, ...] = ()
    unseen: str | None = None

    @property
    def page(self) -> str:
        """Return the page's name."""
        return page_and_section(self.id)[0]

    @property
    def section(self) -> str:
        """Return the number of the section on that page."""
        return page_and_section(self.id)[1]


@dataclasses.dataclass(frozen=True)
class Unknown:
    """A fact that a page marks as not known, or omits, and how both possibilities are played."""

    id: str
    says: str
    switch: str | None = None
    version: str | None = None
    none: str | None = None
    tests: tuple[str, ...] = ()


def page_and_section(name: str) -> tuple[str, str]:
    """Split what an id begins with: ``planner-5.1/greedy`` is in planner.md 5.1."""
    page, _dash, section = name.partition("/")[0].rpartition("-")
    return f"{page or 'server-behaviour'}.md", section


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@functools.cache
def sentences() -> tuple[Sentence, ...]:
    """Return all sentences, in the order of the pages."""
    files = sorted(FOLDER.glob("section-*.yml"), key=lambda path: int(path.stem.split("-")[1]))
    return tuple(
        Sentence(each["id"], each["says"], tuple(each.get("tests", ())), each.get("unseen"))
        for path in files
        for each in _load(path)
    )


@functools.cache
def unknowns() -> tuple[Unknown, ...]:
    """Return all marks ``[U]``."""
    return tuple(
        Unknown(
            each["id"],
            each["says"],
            each.get("switch"),
            each.get("version"),
            each.get("none"),
            tuple(each.get("tests", ())),
        )
        for each in _load(FOLDER / "unknowns.yml")
    )


@functools.cache
def tests() -> dict[str, str]:
    """Return each test of the emulator by node id (without parameters), with its docstring."""
    found: dict[str, str] = {}
    for path in sorted(HERE.glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = {node.name: ast.get_docstring(node) or "" for node in tree.body if isinstance(node, ast.ClassDef)}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found[f"{path.name}::{node.name}"] = ast.get_docstring(node) or ""
            elif (name := _test_case(node)) is not None:
                found[f"{path.name}::{name[0]}"] = classes.get(name[1], "")
    return found


def _test_case(node: ast.stmt) -> tuple[str, str] | None:
    """Return both names of ``TestCluster = Cluster.TestCase``, as Hypothesis requires it."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Attribute) or node.value.attr != "TestCase":
        return None
    target, machine = node.targets[0], node.value.value
    return (target.id, machine.id) if isinstance(target, ast.Name) and isinstance(machine, ast.Name) else None


def figures() -> str:
    """Return the sentences by section: how many there are, how many a test holds, how many are unseen."""
    lines = [f"{'section':>12} {'sentences':>10} {'tested':>8} {'unseen':>8}"]
    by_section: dict[str, list[Sentence]] = collections.defaultdict(list)
    for each in sentences():
        by_section[each.id.partition("/")[0]].append(each)
    for section, listed in [*by_section.items(), ("all", list(sentences()))]:
        tested = sum(bool(each.tests) for each in listed)
        lines.append(f"{section:>12} {len(listed):>10} {tested:>8} {len(listed) - tested:>8}")
    named = {test for each in sentences() for test in each.tests}
    switched = [each for each in unknowns() if each.switch is not None]
    by_version = [each for each in unknowns() if each.version is not None]
    lines.append(f"{len(named)} tests hold them")
    lines.append(
        f"{len(unknowns())} marks [U]: {len(switched)} with a switch, {len(by_version)} by version, "
        f"{len(unknowns()) - len(switched) - len(by_version)} with neither"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    print(figures())

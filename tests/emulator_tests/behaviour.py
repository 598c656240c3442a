# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which test holds which sentence of the server behaviour notes: ``sentences/*.yml``, read, checked and counted.

``python -m emulator_tests.behaviour`` prints the figures.
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
    """One thing that the notes say; ``unseen`` is why no test of the double can hold it."""

    id: str
    says: str
    tests: tuple[str, ...] = ()
    unseen: str | None = None

    @property
    def section(self) -> str:
        """``3.1`` of ``3.1/row-6``."""
        return self.id.partition("/")[0]


@dataclasses.dataclass(frozen=True)
class Unknown:
    """Something that the notes mark as not known, and how both possibilities are played."""

    id: str
    says: str
    switch: str | None = None
    version: str | None = None
    none: str | None = None
    tests: tuple[str, ...] = ()


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@functools.cache
def sentences() -> tuple[Sentence, ...]:
    """All sentences, in the order of the notes."""
    files = sorted(FOLDER.glob("section-*.yml"), key=lambda path: int(path.stem.split("-")[1]))
    return tuple(
        Sentence(each["id"], each["says"], tuple(each.get("tests", ())), each.get("unseen"))
        for path in files
        for each in _load(path)
    )


@functools.cache
def unknowns() -> tuple[Unknown, ...]:
    """All marks ``[U]``."""
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
    """Each test of the double by node id (without parameters), with its docstring."""
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
    """``TestCluster = Cluster.TestCase``, as Hypothesis wants it: both names."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Attribute) or node.value.attr != "TestCase":
        return None
    target, machine = node.targets[0], node.value.value
    return (target.id, machine.id) if isinstance(target, ast.Name) and isinstance(machine, ast.Name) else None


def figures() -> str:
    """Sentences by section: how many there are, how many a test holds, how many nobody can see."""
    lines = [f"{'section':>8} {'sentences':>10} {'tested':>8} {'unseen':>8}"]
    by_section: dict[str, list[Sentence]] = collections.defaultdict(list)
    for each in sentences():
        by_section[each.section].append(each)
    for section, listed in [*by_section.items(), ("all", list(sentences()))]:
        tested = sum(bool(each.tests) for each in listed)
        lines.append(f"{section:>8} {len(listed):>10} {tested:>8} {len(listed) - tested:>8}")
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

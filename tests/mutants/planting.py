# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the planted faults of ``faults.yml`` and plant them: lines of one function are replaced by others.

A row names a file, a function or class in it (``Class.method``; the whole file if there is none), old lines and new
lines. The old lines stand in the function exactly once, at any indentation. Rows of one name are one fault. The test in
``caught_by`` only saves time: one that is not there any more is passed over.
"""

from __future__ import annotations

import ast
import collections
import dataclasses
import re
import textwrap
import typing as t
from pathlib import Path

import yaml

TABLE = "tests/mutants/faults.yml"
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class NotPlanted(Exception):
    """A row that does not fit the code and has to be corrected."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One replacement. ``file``: path from the root of the checkout. ``function``: empty for the whole file.

    ``caught_by``: a test that has caught the fault, which is tried first.
    """

    name: str
    file: str
    old: str
    new: str
    function: str = ""
    caught_by: str = ""


def read_faults(root: Path) -> dict[str, list[Row]]:
    """Return the rows of each fault by its name, in the order of the table."""
    faults: dict[str, list[Row]] = collections.defaultdict(list)
    for row in yaml.safe_load((root / TABLE).read_text()):
        faults[row["name"]].append(Row(**row))
    return dict(faults)


def record(caught: t.Mapping[str, str], root: Path) -> None:
    """Write into the table by which test each fault was caught, by the names of the faults."""
    text = (root / TABLE).read_text()
    for name, test in caught.items():
        row = re.compile(rf"^- name: {re.escape(name)}\n(  caught_by: .*\n)?", re.MULTILINE)
        text = row.sub(f"- name: {name}\n  caught_by: {test}\n", text, count=1)
    (root / TABLE).write_text(text)


def plant(rows: t.Iterable[Row], root: Path) -> None:
    """Change the files below *root* as *rows* say.

    :raises NotPlanted: the old lines do not stand in their function exactly once, or the new code has no syntax.
    """
    for row in rows:
        path = root / row.file
        path.write_text(planted(row, path.read_text() if path.is_file() else ""))


def planted(row: Row, text: str) -> str:
    """Return *text*, the content of the row's file, with its fault.

    :raises NotPlanted: as :func:`plant`.
    """
    lines = text.splitlines()
    first, last = _scope(row, text)
    old = row.old.rstrip("\n").splitlines()
    found = [at for at in range(first, last - len(old) + 1) if _stands_at(at, lines, old)]
    if len(found) != 1:
        raise NotPlanted(f"{row.file}, {row.function or 'whole file'}: its old lines stand there {len(found)} times")
    [at] = found
    new = textwrap.indent(row.new.rstrip("\n"), _indentation(lines[at]), lambda line: bool(line.strip()))
    changed = "\n".join([*lines[:at], *new.splitlines(), *lines[at + len(old) :]]) + "\n"
    try:
        ast.parse(changed)
    except SyntaxError as exc:
        raise NotPlanted(f"{row.file}, {row.function or 'whole file'}: the new lines are no Python: {exc}") from exc
    return changed


def _scope(row: Row, text: str) -> tuple[int, int]:
    """Return the first line of the row's function, from 0, and the one after its last."""
    found: list[ast.AST] = [ast.parse(text)]
    if not row.function:
        return 0, len(text.splitlines())
    for name in row.function.split("."):
        found = [
            child
            for node in found
            for child in ast.walk(node)
            if isinstance(child, SCOPES) and child.name == name and child is not node
        ]
    if len(found) != 1:
        raise NotPlanted(f"{row.file} has {len(found)} functions {row.function}")
    node = t.cast("ast.FunctionDef", found[0])
    return min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1, t.cast("int", node.end_lineno)


def _stands_at(at: int, lines: list[str], old: list[str]) -> bool:
    indentation = _indentation(lines[at])
    expected = [f"{indentation}{line}" if line.strip() else "" for line in old]
    return lines[at : at + len(old)] == expected


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]

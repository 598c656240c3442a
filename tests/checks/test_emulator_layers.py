# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that imports inside the emulator go down only. A name that only a type needs may come from anywhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.collection import ROOT, python_files

EMULATOR = ROOT / "tests/emulator"
# From the bottom to the top; a file belongs to the longest name that fits. It may import from its own row and below.
ROWS = (
    "state.versions",  # the table of what each version does
    "planner",  # a link to the planner of the collection
    "wire",
    "security",
    "state",
    "control",
    "emulator",
    "api",
    "app",
    "control.application",
    "server",
    "inprocess",
    "__main__",
)
# What the cluster may know of HTTP: how to refuse, and how to read what a request says.
STATE_MAY = ("wire.errors", "wire.object_parser", "wire.values", "wire.xcontent")
FILES = [path for path in python_files("tests/emulator") if path.parent != EMULATOR or path.name != "__init__.py"]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def dotted(path: Path) -> str:
    """Return the name of a file inside the package, without the package's."""
    parts = path.relative_to(EMULATOR).parts
    return ".".join(parts).removesuffix(".py").removesuffix(".__init__")


def row_of(name: str) -> int:
    """Return the row of a module; -1 for the package itself."""
    fitting = [row for row in ROWS if name == row or name.startswith(f"{row}.")]
    return ROWS.index(max(fitting, key=len)) if fitting else -1


def statements(node: ast.AST) -> Iterator[ast.ImportFrom]:
    """Yield all relative imports, those within functions too, but for those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.ImportFrom) and child.level:
            yield child
        yield from statements(child)


def imported(path: Path) -> Iterator[str]:
    """Yield modules of the emulator that a file imports."""
    for statement in statements(ast.parse(path.read_text())):
        folder = path.parents[statement.level - 1]
        base = folder / (statement.module or "").replace(".", "/")
        for alias in statement.names:
            inner = base / alias.name
            is_module = inner.is_dir() or inner.with_suffix(".py").exists()
            yield dotted(inner if is_module else base)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_every_file_has_a_row(path: Path) -> None:
    assert row_of(dotted(path)) >= 0, "add its folder to ROWS"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_imports_go_down(path: Path) -> None:
    mine = row_of(dotted(path))
    above = [name for name in imported(path) if row_of(name) > mine]
    assert above == [], f"{dotted(path)} ({ROWS[mine]}) is below"


@pytest.mark.parametrize("path", [path for path in FILES if row_of(dotted(path)) == ROWS.index("state")], ids=named)
def test_the_cluster_knows_little_of_http(path: Path) -> None:
    assert [name for name in imported(path) if name.startswith("wire") and name not in STATE_MAY] == []


def test_the_emulator_needs_nothing_of_this_repository() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            foreign = {"ansible", "ansible_collections", "checks", "emulator", "emulator_tests", "support"}
            assert not {name.split(".")[0] for name in names} & foreign, path

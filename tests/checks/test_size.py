# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that files and functions stay short enough to be read at once. Documentation does not count."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.collection import ROOT, python_files

PLUGIN_FILE_LINES = 400
TEST_FILE_LINES = 500
FUNCTION_LINES = 40
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
BLOCKS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def length(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def documentation(tree: ast.AST) -> Iterator[ast.stmt]:
    """Find docstrings, and the texts Ansible prints, also the blocks of doc fragments (attributes in capitals)."""
    for node in ast.walk(tree):
        if not isinstance(node, BLOCKS):
            continue
        for child in node.body:
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                yield child
            elif isinstance(child, ast.Assign) and isinstance(child.value, ast.Constant):
                names = {target.id for target in child.targets if isinstance(target, ast.Name)}
                if names & DOCUMENTATION or (isinstance(node, ast.ClassDef) and all(name.isupper() for name in names)):
                    yield child


def undocumented_length(tree: ast.AST, lines: int) -> int:
    return lines - sum(length(block) for block in documentation(tree))


@pytest.mark.parametrize("path", python_files("plugins"), ids=named)
def test_plugin_files_are_short(path: Path) -> None:
    text = path.read_text()
    assert undocumented_length(ast.parse(text), len(text.splitlines())) <= PLUGIN_FILE_LINES


@pytest.mark.parametrize("path", python_files("plugins"), ids=named)
def test_functions_are_short(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert undocumented_length(node, length(node)) <= FUNCTION_LINES, node.name


@pytest.mark.parametrize("path", python_files("tests"), ids=named)
def test_test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= TEST_FILE_LINES

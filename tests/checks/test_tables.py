# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that a fact which stands in a table stands nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.features import Feature
from checks.collection import PLUGINS, python_files

# The planner stands alone, so it has a table of its own: by which rules a release plans.
TABLES = {PLUGINS / "module_utils/_core/features.py", PLUGINS / "module_utils/_planner/rules.py"}
FILES = [path for path in python_files("plugins") if path not in TABLES]


def releases_in(source: str) -> list[tuple[int, int]]:
    """Return the releases of Elasticsearch that *source* names as numbers."""
    pairs: list[list[ast.expr]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Tuple):
            pairs.append(node.elts)
        elif isinstance(node, ast.Call):
            pairs.append(node.args)
    found = []
    for pair in pairs:
        numbers = [each.value for each in pair if isinstance(each, ast.Constant) and type(each.value) is int]
        if len(numbers) == len(pair) and len(pair) in (2, 3) and numbers[0] in (7, 8, 9):
            found.append((numbers[0], numbers[1]))
    return found


@pytest.mark.parametrize("source", ["server.has(8, 6)", "server.version_tuple >= (8, 16)", "x[:2] != (9, 0)"])
def test_a_release_is_recognised(source: str) -> None:
    assert releases_in(source)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_the_tables_name_releases(path: Path) -> None:
    assert releases_in(path.read_text(encoding="utf-8")) == [], "add a row to Feature, and ask server.supports"


def test_no_two_features_are_one() -> None:
    assert len(Feature) == len(Feature.__members__) == len({feature.value.name for feature in Feature})

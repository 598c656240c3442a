# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that imports go down only, and that deciding layers know no Ansible, no Elasticsearch, no outside world."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from checks.collection import PLUGINS, ROOT, imports, python_files
from checks.layers import OURS, PAGE, ROW, drawn, folder_of

PURE = (
    "module_utils/_core",
    "module_utils/_ml",
    "module_utils/_planner",
    "module_utils/_deployment/plan",
    "module_utils/_deployment/records",
    "plugin_utils/survey",
)
SMALL = (
    "_alias",
    "_cache",
    "_capacity",
    "_capacity_info",
    "_consumers",
    "_endpoint_info",
    "_endpoint",
    "_inference",
    "_model",
    "_model_info",
    "_region_policy",
    "_rescue",
    "_semantic_text",
    "_upgrade_guard",
    "_upgrade_mode",
    "_watch",
)
IMPURE_FILES = ("__init__.py", "api.py", "run.py")
"""Those of a small room that may read and send: it has no folder for each layer."""
# Not a complete list of what reaches outside, but of what a hand would reach for.
OUTSIDE = {"asyncio", "http", "io", "os", "pathlib", "random", "shutil", "socket", "ssl", "subprocess", "sys", "time"}
OUTSIDE |= {"logging", "tempfile", "threading", "urllib", "urllib3", "uuid"}
IMPURE = OUTSIDE | {"ansible", "elastic_transport", "elasticsearch"}
_LIBRARY = ("client.py", "client_errors.py", "http_node.py", "transport.py")
LIBRARY = {PLUGINS / "module_utils/_core/http" / name for name in _LIBRARY}
FILES = python_files("plugins")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _is_pure_file(path: Path) -> bool:
    return path.parent.name in SMALL and path.name not in IMPURE_FILES


@pytest.mark.parametrize("path", FILES, ids=named)
def test_every_file_has_a_layer(path: Path) -> None:
    within = path.relative_to(PLUGINS)
    assert folder_of(str(within)) or within.name == "__init__.py", f"add the folder of {within} to ROWS"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_imports_go_down(path: Path) -> None:
    folder = folder_of(str(path.relative_to(PLUGINS)))
    for name in imports(path):
        if not name.startswith(OURS):
            continue
        target = folder_of(name.removeprefix(OURS))
        assert target, f"{name}: import the module itself"
        assert folder is not None
        assert target == folder or ROW[target] < ROW[folder], f"{folder} may not import {name}"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if folder_of(str(path.relative_to(PLUGINS))) in PURE or _is_pure_file(path)],
    ids=named,
)
def test_deciding_is_pure(path: Path) -> None:
    for name in imports(path):
        assert name.split(".", 1)[0] not in IMPURE, f"imports {name}"
    # Dates may be parsed and printed; the present moment has to be handed in.
    attributes = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert not attributes & {"now", "today", "utcnow"}, "asks the clock"
    called = set(re.findall(r"(?<![\w.])(open|print|input)\(", path.read_text()))
    assert not called, f"calls {called}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_only_the_client_and_its_helpers_import_elasticsearch(path: Path) -> None:
    found = [name for name in imports(path) if name.split(".", 1)[0] in ("elasticsearch", "elastic_transport")]
    assert not found or path in LIBRARY, f"imports {found}"


def test_the_picture_is_up_to_date() -> None:
    assert drawn() in PAGE.read_text(), "run: PYTHONPATH=tests python -m checks.layers"

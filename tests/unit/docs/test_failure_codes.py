# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the troubleshooting page has each code that a failure can have, once, and no other."""

from __future__ import annotations

import ast
import re

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import CODES
from support.documents import ROOT, rows

RAISED = {"Failure", "Refusal", "Unsatisfied", "NotReached"}
ROWS = rows("troubleshooting")


def _first_argument(call: ast.Call) -> object:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    first = call.args[0] if call.args and name in RAISED else None
    return first.value if isinstance(first, ast.Constant) else None


def _literal_code(call: ast.Call) -> object:
    """Return the ``code`` that a call is given by name."""
    found = next((each.value for each in call.keywords if each.arg == "code"), None)
    return found.value if isinstance(found, ast.Constant) else None


def _codes() -> set[object]:
    """Return every code that the plugins name."""
    found: set[object] = set(CODES.values())
    for path in (ROOT / "plugins").rglob("*.py"):
        text = path.read_text()
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        found |= {code for call in calls for code in (_first_argument(call), _literal_code(call))}
        found |= set(re.findall(r'"failure": \{"code": "(\w+)"\}', text))
        found |= set(re.findall(r'super\(\).__init__\(\s*"(\w+)",', text))
    return found - {None, ""}


def test_each_code_has_a_row() -> None:
    listed = [code for cells in ROWS for code in re.findall(r"``(\w+)``", cells[0])]
    assert sorted(map(str, _codes())) == sorted(listed)


def test_the_first_cell_of_a_row_has_codes_alone() -> None:
    assert [cells[0] for cells in ROWS if not re.fullmatch(r"``\w+``(, ``\w+``)*", cells[0])] == []


def test_the_page_stays_short() -> None:
    assert len(ROWS) <= 60


def test_each_row_says_what_happened_and_what_to_do() -> None:
    assert [cells for cells in ROWS if len(cells) != 3 or not all(cells)] == []


def test_codes_are_short_words() -> None:
    assert [code for code in _codes() if not re.fullmatch(r"[a-z]+(_[a-z]+){0,3}", str(code))] == []

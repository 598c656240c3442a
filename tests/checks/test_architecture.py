# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the page about the architecture names files and functions that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checks.collection import PLUGINS, ROOT
from checks.layers import PAGE

ROWS = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and ".py`" in line]


def file_of(span: str, before: Path | None) -> Path:
    """Return the file that a code span names; a name alone is beside the file *before* it."""
    beside = [before.parent / span] if before else []
    found = [path for path in (PLUGINS / "module_utils" / span, ROOT / span, *beside) if path.is_file()]
    assert found, f"{span} is not there"
    return found[0]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:60])
def test_names_are_there(row: str) -> None:
    path: Path | None = None
    for span in re.findall(r"`([^`]+)`", row):
        if span.endswith(".py") or "/" in span:
            path = file_of(span, path) if span.endswith((".py", ".rst")) else path
        elif path:
            assert span.rpartition(".")[2] in path.read_text(), f"{path} has no {span}"

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recorded rows, and the list of those that are not reproduced."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "recorded"
USED: set[str] = set()
"""Keys of the rows that a test has asked for."""
LISTED = Path(__file__).resolve().parent / "not_reproduced.json"


@dataclasses.dataclass(frozen=True)
class Row:
    """One recorded line; ``key`` is its file and line number."""

    key: str
    data: dict[str, Any]

    @property
    def versions(self) -> list[str]:
        """The versions it was seen in."""
        return list(self.data["versions"])


@functools.cache
def rows(name: str) -> tuple[Row, ...]:
    """All rows of a recording: ``http``, or a file in ``classes``."""
    path = FOLDER / "http.jsonl" if name == "http" else FOLDER / "classes" / f"{name}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(Row(f"{name}:{number}", json.loads(line)) for number, line in enumerate(lines, 1))


@functools.cache
def not_reproduced() -> dict[str, str]:
    """Row key to reason."""
    return dict(json.loads(LISTED.read_text(encoding="utf-8")))


def cases(name: str, wanted: Callable[[Row], bool] = lambda row: True) -> list[Any]:
    """Parameters (row, version) for every version a row names."""
    chosen = [row for row in rows(name) if wanted(row)]
    USED.update(row.key for row in chosen)
    return [pytest.param(row, version, id=f"{row.key}-{version}") for row in chosen for version in row.versions]


def check(row: Row, recorded: Any, played: Any, version: str = "") -> None:
    """Both must be equal; unless the row is listed (as a whole or for this version), then they must differ."""
    key = next((key for key in (row.key, f"{row.key}-{version}") if key in not_reproduced()), None)
    if key is None:
        assert played == recorded
    else:
        assert played != recorded, f"{key} is reproduced: take it off the list"

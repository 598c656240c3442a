# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every recorded row is either compared by a test or listed with a reason."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from emulator_tests import recordings
from emulator_tests.recordings import FOLDER, LISTED, USED, not_reproduced, rows

_HERE = Path(__file__).resolve().parent


def _names() -> list[str]:
    return ["http", *sorted(path.stem for path in (FOLDER / "classes").glob("*.jsonl"))]


def test_no_row_is_forgotten() -> None:
    for path in sorted(_HERE.glob("test_recorded_*.py")):
        importlib.import_module(f"emulator_tests.{path.stem}")
    every = {row.key for name in _names() for row in rows(name)}
    listed = {key.partition("-")[0] for key in not_reproduced()}
    assert every - USED - listed == set()


def test_every_listed_row_has_a_reason_and_exists() -> None:
    every = {row.key: row for name in _names() for row in rows(name)}
    pairs: list[tuple[str, str]] = json.loads(LISTED.read_text(encoding="utf-8"), object_pairs_hook=list)
    assert len({key for key, _reason in pairs}) == len(pairs), "a row is listed twice"
    for key, reason in pairs:
        name, _hyphen, version = key.partition("-")
        assert name in every, key
        assert not version or version in every[name].versions, key
        assert len(reason) > 20, key


def test_the_list_is_read_from_where_it_is_kept() -> None:
    assert recordings.LISTED.parent == _HERE

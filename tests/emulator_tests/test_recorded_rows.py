# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test every recorded row in every version that it names: reproduced, or listed with a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import emulator
from emulator_tests.count import count
from emulator_tests.recordings import Row, every_row, files, listed_pairs, reason, rows
from emulator_tests.replay import MODULES, UNPLAYED, replay

EMULATOR = Path(emulator.__file__).parent
_MESSAGES = (*rows("messages"), *rows("messages_more"))
_MESSAGE_KEYS = {row.key for row in _MESSAGES}
_GROUPS = sorted({(row.file, version) for row, version in every_row()})


def _complaint(row: Row, version: str) -> str | None:
    """Return what is wrong with a row as this version plays it, under the row's key."""
    try:
        recorded, played = replay(row, version)
    except Exception as error:
        error.add_note(f"while {row.key}-{version} was replayed")
        raise
    if played == UNPLAYED and not _says_nothing(row):
        return f"{row.key}-{version} is unplayed"
    if reason(row, version) is None:
        return None if played == recorded else f"{row.key}-{version}:\n  recorded {recorded!r}\n  played   {played!r}"
    return None if played != recorded else f"{row.key}-{version} is reproduced: take it off the list"


def _says_nothing(row: Row) -> bool:
    """Return whether a row is a mere message (below), or about a class that was not yet public: it cannot fail."""
    return row.data.get("present", row.data.get("value")) is False or row.key in _MESSAGE_KEYS


@pytest.mark.parametrize(("file", "version"), _GROUPS)
def test_rows(file: str, version: str) -> None:
    """Replay all rows of a recording that name a version, and report each that differs."""
    complaints = [_complaint(row, version) for row in rows(file) if version in row.versions]
    found = [complaint for complaint in complaints if complaint is not None]
    assert complaints
    assert not found, "\n".join([f"{len(found)} of {len(complaints)} rows", *found])


def test_every_recording_has_a_replayer() -> None:
    assert set(MODULES) == set(files())


def test_every_listed_row_has_a_reason_and_exists() -> None:
    known = {f"{row.key}-{version}" for row, version in every_row()} | {row.key for row, _version in every_row()}
    listed = [key for key, _reason in listed_pairs()]
    assert len(set(listed)) == len(listed), "a row is listed twice"
    assert set(listed) <= known
    assert [key for key, words in listed_pairs() if len(words) <= 20] == []


def test_listed_messages_are_not_said() -> None:
    """Test that no text of a row without a situation, which can never pass, is in the emulator's own files."""
    listed = {key for key, _reason in listed_pairs()}
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(EMULATOR.rglob("*.py")))
    templates = [row.data["value"] for row in _MESSAGES if row.key in listed]
    longest = [max(re.split(r"\{\d*\}", template.replace("''", "'")), key=len) for template in templates]
    assert [part for part in longest if part in source] == []


def test_count_adds_up() -> None:
    found = count(files()[1:4])
    assert found["passed"] + found["listed"] + found["failed"] == found["rows_x_versions"] > found["rows"]
    assert found["failed"] == 0

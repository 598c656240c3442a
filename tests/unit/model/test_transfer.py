# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what a task says of the journal of its upload."""

from __future__ import annotations

import errno
import json
import os
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.emulated_cluster import Emulator

MODEL = "/_ml/trained_models/uploaded"
CONFIG = {"model_type": "pytorch", "input": {"field_names": ["text_field"]}, "inference_config": {"text_embedding": {}}}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator("9.5.3") as found:
        yield found


@pytest.fixture
def options(tmp_path: Path) -> dict[str, t.Any]:
    (tmp_path / "model.pt").write_bytes(bytes(range(250)))
    (tmp_path / "vocabulary.json").write_text(json.dumps({"vocabulary": ["a"]}))
    return {
        "model_id": "uploaded",
        "config": CONFIG,
        "vocabulary": str(tmp_path / "vocabulary.json"),
        "definition": str(tmp_path / "model.pt"),
        "upload_part_size": "25b",
        "upload_concurrency": 1,
        "upload_journal": str(tmp_path / "journal"),
    }


def about_journal(result: dict[str, t.Any]) -> list[str]:
    return [warning for warning in result["warnings"] if "journal" in warning]


def killed(emulator: Emulator, options: dict[str, t.Any]) -> None:
    with emulator.kill(survived=4, what="/definition/"):
        emulator.run_model(**options)
    assert Path(options["upload_journal"]).exists()


def test_a_journal_is_used_and_removed(emulator: Emulator, options: dict[str, t.Any]) -> None:
    killed(emulator, options)
    result = emulator.run_model(**options)
    assert (result["failure"], result["upload"]["sent_parts"], about_journal(result)) == (None, 6, [])
    assert not Path(options["upload_journal"]).exists()


def test_the_journal_of_a_model_that_was_deleted_is_begun_again(emulator: Emulator, options: dict[str, t.Any]) -> None:
    killed(emulator, options)
    emulator.pass_time()
    assert emulator.api("DELETE", MODEL) == 200
    result = emulator.run_model(**options)
    (warning,) = about_journal(result)
    assert "journal of model 'uploaded' is not used, because it is of another upload" in warning
    assert (result["failure"], result["upload"]["sent_parts"]) == (None, 10)


def test_a_full_disk_is_a_warning(
    emulator: Emulator, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(handle: int, line: bytes) -> int:
        if line == b"3.\n":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, line)

    monkeypatch.setattr(os, "write", full)
    result = emulator.run_model(**options)
    (warning,) = about_journal(result)
    assert "cannot be written any more: No space left on device" in warning
    assert result["failure"] is None
    assert options["upload_journal"] not in warning

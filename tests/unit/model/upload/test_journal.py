# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the journal of an upload: what survives a killed process, and whose journal it is."""

from __future__ import annotations

import errno
import os
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload import journal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.journal import (
    Journal,
    JournalKey,
    acknowledged,
    refuse_unusable,
    remove_left,
)

KEY = JournalKey("uuid", "m", 1764486000000, "sha256:" + "0" * 64, 1 << 20)
NOTED = (12, 3, 170)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def written(path: Path, *parts: int, key: JournalKey = KEY) -> bytes:
    """Return a journal with some parts."""
    found = Journal.open(str(path), key)
    for part in parts:
        found.note(part)
    found.close()
    return path.read_bytes()


def reopened(path: Path, key: JournalKey = KEY) -> Journal:
    found = Journal.open(str(path), key)
    found.close()
    return found


def test_what_was_noted_is_there_again(path: Path) -> None:
    written(path, *NOTED)
    assert reopened(path).acknowledged == acknowledged(str(path), KEY) == set(NOTED)


def test_only_its_owner_reads_it(path: Path) -> None:
    written(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_removed_at_the_end(path: Path) -> None:
    written(path, *NOTED)
    Journal.open(str(path), KEY).remove()
    assert not path.exists()
    found = Journal.open(str(path), KEY)
    path.unlink()
    found.remove()
    assert found.warnings == ()


@pytest.mark.parametrize("cut", range(len(KEY.header) + 12))
def test_a_process_may_be_killed_at_any_byte(path: Path, cut: int) -> None:
    whole = written(path, *NOTED)
    path.write_bytes(whole[:cut])
    complete = {part for part in NOTED if f"\n{part}.".encode() in whole[:cut]}
    refuse_unusable(str(path))
    assert acknowledged(str(path), KEY) == complete
    found = Journal.open(str(path), KEY)
    assert found.acknowledged == complete
    assert found.warnings == ()
    found.note(99)
    found.close()
    assert reopened(path).acknowledged == complete | {99}


def test_lines_that_a_crash_of_the_machine_left_are_ignored(path: Path) -> None:
    path.write_bytes(written(path, *NOTED) + b"\0\0\0\0\n-1.\n7\n1e3.\n8.\n")
    assert reopened(path).acknowledged == {*NOTED, 8}


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"create_time": 5}, "with another create time"),
        ({"checksum": "sha256:1", "part_size": 5}, "with another checksum and part size"),
    ],
)
def test_an_earlier_upload_of_the_model_is_not_used(path: Path, other: dict[str, t.Any], says: str) -> None:
    written(path, *NOTED, key=KEY._replace(**other))
    assert acknowledged(str(path), KEY) == frozenset()
    found = reopened(path)
    assert found.acknowledged == frozenset()
    assert says in found.warnings[0]
    assert path.read_bytes() == KEY.header + b"\n"


@pytest.mark.parametrize(
    ("other", "says"),
    [({"model_id": "n"}, "is of model 'n'"), ({"cluster_uuid": "b"}, "is of model 'm' on another cluster")],
)
def test_a_journal_of_something_else_is_kept(path: Path, other: dict[str, t.Any], says: str) -> None:
    before = written(path, *NOTED, key=KEY._replace(**other))
    for use in (Journal.open, acknowledged):
        with pytest.raises(Refusal, match=says) as refused:
            use(str(path), KEY)
        assert refused.value.code == "upload_journal_mismatch"
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"precious", b"precious\n", b'{"format": "other"}\n', journal._START + b"!\n", b"[]\n"]
)
def test_a_file_that_is_no_journal_is_kept(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for use in (lambda: Journal.open(str(path), KEY), lambda: refuse_unusable(str(path))):
        with pytest.raises(Refusal, match="is not a journal of an upload"):
            use()
    assert path.read_bytes() == content


def test_a_link_is_followed(tmp_path: Path, path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    found = Journal.open(str(tmp_path / "link"), KEY)
    assert path.exists()
    found.remove()
    assert (tmp_path / "link").is_symlink()
    assert not path.exists()


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    places = {str(tmp_path / name): "is not a regular file" for name in ("folder", "pipe")}
    places[str(tmp_path / "no/j")] = "cannot be written: (its folder does not exist|No such file)"
    for place, says in places.items():
        for use in (lambda place=place: Journal.open(place, KEY), lambda place=place: refuse_unusable(place)):
            with pytest.raises(Refusal, match=says) as refused:
                use()
            assert refused.value.code == "upload_journal_unusable"
    with pytest.raises(Refusal, match="characters that no path can have"):
        Journal.open("a\0", KEY)


def test_a_folder_or_file_without_permission(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    with pytest.raises(Refusal, match="its folder is not writable"):
        refuse_unusable(str(path))
    path.touch()
    with pytest.raises(Refusal, match="Permission denied"):
        refuse_unusable(str(path))


def test_a_good_place_is_not_touched(path: Path) -> None:
    refuse_unusable(str(path))
    assert not path.exists()
    before = written(path, *NOTED)
    refuse_unusable(str(path))
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_arguments: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    path.touch()
    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(Refusal, match="cannot be read: Permission denied"):
        acknowledged(str(path), KEY)


def test_no_space_at_the_beginning_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda _handle, line: len(line) - 1)
    with pytest.raises(Refusal, match="cannot be written: no space is left"):
        Journal.open(str(path), KEY)


def test_no_space_later_does_not_end_the_upload(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Journal.open(str(path), KEY)
    found.note(1)

    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        found.note(2)
    found.note(3)
    found.close()
    (warning,) = found.warnings
    assert "model 'm' cannot be written any more: No space left" in warning
    assert reopened(path).acknowledged == {1}


def test_it_reaches_the_disk_now_and_then(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    found = Journal.open(str(path), KEY)
    monkeypatch.setattr(os, "fsync", synced.append)
    for part in range(100):
        found.note(part)
    found.close()
    assert len(synced) == 3


def test_a_journal_that_cannot_be_removed_is_a_warning(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Journal.open(str(path), KEY)

    def denied(*_arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "unlink", denied)
    found.remove()
    assert found.warnings == remove_left(str(path), KEY)
    (warning,) = found.warnings
    assert "could not be removed: Permission denied" in warning
    assert str(path) not in warning


def test_a_second_close_does_no_harm(path: Path) -> None:
    found = reopened(path)
    found.close()
    assert os.listdir(path.parent) == ["journal"]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test reading of a definition from a file, which may change meanwhile."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.fingerprint import BLOCK
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.limits import Limits
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.local import LocalFile
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.source import open_source, read_whole

CONTENT = random.Random(7).randbytes(2 * BLOCK + 4321)
NOWHERE = Connection(("http://nowhere:9200",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "model.pt"
    found.write_bytes(CONTENT)
    return found


def opened(path: Path) -> LocalFile:
    return LocalFile("definition", str(path))


def test_the_checksum_is_that_of_the_file(path: Path) -> None:
    file = opened(path)
    assert file.size == len(CONTENT)
    assert file.checksum() == file.checksum() == f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    file.close()


@pytest.mark.parametrize("part_size", [1000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_parts_are_the_bytes_of_the_file(path: Path, part_size: int) -> None:
    total = -(-len(CONTENT) // part_size)
    file = opened(path)
    found = dict(file.parts(part_size, range(total)))
    assert b"".join(found[number] for number in range(total)) == CONTENT
    some = list(range(1, total, 2))
    assert dict(file.parts(part_size, reversed(some))) == {number: found[number] for number in some}
    file.close()


def test_a_part_that_was_changed_is_not_handed_out(path: Path) -> None:
    file = opened(path)
    file.checksum()
    with path.open("r+b") as other:
        other.seek(BLOCK + 5)
        other.write(b"another")
    os.utime(path, ns=(file._opened.st_atime_ns, file._opened.st_mtime_ns))
    file.unchanged()  # its times and its size are the same
    parts = file.parts(BLOCK // 2, range(6))
    assert [next(parts)[0], next(parts)[0]] == [0, 1]
    with pytest.raises(Refusal, match="was changed while it was read") as refused:
        next(parts)
    assert refused.value.code == "file_changed"
    file.close()


def test_a_file_that_gets_shorter_is_not_padded(path: Path) -> None:
    file = opened(path)
    file.checksum()
    os.truncate(path, BLOCK)
    with pytest.raises(Refusal, match="was changed"):
        dict(file.parts(BLOCK, range(3)))
    file.close()


def test_a_file_that_grows_while_it_is_read_has_no_checksum(path: Path) -> None:
    file = opened(path)
    with path.open("ab") as other:
        other.write(b"more")
    with pytest.raises(Refusal, match="was changed"):
        file.checksum()
    file.close()


def test_a_file_that_takes_its_place_does_not_matter(path: Path) -> None:
    file = opened(path)
    path.unlink()
    path.write_bytes(b"another")
    assert file.checksum() == f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    file.unchanged()
    file.close()


def test_short_reads_are_continued(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda handle, length, at: whole(handle, min(length, 300_000), at))
    file = opened(path)
    assert b"".join(content for _number, content in file.parts(BLOCK, range(3))) == CONTENT
    file.close()


def test_a_disk_that_fails_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    file = opened(path)
    with pytest.raises(Refusal, match="cannot be read: Input/output error"):
        file.checksum()
    file.close()


@pytest.mark.parametrize(
    ("name", "says"), [("missing", "No such file"), ("folder", "is not a regular file"), ("pipe", "is not a regular")]
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refusal, match=says) as refused:
        opened(tmp_path / name)
    assert refused.value.code == "unreadable_file"


def test_a_path_with_a_null_character_is_refused() -> None:
    with pytest.raises(Refusal, match="definition has characters that no path can have"):
        LocalFile("definition", "a\0b")


def test_a_small_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "vocabulary").write_bytes(b"[]")
    (tmp_path / "empty").touch()
    read = [read_whole(str(tmp_path / name), NOWHERE, Limits(), "vocabulary") for name in ("vocabulary", "empty")]
    assert read == [b"[]", b""]
    with pytest.raises(Refusal, match=r"vocabulary .* has 2b, more than 1b"):
        read_whole(str(tmp_path / "vocabulary"), NOWHERE, Limits(), "vocabulary", 1)


def test_a_path_is_opened_as_a_file(path: Path) -> None:
    file = open_source(str(path), NOWHERE, Limits())
    assert (type(file), file.place, file.size) == (LocalFile, str(path), len(CONTENT))
    for _twice in range(2):
        file.close()

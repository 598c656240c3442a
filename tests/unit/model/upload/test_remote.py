# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test reading of a definition from a web server, which may break off, change the file, or be another one."""

from __future__ import annotations

import hashlib
import random
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import NotReached, Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.fingerprint import BLOCK
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.limits import PAUSES, Limits
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.remote import RemoteFile
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.source import open_source, read_whole
from support.file_server import FileServer, serving_file
from support.odd_servers import refusing

CONTENT = random.Random(7).randbytes(3 * BLOCK + 4321)
OTHER = CONTENT[:BLOCK] + b"!" + CONTENT[BLOCK + 1 :]
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
SECRET = "not-for-other-servers"
CLUSTER = Connection(
    ("http://es:9200",), api_key=SECRET, headers=(("x-team", SECRET),), secret_headers=(("x-key", SECRET),)
)
GIVEN = pytest.mark.parametrize("checksum", [None, CHECKSUM], ids=["read twice", "given"])


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving_file(CONTENT) as found:
        yield found


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def limits(pauses: list[float]) -> Limits:
    return Limits(sleep=pauses.append)


def opened(server: FileServer, limits: Limits, checksum: str | None = None) -> RemoteFile:
    return RemoteFile("definition", server.url, CLUSTER, limits, checksum)


def read(file: RemoteFile, part_size: int = BLOCK) -> bytes:
    total = -(-file.size // part_size)
    found = dict(file.parts(part_size, range(total)))
    assert list(found) == list(range(total))
    file.close()
    return b"".join(found.values())


@GIVEN
@pytest.mark.parametrize("part_size", [1000, BLOCK - 1, BLOCK, BLOCK + 1, 4 * BLOCK])
def test_parts_are_the_bytes_of_the_file(
    server: FileServer, limits: Limits, checksum: str | None, part_size: int
) -> None:
    file = opened(server, limits, checksum)
    assert (file.size, file.checksum()) == (len(CONTENT), CHECKSUM)
    file.unchanged()
    assert read(file, part_size) == CONTENT
    assert len(server.seen) == (1 if checksum else 2)


@GIVEN
@pytest.mark.parametrize("part_size", [1000, BLOCK - 1, BLOCK, 2 * BLOCK])
@pytest.mark.parametrize("ranges", [True, False])
def test_some_parts_are_the_same(
    server: FileServer, limits: Limits, checksum: str | None, part_size: int, ranges: bool
) -> None:
    server.ranges = ranges
    total = -(-len(CONTENT) // part_size)
    numbers = {total - 1, *random.Random(part_size).sample(range(total), total // 2)} - {0}
    file = opened(server, limits, checksum)
    found = dict(file.parts(part_size, numbers))
    assert found == {number: CONTENT[number * part_size : (number + 1) * part_size] for number in numbers}
    file.close()


def test_what_is_there_is_not_downloaded_again(server: FileServer, limits: Limits) -> None:
    file = opened(server, limits)
    file.checksum()
    assert len(dict(file.parts(BLOCK, [3]))) == 1
    assert server.starts() == [0, 3 * BLOCK]
    file.close()


def test_without_parts_nothing_is_read(server: FileServer, limits: Limits) -> None:
    file = opened(server, limits, CHECKSUM)
    assert list(file.parts(BLOCK, [])) == []
    file.close()
    file.close()
    assert len(server.seen) == 1


def test_nothing_of_the_cluster_reaches_the_server(server: FileServer, limits: Limits) -> None:
    opened(server, limits).close()
    ((_path, headers),) = server.seen
    assert SECRET not in str(headers)
    assert not {"authorization", "x-team", "x-key", "cookie"} & set(headers)


# --- connections that are lost ---


@GIVEN
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("etag", ['"1"', 'W/"1"', ""])
def test_a_lost_connection_is_made_again(
    server: FileServer, limits: Limits, checksum: str | None, ranges: bool, etag: str
) -> None:
    server.ranges, server.etag = ranges, etag
    server.breaks = [BLOCK // 2, BLOCK, 2 * BLOCK, BLOCK // 2 + 7]
    file = opened(server, limits, checksum)
    assert file.checksum() == CHECKSUM
    assert read(file) == CONTENT
    assert any(server.starts()) == (etag == '"1"')


def test_the_date_of_a_file_is_enough_to_go_on(server: FileServer, limits: Limits) -> None:
    server.etag = "Mon, 30 Nov 2026 07:00:00 GMT"  # as If-Range has it
    server.headers = {"Last-Modified": server.etag}
    server.etag, date = "", server.etag
    server.breaks = [BLOCK]
    file = opened(server, limits)
    file.checksum()
    assert server.seen[1][1]["if-range"] == date
    file.close()


def test_a_server_that_never_gets_further_is_given_up(server: FileServer, limits: Limits, pauses: list[float]) -> None:
    server.breaks = [BLOCK] + [0] * 20
    file = opened(server, limits)
    with pytest.raises(Refusal, match=rf"model.pt cannot be read: it ends after {BLOCK} of ") as refused:
        file.checksum()
    assert refused.value.code == "url_unreadable"
    assert tuple(pauses) == PAUSES


def test_a_file_that_is_shorter_than_announced(server: FileServer, limits: Limits) -> None:
    server.announced, server.ranges = len(CONTENT) + 10, False
    with pytest.raises(Refusal, match=f"it ends after {len(CONTENT)} of {len(CONTENT) + 10} bytes"):
        opened(server, limits).checksum()


@GIVEN
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_that_is_not_ready_is_asked_again(
    server: FileServer, limits: Limits, pauses: list[float], checksum: str | None, status: int
) -> None:
    server.statuses = [status, status]
    assert read(opened(server, limits, checksum)) == CONTENT
    assert pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "it wants credentials, and the task sends none"),
        (403, "it wants credentials"),
        (404, "there is no such file"),
        (410, "there is no such file"),
        (418, "the server answered 418"),
    ],
)
def test_a_server_that_refuses(server: FileServer, limits: Limits, pauses: list[float], status: int, says: str) -> None:
    server.statuses = [status]
    server.url += "?signature=secret"
    with pytest.raises(Refusal, match=says) as refused:
        opened(server, limits)
    assert refused.value.code == "url_unreadable"
    assert "secret" not in str(refused.value)
    assert pauses == []


def test_a_server_that_is_not_there(limits: Limits, pauses: list[float]) -> None:
    with refusing() as port, pytest.raises(Refusal, match="the connection failed .Connection refused.") as refused:
        open_source(f"http://127.0.0.1:{port}/m.pt", CLUSTER, limits)
    assert refused.value.code == "url_unreadable"
    assert len(pauses) == len(PAUSES)


def test_the_time_of_the_task_is_not_exceeded(server: FileServer) -> None:
    left = iter([100.0, 50.0])
    file = opened(server, Limits(lambda: next(left, 0.0)))
    with pytest.raises(NotReached, match="The time for the upload is over.") as refused:
        file.checksum()
    assert refused.value.code == "upload_incomplete"
    file.close()


def test_another_part_than_the_one_that_is_needed(server: FileServer, limits: Limits) -> None:
    server.breaks, server.shift = [BLOCK], 3
    with pytest.raises(Refusal, match="sends another part of it than the one that is needed"):
        opened(server, limits).checksum()


# --- a file that is another one ---


@pytest.mark.parametrize("change", [{"content": OTHER}, {"content": OTHER, "etag": ""}, {"content": CONTENT + b"!"}])
def test_a_file_that_changed_between_two_reads(server: FileServer, limits: Limits, change: dict[str, t.Any]) -> None:
    file = opened(server, limits)
    file.checksum()
    server.etag = '"2"'
    for name, value in change.items():
        setattr(server, name, value)
    with pytest.raises(Refusal, match="was changed while it was read") as refused:
        read(file)
    assert refused.value.code == "file_changed"
    file.close()


def test_a_change_that_the_server_does_not_report(server: FileServer, limits: Limits) -> None:
    file = opened(server, limits)
    file.checksum()
    server.content = OTHER
    parts = file.parts(BLOCK // 2, range(7))
    assert [next(parts)[0], next(parts)[0]] == [0, 1]
    with pytest.raises(Refusal, match="was changed while it was read"):
        next(parts)
    file.close()


def test_the_last_part_of_another_file_is_not_handed_out(server: FileServer, limits: Limits) -> None:
    server.content = OTHER
    file = opened(server, limits, CHECKSUM)
    parts, found = file.parts(BLOCK, range(4)), []
    with pytest.raises(Refusal, match="the model has to be deleted") as refused:
        found += [number for number, _content in parts]
    assert refused.value.code == "wrong_checksum"
    assert found == []
    file.close()


def test_another_file_in_the_middle_of_a_download(server: FileServer, limits: Limits) -> None:
    server.breaks = [BLOCK + 5]
    file = opened(server, limits, CHECKSUM)
    server.etag, server.content = '"2"', OTHER
    with pytest.raises(Refusal, match="was changed while it was read"):
        read(file)
    file.close()


# --- servers that say little ---


@GIVEN
def test_a_file_of_unknown_size_is_read_to_know_it(server: FileServer, limits: Limits, checksum: str | None) -> None:
    server.length = False
    file = opened(server, limits, checksum)
    assert file.size == len(CONTENT)
    assert read(file) == CONTENT
    assert len(server.seen) == 2


def test_a_wrong_file_of_unknown_size_is_refused_before_it_is_sent(server: FileServer, limits: Limits) -> None:
    server.length, server.content = False, OTHER
    with pytest.raises(Refusal, match="Correct checksum, or the file") as refused:
        opened(server, limits, CHECKSUM)
    assert refused.value.code == "wrong_checksum"


def test_an_answer_that_is_compressed_is_refused(server: FileServer, limits: Limits) -> None:
    server.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(Refusal, match="the server sends it compressed"):
        opened(server, limits)


def test_an_empty_file(server: FileServer, limits: Limits) -> None:
    server.content = b""
    file = opened(server, limits)
    assert (file.size, file.checksum()) == (0, f"sha256:{hashlib.sha256().hexdigest()}")
    file.close()


def test_a_small_file_is_read_whole(server: FileServer, limits: Limits) -> None:
    server.content = b'{"vocabulary": []}'
    assert read_whole(server.url, CLUSTER, limits, "vocabulary") == server.content


# --- what names the content ---


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"ETag": '"2"'}, True),
        ({"ETag": 'W/"2"'}, False),
        ({"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}, True),
        ({"ETag": 'W/"2"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}, True),
        # Of the same second, or of a clock that is ahead: the file may still change and keep its date.
        ({"Last-Modified": "Wed, 21 Oct 2099 07:28:00 GMT"}, False),
        ({"Last-Modified": "yesterday"}, False),
        ({}, False),
    ],
)
def test_a_revision_is_what_no_other_content_has(limits: Limits, headers: dict[str, str], named: bool) -> None:
    with serving_file(CONTENT, etag="", headers=headers) as server:
        file = opened(server, limits, CHECKSUM)
        assert bool(file.unproven_revision) == named
        assert read(file) == CONTENT
        assert len(server.seen) == (1 if named else 2), "without a name it is read before it is handed out"

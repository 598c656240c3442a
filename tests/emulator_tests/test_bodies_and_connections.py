# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what travels below JSON: compressed bodies, YAML, chunks, limits, connections that end too early."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulator.inprocess import ConnectionDropped, InProcess
from emulator.wire import xcontent
from emulator.wire.connection import MAX_CONTENT
from emulator.wire.errors import ApiError
from emulator.wire.render import filtered, yaml
from emulator_tests.process import Process, running

UPDATE = "/_ml/trained_models/m/deployment/_update"
NUMBER = b'{"number_of_allocations": 2}'
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def emulator() -> InProcess:
    found = InProcess(models=[("m", 1000)])
    found.request("POST", "/_ml/trained_models/m/deployment/_start")
    return found


def _number(emulator: InProcess) -> int:
    return emulator.cluster.assignments["m"].params.number_of_allocations


# --- content ---


@pytest.mark.parametrize(
    ("coding", "compress"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress)],
)
def test_compressed_bodies(emulator: InProcess, coding: str, compress: Any) -> None:
    """Test server-behaviour.md 0: a compressed body says what the plain one says."""
    assert emulator.request("POST", UPDATE, JSON | {"Content-Encoding": coding}, compress(NUMBER))[0] == 200
    assert _number(emulator) == 2


def test_broken_compression(emulator: InProcess) -> None:
    """Give no answer, or a 400: server-behaviour.md 0 does not say [U]. Nothing is changed."""
    headers = JSON | {"Content-Encoding": "gzip"}
    emulator.control("POST", "/unknowns", {"broken_compression": "drop"})
    with pytest.raises(ConnectionDropped):
        emulator.request("POST", UPDATE, headers, b"\x1f\x8b broken")
    emulator.control("POST", "/unknowns", {"broken_compression": "bad_request"})
    assert emulator.request("POST", UPDATE, headers, gzip.compress(NUMBER)[:-9])[0] == 400
    assert _number(emulator) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"number_of_allocations: 2", 200),
        (b"--- {number_of_allocations: '2'}", 200),
        (b"a: [1, 2\nb: }", 400),
        (b"--- !!python/object:os.system {}", 400),
        (b"a: &x [*x]", 400),
        (b"timeout: 2001-01-01", 400),
    ],
)
def test_yaml_bodies(emulator: InProcess, body: bytes, status: int) -> None:
    """Test server-behaviour.md 0: YAML is accepted; what is malformed is refused like malformed JSON."""
    answer = emulator.request("POST", UPDATE, {"Content-Type": "application/yaml", "Accept": "application/json"}, body)
    assert answer[0] == status
    if status == 400:
        assert json.loads(answer[2])["error"]["type"] == "x_content_parse_exception"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a":' * 1001 + b"1" + b"}" * 1001, "Document nesting depth (1001) exceeds the maximum allowed (1000"),
        (b'{"a":' + b"9" * 1001 + b"}", "Number value length (1001) exceeds the maximum allowed (1000"),
        (b'{"a":1,"a":2}', "Duplicate field 'a'"),
        (b'{"a":NaN}', "Non-standard token 'NaN'"),
    ],
)
def test_limits_of_json(body: bytes, words: str, emulator: InProcess) -> None:
    """Test server-behaviour.md 0: duplicate keys are refused; depth and length of numbers have Jackson's limits [I]."""
    parser = xcontent.Parser(body, emulator.cluster.version)
    with pytest.raises(ApiError) as caught:
        xcontent.read_map(parser)
    assert words in str(caught.value.reason)


def test_whole_documents_are_read_without_recursion(emulator: InProcess) -> None:
    """Test that a thousand levels are allowed, which is more than Python's own parser stands."""
    found: Any = xcontent.read_map(xcontent.Parser(b'{"a":' * 1000 + b"1" + b"}" * 1000, emulator.cluster.version))
    depth = 0
    while isinstance(found, dict):
        found, depth = found["a"], depth + 1
    assert (found, depth) == (1, 1000)


def test_texts_without_meaning_are_rendered(emulator: InProcess) -> None:
    """Test that half of a surrogate pair can be read and is rendered."""
    status, _headers, raw = emulator.request("POST", UPDATE, JSON, b'{"\\ud800": 1}')
    assert status == 400
    assert "unknown field [?]" in json.loads(raw)["error"]["reason"]


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("a.b", {"a": {"b": 1}}),
        ("a.*,-a.b", {"a": {"c[0]": 2}}),
        ("**.c[0]", {"a": {"c[0]": 2}}),
        ("a.?", {}),
        ("d\\.e", {"d.e": 3}),
        ("-a", {"d.e": 3}),
        ("a..b", {}),
    ],
)
def test_filter_path(expression: str, kept: Any) -> None:
    """Test server-behaviour.md 0: only a star stands for something else; a backslash keeps a dot."""
    assert filtered({"a": {"b": 1, "c[0]": 2}, "d.e": 3}, expression) == kept


@pytest.mark.parametrize(
    ("body", "text"), [({}, "--- {}\n"), ({"a": [{}, []]}, "---\na:\n- {}\n- []\n"), ({"a": {"b": "c"}}, None)]
)
def test_yaml_of_nothing(body: Any, text: str | None) -> None:
    """Test server-behaviour.md 0: no match of ``filter_path`` is an empty object, in YAML too."""
    assert yaml(body).decode() == (text or '---\na:\n  b: "c"\n')


# --- connections ---


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    with running("--model", "m=1000") as found:
        yield found


def _talk(process: Process, *parts: bytes, end: bool = True) -> bytes:
    """Send the parts and read to the end."""
    address = urlsplit(process.first["url"])
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        if end:
            connection.shutdown(socket.SHUT_WR)
        got = b""
        while part := connection.recv(65536):
            got += part
        return got


def _head(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def test_half_a_body_starts_nothing(process: Process) -> None:
    """Test server-behaviour.md 0, raw rows: a request that ends too early is not answered, and changes nothing."""
    head = _head("PUT", "/half", "Content-Type: application/json", "Content-Length: 100")
    assert _talk(process, head, b'{"settings": {}}') == b""
    assert process.api("GET", "/half")[0] == 404


def test_chunked_body(process: Process) -> None:
    """Test that a body may come in pieces without a length."""
    headers = ("Content-Type: application/json", "Transfer-Encoding: chunked", "Connection: close")
    got = _talk(
        process, _head("PUT", "/chunked/_doc/1", *headers), b'4\r\n{"a"\r\n', b"3\r\n:1}\r\n0\r\n\r\n", end=False
    )
    assert got.startswith(b"HTTP/1.1 201")
    assert json.loads(process.api("GET", "/chunked/_doc/1")[2])["_source"] == {"a": 1}


def test_body_over_the_limit(process: Process) -> None:
    """Test server-behaviour.md 0.

    413 without product header and body; the connection ends, as the client is sending already [I].
    """
    got = _talk(process, _head("PUT", "/big", f"Content-Length: {MAX_CONTENT + 1}"), end=False)
    assert got == b"HTTP/1.1 413 Request Entity Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def test_pipelined_requests(process: Process) -> None:
    """Test that answers come in the order of the requests."""
    got = _talk(process, _head("GET", "/") + _head("GET", "/none", "Connection: close"), end=False)
    assert got.index(b"200 OK") < got.index(b"404 Not Found")


def test_the_longest_line_that_is_taken(process: Process) -> None:
    """Test server-behaviour.md 0, raw rows: 4096 bytes of first line are taken, 4097 are not."""
    frame = len("GET /_cluster/health?filter_path= HTTP/1.1")
    for length, status in ((4096, b"HTTP/1.1 200"), (4097, b"HTTP/1.0 400")):
        path = "/_cluster/health?filter_path=" + "a" * (length - frame)
        assert _talk(process, _head("GET", path, "Connection: close"), end=False).startswith(status)

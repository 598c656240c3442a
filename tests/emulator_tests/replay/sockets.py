# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay bytes on a real socket: the answer, and whether the server closed the connection."""

from __future__ import annotations

import atexit
import contextlib
import functools
import socket
from typing import Final
from urllib.parse import urlsplit

from emulator_tests.process import Process, running
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome

_LONG: Final = 20.0
"""The time to wait for something that has to come."""
_SHORT: Final = 0.1
"""The time to see that nothing more comes. Waiting longer could only find more."""


@functools.cache
def _process(version: str, secured: bool) -> Process:
    """Start an emulator for all rows of one node; it ends with this process."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    found = stack.enter_context(running("--version", version, "--node", "n1=64,16gb"))
    if secured:
        found.control("POST", "/privileges", {"username": "elastic", "password": "x", "privileges": ["all"]})
    return found


def raw(row: Row, version: str) -> Outcome:
    """Replay one row with raw bytes."""
    process = _process(version, "security" in row.node)
    recorded = str(row.data["response_raw"])
    address = urlsplit(process.first["url"])
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=_LONG) as connection:
        connection.sendall(_bytes(row))
        if "half close" in row.data["note"]:
            connection.shutdown(socket.SHUT_WR)
        got, closed = _answer(connection, len(recorded), row.data.get("closed_by_server", False))
    return [_normal(recorded), row.data.get("closed_by_server", False)], [_normal(got), closed]


def _bytes(row: Row) -> bytes:
    """Return the request; a long row of the same letter was cut in the recording."""
    text, length = row.data["request"]["raw"], row.data["request"]["raw_len"]
    missing = length - len(text)
    if not missing:
        return str(text).encode()
    rest = "\r\n\r\n" if "X-Big" in text else " HTTP/1.1\r\nHost: x\r\n\r\n"
    return f"{text}{text[-1] * (missing - len(rest))}{rest}".encode()


def _answer(connection: socket.socket, length: int, to_the_end: bool) -> tuple[str, bool]:
    """Return everything that comes, and whether the connection ended."""
    got, closed = b"", False
    connection.settimeout(_LONG)
    with contextlib.suppress(TimeoutError):
        while not closed:
            if len(got) >= length and not to_the_end:
                connection.settimeout(_SHORT)
            part = connection.recv(65536)
            got, closed = got + part, not part
    return got.decode(), closed


def _normal(text: str) -> str:
    """Return an answer with names of headers in lower case, sorted, and without the name of the cluster."""
    head, blank, body = text.replace('"cluster_name":"oracle"', '"cluster_name":"double"').rpartition("\r\n\r\n")
    lines = [line if line.startswith("HTTP/") else _lower(line) for line in head.split("\r\n")]
    return "\r\n".join(sorted(lines)) + blank + body


def _lower(line: str) -> str:
    name, colon, value = line.partition(":")
    return name.lower() + colon + value

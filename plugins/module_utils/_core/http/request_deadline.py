# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time limit of one request, from the first byte to the last.

urllib3's own timeouts start again with each piece that arrives: a server that sends a byte now and then would never
time out. Two things are left to the system: a name service that hangs, and the time to connect, which applies to each
of several addresses of one name.
"""

from __future__ import annotations

import http.client
import io
import time
import typing as t

if t.TYPE_CHECKING:
    import socket

    from urllib3 import HTTPConnectionPool

LONGEST = 2_000_000.0
"""Seconds; a socket cannot wait much longer (2 ** 31 milliseconds)."""

_SHORTEST = 0.001
"""Seconds; 0 would mean not to wait at all."""


class Deadline:
    """The time at which the current request must be over."""

    def __init__(self) -> None:
        self._end = 0.0

    def set(self, seconds: float) -> None:
        self._end = time.monotonic() + min(seconds, LONGEST)

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._end

    def left(self) -> float:
        """Return the seconds left, always more than 0."""
        return max(_SHORTEST, self._end - time.monotonic())


def bounded(pool: HTTPConnectionPool, deadline: Deadline) -> HTTPConnectionPool:
    """Return *pool*, whose connections take no longer than *deadline* says. Call it before the pool has any."""
    kind: t.Any = pool.ConnectionCls

    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: t.Any, **kwargs: t.Any) -> None:
            super().__init__(sock, *args, **kwargs)
            self.fp: io.BufferedReader = io.BufferedReader(_Received(self.fp.detach(), sock, deadline))

    class Bounded(kind):  # type: ignore[misc]
        response_class = Response  # of the answers of a proxy, too

        def _new_conn(self) -> socket.socket:
            self.timeout = deadline.left()
            made: socket.socket = super()._new_conn()
            made.settimeout(deadline.left())  # for the handshake
            return made

        def send(self, data: t.Any) -> None:
            if self.sock is not None:
                self.sock.settimeout(deadline.left())
            super().send(data)

    pool.ConnectionCls = Bounded
    return pool


class _Received(io.RawIOBase):
    """The bytes that arrive through *sock* before the deadline; *raw* is its file."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int | None:
        if self._deadline.over:
            raise TimeoutError("timed out")
        self._sock.settimeout(self._deadline.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()

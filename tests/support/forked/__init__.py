# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run programs in forked processes: modules are imported once for all of them.

For programs that do not look at what differs between runs while they are imported. The variables
that they read then are those of their server, see :class:`Forking`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import typing as t
from collections.abc import Mapping
from pathlib import Path

Json = dict[str, t.Any]
Streams = tuple[int, int, int]


class Forking:
    """A server that has imported *module*, with all of *environment*, in the folder *cwd*.

    *first*: the first entry of ``sys.path``: the folder of the script that a person would start.
    """

    def __init__(self, module: str, first: str, environment: Mapping[str, str], cwd: Path) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.address = str(Path(self._folder.name) / "socket")
        self._channel = socket.socket(socket.AF_UNIX)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.address)
            listener.listen()
            self._channel.connect(self.address)
            descriptor = listener.fileno()
            self._server = subprocess.Popen(
                [sys.executable, "-m", "support.forked.server", str(descriptor), first, module],
                env=environment,
                cwd=cwd,
                pass_fds=[descriptor],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        self._read = b""
        self._ended: dict[int, int] = {}
        self._begun: list[int] = []
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        """Return the id of the parent of all forked processes."""
        return self._server.pid

    def start(self, argv: t.Sequence[str], environ: Mapping[str, str], cwd: Path, streams: Streams) -> Forked:
        """Fork a process with the variables *environ*."""
        request = json.dumps({"argv": list(argv), "environ": dict(environ), "cwd": str(cwd)})
        socket.send_fds(self._channel, [request.encode() + b"\n"], streams)
        while not self._begun:
            self._listen()
        return Forked(self, self._begun.pop())

    def status(self, pid: int, timeout: float | None) -> int | None:
        """Return how a process ended, or None if it has not within *timeout* seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        while pid not in self._ended:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self._channel], [], [], left)[0]:
                return None
            self._listen()
        return self._ended[pid]

    def _listen(self) -> None:
        data = self._channel.recv(1 << 16)
        if not data:
            raise RuntimeError(f"nothing can be forked: {self.close()}")
        *lines, self._read = (self._read + data).split(b"\n")
        for answer in map(json.loads, lines):
            if answer["status"] is None:
                self._ended.pop(answer["pid"], None)  # of an earlier process: the system uses ids again
                self._begun.append(answer["pid"])
            else:
                self._ended[answer["pid"]] = answer["status"]

    def close(self) -> str:
        """End the server, and return its standard error."""
        atexit.unregister(self.close)
        self._channel.close()
        self._folder.cleanup()
        return self._server.communicate()[1]


class Forked:
    """A process of :class:`Forking`, with the methods of ``subprocess.Popen`` that are needed here."""

    def __init__(self, server: Forking, pid: int) -> None:
        self.pid = pid
        self._server = server

    def wait(self, timeout: float | None = None) -> int:
        """Return the status of the process; kill it if it does not end in time."""
        status = self._server.status(self.pid, timeout)
        if status is None:
            self.send_signal(signal.SIGKILL)
            self._server.status(self.pid, None)
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self._server.status(self.pid, 0) is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

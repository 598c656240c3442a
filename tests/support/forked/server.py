# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Import a program once, and run it in a process forked for each request: ``python -m support.forked.server``.

The arguments are the descriptor of a listening socket, the first entry of ``sys.path`` and the name of a module with a
function ``main``. A request is a line of JSON with ``argv``, ``environ`` and ``cwd``; standard input, output and error
come with it as descriptors. The answers are lines of JSON, too: one when a process begins, and one when it ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import typing as t

Json = dict[str, t.Any]
Program = t.Callable[[], int | None]


def main() -> Program | None:
    """Serve until the first client disconnects; in a forked process return the program to run."""
    descriptor, first, name = sys.argv[1:]
    sys.path[0] = first
    sys.argv[1:] = []
    program: Program = importlib.import_module(name).main
    gc.collect()
    gc.freeze()  # so that forked processes share the memory of what was imported
    with _Server(int(descriptor)) as server:
        return program if server.forked() else None


class _Server:
    def __init__(self, descriptor: int) -> None:
        self._listener = socket.socket(fileno=descriptor)
        self._clients: list[socket.socket] = []
        self._running: dict[int, socket.socket] = {}

    def __enter__(self) -> t.Self:
        """Have SIGCHLD write into a pipe, so that one call waits for requests and for the ends of processes."""
        self._ended, self._wake = os.pipe()
        for each in (self._ended, self._wake):
            os.set_blocking(each, False)
        self._before = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind, in a forked process either."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, self._before)
        for each in (self._ended, self._wake):
            os.close(each)
        for connection in (self._listener, *self._clients):
            connection.close()

    def forked(self) -> bool:
        """Serve. Return in the end, and in each process that is forked."""
        while True:
            waiting: list[t.Any] = [self._listener, self._ended, *self._clients]
            for ready in select.select(waiting, [], [])[0]:
                if ready is self._listener:
                    self._clients.append(self._listener.accept()[0])
                elif ready is self._ended:
                    os.read(self._ended, 4096)
                    self._report_ended()
                elif (request := _request(ready)) is None:
                    if ready is self._clients[0]:
                        return False
                    self._clients.remove(ready)
                    ready.close()
                elif self._fork(ready, *request):
                    return True

    def _fork(self, client: socket.socket, request: Json, descriptors: list[int]) -> bool:
        pid = os.fork()
        for number, descriptor in enumerate(descriptors):
            if not pid:
                os.dup2(descriptor, number)
            os.close(descriptor)
        if pid:
            self._running[pid] = client
            _send(client, {"pid": pid, "status": None})
            return False
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environ"])
        sys.argv[:] = request["argv"]
        return True

    def _report_ended(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            _send(self._running.pop(pid), {"pid": pid, "status": os.waitstatus_to_exitcode(status)})


def _request(client: socket.socket) -> tuple[Json, list[int]] | None:
    data, descriptors = b"", []
    while not data.endswith(b"\n"):
        more, found, _flags, _address = socket.recv_fds(client, 1 << 16, 3)
        if not more:
            return None
        data += more
        descriptors += found
    return json.loads(data), descriptors


def _send(client: socket.socket, answer: Json) -> None:
    with contextlib.suppress(OSError):  # its client is gone
        client.sendall(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    _program = main()
    sys.exit(_program() if _program else 0)

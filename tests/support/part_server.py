# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a web server that keeps each part of a model once, and that calls a function at a byte that it has received."""

from __future__ import annotations

import contextlib
import http.server
import threading
import typing as t
from collections.abc import Callable, Iterator


class PartServer:
    """The server. ``kept``: the parts, in the ``order`` in which they came. ``kill`` is called at the byte."""

    def __init__(self) -> None:
        self.port = 0
        self.kept: dict[int, bytes] = {}
        self.order: list[int] = []
        self.kill: Callable[[], object] = lambda: None
        self._left: int | None = None
        self._lock = threading.Lock()

    def stop_after(self, count: int | None) -> None:
        """Call ``kill`` after so many bytes of contents, and keep nothing from then on; never if it is ``None``."""
        self._left = count

    def take(self, number: int, content: t.Any, length: int) -> int:
        """Return the status that answers a part; 0 if its process is dead."""
        body = b""
        while len(body) < length:
            piece = content.read1(min(4096, length - len(body)))
            body += piece
            with self._lock:
                if self._left is not None:
                    self._left -= len(piece)
                if not piece or (self._left is not None and self._left < 0):
                    self.kill()
                    return 0
        with self._lock:
            if number in self.kept:
                return 400
            self.kept[number] = body
            self.order.append(number)
            return 200


@contextlib.contextmanager
def serving_parts() -> Iterator[PartServer]:
    """Serve ``PUT /{number}`` on a free port of the loopback."""
    found = PartServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            status = found.take(int(self.path[1:]), self.rfile, int(self.headers["content-length"]))
            if status:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            self.close_connection = True

        def log_message(self, *_args: t.Any) -> None:
            """Log nothing."""

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *_args: t.Any) -> None:
            """Print nothing: clients are killed."""

    server = Quiet(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a web server that has one file, and that breaks off, refuses or redirects as a test asks it to."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import re
import ssl
import threading
import typing as t
from collections.abc import Callable, Iterator


@dataclasses.dataclass
class FileServer:
    """The server, and what it does. ``seen``: path and headers of each request, with names in lower case."""

    content: bytes
    url: str = ""
    etag: str = '"1"'
    ranges: bool = True
    length: bool = True
    announced: int = 0
    """Bytes that it announces, if not those of the content."""
    breaks: list[int] = dataclasses.field(default_factory=list)
    """After how many bytes of each next answer the connection is closed."""
    statuses: list[int] = dataclasses.field(default_factory=list)
    """Of the next answers, instead of the file."""
    shift: int = 0
    """By how many bytes it says that the end of the file begins later."""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    redirects: dict[str, str] = dataclasses.field(default_factory=dict)
    """Where to from a path."""
    before_answer: Callable[[], None] = lambda: None
    seen: list[tuple[str, dict[str, str]]] = dataclasses.field(default_factory=list)

    def starts(self) -> list[int]:
        """Return the first byte that each request asked for."""
        asked = (headers.get("range", "bytes=0-") for _path, headers in self.seen)
        return [int(re.findall(r"\d+", text)[0]) for text in asked]


@contextlib.contextmanager
def serving_file(content: bytes, tls: ssl.SSLContext | None = None, **does: t.Any) -> Iterator[FileServer]:
    """Serve *content* under each path, on a free port of the loopback."""
    file = FileServer(content, **does)

    class Handler(_Handler):
        served = file

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *_args: t.Any) -> None:
            """Print nothing: clients break off."""

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    file.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/model.pt"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield file
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    served: FileServer

    def do_GET(self) -> None:
        file = self.served
        file.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        file.before_answer()
        path = self.path.partition("?")[0]
        if file.statuses:
            self._end(file.statuses.pop(0))
        elif path in file.redirects:
            self._end(302, file.redirects[path])
        else:
            self._send_file()

    def _end(self, status: int, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if location:
            self.send_header("Location", location)
        self.end_headers()

    def _send_file(self) -> None:
        file, size = self.served, len(self.served.content)
        same = self.headers.get("if-range") in (None, file.etag)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range") or "") if file.ranges and same else None
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        if file.length:
            self.send_header("Content-Length", str((file.announced or size) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start + file.shift}-{size - 1}/{size}")
        if file.etag:
            self.send_header("ETag", file.etag)
        if file.ranges:
            self.send_header("Accept-Ranges", "bytes")
        for name, value in file.headers.items():
            self.send_header(name, value)
        self.end_headers()
        end = start + file.breaks.pop(0) if file.breaks else size
        self.wfile.write(file.content[start:end])
        self.close_connection = True

    def log_message(self, *_args: t.Any) -> None:
        """Log nothing."""

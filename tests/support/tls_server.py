# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start TLS servers that note the requests and the client certificates."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
import typing as t
from collections.abc import Iterator


class Server(t.NamedTuple):
    """A server: ``seen`` has the path of each request, and the subject of the client's certificate, if any."""

    port: int
    seen: list[tuple[str, t.Any]]


@contextlib.contextmanager
def serving(context: ssl.SSLContext) -> Iterator[Server]:
    """Serve minimal answers of Elasticsearch on a free port of the loopback."""
    seen: list[tuple[str, t.Any]] = []

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, t.cast("ssl.SSLSocket", self.connection).getpeercert()))
            body = b'{"cluster_name": "behind TLS"}'
            self.send_response(200)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Type", "application/vnd.elasticsearch+json;compatible-with=8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: t.Any) -> None:
            """Log nothing."""

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *_args: t.Any) -> None:
            """Print nothing: the tests make handshakes fail."""

    server = Quiet(("127.0.0.1", 0), Answering)
    # The handshake is part of the first read: while it hangs, other connections are served.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Server(server.server_address[1], seen)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

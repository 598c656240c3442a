# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Play a gateway and a proxy that repeat the headers of a request in errors, redirects, pages and answers.

The path of a request begins with how it answers and with a name: ``/html/a-task/_ml/info``. The rest goes to a server.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import http.client
import http.server
import json
import threading
import typing as t
import urllib.parse
from collections.abc import Iterator, Mapping

JSON = "application/vnd.elasticsearch+json;compatible-with=8"
PASS = "pass"
"""Answer as the server does; the others of :data:`WAYS` fail, but ``gossip`` which succeeds."""
WAYS = (
    PASS,
    "gossip",
    "shape",
    "error",
    "write",
    "reason",
    "redirect",
    "page",
    "text",
    "kind",
    "other",
    "cut",
    "key",
    "tunnel",
)
_REDIRECT = 307


class Seen(t.NamedTuple):
    """The headers of one request, by lower-case name. ``name``: the second part of its path."""

    name: str
    headers: dict[str, str]


class Hostile(t.NamedTuple):
    """The gateway: its ``address``, which is the proxy's, too, and ``seen``, which grows with each request."""

    address: str
    seen: list[Seen]

    def url(self, way: str, name: str) -> str:
        if way == "tunnel":
            return f"https://{name}.invalid"
        return f"{self.address}/{way}/{name}"


@contextlib.contextmanager
def hostile(server: str) -> Iterator[Hostile]:
    """Start the gateway in front of *server*, a URL."""
    seen: list[Seen] = []
    backend = urllib.parse.urlsplit(server).netloc

    class Handler(_Handler):
        behind = backend
        notes = seen

    gateway = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gateway.daemon_threads = True
    thread = threading.Thread(target=gateway.serve_forever, daemon=True)
    thread.start()
    try:
        yield Hostile(f"http://127.0.0.1:{gateway.server_port}", seen)
    finally:
        gateway.shutdown()
        thread.join()
        gateway.server_close()


def gossip(headers: Mapping[str, str]) -> list[str]:
    """Return everything that *headers* carry, the longest first: values, words, and texts encoded in them."""
    leaked: set[str] = set()
    for value in headers.values():
        leaked |= {value, *value.split()}
        for word in value.split():
            with contextlib.suppress(binascii.Error, UnicodeDecodeError):
                pair = base64.b64decode(word, validate=True).decode()
                leaked |= {pair, *pair.split(":", 1)}
    return sorted(leaked, key=lambda text: (-len(text), text))


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behind: str
    notes: list[Seen]

    def do_GET(self) -> None:
        target = urllib.parse.urlsplit(self.path)
        _empty, way, name, rest = target.path.split("/", 3)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {header.lower(): value for header, value in self.headers.items()}
        self.notes.append(Seen(name, headers))
        good = (way == "write" and self.command == "GET") or (way == "shape" and not rest)
        if way in (PASS, "gossip") or good:
            query = f"?{target.query}" if target.query else ""
            self._forward(f"/{rest}{query}", body, gossip(headers) if way == "gossip" else [])
        else:
            getattr(self, f"_{way}")(gossip(headers))

    def do_CONNECT(self) -> None:
        """Refuse every tunnel, as a proxy. The first part of the requested host is the name."""
        headers = {header.lower(): value for header, value in self.headers.items()}
        self.notes.append(Seen(self.path.partition(".")[0], headers))
        leaked = gossip(headers)
        self._answer(
            407, html.escape(" ".join(leaked)).encode(), "text/html", {"Proxy-Authenticate": leaked[0]}, leaked[0]
        )

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def _forward(self, path: str, body: bytes, leaked: list[str]) -> None:
        passed = {name: value for name, value in self.headers.items() if name.lower() in ("accept", "content-type")}
        connection = http.client.HTTPConnection(self.behind, timeout=60)
        try:
            connection.request(self.command, path, body or None, passed)
            answer = connection.getresponse()
            content, kind = answer.read(), answer.getheader("Content-Type") or JSON
        finally:
            connection.close()
        if leaked:
            content = json.dumps(_with_gossip(json.loads(content), " ".join(leaked))).encode()
        self._answer(answer.status, content, kind, {"Warning": f'299 Elasticsearch "{leaked[-1]}"'} if leaked else {})

    def _shape(self, leaked: list[str]) -> None:
        """Answer with texts in place of numbers and objects, and as keys."""
        body = {
            "count": leaked[0],
            "version": leaked[0],
            "upgrade_mode": leaked[0],
            "endpoints": leaked[0],
            "trained_model_stats": [dict.fromkeys(leaked, leaked)],
        }
        self._answer(200, json.dumps(body).encode(), JSON)

    def _error(self, leaked: list[str]) -> None:
        cause = {"type": "t", "reason": " ".join(reversed(leaked)), "headers": dict.fromkeys(leaked, leaked)}
        error = {"type": leaked[0], "reason": " ".join(leaked), "caused_by": cause}
        self._answer(400, json.dumps({"error": error, "status": 400}).encode(), JSON)

    _write = _error

    def _key(self, leaked: list[str]) -> None:
        """Answer with JSON that Elasticsearch never sends: credentials as keys."""
        self._answer(400, json.dumps(dict.fromkeys(leaked, leaked[0])).encode(), JSON)

    def _reason(self, leaked: list[str]) -> None:
        self._answer(400, b"", JSON, reason=" ".join(leaked))

    def _redirect(self, leaked: list[str]) -> None:
        place = urllib.parse.quote(leaked[0], safe="")
        content = html.escape(" ".join(leaked)).encode()
        self._answer(_REDIRECT, content, "text/html", {"Location": f"http://{place}@{place}/{place}?{place}"})

    def _page(self, leaked: list[str]) -> None:
        page = f"<html><title>{html.escape(' '.join(leaked))}</title>{leaked}</html>"
        self._answer(502, page.encode(), "text/html; charset=utf-8")

    def _text(self, leaked: list[str]) -> None:
        self._answer(200, " ".join(leaked).encode(), "text/plain; charset=utf-8")

    def _kind(self, leaked: list[str]) -> None:
        self._answer(200, b"?", f"application/{leaked[0].split()[-1].rstrip('=')}")

    def _other(self, leaked: list[str]) -> None:
        """Answer as another product, with a strange version."""
        version = {"distribution": "opensearch", "number": leaked[-1]}
        self._answer(200, json.dumps({"version": version}).encode(), JSON, {"X-Elastic-Product": leaked[0]})

    def _cut(self, leaked: list[str]) -> None:
        content = json.dumps({"error": " ".join(leaked), "status": 200}).encode()
        self._answer(200, content[:-9], JSON)

    def _answer(
        self,
        status: int,
        content: bytes,
        kind: str,
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        self.send_response(status, _one_line(reason) if reason else None)
        for name, value in {"X-Elastic-Product": "Elasticsearch", "Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, _one_line(value))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002
        """Say nothing."""


def _one_line(text: str) -> str:
    """Return UTF-8 as a header of HTTP can carry it."""
    return text.encode().decode("latin-1")


def _with_gossip(answer: t.Any, leaked: str) -> t.Any:
    """Return a good answer with *leaked* in each text that no program reads, and in ids of nodes."""
    if isinstance(answer, list):
        return [_with_gossip(item, leaked) for item in answer]
    if not isinstance(answer, dict):
        return answer
    speaking = {name: leaked for name in ("cluster_name", "reason") if name in answer}
    ids = {name: _named(answer[name], leaked) for name in ("node", "routing_table") if name in answer}
    return {**{name: _with_gossip(value, leaked) for name, value in {**answer, **ids}.items()}, **speaking}


def _named(nodes: t.Mapping[str, t.Any], leaked: str) -> dict[str, t.Any]:
    return {f"{node_id} {leaked}": node for node_id, node in nodes.items()}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer as gateways in front of Elasticsearch do.

nginx and awselb: the built-in error pages (nginx, ngx_http_special_response.c; an AWS load balancer sends the same
without the last line). HAProxy: its built-in messages (http.c, and "errorfile" in its configuration manual). Envoy: the
bodies of local replies (router and local rate limit filters, in its documentation).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..wire.call import Reply

_TITLES: Final[Mapping[int, str]] = {
    429: "429 Too Many Requests",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}
_HAPROXY: Final[Mapping[int, tuple[str, str]]] = {
    429: ("429 Too Many Requests", "You have sent too many requests in a given amount of time."),
    502: ("502 Bad Gateway", "The server returned an invalid or incomplete response."),
    503: ("503 Service Unavailable", "No server is available to handle this request."),
    504: ("504 Gateway Time-out", "The server didn't respond in time."),
}
_ENVOY: Final[Mapping[int, str]] = {
    429: "local_rate_limited",
    502: "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
    503: "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
    504: "upstream request timeout",
}
NAMES: Final = ("nginx", "haproxy", "envoy", "awselb")
STATUSES: Final[Mapping[str, int]] = {
    "too_many_requests": 429,
    "bad_gateway": 502,
    "service_unavailable": 503,
    "gateway_timeout": 504,
}


def _page(status: int, signature: str) -> str:
    title = _TITLES[status]
    lines = ["<html>", f"<head><title>{title}</title></head>", "<body>", f"<center><h1>{title}</h1></center>"]
    return "\r\n".join([*lines, *([signature] if signature else []), "</body>", "</html>", ""])


def answer(status: int, by: str = "nginx") -> Reply:
    """Return a gateway's own answer: no JSON, and nothing of Elasticsearch's in its headers."""
    kind, headers = "text/html", [("Server", by)]
    if by == "haproxy":
        title, sentence = _HAPROXY[status]
        body = f"<html><body><h1>{title}</h1>\n{sentence}\n</body></html>\n"
        headers = [("Cache-Control", "no-cache")]
    elif by == "envoy":
        kind, body = "text/plain", _ENVOY[status]
    elif by == "awselb":
        body, headers = _page(status, ""), [("Server", "awselb/2.0")]
    else:
        body = _page(status, "<hr><center>nginx</center>")
    return Reply(status, body.encode(), headers, product=False, content_type=kind)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of elasticsearch-py, set up from a :class:`Connection`."""

from __future__ import annotations

import sys
import typing as t

from ..errors import ApiError
from ..options.connection import Connection
from .http_node import node_class

if t.TYPE_CHECKING:
    from elastic_transport import Serializer, Transport
    from elasticsearch import Elasticsearch


OLDEST = 8
"""The first major version of the library that is usable."""

CONNECTIONS = 10
"""To one node, at most; further threads wait."""

LONGEST = 2_000_000.0
"""Seconds; a socket cannot wait much longer (2 ** 31 milliseconds)."""


def preload() -> bool:
    """Import elasticsearch now, so that forked workers have it; return whether this Python has a usable version."""
    return not _library_problem()


def connect(connection: Connection, timeout: t.Callable[[], float], transport: dict[str, t.Any]) -> Elasticsearch:
    """Return the client. *timeout* is asked before each request. *transport*: further arguments of the client."""
    problem = _library_problem()
    if problem:
        raise ApiError("library", _missing_library(problem))
    import elasticsearch

    options: dict[str, t.Any] = {
        "hosts": list(dict.fromkeys(connection.hosts)),  # the library takes none twice
        **connection.credentials(),
        "transport_class": _transport_class(timeout),
        # The library would repeat writes, too: repetition is decided here, request by request.
        "max_retries": 0,
        "retry_on_timeout": False,
        "randomize_nodes_in_pool": False,
        "connections_per_node": CONNECTIONS,
        "serializers": _serializers(),
        "node_class": node_class(connection),
        **_headers(connection),
        **transport,
    }
    try:
        client = elasticsearch.Elasticsearch(**options)
    except (ValueError, OSError) as exc:
        message = f"Cannot set up the connection to {', '.join(connection.hosts)}: {exc}. Check hosts."
        raise ApiError("connection", message) from exc
    client.transport.serializers.serializers = _OrText(options["serializers"])
    return client


def _transport_class(timeout: t.Callable[[], float]) -> type[Transport]:
    """Return a transport that gives each request the seconds of *timeout*.

    The client's own way, ``options()``, makes dozens of objects for each request.
    """
    from elastic_transport import Transport

    class Timed(Transport):
        def perform_request(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
            return super().perform_request(*args, **{**kwargs, "request_timeout": min(timeout(), LONGEST)})

    return Timed


class _OrText(dict[str, t.Any]):
    """Serializers by content type. Any other type is read as text: the client would raise an error without status."""

    def __missing__(self, name: str) -> Serializer:
        found: Serializer = self.get(name.strip().lower()) or self["text/*"]
        return found


def _headers(connection: Connection) -> dict[str, t.Any]:
    headers = dict(connection.headers + connection.secret_headers)
    return {"headers": headers} if headers else {}


def _serializers() -> dict[str, Serializer]:
    """Return serializers for JSON and text; broken JSON becomes text, not an exception without status and headers."""
    from elastic_transport import SerializationError, TextSerializer
    from elasticsearch.serializer import JsonSerializer

    class Text(TextSerializer):
        def loads(self, data: bytes) -> str:
            return data.decode("utf-8", "replace")

    class Json(JsonSerializer):
        def loads(self, data: bytes) -> t.Any:
            try:
                found = super().loads(data)
            except (SerializationError, RecursionError):  # nested so deeply that it breaks the parser
                return data.decode("utf-8", "replace")
            return "null" if found is None and data else found  # None is for an empty answer

    json = ("application/json", "application/vnd.elasticsearch+json")
    others = ("text/html", "text/plain", "text/*")
    return {**dict.fromkeys(others, Text()), **dict.fromkeys(json, Json())}


def _library_problem() -> str:
    """Return why this Python cannot use the library; empty if it can."""
    try:
        import elasticsearch
    except ImportError as exc:
        return str(exc)
    if int(elasticsearch.__version__[0]) >= OLDEST:
        return ""
    number = ".".join(map(str, elasticsearch.__version__))
    return f"found version {number} in {elasticsearch.__file__}"


def _missing_library(problem: str) -> str:
    return (
        f"The Python package elasticsearch, version {OLDEST} or newer, is needed by {sys.executable}: {problem}. "
        "Install it there, for instance with pip, or choose another Python with ansible_python_interpreter."
    )

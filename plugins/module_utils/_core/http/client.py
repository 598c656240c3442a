# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to one cluster: reads that may be repeated, writes that never are."""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
import typing as t
import urllib.parse
import warnings

from ..errors import ApiError
from ..options.connection import Connection
from .client_errors import Transient, from_exception, unreadable, unusable_address
from .error_facts import Answer, RequestContext
from .error_table import BUSY, NO_TIME_LEFT
from .schema import ANY, Schema, SchemaError
from .transport import connect

if t.TYPE_CHECKING:
    from elastic_transport import ApiResponse

MEDIA_TYPE = "application/vnd.elasticsearch+json; compatible-with=8"
"""The type that servers 8.x and 9.x both accept, whatever the client's own major version is."""


SHORTEST_READ = 1.0
"""Seconds that a read gets even if the time is up, so that a task can say what is there."""
SHORTEST_WRITE = 5.0
"""Seconds that a write gets even if the time is up: one without an answer leaves its outcome unknown."""


class Request(t.NamedTuple):
    """One request as it is sent. ``query`` values are text, ``body`` is a JSON object or ``None``."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, t.Any] | None = None

    def as_result(self) -> dict[str, t.Any]:
        return self._asdict()


class _Limit:
    """The time that requests may take together. ``shortest_read``: seconds that a read gets even if it is over."""

    def __init__(self, time_left: t.Callable[[], float], shortest_read: float) -> None:
        self.left = time_left
        self.shortest_read = shortest_read
        self._failed = False

    def seconds(self, *, write: bool) -> float:
        """Return the seconds that the next request may take."""
        return max(SHORTEST_WRITE if write else self.shortest_read, self.left())

    def note_failed(self) -> None:
        self._failed = True

    def refuse_more(self, what: str) -> None:
        """Refuse to read on if the time is over and a read has failed: many would add up on a server that hangs."""
        if self._failed and self.left() <= 0:
            raise ApiError("timeout", f"Cannot {what}: {BUSY}; {NO_TIME_LEFT}")


class _Allowed(threading.local):
    """The seconds that the request of this thread may take."""

    seconds = 0.0


class _Silence:
    """Silence about what servers warn of. Threads share it, because Python keeps its filters for all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        import elasticsearch

        with self._lock:
            self._users += 1
            if self._users == 1:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore", elasticsearch.ElasticsearchWarning)

    def __exit__(self, *_exc: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._caught.__exit__(None, None, None)


_SILENCE = _Silence()


class Client:
    """Requests to one cluster. Reads are repeated after a fault, writes never are.

    Several threads may write at once: at most as many as :data:`.transport.CONNECTIONS` are under way to one node.
    """

    def __init__(
        self, connection: Connection, sleep: t.Callable[[float], None] = time.sleep, **transport: t.Any
    ) -> None:
        """Set up the client. *transport*: further arguments for ``Elasticsearch``, for tests with their own node."""
        # Each further host is one more try, also where nothing is to be repeated.
        self._retries = connection.request_retries + len(connection.hosts) - 1
        self._sleep = sleep
        self._timeout = connection.request_timeout
        self._allowed = _Allowed()
        self._client = connect(connection, lambda: self._allowed.seconds, transport)
        self._limit = _Limit(lambda: math.inf, SHORTEST_READ)
        self._secrets = connection.secrets
        self._certificate = bool(connection.client_cert)
        self.address_hash = connection.address_hash()

    def close(self) -> None:
        self._client.close()

    @contextlib.contextmanager
    def within(self, time_left: t.Callable[[], float], shortest_read: float = SHORTEST_READ) -> t.Iterator[None]:
        """Let requests take no longer than the seconds that *time_left* returns, and repeat none when they are over.

        *shortest_read*: seconds that a read gets even then.
        """
        before, self._limit = self._limit, _Limit(time_left, shortest_read)
        try:
            yield
        finally:
            self._limit = before

    def read(
        self,
        what: str,
        path: str,
        query: dict[str, str] | None = None,
        *,
        body: dict[str, t.Any] | None = None,
        privilege: str = "monitor_ml",
        repeat: bool = True,
        schema: Schema = ANY,
    ) -> t.Any:
        """Return the JSON object that answers ``GET path``, and check it against *schema*.

        *body*: a query that is too long for the address.

        :raises ApiError: after each host and ``request_retries`` repetitions, where a repetition can help, *repeat*
            allows it, and time is left.
        """
        self._limit.refuse_more(what)
        request = Request("GET", path, query or {}, body)
        tries = 0
        while True:
            try:
                return self._send(what, request, privilege, schema)
            except Transient as transient:
                pause = _pause(tries, transient)
                if not repeat or tries >= self._retries or self._limit.left() <= pause:
                    self._limit.note_failed()
                    raise transient.error from transient
                self._sleep(pause)
                tries += 1

    def write(
        self,
        what: str,
        request: Request,
        *,
        privilege: str = "manage_ml",
        schema: Schema = ANY,
        content: bytes | None = None,
    ) -> t.Any:
        """Send *request* exactly once, and return the JSON object of its answer.

        *content*: JSON to send instead of the body of *request*, where that would be large.

        :raises ApiError: also where it is not known whether the write took effect.
        """
        try:
            return self._send(what, request, privilege, schema, content, write=True)
        except Transient as transient:
            raise transient.error from transient

    def ask(self, what: str, request: Request, *, privilege: str, schema: Schema) -> t.Any:
        """Send *request*, which changes nothing, exactly once, and return the JSON object of its answer.

        :raises ApiError: there is none.
        """
        try:
            return self._send(what, request, privilege, schema)
        except Transient as transient:
            raise transient.error from transient

    def _send(
        self,
        what: str,
        request: Request,
        privilege: str,
        schema: Schema,
        content: bytes | None = None,
        *,
        write: bool = False,
    ) -> t.Any:
        """Return the JSON object that answers *request*.

        :raises ApiError: also of the kind ``answer``, if the answer is not an object of this *schema*.
        """
        self._allowed.seconds = min(self._timeout, self._limit.seconds(write=write))
        status = None
        try:
            answer = self._answer(what, request, privilege, content)
            status = answer.meta.status
            if not isinstance(answer.body, dict):
                content_type = answer.meta.headers.get("content-type") or ""
                found = Answer(status, answer.body, content_type=content_type)
                raise unreadable(self._context(what, privilege), found)
            schema(answer.body)
        except SchemaError as exc:
            raise unreadable(self._context(what, privilege), Answer(status, {}), str(exc)) from None
        except RecursionError:
            raise unreadable(self._context(what, privilege), Answer(status, {}), "it is nested too deeply") from None
        return answer.body

    def _answer(self, what: str, request: Request, privilege: str, content: bytes | None) -> ApiResponse[t.Any]:
        import elasticsearch

        body = request.body if content is None else content
        headers = {"accept": MEDIA_TYPE, **({"content-type": MEDIA_TYPE} if body is not None else {})}
        try:
            with _SILENCE:
                return self._client.perform_request(
                    request.method, request.path, params=request.query or None, headers=headers, body=body
                )
        except (elasticsearch.ApiError, elasticsearch.TransportError) as exc:
            raise from_exception(self._context(what, privilege), exc) from exc
        except ValueError as exc:
            # From nothing: the exception and its causes would show the header that cannot be sent.
            raise unusable_address(self._context(what, privilege), exc) from None

    def _context(self, what: str, privilege: str) -> RequestContext:
        nodes: list[t.Any] = self._client.transport.node_pool.all()
        node = max(nodes, key=lambda node: getattr(node, "asked", 0.0))  # tests bring nodes of their own
        proxy = getattr(node, "proxy", "")
        return RequestContext(
            what,
            privilege,
            node.base_url,
            round(self._allowed.seconds, 3),
            self._secrets,
            proxy,
            self._certificate,
            self._allowed.seconds < self._timeout,
        )


def _pause(tries: int, transient: Transient) -> float:
    """Return the seconds to the next try: what the server asks for (30 at most), or a growing pause (10 at most).

    A cluster that is not ready gets time: a node that joins again needs about ten seconds. A lost connection is tried
    again soon, on the next host or by the next machine behind the same name.
    """
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    if transient.retry_after:
        with contextlib.suppress(InvalidHeader, ValueError, OverflowError):  # a date that no calendar has
            return min(30.0, Retry().parse_retry_after(transient.retry_after))
    tries = min(tries, 10)  # by then both are above 10 seconds
    growing = 3.0**tries if transient.error.kind == "unavailable" else 0.1 * 2.0**tries
    return min(10.0, growing)


def quote(name: str) -> str:
    """Return *name* as one segment of a path."""
    return urllib.parse.quote(name, safe="")


def query_value(value: t.Any) -> str:
    """Return *value* as Elasticsearch reads it in a query."""
    return value if isinstance(value, str) else json.dumps(value)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to one cluster: reads that may be repeated, writes that never are."""

from __future__ import annotations

import contextlib
import json
import time
import typing as t
import warnings

from ..options.connection import Connection
from . import response_errors
from .client_errors import Transient, from_exception, unusable_address
from .response_errors import Request
from .schema import ANY, Misshapen, Shape
from .transport import connect

if t.TYPE_CHECKING:
    from elastic_transport import ApiResponse

MEDIA_TYPE = "application/vnd.elasticsearch+json; compatible-with=8"
"""What servers 8.x and 9.x both accept, whatever the client's own major is."""


class Call(t.NamedTuple):
    """One request as it is sent. ``query`` values are text, ``body`` is a JSON object or ``None``."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, t.Any] | None = None

    def as_result(self) -> dict[str, t.Any]:
        return self._asdict()


class Client:
    """Requests to one cluster. Reads are repeated after a fault, writes never are."""

    def __init__(
        self, connection: Connection, sleep: t.Callable[[float], None] = time.sleep, **transport: t.Any
    ) -> None:
        """*transport*: further arguments for ``Elasticsearch``, for tests that bring their own node."""
        # Each further host is one more try, also where nothing is to be repeated.
        self._retries = connection.request_retries + len(connection.hosts) - 1
        self._sleep = sleep
        self._client = connect(connection, transport)
        self._timeout = connection.request_timeout
        self._secrets = connection.secrets
        self._certificate = bool(connection.client_cert)

    def close(self) -> None:
        self._client.close()

    def read(
        self,
        what: str,
        path: str,
        query: dict[str, str] | None = None,
        *,
        body: dict[str, t.Any] | None = None,
        privilege: str = "monitor_ml",
        repeat: bool = True,
        shape: Shape = ANY,
    ) -> t.Any:
        """The JSON object of ``GET path``. *body*: a question too long for the address. *shape*: what it has to be.

        :raises ApiError: after each host and ``request_retries`` repetitions, where a repetition can help and
            *repeat* allows it.
        """
        call = Call("GET", path, query or {}, body)
        for tries in range(self._retries if repeat else 0):
            try:
                return self._send(what, call, privilege, shape)
            except Transient as transient:
                self._sleep(_pause(tries, transient))
        try:
            return self._send(what, call, privilege, shape)
        except Transient as transient:
            raise transient.error from transient

    def write(self, what: str, call: Call, *, privilege: str = "manage_ml", shape: Shape = ANY) -> t.Any:
        """The JSON object of the answer to *call*, sent exactly once.

        :raises ApiError: also where it is not known whether the write took effect.
        """
        try:
            return self._send(what, call, privilege, shape)
        except Transient as transient:
            raise transient.error from transient

    def _send(self, what: str, call: Call, privilege: str, shape: Shape) -> t.Any:
        """:raises ApiError: also of the kind ``answer``, if it is not an object of this *shape*."""
        status = None
        try:
            answer = self._answer(what, call, privilege)
            status = answer.meta.status
            if not isinstance(answer.body, dict):
                content_type = answer.meta.headers.get("content-type") or ""
                raise response_errors.not_understood(self._request(what, privilege), status, answer.body, content_type)
            shape(answer.body)
        except Misshapen as exc:
            raise response_errors.misshapen(self._request(what, privilege), status, str(exc)) from None
        except RecursionError:
            raise response_errors.misshapen(self._request(what, privilege), status, "it is nested too deeply") from None
        return answer.body

    def _answer(self, what: str, call: Call, privilege: str) -> ApiResponse[t.Any]:
        import elasticsearch

        headers = {"accept": MEDIA_TYPE, **({"content-type": MEDIA_TYPE} if call.body is not None else {})}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", elasticsearch.ElasticsearchWarning)
                return self._client.perform_request(
                    call.method, call.path, params=call.query or None, headers=headers, body=call.body
                )
        except (elasticsearch.ApiError, elasticsearch.TransportError) as exc:
            raise from_exception(self._request(what, privilege), exc) from exc
        except ValueError as exc:
            # Neither it nor what it came from: they would show the header that cannot be sent.
            raise unusable_address(self._request(what, privilege), exc) from None

    def _request(self, what: str, privilege: str) -> Request:
        nodes: list[t.Any] = self._client.transport.node_pool.all()
        node = max(nodes, key=lambda each: getattr(each, "asked", 0.0))  # tests bring nodes of their own
        proxy = getattr(node, "proxy", "")
        return Request(what, privilege, node.base_url, self._timeout, self._secrets, proxy, self._certificate)


def _pause(tries: int, transient: Transient) -> float:
    """Seconds to the next try: what the server asks for (30 at most), or a growing pause (10 at most).

    Who says that the cluster is not ready is given time: a node that takes part again needs about ten seconds. A lost
    connection is tried again at once, on the next host or by the next machine behind the same name.
    """
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    if transient.retry_after:
        with contextlib.suppress(InvalidHeader, ValueError, OverflowError):  # a date that no calendar has
            return min(30.0, Retry().parse_retry_after(transient.retry_after))
    tries = min(tries, 10)  # by then both are above 10 seconds
    growing = 3.0**tries if transient.error.kind == "unavailable" else 0.1 * 2.0**tries
    return min(10.0, growing)


def as_text(value: t.Any) -> str:
    """A query value as Elasticsearch reads it."""
    return value if isinstance(value, str) else json.dumps(value)

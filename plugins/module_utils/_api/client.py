# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection: the only file that imports elasticsearch."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import typing as t
import warnings

from .._options.connection import Connection
from .._records.errors import ApiError
from . import errors

if t.TYPE_CHECKING:
    from elasticsearch import Elasticsearch

MEDIA_TYPE = "application/vnd.elasticsearch+json; compatible-with=8"
"""What servers 8.x and 9.x both accept, whatever the client's own major is."""

_RETRIED = (429, *errors.GATEWAY)


class Call(t.NamedTuple):
    """One request as it is sent. ``query`` values are text, ``body`` is a JSON object or ``None``."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, t.Any] | None = None

    def as_result(self) -> dict[str, t.Any]:
        return self._asdict()


def preload() -> bool:
    """Import elasticsearch now, so that forked workers have it; false if this Python does not have it."""
    try:
        import elasticsearch  # noqa: F401
    except ImportError:
        return False
    return True


class Client:
    """Requests to one cluster. Reads are repeated after a fault, writes never are."""

    def __init__(
        self, connection: Connection, sleep: t.Callable[[float], None] = time.sleep, **transport: t.Any
    ) -> None:
        """*transport*: further arguments for ``Elasticsearch``, for tests that bring their own node."""
        # Each further host is one more try, also where nothing is to be repeated.
        self._retries = connection.request_retries + len(connection.hosts) - 1
        self._sleep = sleep
        self._client = _connect(connection, transport)

    def close(self) -> None:
        self._client.close()

    def read(
        self,
        what: str,
        path: str,
        query: dict[str, str] | None = None,
        *,
        privilege: str = "monitor_ml",
        repeat: bool = True,
    ) -> t.Any:
        """The JSON object of ``GET path``.

        :raises ApiError: after each host and ``request_retries`` repetitions, where a repetition can help and
            *repeat* allows it.
        """
        call = Call("GET", path, query or {})
        for tries in range(self._retries if repeat else 0):
            try:
                return self._send(what, call, privilege)
            except _Transient as transient:
                self._sleep(_pause(tries, transient.retry_after))
        try:
            return self._send(what, call, privilege)
        except _Transient as transient:
            raise transient.error from transient

    def write(self, what: str, call: Call) -> t.Any:
        """The JSON object of the answer to *call*, sent exactly once.

        :raises ApiError: also where it is not known whether the write took effect.
        """
        try:
            return self._send(what, call, "manage_ml")
        except _Transient as transient:
            raise transient.error from transient

    def _send(self, what: str, call: Call, privilege: str) -> t.Any:
        import elasticsearch

        headers = {"accept": MEDIA_TYPE, **({"content-type": MEDIA_TYPE} if call.body is not None else {})}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", elasticsearch.ElasticsearchWarning)
                answer = self._client.perform_request(
                    call.method, call.path, params=call.query or None, headers=headers, body=call.body
                )
        except elasticsearch.UnsupportedProductError as exc:
            raise _wrong_product(what) from exc
        except elasticsearch.ApiError as exc:
            error = errors.from_answer(what, privilege, errors.Answer(exc.meta.status, exc.body))
            if exc.meta.status in _RETRIED:
                raise _Transient(error, exc.meta.headers.get("retry-after")) from exc
            raise error from exc
        except elasticsearch.TransportError as exc:
            raise _transport_error(what, exc) from exc
        except ValueError:
            # Its text, and what it came from, would show the header that cannot be sent.
            raise ApiError("connection", f"Cannot {what}: the request has a value that HTTP cannot carry.") from None
        if not isinstance(answer.body, dict):
            raise errors.not_understood(what, answer.meta.status, answer.body)
        return answer.body


class _Transient(Exception):
    """An error that a repetition may cure; ``retry_after`` is the header's text."""

    def __init__(self, error: ApiError, retry_after: str | None = None) -> None:
        self.error = error
        self.retry_after = retry_after
        super().__init__(str(error))


def _connect(connection: Connection, transport: dict[str, t.Any]) -> Elasticsearch:
    try:
        import elasticsearch
        from elastic_transport import TextSerializer
    except ImportError as exc:
        raise ApiError("library", _missing_library(str(exc))) from exc
    if int(elasticsearch.__version__[0]) < 8:
        number = ".".join(map(str, elasticsearch.__version__))
        raise ApiError("library", _missing_library(f"found version {number} in {elasticsearch.__file__}"))
    tls: dict[str, t.Any] = {}
    if any(host.startswith("https:") for host in connection.hosts):
        tls = {"verify_certs": connection.validate_certs, "ssl_show_warn": False}
        if connection.ca_path:
            tls["ca_certs"] = connection.ca_path
    options: dict[str, t.Any] = {
        "hosts": list(connection.hosts),
        **connection.credentials(),
        "request_timeout": connection.request_timeout,
        # The library would repeat writes, too: repetition is decided here, request by request.
        "max_retries": 0,
        "retry_on_timeout": False,
        "randomize_nodes_in_pool": False,
        # Pages of proxies: as text their status and first words can be told.
        "serializers": {kind: TextSerializer() for kind in ("text/html", "text/plain", "application/xml")},
        **tls,
        **transport,
    }
    try:
        return elasticsearch.Elasticsearch(**options)
    except (ValueError, OSError) as exc:
        raise ApiError("connection", f"Cannot set up the connection to {', '.join(connection.hosts)}: {exc}") from exc


def _missing_library(found: str) -> str:
    return (
        f"The Python package elasticsearch, version 8 or newer, is needed by {sys.executable}: {found}. "
        "Install it there, for instance with pip, or choose another Python with ansible_python_interpreter."
    )


def _wrong_product(what: str) -> ApiError:
    return ApiError(
        "product",
        f"Cannot {what}: what answers is not Elasticsearch (its answer lacks the header X-Elastic-Product). "
        "Check hosts; a proxy may also remove the header.",
    )


def _transport_error(what: str, exc: Exception) -> Exception:
    import elasticsearch
    from elastic_transport import TlsError

    # The text of the exception itself says no more than "Connection error".
    text = " ".join(str(getattr(exc, "message", exc)).split())
    if isinstance(exc, elasticsearch.SerializationError):
        return errors.not_understood(what, None, text)
    if isinstance(exc, TlsError) or "CERTIFICATE_VERIFY_FAILED" in text:
        hint = "Check the name in hosts, and set ca_path to the certificate authority of the cluster."
        return ApiError("tls", f"Cannot {what}: no TLS connection: {text}. {hint}")
    if isinstance(exc, elasticsearch.ConnectionTimeout):
        hint = "The cluster may be busy; request_timeout sets how long one request may take."
        return _Transient(ApiError("timeout", f"Cannot {what}: no answer in time: {text}. {hint}"))
    hint = "Check hosts and that the cluster can be reached from where this runs."
    return _Transient(ApiError("connection", f"Cannot {what}: no connection: {text}. {hint}"))


def _pause(tries: int, retry_after: str | None) -> float:
    """Seconds to the next try: what the server asks for (30 at most), or a growing pause (10 at most)."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    if retry_after:
        with contextlib.suppress(InvalidHeader):
            return min(30.0, Retry().parse_retry_after(retry_after))
    return min(10.0, 0.1 * 2.0**tries)


def as_text(value: t.Any) -> str:
    """A query value as Elasticsearch reads it."""
    return value if isinstance(value, str) else json.dumps(value)

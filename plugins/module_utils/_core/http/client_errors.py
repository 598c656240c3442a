# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Translation of elasticsearch-py's exceptions to :class:`ApiError`, with a message a person can act on."""

from __future__ import annotations

import http.client
import socket
import ssl
import typing as t

from ..errors import ApiError
from . import proxy_errors, response_errors, tls_errors
from .response_errors import RequestContext
from .text import shorten

BUSY = "The cluster may be busy"
NO_TIME_LEFT = "no more of wait_timeout was left, which limits the task."


class Transient(Exception):
    """A transient error: a repetition may succeed. ``retry_after`` is the header's text."""

    def __init__(self, error: ApiError, retry_after: str | None = None) -> None:
        self.error = error
        self.retry_after = retry_after
        super().__init__(str(error))


def from_exception(context: RequestContext, exc: Exception) -> Exception:
    """Return the error to raise for *exc*, one of the library's own: :class:`Transient` or an :class:`ApiError`."""
    import elasticsearch

    if isinstance(exc, elasticsearch.UnsupportedProductError):
        return response_errors.another_product(context, exc.body)
    if isinstance(exc, elasticsearch.ApiError):
        headers = exc.meta.headers
        genuine = headers.get("x-elastic-product") == "Elasticsearch"
        answer = response_errors.Answer(exc.meta.status, exc.body, genuine, headers.get("location") or "")
        error = response_errors.from_answer(context, answer)
        return Transient(error, headers.get("retry-after")) if error.kind == "unavailable" else error
    return _no_answer(context, exc)


def unusable_address(context: RequestContext, exc: ValueError) -> ApiError:
    """Return the error of a request that could not be made.

    The message quotes *exc* only if it is about the address: otherwise its text may show a header.
    """
    from urllib3.exceptions import LocationValueError

    if isinstance(exc, LocationValueError):
        message = f"the address cannot be used: {shorten(str(exc), 200)}. Check hosts."
    else:
        message = "the request has a value that HTTP does not allow. Remove line breaks from credentials and headers."
    return ApiError("connection", f"Cannot {context.what}: {message}")


def _no_answer(context: RequestContext, exc: Exception) -> Exception:
    from urllib3.exceptions import DecodeError

    causes = list(_causes(exc))
    by_proxy = proxy_errors.proxy_failure(context, causes)
    if by_proxy is not None:
        return Transient(by_proxy.error) if by_proxy.transient else by_proxy.error
    text = shorten(str(getattr(exc, "message", exc)), 300, context.secrets)
    if any(isinstance(cause, DecodeError) for cause in causes):
        message = f"the answer of {context.there} is marked as compressed, but cannot be unpacked"
        hint = "Check whether a proxy in between changes answers."
        return ApiError("answer", f"Cannot {context.what}: {message}. {hint}")
    broken = next((cause for cause in causes if tls_errors.broke_off(cause)), None)
    if broken is None and _is_tls(exc, causes):
        innermost = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
        cause, hint = tls_errors.tls_failure(innermost, text, context.certificate)
        return ApiError("tls", f"Cannot {context.what}: no TLS connection to {context.there}: {cause}. {hint}")
    if any(isinstance(cause, http.client.BadStatusLine) and not _closed(cause) for cause in causes):
        return _no_http(context, causes)
    return Transient(_timed_out(context, causes) or _not_connected(context, causes, text))


def _causes(exc: BaseException | None) -> t.Iterator[BaseException]:
    """Yield *exc* and its causes, outermost first."""
    visited: set[int] = set()
    while exc is not None and id(exc) not in visited:
        visited.add(id(exc))
        yield exc
        exc = exc.__cause__ or exc.__context__


def _is_tls(exc: Exception, causes: t.Iterable[BaseException]) -> bool:
    from elastic_transport import TlsError

    return isinstance(exc, TlsError) or any(isinstance(cause, ssl.SSLError) for cause in causes)


def _closed(exc: BaseException) -> bool:
    return isinstance(exc, ConnectionResetError)  # RemoteDisconnected is both


def _no_http(context: RequestContext, causes: t.Iterable[BaseException]) -> ApiError:
    line = next(str(cause.args[0]) for cause in causes if isinstance(cause, http.client.BadStatusLine))
    if line.startswith(("\x15\x03", "\x16\x03")):
        message = f"{context.there} answered with TLS. Write https:// in hosts."
        return ApiError("tls", f"Cannot {context.what}: {message}")
    hint = "Check the port in hosts." if not context.proxy else "Check the ports in proxy and in hosts."
    message = f"the server at {context.there} does not speak HTTP: it sent {shorten(line, 60, context.secrets)}"
    return ApiError("answer", f"Cannot {context.what}: {message}. {hint}")


def _timed_out(context: RequestContext, causes: t.Iterable[BaseException]) -> ApiError | None:
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
    from urllib3.exceptions import TimeoutError as NoAnswerInTime

    waited = next((cause for cause in causes if isinstance(cause, NoAnswerInTime)), None)
    if waited is None or isinstance(waited, NewConnectionError):
        return None
    if isinstance(waited, ConnectTimeoutError):
        message = f"no connection to {context.there} within {context.timeout:g} seconds"
        cause, remedy = "A firewall may drop packets, or the machine may be down", "."
    else:
        message = f"no answer from {context.there} within {context.timeout:g} seconds"
        cause, remedy = BUSY, "; request_timeout sets how long one request may take."
    if context.shortened:
        remedy = f"; {NO_TIME_LEFT}"
    return ApiError("timeout", f"Cannot {context.what}: {message}. {cause}{remedy}")


def _not_connected(context: RequestContext, causes: t.Sequence[BaseException], text: str) -> ApiError:
    message, hint = _describe(context.there, causes, text)
    if context.proxy:
        hint = f"Check hosts and proxy, and that the proxy {context.proxy} can reach the cluster."
    return ApiError("connection", f"Cannot {context.what}: {message}. {hint}")


def _describe(host: str, causes: t.Sequence[BaseException], text: str) -> tuple[str, str]:
    kinds = (OSError, http.client.HTTPException)
    lost = next((cause for cause in reversed(causes) if isinstance(cause, kinds)), None)
    reach = "Check hosts, and that the machine where the task runs can reach the cluster."
    if isinstance(lost, socket.gaierror):
        message = f"the name in {host} cannot be resolved ({lost.strerror})"
        return message, "Check its spelling in hosts, and the name service of the machine where the task runs."
    if isinstance(lost, ConnectionRefusedError):
        return f"no connection to {host}: connection refused", "Check the port in hosts, and that Elasticsearch runs."
    if isinstance(lost, http.client.IncompleteRead):
        return f"the connection to {host} ended in the middle of the answer", "Check the proxies in between."
    if isinstance(lost, http.client.RemoteDisconnected) or (lost is not None and tls_errors.broke_off(lost)):
        return f"{host} closed the connection without an answer", _perhaps_tls(host)
    if isinstance(lost, ConnectionResetError):
        return f"{host} reset the connection", _perhaps_tls(host)
    if isinstance(lost, OSError) and lost.strerror:
        return f"no connection to {host} ({lost.strerror})", reach
    return f"no connection to {host}: {text}", reach


def _perhaps_tls(host: str) -> str:
    if host.startswith("https:"):
        return "It may have just stopped, or it may require a client certificate."
    return "It may have just stopped, or it may speak TLS: then write https:// in hosts."

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Translation of answers that are errors to :class:`ApiError`, with a message a person can act on."""

from __future__ import annotations

import json
import typing as t
import urllib.parse

from ..errors import ApiError, ErrorKind
from ..obstacles import OBSTACLES
from .text import LONGEST_REASON, excerpt, is_html, shorten

GATEWAY = (502, 503, 504)

_PLAIN_TO_TLS = "plain http request was sent to https port"
"""The text of nginx, and of gateways built on it."""

_GATEWAY_HINTS = {
    429: "It limits the number of requests: use fewer forks, or try again later.",
    502: "It got no valid answer from the cluster: check that Elasticsearch runs, and its address in the gateway.",
    503: "It has no cluster to forward to: check that Elasticsearch runs, and that the gateway considers it healthy.",
    504: "It got no answer in time: the cluster is slow, or the gateway cannot reach it.",
}


class RequestContext(t.NamedTuple):
    """The facts about a request that its error needs. ``what`` completes "Cannot ...".

    ``host``: the address that the request went to. ``timeout``: seconds. ``secrets``: texts never to be shown in part.
    ``proxy``: the address of the proxy that leads to the host. ``certificate``: whether the client shows one.
    ``shortened``: the request got less time than usual, because a wait was about to end.
    """

    what: str
    privilege: str = "monitor_ml"
    host: str = ""
    timeout: float = 0.0
    secrets: t.Collection[str] = ()
    proxy: str = ""
    certificate: bool = False
    shortened: bool = False

    @property
    def there(self) -> str:
        """Return the host, and the proxy in between, which may be to blame."""
        return f"{self.host} (through the proxy {self.proxy})" if self.proxy else self.host


class Answer(t.NamedTuple):
    """A response as far as errors need it. ``body``: parsed JSON, or text.

    ``genuine``: it says that it comes from Elasticsearch, as all do except those with status 401, 403 and 413.
    """

    status: int
    body: t.Any
    genuine: bool = True
    location: str = ""


class _StartCondition(t.NamedTuple):
    """A condition of the cluster that refuses each start, by parts of its ``texts``."""

    kind: ErrorKind
    status: int
    texts: tuple[str, ...]


_START_CONDITIONS = (
    _StartCondition("upgrade_mode", 429, ("while upgrade mode is enabled",)),
    # The feature follows: ``ml``, or for inference endpoints ``inference``.
    _StartCondition("licence", 403, ("license is non-compliant for [",)),
    # The text from Elasticsearch 8.10 on, and the one before (server-behaviour.md 3.1 row 4).
    _StartCondition("versions", 403, ("while cluster upgrade is in progress", "as not all nodes are on version")),
)


class _Diagnosis(t.NamedTuple):
    """The kind of an error, ``who`` answered, and a hint."""

    kind: ErrorKind
    who: str
    hint: str


def from_answer(context: RequestContext, answer: Answer) -> ApiError:
    """Return the error of an HTTP answer."""
    if 300 <= answer.status < 400:
        return _redirected(context, answer)
    error_type, reason = _type_and_reason(answer.body, context)
    # Elasticsearch says what is wrong in JSON, or nothing.
    by_elasticsearch = error_type is not None or (answer.genuine and not isinstance(answer.body, str))
    if answer.status in _GATEWAY_HINTS and not answer.genuine:
        by_elasticsearch = False  # gateways have errors in JSON, too
    if by_elasticsearch:
        diagnosis = _from_elasticsearch(context, answer, error_type, reason)
    else:
        diagnosis = _from_another(context, answer)
    text = shorten(reason, LONGEST_REASON, context.secrets) if reason else excerpt(answer.body, context.secrets)
    return ApiError(
        diagnosis.kind,
        f"Cannot {context.what}: {diagnosis.who} answered {answer.status}: {text.rstrip('.')}."
        + (f" {diagnosis.hint}" if diagnosis.hint else ""),
        status=answer.status,
        error_type=error_type,
        reason=reason,
        empty=answer.genuine and answer.body == {},
    )


def not_understood(context: RequestContext, status: int | None, body: t.Any, content_type: str = "") -> ApiError:
    """Return the error of an answer that is not a JSON object of Elasticsearch."""
    text = excerpt(body, context.secrets)
    if body is None or body == "":
        what, hint = "is empty", "A proxy in between may have cut it off."
    elif is_html(body):
        what, hint = f"is a web page: {text}", "A proxy or a login page answers instead of Elasticsearch."
    elif body == "null":
        what, hint = "is JSON but not an object: null", _CHECK_ADDRESS
    elif _is_json_text(body):
        what, hint = f"has the content type {shorten(content_type, 60, context.secrets)} instead of JSON", _CHANGED
    elif isinstance(body, str) and "json" in (content_type or "json") and body.lstrip()[:1] in "{[":
        what = f"is JSON that is cut off or damaged, and begins with: {text}"
        hint = "A proxy in between may have cut it off; try again."
    elif isinstance(body, str):
        named = f" (its content type is {shorten(content_type, 60, context.secrets)})" if content_type else ""
        what, hint = f"is not JSON{named}, and begins with: {text}", _CHECK_ADDRESS
    else:
        what, hint = f"is JSON but not an object: {text}", _CHECK_ADDRESS
    return ApiError("answer", f"Cannot {context.what}: the answer of {context.there} {what}. {hint}", status=status)


def _is_json_text(body: t.Any) -> bool:
    """Return whether *body* is complete JSON that its content type does not declare."""
    if not isinstance(body, str) or body.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


_CHECK_ADDRESS = "Check that the address in hosts is that of Elasticsearch."
_CHANGED = "A proxy in between may have changed the header Content-Type."


def another_product(context: RequestContext, body: t.Any) -> ApiError:
    """Return the error of an answer with status 200 that does not say that it comes from Elasticsearch."""
    version = body.get("version") if isinstance(body, dict) else None
    version = version if isinstance(version, dict) else {}
    number = shorten(str(version.get("number") or ""), 20, context.secrets)
    if version.get("distribution") == "opensearch":
        found = f"the server at {context.there} is OpenSearch {number}, not Elasticsearch"
        hint = "This collection needs Elasticsearch 8.0 or newer."
    elif number.partition(".")[0] in ("5", "6", "7"):
        found, hint = f"Elasticsearch {number} is too old", "This collection needs 8.0 or newer."
    elif is_html(body):
        found = f"a web page answers at {context.there}, not Elasticsearch: {excerpt(body, context.secrets)}"
        hint = "Check hosts. A proxy or a login page may be in front of the cluster."
    else:
        found = f"the server at {context.there} is not Elasticsearch (its answer lacks the header X-Elastic-Product)"
        hint = "Check hosts. A proxy may also have removed the header."
    return ApiError("product", f"Cannot {context.what}: {found}. {hint}")


def _redirected(context: RequestContext, answer: Answer) -> ApiError:
    place = _origin(answer.location, context)
    return ApiError(
        "redirect",
        f"Cannot {context.what}: {context.there} answered {answer.status} and redirects to {place}. "
        "The task does not follow redirects, because it would send the credentials there. "
        "Put the address of Elasticsearch itself into hosts.",
        status=answer.status,
    )


def _origin(location: str, context: RequestContext) -> str:
    """Return where a redirect leads, without its path, query and user, which may give secrets away."""
    try:
        url = urllib.parse.urlsplit(location)
    except ValueError:
        return "an invalid address"
    if not url.netloc:
        return "another path of the same server" if location else "no address"
    return shorten(f"{url.scheme or 'http'}://{url.netloc.rpartition('@')[2]}", 100, context.secrets)


def _from_elasticsearch(
    context: RequestContext, answer: Answer, error_type: str | None, reason: str | None
) -> _Diagnosis:
    def diagnosis(kind: ErrorKind, hint: str) -> _Diagnosis:
        return _Diagnosis(kind, "Elasticsearch", hint)

    status = answer.status
    prefix = _wrong_prefix(context, error_type, reason or "")
    if prefix:
        return diagnosis(
            "answer", f"The path {prefix} in hosts is not one of Elasticsearch: leave it out, or correct it."
        )
    if status == 401:
        return diagnosis("credentials", "Check api_key, username and password, or bearer_token.")
    for condition in _START_CONDITIONS:
        if status == condition.status and any(text in (reason or "") for text in condition.texts):
            return diagnosis(condition.kind, OBSTACLES[condition.kind].hint)
    if status == 403 and reason and "is unauthorized" in reason:
        return diagnosis("privilege", f"Grant the cluster privilege {context.privilege}.")
    if status in GATEWAY or (status == 429 and (error_type != "status_exception" or _timed_out(answer.body))):
        return diagnosis("unavailable", "The cluster is not ready, or overloaded: check its health and its logs.")
    if status == 429:
        return diagnosis("capacity", "Repeating the task does not help: add ML nodes, stop something, or ask for less.")
    return diagnosis("server", _format_hint(status, error_type))


def _wrong_prefix(context: RequestContext, error_type: str | None, reason: str) -> str:
    """Return the path in the address of the host, if Elasticsearch took it for an index or knows no such path.

    No request of this collection is about an index (server-behaviour.md 0 has the texts of unknown paths).
    """
    prefix = urllib.parse.urlsplit(context.host).path.rstrip("/")
    unknown = error_type == "index_not_found_exception" or "[indices:" in reason or f"for uri [{prefix}/" in reason
    return prefix if unknown else ""


def _format_hint(status: int, error_type: str | None) -> str:
    if status in (406, 415) or error_type == "media_type_header_exception":
        return "A proxy in between may have changed the headers Accept or Content-Type, or the body."
    return _TOO_LARGE if status == 413 else ""


_TOO_LARGE = "The request is too large for Elasticsearch (http.max_content_length), or for a proxy in between."


def _from_another(context: RequestContext, answer: Answer) -> _Diagnosis:
    """Diagnose the answer of a gateway, a firewall, or something else altogether."""
    there = f"the server at {context.there}"
    if answer.status in _GATEWAY_HINTS:
        return _Diagnosis("unavailable", f"a gateway at {context.there}", _GATEWAY_HINTS[answer.status])
    if answer.status == 401:
        hint = "It is not Elasticsearch that asks for credentials: check hosts, and whether a proxy in between does."
        return _Diagnosis("credentials", there, hint)
    if answer.status == 407:
        hint = "Check proxy_username and proxy_password, or the variable that the proxy comes from."
        proxy = f"the proxy {context.proxy}" if context.proxy else f"a proxy before {context.host}"
        return _Diagnosis("credentials", proxy, hint)
    if answer.status == 413:
        return _Diagnosis("server", there, _TOO_LARGE)
    if _PLAIN_TO_TLS in excerpt(answer.body).lower():
        return _Diagnosis("tls", there, "It speaks TLS: write https:// in hosts.")
    prefix = urllib.parse.urlsplit(context.host).path.rstrip("/")
    place = f"address and path ({prefix})" if prefix else "the address"
    return _Diagnosis("answer", there, f"It is not Elasticsearch: check {place} in hosts, and the proxies in between.")


def _type_and_reason(body: t.Any, context: RequestContext) -> tuple[str | None, str | None]:
    """Return type and reason, with the innermost cause: the outer reason of a parse error hides what is wrong."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        return None, _bounded(error, context)
    if not isinstance(error, dict):
        return None, None
    reason, cause = error.get("reason"), error.get("caused_by")
    while isinstance(cause, dict):
        deeper = str(cause.get("reason") or "")
        if deeper not in str(reason or ""):
            reason = f"{reason}: {deeper}"
        cause = cause.get("caused_by")
    error_type = error.get("type")
    return error_type and shorten(str(error_type), 100, context.secrets), reason and _bounded(str(reason), context)


def _bounded(text: str, context: RequestContext) -> str:
    return text if len(text) <= LONGEST_REASON else shorten(text, LONGEST_REASON, context.secrets)


def _timed_out(body: t.Any) -> bool:
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict) and bool(error.get("timed_out"))


def schema_error(context: RequestContext, status: int | None, found: str) -> ApiError:
    """Return the error of an answer that is a JSON object, but does not fit its schema."""
    return ApiError(
        "answer",
        f"Cannot {context.what}: the answer of {context.there} is not in the format of Elasticsearch: {found}. "
        "Check whether a proxy in between changes answers; if not, please report it with the version of Elasticsearch.",
        status=status,
    )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts about a request that failed, for the predicates and the texts of :mod:`.error_table`."""

from __future__ import annotations

import functools
import http.client
import json
import re
import ssl
import typing as t
import urllib.parse

from .text import LONGEST_REASON, excerpt, is_html, shorten

_ON_INDICES = ("create_index", "view_index_metadata")


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
    def needed(self) -> str:
        """Return the privilege, with what it is about."""
        return f"{'index' if self.privilege in _ON_INDICES else 'cluster'} privilege {self.privilege}"


class Answer(t.NamedTuple):
    """A response as far as errors need it. ``body``: parsed JSON, or text. ``status``: ``None`` if it does not matter.

    ``genuine``: it says that it comes from Elasticsearch, as all do except those with status 401, 403 and 413.
    """

    status: int | None
    body: t.Any
    genuine: bool = True
    location: str = ""
    content_type: str = ""


class Facts:
    """``there``: the host, and the proxy in between, which may be to blame."""

    def __init__(self, context: RequestContext) -> None:
        self.context = context
        self.proxy = context.proxy
        self.there = f"{context.host} (through the proxy {context.proxy})" if context.proxy else context.host
        self.of_server: dict[str, t.Any] = {}  # what an ApiError keeps of the answer
        self._shorten = functools.partial(shorten, secrets=context.secrets)


class AnswerFacts(Facts):
    """The facts about an answer. *misfit*: how it differs from its schema."""

    def __init__(self, context: RequestContext, answer: Answer, misfit: str = "") -> None:
        super().__init__(context)
        self.status, self.body, self.misfit = answer.status, answer.body, misfit
        self._answer = answer
        content = answer.body if isinstance(answer.body, dict) else {}
        error = content.get("error")
        self.timed_out = isinstance(error, dict) and bool(error.get("timed_out"))
        self.error_type, self.reason = self._type_and_reason(error)
        self.is_html = is_html(answer.body)
        self.content_type = self._shorten(answer.content_type, 60)
        self.prefix = urllib.parse.urlsplit(context.host).path.rstrip("/")
        version = content.get("version")
        self.version = version if isinstance(version, dict) else {}
        self.number = self._shorten(str(self.version.get("number") or ""), 20)
        self.of_server = {"status": answer.status}
        if answer.status and answer.status >= 400:
            empty = answer.genuine and answer.body == {}
            self.of_server |= {"error_type": self.error_type, "reason": self.reason, "empty": empty}

    def _type_and_reason(self, error: t.Any) -> tuple[str | None, str | None]:
        """Return type and reason, with the innermost cause: the outer reason of a parse error hides what is wrong."""
        if isinstance(error, str):
            return None, self._bounded(error)
        if not isinstance(error, dict):
            return None, None
        reason, cause = error.get("reason"), error.get("caused_by")
        while isinstance(cause, dict):
            deeper = str(cause.get("reason") or "")
            if deeper not in str(reason or ""):
                reason = f"{reason}: {deeper}"
            cause = cause.get("caused_by")
        error_type = error.get("type")
        return error_type and self._shorten(str(error_type), 100), reason and self._bounded(str(reason))

    def _bounded(self, text: str) -> str:
        return text if len(text) <= LONGEST_REASON else self._shorten(text, LONGEST_REASON)

    @property
    def excerpt(self) -> str:
        return excerpt(self.body, self.context.secrets)

    @property
    def text(self) -> str:
        return (self._shorten(self.reason, LONGEST_REASON) if self.reason else self.excerpt).rstrip(".")

    @property
    def by_elasticsearch(self) -> bool:
        """Return whether Elasticsearch answered: it says what is wrong in JSON, or nothing."""
        if self.status in (429, 502, 503, 504) and not self._answer.genuine:
            return False  # gateways have errors in JSON, too
        return self.error_type is not None or (self._answer.genuine and not isinstance(self.body, str))

    @property
    def prefix_is_wrong(self) -> bool:
        """Return whether Elasticsearch took the path in the address of the host for an index, or knows no such path.

        No request of this collection is about an index (server-behaviour.md 0 has the texts of unknown paths).
        """
        said = self.reason or ""
        unknown = self.error_type == "index_not_found_exception" or "[indices:" in said
        return bool(self.prefix) and (unknown or f"for uri [{self.prefix}/" in said)

    @property
    def redirect(self) -> str:
        """Return where a redirect leads, without its path, query and user, which may give secrets away."""
        try:
            url = urllib.parse.urlsplit(self._answer.location)
        except ValueError:
            return "an invalid address"
        if not url.netloc:
            return "another path of the same server" if self._answer.location else "no address"
        return self._shorten(f"{url.scheme or 'http'}://{url.netloc.rpartition('@')[2]}", 100)

    @property
    def is_whole_json(self) -> bool:
        """Return whether the text is complete JSON that its content type does not declare."""
        if self.body.lstrip()[:1] not in ("{", "["):
            return False
        try:
            json.loads(self.body)
        except (ValueError, RecursionError):
            return False
        return True

    @property
    def is_broken_json(self) -> bool:
        return "json" in (self._answer.content_type or "json") and self.body.lstrip()[:1] in "{["


_BROKEN_OFF = ("UNEXPECTED_EOF_WHILE_READING", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC")
_REJECTED = ("BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED", "CERTIFICATE_REVOKED", "UNKNOWN_CA")
ALONE = "one certificate is sent"
"""In the text of an error: there is no authority beside the certificate of the server."""


class NoAnswerFacts(Facts):
    """The facts about a request that ended with *exc*, an error of the library."""

    def __init__(self, context: RequestContext, exc: Exception) -> None:
        super().__init__(context)
        self._causes = list(_causes(exc))
        proxy_error: t.Any = self.raised("ProxyError")
        self.by_proxy = proxy_error is not None
        self._at_proxy: BaseException | None = None
        if self.by_proxy:
            at_proxy: BaseException = proxy_error.original_error
            self._at_proxy = at_proxy
            self._causes += [at_proxy, *at_proxy.args]
            self.there = f"the proxy {context.proxy}"
        broken = self._first(ssl.SSLError)
        self.text = self._shorten(str(broken if self.by_proxy else getattr(exc, "message", exc)), 300)
        # OpenSSL's number of what is wrong with a certificate, and its name of the error.
        self.unverified = broken.verify_code if isinstance(broken, ssl.SSLCertVerificationError) else None
        self.detail = str(getattr(broken, "verify_message", "")).rstrip(".")
        self.reason = _reason(broken)
        self.alert = self.reason if "_ALERT_" in self.reason else ""
        self.rejects_certificate = any(name in self.alert for name in _REJECTED)
        # Without a client certificate some servers, such as those in Java, say that it is a bad one.
        unshown = self.rejects_certificate and (self.by_proxy or not context.certificate)
        self.wants_certificate = "CERTIFICATE_REQUIRED" in self.alert or unshown
        refused = re.search(r"Tunnel connection failed: (\d{3})", str(self._at_proxy))
        self.refusal_of_proxy = int(refused[1]) if refused else 0
        self.reply_of_proxy = self._shorten(str(self._at_proxy).partition(": ")[2], 100)
        kinds = (OSError, http.client.HTTPException)
        self.lost: t.Any = next((cause for cause in reversed(self._causes) if isinstance(cause, kinds)), None)
        self.is_https = context.host.startswith("https:")

    def _first(self, kind: type[BaseException]) -> t.Any:
        return next((cause for cause in self._causes if isinstance(cause, kind)), None)

    def raised(self, name: str) -> BaseException | None:
        """Return the outermost cause that is an exception of urllib3 of this *name*."""
        from urllib3 import exceptions

        found: BaseException | None = self._first(getattr(exceptions, name))
        return found

    @property
    def is_tls(self) -> bool:
        """Return whether one side refused the TLS connection."""
        broken = self._first(ssl.SSLError)
        if self.by_proxy:
            return not self.refusal_of_proxy and broken is not None and not broke_off(broken)
        if self.raised("DecodeError") or any(broke_off(cause) for cause in self._causes):
            return False
        return broken is not None or self.raised("SSLError") is not None

    @property
    def reason_at_proxy(self) -> str:
        reasons = (cause.strerror for cause in self._causes if isinstance(cause, OSError) and cause.strerror)
        return next(reasons, None) or self._shorten(str(self._at_proxy), 300)

    @property
    def sent(self) -> str:
        """Return the first line of an answer that is not HTTP."""
        wrong = (cause for cause in self._causes if isinstance(cause, http.client.BadStatusLine))
        # RemoteDisconnected is both.
        return next((str(cause.args[0]) for cause in wrong if not isinstance(cause, ConnectionResetError)), "")

    @property
    def sent_text(self) -> str:
        return self._shorten(self.sent, 60)

    @property
    def timed_out(self) -> t.Literal["", "connect", "read"]:
        waited = self.raised("TimeoutError")
        if waited is None or waited is self.raised("NewConnectionError"):
            return ""
        return "connect" if waited is self.raised("ConnectTimeoutError") else "read"


def broke_off(exc: BaseException) -> bool:
    """Return whether the connection was lost, rather than refused by one side."""
    if isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
        return True
    return _reason(exc) in _BROKEN_OFF


def _reason(exc: BaseException | None) -> str:
    """Return OpenSSL's name of the error; an error that the module ssl did not make has none."""
    return str(getattr(exc, "reason", None) or "") if isinstance(exc, ssl.SSLError) else ""


def _causes(exc: BaseException | None) -> t.Iterator[BaseException]:
    """Yield *exc* and its causes, outermost first."""
    visited: set[int] = set()
    while exc is not None and id(exc) not in visited:
        visited.add(id(exc))
        yield exc
        exc = exc.__cause__ or exc.__context__

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer below HTTP: bytes that are no request, or a request that is too large.

Limits: ``http.max_initial_line_length`` (4kb), ``http.max_header_size`` (16kb), ``http.max_content_length`` (100mb) of
the public reference. Answers: rows with raw bytes (recorded-answers.md 1).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from . import errors, render
from .call import BODY_COMPLETE, CERTIFICATE, TRANSPORT

MAX_LINE: Final = 4096
MAX_HEADERS: Final = 16384
MAX_CONTENT: Final = 100 << 20
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOO_LARGE: Final = b"HTTP/1.1 413 Request Entity Too Large\r\ncontent-length: 0\r\n"
_MOST_DIGITS: Final = 18
_VERSION: Final = len(" HTTP/1.1") + 1


class _Refused(Exception):
    """The end of parsing."""


class _OldTransport:
    """A transport that answers an HTTP/1.0 request in HTTP/1.0, without a header for the end of the connection."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._begun = False

    def write(self, data: bytes) -> None:
        """Write; the status line comes first."""
        if not self._begun:
            self._begun = True
            data = data.replace(b"HTTP/1.1", b"HTTP/1.0", 1).replace(b"connection: close\r\n", b"", 1)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """One connection to the API."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ignoring = False
        self._answer = b""
        self._closing = False
        self._header_bytes = 0
        self._body_bytes = 0
        self._message_open = False

    # --- bytes ---

    def data_received(self, data: bytes) -> None:
        """Parse; what follows a refusal is read and forgotten."""
        if self._ignoring:
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._unsupported_upgrade_warning()
        except httptools.HttpParserError:
            if not self._answer:
                # Java's complaint about a first line without three parts. Other malformed requests are [U].
                self._refuse("illegal_argument_exception", "text is empty (possibly HTTP/0.9)", close=True)
            self._end()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Handle the end of the client's data: answer what needs no more of it, and nothing else."""
        self.loop.call_soon(self._hang_up)
        return self.scheme == "http"

    def _hang_up(self) -> None:
        if self._message_open and self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _refuse(self, kind: str, reason: str, *, close: bool) -> None:
        """Prepare the answer: HTTP/1.0 and the end of the connection if not even the first line was read."""
        body = render.compact(errors.ApiError(400, kind, reason).body())
        version = b"HTTP/1.0" if close else b"HTTP/1.1"
        head = version + b" 400 Bad Request\r\nX-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\n"
        self._answer = head + b"content-length: %d\r\n\r\n" % len(body) + body
        self._closing = close

    def _end(self) -> None:
        self._ignoring = True
        self.transport.write(self._answer)
        if self._closing:
            self.transport.close()

    # --- parts of a request ---

    def on_message_begin(self) -> None:
        """Begin a request on this connection."""
        super().on_message_begin()
        extensions: dict[str, Any] = {TRANSPORT: self.transport}
        tunnel = self.transport.get_extra_info("ssl_object")
        if tunnel is not None:
            extensions[CERTIFICATE] = distinguished_name(tunnel.getpeercert())
        self.scope["extensions"] = extensions
        self._header_bytes = self._body_bytes = 0
        self._message_open = True

    def on_url(self, url: bytes) -> None:
        """Take part of the first line."""
        super().on_url(url)
        if len(self.parser.get_method()) + len(self.url) + _VERSION > MAX_LINE:
            words = f"An HTTP line is larger than {MAX_LINE} bytes."
            self._refuse("too_long_http_line_exception", words, close=True)
            raise _Refused

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value) + 2
        if self._header_bytes > MAX_HEADERS:
            words = f"HTTP header is larger than {MAX_HEADERS} bytes."
            self._refuse("too_long_http_header_exception", words, close=False)
            raise _Refused

    def on_headers_complete(self) -> None:
        """Decide whether the client may send the body."""
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        if length.isdigit() and (len(length) > _MOST_DIGITS or int(length) > MAX_CONTENT):
            self._too_large(close=not self.expect_100_continue)
        if self.expect_100_continue:
            self.expect_100_continue = False
            self.transport.write(_CONTINUE)
        super().on_headers_complete()
        cycle = self.cycle
        if self.scope.get("http_version") == "1.0":
            old: Any = _OldTransport(self.transport)
            cycle.transport = old
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[BODY_COMPLETE] = lambda: not cycle.more_body

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; one of unknown length counts as it comes."""
        self._body_bytes += len(body)
        if self._body_bytes > MAX_CONTENT:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._too_large(close=True)
        cycle: Any = self.cycle
        if not cycle.body and not cycle.response_complete:
            cycle.body, body = body, b""  # handed on as it is: uvicorn would copy it twice
        elif isinstance(cycle.body, bytes):
            cycle.body = bytearray(cycle.body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Complete the request."""
        self._message_open = False
        super().on_message_complete()

    def _too_large(self, *, close: bool) -> None:
        """Refuse with 413, without product and body. The connection ends only if the client is sending already [I]."""
        self._answer = _TOO_LARGE + (b"connection: close\r\n\r\n" if close else b"\r\n")
        self._closing = close
        raise _Refused


def distinguished_name(certificate: dict[str, Any] | None) -> str | None:
    """Return the subject of a peer's certificate as the PKI realm writes it: the last part first, as Java writes it."""
    if not certificate:
        return None
    short = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C"}
    parts = [f"{short.get(name, name)}={value}" for part in certificate["subject"] for name, value in part]
    return ", ".join(reversed(parts))

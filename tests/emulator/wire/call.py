# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold one request: parameters, body, and which of them were used.

Source: server-behaviour.md 0 (unknown parameters, unused bodies, kinds of values).
"""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from . import errors, suggest, values
from .media import Negotiated
from .values import TimeValue

if TYPE_CHECKING:
    from ..security.authentication import Identity
    from .sieve import Sieve

BODY_COMPLETE: Final = "emulator.body_complete"
"""The scope extension that says whether the whole body has come with the head."""
TRANSPORT: Final = "emulator.transport"
"""The scope extension through which a connection can be dropped."""
CERTIFICATE: Final = "emulator.certificate"
"""The scope extension that names the client's certificate."""
ALWAYS: Final = frozenset({"pretty", "human", "error_trace", "format", "filter_path"})
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})(.{0,2})", re.DOTALL)


@dataclasses.dataclass
class Reply:
    """An answer before it is written. ``body`` is JSON, raw bytes or a text; ``None`` is empty."""

    status: int
    body: Any = None
    headers: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    product: bool = True
    filterable: bool = True
    content_type: str | None = None


class Call:
    """A request. ``path`` is raw; ``segments`` are decoded."""

    def __init__(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.parameters: dict[str, str] = {}
        self.path_parameters: dict[str, str] = {}
        self.media: Negotiated | None = None
        self.warnings: list[str] = []
        self.committed = False
        self.time_out_at_once = False
        self.failing_route: tuple[str | None, str] | None = None
        self.certificate: str | None = None
        self.identity: Identity | None = None
        self.broken = False
        """The body could not be decompressed."""
        self.sieve: Sieve | None = None
        """Of a part of a definition; ``body`` lacks the text that is in it."""
        self._asked: set[str] = set(ALWAYS)
        self._body_read = False

    @property
    def uri(self) -> str:
        """Return path and query as they came."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def traced(self) -> bool:
        """Return whether errors show their place in the server."""
        return self.parameters.get("error_trace", "false") in ("", "true")

    # --- decoding ---

    def decode_query(self) -> None:
        """Fill ``parameters``; of a repeated one the last counts."""
        try:
            for part in self.query.split("&") if self.query else ():
                name, _equals, value = part.partition("=")
                if name:
                    self.parameters[decode(name, plus=True)] = decode(value, plus=True)
        except errors.ApiError as cause:
            raise errors.ApiError(
                400, "bad_parameter_exception", f"java.lang.IllegalArgumentException: {cause.reason}", cause
            ) from None

    # --- parameters ---

    def has(self, name: str) -> bool:
        """Return whether the query has a parameter; it counts as read only with one of the readers below."""
        return name in self.parameters

    def text(self, name: str) -> str | None:
        """Return a text parameter."""
        self._asked.add(name)
        return self.parameters.get(name)

    def boolean(self, name: str, default: bool) -> bool:
        """Return ``true`` or ``false``; no value after the name means true."""
        value = self.text(name)
        if value is None:
            return default
        return True if value == "" else values.parse_boolean(value)

    def integer(self, name: str, default: int) -> int:
        """Return an ``int`` parameter."""
        value = self.text(name)
        return default if value is None else values.parse_int_parameter(value, name)

    def time(self, name: str, default: TimeValue) -> TimeValue:
        """Return a time value."""
        value = self.text(name)
        return default if value is None else values.parse_time(value, name)

    def flag(self, name: str) -> bool:
        """Return one of the parameters that every request has."""
        return self.boolean(name, False)

    def take_body(self) -> bytes:
        """Return the body, which counts as read from now on."""
        self._body_read = True
        return self.body

    def check_unused(self) -> None:
        """Refuse unknown parameters first, then an unread body."""
        unknown = sorted(set(self.parameters) - self._asked)
        if unknown:
            candidates = self._asked | set(self.path_parameters)
            listed = []
            for name in unknown:
                hint = suggest.did_you_mean(name, candidates - ALWAYS)
                listed.append(f"[{name}]" + (f" ->{hint}" if hint else ""))
            word = "parameter" if len(unknown) == 1 else "parameters"
            raise errors.illegal_argument(f"request [{self.path}] contains unrecognized {word}: {', '.join(listed)}")
        if self.body and not self._body_read:
            raise errors.illegal_argument(f"request [{self.method} {self.path}] does not support having a body")


def decode(text: str, *, plus: bool) -> str:
    """Decode percent escapes; the complaint about a bad one has its place."""
    bad = _ESCAPE.search(text)
    if bad is not None:
        raise errors.illegal_argument(f"invalid escape sequence `%{bad[1]}' at index {bad.start()} of: {text}")
    return urllib.parse.unquote_plus(text) if plus else urllib.parse.unquote(text)

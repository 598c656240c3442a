# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record every request on the API, and every write with its outcome."""

from __future__ import annotations

import collections
import dataclasses
import json
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from ..wire.call import Call

_KEPT: Final = 50_000
"""Requests; without writes, that is some 20 MB."""
_LONGEST: Final = 1 << 20
"""Bytes of a body that is kept: vocabularies are longer."""
_SECRET: Final = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "es-secondary-authorization",
        "es-client-authentication",
        "es-secondary-x-client-authentication",
    }
)
_EMPTY: Final[dict[str, str]] = {}
_SECRET_FIELDS: Final = frozenset(
    {
        "password",
        "api_key",
        "access_token",
        "refresh_token",
        "token",
        "service_account_token",
        "kerberos_ticket",
        "access_key",
        "secret_key",
        "service_account_json",
        "client_secret",
        "entra_id",
        "secret_parameters",
    }
)
"""Parameters that the server leaves out of its own audit log, too, and the secret settings of inference services."""
_HIDDEN: Final = "<hidden>"
_READS: Final = ("GET", "HEAD", "OPTIONS")
_INFERENCE: Final = re.compile(r".*/_infer|/_inference/(?!.*/_update$).+")
"""Paths whose POST changes nothing that a client asks for (around-deployments.md 4.5 and 5.1)."""


@dataclasses.dataclass(slots=True)
class Line:
    """One request; ``status`` as in ``Entry``."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    status: int | None = None


@dataclasses.dataclass
class Entry:
    """One write; ``status`` is ``None`` if the connection was dropped, or while there is no answer yet."""

    n: int
    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int | None = None
    committed: bool = False


def is_dry_run(call: Call) -> bool:
    """Return whether a request only asks what the deletion of an endpoint would break (around-deployments.md 4.4)."""
    is_deletion = call.method == "DELETE" and call.path.startswith("/_inference/")
    return is_deletion and call.parameters.get("dry_run") == "true"


class Journal:
    """Requests in the order in which they came."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.requests: collections.deque[Line] = collections.deque(maxlen=_KEPT)
        self._headers: dict[str, str] = {}
        self.counters = {"requests": 0, "reads": 0, "writes": 0, "bytes_sent": 0}

    def begin(self, call: Call) -> tuple[Line, Entry | None]:
        """Note a request; ``end`` adds its status."""
        self.counters["requests"] += 1
        headers = {name: value for name, value in call.headers.items() if name not in _SECRET}
        # A client repeats its headers: kept once, they are the smallest part of a long log.
        if headers != self._headers:
            self._headers = headers
        line = Line(call.method, sys.intern(call.path), _query(call), self._headers)
        self.requests.append(line)
        infers = call.method == "POST" and _INFERENCE.fullmatch(call.path)
        if call.method in _READS or infers or is_dry_run(call):
            self.counters["reads"] += 1
            return line, None
        self.counters["writes"] += 1
        entry = Entry(self.counters["writes"], call.method, call.path, _query(call), _readable(_shortened(call)))
        self.entries.append(entry)
        return line, entry

    def end(self, noted: tuple[Line, Entry | None], status: int | None, *, committed: bool) -> None:
        """Complete what ``begin`` noted."""
        line, entry = noted
        line.status = status
        if entry is not None:
            entry.status, entry.committed = status, committed

    def as_json(self) -> list[dict[str, Any]]:
        """Return the writes."""
        return [dict(vars(entry)) for entry in self.entries]

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()
        self.requests.clear()
        self.counters.update(requests=0, reads=0, writes=0, bytes_sent=0)


def _query(call: Call) -> dict[str, str]:
    """Return the parameters, without secrets that a client may have put there."""
    if not call.parameters:
        return _EMPTY
    if _SECRET_FIELDS.isdisjoint(call.parameters):
        return call.parameters
    return {name: _HIDDEN if name in _SECRET_FIELDS else value for name, value in call.parameters.items()}


def without_secret_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return headers as the control port shows them."""
    return {name: _HIDDEN if name.lower() in _SECRET else value for name, value in headers.items()}


def _shortened(call: Call) -> bytes:
    """Return the body, but not what is long: for parts of definitions and for vocabularies their length."""
    if call.sieve is not None and call.sieve.plain:
        return call.sieve.outline
    return call.body if len(call.body) <= _LONGEST else b"<%d bytes>" % len(call.body)


def _readable(body: bytes) -> Any:
    if not body:
        return None
    text = body.decode("utf-8", "replace")
    try:
        found = json.loads(text, object_hook=_without_secrets)
        # What Python reads but JSON cannot say (NaN, 1e400, half a surrogate pair) would break every look at it.
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
        return found
    except (ValueError, RecursionError):
        return "<not JSON>" if any(name in text for name in _SECRET_FIELDS) else text


def _without_secrets(body: dict[str, Any]) -> dict[str, Any]:
    for name in _SECRET_FIELDS & body.keys():
        # An object (that of a granted API key) has been looked through already.
        if body[name] is not None and not isinstance(body[name], dict):
            body[name] = _HIDDEN
    return body

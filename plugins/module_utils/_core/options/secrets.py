# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that must never be shown, in each form in which a request or an answer may have them."""

from __future__ import annotations

import base64
import binascii
import html
import json
import typing as t
import urllib.parse

from .addresses import host_userinfo, userinfo
from .credentials import SHORTEST_SECRET

_PAIRS = (("username", "password"), ("proxy_username", "proxy_password"))
_SECRET_NAMES = frozenset(
    ("api_key", "access_key", "secret_key", "service_account_json", "entra_id", "client_secret", "secret_parameters")
)
_SECRET_ENDS = ("_api_key", "_secret", "password", "private_key")
_FREE = ("service_settings", "task_settings", "chunking_settings")
"""Options whose names are the user's own: a secret among them is refused, and must not be shown until then."""


def is_secret_name(name: str) -> bool:
    """Return whether a setting of this *name* is a secret."""
    plain = name.strip().lower().replace("-", "_")
    return plain in _SECRET_NAMES or plain.endswith(_SECRET_ENDS)


def secrets(params: t.Mapping[str, t.Any]) -> frozenset[str]:
    """Return every text in the options, checked or not, that gives credentials away, in each form it may come back in.

    The id of an API key and a user are no secrets: errors name them, and they open nothing. Parts with fewer than
    ``SHORTEST_SECRET`` characters are left out: masking them would mask other text.
    """
    whole = {_text(params.get(name)) for name in ("api_key", "bearer_token", "password", "proxy_password")}
    parts: set[str] = set()
    headers = params.get("secret_headers")
    # Shorter ones are refused, and masking them would mask half of the refusal.
    for value in map(_text, headers.values()) if isinstance(headers, dict) else ():
        parts |= {value, *_parts_of_header(value)}
    parts |= set(_texts_within(params.get("secrets")))
    for option in _FREE:
        parts |= set(_misplaced(params.get(option)))
    parts |= _of_api_key(_text(params.get("api_key")).strip())
    for names in _PAIRS:
        username, password = (_text(params.get(name)) for name in names)
        parts |= {_encoded(f"{username}:{password}")} if password else set()
    # URLs with credentials are refused before anything is sent, and must not be shown until then either.
    for pair in (*map(host_userinfo, _texts(params.get("hosts"))), userinfo(_text(params.get("proxy")))):
        (whole if ":" in pair else parts).add(pair)
        parts |= _secret_half(pair)
    found = whole | {part for part in parts if len(part) >= SHORTEST_SECRET}
    return frozenset(form for text in found for form in _forms(text)) - {""}


def _texts_within(value: t.Any) -> t.Iterator[str]:
    """Yield each text in *value*, at any depth: also what it is as JSON, and the keys within a JSON text."""
    if isinstance(value, dict):
        yield json.dumps(value, default=str)
        for item in value.values():
            yield from _texts_within(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts_within(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
        yield from _misplaced(_parsed(str(value)))


def _misplaced(settings: t.Any) -> t.Iterator[str]:
    """Yield the secrets in *settings*, which their names tell."""
    for item in settings if isinstance(settings, (list, tuple)) else ():
        yield from _misplaced(item)
    for name, value in settings.items() if isinstance(settings, dict) else ():
        yield from _texts_within(value) if is_secret_name(str(name)) else _misplaced(value)


def _parsed(text: str) -> t.Any:
    """Return what *text* is as JSON, nothing if it is none."""
    try:
        return json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None


def _of_api_key(api_key: str) -> set[str]:
    """Return the other form of an API key, and the half of it that is secret."""
    pair = api_key if ":" in api_key else _decoded(api_key)
    return {pair, _encoded(pair), *_secret_half(pair)} if pair else set()


def _parts_of_header(header: str) -> set[str]:
    """Return the parts of a header such as ``Basic dXNlcjpwYXNz``."""
    words = header.split()
    pairs = [_decoded(word) for word in words]
    return {*words, *pairs}.union(*map(_secret_half, pairs))


def _secret_half(pair: str) -> set[str]:
    """Return the secret half of ``name:secret``, also decoded from a URL."""
    secret = pair.partition(":")[2]
    return {secret, urllib.parse.unquote(secret)}


def _encoded(pair: str) -> str:
    return base64.b64encode(_bytes(pair)).decode()


def _decoded(text: str) -> str:
    """Return the ``name:secret`` that *text* encodes, or nothing."""
    try:
        # Elasticsearch, too, accepts it without padding.
        pair = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return pair if ":" in pair else ""


def _forms(text: str) -> t.Iterator[str]:
    """Yield *text* as it is, on one line, without white space around it or padding; each as others write it."""
    for form in sorted({text, text.strip(), " ".join(text.split()), text.rstrip("=")}):
        yield form
        yield from (json.dumps(form, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
        yield from (urllib.parse.quote(_bytes(form)), urllib.parse.quote(_bytes(form), safe=""))
        yield urllib.parse.quote_plus(_bytes(form))
        yield from (html.escape(form, quote=quotes) for quotes in (True, False))
        yield from (repr(form)[1:-1], repr(_bytes(form))[2:-1])
        yield _bytes(form).decode("latin-1")  # UTF-8 in a header


def _bytes(text: str) -> bytes:
    """Return UTF-8, also for bytes of a variable that are not: those are refused only where they are sent."""
    return text.encode("utf-8", "surrogatepass")


def _texts(value: t.Any) -> list[str]:
    return [_text(item) for item in (value if isinstance(value, (list, tuple)) else [value])]


def _text(value: t.Any) -> str:
    return "" if value is None else str(value)

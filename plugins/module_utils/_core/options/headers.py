# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Headers that go with each request, in addition to those of the client."""

from __future__ import annotations

import re
import typing as t

from ..errors import Refusal
from .credentials import SHORTEST_SECRET

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_AUTHENTICATE = "Use api_key, username and password, or bearer_token."
_SET_BY_CLIENT = "The client sets it itself."
_RESERVED = {
    **dict.fromkeys(("accept", "accept-encoding", "content-type", "content-encoding"), _SET_BY_CLIENT),
    **dict.fromkeys(("connection", "content-length", "host", "transfer-encoding"), _SET_BY_CLIENT),
    "authorization": _AUTHENTICATE,
    "proxy-authorization": "Use proxy_username and proxy_password.",
}
"""Headers that a task cannot set, in lower case, and what to do instead."""


def extra_headers(params: t.Mapping[str, t.Any]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return ``headers`` and ``secret_headers``, each as pairs of name and value.

    :raises Refusal: with a message that shows no value.
    """
    found: dict[str, dict[str, str]] = {"headers": {}, "secret_headers": {}}
    names: set[str] = set()
    for option, pairs in found.items():
        for name, value in (params.get(option) or {}).items():
            _refuse_name(option, str(name))
            if str(name).lower() in names:
                raise Refusal(
                    "conflicting_options",
                    f"The header {name} is given twice",
                    hint="Upper and lower case make no difference.",
                )
            names.add(str(name).lower())
            pairs[str(name)] = _value(option, str(name), value)
    refuse_short_secrets(params)
    return {option: tuple(sorted(pairs.items())) for option, pairs in found.items()}


def refuse_short_secrets(params: t.Mapping[str, t.Any]) -> None:
    """Refuse values that are too short to be masked: masking a ``1`` would mask each 1 of a result."""
    headers = params.get("secret_headers")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if len(str(value)) < SHORTEST_SECRET:
            raise Refusal(
                "secret_too_short",
                f"The value of {name} in secret_headers has fewer than {SHORTEST_SECRET} characters",
                hint="Masking it would mask other text, too. If it is no secret, put it into headers.",
            )


def _refuse_name(option: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Refusal("invalid_value", f"{option} has a header with a name that HTTP does not allow: {name!r}")
    if name.lower() in _RESERVED:
        raise Refusal("invalid_value", f"The header {name} cannot be set in {option}", hint=_RESERVED[name.lower()])


def _value(option: str, name: str, value: t.Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Refusal("invalid_value", f"The value of {name} in {option} is not a text", hint="Put it into quotes.")
    text = str(value)
    if not text.isascii() or not text.isprintable():
        raise Refusal(
            "invalid_value", f"The value of {name} in {option} has line breaks or characters that HTTP does not allow"
        )
    return text

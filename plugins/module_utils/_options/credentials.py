# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As whom a task speaks to the cluster, and what of that must never be shown."""

from __future__ import annotations

import base64
import typing as t

from .._records.errors import Refusal
from .addresses import userinfo

AUTHENTICATION = ("api_key", "username", "password", "bearer_token")
SHORTEST_SECRET = 8


def refuse_two_ways(values: t.Mapping[str, t.Any], sources: t.Mapping[str, str]) -> None:
    """Refuse more than one way to authenticate, and half of one.

    *sources*: option to the variable it comes from, for those that come from one.
    """
    given = [name for name in AUTHENTICATION if values.get(name)]
    if len({"basic" if name in ("username", "password") else name for name in given}) > 1:
        raise Refusal(
            f"More than one way to authenticate is given: {', '.join(told(name, sources) for name in given)}",
            hint="Give one, as options or as ELASTICSEARCH_ variables.",
        )
    refuse_half(values, sources, ("username", "password"), "Both are needed to authenticate with a password.")


def refuse_half(values: t.Mapping[str, t.Any], sources: t.Mapping[str, str], pair: tuple[str, str], hint: str) -> None:
    """Refuse one of two options that only make sense together."""
    given = [name for name in pair if values.get(name)]
    if len(given) == 1:
        [missing] = set(pair) - set(given)
        raise Refusal(f"{told(given[0], sources)} is given without {missing}", hint=hint)


def told(option: str, sources: t.Mapping[str, str]) -> str:
    """An option, with the variable that it comes from."""
    return f"{option} (from {sources[option]})" if option in sources else option


def header_text(name: str, value: str | None) -> str | None:
    """A secret that a header carries as it is. The line end of a file or a block in YAML is not part of it."""
    if value is None:
        return None
    text = value.strip()
    if not text.isascii() or not text.isprintable():
        raise Refusal(f"{name} contains characters that no {name} has", hint="Perhaps it spans several lines.")
    return text


def secrets(params: t.Mapping[str, t.Any]) -> set[str]:
    """Every text in the options, or in the fields of a connection, that gives credentials away.

    Also in the form that a request carries.

    Credentials inside an address are refused later, and must not be shown until then either.
    """
    api_key = params.get("api_key") or ""
    found = {api_key, api_key.partition(":")[2], params.get("bearer_token") or ""}
    # Shorter ones are refused: to hide them would hide half of the refusal.
    values = map(str, dict(params.get("secret_headers") or {}).values())
    found |= {value for value in values if len(value) >= SHORTEST_SECRET}
    pairs = {api_key.strip()} if ":" in api_key else set()
    for name, word in (("username", "password"), ("proxy_username", "proxy_password")):
        username, password = params.get(name) or "", params.get(word) or ""
        found.add(password)
        pairs |= {f"{username}:{password}"} if password else set()
    found |= {base64.b64encode(pair.encode()).decode() for pair in pairs}
    for text in (*(params.get("hosts") or ()), params.get("proxy") or ""):
        found |= {userinfo(text), userinfo(text).partition(":")[2]}
    found |= {text.strip() for text in found}
    return found - {""}

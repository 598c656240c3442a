# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The credentials of a task."""

from __future__ import annotations

import typing as t

from ..errors import Refusal

AUTHENTICATION = ("api_key", "username", "password", "bearer_token")
SHORTEST_SECRET = 8


def refuse_two_auth_methods(values: t.Mapping[str, t.Any], sources: t.Mapping[str, str]) -> None:
    """Refuse more than one way to authenticate, and half of one.

    *sources*: option to the variable that it comes from, for those that come from one.
    """
    given = [name for name in AUTHENTICATION if values.get(name)]
    if len({"basic" if name in ("username", "password") else name for name in given}) > 1:
        raise Refusal(
            "conflicting_options",
            f"More than one way to authenticate is given: {', '.join(with_source(name, sources) for name in given)}",
            hint="Give one, as options or as ELASTICSEARCH_ variables.",
        )
    require_both(values, sources, ("username", "password"), "Both are needed to authenticate with a password.")
    _refuse_colon(values, sources, "username")


def require_proxy_pair(values: t.Mapping[str, t.Any], sources: t.Mapping[str, str]) -> None:
    """Refuse a user without a password for a proxy, and the reverse: a token alone would be shown like a user."""
    pair = ("proxy_username", "proxy_password")
    require_both(values, sources, pair, "A proxy that asks for credentials needs both.")
    _refuse_colon(values, sources, pair[0])


def require_both(values: t.Mapping[str, t.Any], sources: t.Mapping[str, str], pair: tuple[str, str], hint: str) -> None:
    """Refuse one of two options that make sense only together."""
    given = [name for name in pair if values.get(name)]
    if len(given) == 1:
        [missing] = set(pair) - set(given)
        raise Refusal("incomplete_options", f"{with_source(given[0], sources)} is given without {missing}", hint=hint)


def _refuse_colon(values: t.Mapping[str, t.Any], sources: t.Mapping[str, str], name: str) -> None:
    if ":" in str(values.get(name) or ""):
        raise Refusal(
            "invalid_value",
            f"{with_source(name, sources)} contains a colon",
            hint="The text after it would be read as the beginning of the password.",
        )


def with_source(option: str, sources: t.Mapping[str, str]) -> str:
    """Return an option with the variable that it comes from."""
    return f"{option} (from {sources[option]})" if option in sources else option


def header_text(name: str, value: str | None, sources: t.Mapping[str, str]) -> str | None:
    """Return a secret for a header, without the line end of a file or of a block in YAML."""
    if not value:
        return None
    text = value.strip()
    if not text:
        raise Refusal(
            "invalid_value",
            f"{with_source(name, sources)} is blank",
            hint="Leave it out or empty to connect without it.",
        )
    if not text.isascii() or not text.isprintable():
        raise Refusal(
            "invalid_value",
            f"{with_source(name, sources)} contains characters that no {name} has",
            hint="Perhaps it contains a line break or a space.",
        )
    return text


def require_utf8(name: str, value: str | None) -> None:
    """Refuse a value from a variable or a file whose bytes are not UTF-8."""
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        hint = "Write it in UTF-8, also in a variable or a file."
        raise Refusal("invalid_value", f"{name} has characters that cannot be sent", hint=hint) from None

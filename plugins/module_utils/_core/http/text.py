# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of servers and gateways, made fit for a message."""

from __future__ import annotations

import json
import re
import typing as t

LONGEST_REASON = 1000
"""Characters of a reason of Elasticsearch, which may name many nodes."""

LONGEST_BODY = 200
"""Characters of a page or of what was meant to be JSON: enough to recognise its author."""

_HIDDEN = "********"
_LONGEST_INPUT = 5000
_MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)


def shorten(text: str, longest: int, secrets: t.Iterable[str] = ()) -> str:
    """Return *text* on one line, of at most *longest* characters.

    If it has to be cut, *secrets* are hidden first: half a secret would not be recognised later.
    """
    if len(text) > longest:
        text = _without(secrets, text)
    line = _flat(text[:_LONGEST_INPUT])
    return line if len(line) <= longest else line[:longest].rstrip() + " ..."


def excerpt(body: t.Any, secrets: t.Iterable[str] = ()) -> str:
    """Return what a reader needs of *body*: the text of a page without markup, or the beginning of anything else."""
    if body is None or body == "":
        return "(no text)"
    text = body if isinstance(body, str) else json.dumps(body)
    if len(text) > LONGEST_BODY or is_html(text):  # markup may be taken out of the middle of a secret
        text = _without(secrets, text)
    if is_html(text):
        text = _MARKUP.sub(" ", text[:_LONGEST_INPUT])
    return shorten(text, LONGEST_BODY) or "an empty page"


def is_html(body: t.Any) -> bool:
    return isinstance(body, str) and body.lstrip()[:1] == "<"


def _without(secrets: t.Iterable[str], text: str) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def _flat(text: str) -> str:
    """Return *text* on one line without control characters, which a terminal would obey."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())

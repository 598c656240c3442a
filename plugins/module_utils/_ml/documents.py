# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents that a task infers with, and texts of errors without what they have: it may be about a person. Pure."""

from __future__ import annotations

import datetime
import html
import json
import re
import typing as t

from .._core.errors import ApiError, Refusal

Json = dict[str, t.Any]
_DATES = (datetime.date, datetime.time)
HIDDEN = "********"
_CUT = re.compile(r"( \.+)(?= |$)")
"""The end of a text that was cut; a sentence that ends with it has lost some of the dots."""
_SHORTEST_BEGINNING = 3
"""Characters that the beginning of a value has where a text was cut."""


def values_in(value: t.Any) -> set[str]:
    """Return the texts and the numbers in *value*, at any depth, as a message may have them."""
    if isinstance(value, dict):
        return set[str]().union(*map(values_in, value.values()))
    if isinstance(value, (list, tuple)):
        return set[str]().union(*map(values_in, value))
    if value is None or isinstance(value, bool):
        return set()
    text = str(value)
    return {text, " ".join(text.split()), html.escape(text), json.dumps(text, ensure_ascii=False)[1:-1]} - {""}


def without(values: t.Collection[str], text: str) -> str:
    """Return *text* with *values* hidden, where they are words of their own, and what a cut has left of one."""
    longest_first = sorted(values, key=len, reverse=True)
    for value in longest_first:
        text = re.sub(rf"{_edge(value[0])}{re.escape(value)}{_edge(value[-1], behind=True)}", HIDDEN, text)
    *parts, end = _CUT.split(text)
    return "".join(_without_beginning(longest_first, part) for part in parts) + end


def _edge(character: str, *, behind: bool = False) -> str:
    """Return the pattern of an edge at which no word goes on."""
    if not re.match(r"\w", character):
        return ""
    return r"(?!\w)" if behind else r"(?<!\w)"


def _without_beginning(values: t.Iterable[str], text: str) -> str:
    """Return *text* without the beginning of one of *values* at its end."""
    for value in values:
        for length in range(min(len(value), len(text)), _SHORTEST_BEGINNING - 1, -1):
            if text.endswith(value[:length]):
                return text[:-length] + HIDDEN
    return text


def hide(values: t.Collection[str], error: ApiError) -> ApiError:
    """Return *error* without *values*."""
    return ApiError(
        error.kind,
        without(values, str(error)),
        status=error.status,
        error_type=error.error_type,
        reason=error.reason and without(values, error.reason),
        empty=error.empty,
        code=error.code,
    )


def documents(option: str, value: t.Any) -> tuple[Json, ...] | None:
    """Return the documents in *value*: a dictionary, a list of them, or either as JSON. The message shows none.

    :raises Refusal: it has anything else.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise _no_documents(option) from None
    if value is None:
        return None
    given = value if isinstance(value, list) else [value]
    if not given or not all(isinstance(doc, dict) for doc in given):
        raise _no_documents(option)
    return tuple(_plain(doc) for doc in given)


def _no_documents(option: str) -> Refusal:
    return Refusal(
        "invalid_value",
        f"{option} has no documents",
        hint="It takes a list of dictionaries, each with the fields of one document.",
    )


def _plain(value: t.Any) -> t.Any:
    """Return *value* with the texts that YAML takes for dates."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, _DATES) else value

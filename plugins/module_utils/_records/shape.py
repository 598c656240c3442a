# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What answers look like: checked before anything is read out of them, and told without a word of theirs."""

from __future__ import annotations

import math
import typing as t

Shape = t.Callable[[t.Any, str], None]
"""Checks a value at a place such as ``nodes[].name``. ``None`` fits wherever something may be left out."""

_LONG = 2**63
_LAST_MOMENT = 253402300799999  # the end of the year 9999


class Misshapen(Exception):
    """Something is not what it has to be; the text says where and what it is not, and nothing that an answer says."""


def _plain(name: str, fits: t.Callable[[t.Any], bool]) -> Shape:
    def check(value: t.Any, place: str) -> None:
        if value is not None and not fits(value):
            raise Misshapen(f"{place} is not {name}")

    return check


def _is_whole(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_LONG <= value < _LONG


text = _plain("text", lambda value: isinstance(value, str))
flag = _plain("true or false", lambda value: isinstance(value, bool))
whole = _plain("a whole number", _is_whole)
number = _plain("a number", lambda value: _is_whole(value) or (isinstance(value, float) and math.isfinite(value)))
moment = _plain("a time in milliseconds", lambda value: _is_whole(value) and 0 <= value <= _LAST_MOMENT)


def rows(of: Shape) -> Shape:
    """A list, each item *of* a shape."""

    def check(value: t.Any, place: str) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            raise Misshapen(f"{place} is not a list")
        for item in value:
            _given(item, f"{place}[]")
            of(item, f"{place}[]")

    return check


def table(of: Shape) -> Shape:
    """An object whose names are ids, each value *of* a shape."""

    def check(value: t.Any, place: str) -> None:
        for item in _object(value, place).values():
            _given(item, f"{place}.*")
            of(item, f"{place}.*")

    return check


def record(*required: str, **fields: Shape) -> Shape:
    """An object; what is not among *fields* is not looked at."""

    def check(value: t.Any, place: str) -> None:
        found = _object(value, place)
        for name in required if value is not None else ():
            _given(found.get(name), f"{place}.{name}".lstrip("."))
        for name, shape in fields.items():
            if name in found:
                shape(found[name], f"{place}.{name}".lstrip("."))

    return check


def shallow(value: t.Any, place: str, deepest: int = 50) -> None:
    """Anything that is not nested out of all measure."""
    if not deepest:
        raise Misshapen(f"{place} is nested too deeply")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        shallow(item, place, deepest - 1)


def _object(value: t.Any, place: str) -> dict[str, t.Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Misshapen(f"{place} is not an object")
    return value


def _given(value: t.Any, place: str) -> None:
    if value is None:
        raise Misshapen(f"{place} is missing")

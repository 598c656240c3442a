# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What answers look like: checked before anything is read out of them, and told without a word of theirs."""

from __future__ import annotations

import math
import typing as t

Shape = t.Callable[[t.Any], None]
"""Checks a value. ``None`` fits wherever something may be left out.

:raises Misshapen: it does not fit.
"""

_LONG = 2**63
_LAST_MOMENT = 253402300799999  # the end of the year 9999


class Misshapen(Exception):
    """Something is not what it has to be; the text says where and what it is not, and nothing that an answer says.

    The place, such as ``nodes[].name``, is put together where it is needed only: on the way out.
    """

    def __init__(self, what: str, place: str = "") -> None:
        self._what = what
        self._place = place

    def within(self, place: str) -> Misshapen:
        """The same, seen from one level further out."""
        inner = self._place if self._place.startswith("[") or not self._place else f".{self._place}"
        return Misshapen(self._what, f"{place}{inner}")

    def __str__(self) -> str:
        return f"{self._place} {self._what}"


def text(value: t.Any) -> None:
    if value is not None and not isinstance(value, str):
        raise Misshapen("is not text")


def flag(value: t.Any) -> None:
    if value is not None and not isinstance(value, bool):
        raise Misshapen("is not true or false")


def whole(value: t.Any) -> None:
    if value is not None and not _is_whole(value):
        raise Misshapen("is not a whole number")


def number(value: t.Any) -> None:
    if not (value is None or _is_whole(value) or (isinstance(value, float) and math.isfinite(value))):
        raise Misshapen("is not a number")


def moment(value: t.Any) -> None:
    """A time in milliseconds since 1970."""
    if value is not None and not (_is_whole(value) and 0 <= value <= _LAST_MOMENT):
        raise Misshapen("is not a time in milliseconds")


def _is_whole(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_LONG <= value < _LONG


def rows(of: Shape) -> Shape:
    """A list, each item *of* a shape."""

    def check(value: t.Any) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            raise Misshapen("is not a list")
        _each(value, of, "[]")

    return check


def table(of: Shape) -> Shape:
    """An object whose names are ids, each value *of* a shape."""

    def check(value: t.Any) -> None:
        _each(_object(value).values(), of, "*")

    return check


def _each(values: t.Iterable[t.Any], of: Shape, place: str) -> None:
    try:
        for item in values:
            if item is None:
                raise Misshapen("is missing")
            of(item)
    except Misshapen as exc:
        raise exc.within(place) from None


def record(*required: str, **fields: Shape) -> Shape:
    """An object; what is not among *fields* is not looked at."""

    def check(value: t.Any) -> None:
        found, name = _object(value), ""
        for name in required if value is not None else ():
            if found.get(name) is None:
                raise Misshapen("is missing", name)
        try:
            for name, shape in fields.items():
                if name in found:
                    shape(found[name])
        except Misshapen as exc:
            raise exc.within(name) from None

    return check


ANY = record()
"""An object of which nothing is needed."""


def shallow(value: t.Any, deepest: int = 50) -> None:
    """Anything that is not nested out of all measure."""
    if not deepest:
        raise Misshapen("is nested too deeply")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        shallow(item, deepest - 1)


def _object(value: t.Any) -> dict[str, t.Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Misshapen("is not an object")
    return value

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schemas of answers, which are checked before use. Error messages never quote an answer."""

from __future__ import annotations

import math
import typing as t

Schema = t.Callable[[t.Any], None]
"""A check of a value. ``None`` fits wherever something may be left out.

:raises SchemaError: the value does not fit.
"""

_LONG = 2**63
_LAST_MILLIS = 253402300799999  # the end of the year 9999


class SchemaError(Exception):
    """A value that does not fit its schema; the text says where and why, and quotes nothing of the answer.

    The place, such as ``nodes[].name``, is put together only where it is needed: on the way out.
    """

    def __init__(self, what: str, place: str = "") -> None:
        self._what = what
        self._place = place

    def within(self, place: str) -> SchemaError:
        """Return the same error, seen from one level further out."""
        inner = self._place if self._place.startswith("[") or not self._place else f".{self._place}"
        return SchemaError(self._what, f"{place}{inner}")

    def __str__(self) -> str:
        return f"{self._place} {self._what}".lstrip()


def text(value: t.Any) -> None:
    if value is not None and not isinstance(value, str):
        raise SchemaError("is not text")


def boolean(value: t.Any) -> None:
    if value is not None and not isinstance(value, bool):
        raise SchemaError("is not true or false")


def integer(value: t.Any) -> None:
    if value is not None and not _is_integer(value):
        raise SchemaError("is not a whole number")


def number(value: t.Any) -> None:
    if not (value is None or _is_integer(value) or (isinstance(value, float) and math.isfinite(value))):
        raise SchemaError("is not a number")


def epoch_millis(value: t.Any) -> None:
    """Check a time in milliseconds since 1970."""
    if value is not None and not (_is_integer(value) and 0 <= value <= _LAST_MILLIS):
        raise SchemaError("is not a time in milliseconds")


def _is_integer(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_LONG <= value < _LONG


def list_of(of: Schema) -> Schema:
    """Return the schema of a list whose items fit the schema *of*."""

    def check(value: t.Any) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            raise SchemaError("is not a list")
        _each(value, of, "[]")

    return check


def map_of(of: Schema) -> Schema:
    """Return the schema of an object whose names are ids and whose values fit the schema *of*."""

    def check(value: t.Any) -> None:
        _each(_object(value).values(), of, "*")

    return check


def _each(values: t.Iterable[t.Any], of: Schema, place: str) -> None:
    try:
        for item in values:
            if item is None:
                raise SchemaError("is missing")
            of(item)
    except SchemaError as exc:
        raise exc.within(place) from None


def object_with(*required: str, **fields: Schema) -> Schema:
    """Return the schema of an object; names that are not among *fields* are not checked."""

    def check(value: t.Any) -> None:
        found, name = _object(value), ""
        for name in required if value is not None else ():
            if found.get(name) is None:
                raise SchemaError("is missing", name)
        try:
            for name, schema in fields.items():
                if name in found:
                    schema(found[name])
        except SchemaError as exc:
            raise exc.within(name) from None

    return check


ANY = object_with()
"""An object of which nothing is needed."""


def max_depth(value: t.Any, deepest: int = 50) -> None:
    """Check that a value is not nested too deeply."""
    if not deepest:
        raise SchemaError("is nested too deeply")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        max_depth(item, deepest - 1)


def _object(value: t.Any) -> dict[str, t.Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SchemaError("is not an object")
    return value

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse objects strictly, with Elasticsearch's coercions and complaints (its ``ObjectParser``).

A spec lists the fields of one object; ``parse`` reads them in the order they come and hands each value on. Unknown
fields, wrong kinds of values and values that cannot be read give the server's exact error. Texts: the request
records.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

from . import errors, xcontent
from .suggest import did_you_mean
from .values import INT_MAX, INT_MIN, LONG_MAX, LONG_MIN, coerce_int, coerce_long, parse_boolean
from .xcontent import Parser

Reader = Callable[[Parser], Any]

_TEXTS: Final = frozenset({xcontent.VALUE_STRING})
_NUMBERS: Final = frozenset({xcontent.VALUE_NUMBER, xcontent.VALUE_STRING})
_BOOLEANS: Final = frozenset({xcontent.VALUE_BOOLEAN, xcontent.VALUE_STRING})
_VALUES: Final = frozenset({xcontent.VALUE_BOOLEAN, xcontent.VALUE_STRING, xcontent.VALUE_NUMBER, xcontent.VALUE_NULL})


@dataclasses.dataclass(frozen=True)
class Field:
    """One field: its name, the tokens it takes, how to read it, and names that are deprecated."""

    name: str
    tokens: frozenset[str]
    read: Reader
    deprecated: tuple[str, ...] = ()


@dataclasses.dataclass
class Parsed:
    """The content of one object: values by field name, and warnings about deprecated names."""

    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)


def text(name: str) -> Field:
    """Return a field for a string and nothing else."""
    return Field(name, _TEXTS, lambda parser: parser.text)


def converted(name: str, convert: Callable[[str], Any]) -> Field:
    """Return a field for a string that ``convert`` turns into something."""
    return Field(name, _TEXTS, lambda parser: convert(parser.text))


def any_value(name: str, read: Reader) -> Field:
    """Return a field for any single value, null included; ``read`` decides."""
    return Field(name, _VALUES, read)


def anything(name: str) -> Field:
    """Return a field for any value, objects and arrays included, as plain JSON."""
    return Field(name, _VALUES | {xcontent.START_OBJECT, xcontent.START_ARRAY}, xcontent.read_value)


def boolean(name: str) -> Field:
    """Return a field for ``true``, ``false`` or their texts."""
    return Field(name, _BOOLEANS, lambda parser: parse_boolean(parser.text))


def integer(name: str, deprecated: tuple[str, ...] = ()) -> Field:
    """Return a field for a number or a text that holds one; fractions are cut."""
    return Field(name, _NUMBERS, read_int, deprecated)


def long(name: str, deprecated: tuple[str, ...] = ()) -> Field:
    """Return a field for a ``long``, or a text that holds one; fractions are cut."""
    return Field(name, _NUMBERS, _read_long, deprecated)


def integer_or_null(name: str, null: int) -> Field:
    """Return a field for an integer, with a value that stands for null."""

    def read(parser: Parser) -> int:
        return null if parser.token == xcontent.VALUE_NULL else read_int(parser)

    return Field(name, _NUMBERS | {xcontent.VALUE_NULL}, read)


def nested(name: str, read: Reader) -> Field:
    """Return a field for an object or null; ``read`` starts at the opening brace."""
    return Field(name, frozenset({xcontent.START_OBJECT, xcontent.VALUE_NULL}), read)


def read_int(parser: Parser) -> int:
    """Read an ``int`` from the current token."""
    if parser.token == xcontent.VALUE_STRING:
        return coerce_int(parser.text)
    number = _number(parser.text)
    if number > INT_MAX or number < INT_MIN:
        raise parser.out_of_range("int", INT_MIN, INT_MAX)
    return int(number)


def _read_long(parser: Parser) -> int:
    if parser.token == xcontent.VALUE_STRING:
        return coerce_long(parser.text)
    number = _number(parser.text)
    if number > LONG_MAX or number < LONG_MIN:
        raise parser.out_of_range("long", LONG_MIN, LONG_MAX)
    return int(number)


def _number(text: str) -> float:
    return float(text) if any(sign in text for sign in ".eE") else int(text)


def _goes_on(parser: Parser, name: str) -> errors.ApiError:
    """Return the complaint about a field that holds more than one object."""
    line, column = parser.location
    words = f"parser for [{name}] did not end on END_OBJECT"
    if parser.version.object_end_is_parsed:
        return errors.ApiError(400, "x_content_parse_exception", f"[{line}:{column}] {words}")
    return errors.ApiError(500, "illegal_state_exception", words)


class ObjectParser:
    """A strict parser for one kind of object; ``name`` appears in its complaints."""

    def __init__(self, name: str, fields: Sequence[Field]) -> None:
        self.name = name
        self._names = [field.name for field in fields]
        self._fields = {name: field for field in fields for name in (field.name, *field.deprecated)}

    def parse(self, parser: Parser) -> Parsed:
        """Read the object at the current token, or the next one at the beginning of a body."""
        token = parser.token if parser.token is not None else parser.next_token()
        if token != xcontent.START_OBJECT:
            word = "null" if token is None else token
            raise self._complaint(parser.location, f"Expected START_OBJECT but was: {word}")
        parsed = Parsed()
        while parser.next_token() != xcontent.END_OBJECT:
            self._entry(parser, parsed)
        return parsed

    def _entry(self, parser: Parser, parsed: Parsed) -> None:
        name, place = parser.text, parser.location
        field = self._fields.get(name)
        parser.next_token()
        if field is None:
            hint = did_you_mean(name, list(self._fields))
            raise self._complaint(place, f"unknown field [{name}]{hint}")
        if name != field.name:
            line, column = parser.location
            words = f"Deprecated field [{name}] used, expected [{field.name}] instead"
            parsed.warnings.append(f"[{self.name}][{line}:{column}] {words}")
        if parser.token not in field.tokens:
            raise self._complaint(parser.location, f"{name} doesn't support values of type: {parser.token}")
        begun = parser.token
        try:
            parsed.values[field.name] = field.read(parser)
        except errors.ApiError as cause:
            raise self._complaint(parser.location, f"failed to parse field [{name}]", cause) from None
        if begun == xcontent.START_OBJECT and parser.token != xcontent.END_OBJECT:
            raise _goes_on(parser, name)

    def _complaint(self, place: tuple[int, int], words: str, cause: errors.ApiError | None = None) -> errors.ApiError:
        line, column = place
        return errors.ApiError(400, "x_content_parse_exception", f"[{line}:{column}] [{self.name}] {words}", cause)

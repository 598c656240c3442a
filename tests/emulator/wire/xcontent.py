# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pull tokens out of JSON, and report places and complaints as Elasticsearch's content parser does.

Tokens are read one at a time, because a complaint about a field comes before a syntax error further on. Columns count
bytes from 1. Texts and columns follow the ``update_request`` and ``start_request`` records; complaints that no record
shows use Jackson's usual words.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, Final

from ..state.versions import Features
from . import base64_text, errors
from .base64_text import NotBase64

START_OBJECT: Final = "START_OBJECT"
END_OBJECT: Final = "END_OBJECT"
START_ARRAY: Final = "START_ARRAY"
END_ARRAY: Final = "END_ARRAY"
FIELD_NAME: Final = "FIELD_NAME"
VALUE_STRING: Final = "VALUE_STRING"
VALUE_NUMBER: Final = "VALUE_NUMBER"
VALUE_BOOLEAN: Final = "VALUE_BOOLEAN"
VALUE_NULL: Final = "VALUE_NULL"

_NUMBER: Final = re.compile(rb"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORD: Final = re.compile(rb"[A-Za-z0-9_$\x80-\xff]+")
_STRING: Final = re.compile(rb'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"', re.DOTALL)
_BLANKS: Final = re.compile(rb"[ \t\r\n]*")
_LITERALS: Final = {b"true": VALUE_BOOLEAN, b"false": VALUE_BOOLEAN, b"null": VALUE_NULL}
_MOST_DIGITS: Final = 1000
_MOST_LEVELS: Final = 1000


def _no_constant(name: str) -> None:
    raise ValueError(name)


_PLAIN: Final = json.JSONDecoder(parse_int=float, parse_constant=_no_constant)
_BOM: Final = b"\xef\xbb\xbf"


@dataclasses.dataclass
class _Level:
    """An open object or array: the next possible tokens, and the names so far."""

    kind: str
    start: tuple[int, int]
    names: set[str] = dataclasses.field(default_factory=set)
    entries: int = 0
    after_name: bool = False


def read_map(parser: Parser) -> dict[str, Any]:
    """Read a whole body as a map, without a schema; anything but an object gives an empty one."""
    if parser.next_token() != START_OBJECT:
        return {}
    read: dict[str, Any] = read_value(parser)
    return read


def read_value(parser: Parser) -> Any:
    """Return the value at the current token as plain JSON."""
    if parser.token not in (START_OBJECT, START_ARRAY):
        return parser.text if parser.token == VALUE_STRING else json.loads(parser.text)
    # No recursion: the server's limit of depth is above Python's.
    whole: Any = {} if parser.token == START_OBJECT else []
    open_values, name = [whole], ""
    while open_values:
        token, inner = parser.next_token(), open_values[-1]
        if token in (END_OBJECT, END_ARRAY):
            open_values.pop()
            continue
        if token == FIELD_NAME:
            name = parser.text
            continue
        opened: Any = {START_OBJECT: {}, START_ARRAY: []}.get(str(token))
        value = opened if opened is not None else read_value(parser)
        if isinstance(inner, dict):
            inner[name] = value
        else:
            inner.append(value)
        if opened is not None:
            open_values.append(opened)
    return whole


class Parser:
    """Reads ``body``; ``token`` is the current token, ``location`` where it starts, ``text`` its text."""

    def __init__(self, body: bytes, version: Features) -> None:
        self._body = body
        self._at = len(_BOM) if body.startswith(_BOM) else 0
        self._line, self._line_start, self._counted = 1, self._at, self._at
        self.version = version
        self._levels: list[_Level] = []
        self._done = False
        self._text_at = 0
        self.token: str | None = None
        self.location: tuple[int, int] = (1, 0)
        self.text = ""

    # --- reading ---

    def next_token(self) -> str | None:
        """Move on and return the new token, ``None`` at the end."""
        self._skip_blanks()
        if not self._levels:
            return self._root()
        level = self._levels[-1]
        if level.kind == "Object":
            return self._in_object(level)
        return self._in_array(level)

    def out_of_range(self, kind: str, least: int, most: int) -> errors.ApiError:
        """Return the complaint about a number that is no such integer; its place is behind the number."""
        return self._failure(
            f"Numeric value ({self.text}) out of range of {kind} ({least} - {most})",
            "input_coercion_exception",
            self._here(),
        )

    def number(self) -> float:
        """Return the current value as a ``double``; a text may hold one."""
        if self.token not in (VALUE_NUMBER, VALUE_STRING):
            name = f"VALUE_{self.text.upper()}"
            words = f"Current token ({name}) not numeric, can not use numeric value accessors"
            raise self._failure(words, "json_parse_exception", self._here())
        try:
            return float(self.text)
        except ValueError:
            raise errors.number_format(self.text) from None

    def plain_array(self, kind: type) -> list[Any] | None:
        """Return the rest of the current array at once, if it holds nothing but values of a *kind*: texts or numbers.

        Vocabularies have a quarter of a million of them. What is odd is left to ``next_token``.
        """
        try:
            text = self._body[self._at - 1 :].decode()
            found, end = _PLAIN.raw_decode(text)
        except (ValueError, RecursionError):
            return None
        if not all(type(each) is kind for each in found):
            return None
        self._at += len(text[:end].encode()) - 2
        self._close(END_ARRAY)
        return list(found)

    def base64_size(self) -> int:
        """Return the number of bytes that the current text says in base64."""
        try:
            return base64_text.size(self._body[self._text_at :])
        except NotBase64 as error:
            self._at = self._text_at + error.read
            raise self._failure(str(error), "json_parse_exception", self._here()) from None

    def _root(self) -> str | None:
        if self._at >= len(self._body) or self._done:
            # Text after the first value is never read.
            self.location = (1, 0) if self.token is None else self._here()
            self.token = None
            return None
        self._done = True
        return self._value()

    def _in_object(self, level: _Level) -> str:
        if level.after_name:
            level.after_name = False
            return self._value()
        self._expect_more(level)
        if self._peek() == b"}":
            return self._close(END_OBJECT)
        if level.entries:
            self._comma(level)
        level.entries += 1
        return self._name(level)

    def _in_array(self, level: _Level) -> str:
        self._expect_more(level)
        if self._peek() == b"]":
            return self._close(END_ARRAY)
        if level.entries:
            self._comma(level)
        level.entries += 1
        return self._value()

    def _name(self, level: _Level) -> str:
        self._expect_more(level)
        if self._peek() != b'"':
            raise self._unexpected("was expecting double-quote to start field name")
        before = self.location
        self._set(FIELD_NAME)
        self.text = self._string("in field name")
        if self.text in level.names:
            self.location = before  # the name does not become a token
            raise self._failure(f"Duplicate field '{self.text}'", "json_parse_exception", self._here())
        level.names.add(self.text)
        self._skip_blanks()
        if self._at >= len(self._body):
            raise self._end_of_input(" within/between Object entries")
        if self._peek() != b":":
            raise self._unexpected("was expecting a colon to separate field name and value")
        self._at += 1
        level.after_name = True
        return FIELD_NAME

    def _value(self) -> str:
        self._skip_blanks()
        if self._at >= len(self._body):
            raise self._end_of_input(
                " within/between Object entries" if self._levels and self._levels[-1].kind == "Object" else ""
            )
        first = self._peek()
        if first == b"{":
            return self._open("Object", START_OBJECT)
        if first == b"[":
            return self._open("Array", START_ARRAY)
        if first == b'"':
            self._set(VALUE_STRING)
            self.text = self._string("for a string value")
            return VALUE_STRING
        if first in b"-0123456789":
            return self._number()
        return self._literal()

    def _number(self) -> str:
        match = _NUMBER.match(self._body, self._at)
        if match is None:
            self._at += 1
            raise self._unexpected("expected digit (0-9) to follow minus sign, for valid numeric value")
        if len(match[0]) > _MOST_DIGITS:
            self._at = match.end()
            raise self._too_much("Number value length", len(match[0]), _MOST_DIGITS, "getMaxNumberLength()")
        self._set(VALUE_NUMBER)
        self._at = match.end()
        self.text = match[0].decode()
        return VALUE_NUMBER

    def _literal(self) -> str:
        match = _WORD.match(self._body, self._at)
        if match is None:
            raise self._unexpected("expected a value")
        token = _LITERALS.get(match[0])
        if match[0] in (b"NaN", b"Infinity"):
            self.location, self._at = self._here(), match.end()
            rule = "enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"
            words = f"Non-standard token '{match[0].decode()}': {rule}"
            raise self._failure(words, "json_parse_exception", self._here())
        if token is None:
            # Jackson has consumed the character behind the word, if there is one.
            self._at = min(match.end() + 1, len(self._body))
            word = match[0].decode("utf-8", "replace")
            expected = "was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
            raise self._failure(f"Unrecognized token '{word}': {expected}", "json_parse_exception", self._here())
        self._set(token)
        self._at = match.end()
        self.text = match[0].decode()
        return token

    def _string(self, where: str) -> str:
        match = _STRING.match(self._body, self._at)
        if match is None:
            raise self._bad_string(where)
        self._text_at, self._at = self._at + 1, match.end()
        try:
            text: str = json.loads(match[0])
        except (ValueError, UnicodeDecodeError):
            raise self._failure(
                "Invalid UTF-8 or escape sequence in a string", "json_parse_exception", self._here()
            ) from None
        return text

    def _bad_string(self, where: str) -> errors.ApiError:
        for index in range(self._at + 1, len(self._body)):
            code = self._body[index]
            if code < 0x20:
                self._at = index
                words = "has to be escaped using backslash to be included in string value"
                return self._failure(
                    f"Illegal unquoted character ((CTRL-CHAR, code {code})): {words}",
                    "json_parse_exception",
                    self._here(),
                )
        self._at = len(self._body)
        return self._end_of_input(f": was expecting closing quote {where}")

    # --- structure ---

    def _open(self, kind: str, token: str) -> str:
        self._set(token)
        self._levels.append(_Level(kind, self.location))
        self._at += 1
        if len(self._levels) > _MOST_LEVELS:
            raise self._too_much("Document nesting depth", len(self._levels), _MOST_LEVELS, "getMaxNestingDepth()")
        return token

    def _close(self, token: str) -> str:
        self._set(token)
        self._levels.pop()
        self._at += 1
        return token

    def _comma(self, level: _Level) -> None:
        if self._peek() != b",":
            raise self._unexpected(f"was expecting comma to separate {level.kind} entries")
        self._at += 1
        self._skip_blanks()

    def _expect_more(self, level: _Level) -> None:
        if self._at >= len(self._body):
            line, column = level.start
            marker = f"start marker at [Source: {self._source()}; line: {line}, column: {column}]"
            raise self._end_of_input(f": expected close marker for {level.kind} ({marker})")

    def _skip_blanks(self) -> None:
        match = _BLANKS.match(self._body, self._at)
        if match is not None:
            self._at = match.end()

    def _peek(self) -> bytes:
        return self._body[self._at : self._at + 1]

    def _set(self, token: str) -> None:
        self.token = token
        self.location = self._here()
        self.text = ""

    def _here(self) -> tuple[int, int]:
        # Each byte is looked at once: a vocabulary has a quarter of a million tokens.
        newline = self._body.rfind(b"\n", self._counted, self._at)
        if newline >= 0:
            self._line += self._body.count(b"\n", self._counted, self._at)
            self._line_start = newline + 1
        self._counted = self._at
        return self._line, self._at - self._line_start + 1

    # --- complaints ---

    def _source(self) -> str:
        if not self.version.at_least((8, 11, 0)):
            return "(org.elasticsearch.common.io.stream.ByteBufferStreamInput)"
        text = self._body[:500].decode("utf-8", "replace")
        rest = len(self._body) - 500
        return f'(byte[])"{text}"' + (f"[truncated {rest} bytes]" if rest > 0 else "")

    def _failure(self, message: str, cause: str, place: tuple[int, int]) -> errors.ApiError:
        line, column = place
        full = f"{message}\n at [Source: {self._source()}; line: {line}, column: {column}]"
        return errors.ApiError(
            400, "x_content_parse_exception", f"[{line}:{column}] {full}", errors.ApiError(400, cause, full)
        )

    def _too_much(self, what: str, found: int, most: int, rule: str) -> errors.ApiError:
        """Return the refusal by Jackson's limits, with the words of its public source; the server's wrapping is [I]."""
        words = f"{what} ({found}) exceeds the maximum allowed ({most}, from `StreamReadConstraints.{rule}`)"
        return self._failure(words, "stream_constraints_exception", self._here())

    def _end_of_input(self, detail: str) -> errors.ApiError:
        self._at = len(self._body)
        failure = self._failure(f"Unexpected end-of-input{detail}", "json_e_o_f_exception", self._here())
        if self.version.end_of_file_type:
            line, column = self._here()
            return errors.ApiError(
                400, "x_content_e_o_f_exception", f"[{line}:{column}] Unexpected end of file", failure.caused_by
            )
        return failure

    def _unexpected(self, expectation: str) -> errors.ApiError:
        if self._at >= len(self._body):
            return self._end_of_input(" within/between Object entries")
        character = self._body[self._at :].decode("utf-8", "replace")[0]
        line, column = self._here()
        if not self.version.at_least((8, 16, 0)):
            column += 1
        message = f"Unexpected character ('{character}' (code {ord(character)})): {expectation}"
        return self._failure(message, "json_parse_exception", (line, column))

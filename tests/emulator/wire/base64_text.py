# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read base64 in a JSON text as Jackson's parser does, with its complaints and their places.

Source: ``definition_part`` records; the rest of the wording is that of Jackson's public source.
"""

from __future__ import annotations

import string
from typing import Final

_LETTERS: Final = frozenset((string.ascii_letters + string.digits + "+/").encode())
_PADDING: Final = ord("=")
_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")
_SPACE: Final = ord(" ")
_UNIT: Final = 4
_ESCAPES: Final = {"b": 8, "t": 9, "n": 10, "f": 12, "r": 13}
_MISSING: Final = (
    "Unexpected end of base64-encoded String: base64 variant 'MIME-NO-LINEFEEDS' expects padding (one or more '=' "
    "characters) at the end. This Base64Variant might have been incorrectly configured"
)


class NotBase64(ValueError):  # noqa: N818
    """The text is not base64. ``read`` is how much of it was read."""

    def __init__(self, message: str, read: int) -> None:
        super().__init__(message)
        self.read = read


class _Reader:
    """The raw text from behind its opening quote on; an escape is one character."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.at = 0
        self.escaped = False

    def next(self) -> int:
        code, self.escaped = self._raw[self.at], False
        self.at += 1
        if code != _BACKSLASH:
            return code
        self.escaped = True
        letter = chr(self._raw[self.at])
        self.at += 1
        if letter != "u":
            return _ESCAPES.get(letter, ord(letter))
        self.at += 4
        return int(self._raw[self.at - 4 : self.at], 16)


def size(raw: bytes) -> int:
    """Return the number of bytes that a text says; *raw* goes on behind its closing quote."""
    reader, found = _Reader(raw), 0
    while True:
        first = reader.next()
        if first == _QUOTE and not reader.escaped:
            return found
        if first > _SPACE:
            found += _unit(reader, first)


def _unit(reader: _Reader, first: int) -> int:
    """Return the number of bytes of one unit of four characters."""
    _letter(reader, first, 0)
    _letter(reader, reader.next(), 1)
    third = reader.next()
    if third == _PADDING:
        fourth = reader.next()
        if fourth != _PADDING:
            raise _illegal(reader, fourth, 3, ": expected padding character '='")
        return 1
    _letter_or_end(reader, third, 2)
    fourth = reader.next()
    if fourth == _PADDING:
        return 2
    _letter_or_end(reader, fourth, 3)
    return 3


def _letter(reader: _Reader, code: int, place: int) -> None:
    if code not in _LETTERS:
        raise _illegal(reader, code, place)


def _letter_or_end(reader: _Reader, code: int, place: int) -> None:
    if code == _QUOTE and not reader.escaped:
        raise NotBase64(_MISSING, reader.at - 1)
    _letter(reader, code, place)


def _illegal(reader: _Reader, code: int, place: int, more: str = "") -> NotBase64:
    if code <= _SPACE:
        rule = f"as character #{place + 1} of {_UNIT}-char base64 unit: can only used between units"
        words = f"Illegal white space character (code 0x{code:x}) {rule}"
    elif code == _PADDING:
        rule = f"as character #{place + 1} of {_UNIT}-char base64 unit: padding only legal as 3rd or 4th character"
        words = f"Unexpected padding character ('=') {rule}"
    else:
        words = f"Illegal character '{chr(code)}' (code 0x{code:x}) in base64 content"
    return NotBase64(f"Failed to decode VALUE_STRING as base64 (MIME-NO-LINEFEEDS): {words}{more}", reader.at)

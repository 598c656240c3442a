# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the base64 out of a part of a definition while it comes: gigabytes pass, and a length and a checksum stay."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Final

_KEY: Final = re.compile(rb'"definition"\s*:\s*"')
_SEARCHED: Final = 4096
"""Bytes of a body in which the name of the field is looked for; what stands before it is short."""
_SHOWN: Final = 512
"""Bytes of a body that stay as they came: complaints show them."""
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Sieve:
    """A body that comes in pieces. Where the text is no plain base64 it stays in it, for the general parser."""

    def __init__(self) -> None:
        self._first = self._head = b""
        self._tail: list[bytes] = []
        self._length = 0
        self._padding = b""
        self._take: Callable[[bytes], None] = self._before
        self.plain = False
        """All of the text came, and is plain base64."""
        self.crc32 = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        if len(self._first) < _SHOWN:
            self._first += piece[: _SHOWN - len(self._first)]
        self._take(piece)

    @property
    def size(self) -> int:
        """Return the number of bytes that the text says."""
        return self._length // 4 * 3 - len(self._padding)

    @property
    def body(self) -> bytes:
        """Return the body without the text; all of it, if something is odd."""
        return self._with(b"") if self.plain else self.whole

    @property
    def outline(self) -> bytes:
        """Return the body with the number of characters in place of the text."""
        return self._with(b"<%d characters>" % self._length)

    @property
    def whole(self) -> bytes:
        """Return a body that gets the complaints of the one that came: other letters, but as many."""
        found = self._with(b"A" * (self._length - len(self._padding)) + self._padding)
        return self._first + found[len(self._first) :]

    def _with(self, text: bytes) -> bytes:
        return b"".join((self._head, text, *self._tail))

    # --- before, inside and after the text ---

    def _before(self, piece: bytes) -> None:
        self._head += piece
        found = _KEY.search(self._head, 0, _SEARCHED)
        if found is not None:
            self._head, begun = self._head[: found.end()], self._head[found.end() :]
            self._take = self._inside
            self._inside(begun)
        elif len(self._head) >= _SEARCHED:
            self._take = self._tail.append

    def _inside(self, piece: bytes) -> None:
        end = piece.find(b'"')
        text = piece if end < 0 else piece[:end]
        odd = text.translate(None, _ALPHABET)
        padding = self._padding + odd
        if padding not in (b"", b"=", b"==") or not (self._padding + text).endswith(padding):
            self._take = self._tail.append
            self._tail.append(piece)
            return
        self._length, self._padding = self._length + len(text), padding
        self.crc32 = zlib.crc32(text, self.crc32)
        if end >= 0:
            self._take = self._tail.append
            self._tail.append(piece[end:])
            self.plain = self._length % 4 == 0

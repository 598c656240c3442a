# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decode Base64 as the server's Java does, with its complaints.

Source: the recorded ``Illegal base64 character 21`` (http:329, 331); the other texts are those of ``java.util.Base64``.
"""

from __future__ import annotations

import base64
import string
from typing import Final

_LETTERS: Final = frozenset(string.ascii_letters + string.digits + "+/")


class NotBase64(ValueError):  # noqa: N818
    """The text is not Base64; the message is Java's."""


def decode(text: str) -> bytes:
    """Return the bytes; padding may be absent, as in Java."""
    if not text:
        return b""
    if len(text) == 1 and text in _LETTERS:
        raise NotBase64("Input byte[] should at least have 2 bytes for base64 bytes")
    count = 0
    for place, letter in enumerate(text):
        if letter == "=":
            _check_padding(text, place, count % 4)
            break
        if letter not in _LETTERS:
            raise NotBase64(f"Illegal base64 character {ord(letter):x}")
        count += 1
    else:
        if count % 4 == 1:
            raise NotBase64("Last unit does not have enough valid bits")
    return base64.b64decode(text[:count] + "=" * (-count % 4))


def _check_padding(text: str, place: int, filled: int) -> None:
    """Check the padding; ``place`` is that of the first sign of equality, after ``filled`` letters of its unit."""
    needed = {2: "==", 3: "="}.get(filled)
    if needed is None or not text[place:].startswith(needed):
        raise NotBase64("Input byte array has wrong 4-byte ending unit")
    if len(text) > place + len(needed):
        raise NotBase64(f"Input byte array has incorrect ending byte at {place + len(needed)}")

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw random numbers and order the keys of maps as Java does (planner.md 1): both decide where allocations go."""

from __future__ import annotations

import math
import typing as t

from .records import Node

K = t.TypeVar("K")

_SEED = 738921734
_MULTIPLIER = 0x5DEECE66D
_INCREMENT = 0xB
_48_BITS = (1 << 48) - 1
_32_BITS = (1 << 32) - 1
_SMALLEST_TABLE = 16


class Random:
    """``java.util.Random`` with the seed of the planner."""

    def __init__(self) -> None:
        self._state = (_SEED ^ _MULTIPLIER) & _48_BITS

    def draw(self) -> float:
        """Return a number from 0 to below 1."""
        first = (self._state * _MULTIPLIER + _INCREMENT) & _48_BITS
        self._state = second = (first * _MULTIPLIER + _INCREMENT) & _48_BITS
        return ((first >> 22 << 27) + (second >> 21)) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        """Return a number from *low* to below *high*."""
        drawn = self.draw() * (high - low) + low
        return drawn if drawn < high else math.nextafter(high, -math.inf)


def text_order(text: str) -> bytes:
    """Return a key that sorts texts by UTF-16 units."""
    return text.encode("utf-16-be", "surrogatepass")


def hash_of_text(text: str) -> int:
    """Return ``String.hashCode``."""
    units = text.encode("utf-16-be", "surrogatepass")
    code = 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = (31 * code + (high << 8 | low)) & _32_BITS
    return code


def hash_of_texts(texts: t.Iterable[str]) -> int:
    """Return ``List.hashCode``."""
    code = 1
    for text in texts:
        code = (31 * code + hash_of_text(text)) & _32_BITS
    return code


def hash_of_node(node: Node) -> int:
    """Return the hash of the planner's record of a node."""
    memory = node.memory & ((1 << 64) - 1)
    return ((31 * hash_of_text(node.id) + ((memory ^ (memory >> 32)) & _32_BITS)) * 31 + node.cores) & _32_BITS


def map_order(keys: t.Iterable[K], hash_of: t.Callable[[K], int]) -> list[K]:
    """Return different *keys*, inserted in this order, as a ``HashMap`` lists them."""
    inserted = list(keys)
    table = _SMALLEST_TABLE
    while len(inserted) > table * 3 // 4:
        table *= 2

    def bucket(key: K) -> int:
        code = hash_of(key)
        return (code ^ (code >> 16)) & (table - 1)

    return sorted(inserted, key=bucket)


def quotient(dividend: int, divisor: int) -> int:
    """Return the quotient, cut toward zero."""
    return dividend // divisor if dividend >= 0 else -(-dividend // divisor)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare patterns over action names, and sets of them, as Elasticsearch's automata do.

``*`` and ``?`` are wildcards, a text between slashes is a regular expression (documentation of roles, "indices"; the
privilege classes of the server's public source).
"""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Final

_ANY: Final = "*"


@functools.lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern as a regular expression for the whole text."""
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        return _lucene(pattern[1:-1])
    words = {_ANY: ".*", "?": "."}
    return re.compile("".join(words.get(letter, re.escape(letter)) for letter in pattern), re.DOTALL)


def _lucene(expression: str) -> re.Pattern[str]:
    """Translate Lucene's complement ``~(...)`` into a negative look-ahead; the rest is common to both languages."""
    if expression.startswith("~(") and expression.endswith(")"):
        return re.compile(f"(?!(?:{expression[2:-1]})$).*", re.DOTALL)
    return re.compile(expression, re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """Return whether one pattern matches a text."""
    return compiled(pattern).fullmatch(text) is not None


def covers(wide: str, narrow: str) -> bool:
    """Return whether every text of one pattern is one of the other's; a wildcard is then just a letter like others."""
    return wide == narrow or matches(wide, narrow)


def overlaps(one: str, other: str) -> bool:
    """Return whether some text fits both; exact for patterns whose only wildcard is a star at the end."""
    first, second = one.partition(_ANY)[0], other.partition(_ANY)[0]
    if _ANY not in one:
        return matches(other, one)
    if _ANY not in other:
        return matches(one, other)
    return first.startswith(second) or second.startswith(first)


@dataclasses.dataclass(frozen=True)
class Names:
    """A set of action names: what some patterns match, without what others match."""

    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Return whether an action is in it."""
        return _has(self, name)

    def contains(self, other: Names) -> bool:
        """Return whether all of another set is in this one."""
        if not all(any(covers(wide, narrow) for wide in self.included) for narrow in other.included):
            return False
        return not any(
            overlaps(narrow, taken)
            for taken in self.excluded
            for narrow in other.included
            if not any(covers(left, taken) for left in other.excluded)
        )


@functools.lru_cache(maxsize=4096)
def _has(names: Names, name: str) -> bool:
    if any(matches(pattern, name) for pattern in names.excluded):
        return False
    return any(matches(pattern, name) for pattern in names.included)

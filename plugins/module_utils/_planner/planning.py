# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold what all parts of one computation share: its rules, and what Java leaves open (planner.md 13.2)."""

from __future__ import annotations

import dataclasses
import typing as t

from .close_calls import possible_signs
from .quality import Quality, running_sum
from .rules import Rules


@dataclasses.dataclass(frozen=True)
class CloseCall:
    """A comparison of two plans that the order of adding decides. ``sign``: as it was decided; ``others``: or else."""

    sign: int
    others: tuple[int, ...]


class Planning:
    """One computation of a plan.

    ``forced``: how the first close calls are to be decided; the others are decided in the given order of deployments.
    ``calls``: those that were met. ``ambiguous``: whether something else was left open. ``order_counts``: whether the
    given order of nodes and deployments may have decided anything.
    """

    def __init__(self, rules: Rules, forced: t.Sequence[int] = ()) -> None:
        self.rules = rules
        self.calls: list[CloseCall] = []
        self.ambiguous = False
        self.order_counts = False
        self.forced = forced
        self._decided: dict[tuple[Quality, Quality], int] = {}

    def is_better(self, one: Quality, other: Quality) -> bool:
        """Return whether *one* is strictly better."""
        return self._sign(one, other) > 0

    def is_as_good(self, one: Quality, other: Quality) -> bool:
        """Return whether *one* is better, or equal."""
        return self._sign(one, other) >= 0

    def _sign(self, one: Quality, other: Quality) -> int:
        """Return 1 if *one* is better, -1 if the *other* is, 0 if neither."""
        if one.keeps_current != other.keeps_current:
            return 1 if one.keeps_current else -1
        if one.tenths != other.tenths:
            return 1 if one.tenths > other.tenths else -1
        if (one, other) in self._decided:
            return self._decided[one, other]
        sign = self._decide(one, other)
        self._decided[one, other], self._decided[other, one] = sign, -sign
        return sign

    def _decide(self, one: Quality, other: Quality) -> int:
        """Compare plans whose shares are equal, but for rounding."""
        by_size = _sign_of(other.size - one.size)
        given = _sign_of(running_sum(one.shares) - running_sum(other.shares)) or by_size
        possible = {sign or by_size for sign in possible_signs(one.shares, other.shares)}
        if len(possible) == 1:
            return given
        sign = self.forced[len(self.calls)] if len(self.calls) < len(self.forced) else given
        self.calls.append(CloseCall(sign, tuple(sorted(possible - {sign}))))
        return sign


def _sign_of(number: float) -> int:
    return (number > 0) - (number < 0)

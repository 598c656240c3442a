# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Solve linear programs by the dual simplex method, with bounds on both sides and sparse rows (planner.md 5.3).

Columns are 0 or more. A row is a sum over columns with a lowest and a highest value. Both are variables here: those in
the basis are sums over the others, and each of the others rests on one of its bounds.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t

_ZERO = 1e-9
_MOST_STEPS = 20_000


@dataclasses.dataclass(frozen=True)
class Row:
    """A sum over columns, given by their coefficients, and its bounds."""

    coefficients: t.Mapping[int, float]
    lowest: float
    highest: float


class NoSolution(Exception):  # noqa: N818
    """The rows exclude each other."""


class GaveUp(NoSolution):
    """Too many steps were needed."""


class Simplex:
    """A program on its way: no exchange of variables would gain anything, but some still break their bounds."""

    def __init__(self, gain: t.Sequence[float], rows: t.Sequence[Row]) -> None:
        """Begin where each column is 0. The columns are numbered first, then the rows."""
        self.columns = len(gain)
        self._gain = dict(enumerate(gain))
        self._basis = {self.columns + number: dict(row.coefficients) for number, row in enumerate(rows)}
        self._lowest = [0.0] * self.columns + [row.lowest for row in rows]
        self._highest = [math.inf] * self.columns + [row.highest for row in rows]
        self._at = [0.0] * len(self._lowest)

    def fill(self, row: int, column: int) -> None:
        """Let a column take a row to its highest value. All columns that gain anything need to be in such a row."""
        leaving = self.columns + row
        self._exchange(leaving, column, self._highest[leaving])

    def solve(self, most_steps: int = _MOST_STEPS) -> list[float]:
        """Return the value of each column where the gain is greatest."""
        if any(low > high for low, high in zip(self._lowest, self._highest, strict=True)):
            raise NoSolution
        for _step in range(most_steps):
            broken = self._most_broken()
            if broken is None:
                return self._at[: self.columns]
            rises = self._at[broken] < self._lowest[broken]
            bound = self._lowest[broken] if rises else self._highest[broken]
            self._exchange(broken, self._cheapest(broken, rises), bound)
        raise GaveUp

    @property
    def is_ambiguous(self) -> bool:
        """Return whether other values may gain as much."""
        resting = [name for name in range(len(self._at)) if name not in self._basis]
        free = [name for name in resting if self._lowest[name] < self._highest[name]]
        return any(abs(self._gain.get(name, 0.0)) < _ZERO for name in free)

    def _most_broken(self) -> int | None:
        """Return the variable that is furthest beyond its bounds."""
        worst, furthest = None, _ZERO
        for name in self._basis:
            at = self._at[name]
            beyond = max(self._lowest[name] - at, at - self._highest[name])
            if beyond > furthest:
                worst, furthest = name, beyond
        return worst

    def _cheapest(self, broken: int, rises: bool) -> int:
        """Return the variable that takes a broken one to its bound with the least loss."""
        best, least = None, math.inf
        for name, coefficient in self._basis[broken].items():
            if self._moves(name, (coefficient > 0) == rises) and abs(coefficient) > _ZERO:
                loss = abs(self._gain.get(name, 0.0) / coefficient)
                if loss < least:
                    best, least = name, loss
        if best is None:
            raise NoSolution
        return best

    def _moves(self, name: int, up: bool) -> bool:
        return self._at[name] < self._highest[name] if up else self._at[name] > self._lowest[name]

    def _exchange(self, leaving: int, entering: int, bound: float) -> None:
        """Take *entering* into the basis instead of *leaving*, which goes to its bound."""
        row = self._basis.pop(leaving)
        pivot = row.pop(entering)
        move = (bound - self._at[leaving]) / pivot
        solved = {name: -coefficient / pivot for name, coefficient in row.items()}
        solved[leaving] = 1 / pivot
        for name, other in self._basis.items():
            if entering in other:
                factor = other.pop(entering)
                self._at[name] += factor * move
                _add(other, solved, factor)
        _add(self._gain, solved, self._gain.pop(entering, 0.0))
        self._basis[entering] = solved
        self._at[leaving] = bound
        self._at[entering] += move


def _add(row: dict[int, float], other: t.Mapping[int, float], factor: float) -> None:
    """Add a multiple of another row; what cancels out leaves the row."""
    for name, coefficient in other.items():
        total = row.get(name, 0.0) + factor * coefficient
        if total:
            row[name] = total
        else:
            row.pop(name, None)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say how a planner compares with recorded cases."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from .cases import Answer, Case


@dataclasses.dataclass(frozen=True)
class Difference:
    """A case that a planner answers in another way than Elasticsearch."""

    case: Case
    problem: str
    planned: object
    answers: Sequence[Answer]

    def __str__(self) -> str:
        recorded = "\n".join(f"  Elasticsearch: {answer}" for answer in self.answers)
        return f"{self.case.id}: {self.problem}\n{recorded}\n  planner:       {self.planned}"


@dataclasses.dataclass(frozen=True)
class Report:
    """The cases that differ, how many were compared, a table by group, and the last line."""

    differing: Sequence[Difference]
    compared: int
    table: Sequence[str]
    last_line: str

    def text(self, show: int | None, read: int) -> str:
        """Return all that is to be printed, with at most *show* of the cases that differ.

        *read*: how many cases the files have.
        """
        shown = self.differing if show is None else self.differing[:show]
        left = read - self.compared
        return "\n".join([*map(str, shown), *self.table, *([_left_out(left, read)] if left else []), self.last_line])


def _left_out(number: int, read: int) -> str:
    why = "they failed in Elasticsearch, or say nothing about this planner and version"
    return f"{number} of {read} cases left out: {why}"


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table; its first column is text, the others are numbers."""
    lines = [titles, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(titles))]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]

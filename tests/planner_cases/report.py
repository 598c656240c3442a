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
    """The cases that differ, a table by group, and the last line."""

    differing: Sequence[Difference]
    table: Sequence[str]
    last_line: str

    def text(self, show: int | None) -> str:
        """Return all that is to be printed, with at most *show* of the cases that differ."""
        shown = self.differing if show is None else self.differing[:show]
        return "\n".join([*map(str, shown), *self.table, self.last_line])


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

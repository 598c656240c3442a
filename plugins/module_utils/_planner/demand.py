# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Define what the planner is asked to place: a deployment, with what counts as its allocations now (planner.md 1)."""

from __future__ import annotations

import dataclasses
import typing as t

from .memory import Memory


@dataclasses.dataclass(frozen=True)
class Demand:
    """A deployment as one part of the planner sees it.

    ``allocations``: how many to place. ``current``: how many a node has; the deployment is hosted there, even with 0.
    ``max_assigned``: how many it ever had. ``low``: whether it may have cores that others use.
    """

    id: str
    allocations: int
    threads: int
    memory: Memory
    current: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    max_assigned: int = 0
    low: bool = False

    @property
    def hosted(self) -> bool:
        """Return whether it is on any node, here or elsewhere."""
        return bool(self.current)

    @property
    def kept(self) -> int:
        """Return how many allocations it has."""
        return sum(self.current.values())

    def part(self, allocations: int, current: t.Mapping[str, int]) -> Demand:
        """Return what a part of the planner has to place of it; parts are of normal priority."""
        return Demand(self.id, allocations, self.threads, self.memory, current, self.max_assigned)

    @property
    def rank(self) -> int:
        """Return a lower number the more memory it needs, and if it is hosted: those come first."""
        return -self.memory.least * (2 if self.current else 1)

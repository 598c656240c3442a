# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Place deployments on nodes as if nothing else were there (planner.md 5)."""

from __future__ import annotations

import typing as t

from .demand import Demand
from .greedy_fill import greedy_fill
from .java import Random
from .ledger import Ledger
from .linear_program import draw_weights, solve_program
from .planning import Planning
from .quality import quality_of
from .records import Node
from .rounding import round_solution


def solve(nodes: t.Sequence[Node], demands: t.Sequence[Demand], planning: Planning) -> Ledger:
    """Return the better of the greedy fill and the rounded solution of the linear program."""
    placeable = could_fit(nodes, demands)
    if not any(demand.allocations > 0 for demand in placeable):
        return Ledger(nodes, (), planning.rules)
    greedy, weights = greedy_fill(nodes, placeable, planning.rules)
    random = Random()
    draw_weights(nodes, placeable, weights, random)
    solution = solve_program(nodes, placeable, weights, planning)
    if solution is None:
        return greedy
    rounded = round_solution(nodes, placeable, solution, random, planning)
    return greedy if planning.is_better(quality_of(greedy), quality_of(rounded)) else rounded


def could_fit(nodes: t.Sequence[Node], demands: t.Iterable[Demand]) -> list[Demand]:
    """Return the deployments that are not too large for every node."""
    memory = max((node.memory for node in nodes), default=0)
    cores = max((node.cores for node in nodes), default=0)
    return [demand for demand in demands if demand.threads <= cores and (demand.hosted or demand.memory.size <= memory)]

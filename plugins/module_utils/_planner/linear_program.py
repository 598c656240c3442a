# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State the linear program of a solve, and read its solution (planner.md 5.2 and 5.3)."""

from __future__ import annotations

import math
import typing as t

from .demand import Demand
from .greedy_fill import Weights, largest
from .java import Random
from .planning import Planning
from .records import Node
from .rules import Rules
from .simplex import GaveUp, NoSolution, Row, Simplex

Pair = tuple[str, str]
"""A deployment and a node."""

_TOO_LARGE = 10_000_000
_NO_MEMORY = 10
_MEMORY_WEIGHT = 0.9


def draw_weights(nodes: t.Sequence[Node], demands: t.Sequence[Demand], weights: Weights, random: Random) -> None:
    """Draw the weight of each pair that the greedy fill left out."""
    half = weights.least / 2
    for demand in demands:
        for node in nodes:
            if (demand.id, node.id) not in weights.of_pairs:
                hosted = node.id in demand.current
                drawn = random.between(half, weights.least) if hosted else random.between(0.0, half)
                weights.of_pairs[demand.id, node.id] = drawn


def solve_program(
    nodes: t.Sequence[Node], demands: t.Sequence[Demand], weights: Weights, planning: Planning
) -> dict[Pair, float] | None:
    """Return the allocations of each pair that gets any, not always whole; ``None`` if there is no solution."""
    if (len(nodes) + len(demands)) * len(nodes) * len(demands) > _TOO_LARGE:
        return None
    biggest = largest(demands)
    demands = [demand for demand in demands if demand.allocations or demand.kept]  # the others get nothing
    pairs = [(demand, node) for demand in demands for node in nodes]
    gain = _gain(nodes, demands, weights, biggest, planning.rules)
    # A column is a number of threads, not of allocations: so almost all coefficients are 1, and nothing is rounded.
    program = Simplex(
        gain, [*_rows_of_demands(nodes, demands), *_rows_of_nodes(nodes, demands, biggest, planning.rules)]
    )
    for row in range(len(demands)):
        columns = range(row * len(nodes), (row + 1) * len(nodes))
        best = max(columns, key=gain.__getitem__)
        if gain[best] > 0:
            program.fill(row, best)
    try:
        threads = program.solve()
    except NoSolution as failure:
        planning.ambiguous |= isinstance(failure, GaveUp)
        return None
    planning.ambiguous |= program.is_ambiguous
    found = {}
    for (demand, node), number in zip(pairs, threads, strict=True):
        if allocations := float(f"{number / demand.threads:.12g}"):
            found[demand.id, node.id] = allocations
    return found


def _gain(
    nodes: t.Sequence[Node], demands: t.Sequence[Demand], weights: Weights, biggest: int, rules: Rules
) -> list[float]:
    """Return what a thread of each pair is worth."""
    most_cores = max(node.cores for node in nodes)
    gain = []
    for demand in demands:
        charged = _MEMORY_WEIGHT * (demand.memory.size / biggest) / most_cores if rules.one_figure else 0
        for node in nodes:
            penalty = _NO_MEMORY if demand.memory.least > node.memory else 0
            gain.append((1 + weights.of_pairs[demand.id, node.id] - penalty - charged) / demand.threads)
    return gain


def _rows_of_demands(nodes: t.Sequence[Node], demands: t.Sequence[Demand]) -> t.Iterator[Row]:
    """Yield the threads that each deployment has, and may get."""
    for number, demand in enumerate(demands):
        columns = range(number * len(nodes), (number + 1) * len(nodes))
        yield Row(dict.fromkeys(columns, 1.0), demand.kept * demand.threads, demand.allocations * demand.threads)


def _rows_of_nodes(nodes: t.Sequence[Node], demands: t.Sequence[Demand], biggest: int, rules: Rules) -> t.Iterator[Row]:
    """Yield the cores of each node, then its memory, which counts only for what allocations need by themselves."""
    for number, node in enumerate(nodes):
        columns = range(number, len(nodes) * len(demands), len(nodes))
        yield Row(dict.fromkeys(columns, 1.0), -math.inf, node.cores)
        memory = {}
        for column, demand in zip(columns, demands, strict=True):
            if node.id not in demand.current and demand.memory.per_allocation:
                memory[column] = _memory_of_a_thread(demand, node, biggest, rules)
        yield Row(memory, -math.inf, node.memory / biggest)


def _memory_of_a_thread(demand: Demand, node: Node, biggest: int, rules: Rules) -> float:
    share = demand.memory.per_allocation / biggest
    if rules.one_figure:
        return share / node.cores if node.cores else 0.0
    return share

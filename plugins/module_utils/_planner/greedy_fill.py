# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pack deployments into the nodes one after another (planner.md 5.1)."""

from __future__ import annotations

import dataclasses
import typing as t

from .demand import Demand
from .java import quotient
from .ledger import Ledger
from .records import Node
from .rules import Rules

_WEIGHT = 0.2


@dataclasses.dataclass
class Weights:
    """Reasons for the linear program to prefer a deployment on a node. ``least``: what the next pair would get."""

    of_pairs: dict[tuple[str, str], float]
    least: float


def greedy_fill(nodes: t.Sequence[Node], demands: t.Sequence[Demand], rules: Rules) -> tuple[Ledger, Weights]:
    """Return the plan, and weights that draw the linear program to it."""
    ledger = Ledger(nodes, demands, rules)
    biggest = largest(demands)
    weights = Weights({}, _WEIGHT)

    def order(demand: Demand) -> float:
        return (2 if demand.hosted else 1) * -(demand.memory.least / biggest) * demand.threads

    for demand in sorted(demands, key=order):
        while ledger.missing[demand.id] > 0 and (chosen := _best_node(ledger, demand, biggest)):
            node, allocations = chosen
            ledger.put(demand, node, allocations)
            weights.of_pairs[demand.id, node] = weights.least
            weights.least -= _WEIGHT / len(nodes) / len(demands)
    return ledger, weights


def largest(demands: t.Iterable[Demand]) -> int:
    """Return the memory of the deployment that needs most; 1 if none needs any, to divide by."""
    return max(demand.memory.least for demand in demands) or 1


def _best_node(ledger: Ledger, demand: Demand, biggest: int) -> tuple[str, int] | None:
    """Return the node that takes the next allocations, and how many."""
    missing = ledger.missing[demand.id]
    candidates = []
    for node in ledger.nodes:
        cores, memory = ledger.free_cores[node.id], ledger.free_memory[node.id]
        allocations = demand.memory.grow(min(quotient(cores, demand.threads), missing), memory)
        if allocations > 0 and ledger.fits(demand, node.id, allocations):
            distance = (
                (0 if node.id in demand.current else 1)
                + (0 if cores >= missing * demand.threads else 1)
                + 0.01 * abs(cores - missing * demand.threads)
                - 0.01 * (node.memory / biggest)
            )
            candidates.append((distance, node.id, allocations))
    if not candidates:
        return None
    _distance, chosen, allocations = min(candidates, key=lambda candidate: candidate[0])
    return chosen, allocations

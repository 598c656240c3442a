# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep account of what a plan takes from each node (planner.md 1.1)."""

from __future__ import annotations

import typing as t

from .demand import Demand
from .records import DoesNotFit, Node
from .rules import Rules


class Ledger:
    """A plan in the making: what is placed, and what is left of the nodes."""

    def __init__(self, nodes: t.Iterable[Node], demands: t.Iterable[Demand], rules: Rules) -> None:
        self.nodes = list(nodes)
        self.demands = list(demands)
        self.rules = rules
        self.free_memory = {node.id: node.memory for node in self.nodes}
        self.free_cores = {node.id: node.cores for node in self.nodes}
        self.missing = {demand.id: demand.allocations for demand in self.demands}
        self.placed: dict[str, dict[str, int]] = {demand.id: {} for demand in self.demands}

    def cost(self, demand: Demand, node: str, allocations: int) -> int:
        """Return the memory that more allocations take from a node."""
        there = self.placed[demand.id].get(node, 0)
        if self.rules.one_figure:
            return 0 if there or node in demand.current else demand.memory.least
        if self.rules.counts_current:
            there += demand.current.get(node, 0)
        return demand.memory.need(there + allocations) - demand.memory.need(there)

    def fits(self, demand: Demand, node: str, allocations: int, cost: int | None = None) -> bool:
        """Return whether a node has the memory, by default what ``cost`` says, and the cores."""
        cost = self.cost(demand, node, allocations) if cost is None else cost
        is_free = cost == 0 and self.rules.one_figure
        enough_cores = demand.low or allocations * demand.threads <= self.free_cores[node]
        return enough_cores and (is_free or cost <= self.free_memory[node])

    def put(self, demand: Demand, node: str, allocations: int, cost: int | None = None) -> None:
        """Place allocations on a node, or refuse."""
        if allocations <= 0:
            return
        cost = self.cost(demand, node, allocations) if cost is None else cost
        if not self.fits(demand, node, allocations, cost):
            raise DoesNotFit(demand.id, node, allocations)
        self.free_memory[node] -= cost
        if not demand.low:
            self.free_cores[node] -= allocations * demand.threads
        self.missing[demand.id] -= allocations
        there = self.placed[demand.id]
        there[node] = there.get(node, 0) + allocations

    def put_all(self, placed: t.Mapping[str, t.Mapping[str, int]]) -> None:
        """Place a whole plan, deployment by deployment, node by node."""
        for demand in self.demands:
            there = placed.get(demand.id, {})
            for node in self.nodes:
                if node.id in there:
                    self.put(demand, node.id, there[node.id])

    def put_all_and_charge_hosts(self, placed: t.Mapping[str, t.Mapping[str, int]]) -> None:
        """Place a whole plan; up to the version that corrected it, what runs on a node is charged once more."""
        for demand in self.demands:
            there = placed.get(demand.id, {})
            for node in self.nodes:
                if node.id in there:
                    self.put(demand, node.id, there[node.id])
                    if node.id in demand.current and self.rules.counts_current:
                        self._charge(demand, node.id)

    def _charge(self, demand: Demand, node: str) -> None:
        """Take what the current allocations of a deployment need from their node."""
        self.free_memory[node] -= demand.memory.need(demand.current[node])
        if self.free_memory[node] < 0 and not self.rules.one_figure:
            raise DoesNotFit(demand.id, node)

    def total(self, demand: Demand) -> int:
        """Return how many allocations of a deployment are placed."""
        return demand.allocations - self.missing[demand.id]

    def keeps_current(self) -> bool:
        """Return whether each deployment has at least as many allocations as now, wherever."""
        return all(self.total(demand) >= demand.kept for demand in self.demands if demand.hosted)

    def forgotten(self) -> int:
        """Return how many deployments that had allocations once have none."""
        return sum(1 for each in self.demands if each.max_assigned > 0 and not self.placed[each.id])

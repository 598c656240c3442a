# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Round the solution of the linear program, twenty times at random (planner.md 6)."""

from __future__ import annotations

import math
import typing as t

from .demand import Demand
from .java import Random, quotient
from .ledger import Ledger
from .linear_program import Pair
from .planning import Planning
from .quality import quality_of
from .records import Node

_ROUNDS = 20
_NEARLY = 1e-6


def round_solution(
    nodes: t.Sequence[Node],
    demands: t.Sequence[Demand],
    solution: t.Mapping[Pair, float],
    random: Random,
    planning: Planning,
) -> Ledger:
    """Return the best plan among the plain fill and the roundings."""
    state = Rounding(nodes, demands, solution)
    best = Rounding(nodes, demands, {}).finish(planning)
    queue = state.prepare()
    quality = quality_of(best)
    for _round in range(_ROUNDS if queue else 1):
        attempt = state.copy()
        for demand, node in queue:
            attempt.round(demand, node, random)
        plan = attempt.finish(planning)
        if planning.is_better(found := quality_of(plan), quality):
            best, quality = plan, found
    return best


class Tally:
    """A count of what is left of nodes and deployments. A ledger refuses; this may end below zero."""

    def __init__(self, nodes: t.Iterable[Node], demands: t.Iterable[Demand]) -> None:
        self.memory = {node.id: node.memory for node in nodes}
        self.cores = {node.id: node.cores for node in nodes}
        self.missing = {demand.id: demand.allocations for demand in demands}
        self.known = {(demand.id, node) for demand in demands for node in demand.current}

    def copy(self) -> Tally:
        """Return a copy that changes by itself."""
        copied = Tally((), ())
        copied.memory, copied.cores = dict(self.memory), dict(self.cores)
        copied.missing, copied.known = dict(self.missing), set(self.known)
        return copied

    def take(self, demand: Demand, node: str, allocations: int) -> None:
        """Take allocations from a node; its memory the first time only."""
        if (demand.id, node) not in self.known:
            self.known.add((demand.id, node))
            self.memory[node] -= demand.memory.need(allocations)
        self.cores[node] -= allocations * demand.threads
        self.missing[demand.id] -= allocations


class Rounding:
    """Allocations of each deployment on each node, on their way to whole numbers.

    ``shares``: the part of a node's cores that a deployment takes, as the solution has it; 1 once its number of
    allocations there is fixed. Both ``shares`` and ``allocations`` are by node and deployment, without zeros.
    """

    def __init__(self, nodes: t.Sequence[Node], demands: t.Sequence[Demand], solution: t.Mapping[Pair, float]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self.demands = {demand.id: demand for demand in demands}
        self.left = Tally(nodes, demands)
        self.shares: dict[str, dict[str, float]] = {node.id: {} for node in nodes}
        self.allocations: dict[str, dict[str, float]] = {node.id: {} for node in nodes}
        for (demand, node), allocations in solution.items():
            self.allocations[node][demand] = allocations
            if self.nodes[node].cores:
                self.shares[node][demand] = allocations * self.demands[demand].threads / self.nodes[node].cores

    def copy(self) -> Rounding:
        """Return a copy that changes by itself."""
        copied = Rounding((), (), {})
        copied.nodes, copied.demands, copied.left = self.nodes, self.demands, self.left.copy()
        copied.shares = {node: dict(shares) for node, shares in self.shares.items()}
        copied.allocations = {node: dict(allocations) for node, allocations in self.allocations.items()}
        return copied

    def prepare(self) -> list[Pair]:
        """Fix what needs no rounding, and return the pairs that do, in the order in which they are rounded."""
        for demand, node in self._pairs():
            if self.shares[node].get(demand) == 1 and _is_whole(self.allocations[node][demand]):
                self.left.take(self.demands[demand], node, int(self.allocations[node][demand]))
        self._settle(self.nodes)
        return sorted((pair for pair in self._pairs() if self._is_soft(*pair)), key=self._urgency)

    def round(self, demand_id: str, node: str, random: Random) -> None:
        """Fix the number of allocations of a pair at random, unless that has happened."""
        if not self._is_soft(demand_id, node):
            return
        demand, left = self.demands[demand_id], self.left
        exact = self.allocations[node].get(demand_id, 0.0)
        allocations = math.floor(exact)
        if random.draw() < exact - allocations:
            allocations += 1
        if (
            demand.memory.least > left.memory[node]
            or demand.threads > left.cores[node]
            or allocations == 0
            or random.draw() > self.shares[node].get(demand_id, 0.0)
        ):
            self._drop(demand_id, node)
            self._settle([node])
            return
        allocations = min(allocations, quotient(left.cores[node], demand.threads))
        self._fix(demand, node, demand.memory.grow(allocations, left.memory[node]))
        for other, share in list(self.shares[node].items()):
            if share < 1 and self.demands[other].memory.least > left.memory[node]:
                self._drop(other, node)
        self._fill_up(node)

    def finish(self, planning: Planning) -> Ledger:
        """Return the plan of whole numbers, filled up with what is missing."""
        left = Tally(self.nodes.values(), self.demands.values())
        placed: dict[str, dict[str, int]] = {demand: {} for demand in self.demands}
        for node, of_node in self.allocations.items():
            for demand_id, allocations in of_node.items():
                if allocations >= 1:
                    placed[demand_id][node] = math.floor(allocations)
                    left.take(self.demands[demand_id], node, placed[demand_id][node])
        missing = [demand for demand in self.demands.values() if left.missing[demand.id] > 0]
        for demand in sorted(missing, key=lambda each: each.rank):
            self._place_missing(demand, left, placed[demand.id])
        ledger = Ledger(self.nodes.values(), self.demands.values(), planning.rules)
        ledger.put_all(placed)
        return ledger

    def _place_missing(self, demand: Demand, left: Tally, placed: dict[str, int]) -> None:
        """Put what is missing of a deployment on nodes that have none of it."""
        needed = left.missing[demand.id] * demand.threads

        def distance(node: str) -> float:
            cores = left.cores[node]
            return (
                (0 if node in demand.current else 1)
                + (0 if cores <= needed else 0.5)
                + 0.01 * abs(cores - needed)
                + 0.01 * left.memory[node]
            )

        least, threads = demand.memory.least, demand.threads
        candidates = [
            node
            for node in self.nodes
            if left.memory[node] >= least and left.cores[node] >= threads and not placed.get(node)
        ]
        for node in sorted(candidates, key=distance):
            missing, room = left.missing[demand.id], left.cores[node] // threads
            # The missing allocations stand where free memory is meant, as in Elasticsearch.
            allocations = min(room, missing, demand.memory.grow(room, missing))
            if allocations > 0:
                placed[node] = allocations
                left.take(demand, node, allocations)

    def _settle(self, nodes: t.Iterable[str]) -> None:
        """Round everything up on those nodes that hold it."""
        for node in sorted(nodes, key=self._load):
            ceilings = [
                (self.demands[demand], math.ceil(self.allocations[node].get(demand, 0))) for demand in self.shares[node]
            ]
            memory = sum(demand.memory.need(allocations) for demand, allocations in ceilings)
            cores = sum(allocations * demand.threads for demand, allocations in ceilings)
            if memory <= self.nodes[node].memory and cores <= self.nodes[node].cores:
                self._fix_all(node)
                self._fill_up(node)

    def _fix_all(self, node: str) -> None:
        for demand, share in self.shares[node].items():
            if share < 1:
                allocations = self.allocations[node].get(demand, 0)
                self._fix(
                    self.demands[demand], node, int(allocations if _is_whole(allocations) else math.ceil(allocations))
                )

    def _load(self, node: str) -> float:
        """Return the threads on a node, those of its own deployments twice."""
        load = 0.0  # the sum of some Pythons is more exact than Java's
        for demand_id, allocations in self.allocations[node].items():
            demand = self.demands[demand_id]
            load += (2 if node in demand.current else 1) * max(allocations, 0) * demand.threads
        return load

    def _fix(self, demand: Demand, node: str, allocations: int) -> None:
        """Decide how many allocations of a deployment a node gets."""
        allocations = min(allocations, self.left.missing[demand.id])
        self.shares[node][demand.id] = 1
        self.allocations[node][demand.id] = allocations
        self.left.take(demand, node, allocations)

    def _fill_up(self, node: str) -> None:
        """Give the cores that a node has left to the deployments that are there."""
        if self.left.cores[node] == 0 or any(self._is_soft(demand, node) for demand in self.allocations[node]):
            return
        here = [self.demands[demand] for demand, share in self.shares[node].items() if share == 1]
        short = [demand for demand in here if self.left.missing[demand.id] > 0]
        for demand in sorted(short, key=lambda each: each.rank):
            if self.left.cores[node] <= 0:
                break
            room = min(quotient(self.left.cores[node], demand.threads), self.left.missing[demand.id])
            allocations = demand.memory.more(room, self.left.memory[node])
            self.allocations[node][demand.id] += allocations
            self.left.take(demand, node, allocations)
        self._drop_what_is_placed()

    def _drop_what_is_placed(self) -> None:
        """Expect no more of deployments of which nothing is missing."""
        for demand, node in self._pairs():
            if self.left.missing[demand] <= 0 and self._is_soft(demand, node):
                self._drop(demand, node)

    def _pairs(self) -> list[Pair]:
        """Return the pairs that have allocations, deployment by deployment."""
        return [(demand, node) for demand in self.demands for node in self.nodes if demand in self.allocations[node]]

    def _drop(self, demand: str, node: str) -> None:
        self.shares[node].pop(demand, None)
        self.allocations[node].pop(demand, None)

    def _is_soft(self, demand: str, node: str) -> bool:
        """Return whether the number of a pair is not settled."""
        return 0 < self.shares[node].get(demand, 0) < 1 or not _is_whole(self.allocations[node].get(demand, 0))

    def _urgency(self, pair: Pair) -> tuple[float, float]:
        demand, node = pair
        share = self.shares[node].get(demand, 0.0)
        return min(share, 1 - share), -self.allocations[node].get(demand, 0.0) * self.demands[demand].threads


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < _NEARLY

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Place allocations: the greedy plan of one zone and the rules that preserve existing allocations.

Source: server-behaviour.md 5.1, 5.2, planner.md 3 to 5.1. Of planner.md 5 there is the greedy fill only, neither the
linear program nor the rounding of planner.md 6, and what is kept is not charged as in planner.md 4: plans differ where
that decides. The invariants hold everywhere: no node over its capacity, no deployment above its number, hosts kept
(planner.md 1.1, 1.2).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

LOW_PRIORITY_CORES: Final = 100
_HOST_WEIGHT: Final = 1.1


@dataclasses.dataclass(frozen=True)
class PlanNode:
    """The capacity of one node."""

    id: str
    memory: int
    cores: int


@dataclasses.dataclass(frozen=True)
class PlanDeployment:
    """A deployment to place. ``current`` holds its target allocations by node, as they are now."""

    id: str
    memory: int
    allocations: int
    threads: int
    current: dict[str, int] = dataclasses.field(default_factory=dict)
    ever_assigned: bool = False
    memory_of: Callable[[int], int] | None = None
    """Bytes that a number of allocations need on one node, where that depends on the number."""

    def needs(self, before: int, after: int) -> int:
        """Return the bytes that a node needs more to go from one number of allocations to another."""
        if self.memory_of is None:
            return self.memory if before == 0 and after > 0 else 0
        return self.memory_of(after) - (self.memory_of(before) if before else 0)

    @property
    def hosted(self) -> bool:
        """Return whether it is on a node now."""
        return bool(self.current)

    @property
    def previous(self) -> bool:
        """Return whether it had a place once, and requests one."""
        return self.ever_assigned and self.allocations > 0


class Plan:
    """Allocations by deployment and node, with the capacity that is left.

    Nodes that tie are taken in the given order.
    """

    def __init__(self, nodes: Iterable[PlanNode], deployments: Iterable[PlanDeployment]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self.deployments = {deployment.id: deployment for deployment in deployments}
        self.memory = {node.id: node.memory for node in self.nodes.values()}
        self.cores = {node.id: node.cores for node in self.nodes.values()}
        self.placed: dict[str, dict[str, int]] = {deployment_id: {} for deployment_id in self.deployments}

    def fits(self, deployment: PlanDeployment, node_id: str, allocations: int) -> bool:
        """Return whether allocations fit: memory counts once for a node (mostly), cores for each allocation."""
        before = self.placed[deployment.id].get(node_id, 0)
        memory = deployment.needs(before, before + allocations)
        return memory <= self.memory[node_id] and allocations * deployment.threads <= self.cores[node_id]

    def place(self, deployment: PlanDeployment, node_id: str, allocations: int) -> None:
        """Put allocations on a node; the caller has checked ``fits``, or keeps existing ones."""
        mine = self.placed[deployment.id]
        before = mine.get(node_id, 0)
        self.memory[node_id] -= deployment.needs(before, before + allocations)
        self.cores[node_id] -= allocations * deployment.threads
        mine[node_id] = before + allocations

    def total(self, deployment_id: str) -> int:
        """Return the allocations of a deployment."""
        return sum(self.placed[deployment_id].values())

    def satisfies_all(self) -> bool:
        """Return whether everything has a place, and nothing has more than it requests."""
        return all(self.total(each.id) == each.allocations for each in self.deployments.values())

    def satisfies_current(self) -> bool:
        """Return whether each deployment has at least what it has now, wherever that is."""
        return all(self.total(each.id) >= sum(each.current.values()) for each in self.deployments.values())

    def assigned_before(self) -> int:
        """Return how many deployments that ever had a place still have one."""
        return sum(1 for each in self.deployments.values() if each.previous and self.total(each.id) > 0)

    def forgets(self) -> bool:
        """Return whether a deployment that ever had a place has none."""
        return self.assigned_before() < sum(each.previous for each in self.deployments.values())

    def quality(self) -> tuple[bool, float, int]:
        """Return a larger tuple for a better plan.

        Current satisfied, allocations (a little more on their hosts), less memory.
        """
        weighted, memory = 0.0, 0
        for deployment in self.deployments.values():
            for node_id, allocations in self.placed[deployment.id].items():
                weighted += allocations * (_HOST_WEIGHT if node_id in deployment.current else 1.0)
                memory += deployment.memory
        return self.satisfies_current(), round(weighted, 6), -memory


def plan(nodes: Sequence[PlanNode], deployments: Sequence[PlanDeployment], *, previous_first: bool) -> Plan:
    """Return the plan of one zone (planner.md 3)."""
    listed = sorted(nodes, key=lambda node: node.id)
    desired = sorted(deployments, key=lambda deployment: deployment.id)
    best = _best_preserving(listed, desired)
    if previous_first and best.forgets():
        other = _one_for_each_previous(listed, desired)
        if other.assigned_before() > best.assigned_before():
            return other
    return best


def _best_preserving(nodes: Sequence[PlanNode], deployments: Sequence[PlanDeployment]) -> Plan:
    """Return preserve-one if it places all, else the better of it and preserve-all."""
    one = preserving(nodes, deployments, everything=False)
    if not one.satisfies_current():
        return preserving(nodes, deployments, everything=True)
    if one.satisfies_all():
        return one
    everything = preserving(nodes, deployments, everything=True)
    return everything if everything.quality() >= one.quality() else one


def preserving(nodes: Sequence[PlanNode], deployments: Sequence[PlanDeployment], *, everything: bool) -> Plan:
    """Keep one allocation (or all) on each current node of a deployment, then place the rest freely.

    What is kept counts even on nodes that are not planned here, in other zones: there is that much less to place.
    """
    result = Plan(nodes, deployments)
    elsewhere = dict.fromkeys(result.deployments, 0)
    for deployment in deployments:
        for node_id, allocations in deployment.current.items():
            keep = allocations if everything else 1
            if node_id not in result.nodes:
                elsewhere[deployment.id] += keep
            elif result.fits(deployment, node_id, keep):
                result.place(deployment, node_id, keep)
    _fill(result, deployments, elsewhere)
    return result


def _one_for_each_previous(nodes: Sequence[PlanNode], deployments: Sequence[PlanDeployment]) -> Plan:
    """Place one allocation for each deployment that ever had any, wherever they were; then preserve these."""
    previous = [dataclasses.replace(each, allocations=1, current={}) for each in deployments if each.previous]
    first = Plan(nodes, previous)
    _fill(first, previous, {})
    return plan(
        nodes,
        [dataclasses.replace(each, current=dict(first.placed.get(each.id, {}))) for each in deployments],
        previous_first=False,
    )


def _fill(result: Plan, deployments: Sequence[PlanDeployment], elsewhere: Mapping[str, int]) -> None:
    """Pack greedily into the capacity that is left; what fits on no node is left out."""
    roomiest = max(result.memory.values(), default=0)
    most_cores = max(result.cores.values(), default=0)
    listed = [each for each in deployments if (each.hosted or each.memory <= roomiest) and each.threads <= most_cores]
    largest = max((each.memory for each in listed), default=0) or 1
    sizes = {node_id: memory / largest for node_id, memory in result.memory.items()}

    def weight(deployment: PlanDeployment) -> float:
        return (2 if deployment.hosted else 1) * (deployment.memory / largest) * deployment.threads

    for deployment in sorted(listed, key=lambda each: -weight(each)):
        _pack(result, deployment, sizes, elsewhere.get(deployment.id, 0))


def _pack(result: Plan, deployment: PlanDeployment, sizes: Mapping[str, float], elsewhere: int) -> None:
    """Pack one deployment; ``sizes`` is each node's capacity before packing, in units of the largest deployment."""
    desired = deployment.allocations - elsewhere
    while (remaining := desired - result.total(deployment.id)) > 0:
        usable = [node_id for node_id in result.nodes if result.fits(deployment, node_id, 1)]
        if not usable:
            return
        threads = remaining * deployment.threads

        def cost(node_id: str, threads: int = threads) -> float:
            free = result.cores[node_id]
            host = 0 if node_id in deployment.current else 1
            raw = host + (0 if free >= threads else 1) + 0.01 * abs(free - threads) - 0.01 * sizes[node_id]
            # Rounded: what ties must not depend on the order of additions.
            return round(raw, 9)

        node_id = min(usable, key=cost)
        number = min(result.cores[node_id] // deployment.threads, remaining)
        while not result.fits(deployment, node_id, number):
            number -= 1
        result.place(deployment, node_id, number)

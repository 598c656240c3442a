# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where allocations go: the greedy plan of one zone and the rules that preserve what is placed.

Server behaviour notes, sections 5.1, 5.2 and 5.4. The double plans greedily only: node-by-node parity with a real
cluster holds when everything fits; with several deployments and too little room only the invariants hold (no node
over its capacity, no deployment above its number, hosts kept).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Final

LOW_PRIORITY_CORES: Final = 100
_HOST_WEIGHT: Final = 1.1


@dataclasses.dataclass(frozen=True)
class PlanNode:
    """Room on one node."""

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
        """More bytes on a node that goes from one number of allocations to another."""
        if self.memory_of is None:
            return self.memory if before == 0 and after > 0 else 0
        return self.memory_of(after) - (self.memory_of(before) if before else 0)

    @property
    def hosted(self) -> bool:
        """Whether it is on a node now."""
        return bool(self.current)


class Plan:
    """Allocations by deployment and node, with the room that is left."""

    def __init__(self, nodes: Iterable[PlanNode], deployments: Iterable[PlanDeployment]) -> None:
        self.nodes = {node.id: node for node in sorted(nodes, key=lambda node: node.id)}
        self.deployments = {deployment.id: deployment for deployment in deployments}
        self.memory = {node.id: node.memory for node in self.nodes.values()}
        self.cores = {node.id: node.cores for node in self.nodes.values()}
        self.placed: dict[str, dict[str, int]] = {deployment_id: {} for deployment_id in self.deployments}

    def fits(self, deployment: PlanDeployment, node_id: str, allocations: int) -> bool:
        """Memory is charged once for a node (mostly), cores for each allocation."""
        before = self.placed[deployment.id].get(node_id, 0)
        memory = deployment.needs(before, before + allocations)
        return memory <= self.memory[node_id] and allocations * deployment.threads <= self.cores[node_id]

    def place(self, deployment: PlanDeployment, node_id: str, allocations: int) -> None:
        """Puts allocations on a node; the caller has asked ``fits``, or keeps what is there."""
        mine = self.placed[deployment.id]
        before = mine.get(node_id, 0)
        self.memory[node_id] -= deployment.needs(before, before + allocations)
        self.cores[node_id] -= allocations * deployment.threads
        mine[node_id] = before + allocations

    def total(self, deployment_id: str) -> int:
        """Allocations of a deployment."""
        return sum(self.placed[deployment_id].values())

    def remaining(self, deployment: PlanDeployment) -> int:
        """Allocations still without a place."""
        return max(0, deployment.allocations - self.total(deployment.id))

    def satisfies_all(self) -> bool:
        """Whether everything has a place."""
        return all(self.remaining(deployment) == 0 for deployment in self.deployments.values())

    def satisfies_current(self) -> bool:
        """Whether each deployment has at least what it has now (or what it wants, if that is less)."""
        return all(
            self.total(deployment.id) >= min(sum(deployment.current.values()), deployment.allocations)
            for deployment in self.deployments.values()
        )

    def assigned_before(self) -> int:
        """How many deployments that ever had a place still have one."""
        return sum(
            1 for deployment in self.deployments.values() if deployment.ever_assigned and self.total(deployment.id) > 0
        )

    def quality(self) -> tuple[bool, float, int]:
        """Better is larger: current satisfied, allocations (a little more on their hosts), less memory."""
        weighted = 0.0
        for deployment in self.deployments.values():
            for node_id, allocations in self.placed[deployment.id].items():
                weighted += allocations * (_HOST_WEIGHT if node_id in deployment.current else 1.0)
        return self.satisfies_current(), round(weighted, 6), sum(self.memory.values())


def plan(nodes: Sequence[PlanNode], deployments: Sequence[PlanDeployment], *, previous_first: bool) -> Plan:
    """The plan of one zone (section 5.4)."""
    wanted = _placeable(nodes, deployments)
    best = _best_preserving(nodes, wanted)
    if previous_first and best.assigned_before() < sum(deployment.ever_assigned for deployment in wanted):
        other = _one_for_each_previous(nodes, wanted)
        if other.assigned_before() > best.assigned_before():
            best = other
    return _with_everyone(best, deployments)


def _placeable(nodes: Sequence[PlanNode], deployments: Sequence[PlanDeployment]) -> list[PlanDeployment]:
    """Deployments that fit on no node at all are dropped."""
    return [
        deployment
        for deployment in deployments
        if deployment.allocations > 0
        and any(deployment.memory <= node.memory and deployment.threads <= node.cores for node in nodes)
    ]


def _with_everyone(best: Plan, deployments: Sequence[PlanDeployment]) -> Plan:
    for deployment in deployments:
        best.deployments.setdefault(deployment.id, deployment)
        best.placed.setdefault(deployment.id, {})
    return best


def _best_preserving(nodes: Sequence[PlanNode], deployments: Sequence[PlanDeployment]) -> Plan:
    """Preserve-one is enough if it places all; else preserve-all may be better."""
    one = _preserving(nodes, deployments, everything=False)
    if one.satisfies_all():
        return one
    everything = _preserving(nodes, deployments, everything=True)
    if not one.satisfies_current():
        return everything
    return everything if everything.quality() >= one.quality() else one


def _preserving(nodes: Sequence[PlanNode], deployments: Sequence[PlanDeployment], *, everything: bool) -> Plan:
    """Keeps one allocation (or all) on each node that has the deployment now, then places the rest freely."""
    result = Plan(nodes, deployments)
    for deployment in deployments:
        for node_id, allocations in deployment.current.items():
            keep = min(allocations if everything else 1, result.remaining(deployment))
            if keep > 0 and node_id in result.nodes and result.fits(deployment, node_id, keep):
                result.place(deployment, node_id, keep)
    fill(result, deployments)
    return result


def _one_for_each_previous(nodes: Sequence[PlanNode], deployments: Sequence[PlanDeployment]) -> Plan:
    """One allocation for each deployment that ever had any, the large ones first, then the rest."""
    result = Plan(nodes, deployments)
    previous = [
        dataclasses.replace(deployment, allocations=1) for deployment in deployments if deployment.ever_assigned
    ]
    fill(result, previous)
    fill(result, deployments)
    return result


def fill(result: Plan, deployments: Sequence[PlanDeployment]) -> None:
    """Greedy bin packing into the room that is left."""
    largest = max((deployment.memory for deployment in deployments), default=0) or 1

    def weight(deployment: PlanDeployment) -> float:
        return (2 if deployment.hosted else 1) * (deployment.memory / largest) * deployment.threads

    for deployment in sorted(deployments, key=lambda each: (-weight(each), each.id)):
        _pack(result, deployment)


def _pack(result: Plan, deployment: PlanDeployment) -> None:
    roomiest = max((node.memory for node in result.nodes.values()), default=0) or 1
    while remaining := result.remaining(deployment):
        usable = [node_id for node_id in result.nodes if result.fits(deployment, node_id, 1)]
        if not usable:
            return
        threads = remaining * deployment.threads

        def cost(node_id: str, threads: int = threads) -> float:
            hosts = node_id in deployment.current or node_id in result.placed[deployment.id]
            free = result.cores[node_id]
            memory = result.nodes[node_id].memory / roomiest
            return (0 if hosts else 1) + (0 if free >= threads else 1) + 0.01 * abs(free - threads) - 0.01 * memory

        node_id = min(usable, key=lambda each: (round(cost(each), 9), each))
        number = min(result.cores[node_id] // deployment.threads, remaining)
        while not result.fits(deployment, node_id, number):
            number -= 1
        result.place(deployment, node_id, number)

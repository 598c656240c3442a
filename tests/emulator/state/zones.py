# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning over availability zones and priorities.

Server behaviour notes, sections 5.2 and 5.3.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from . import planner
from .planner import LOW_PRIORITY_CORES, Plan, PlanDeployment, PlanNode

Zones = Mapping[str, Sequence[PlanNode]]
Placement = dict[str, dict[str, int]]


@dataclasses.dataclass(frozen=True)
class Planned:
    """What goes where, and the room that is left for one more allocation of normal priority."""

    placement: Placement
    memory: dict[str, int]
    cores: dict[str, int]


def plan_all(zones: Zones, normal: Sequence[PlanDeployment], low: Sequence[PlanDeployment]) -> Planned:
    """Normal priority first, zone aware; low priority into the memory that is left."""
    first = _zone_aware(zones, normal, previous_first=False)
    if first.assigned_before() < sum(deployment.ever_assigned and deployment.allocations > 0 for deployment in normal):
        first = _zone_aware(zones, normal, previous_first=True)
    placement = {deployment_id: dict(nodes) for deployment_id, nodes in first.placed.items()}
    memory = dict(first.memory)
    if low:
        second = _low(first, low)
        placement |= second.placed
        memory = dict(second.memory)
    return Planned(placement, memory, dict(first.cores))


def _low(first: Plan, low: Sequence[PlanDeployment]) -> Plan:
    """Low priority takes memory only: cores count as plenty."""
    nodes = [PlanNode(node_id, first.memory[node_id], LOW_PRIORITY_CORES) for node_id in first.nodes]
    return planner.plan(
        nodes, sorted(low, key=lambda deployment: (deployment.memory, deployment.id)), previous_first=True
    )


def _zone_aware(zones: Zones, deployments: Sequence[PlanDeployment], *, previous_first: bool) -> Plan:
    everywhere = [node for key in sorted(zones) for node in zones[key]]
    if len(zones) <= 1:
        return planner.plan(everywhere, deployments, previous_first=previous_first)
    placed: Placement = {deployment.id: {} for deployment in deployments}
    for index, key in enumerate(sorted(zones)):
        share = _share(deployments, placed, zones[key], len(zones) - index)
        part = planner.plan(zones[key], share, previous_first=previous_first)
        for deployment_id, nodes in part.placed.items():
            placed[deployment_id] |= nodes
    return _left_overs(everywhere, deployments, placed)


def _share(
    deployments: Sequence[PlanDeployment], placed: Placement, nodes: Sequence[PlanNode], zones_left: int
) -> list[PlanDeployment]:
    """What one zone is asked to take: an even share of what has no place yet."""
    here = {node.id for node in nodes}
    shares = []
    for deployment in deployments:
        remaining = deployment.allocations - sum(placed[deployment.id].values())
        if remaining <= 0:
            continue
        current = {node_id: number for node_id, number in deployment.current.items() if node_id in here}
        shares.append(dataclasses.replace(deployment, allocations=1 + (remaining - 1) // zones_left, current=current))
    return shares


def _left_overs(nodes: Sequence[PlanNode], deployments: Sequence[PlanDeployment], placed: Placement) -> Plan:
    """One pass over all nodes that keeps everything placed."""
    result = Plan(nodes, deployments)
    for deployment in deployments:
        for node_id, allocations in placed[deployment.id].items():
            result.place(deployment, node_id, allocations)
    planner.fill(result, deployments)
    return result

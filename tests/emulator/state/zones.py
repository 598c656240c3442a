# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan over availability zones and priorities.

Source: server-behaviour.md 5.2, planner.md 7, 8. A zone's plan reckons with the allocations of the other zones, too, so
a deployment that has its number stays put.
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
    """The placement, and the capacity left for one more allocation of normal priority."""

    placement: Placement
    memory: dict[str, int]
    cores: dict[str, int]


def plan_all(zones: Zones, normal: Sequence[PlanDeployment], low: Sequence[PlanDeployment]) -> Planned:
    """Plan normal priority first, zone aware; low priority gets the memory that is left."""
    first = _normal(zones, normal)
    placement = {deployment_id: dict(nodes) for deployment_id, nodes in first.placed.items()}
    memory = dict(first.memory)
    if low:
        second = _low(first, low)
        placement |= second.placed
        memory = dict(second.memory)
    return Planned(placement, memory, dict(first.cores))


def _normal(zones: Zones, deployments: Sequence[PlanDeployment]) -> Plan:
    """Plan normal priority; with several zones, assigned deployments come first only if one would get nothing."""
    if len(zones) <= 1:
        nodes = [node for listed in zones.values() for node in listed]
        return planner.plan(nodes, deployments, previous_first=True)
    first = _zone_aware(zones, deployments, previous_first=False)
    return _zone_aware(zones, deployments, previous_first=True) if first.forgets() else first


def _low(first: Plan, low: Sequence[PlanDeployment]) -> Plan:
    """Plan low priority, which takes memory only: cores count as plenty.

    Small ones keep their hosts before large ones.
    """
    left = dict(first.memory)
    nodes = [PlanNode(node_id, left[node_id], LOW_PRIORITY_CORES) for node_id in first.nodes]
    desired = []
    for each in sorted(low, key=lambda deployment: (deployment.memory, deployment.id)):
        current = {}
        for node_id, number in each.current.items():
            if each.memory <= left.get(node_id, 0):
                current[node_id] = number
                left[node_id] -= each.memory
        desired.append(dataclasses.replace(each, current=current))
    return planner.plan(nodes, desired, previous_first=True)


def _zone_aware(zones: Zones, deployments: Sequence[PlanDeployment], *, previous_first: bool) -> Plan:
    placed: Placement = {deployment.id: {} for deployment in deployments}
    for index, key in enumerate(sorted(zones)):
        share = _share(deployments, placed, len(zones) - index, previous_first=previous_first)
        part = planner.plan(zones[key], share, previous_first=previous_first)
        for each in deployments:
            desired = each.allocations - sum(placed[each.id].values())
            placed[each.id] |= _at_most(desired, part.placed.get(each.id, {}))
    return _left_overs(zones, deployments, placed)


def _at_most(desired: int, found: Mapping[str, int]) -> dict[str, int]:
    """Return at most what is left to place; a zone may keep more, if an earlier zone gave to one of its deployments."""
    result = {}
    for node_id, number in found.items():
        if taken := min(number, desired):
            result[node_id] = taken
            desired -= taken
    return result


def _share(
    deployments: Sequence[PlanDeployment], placed: Placement, zones_left: int, *, previous_first: bool
) -> list[PlanDeployment]:
    """Return what one zone should take: an even share of what has no place yet."""
    shares = []
    for deployment in deployments:
        remaining = deployment.allocations - sum(placed[deployment.id].values())
        if remaining <= 0:
            continue
        ever = deployment.ever_assigned and previous_first and remaining == deployment.allocations
        number = 1 + (remaining - 1) // zones_left
        shares.append(dataclasses.replace(deployment, allocations=number, ever_assigned=ever))
    return shares


def _left_overs(zones: Zones, deployments: Sequence[PlanDeployment], placed: Placement) -> Plan:
    """Plan once over all nodes: keep everything placed, and take the nodes in the order of the zones."""
    nodes = [node for key in sorted(zones) for node in sorted(zones[key], key=lambda node: node.id)]
    kept = [dataclasses.replace(each, current=placed[each.id]) for each in deployments]
    return planner.preserving(nodes, kept, everything=True)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn plans into routes: rebalance all deployments, and explain what has no place.

Source: server-behaviour.md 4.3, 4.7, 5.1 and 5.3.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ..wire.values import human_bytes
from . import settings
from .assignment import FAILED, STARTED, STARTING, STOPPING, Assignment, Route, TaskParams
from .nodes import OVERHEAD, Node
from .planner import PlanDeployment, PlanNode
from .zones import Planned, plan_all

if TYPE_CHECKING:
    from .cluster import Cluster


SHUTTING_DOWN: Final = "node is shutting down"
"""The reason of a route that drains; older versions may say ``nodes changed`` [U]."""


@dataclasses.dataclass(frozen=True)
class Proposal:
    """New routes and reason of one deployment."""

    routes: dict[str, Route]
    reason: str | None

    @property
    def total_target(self) -> int:
        """Return the number of allocations it would get."""
        return sum(route.target for route in self.routes.values())

    def is_in(self, assignment: Assignment) -> bool:
        """Return whether it would change nothing."""
        return (self.routes, self.reason) == (assignment.routes, assignment.reason)


def zones(nodes: Iterable[Node], names: Sequence[str] | None = None) -> dict[str, list[Node]]:
    """Return nodes by zone.

    By the values of the awareness attributes (planner.md 7), in the order of the joined values.

    A node that lacks one of them is in no zone (public ``NodeAvailabilityZoneMapper``). As long as no client has set
    which attributes count, ``zone`` does if all nodes have it: the emulator is started that way.
    """
    listed = list(nodes)
    if names is None:
        names = awareness_at_start(listed)
    found: dict[str, list[Node]] = {}
    for node in listed:
        if all(name in node.attributes for name in names):
            found.setdefault("".join(node.attributes[name] for name in names), []).append(node)
    return found


def awareness_at_start(nodes: Iterable[Node]) -> list[str]:
    """Return the awareness attributes with which the nodes were started: ``zone``, if all of them have one."""
    listed = list(nodes)
    return ["zone"] if listed and all("zone" in node.attributes for node in listed) else []


def zones_of(cluster: Cluster, nodes: Iterable[Node]) -> dict[str, list[Node]]:
    """Return zones as the cluster's settings define them; nodes without the attributes are [U]."""
    listed, names = list(nodes), settings.attributes(cluster.settings)
    if cluster.choices["missing_attributes"] == "one_zone" and any(
        name not in node.attributes for node in listed for name in names or ()
    ):
        return zones(listed, [])
    return zones(listed, names)


def _memory(cluster: Cluster, params: TaskParams, allocations: int) -> int:
    """Return bytes that allocations need on a node, as the planner counts; whether a large cache counts is [U]."""
    if cluster.choices["planner_cache"] == "ignored" and cluster.version.per_memory:
        params = dataclasses.replace(params, cache_size=None)
    return params.memory(allocations, cluster.version)


def propose(cluster: Cluster, desired: Mapping[str, Assignment]) -> dict[str, Proposal]:
    """Return a plan for ``wanted``, which holds each deployment with the number it should have."""
    planned_for = {key: each for key, each in desired.items() if each.state != STOPPING}
    loaded = [node for node in cluster.assignable().values() if node.load_error is None]
    room = _room(cluster, {node.id: node for node in loaded}, desired.values())
    by_zone = {key: [room[node.id] for node in listed] for key, listed in zones_of(cluster, loaded).items()}
    parts: dict[str, list[PlanDeployment]] = {"normal": [], "low": []}
    for key, each in planned_for.items():
        parts[each.params.priority].append(_plan_deployment(cluster, key, each, room))
    planned = plan_all(by_zone, parts["normal"], parts["low"])
    return {key: _proposal(cluster, each, planned) for key, each in planned_for.items()}


def _room(cluster: Cluster, nodes: Mapping[str, Node], desired: Iterable[Assignment]) -> dict[str, PlanNode]:
    """Return the capacity of each node. A stopping deployment keeps its part until its routes are gone [U]."""
    memory = {node.id: node.available() for node in nodes.values()}
    cores = {node.id: node.cores(cluster.processors_scale) for node in nodes.values()}
    for each in desired:
        if each.state != STOPPING:
            continue
        for node_id, route in each.routes.items():
            if node_id in memory:
                memory[node_id] -= _memory(cluster, each.params, route.target)
                cores[node_id] -= (
                    route.target * each.params.threads_per_allocation if each.params.priority == "normal" else 0
                )
    return {node_id: PlanNode(node_id, max(0, memory[node_id]), max(0, cores[node_id])) for node_id in memory}


def _plan_deployment(cluster: Cluster, key: str, each: Assignment, room: Mapping[str, PlanNode]) -> PlanDeployment:
    params = each.params
    grows = params.per_deployment_memory_bytes > 0 and params.per_allocation_memory_bytes > 0
    return PlanDeployment(
        key,
        _memory(cluster, params, 1),
        params.number_of_allocations,
        params.threads_per_allocation,
        _hosts(each, room),
        each.max_assigned > 0,
        functools.partial(_memory, cluster, params) if grows else None,
    )


def _hosts(each: Assignment, room: Mapping[str, PlanNode]) -> dict[str, int]:
    """Return the targets that a plan begins with; failed ones last, and not more than the number."""
    current = {}
    left = each.params.number_of_allocations
    for node_id, route in sorted(each.routes.items(), key=lambda item: item[1].state == FAILED):
        counts = node_id in room and route.state in (STARTING, STARTED, FAILED) and route.current > 0
        if counts and 0 < route.target <= left:
            current[node_id] = route.target
            left -= route.target
    return current


def _proposal(cluster: Cluster, each: Assignment, planned: Planned) -> Proposal:
    routes = {}
    for node_id, number in sorted(planned.placement[each.params.deployment_id].items()):
        old = each.routes.get(node_id)
        if old is None:
            routes[node_id] = Route(number, number)
        elif old.state == FAILED:
            routes[node_id] = Route(old.current, number, STARTING, "")
        else:
            routes[node_id] = Route(old.current, number, old.state, old.reason)
    for node_id in sorted(set(each.routes) & set(cluster.shutdowns)):
        old = each.routes[node_id]
        if old.state in (STARTING, STARTED):
            routes[node_id] = Route(old.current, old.target, STOPPING, SHUTTING_DOWN)
    return Proposal(routes, explain(cluster, each, planned))


def explain(cluster: Cluster, each: Assignment, planned: Planned) -> str | None:
    """Return why the deployment is not fully placed (server-behaviour.md 5.3).

    None if it is, or if no node has a reason.
    """
    if sum(planned.placement[each.params.deployment_id].values()) >= each.params.number_of_allocations:
        return None
    nodes = cluster.assignable()
    if not nodes:
        return "No ML nodes exist in the cluster"
    texts = {node_id: _lack(cluster, nodes[node_id], each, planned) for node_id in sorted(nodes)}
    reasons = [
        f"Could not assign (more) allocations on node [{node_id}]. Reason: {text}"
        for node_id, text in texts.items()
        if text
    ]
    return "|".join(reasons) if reasons else None


def _lack(cluster: Cluster, node: Node, each: Assignment, planned: Planned) -> str | None:
    if node.load_error is not None:
        return node.load_error
    # A node that the awareness attributes leave out has no room.
    free, free_cores = planned.memory.get(node.id, 0), planned.cores.get(node.id, 0)
    threads, cores = each.params.threads_per_allocation, node.cores(cluster.processors_scale)
    needed = _memory(cluster, each.params, each.params.number_of_allocations)
    if needed > free:
        overhead = 0 if _runs_something(cluster, node) or free_cores < cores else OVERHEAD
        free, needed = free + overhead, needed + overhead
        memory, left, desired = (f"[{amount} ({human_bytes(amount)})]" for amount in (node.memory, free, needed))
        have = f"Available memory for ML {memory}, free memory {left}"
        return (
            f"This node has insufficient available memory. {have}, estimated memory required for this model {desired}."
        )
    if threads > free_cores:
        have = f"Available processors [{cores}], free processors [{free_cores}]"
        need = f"processors required for each allocation of this model [{threads}]"
        return f"This node has insufficient allocated processors. {have}, {need}"
    return None


def _runs_something(cluster: Cluster, node: Node) -> bool:
    """Return whether the native overhead of the node is spent already; else its reason adds it to both figures.

    Public ``TrainedModelAssignmentRebalancer``.
    """
    return node.jobs_memory > 0 or any(node.id in each.routes for each in cluster.assignments.values())

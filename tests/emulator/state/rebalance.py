# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn plans into routes: rebalance all deployments, and explain what has no place.

Source: server-behaviour.md 4.3, 4.6, 4.7, 5.1 and 5.3; planner.md 2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..planner.records import Plan
from ..wire.values import human_bytes
from . import planning
from .assignment import FAILED, STARTED, STARTING, STOPPING, Assignment, Route
from .nodes import OVERHEAD, Node

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


Proposals = dict[str, Proposal]


def propose(cluster: Cluster, desired: Mapping[str, Assignment], new: str | None = None) -> Proposals | None:
    """Return a plan for *desired*, which holds each deployment with the number it should have.

    ``None``: all have what they should, and nothing changes. A deployment without a proposal vanishes from the cluster
    state (planner.md 2).
    """
    if new is None and not lacks_something(cluster, desired):
        return None
    plan = planning.plan(cluster, desired, new)
    # Of a start with a number below one (server-behaviour.md 6) it is not known what becomes of it: it stays for now.
    lost = plan.lost - {new}
    proposals = {key: _proposal(cluster, each, plan) for key, each in desired.items() if key not in lost}
    if cluster.shutdowns and cluster.version.zero_survives_shutdown:
        proposals |= {key: Proposal({}, desired[key].reason) for key in lost if not desired[key].routes}
    return proposals


def lacks_something(cluster: Cluster, deployments: Mapping[str, Assignment]) -> bool:
    """Return whether a deployment has less than its number, or an outdated route; what stops counts like others."""
    nodes = cluster.assignable()
    return any(not each.is_satisfied(nodes) or each.has_outdated_routes() for each in deployments.values())


def _proposal(cluster: Cluster, each: Assignment, plan: Plan) -> Proposal:
    routes = {}
    for node_id, number in sorted(plan.allocations[each.params.deployment_id].items()):
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
    return Proposal(routes, explain(cluster, each, plan))


def explain(cluster: Cluster, each: Assignment, plan: Plan) -> str | None:
    """Return why the deployment is not fully placed (server-behaviour.md 5.3).

    None if it is, or if no node has a reason.
    """
    if sum(plan.allocations[each.params.deployment_id].values()) >= each.params.number_of_allocations:
        return None
    nodes = cluster.assignable()
    if not nodes:
        return "No ML nodes exist in the cluster"
    texts = {node_id: _lack(cluster, nodes[node_id], each, plan) for node_id in sorted(nodes)}
    reasons = [
        f"Could not assign (more) allocations on node [{node_id}]. Reason: {text}"
        for node_id, text in texts.items()
        if text
    ]
    return "|".join(reasons) if reasons else None


def _lack(cluster: Cluster, node: Node, each: Assignment, plan: Plan) -> str | None:
    if node.load_error is not None:
        return node.load_error
    # A node that the awareness attributes leave out has no room.
    free, free_cores = plan.free_memory.get(node.id, 0), plan.free_cores.get(node.id, 0)
    threads, cores = each.params.threads_per_allocation, node.cores(cluster.processors_scale)
    needed = _named_need(cluster, each)
    if needed > free:
        # The native overhead is in neither figure if something was there, as far as jobs and processors show it.
        overhead = 0 if node.jobs_memory or free_cores < cores else OVERHEAD
        memory, left, desired = (
            f"[{amount} ({human_bytes(amount)})]" for amount in (node.memory, free + overhead, needed + overhead)
        )
        have = f"Available memory for ML {memory}, free memory {left}"
        return (
            f"This node has insufficient available memory. {have}, estimated memory required for this model {desired}."
        )
    if threads > free_cores:
        have = f"Available processors [{cores}], free processors [{free_cores}]"
        need = f"processors required for each allocation of this model [{threads}]"
        return f"This node has insufficient allocated processors. {have}, {need}"
    return None


def _named_need(cluster: Cluster, each: Assignment) -> int:
    """Return the bytes that a reason calls the estimate (server-behaviour.md 5.3)."""
    if each.version.reasons_name_the_size:
        return each.params.model_bytes
    return planning.needed(cluster, each, each.params.number_of_allocations)

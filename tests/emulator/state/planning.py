# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the planner what there is: the nodes that take allocations, their zones, the deployments, the version's rules.

Source: server-behaviour.md 5.1, planner.md 2, 7 and 10.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..planner import memory, rebalance, records
from ..planner.rules import Rules
from ..wire import errors
from . import settings
from .assignment import Assignment
from .nodes import Node

if TYPE_CHECKING:
    from .cluster import Cluster

_RULES: Final[Mapping[str, Mapping[str, Any]]] = {
    "one_figure": {"one_figure": True, "elser_by_deployment": False},
    "counts_current": {"one_figure": False, "counts_current": True},
    "counts_placed": {"one_figure": False, "counts_current": False, "elser_by_deployment": False},
}
Zones = dict[tuple[str, ...], list[Node]]


def awareness_at_start(nodes: Iterable[Node]) -> list[str]:
    """Return the awareness attributes with which the nodes were started: ``zone``, if all of them have one."""
    listed = list(nodes)
    return ["zone"] if listed and all("zone" in node.attributes for node in listed) else []


def zones(cluster: Cluster, nodes: Iterable[Node]) -> Zones:
    """Return nodes by the values of the awareness attributes.

    A node that lacks one of them is in no zone (public ``NodeAvailabilityZoneMapper``), or all are in one [U]. As long
    as no client has set which attributes count, they are those with which the nodes were started.
    """
    listed = list(nodes)
    given = settings.attributes(cluster.settings)
    names = awareness_at_start(node for node in cluster.nodes.values() if node.ml) if given is None else given
    complete = [node for node in listed if all(name in node.attributes for name in names)]
    if len(complete) < len(listed) and cluster.choices["missing_attributes"] == "one_zone":
        complete, names = listed, []
    found: Zones = {}
    for node in complete:
        found.setdefault(tuple(node.attributes[name] for name in names), []).append(node)
    return found


def plan(cluster: Cluster, desired: Mapping[str, Assignment], new: str | None = None) -> records.Plan:
    """Return the plan for all deployments, the new one included; what the planner cannot write down fails the request.

    Each error that the planner throws reaches the client (TrainedModelAssignmentClusterService).
    """
    asked, chosen = [deployment(each) for each in desired.values()], rules(cluster)
    try:
        return rebalance.rebalance(nodes(cluster), asked, chosen, new)
    except records.DoesNotFit as error:
        raise errors.illegal_argument(_refusal(error, chosen)) from error


def rules(cluster: Cluster) -> Rules:
    """Return the rules by which the cluster plans; those of some versions are [U] (planner.md 10)."""
    by_version = Rules.of(cluster.version.triple)
    chosen = _RULES.get(cluster.choices["planner_rules"], {})
    return dataclasses.replace(by_version, **chosen)


def nodes(cluster: Cluster) -> list[records.Node]:
    """Return the nodes that take allocations."""
    loaded = [node for node in cluster.assignable().values() if node.load_error is None]
    return [
        records.Node(node.id, node.available(), node.cores(cluster.processors_scale), zone)
        for zone, listed in zones(cluster, loaded).items()
        for node in listed
    ]


def deployment(each: Assignment) -> records.Deployment:
    """Return a deployment of the cluster state as the planner knows it."""
    params, has_figures = each.params, each.version.per_memory
    return records.Deployment(
        params.deployment_id,
        params.model_id,
        params.model_bytes,
        params.number_of_allocations,
        params.threads_per_allocation,
        params.priority,
        params.per_deployment_memory_bytes if has_figures else 0,
        params.per_allocation_memory_bytes if has_figures else 0,
        params.cache_bytes,
        each.max_assigned,
        {node_id: records.Route(route.current, route.target, route.state) for node_id, route in each.routes.items()},
    )


def estimate(each: Assignment) -> int:
    """Return the bytes that the task parameters are estimated at: by the model's id in every version.

    Before none was known to need nothing, it was taken for one (task_params:22).
    """
    known = deployment(each)
    least = 0 if each.version.zero_is_started else 1
    numbered = dataclasses.replace(known, allocations=max(least, known.allocations))
    return memory.held(numbered, Rules.of(each.version.triple))


def needed(cluster: Cluster, each: Assignment, allocations: int) -> int:
    """Return the bytes that so many allocations need on one node, by the planner's estimate."""
    return memory.needed(deployment(each), allocations, rules(cluster))


def _refusal(error: records.DoesNotFit, chosen: Rules) -> str:
    """Return the planner's words, which differ by the check that refused (server-behaviour.md 3.1 row 17b)."""
    if error.allocations is None or chosen.one_figure:
        what = f"model [{error.deployment_id}]"
    else:
        what = f"[{error.allocations}] allocations to deployment [{error.deployment_id}]"
    return f"not enough memory on node [{error.node_id}] to assign {what}"

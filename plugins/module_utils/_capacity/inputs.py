# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The input of the planner, from what was read. Pure."""

from __future__ import annotations

import typing as t

from .._core.sizes import parse_size
from .._ml.deployment import Deployment
from .._planner import records as planner
from .records import Capacity, Settings

UNLIMITED = 1 << 62
"""The memory of a node that could not be read: the most there can be."""


def planner_nodes(capacity: Capacity, *, with_zone: bool = True) -> tuple[planner.Node, ...]:
    """Return the nodes that get allocations, with what the planner hands out of each.

    *with_zone*: leave out those that lack an awareness attribute; whether they get any is not known. Of what could not
    be read, they have the most there can be: :attr:`Capacity.missing` tells.
    """
    settings = capacity.settings or Settings()
    nodes = []
    for node in capacity.assignable:
        zone = node.zone(settings.awareness)
        if zone is not None or not with_zone:
            memory = UNLIMITED if node.memory is None else node.memory
            nodes.append(planner.Node(node.id, memory, node.cores(settings.scale), zone or ()))
    return tuple(nodes)


def planner_deployments(deployments: t.Iterable[Deployment]) -> tuple[planner.Deployment, ...] | None:
    """Return *deployments*, in the order of the cluster state; ``None`` if a plan needs what one of them lacks."""
    found = tuple(map(planner_deployment, deployments))
    known = tuple(each for each in found if each is not None)
    return known if len(known) == len(found) else None


def planner_deployment(deployment: Deployment) -> planner.Deployment | None:
    """Return a deployment as the planner sees it; ``None`` if it lacks what a plan needs.

    Routes that were not read from an assignment have no targets.
    """
    size, number, threads = deployment.model_bytes, deployment.number_of_allocations, deployment.threads_per_allocation
    routes = {}
    for route in deployment.routes:
        if route.target_allocations is None:
            return None
        state = route.routing_state or ""
        routes[route.node_id] = planner.Route(route.current_allocations or 0, route.target_allocations, state)
    if size is None or number is None or threads is None:
        return None
    return planner.Deployment(
        deployment.deployment_id,
        deployment.model_id,
        size,
        number,
        threads,
        deployment.priority or "normal",
        deployment.per_deployment_memory_bytes,
        deployment.per_allocation_memory_bytes,
        parse_size(deployment.cache_size or "0") or 0,
        deployment.max_assigned_allocations,
        routes,
    )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what a deployment has from the routing table, and write a plan back to it (planner.md 2)."""

from __future__ import annotations

import typing as t

from .demand import Demand
from .memory import memory_of
from .records import Deployment, Node, Route
from .rules import Rules

SERVING = ("starting", "started")


def as_demand(deployment: Deployment, nodes: t.Iterable[Node], rules: Rules) -> Demand:
    """Return a deployment as it is to be placed on *nodes*."""
    ids = {node.id for node in nodes}
    current = {
        node: route.target
        for node, route in deployment.routes.items()
        if node in ids and _counts(route, deployment.low)
    }
    return Demand(
        deployment.id,
        deployment.allocations,
        deployment.threads,
        memory_of(deployment, rules),
        current,
        deployment.max_assigned,
        deployment.low,
    )


def _counts(route: Route, low: bool) -> bool:
    """Return whether what a route has is to be kept."""
    return route.state in (*SERVING, "failed") and route.target > 0 and (low or route.current > 0)


def routes_after(deployment: Deployment, placed: t.Mapping[str, int]) -> dict[str, Route]:
    """Return the routing table that a plan leaves: nodes that it does not name vanish."""
    routes = {}
    for node, allocations in placed.items():
        old = deployment.routes.get(node, Route(allocations, 0, "starting"))
        state = "starting" if old.state == "failed" else old.state
        routes[node] = Route(old.current, allocations, state)
    return routes


def is_settled(nodes: t.Iterable[Node], deployments: t.Iterable[Deployment]) -> bool:
    """Return whether Elasticsearch sees nothing to do (planner.md 2)."""
    ids = {node.id for node in nodes}
    for deployment in deployments:
        serving = [route.target for node, route in deployment.routes.items() if node in ids and route.state in SERVING]
        if sum(serving) < deployment.allocations:
            return False
        if any(route.current == route.target == 0 for route in deployment.routes.values()):
            return False
    return True

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let the collection's planner answer recorded cases."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rebalance import rebalance
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.records import Deployment, Node, Plan, Route
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.reduce import reduce_allocations
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import Rules

from .cases import MIB, Case


def nodes_of(case: Case) -> list[Node]:
    """Return the nodes of a case."""
    return [Node(name, mib * MIB, cores, tuple(zone)) for name, mib, cores, *zone in case.row["nodes"]]


def deployments_of(case: Case) -> list[Deployment]:
    """Return the deployments of a case, whose models have the same ids."""
    return [
        Deployment(
            each["id"],
            each["id"],
            each["mb"] * MIB,
            each["n"],
            each["t"],
            each.get("priority", "normal"),
            each.get("per_deployment", 0) * MIB,
            each.get("per_allocation", 0) * MIB,
            each.get("cache", 0) * MIB,
            each.get("max", 0),
            {node: Route(*route) for node, route in each.get("routes", {}).items()},
        )
        for each in case.row["deployments"]
    ]


def plan_of(case: Case, rules: Rules) -> Plan:
    """Return the plan for everything in a case."""
    return rebalance(nodes_of(case), deployments_of(case), rules, case.new)


def reduced(case: Case) -> dict[str, dict[str, int]]:
    """Return what is left after a scale-down."""
    [deployment] = case.row["deployments"]
    zones: dict[tuple[str, ...], list[str]] = {}
    for node in nodes_of(case):
        zones.setdefault(node.zone, []).append(node.id)
    targets = {node: t.cast(int, route[1]) for node, route in deployment["routes"].items()}
    return {deployment["id"]: reduce_allocations(targets, zones, case.row["to"])}

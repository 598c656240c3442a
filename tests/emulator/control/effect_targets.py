# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the target of an effect: a node, a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..state.assignment import Assignment
from ..state.cluster import Cluster
from ..state.nodes import Node

Effect = Mapping[str, Any]


class BadEffect(ValueError):
    """An effect without a target, or with unknown content."""


def node(cluster: Cluster, effect: Effect) -> Node:
    """Return the node of an effect."""
    node_id = effect["node_id"]
    if node_id not in cluster.nodes:
        raise BadEffect(f"no node [{node_id}]; there are {', '.join(sorted(cluster.nodes)) or 'none'}")
    return cluster.nodes[node_id]


def assignment(cluster: Cluster, effect: Effect) -> Assignment:
    """Return the deployment of an effect."""
    deployment_id = effect["deployment_id"]
    if deployment_id not in cluster.assignments:
        raise BadEffect(f"no deployment [{deployment_id}]")
    return cluster.assignments[deployment_id]


def node_of_route(cluster: Cluster, effect: Effect) -> str:
    """Return the node of the route of an effect; by default the first one."""
    routes = assignment(cluster, effect).routes
    node_id = effect.get("node_id") or next(iter(sorted(routes)), None)
    if node_id is None or node_id not in routes:
        raise BadEffect(f"no route of [{effect['deployment_id']}] on node [{node_id}]")
    return str(node_id)

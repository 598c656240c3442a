# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the nodes catch up with the cluster state, one round at a time.

Source: server-behaviour.md 4.2, 4.3, 4.6 and 9: first loads, then, only when no route of the deployment is
starting, new targets; a stopping deployment's processes end, then it vanishes, even if a plan has revived it meanwhile.
"""

from __future__ import annotations

from .assignment import FAILED, STARTED, STARTING, STOPPING, Assignment
from .cluster import DEPLOYMENT_STOPPED, Cluster, LoadFailure
from .usage import Usage


def tick(cluster: Cluster) -> bool:
    """Run one round; return whether anything changed."""
    cluster.ticks += 1
    # First, since the master itself may be what comes back in this round.
    changed = False
    for listener in cluster.round_listeners:
        changed |= listener()
    if not cluster.commits:
        # No master takes what the nodes report.
        return changed
    gone = []
    for deployment_id, each in list(cluster.assignments.items()):
        if deployment_id in cluster.held:
            continue
        if each.ends:
            changed = True
            if each.ended:
                gone.append(deployment_id)
            # First the processes end; until then the cluster state says nothing of it.
            each.ended = True
        else:
            changed |= _start_round(cluster, deployment_id, each)
    for deployment_id in gone:
        model_id = cluster.assignments[deployment_id].params.model_id
        cluster.drop_assignment(deployment_id)
        cluster.audit_line(model_id, "Stopped deployment")
    if changed:
        cluster.publish()
    if gone:
        cluster.rebalance(DEPLOYMENT_STOPPED)
    return changed


def settle(cluster: Cluster, limit: int = 10_000) -> int:
    """Run rounds until nothing changes; return their number."""
    for count in range(limit):
        if not tick(cluster):
            return count
    raise RuntimeError("the cluster does not settle")


def _start_round(cluster: Cluster, deployment_id: str, each: Assignment) -> bool:
    loading = [(node_id, route) for node_id, route in each.routes.items() if route.state == STARTING]
    loaded = _loaded(cluster, deployment_id, [node_id for node_id, _route in loading])
    for node_id, route in loading:
        if node_id not in loaded:
            continue
        failure = _refused_graph(cluster, each) or _failure(cluster, node_id)
        if failure is None:
            route.state, route.reason = STARTED, ""
            cluster.usage[deployment_id, node_id] = Usage(start_time=cluster.now() // 1_000_000)
        else:
            route.state, route.reason = FAILED, failure.reason
    if loading:
        return bool(loaded)
    changed = _drain_round(cluster, deployment_id, each)
    for route in each.routes.values():
        if route.state == STARTED and route.current != route.target:
            route.current = route.target
            changed = True
    return changed


def _loaded(cluster: Cluster, deployment_id: str, nodes: list[str]) -> list[str]:
    """Return the nodes that have had the time it takes to load a model."""
    if not cluster.config.load_time:
        return nodes
    now, began = cluster.now(), cluster.loading.get(deployment_id, {})
    began = {node_id: began.get(node_id, now) for node_id in nodes}
    cluster.loading[deployment_id] = began
    return [node_id for node_id in nodes if now - began[node_id] >= cluster.config.load_time * 1e9]


def _drain_round(cluster: Cluster, deployment_id: str, each: Assignment) -> bool:
    """End a route on a node that shuts down when another is started, or if it is the only one.

    See server-behaviour.md 4.7.
    """
    draining = [node_id for node_id, route in each.routes.items() if route.state == STOPPING]
    if not draining or not (each.started_nodes() or len(draining) == len(each.routes)):
        return False
    for node_id in draining:
        del each.routes[node_id]
        cluster.usage.pop((deployment_id, node_id), None)
    return True


def _refused_graph(cluster: Cluster, each: Assignment) -> LoadFailure | None:
    """Return why the native process refuses a model: from 9.4 on it looks at the graph (around-deployments.md 1.2).

    The words are [U]; what is known is that every route fails.
    """
    switch = str(cluster.settings.get("xpack.ml.trained_models.graph_validation_enabled", "true"))
    if each.params.model_id not in cluster.inferences.refused_graphs or switch.lower() == "false":
        return None
    if not cluster.version.at_least((9, 4, 0)):
        return None
    return LoadFailure("inference process crashed due to reason [model graph validation failed: forbidden operations]")


def _failure(cluster: Cluster, node_id: str) -> LoadFailure | None:
    for failure in cluster.load_failures:
        if failure.node_id in (None, node_id) and failure.times != 0:
            failure.times -= 1
            return failure
    return None

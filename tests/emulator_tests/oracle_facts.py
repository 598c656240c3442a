# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turn a deployment of the emulator into the plain values that the oracle computes with."""

from __future__ import annotations

from typing import Any, Final

from emulator.state.cluster import Cluster
from emulator_tests.oracle import Facts, Process, RouteFacts

_COUNTED: Final = {
    "inference_count": "inferences",
    "average_inference_time_ms": "average_ms",
    "average_inference_time_ms_excluding_cache_hits": "average_without_hits_ms",
    "average_inference_process_memory_rss_bytes": "process_memory",
    "inference_cache_hit_count": "cache_hits",
    "last_access": "last_access",
    "number_of_pending_requests": "pending",
    "error_count": "errors",
    "rejected_execution_count": "rejected",
    "timeout_count": "timeouts",
    "peak_throughput_per_minute": "peak_throughput",
    "throughput_last_minute": "throughput_last_minute",
    "average_inference_time_ms_last_minute": "average_last_minute_ms",
    "inference_cache_hit_count_last_minute": "cache_hits_last_minute",
}


def facts_of(cluster: Cluster, deployment_id: str) -> Facts:
    """Return the facts of the cluster; nothing here is rendered."""
    each = cluster.assignments[deployment_id]
    params, stored = each.params, each.adaptive
    size = params.cache_size
    return Facts(
        version=cluster.version.triple,
        model_id=params.model_id,
        deployment_id=params.deployment_id,
        model_bytes=params.model_bytes,
        number=params.number_of_allocations,
        threads=params.threads_per_allocation,
        queue=params.queue_capacity,
        cache_bytes=None if size is None else size.bytes,
        cache_text=None if size is None else size.text,
        priority=params.priority,
        per_deployment=params.per_deployment_memory_bytes,
        per_allocation=params.per_allocation_memory_bytes,
        routes=[_route(cluster, deployment_id, node_id) for node_id in each.routes],
        stopping=each.state == "stopping",
        reason=each.reason,
        start_nanos=each.start_time,
        most=each.max_assigned,
        adaptive=None if stored is None else (stored.enabled, stored.minimum, stored.maximum),
    )


def _route(cluster: Cluster, deployment_id: str, node_id: str) -> RouteFacts:
    route = cluster.assignments[deployment_id].routes[node_id]
    usage = cluster.usage.get((deployment_id, node_id))
    process = None
    if usage is not None:
        process = Process(usage.start_time, {key: getattr(usage, name) for key, name in _COUNTED.items()})
    node = [node_id] if node_id in cluster.nodes else None
    return RouteFacts(node_id, route.current, route.target, route.state, route.reason, node, process)


def nameless(stats: dict[str, Any]) -> dict[str, Any]:
    """Return deployment statistics in which a node is its id alone, as in the facts."""
    rows = [{**row, "node": list(row["node"])} if "node" in row else row for row in stats["nodes"]]
    return {**stats, "nodes": rows}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve ``GET _ml/memory/[{node_id}/]_stats`` (8.2).

The memory of machine learning on each node: jobs, and deployments by their estimates (around-deployments.md 6.1,
server-behaviour.md 5.1).

Shape and order of keys: Elasticsearch's public action class and REST tests.
"""

from __future__ import annotations

from typing import Any, Final

from ..emulator import Emulator
from ..state import node_filter, planning
from ..state.assignment import FAILED
from ..state.cluster import Cluster
from ..state.nodes import OVERHEAD, Node
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue, human_bytes

Json = dict[str, Any]
_ACTION: Final = "cluster:monitor/xpack/ml/memory/stats/get"
TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_ML_SIZES: Final = (
    "max",
    "native_code_overhead",
    "anomaly_detectors",
    "data_frame_analytics",
    "native_inference",
)


def memory_stats(emulator: Emulator, call: Call) -> Prepared:
    """Serve all nodes, or those that a node specification selects."""
    expression = call.path_parameters.get("node_id", "_all")
    call.time("master_timeout", TIMEOUT)
    call.time("timeout", TIMEOUT)
    human = call.flag("human")

    async def run() -> Reply:
        nodes = node_filter.resolve(emulator.cluster, expression)
        body = {
            "_nodes": {"total": len(nodes), "successful": len(nodes), "failed": 0},
            "cluster_name": emulator.cluster.name,
            "nodes": {node.id: _row(emulator.cluster, node, human=human) for node in nodes},
        }
        return Reply(200, body)

    return Prepared(_ACTION, run)


def native_inference(cluster: Cluster, node_id: str) -> int:
    """Return the estimates of the deployments with a route to the node that has not failed, stopping ones included.

    Each counts with all of its allocations, wherever they are (server-behaviour.md 5.1).
    """
    return sum(
        planning.estimate(each)
        for each in cluster.assignments.values()
        if node_id in each.routes and each.routes[node_id].state != FAILED
    )


def _row(cluster: Cluster, node: Node, *, human: bool) -> Json:
    shown = node.discovery_json(cluster.version.number)
    memory = _sizes({"total": node.memory, "adjusted_total": node.memory}, human=human)
    memory["ml"] = _sizes(dict(zip(_ML_SIZES, _ml_sizes(cluster, node), strict=True)), human=human)
    heap = {"heap_max": node.jvm_size, "java_inference_max": node.jvm_size * 4 // 10, "java_inference": 0}
    return {
        **{name: shown[name] for name in ("name", "ephemeral_id", "transport_address")},
        "attributes": {key: value for key, value in node.attributes.items() if key.startswith("ml.")},
        "roles": shown["roles"],
        "mem": memory,
        "jvm": _sizes(heap, human=human),
    }


def _ml_sizes(cluster: Cluster, node: Node) -> tuple[int, ...]:
    """Return the sizes of a node; only one with the role has any, and one whose load has an error not even a limit."""
    if not node.ml:
        return (0,) * len(_ML_SIZES)
    if node.load_error is not None:
        return (-1, *(0,) * (len(_ML_SIZES) - 1))
    inference = native_inference(cluster, node.id)
    analytics = min(node.analytics_memory, node.jobs_memory)
    overhead = OVERHEAD if inference or node.jobs_memory else 0
    return node.memory, overhead, node.jobs_memory - analytics, analytics, inference


def _sizes(sizes: dict[str, int], *, human: bool) -> Json:
    body: Json = {}
    for name, amount in sizes.items():
        if human:
            body[name] = human_bytes(amount)
        body[f"{name}_in_bytes"] = amount
    return body


ROUTES: Final = (
    Route("GET", "/_ml/memory/_stats", "memory", memory_stats, lambda version: version.at_least((8, 2, 0))),
    Route("GET", "/_ml/memory/{node_id}/_stats", "memory", memory_stats, lambda version: version.at_least((8, 2, 0))),
)

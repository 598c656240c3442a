# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve ``GET _ml/memory/[{node_id}/]_stats`` (8.2).

The memory of machine learning on each node, as the planner counts.

Shape and order of keys: Elasticsearch's public action class and REST tests.
"""

from __future__ import annotations

from typing import Any, Final

from ..emulator import Emulator
from ..state import node_filter
from ..state.cluster import Cluster
from ..state.nodes import OVERHEAD, Node
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue, human_bytes

Json = dict[str, Any]
_ACTION: Final = "cluster:monitor/xpack/ml/memory/stats/get"
_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_HEAP: Final = 4 << 30
"""The heap of every node of the emulator; made up, no deployment uses it."""


def memory_stats(emulator: Emulator, call: Call) -> Prepared:
    """Serve all nodes, or those that a node specification selects."""
    expression = call.path_parameters.get("node_id", "_all")
    call.time("master_timeout", _TIMEOUT)
    call.time("timeout", _TIMEOUT)
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
    """Return the bytes of the deployments on one node, stopping ones included."""
    return sum(
        each.params.memory(route.target, cluster.version)
        for each in cluster.assignments.values()
        for known_id, route in each.routes.items()
        if known_id == node_id
    )


def _row(cluster: Cluster, node: Node, *, human: bool) -> Json:
    shown = node.discovery_json(cluster.version.number)
    inference = native_inference(cluster, node.id)
    machine = node.memory + _HEAP
    memory = _sizes({"total": machine, "adjusted_total": machine}, human=human)
    memory["ml"] = _sizes(
        {
            "max": node.memory,
            "native_code_overhead": OVERHEAD if inference else 0,
            "anomaly_detectors": 0,
            "data_frame_analytics": 0,
            "native_inference": inference,
        },
        human=human,
    )
    heap = {"heap_max": _HEAP, "java_inference_max": _HEAP * 4 // 10, "java_inference": 0}
    return {
        **{name: shown[name] for name in ("name", "ephemeral_id", "transport_address")},
        "attributes": {key: value for key, value in node.attributes.items() if key.startswith("ml.")},
        "roles": shown["roles"],
        "mem": memory,
        "jvm": _sizes(heap, human=human),
    }


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

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve ``_cat/health``, ``_cat/nodes`` and ``_cat/ml/trained_models``.

Columns from the reference of these APIs; http:14, 233, 553.
"""

from __future__ import annotations

import datetime
from typing import Final

from ..emulator import Emulator
from ..state import models
from ..state.cluster import Cluster
from ..state.nodes import Node
from ..wire import table
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.table import Column, Row
from ..wire.values import human_bytes, millis_text
from .admin import data_nodes, health_json

_HEALTH: Final = (
    Column("epoch", ("t", "time"), "seconds since 1970-01-01 00:00:00"),
    Column("timestamp", ("ts", "hms", "hhmmss"), "time in HH:MM:SS"),
    Column("cluster", ("cl",), "cluster name"),
    Column("status", ("st",), "health status"),
    Column("node.total", ("nt", "nodeTotal"), "total number of nodes", right=True),
    Column("node.data", ("nd", "nodeData"), "number of nodes that can store data", right=True),
    Column("shards", ("t", "sh", "shards.total", "shardsTotal"), "total number of shards", right=True),
    Column("pri", ("p", "shards.primary", "shardsPrimary"), "number of primary shards", right=True),
    Column("relo", ("r", "shards.relocating", "shardsRelocating"), "number of relocating nodes", right=True),
    Column("init", ("i", "shards.initializing", "shardsInitializing"), "number of initializing nodes", right=True),
    Column("unassign", ("u", "shards.unassigned", "shardsUnassigned"), "number of unassigned shards", right=True),
    Column("unassign.pri", ("up", "shards.unassigned.primary"), "number of unassigned primary shards", right=True),
    Column("pending_tasks", ("pt", "pendingTasks"), "number of pending tasks", right=True),
    Column("max_task_wait_time", ("mtwt", "maxTaskWaitTime"), "wait time of longest task pending", right=True),
    Column("active_shards_percent", ("asp", "activeShardsPercent"), "active number of shards in percent", right=True),
)
_NODES: Final = (
    Column("id", ("nodeId",), "unique node id", shown=False),
    Column("ip", ("i",), "ip address"),
    Column("version", ("v",), "es version", shown=False),
    Column("http_address", ("http",), "bound http address", shown=False),
    Column("heap.percent", ("hp", "heapPercent"), "used heap ratio", right=True),
    Column("ram.percent", ("rp", "ramPercent"), "used machine memory ratio", right=True),
    Column("cpu", (), "recent cpu usage", right=True),
    Column("load_1m", ("l",), "1m load avg", right=True),
    Column("load_5m", ("l",), "5m load avg", right=True),
    Column("load_15m", ("l",), "15m load avg", right=True),
    Column("node.role", ("r", "role", "nodeRole"), "m:master eligible node, l:machine learning node"),
    Column("master", ("m",), "*:current master"),
    Column("name", ("n",), "node name"),
)
_MODELS: Final = (
    Column("id", (), "the trained model id"),
    Column("created_by", ("c", "createdBy"), "who created the model", shown=False, right=True),
    Column("heap_size", ("hs", "modelHeapSize"), "the estimated heap size to keep the model in memory", right=True),
    Column("operations", ("o", "modelOperations"), "the estimated number of operations to use the model", right=True),
    Column("license", ("l",), "The license level of the model", shown=False, right=True),
    Column("create_time", ("ct",), "The time the model was created", right=True),
    Column("version", ("v",), "The version of Elasticsearch when the model was created", shown=False, right=True),
    Column("description", ("d",), "The model description", shown=False, right=True),
    Column("type", ("t",), "The model type", right=True),
    Column("ingest.pipelines", ("ip", "ingestPipelines"), "The number of pipelines that use the model", right=True),
    Column("data_frame.id", ("dfid",), "The data frame analytics config id that created the model", right=True),
)
_LETTERS: Final = {
    "data": "d",
    "data_cold": "c",
    "data_content": "s",
    "data_frozen": "f",
    "data_hot": "h",
    "data_warm": "w",
    "ingest": "i",
    "master": "m",
    "ml": "l",
    "remote_cluster_client": "r",
    "transform": "t",
    "voting_only": "v",
}


def health(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _cat/health``, which the node that receives it answers even without a master."""
    request = table.read(call)
    stamped = call.boolean("ts", True)

    async def run() -> Reply:
        cluster = emulator.cluster
        columns = [each for each in _HEALTH if stamped or each.name not in ("epoch", "timestamp")]
        if not cluster.version.at_least((8, 16, 0)):
            columns = [each for each in columns if each.name != "unassign.pri"]
        return table.answer(request, columns, [_health(cluster)])

    return Prepared("cluster:monitor/health", run, local=True)


def _health(cluster: Cluster) -> Row:
    now = cluster.now() // 10**9
    shown = health_json(cluster, timed_out=False, human=True)
    counts = {
        "shards": "active_shards",
        "pri": "active_primary_shards",
        "relo": "relocating_shards",
        "init": "initializing_shards",
        "unassign": "unassigned_shards",
        "unassign.pri": "unassigned_primary_shards",
        "pending_tasks": "number_of_pending_tasks",
    }
    return {
        "epoch": str(now),
        "timestamp": datetime.datetime.fromtimestamp(now, datetime.timezone.utc).strftime("%H:%M:%S"),
        "cluster": cluster.name,
        "status": str(shown["status"]),
        "node.total": str(len(cluster.nodes)),
        "node.data": str(data_nodes(cluster)),
        **{name: str(shown.get(key, 0)) for name, key in counts.items()},
        "max_task_wait_time": "-",
        "active_shards_percent": str(shown["active_shards_percent"]),
    }


def nodes(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _cat/nodes``: a master action."""
    request = table.read(call)
    call.boolean("full_id", False)
    call.text("include_unloaded_segments")
    call.text("master_timeout")

    async def run() -> Reply:
        cluster = emulator.cluster
        return table.answer(request, _NODES, [_node(emulator, node) for node in cluster.nodes.values()])

    return Prepared("cluster:monitor/state", run)


def _node(emulator: Emulator, node: Node) -> Row:
    return {
        "id": node.id,
        "ip": "127.0.0.1",
        "version": emulator.cluster.version.number,
        "http_address": emulator.address,
        "heap.percent": "0",
        "ram.percent": "0",
        "cpu": "0",
        "load_1m": "0.00",
        "load_5m": "0.00",
        "load_15m": "0.00",
        "node.role": "".join(sorted(_LETTERS.get(role, "") for role in node.roles)) or "-",
        "master": "*" if node.id == emulator.cluster.master_node else "-",
        "name": node.name,
    }


def trained_models(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _cat/ml/trained_models[/{model_id}]``."""
    request = table.read(call)
    expression = call.path_parameters.get("model_id", "*")
    call.boolean("allow_no_match", True)
    call.integer("from", 0)

    async def run() -> Reply:
        cluster = emulator.cluster
        found = models.expand(expression, list(cluster.models))
        if not found and not any(each in expression for each in ("*", "_all")):
            raise models.missing_model(expression, cluster.version)
        return table.answer(request, _MODELS, [_model(cluster, name) for name in sorted(found)])

    return Prepared("cluster:monitor/xpack/ml/inference/get", run)


def _model(cluster: Cluster, name: str) -> Row:
    shown = cluster.models[name].as_json(cluster.version, definition_status=False)
    return {
        "id": name,
        "created_by": str(shown["created_by"]),
        "heap_size": human_bytes(int(shown["model_size_bytes"])),
        "operations": str(shown["estimated_operations"]),
        "license": str(shown["license_level"]).upper(),
        "create_time": millis_text(int(shown["create_time"])),
        "version": str(shown["version"]),
        "description": shown.get("description"),
        "type": str(shown["model_type"]),
        "ingest.pipelines": str(len(cluster.references(name))),
        "data_frame.id": "__none__",
    }


ROUTES: Final = (
    Route("GET", "/_cat/health", "health", health, serverless=False),
    Route("GET", "/_cat/nodes", "nodes", nodes, serverless=False),
    Route("GET", "/_cat/ml/trained_models", "model", trained_models),
    Route("GET", "/_cat/ml/trained_models/{model_id}", "model", trained_models),
)

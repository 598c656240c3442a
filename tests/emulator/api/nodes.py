# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve ``_nodes``, ``_nodes/stats`` and node shutdowns.

Source: recorded-answers.md 1, ``_nodes``; parameters, metrics and fields from the reference of the nodes info, nodes
stats and node shutdown APIs. Of the many fields that a real node has, those are here that a client of trained models
reads (README.md lists them). Other metrics are accepted and add nothing.
"""

from __future__ import annotations

import math
from typing import Any, Final

from ..emulator import Emulator
from ..state import node_filter, node_versions, planning
from ..state.cluster import Cluster
from ..state.nodes import Node
from ..state.shutdown import TYPES, Shutdown
from ..wire import errors, render, suggest, xcontent
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue
from ..wire.xcontent import Parser

Json = dict[str, Any]
_INFO_METRICS: Final = (
    "aggregations",
    "http",
    "indices",
    "ingest",
    "jvm",
    "os",
    "plugins",
    "process",
    "remote_cluster_server",
    "search_pipelines",
    "settings",
    "thread_pool",
    "transport",
)
_STATS_METRICS: Final = (
    "adaptive_selection",
    "allocations",
    "breaker",
    "discovery",
    "fs",
    "http",
    "indexing_pressure",
    "indices",
    "ingest",
    "jvm",
    "os",
    "process",
    "repositories",
    "script",
    "script_cache",
    "thread_pool",
    "transport",
)
_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")


# --- info ---


def info(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _nodes[/{node_id}][/{metrics}]``; one segment is a filter unless it lists nothing but metrics."""
    chosen = call.path_parameters.get("node_id", "_all")
    metrics = call.path_parameters.get("metrics", "_all").split(",")
    if "metrics" not in call.path_parameters and set(chosen.split(",")) <= set(_INFO_METRICS):
        chosen, metrics = "_all", chosen.split(",")
    call.time("timeout", _TIMEOUT)
    call.boolean("flat_settings", False)

    async def run() -> Reply:
        cluster = emulator.cluster
        desired = set(_INFO_METRICS) if "_all" in metrics else set(metrics)
        body = _envelope(cluster, chosen, lambda node: _info(emulator, node, desired))
        if chosen == "_all":
            body["nodes"] |= {each.id: _info(emulator, each, desired) for each in node_versions.listed(cluster)}
        return Reply(200, body)

    return Prepared("cluster:monitor/nodes/info", run)


def _envelope(cluster: Cluster, chosen: str, render: Any) -> Json:
    found = node_filter.resolve(cluster, chosen)
    return {
        "_nodes": {"total": len(found), "successful": len(found), "failed": 0},
        "cluster_name": cluster.name,
        "nodes": {node.id: render(node) for node in found},
    }


def _info(emulator: Emulator, node: Node, metrics: set[str]) -> Json:
    cluster = emulator.cluster
    body: Json = {
        "name": node.name,
        "transport_address": "127.0.0.1:9300",
        "host": "127.0.0.1",
        "ip": "127.0.0.1",
        **_versions(cluster, node),
        "build_flavor": cluster.flavor,
        "build_type": "docker",
        "build_hash": "0" * 40,
        "roles": list(node.roles),
        **_attributes(node),
    }
    parts: dict[str, Json] = {
        "settings": {
            "cluster": {"name": cluster.name},
            "node": {"name": node.name, "roles": list(node.roles), "attr": render.nested(node.attributes)},
        },
        "os": {
            "refresh_interval_in_millis": 1000,
            "name": "Linux",
            "pretty_name": "Linux",
            "arch": "aarch64" if node.architecture.endswith("aarch64") else "amd64",
            "available_processors": math.ceil(node.processors),
            "allocated_processors": math.ceil(node.processors),
        },
        "jvm": {"mem": {"heap_init_in_bytes": node.jvm_size, "heap_max_in_bytes": node.jvm_size}},
        "http": {
            "bound_address": [emulator.address],
            "publish_address": emulator.address,
            "max_content_length_in_bytes": 100 << 20,
        },
    }
    return body | {name: part for name, part in parts.items() if name in metrics}


def _versions(cluster: Cluster, node: Node) -> Json:
    """Return the version, and from 8.10 on (at the latest) the transport version (server-behaviour.md 3.1 row 4)."""
    shown: Json = {"version": node_versions.number_of(cluster, node)}
    if cluster.version.at_least((8, 10, 0)):
        shown["transport_version"] = node_versions.transport_version(cluster, node)
    return shown


def _attributes(node: Node) -> Json:
    """Return the attributes; the key is left out if there are none (http:76, 189)."""
    return {"attributes": dict(node.attributes)} if node.attributes else {}


# --- stats ---


def stats(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _nodes[/{node_id}]/stats[/{metric}[/{index_metric}]]``."""
    chosen = call.path_parameters.get("node_id", "_all")
    metrics = call.path_parameters.get("metric", "_all").split(",")
    _check_metrics(call, metrics)
    for name in ("completion_fields", "fielddata_fields", "fields", "groups", "level", "types"):
        call.text(name)
    call.time("timeout", _TIMEOUT)
    call.boolean("include_segment_file_sizes", False)
    call.boolean("include_unloaded_segments", False)

    async def run() -> Reply:
        desired = set(_STATS_METRICS) if "_all" in metrics else set(metrics)
        return Reply(200, _envelope(emulator.cluster, chosen, lambda node: _stats(emulator.cluster, node, desired)))

    return Prepared("cluster:monitor/nodes/stats", run)


def _check_metrics(call: Call, metrics: list[str]) -> None:
    if len(metrics) > 1 and "_all" in metrics:
        listed = ",".join(metrics)
        raise errors.illegal_argument(f"request [{call.path}] contains _all and individual metrics [{listed}]")
    unknown = [name for name in metrics if name != "_all" and name not in _STATS_METRICS]
    if unknown:
        listed = ", ".join(f"[{name}]{_hint(name)}" for name in sorted(unknown))
        word = "metric" if len(unknown) == 1 else "metrics"
        raise errors.illegal_argument(f"request [{call.path}] contains unrecognized {word}: {listed}")


def _hint(name: str) -> str:
    hint = suggest.did_you_mean(name, _STATS_METRICS)
    return f" ->{hint}" if hint else ""


def _stats(cluster: Cluster, node: Node, metrics: set[str]) -> Json:
    now = cluster.now.millis
    body: Json = {
        "timestamp": now,
        "name": node.name,
        "transport_address": "127.0.0.1:9300",
        "host": "127.0.0.1",
        "ip": "127.0.0.1:9300",
        "roles": list(node.roles),
        **_attributes(node),
    }
    used = node.memory - max(0, free_memory(cluster, node))
    percent = used * 100 // node.memory if node.memory else 0
    memory = {
        "total_in_bytes": node.memory,
        "adjusted_total_in_bytes": node.memory,
        "free_in_bytes": node.memory - used,
        "used_in_bytes": used,
        "free_percent": 100 - percent,
        "used_percent": percent,
    }
    parts: dict[str, Json] = {
        "os": {"timestamp": now, "cpu": {"percent": 0}, "mem": memory},
        "process": {"timestamp": now, "cpu": {"percent": 0}},
        "jvm": {
            "timestamp": now,
            "uptime_in_millis": now - cluster.begun,
            "mem": {"heap_used_in_bytes": 0, "heap_used_percent": 0, "heap_max_in_bytes": node.jvm_size},
        },
    }
    return body | {name: part for name, part in parts.items() if name in metrics}


def free_memory(cluster: Cluster, node: Node) -> int:
    """Return the memory that jobs and deployments leave free, as the planner counts."""
    taken = sum(
        planning.needed(cluster, each, each.routes[node.id].target)
        for each in cluster.assignments.values()
        if node.id in each.routes
    )
    return node.available() - taken


# --- shutdown ---


def put_shutdown(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT _nodes/{node_id}/shutdown``; the node need not exist."""
    call.time("master_timeout", _TIMEOUT)
    call.time("timeout", _TIMEOUT)
    body = call.take_body()
    if not body:
        raise errors.parse_failure("request body is required")
    request = _shutdown(emulator.cluster, call.path_parameters["node_id"], body)

    async def run() -> Reply:
        emulator.cluster.put_shutdown(request)
        call.committed = True
        return Reply(200, {"acknowledged": True})

    return Prepared("cluster:admin/shutdown/create", run, _complaints(request))


def _shutdown(cluster: Cluster, node_id: str, body: bytes) -> Shutdown:
    given = xcontent.read_map(Parser(body, cluster.version))
    kind = str(given.get("type", "")).lower()
    for name in ("type", "reason"):
        if name not in given:
            raise errors.illegal_argument(f"Required [{name}]")
    if kind not in TYPES:
        raise errors.illegal_argument(f"unknown node shutdown type [{given['type']}]")
    optional = {name: given.get(name) for name in ("allocation_delay", "target_node_name", "grace_period")}
    return Shutdown(node_id, kind, str(given["reason"]), cluster.now.millis, True, **optional)


def _complaints(request: Shutdown) -> list[str]:
    """Return complaints about options that do not go with the type."""
    found = []
    if request.type != "restart" and request.allocation_delay is not None:
        found.append("allocation delay is only allowed for RESTART-type shutdowns")
    if (request.type == "replace") != (request.target_node_name is not None):
        needs = "required for" if request.type == "replace" else "only valid for"
        found.append(f"target node name is {needs} REPLACE type shutdowns")
    if (request.type == "sigterm") != (request.grace_period is not None):
        needs = "required for" if request.type == "sigterm" else "only valid for"
        found.append(f"grace period is {needs} SIGTERM shutdowns")
    return found


def get_shutdown(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _nodes[/{node_id}]/shutdown``."""
    call.time("master_timeout", _TIMEOUT)
    chosen = call.path_parameters.get("node_id")

    async def run() -> Reply:
        cluster = emulator.cluster
        desired = None if chosen in (None, "_all", "*") else str(chosen).split(",")
        shown = [each for key, each in cluster.shutdowns.items() if desired is None or key in desired]
        return Reply(200, {"nodes": [_shutdown_json(cluster, each) for each in shown]})

    return Prepared("cluster:admin/shutdown/get", run)


def _shutdown_json(cluster: Cluster, each: Shutdown) -> Json:
    busy = any(each.node_id in deployment.routes for deployment in cluster.assignments.values())
    status = "IN_PROGRESS" if busy else "COMPLETE"
    body: Json = {
        "node_id": each.node_id,
        "type": each.type.upper(),
        "reason": each.reason,
        "shutdown_startedmillis": each.started,
        "status": status,
        "shard_migration": {"status": "COMPLETE", "shard_migrations_remaining": 0},
        "persistent_tasks": {"status": "COMPLETE"},
        "plugins": {"status": status},
    }
    for name in ("allocation_delay", "target_node_name", "grace_period"):
        if getattr(each, name) is not None:
            body[name] = getattr(each, name)
    return body


def delete_shutdown(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``DELETE _nodes/{node_id}/shutdown``."""
    call.time("master_timeout", _TIMEOUT)
    call.time("timeout", _TIMEOUT)
    node_id = call.path_parameters["node_id"]

    async def run() -> Reply:
        if node_id not in emulator.cluster.shutdowns:
            raise errors.not_found(f"node [{node_id}] is not currently shutting down")
        emulator.cluster.delete_shutdown(node_id)
        call.committed = True
        return Reply(200, {"acknowledged": True})

    return Prepared("cluster:admin/shutdown/delete", run)


def _route(method: str, template: str, handler: Any) -> Route:
    return Route(method, template, "nodes", handler, serverless=False)


ROUTES: Final = (
    _route("GET", "/_nodes", info),
    _route("GET", "/_nodes/{node_id}", info),
    _route("GET", "/_nodes/{node_id}/{metrics}", info),
    _route("GET", "/_nodes/stats", stats),
    _route("GET", "/_nodes/stats/{metric}", stats),
    _route("GET", "/_nodes/stats/{metric}/{index_metric}", stats),
    _route("GET", "/_nodes/{node_id}/stats", stats),
    _route("GET", "/_nodes/{node_id}/stats/{metric}", stats),
    _route("GET", "/_nodes/{node_id}/stats/{metric}/{index_metric}", stats),
    _route("GET", "/_nodes/shutdown", get_shutdown),
    _route("GET", "/_nodes/{node_id}/shutdown", get_shutdown),
    _route("PUT", "/_nodes/{node_id}/shutdown", put_shutdown),
    _route("DELETE", "/_nodes/{node_id}/shutdown", delete_shutdown),
)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay rows of ``_stats``, as recorded, in every version."""

from __future__ import annotations

import json
from typing import Any

from emulator.api import stats
from emulator.inprocess import InProcess
from emulator.state import adaptive
from emulator.state.assignment import Assignment, Route, TaskParams
from emulator.state.cluster import Cluster, Config
from emulator.state.models import Model
from emulator.state.nodes import Node
from emulator.state.usage import Usage
from emulator.wire.values import ByteSize, parse_bytes
from emulator_tests.recordings import Row, rows
from emulator_tests.replay import Outcome

Json = dict[str, Any]
SIZE = 265632637
_ANONYMOUS = "somewhere"
_SIZES = {"253.3mb": ByteSize(SIZE, f"{SIZE}b"), "1023.9kb": ByteSize(1048575, "1048575b"), "-1b": ByteSize(-1, "-1")}
_ALWAYS: Json = {"state": "started", "threads_per_allocation": 1, "number_of_allocations": 2, "queue_capacity": 1024}
_ABSENT = object()


def cluster_of(version: str, *recorded: Json) -> Cluster:
    """Return a cluster that holds the deployments of the record."""
    nodes = tuple(_node(node_id) for node_id in ("nodeA", "nodeB"))
    cluster = Cluster(Config(version, nodes=nodes))
    cluster.models["mod"] = Model("mod", SIZE)
    for body in recorded:
        cluster.put_assignment(_assignment(cluster, body))
    return cluster


def _node(node_id: str) -> Node:
    """Return a node with the two attributes and the one role of the recorded nodes."""
    attributes = {"ml.allocated_processors_double": "4.0", "ml.machine_memory": str(8 << 30)}
    return Node(node_id, 4, 8 << 30, roles=("ml",), plugin=False, extra=attributes)


def _assignment(cluster: Cluster, body: Json) -> Assignment:
    params = TaskParams(
        "mod", body["deployment_id"], SIZE, body["number_of_allocations"], body["threads_per_allocation"]
    )
    params.queue_capacity, params.priority = body["queue_capacity"], body["priority"]
    size = body.get("cache_size")
    params.cache_size = None if size is None else (_SIZES.get(size) or parse_bytes(size, "cache_size"))
    each = Assignment(params, cluster.version, body["start_time"] * 1_000_000, state=body["state"])
    each.reason = body.get("reason")
    settings = body.get("adaptive_allocations")
    each.adaptive = None if settings is None else adaptive.from_json(settings)
    for number, row in enumerate(body["nodes"]):
        node_id = _node_id(cluster, row, number)
        state = row["routing_state"]
        current = row.get("number_of_allocations", 0)
        each.routes[node_id] = Route(current, current, state["routing_state"], state.get("reason"))
        if "inference_count" in row:
            cluster.usage[body["deployment_id"], node_id] = _usage(row)
    return each


def _node_id(cluster: Cluster, row: Json, number: int) -> str:
    """Return the id of a node; some records hide its identity, some show that it has left."""
    node = row.get("node", _ABSENT)
    if isinstance(node, dict):
        return str(next(iter(node)))
    node_id = f"{_ANONYMOUS}{number}"
    if node is not _ABSENT:
        cluster.nodes[node_id] = _node(node_id)
    return node_id


def _usage(row: Json) -> Usage:
    return Usage(
        start_time=row["start_time"],
        inferences=row["inference_count"],
        average_ms=row.get("average_inference_time_ms"),
        average_without_hits_ms=row.get("average_inference_time_ms_excluding_cache_hits"),
        average_last_minute_ms=row.get("average_inference_time_ms_last_minute"),
        cache_hits=row["inference_cache_hit_count"],
        cache_hits_last_minute=row["inference_cache_hit_count_last_minute"],
        last_access=row.get("last_access"),
        peak_throughput=row["peak_throughput_per_minute"],
        throughput_last_minute=row["throughput_last_minute"],
        pending=row["number_of_pending_requests"],
        process_memory=row.get("average_inference_process_memory_rss_bytes"),
    )


def _without_identity(body: Json) -> Json:
    """Replace what the records replace: a node's identity and version, and the time."""
    copied: Json = json.loads(json.dumps(body))
    for row in copied.get("nodes", ()):
        found = row.get("node")
        if isinstance(found, dict):
            node_id, node = next(iter(found.items()))
            if node_id.startswith(_ANONYMOUS):
                row["node"] = "<node>"
            else:
                node |= {name: f"<{name}>" for name in ("version", "min_index_version", "max_index_version")}
    return copied


def assignment_stats(row: Row, version: str) -> Outcome:
    """Replay the statistics of one deployment."""
    recorded = row.data["json"]
    # An assignment always has what two rows, which were made by hand, leave out.
    cluster = cluster_of(version, {**_ALWAYS, **recorded})
    each = cluster.assignments[recorded["deployment_id"]]
    count = recorded.get("allocation_status", {}).get("allocation_count", 0)
    if count and not recorded["nodes"]:
        # These records are about the size of the cache: they count allocations but show no node.
        each.routes["nodeA"] = Route(count, count, "started")
    played = _without_identity(stats.deployment_stats(cluster, each, human=row.data["case"].endswith("human")))
    if count and not recorded["nodes"]:
        played["nodes"] = []
    pair = [[recorded, json.dumps(recorded)], [played, json.dumps(played)]]
    if "overall_inference_stats" in row.data:
        overall = stats.inference_stats(cluster, recorded["deployment_id"], each)
        pair[0].append(row.data["overall_inference_stats"])
        pair[1].append({**overall, "timestamp": "<now>"})
    return pair[0], pair[1]


def models_stats(row: Row, version: str) -> Outcome:
    """Replay rows of ``_stats`` with their models."""
    recorded = row.data.get("json", {})
    if row.data["case"] == "results_field":
        answer = stats.rows(cluster_of(version), "mod", human=False, start=0, size=100, allow_no_match=True)
        return recorded, next(name for name in answer if name != "count")
    if "count" in recorded:
        return _model_stats(row, version)
    return _model_sizes(row, version) if "model_size_bytes" in recorded else _deployment_answer(row, version)


def _deployment_answer(row: Row, version: str) -> Outcome:
    """Replay the path that once led to statistics of deployments alone."""
    emulator = InProcess(version, models=[("mod", SIZE)])
    _status, _headers, raw = emulator.request("GET", "/_ml/trained_models/mod/deployment/_stats")
    return row.data["json"], json.loads(raw)


def _model_stats(row: Row, version: str) -> Outcome:
    recorded = row.data["json"]
    cluster = cluster_of(version, *_two_deployments(version) if "deploy" in row.data["case"] else ())
    expression = "dep2" if "only_one" in row.data["case"] else "mod"
    if row.data["case"] in ("undeployed", "size_stats_missing"):
        cluster.assignments.clear()
    if row.data["case"] == "size_stats_missing":
        cluster.inferences.unfetched_sizes.add("mod")
    if row.data["case"] == "deployed_but_stats_missing":
        cluster.inferences.unfetched_deployments.update(cluster.assignments)
    played = stats.rows(cluster, expression, human=False, start=0, size=100, allow_no_match=True)
    for each in played["trained_model_stats"]:
        if "deployment_stats" in each:
            each["inference_stats"]["timestamp"] = "<now>"
            each["deployment_stats"] = _without_identity(each["deployment_stats"])
    return recorded, played


def _model_sizes(row: Row, version: str) -> Outcome:
    cluster = cluster_of(version)
    cluster.models["mod"].bytes = row.data["json"]["model_size_bytes"]
    answers = [stats.rows(cluster, "mod", human=human, start=0, size=1, allow_no_match=True) for human in (False, True)]
    plain, human = (answer["trained_model_stats"][0]["model_size_stats"] for answer in answers)
    if "json_human" not in row.data:
        return row.data["json"], plain
    return [row.data["json"], json.dumps(row.data["json_human"])], [plain, json.dumps(human)]


def _two_deployments(version: str) -> list[Json]:
    record = next(row for row in rows("models_stats") if row.data["case"] == "two_deployments")
    return [each["deployment_stats"] for each in record.data["json"]["trained_model_stats"]]

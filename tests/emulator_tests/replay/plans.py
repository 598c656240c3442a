# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay recorded plans and decisions of the service: a cluster is set up as the row says, then the event happens."""

from __future__ import annotations

from typing import Any, Final

from emulator.state import adaptive, operations, rebalance, requests
from emulator.state.assignment import STOPPED_BY_CLIENT, Assignment, Route, TaskParams
from emulator.state.cluster import Cluster, Config
from emulator.state.models import Model
from emulator.state.nodes import OVERHEAD, Node
from emulator.state.requests import StartRequest
from emulator.state.settings import LAZY_NODES
from emulator.wire import errors
from emulator.wire.values import ByteSize
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome

MB: Final = 1 << 20
OLDER: Final = ("8.8.", "8.9.", "8.10.", "8.11.")
"""The versions that answered ``older`` (recorded-answers.md 3.2)."""
Json = dict[str, Any]


# --- plans ---


def plan(row: Row, version: str) -> Outcome:
    """Compare a plan with the accepted ones: if it is one of them, that one counts as recorded."""
    case = row.data
    played = planned(case, version)
    accepted = accepted_outcomes(case, version)
    return (played if played in accepted else accepted[0]), played


def accepted_outcomes(case: Json, version: str) -> list[Json]:
    """Return the recorded outcomes in the form of ``planned``."""
    older = case.get("older") if version.startswith(OLDER) else None
    if older is None and ("refused" in case or "error" in case):
        return [{"refused": True}]
    more = {"lost": sorted(case.get("lost", [])), "state after": case.get("state_after")}
    listed = older or case["answers"]
    return [{"targets": {key: nodes for key, nodes in each.items() if nodes}, **more} for each in listed]


def planned(case: Json, version: str) -> Json:
    """Return what the emulator has after the event of a case: targets, lost deployments, the state of what stops."""
    cluster = set_up(case, version)
    try:
        if case["kind"] == "reduce":
            operations.set_number(cluster, cluster.assignments[case["deployments"][0]["id"]], case["to"])
        elif (proposals := rebalance.propose(cluster, cluster.assignments, case.get("new"))) is not None:
            cluster.apply(proposals)
    except errors.ApiError:
        return {"refused": True}
    there = cluster.assignments
    targets = {
        key: {node_id: route.target for node_id, route in each.routes.items() if route.target}
        for key, each in there.items()
    }
    stopping = [each["id"] for each in case["deployments"] if "state_after" in case and each.get("stopping")]
    return {
        "targets": {key: nodes for key, nodes in targets.items() if nodes},
        "lost": sorted(each["id"] for each in case["deployments"] if each["id"] not in there),
        "state after": there[stopping[0]].state if stopping else None,
    }


def set_up(case: Json, version: str) -> Cluster:
    """Return a cluster with the nodes and deployments of a case."""
    nodes = tuple(_node(*each) for each in case["nodes"])
    models = tuple((each["id"], each["mb"] * MB) for each in case["deployments"])
    cluster = Cluster(Config(version, nodes=nodes, models=models))
    for each in case["deployments"]:
        cluster.put_assignment(_assignment(cluster, each))
    return cluster


def _node(node_id: str, megabytes: int, cores: int, zone: str | None = None) -> Node:
    return Node(node_id, cores, megabytes * MB + OVERHEAD, zone)


def _assignment(cluster: Cluster, each: Json) -> Assignment:
    routes = {node_id: Route(*route) for node_id, route in each.get("routes", {}).items()}
    size = each["mb"] * MB
    params = TaskParams(
        model_id=each["id"],
        deployment_id=each["id"],
        model_bytes=size,
        number_of_allocations=each["n"],
        threads_per_allocation=each["t"],
        cache_size=ByteSize(each.get("cache", 0) * MB or size, ""),
        priority=each.get("priority", "normal"),
        per_deployment_memory_bytes=each.get("per_deployment", 0) * MB,
        per_allocation_memory_bytes=each.get("per_allocation", 0) * MB,
    )
    settings = None if "adaptive" not in each else adaptive.from_json(_settings(each["adaptive"]))
    found = Assignment(params, cluster.version, cluster.now(), routes, reason=each.get("why"), adaptive=settings)
    found.settle()
    found.max_assigned = each.get("max", 0)
    if each.get("stopping"):
        found.stop(STOPPED_BY_CLIENT)
    return found


def _settings(given: Json) -> Json:
    long = {"min": "min_number_of_allocations", "max": "max_number_of_allocations"}
    return {long.get(name, name): value for name, value in given.items()}


fresh = low = memory = reduce = running = sequences = stopping = zones = plan


# --- decisions ---


def assignment_service(row: Row, version: str) -> Outcome:
    """Compare what the service answers to one request."""
    case = row.data
    started = [case["start"]] if "start" in case else []
    cluster = set_up(case, version)
    for each in started:
        cluster.models.setdefault(each["id"], Model(each["id"], each["mb"] * MB))
    if case.get("scaling"):
        cluster.settings[LAZY_NODES] = len(case["nodes"]) + 1
    try:
        played = {"assignment": _decided(cluster, case)}
    except errors.ApiError as refusal:
        played = {"error": _error(refusal)}
    return case["outcome"], played


def _decided(cluster: Cluster, case: Json) -> Json | None:
    """Return the assignment after the call of a case."""
    if case["call"] == "create":
        return _shown(operations.start(cluster, _start(cluster, case["start"])))
    target = case["target"]
    if case["call"] == "update":
        request = requests.parse_update(case["body"].encode(), target, cluster.version)
        if complaints := request.complaints():
            raise errors.validation(complaints)
        return _shown(operations.update(cluster, request))
    if case["call"] == "stopping":
        operations.set_to_stopping(cluster, target, STOPPED_BY_CLIENT)
    else:
        cluster.drop_assignment(target)
    return _shown(cluster.assignments[target]) if target in cluster.assignments else None


def _start(cluster: Cluster, given: Json) -> StartRequest:
    request = requests.new_start(given["id"], None, cluster.version)
    request.number_of_allocations, request.threads_per_allocation = given["n"], given["t"]
    request.priority = given.get("priority", "normal")
    if "adaptive" in given:
        request.adaptive = adaptive.from_json(_settings(given["adaptive"]))
    return request


def _shown(each: Assignment) -> Json:
    """Return an assignment in the form of the recording."""
    whole = each.as_json()
    names = ("assignment_state", "max_assigned_allocations", "adaptive_allocations", "reason")
    return {
        "number_of_allocations": each.params.number_of_allocations,
        "routing_table": {key: [route.current, route.target, route.state] for key, route in each.routes.items()},
        **{name: whole[name] for name in names if name in whole},
    }


def _error(refusal: errors.ApiError) -> Json:
    """Return an error in the form of the recording."""
    body = {"reason": refusal.reason, "status": refusal.status, "type": refusal.type}
    return body if refusal.caused_by is None else {"caused_by": _error(refusal.caused_by), **body}

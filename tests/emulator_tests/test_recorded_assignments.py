# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Assignments: rendering, states and arithmetic as recorded, in every version."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from emulator.api.cluster_info import state_json
from emulator.api.requests import PRIORITIES, WAIT_STATES, parse_update
from emulator.state import adaptive, assignment
from emulator.state.adaptive import RESET, AdaptiveSettings
from emulator.state.assignment import FAILED, STARTED, STARTING, Assignment, Route, TaskParams
from emulator.state.cluster import Cluster, Config
from emulator.state.versions import features
from emulator.wire import errors
from emulator.wire.render import filtered
from emulator.wire.values import ByteSize
from emulator.wire.xcontent import Parser
from emulator_tests import situations
from emulator_tests.recordings import Row, cases, check

_ASSIGNABLE = ("nodeA", "nodeB")
"""The nodes that could carry something when the records were made."""


@pytest.mark.parametrize(("row", "version"), cases("assignment"))
def test_assignment(row: Row, version: str) -> None:
    each = situations.assignment(row.data["json"]["assignment"], version)
    played = {
        "json": assignment.envelope(each),
        "allocation_status": each.allocation_status(),
        "allocation_state": each.allocation_state(),
        "started_nodes": each.started_nodes(),
        "total_current": each.total_current,
        "total_target": each.total_target,
        "satisfied": each.is_satisfied(_ASSIGNABLE),
        "outdated": each.has_outdated_routes(),
        "builder_state": each.calculated_state(),
    }
    check(row, {key: row.data[key] for key in played}, played)
    # Objects are compared above; what clients see is their order as well.
    assert json.dumps(played["json"]) == json.dumps(row.data["json"])


@pytest.mark.parametrize(("row", "version"), cases("task_params"))
def test_task_params(row: Row, version: str) -> None:
    params = situations.task_params(row.data["json"])
    played = {
        "json": params.as_json(features(version)),
        "estimate_memory_usage_bytes": params.memory(params.number_of_allocations, features(version)),
        "cache_size_bytes": params.cache_bytes,
    }
    check(row, {key: row.data[key] for key in played}, played)


@pytest.mark.parametrize(("row", "version"), cases("assignment_metadata", lambda row: row.data["key"] == "cases"))
def test_cluster_state_holds_assignments(row: Row, version: str) -> None:
    for case in row.data["value"]:
        cluster = Cluster(Config(version))
        cluster.ever_assigned = True
        for body in case["json"]["metadata"]["trained_model_assignment"].values():
            cluster.put_assignment(situations.assignment(body, version))
        check(row, case["json"], filtered(state_json(cluster, ["metadata"]), "metadata.trained_model_assignment"))


@pytest.mark.parametrize(
    ("row", "version"), cases("assignment_metadata", lambda row: row.data["key"] in ("name", "deprecated_name"))
)
def test_name_in_cluster_state(row: Row, version: str) -> None:
    older = "8.2.0" if row.data["key"] == "deprecated_name" else version
    cluster = Cluster(Config(older))
    cluster.ever_assigned = True
    names = [key for key in state_json(cluster, ["metadata"])["metadata"] if key.startswith("trained_model")]
    check(row, [row.data["value"]], names)


# --- states ---


@pytest.mark.parametrize(("row", "version"), cases("states"))
def test_states(row: Row, version: str) -> None:
    value = row.data["value"]
    if row.data["key"] == "builder_steps":
        # Steps that end in an exception, or that only say "ok", are no states.
        value = [step for step in value if "json" in step]
    check(row, value, _STATES[row.data["key"]](version))


def _constants(names: tuple[str, ...]) -> Callable[[str], Any]:
    return lambda version: [[name.upper(), name] for name in names]


def _route_json(version: str) -> Any:
    routes = [Route(1, 2, STARTING, ""), Route(1, 2, STARTED, "r"), Route(0, 0, FAILED, None)]
    return [
        {"json": route.as_json(features(version)), "outdated": route.outdated, "routable": route.routable}
        for route in routes
    ]


def _builder_steps(version: str) -> Any:
    """The steps of the record, each followed by what a commit makes of them."""
    size = 265632637
    params = TaskParams("mod", "dep", size, 2, 1, 1024, ByteSize(size, f"{size}b"))
    each = Assignment(params, features(version), situations.nanos("2024-11-02T11:50:34.766591Z"))
    steps: list[dict[str, Any]] = []

    def shown(step: str) -> None:
        # The record's builder forgets the running maximum from step to step.
        each.max_assigned = 0
        each.settle()
        steps.append({"step": step, "json": each.as_json()})

    shown("empty")
    each.routes |= {"nodeA": Route(1, 1), "nodeB": Route(1, 1)}
    shown("two routes starting")
    each.routes["nodeA"].state = STARTED
    shown("nodeA started")
    each.routes["nodeB"] = Route(1, 1, FAILED, "boom")
    shown("nodeB failed")
    each.routes["nodeA"] = Route(1, 1, FAILED, "boom")
    shown("both failed")
    del each.routes["nodeB"]
    shown("nodeB removed")
    each.reason = "some reason"
    shown("reason set")
    params.number_of_allocations = 0
    shown("number 0")
    for step in ("stopAssignment", "stopAssignment again", "recalculated after stop"):
        each.stop("client API call" if step != "stopAssignment again" else "another")
        shown(step)
    each.reason = "x"
    shown("after setReason while stopping")
    shown("after setAssignmentState")
    each.reason = None
    shown("clearReason")
    return steps


_STATES: dict[str, Callable[[str], Any]] = {
    "routing_state": _constants((STARTING, STARTED, "stopping", FAILED, "stopped")),
    "allocation_state": _constants(WAIT_STATES),
    "priority": _constants(PRIORITIES),
    "routing_info_json": _route_json,
    "routing_state_and_reason": lambda version: [
        route.as_json(features("8.3.0"))
        for route in (Route(1, 1, STARTED, ""), Route(1, 1, FAILED, "boom"), Route(1, 1, "stopped", None))
    ],
    "builder_steps": _builder_steps,
}


# --- adaptive allocations ---


def _settings(triple: Any) -> AdaptiveSettings:
    return RESET if triple == "RESET_PLACEHOLDER" else AdaptiveSettings(*triple)


def _raw(settings: AdaptiveSettings) -> list[Any]:
    return [settings.enabled, settings.minimum, settings.maximum]


def _parsed(body: str, version: str) -> dict[str, Any]:
    try:
        settings = adaptive.read(Parser(body.encode(), features(version)))
    except errors.ApiError as error:
        return {"status": 400, "json": error.body()}
    complaints = settings.complaints()
    shown: dict[str, Any] = errors.validation(complaints).body() if complaints else settings.as_json()
    return {
        "json": shown,
        "enabled": settings.enabled,
        "min": settings.minimum,
        "max": settings.maximum,
        "validation": complaints or None,
    }


def _merge(case: dict[str, Any]) -> dict[str, Any]:
    base, update = _settings(case["base"]), _settings(case["update"])
    merged = base.merge(update)
    return {
        "result": merged.as_json(),
        "raw": _raw(merged),
        "equals_base": merged == base,
        "validation": merged.complaints() or None,
    }


def _wire(case: dict[str, Any], version: str) -> dict[str, Any]:
    """On the wire the placeholder becomes an equal object that is not the placeholder."""
    before = parse_update(case["body"].encode(), "dep", features(version)).adaptive
    assert before is not None
    after = AdaptiveSettings(*_raw(before))
    return {
        "before_is_placeholder": before is RESET,
        "after_is_placeholder": after is RESET,
        "after": _raw(after),
        "after_equals_placeholder": after == RESET,
    }


@pytest.mark.parametrize(("row", "version"), cases("adaptive"))
def test_adaptive(row: Row, version: str) -> None:
    key, value = row.data["key"], row.data["value"]
    if key == "present":
        check(row, value, features(version).adaptive)
    elif key == "placeholder":
        check(row, value, RESET.as_json())
    elif key == "equals":
        check(row, value, [{**case, "equal": _settings(case["a"]) == _settings(case["b"])} for case in value])
    else:
        # A missing update would be a NullPointerException; no request leads there.
        value = [case for case in value if "error" not in case]
        played = [_case(key, case, version) for case in value]
        recorded = [
            {name: case[name] for name in part if name in case} for case, part in zip(value, played, strict=True)
        ]
        check(row, recorded, played)


def _case(key: str, case: dict[str, Any], version: str) -> dict[str, Any]:
    if key == "parse":
        return _parsed(case["body"], version)
    return _merge(case) if key == "merge" else _wire(case, version)

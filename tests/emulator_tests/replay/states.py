# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay states of assignments, routes and allocations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.state.assignment import FAILED, STARTED, STARTING, Assignment, Route, TaskParams
from emulator.state.requests import PRIORITIES, WAIT_STATES
from emulator.state.versions import features
from emulator.wire.values import ByteSize
from emulator_tests import recorded_assignments
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome


def states(row: Row, version: str) -> Outcome:
    """Replay enumerations, routes, and an assignment step by step."""
    value = row.data["value"]
    if row.data["key"] == "builder_steps":
        # Steps that end in an exception, or that only say "ok", are no states.
        value = [step for step in value if "json" in step]
    return value, _STATES[row.data["key"]](version)


def _constants(names: tuple[str, ...]) -> Callable[[str], Any]:
    return lambda version: [[name.upper(), name] for name in names]


def _route_json(version: str) -> Any:
    routes = [Route(1, 2, STARTING, ""), Route(1, 2, STARTED, "r"), Route(0, 0, FAILED, None)]
    return [
        {"json": route.as_json(features(version)), "outdated": route.outdated, "routable": route.routable}
        for route in routes
    ]


def _builder_steps(version: str) -> Any:
    """Return the steps of the record, each followed by the result of a commit."""
    size = 265632637
    params = TaskParams("mod", "dep", size, 2, 1, 1024, ByteSize(size, f"{size}b"))
    each = Assignment(params, features(version), recorded_assignments.nanos("2024-11-02T11:50:34.766591Z"))
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

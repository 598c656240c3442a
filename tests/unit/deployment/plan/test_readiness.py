# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what a snapshot means for waits and uncertain writes."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError, ErrorKind
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.diff import start_differences
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.plan import Plan
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.readiness import (
    judge_readiness,
    stop_readiness,
    update_readiness,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.write_outcome import (
    is_uncertain,
    judge_write,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.desired import Desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.step import Step
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.adaptive import AdaptiveAllocations
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import AllocationStatus, Deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.routing import Route


def route(state: str, current: int | None = None, target: int | None = None, reason: str | None = None) -> Route:
    return Route(f"id-{state}", f"ml-{state}", state, reason, current, target)


def seen(number: int, running: int, *routes: Route, state: str = "started", **more: t.Any) -> Deployment:
    return Deployment(
        "d",
        "m",
        number_of_allocations=number,
        assignment_state=state,
        allocation_status=AllocationStatus(running, number, "started"),
        routes=routes,
        start_time=more.pop("start_time", "then"),
        **more,
    )


FULL = seen(2, 2, route("started", 2, 2))
PARTLY = seen(4, 2, route("started", 2, 4), route("starting", 2, 2))
BROKEN = seen(4, 2, route("started", 2, 2), route("failed", None, 2, "no memory"))
ALL_BROKEN = seen(4, 0, route("failed", None, 4, "no memory"), state="failed")
ASLEEP = seen(0, 0, adaptive_allocations=AdaptiveAllocations(True, 0, 4))
RISING = seen(0, 0, adaptive_allocations=AdaptiveAllocations(True, 1, 4))
STARTING = seen(2, 0, route("starting", 2, 2), state="starting")
STOPPING = dataclasses.replace(FULL, assignment_state="stopping", reason="client API call")
OTHER_START = dataclasses.replace(FULL, start_time="later")
ABOVE = seen(2, 4, route("started", 4, 2))


def behind(*targets: int, reason: str | None = None, source: t.Any = "cluster_state") -> Deployment:
    """Return a deployment of 6 allocations; each node runs one less than its target."""
    routes = [
        Route(f"id-n{place}", f"n{place}", "started", None, target - 1, target) for place, target in enumerate(targets)
    ]
    running = sum(targets) - len(targets)
    return seen(6, running, *routes, reason=reason, routing_source=source)


@pytest.mark.parametrize(
    ("deployment", "missing"),
    [
        (behind(2, 4), "; node n0 runs 1 and is to run 2; node n1 runs 3 and is to run 4"),
        (
            behind(2),
            "; node n0 runs 1 and is to run 2; 2 of 6 allocations have a node: there is no capacity for the others",
        ),
        (
            behind(2, reason="insufficient allocated processors"),
            " (insufficient allocated processors); node n0 runs 1 and is to run 2; 2 of 6 allocations have a node: "
            "there is no capacity for the others (not enough processors)",
        ),
        (
            behind(2, reason="insufficient available memory"),
            " (insufficient available memory); node n0 runs 1 and is to run 2; 2 of 6 allocations have a node: "
            "there is no capacity for the others (not enough memory)",
        ),
        (behind(source="stats"), ""),
        (dataclasses.replace(behind(), routes=(route("started", 5),)), ""),
        (
            dataclasses.replace(behind(), routes=(route("stopping", 0, 6), route("started", 2, 2))),
            "; on node ml-stopping it is stopping; 2 of 6 allocations have a node: there is no capacity for the others",
        ),
    ],
)
def test_a_wait_says_which_node_is_behind_and_what_has_none(deployment: Deployment, missing: str) -> None:
    readiness = judge_readiness(deployment, "fully_allocated")
    assert readiness == ("progressing", f"{deployment.running} of 6 allocations run, and it is started{missing}")


def test_a_wait_names_ten_nodes_at_most() -> None:
    why = judge_readiness(dataclasses.replace(behind(*[1] * 13), number_of_allocations=13), "fully_allocated").why
    assert (why.count("is to run"), why.endswith("; and 3 more nodes")) == (10, True)


@pytest.mark.parametrize(
    ("deployment", "wait_for", "outcome"),
    [
        (FULL, "started", "ready"),
        (FULL, "fully_allocated", "ready"),
        (FULL, "steady", "ready"),
        (PARTLY, "started", "ready"),
        (PARTLY, "fully_allocated", "progressing"),
        (PARTLY, "steady", "progressing"),
        (ABOVE, "fully_allocated", "ready"),
        (ABOVE, "steady", "progressing"),
        (seen(4, 4, route("started", 4)), "steady", "ready"),  # a source that does not know targets
        (STARTING, "started", "progressing"),
        (STARTING, "fully_allocated", "progressing"),
        (BROKEN, "started", "ready"),
        (BROKEN, "fully_allocated", "failed"),
        (ALL_BROKEN, "started", "failed"),
        (seen(4, 0, route("failed"), route("starting"), state="starting"), "started", "progressing"),
        (seen(4, 0, route("failed"), state="starting"), "started", "failed"),
        (STOPPING, "started", "failed"),
        (None, "started", "failed"),
        (ASLEEP, "started", "failed"),
        (RISING, "started", "progressing"),
        (seen(2, 2, route("starting"), state="starting"), "fully_allocated", "progressing"),
    ],
)
def test_readiness(deployment: Deployment | None, wait_for: str, outcome: str) -> None:
    assert judge_readiness(deployment, wait_for).state == outcome


def test_zero_is_ready_if_allowed() -> None:
    assert judge_readiness(ASLEEP, "steady", accepts_zero=True).state == "ready"


@pytest.mark.parametrize(
    ("deployment", "said"),
    [
        (BROKEN, "node ml-failed failed (no memory)"),
        (
            PARTLY,
            "2 of 4 allocations run, and it is started; node ml-started runs 2 and is to run 4; "
            "on node ml-starting it is starting",
        ),
        (
            dataclasses.replace(STARTING, reason="no room"),
            "it is starting (no room); on node ml-starting it is starting",
        ),
        (STOPPING, "the deployment is being stopped (client API call)"),
        (ASLEEP, "it is scaled to zero, and the next inference request wakes it"),
        (RISING, "adaptive allocations have yet to raise it from 0 to their min_number_of_allocations of 1"),
        (seen(0, 0), "its number_of_allocations is 0"),
        (None, "the deployment is gone"),
    ],
)
def test_readiness_says_what_is_missing(deployment: Deployment | None, said: str) -> None:
    assert said in judge_readiness(deployment, "fully_allocated").why


def test_stop_readiness() -> None:
    assert stop_readiness(None).state == "ready"
    assert stop_readiness(STOPPING) == (
        "progressing",
        "it is still stopping (client API call); on node ml-started it is started",
    )
    assert stop_readiness(STOPPING, STOPPING).state == "progressing"
    assert stop_readiness(OTHER_START, FULL).state == "failed"


@pytest.mark.parametrize(
    ("deployment", "outcome"),
    [(FULL, "ready"), (STARTING, "progressing"), (STOPPING, "failed"), (ALL_BROKEN, "failed"), (None, "failed")],
)
def test_update_readiness(deployment: Deployment | None, outcome: str) -> None:
    assert update_readiness(deployment).state == outcome


START, UPDATE, STOP = Step("start", "d", {"model_id": "m"}), Step("update", "d"), Step("stop", "d")
EXISTS = "Could not start model deployment because an existing deployment with the same id [d] exist"


@pytest.mark.parametrize(
    ("action", "kind", "status", "reason", "unsure"),
    [
        (START, "connection", None, None, True),
        (START, "timeout", None, None, True),
        (START, "answer", 200, None, True),
        (START, "unavailable", 503, None, True),
        (START, "server", 408, "Timed out", True),
        (START, "server", 400, EXISTS, True),
        (START, "server", 400, "something else", False),
        (START, "server", 404, "Could not find trained model [m]", False),
        (START, "server", 409, "it has already been started", True),
        (START, "server", 409, "feature reset is in progress", False),
        (START, "server", 500, "route failed", True),
        (START, "capacity", 429, "no room", False),
        (START, "privilege", 403, "unauthorized", False),
        (START, "tls", None, None, False),
        (UPDATE, "server", 409, "cannot update deployment that is not in [started] state", True),
        (UPDATE, "server", 409, "must be updated through the inference API", False),
        (UPDATE, "server", 404, "No known model deployment", True),
        (UPDATE, "server", 400, "cannot be set", False),
        (STOP, "server", 404, "No known model deployment", True),
        (STOP, "server", 409, "referenced by ingest processors", False),
    ],
)
def test_errors_that_leave_the_outcome_of_a_write_open(
    action: Step, kind: ErrorKind, status: int | None, reason: str | None, unsure: bool
) -> None:
    assert is_uncertain(action, ApiError(kind, "sentence", status=status, reason=reason)) is unsure


LOST = ApiError("connection", "lost")
BROKE = ApiError("server", "broke", status=500)
OTHERWISE = dataclasses.replace(FULL, threads_per_allocation=4)
PLAN = Plan(FULL, dataclasses.replace(FULL, threads_per_allocation=1))


@pytest.mark.parametrize(
    ("action", "error", "now", "outcome"),
    [
        (START, LOST, FULL, "applied"),
        (START, LOST, None, "retry"),
        (START, LOST, STOPPING, "retry"),
        (START, LOST, seen(5, 5), "conflict"),
        (START, LOST, OTHERWISE, "conflict"),  # the task does not name threads, but the start said what they would be
        (STOP, LOST, None, "applied"),
        (STOP, LOST, STOPPING, "applied"),
        (STOP, LOST, FULL, "retry"),
        (STOP, LOST, OTHER_START, "conflict"),
        (STOP, BROKE, STOPPING, "retry"),
        (STOP, BROKE, FULL, "conflict"),
        (STOP, BROKE, None, "applied"),
        (UPDATE, LOST, FULL, "applied"),
        (UPDATE, LOST, seen(5, 5), "retry"),
        (UPDATE, LOST, STARTING, "applied"),
        (UPDATE, LOST, None, "conflict"),
        (UPDATE, LOST, STOPPING, "conflict"),
        (UPDATE, LOST, ALL_BROKEN, "conflict"),
        (UPDATE, LOST, seen(5, 5, start_time="later"), "conflict"),
    ],
)
def test_the_outcome_of_an_uncertain_write(action: Step, error: ApiError, now: Deployment | None, outcome: str) -> None:
    desired = Desired("d", number_of_allocations=2)
    now = now if now is None or now.threads_per_allocation else dataclasses.replace(now, threads_per_allocation=1)
    assert judge_write(PLAN, action, desired, None, error, now).kind == outcome


def test_a_start_of_another_client_is_not_recognised_without_a_start_time() -> None:
    before = Plan(dataclasses.replace(FULL, start_time=None), None)
    assert judge_write(before, STOP, Desired("d"), None, LOST, OTHER_START).kind == "retry"


CARRIED = dataclasses.replace(FULL, cache_size="1kb", cache_size_exact=True, number_of_allocations=2)
ADAPTIVE = AdaptiveAllocations(True, 1, 4)


@pytest.mark.parametrize(
    ("sent", "changes", "initial", "named"),
    [
        ({}, {"number_of_allocations": 5}, None, []),
        ({"number_of_allocations": 2}, {"number_of_allocations": 5}, None, ["number_of_allocations"]),
        ({"number_of_allocations": 2}, {"number_of_allocations": 5}, 2, []),
        ({"number_of_allocations": 2}, {"number_of_allocations": 5, "adaptive_allocations": ADAPTIVE}, None, []),
        ({"adaptive_allocations": {}}, {"adaptive_allocations": ADAPTIVE}, None, ["adaptive_allocations"]),
        ({}, {"cache_size": "2kb"}, None, ["cache_size"]),
        ({}, {"model_id": "other"}, None, ["model_id"]),
    ],
)
def test_settings_that_another_client_started_otherwise(
    sent: dict[str, t.Any], changes: dict[str, t.Any], initial: int | None, named: list[str]
) -> None:
    desired = Desired("d", initial_number_of_allocations=initial)
    now = dataclasses.replace(CARRIED, **changes)
    assert [each.name for each in start_differences(desired, sent, CARRIED, now)] == named


@pytest.mark.parametrize(
    "reason",
    [
        "Loading the inference process failed because it contains forbidden operation: aten::save",
        "Model graph is too large: 9000001 nodes",
        "Unrecognised operations: aten::sin",
    ],
)
def test_a_graph_that_the_native_process_refuses_is_said_in_our_words(reason: str) -> None:
    readiness = judge_readiness(seen(1, 0, route("failed", reason=reason), state="failed"), "started")
    assert readiness.state == "failed"
    assert "its TorchScript graph has operations or hooks that Elasticsearch does not allow since 9.4" in readiness.why
    assert "another start will not help" in readiness.why
    assert reason in readiness.why
    other = judge_readiness(seen(1, 0, route("failed", reason="no memory"), state="failed"), "started")
    assert other.why == "node ml-failed failed (no memory)"

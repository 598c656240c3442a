# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the plan, case by case: desired and current in, one decision out."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.decide import Situation, decide
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.plan import Plan
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.validation import (
    on_this_server,
    refuse_unstartable,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.desired import Desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.adaptive import AdaptiveAllocations, AdaptivePatch
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.model import Model
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.routing import Route

RUNNING = Deployment(
    deployment_id="d",
    model_id="m",
    number_of_allocations=2,
    threads_per_allocation=1,
    priority="normal",
    queue_capacity=1024,
    cache_size="1024b",
    cache_size_exact=True,
    model_bytes=1024,
    assignment_state="started",
    start_time="2026-01-01T00:00:00.000Z",
    routes=(Route("n", "ml-1", "started", None, 2, 2),),
    routing_source="cluster_state",
)
SCALED = dataclasses.replace(RUNNING, adaptive_allocations=AdaptiveAllocations(True, 1, 8), number_of_allocations=3)
FROZEN = dataclasses.replace(RUNNING, adaptive_allocations=AdaptiveAllocations(False, 1, 8))


def plan(current: Deployment | None, **desired: t.Any) -> Plan:
    return decide(Desired("d", **desired), Situation(current, desired.get("model_id")))


def refusal(current: Deployment | None, **desired: t.Any) -> str:
    with pytest.raises(Refusal) as caught:
        plan(current, **desired)
    return str(caught.value)


def sent(made: Plan) -> list[tuple[str, dict[str, t.Any]]]:
    return [(action.kind, dict(action.settings)) for action in made.steps]


ADAPTIVE = AdaptivePatch(True, 1, 4)


@pytest.mark.parametrize(
    ("current", "desired", "actions"),
    [
        # nothing differs
        (RUNNING, {}, []),
        (RUNNING, {"number_of_allocations": 2, "queue_capacity": 1024, "cache_size": "1kb"}, []),
        (RUNNING, {"initial_number_of_allocations": 7}, []),
        (RUNNING, {"adaptive_allocations": AdaptivePatch(enabled=False)}, []),
        (SCALED, {"adaptive_allocations": AdaptivePatch(enabled=True)}, []),
        (SCALED, {"adaptive_allocations": AdaptivePatch(True, 1, 8)}, []),
        (SCALED, {"number_of_allocations": 5, "on_adaptive": "skip"}, []),
        (FROZEN, {"number_of_allocations": 2}, []),
        (None, {"state": "stopped"}, []),
        (None, {"on_missing": "skip"}, []),
        # in place
        (RUNNING, {"number_of_allocations": 3}, [("update", {"number_of_allocations": 3})]),
        (
            RUNNING,
            {"adaptive_allocations": ADAPTIVE},
            [
                (
                    "update",
                    {
                        "adaptive_allocations": {
                            "enabled": True,
                            "min_number_of_allocations": 1,
                            "max_number_of_allocations": 4,
                        }
                    },
                )
            ],
        ),
        (
            SCALED,
            {"adaptive_allocations": AdaptivePatch(max_number_of_allocations=-1)},
            [("update", {"adaptive_allocations": {"max_number_of_allocations": -1}})],
        ),
        (
            SCALED,
            {"number_of_allocations": 5, "on_adaptive": "override"},
            [("update", {"adaptive_allocations": {"enabled": False}, "number_of_allocations": 5})],
        ),
        (  # both parts even if the number happens to be the same: adaptive allocations may change it before the write
            SCALED,
            {"number_of_allocations": 3, "adaptive_allocations": AdaptivePatch(enabled=False)},
            [("update", {"adaptive_allocations": {"enabled": False}, "number_of_allocations": 3})],
        ),
        (FROZEN, {"number_of_allocations": 4}, [("update", {"number_of_allocations": 4})]),
        # stop and start
        (RUNNING, {"state": "stopped"}, [("stop", {})]),
        (RUNNING, {"state": "stopped", "finish_pending_work": True}, [("stop", {"finish_pending_work": True})]),
        (None, {}, [("start", {"model_id": "d"})]),
        (
            None,
            {"model_id": "m", "initial_number_of_allocations": 2, "cache_size": "1gb"},
            [("start", {"model_id": "m", "number_of_allocations": 2, "cache_size": "1gb"})],
        ),
        (
            None,
            {"adaptive_allocations": AdaptivePatch(True, -1, 4)},
            [("start", {"model_id": "d", "adaptive_allocations": {"enabled": True, "max_number_of_allocations": 4}})],
        ),
        (
            None,
            {"adaptive_allocations": AdaptivePatch(enabled=False), "number_of_allocations": 2},
            [("start", {"model_id": "d", "number_of_allocations": 2})],
        ),
        (
            RUNNING,
            {"state": "restarted"},
            [
                ("stop", {}),
                (
                    "start",
                    {
                        "model_id": "m",
                        "threads_per_allocation": 1,
                        "priority": "normal",
                        "queue_capacity": 1024,
                        "number_of_allocations": 2,
                    },
                ),
            ],
        ),
        (
            SCALED,
            {"threads_per_allocation": 4, "replace": "stop_start"},
            [
                ("stop", {}),
                (
                    "start",
                    {
                        "model_id": "m",
                        "threads_per_allocation": 4,
                        "priority": "normal",
                        "queue_capacity": 1024,
                        "adaptive_allocations": {
                            "enabled": True,
                            "min_number_of_allocations": 1,
                            "max_number_of_allocations": 8,
                        },
                    },
                ),
            ],
        ),
    ],
)
def test_actions(current: Deployment | None, desired: dict[str, t.Any], actions: list[t.Any]) -> None:
    made = plan(current, **desired)
    assert sent(made) == actions
    assert made.changed == bool(actions)


@pytest.mark.parametrize(
    ("current", "desired", "operation"),
    [
        (RUNNING, {}, "none"),
        (None, {}, "start"),
        (RUNNING, {"number_of_allocations": 3}, "update"),
        (RUNNING, {"state": "stopped"}, "stop"),
        (RUNNING, {"state": "restarted"}, "restart"),
        (None, {"state": "restarted"}, "start"),
        (RUNNING, {"model_id": "other", "replace": "stop_start"}, "replace"),
    ],
)
def test_operations(current: Deployment | None, desired: dict[str, t.Any], operation: str) -> None:
    assert plan(current, **desired).operation == operation


@pytest.mark.parametrize(
    ("current", "desired", "said"),
    [
        (None, {"on_missing": "fail"}, "Deployment 'd' does not exist."),
        (None, {"on_missing": "fail", "state": "stopped"}, "Deployment 'd' does not exist."),
        (
            SCALED,
            {"number_of_allocations": 3},
            "number_of_allocations (now 3), and the task asks for 3. Set on_adaptive to",
        ),
        (SCALED, {"number_of_allocations": 3, "state": "restarted"}, "has adaptive allocations enabled"),
        (
            RUNNING,
            {"model_id": "x", "threads_per_allocation": 2, "cache_size": "2kb"},
            "cannot be changed in place: model_id is m, not x; threads_per_allocation is 1, not 2; "
            "cache_size is 1024b, not 2kb. Set replace to stop_start",
        ),
        (
            dataclasses.replace(RUNNING, priority="low", number_of_allocations=1),
            {"number_of_allocations": 2},
            "Deployment 'd' has priority low, and number_of_allocations must then be 1, not 2",
        ),
        (None, {"priority": "low", "threads_per_allocation": 2}, "threads_per_allocation must then be 1, not 2"),
        (
            None,
            {"priority": "low", "adaptive_allocations": AdaptivePatch(True, 1, 2)},
            "max_number_of_allocations must then be 1, not 2",
        ),
        (
            SCALED,
            {"adaptive_allocations": AdaptivePatch(min_number_of_allocations=9)},
            "min_number_of_allocations 9 above max_number_of_allocations 8",
        ),
        (
            dataclasses.replace(SCALED, number_of_allocations=0),
            {"adaptive_allocations": AdaptivePatch(enabled=False)},
            "would be frozen at 0 allocations",
        ),
        (
            dataclasses.replace(
                RUNNING, assignment_state="failed", routes=(Route("n", "ml-1", "failed", "no memory.", None, 2),)
            ),
            {"number_of_allocations": 3},
            "has failed on all its nodes. Node ml-1: no memory. With on_failed: recover the task stops it",
        ),
        (
            dataclasses.replace(RUNNING, assignment_state="failed"),
            {"number_of_allocations": 3},
            "has failed on all its nodes. With on_failed: recover",
        ),
    ],
)
def test_refusals(current: Deployment | None, desired: dict[str, t.Any], said: str) -> None:
    assert said in refusal(current, **desired)


def test_a_frozen_zero_is_taken_if_asked_for() -> None:
    asleep = dataclasses.replace(SCALED, number_of_allocations=0)
    desired = AdaptivePatch(enabled=False)
    assert plan(asleep, adaptive_allocations=desired, allow_zero=True).operation == "update"
    assert plan(asleep, adaptive_allocations=desired, number_of_allocations=1).operation == "update"


def test_what_an_older_server_accepted_is_left_alone() -> None:
    low = dataclasses.replace(RUNNING, priority="low", number_of_allocations=2)
    assert not plan(low, priority="low", number_of_allocations=2).changed


@pytest.mark.parametrize(
    ("size", "exact", "desired", "same"),
    [
        ("265632637b", True, "265632637b", True),
        ("253.3mb", False, "265632637b", True),
        ("253.3mb", False, "254mb", False),
        ("1gb", True, "1024mb", True),
        (None, False, "1gb", False),
    ],
)
def test_cache_sizes_compare_by_what_is_known(size: str | None, exact: bool, desired: str, same: bool) -> None:
    current = dataclasses.replace(RUNNING, cache_size=size, cache_size_exact=exact)
    if same:
        assert not plan(current, cache_size=desired).changed
    else:
        assert "cache_size" in refusal(current, cache_size=desired)


@pytest.mark.parametrize(
    ("size", "exact", "model_bytes", "carried", "warns"),
    [
        ("265632637b", True, 265632637, None, False),  # the default follows the model
        ("253.3mb", False, 265632637, None, False),
        ("10kb", True, 265632637, "10kb", False),
        ("10kb", False, 265632637, "10kb", False),
        ("10.5kb", False, None, "10.5kb", True),
        (None, False, 1, None, False),
    ],
)
def test_what_a_restart_carries_of_the_cache(
    size: str | None, exact: bool, model_bytes: int | None, carried: str | None, warns: bool
) -> None:
    current = dataclasses.replace(RUNNING, cache_size=size, cache_size_exact=exact, model_bytes=model_bytes)
    made = plan(current, state="restarted")
    assert made.start is not None
    assert made.start.settings.get("cache_size") == carried
    assert bool(made.warnings) == warns
    assert not plan(current, state="restarted", cache_size="1gb").warnings


def test_a_restart_of_zero_starts_one() -> None:
    made = plan(dataclasses.replace(RUNNING, number_of_allocations=0), state="restarted")
    assert made.start is not None
    assert made.start.settings["number_of_allocations"] == 1
    assert "has 0 allocations, and is started with 1" in made.warnings[0]


def test_a_restart_that_leaves_the_number_to_adaptive_allocations_says_so() -> None:
    made = plan(SCALED, state="restarted", number_of_allocations=5, on_adaptive="skip")
    assert made.start is not None
    assert "number_of_allocations" not in made.start.settings
    assert made.warnings == (
        "Deployment 'd' has 3 allocations, and is started with 1: its adaptive allocations set the number.",
        "The task does not set the number of allocations: adaptive allocations are enabled and on_adaptive is skip.",
    )


def test_a_restart_within_the_bounds_warns_of_nothing() -> None:
    one = dataclasses.replace(SCALED, number_of_allocations=1)
    assert plan(one, state="restarted").warnings == ()


def test_a_restart_warns_of_a_number_that_cannot_be_read() -> None:
    unread = dataclasses.replace(RUNNING, number_of_allocations=None)
    assert plan(unread, state="restarted").warnings == (
        "The number of allocations of deployment 'd' cannot be read, and it is started with 1.",
    )
    assert plan(unread, state="restarted", number_of_allocations=3).warnings == ()
    scaled = dataclasses.replace(
        SCALED, number_of_allocations=None, adaptive_allocations=AdaptiveAllocations(True, 2, 4)
    )
    assert "and it is started with 2." in plan(scaled, state="restarted").warnings[0]


@pytest.mark.parametrize(
    ("current", "patch", "warned"),
    [
        (None, AdaptivePatch(None, 1, 4), True),
        (RUNNING, AdaptivePatch(None, None, 4), True),
        (None, AdaptivePatch(False, 1, 4), False),
        (None, AdaptivePatch(True, 1, 4), False),
        (SCALED, AdaptivePatch(None, None, 4), False),
        (RUNNING, AdaptivePatch(None, None, -1), False),
    ],
)
def test_bounds_without_effect_are_a_warning(current: Deployment | None, patch: AdaptivePatch, warned: bool) -> None:
    found = plan(current, model_id="m", adaptive_allocations=patch).warnings
    assert any("so their bounds have no effect" in text for text in found) == warned


def test_a_skip_gives_its_reason() -> None:
    assert plan(None, on_missing="skip").skipped_because == "deployment 'd' does not exist and on_missing is skip"
    left = plan(SCALED, number_of_allocations=5, on_adaptive="skip")
    assert left.skipped_because == "adaptive allocations are enabled and on_adaptive is skip"


def test_what_is_being_stopped_is_awaited() -> None:
    going = dataclasses.replace(RUNNING, assignment_state="stopping")
    again = plan(going, number_of_allocations=1)
    assert (again.operation, again.waits_for_stop) == ("start", True)
    assert sent(again) == [("start", {"model_id": "m", "number_of_allocations": 1})]
    restarted = plan(going, state="restarted", number_of_allocations=1)
    assert (restarted.operation, restarted.waits_for_stop) == ("restart", True)
    [(kind, settings)] = sent(restarted)
    assert (kind, settings["queue_capacity"], settings["number_of_allocations"]) == ("start", 1024, 1)
    assert "'d' is being stopped. Check the id" in refusal(going, on_missing="fail")
    gone = plan(going, state="stopped")
    assert (gone.operation, gone.waits_for_stop, gone.after) == ("none", True, None)


def test_other_deployments_of_the_model_are_named() -> None:
    situation = Situation(None, "m", ("m-search", "m-ingest"))
    desired = Desired("m", deployment_id_given=False, model_id="m")
    assert "'m-ingest', 'm-search'" in decide(desired, situation).warnings[0]
    for state, verb in (("stopped", "stop"), ("restarted", "restart")):
        with pytest.raises(Refusal, match=f"Cannot {verb} deployment 'm'.*runs as 'm-ingest', 'm-search'"):
            decide(dataclasses.replace(desired, state=state), situation)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("desired", "number"),
    [
        ({}, 1),
        ({"adaptive_allocations": AdaptivePatch(True, 3, 4)}, 3),
        ({"adaptive_allocations": AdaptivePatch(True, 0, 4)}, 1),
        ({"adaptive_allocations": AdaptivePatch(False, 2, 4)}, 2),
    ],
)
def test_the_number_a_start_begins_with(desired: dict[str, t.Any], number: int) -> None:
    after = plan(None, **desired).after
    assert after is not None
    assert after.number_of_allocations == number


def test_the_prediction_of_an_update() -> None:
    after = plan(RUNNING, number_of_allocations=5).after
    assert after is not None
    assert after.number_of_allocations == 5
    assert after.routes[0].target_allocations is None
    kept = plan(RUNNING, adaptive_allocations=ADAPTIVE).after
    assert kept is not None
    assert kept.routes == RUNNING.routes


def test_what_serverless_scales_is_not_laid_on_an_option() -> None:
    asked = Desired("d", number_of_allocations=9, on_adaptive="skip")
    desired = on_this_server(asked, Server("8.11.0", "serverless", ""))
    scaled = dataclasses.replace(RUNNING, adaptive_allocations=AdaptiveAllocations(True))
    made = decide(desired, Situation(scaled, "m"))
    assert made.skipped_because == "Elasticsearch Serverless scales every deployment itself"


def test_serverless_scales_by_itself() -> None:
    serverless, other = Server("8.11.0", "serverless", ""), Server("9.1.0", "default", "")
    counted = Desired("d", number_of_allocations=2, on_adaptive="skip")
    assert on_this_server(counted, other) == counted
    assert on_this_server(Desired("d"), serverless) == Desired("d", always_adaptive=True)
    assert on_this_server(Desired("d", state="stopped"), serverless) == Desired("d", state="stopped")
    assert on_this_server(counted, serverless).on_adaptive == "skip"
    said_nothing = dataclasses.replace(counted, adaptive_allocations=AdaptivePatch())
    assert on_this_server(said_nothing, serverless) == on_this_server(counted, serverless)
    bounded = Desired("d", adaptive_allocations=AdaptivePatch(max_number_of_allocations=4))
    assert on_this_server(bounded, serverless).adaptive_allocations == AdaptivePatch(True, None, 4)
    fighting = (
        (dataclasses.replace(counted, on_adaptive="override"), "so on_adaptive cannot be override"),
        (dataclasses.replace(counted, on_adaptive="fail"), "so number_of_allocations cannot be 2 for deployment 'd'"),
        (Desired("d", adaptive_allocations=AdaptivePatch(False)), "so adaptive_allocations cannot be turned off"),
        (dataclasses.replace(bounded, number_of_allocations=2), "so no number of allocations can be set beside"),
        (
            dataclasses.replace(bounded, initial_number_of_allocations=2),
            "so no number of allocations can be set beside",
        ),
    )
    for desired, said in fighting:
        with pytest.raises(Refusal, match=f"Serverless always scales deployments itself, {said}"):
            on_this_server(desired, serverless)
        stopping = dataclasses.replace(desired, state="stopped")
        assert on_this_server(stopping, serverless) == stopping


@pytest.mark.parametrize(
    ("model", "namesake", "said"),
    [
        (None, None, "the cluster has no trained model 'm'"),
        (Model("m", "tree_ensemble", None), None, "model 'm' is of type tree_ensemble. Only pytorch"),
        (Model("m", "pytorch", False), None, "the definition of model 'm' is not complete"),
        (Model("m", "pytorch", True), "d", "'d' is the id of another trained model"),
        (Model("m", "pytorch", True), "other", "'d' is an alias of another trained model, 'other'"),
    ],
)
def test_what_cannot_be_started(model: Model | None, namesake: str | None, said: str) -> None:
    with pytest.raises(Refusal) as caught:
        refuse_unstartable(Desired("d", model_id="m"), "m", model, namesake)
    assert said in str(caught.value)


def test_what_can_be_started() -> None:
    refuse_unstartable(Desired("m"), "m", Model("m", "pytorch", True), "m")
    refuse_unstartable(Desired("d", model_id="m"), "m", Model("m", "", None), None)

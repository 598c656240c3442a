# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that consumers are named of what the task stops in the end, and that the stops of a list count together."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.scenario_helpers import started

Json = dict[str, t.Any]
FORCE: Json = {"deployment_id": "m", "state": "stopped", "on_referenced": "force"}
USED: Json = {
    "inference_endpoints": [],
    "ingest_pipelines": ["p"],
    "model_aliases": [],
    "semantic_text_indices": [],
}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        yield made


def items(result: Json) -> dict[str, Json]:
    return {item["deployment_id"]: item for item in result["deployments"]}


# --- what is not stopped after all ---


@pytest.mark.parametrize("on_violation", ["skip", "fail"])
def test_a_list_that_is_guarded_stops_nothing(emulator: Emulator, on_violation: str) -> None:
    started(emulator, a=2, b=1)
    emulator.effect("put_pipeline_reference", pipeline="p", model_id="b")
    tasks = [{"deployment_id": "a", "state": "stopped"}, {"deployment_id": "b", "state": "stopped"}]
    guard: Json = {"guard": {"max_total_step": 1, "on_violation": on_violation}}
    for mode in (True, False):
        found = items(emulator.run_many(tasks, mode, **guard))
        # b is refused before the list is looked at, so that one item alone moves too far.
        assert (found["a"]["operation"], found["a"]["used_by"]) == ("none", None)
        assert found["b"]["used_by"] == USED
        assert "is used by ingest pipeline 'p'" in found["b"]["msg"]


def test_a_stop_that_a_guard_forbids_at_last(emulator: Emulator) -> None:
    """Test a number that changes between the first read and the one right before the stop."""
    started(emulator, d=2)
    moved = {"do": "set_number", "deployment_id": "d", "number_of_allocations": 3}
    emulator.fault("stats", {"type": "effect", "effect": moved}, after=1)
    guard: Json = {"guard": {"number_of_allocations": 2, "on_violation": "skip"}}
    result = emulator.run(deployment_id="d", state="stopped", **guard)
    assert "2 was expected before" in result["skipped_because"]
    assert (result["changed"], result["used_by"]) == (False, None)
    again = emulator.run(deployment_id="d", state="stopped")
    assert again["used_by"] == {kind: [] for kind in USED}


# --- stops of one list ---


def named_by_model(emulator: Emulator) -> None:
    """Name model ``m`` in a pipeline: the deployment with that id, or if there is none, the other."""
    started(emulator, dd=1, m=1)
    emulator.effect("put_pipeline_reference", pipeline="p", model_id="m")


STOPS = [FORCE, {"deployment_id": "dd", "state": "stopped"}]


@pytest.mark.parametrize("tasks", list(itertools.permutations(STOPS)))
@pytest.mark.parametrize("unlisted", [False, True])
def test_what_the_list_stops_answers_for_no_other(emulator: Emulator, tasks: tuple[Json, ...], unlisted: bool) -> None:
    named_by_model(emulator)
    listed = [task for task in tasks if task is FORCE or not unlisted]
    rest: Json = {"stop_unlisted": True, "unlisted_except": []} if unlisted else {}
    checked, real = (emulator.run_many(listed, mode, **rest) for mode in (True, False))
    assert checked["msg"] == real["msg"]
    found = items(real)
    assert "Deployment 'dd' is used by ingest pipeline 'p', and the task would stop it" in found["dd"]["msg"]
    assert (found["dd"]["used_by"], found["m"]["changed"]) == (USED, True)
    assert sorted(emulator.deployments()) == ["dd"]
    option = "unlisted_on_referenced" if unlisted else "on_referenced"
    assert found["dd"]["msg"].endswith(f", or set {option} to force.")
    single = emulator.run(deployment_id="dd", state="stopped")["msg"]
    assert single == found["dd"]["msg"].replace(option, "on_referenced")


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_is_not_listed_is_stopped_by_force_if_the_task_says_so(emulator: Emulator, check_mode: bool) -> None:
    named_by_model(emulator)
    result = emulator.run_many([], check_mode, stop_unlisted=True, unlisted_except=[], unlisted_on_referenced="force")
    assert not result.get("failed"), result.get("msg")
    assert [call["query"].get("force") for call in result["api_calls"]] == ["true", "true"]


def test_both_are_stopped_by_force_if_both_may_be(emulator: Emulator) -> None:
    named_by_model(emulator)
    result = emulator.run_many([{**task, "on_referenced": "force"} for task in STOPS])
    assert not result.get("failed"), result.get("msg")
    assert [write["query"].get("force") for write in emulator.journal()] == ["true", "true"]


@pytest.mark.parametrize(
    "kept", [{"state": "restarted", "on_referenced": "force"}, {"state": "stopped"}, {"state": "started"}]
)
def test_what_the_list_keeps_answers_for_others(emulator: Emulator, kept: Json) -> None:
    """Test one that the list starts again, one that it may not stop, and one that it leaves alone."""
    named_by_model(emulator)
    found = items(emulator.run_many([STOPS[1], {"deployment_id": "m", **kept}]))
    assert (found["dd"]["changed"], found["dd"].get("msg")) == (True, None)
    assert sorted(emulator.deployments()) == ["m"]


def test_what_is_being_stopped_already_answers_for_no_other(emulator: Emulator) -> None:
    named_by_model(emulator)
    emulator.effect("stop_deployment", deployment_id="m", force=True)
    assert "is used by ingest pipeline 'p'" in emulator.run(deployment_id="dd", state="stopped", check_mode=True)["msg"]
    assert "is used by ingest pipeline 'p'" in items(emulator.run_many(STOPS))["dd"]["msg"]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test a change that Elasticsearch accepted and that does not become ready: left, kept, or rolled back."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.scenario_helpers import launched, verbs, written

Json = dict[str, t.Any]
OWNED = ("model_id", "number_of_allocations", "threads_per_allocation", "priority", "queue_capacity", "cache_size")
LAZY = {"name": "xpack.ml.max_lazy_ml_nodes", "value": 5}
BOUNDS = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    """Start a cluster that may grow and does not: it accepts more than it has capacity for."""
    with Emulator("9.5.3") as made:
        made.effect("set_setting", **LAZY)
        yield made


def started(emulator: Emulator, **options: t.Any) -> Json:
    launched(emulator, **options)
    return settings(emulator)


def settings(emulator: Emulator) -> Json:
    """Return what is there, by none of the collection's code; -1 and "never set" are the same to the server."""
    assignment = emulator.deployments()["d"]
    adaptive = assignment["adaptive_allocations"] or {"enabled": False}
    return {
        **{name: assignment["task_parameters"][name] for name in OWNED},
        "adaptive_allocations": {name: value for name, value in adaptive.items() if value != -1},
    }


def run(emulator: Emulator, **options: t.Any) -> Json:
    options = {"deployment_id": "d", "wait_timeout": 6, "on_unsatisfied": "rollback", **options}
    return emulator.run(**options)


@pytest.mark.parametrize(
    ("before", "change", "writes"),
    [
        ({"number_of_allocations": 2}, {"number_of_allocations": 10}, ["_update"] * 2),
        (
            {"adaptive_allocations": BOUNDS},
            {"number_of_allocations": 10, "on_adaptive": "override"},
            ["_update"] * 3,  # the number, then adaptive allocations: together the server refuses them
        ),
        (
            {"adaptive_allocations": {"enabled": True}},
            {"number_of_allocations": 10, "on_adaptive": "override"},
            ["_update"] * 3,
        ),
        (
            {"adaptive_allocations": {**BOUNDS, "enabled": False}, "number_of_allocations": 3},
            {"number_of_allocations": 10, "adaptive_allocations": {"enabled": False, "max_number_of_allocations": -1}},
            ["_update"] * 2,
        ),
        (
            {"number_of_allocations": 2, "threads_per_allocation": 2, "queue_capacity": 77, "cache_size": "123kb"},
            {"number_of_allocations": 10, "threads_per_allocation": 4, "replace": "stop_start"},
            ["_stop", "_start"] * 2,
        ),
        (
            {"adaptive_allocations": BOUNDS, "queue_capacity": 77},
            {"number_of_allocations": 9, "queue_capacity": 78, "replace": "stop_start", "on_adaptive": "override"},
            ["_stop", "_start"] * 2,
        ),
        (
            {"number_of_allocations": 2},
            {"state": "restarted", "number_of_allocations": 10},
            ["_stop", "_start"] + ["_update"],
        ),
        (
            {"priority": "low"},
            {"priority": "normal", "number_of_allocations": 9, "replace": "stop_start"},
            ["_stop", "_start"] * 2,
        ),
    ],
)
def test_what_was_before_is_restored(emulator: Emulator, before: Json, change: Json, writes: list[str]) -> None:
    was = started(emulator, **before)
    result = run(emulator, **change)
    assert settings(emulator) == was
    assert result["failed"]
    assert result["failure"] == {"code": "not_ready_in_time"}
    assert (result["operation"], result["changed"], result["waited"]["reached"]) == ("rollback", True, False)
    assert verbs(result) == writes == written(emulator)
    assert result["after"] == result["before"]
    assert result["deployment"]["assignment_state"] == "started"


def test_what_ran_nowhere_runs_nowhere_again(emulator: Emulator) -> None:
    result = run(emulator, model_id="m", number_of_allocations=9)
    assert (result["failure"], result["operation"]) == ({"code": "not_ready_in_time"}, "rollback")
    assert (result["deployment"], emulator.deployments()) == (None, {})
    assert verbs(result) == ["_start", "_stop"]


def test_a_stop_that_takes_too_long_is_undone(emulator: Emulator) -> None:
    was = started(emulator, number_of_allocations=2, queue_capacity=77)
    emulator.effect("hold", deployment_id="d")
    emulator.fault("stats", {"type": "effect", "effect": {"do": "release", "deployment_id": "d"}}, after=13)
    result = run(emulator, state="stopped")
    assert (result["failure"], result["operation"]) == ({"code": "not_ready_in_time"}, "rollback"), result["msg"]
    assert settings(emulator) == was


def test_a_failure_is_left_as_it_is_without_being_asked(emulator: Emulator) -> None:
    started(emulator, number_of_allocations=2)
    result = run(emulator, number_of_allocations=10, on_unsatisfied="fail")
    assert result["operation"] == "update"
    assert emulator.deployments()["d"]["task_parameters"]["number_of_allocations"] == 10


def test_what_is_unsatisfied_can_be_kept(emulator: Emulator) -> None:
    started(emulator, number_of_allocations=2)
    result = run(emulator, number_of_allocations=10, on_unsatisfied="keep")
    assert not result.get("failed")
    assert (result["operation"], result["waited"]["reached"]) == ("update", False)
    assert "8 of 10 allocations run" in result["warnings"][-1]
    assert result["warnings"][-1].endswith("The task goes on, because on_unsatisfied is keep.")
    again = run(emulator, number_of_allocations=10, on_unsatisfied="keep")
    assert (again["changed"], again["warnings"]) == (False, result["warnings"][-1:])


def test_a_stop_on_its_way_can_be_kept(emulator: Emulator) -> None:
    started(emulator)
    emulator.effect("hold", deployment_id="d")
    result = run(emulator, state="stopped", on_unsatisfied="keep")
    assert not result.get("failed")
    assert "Deployment 'd' is not gone: it is still stopping; on node n1 it is started." in result["warnings"][0]
    assert "is not gone after 6 seconds" in result["details"][0]
    assert result["deployment"]["assignment_state"] == "stopping"


def test_what_is_half_done_is_not_kept(emulator: Emulator) -> None:
    started(emulator)
    emulator.effect("hold", deployment_id="d")
    result = run(emulator, state="restarted", on_unsatisfied="keep")
    assert "is not gone after 6 seconds" in result["msg"]


def test_what_is_gone_is_not_kept(emulator: Emulator) -> None:
    started(emulator)
    emulator.fault("stats", {"type": "effect", "effect": {"do": "remove_deployment", "deployment_id": "d"}}, after=2)
    result = run(emulator, number_of_allocations=10, on_unsatisfied="keep")
    assert "it was stopped while waiting" in result["msg"]


def test_what_is_failed_is_kept_in_both_modes(emulator: Emulator) -> None:
    started(emulator, number_of_allocations=6)
    emulator.effect("fail_route", deployment_id="d", reason="planted")
    checked, real = (run(emulator, check_mode=mode, on_unsatisfied="keep") for mode in (True, False))
    assert not real.get("failed")
    assert checked["warnings"] == real["warnings"]
    assert "Deployment 'd' is not fully_allocated: node n1 failed." in real["warnings"][0]
    assert "node n1 failed (planted)" in checked["details"][0]
    assert checked["details"] == real["details"]


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        ({"do": "set_number", "number_of_allocations": 5}, "It was not rolled back: it was changed by another client"),
        ({"do": "set_adaptive", "adaptive_allocations": BOUNDS}, "was changed by another client meanwhile: adaptive"),
        ({"do": "remove_deployment"}, "It was not rolled back: it was stopped by another client meanwhile"),
        ({"do": "stop_deployment"}, "It was not rolled back: it was stopped by another client meanwhile"),
    ],
)
@pytest.mark.parametrize("change", [{"number_of_allocations": 10}, {"state": "restarted", "number_of_allocations": 10}])
def test_what_another_client_did_is_not_touched(emulator: Emulator, meanwhile: Json, said: str, change: Json) -> None:
    started(emulator, number_of_allocations=2)
    effect = {"deployment_id": "d", **meanwhile}
    polls = 3 if "state" not in change else 5
    emulator.fault("stats", {"type": "effect", "effect": effect}, after=polls)
    result = run(emulator, **change)
    assert said in result["msg"]
    assert result["operation"] in ("update", "restart")
    assert len(emulator.journal()) == len(result["api_calls"]) == (1 if "state" not in change else 2)


@pytest.mark.parametrize("change", [{"number_of_allocations": 10}, {"state": "restarted", "number_of_allocations": 10}])
def test_what_another_client_started_is_not_touched(emulator: Emulator, change: Json) -> None:
    started(emulator, number_of_allocations=2)
    gone = {"do": "remove_deployment", "deployment_id": "d"}
    stranger = {"do": "start_deployment", "model_id": "m", "deployment_id": "d", "number_of_allocations": 10}
    polls = 3 if "state" not in change else 5
    for effect in (gone, {"do": "pass_time", "seconds": 1}, stranger):
        emulator.fault("stats", {"type": "effect", "effect": effect}, after=polls)
    result = run(emulator, **change)
    assert result["failure"] == {"code": "rollback_failed"}
    assert "d" in emulator.deployments()


def test_a_lost_start_of_nothing_leaves_nothing(emulator: Emulator) -> None:
    """Test a start whose answer is lost, and so is the next poll; the one after it shows that nothing was started."""
    emulator.fault("start", {"type": "drop"})
    emulator.fault("stats", {"type": "drop"}, after=2)
    result = run(emulator, model_id="m", request_retries=0, wait=False)
    assert result["failure"] == {"code": "unknown_outcome"}
    assert result["msg"].endswith("It is as it was before.")
    assert emulator.deployments() == {}


def test_bounds_of_adaptive_allocations_are_restored_and_their_number_is_not(emulator: Emulator) -> None:
    before = started(emulator, adaptive_allocations=BOUNDS)
    moved = {"do": "set_number", "deployment_id": "d", "number_of_allocations": 10}
    emulator.fault("stats", {"type": "effect", "effect": moved}, after=1)
    result = run(emulator, adaptive_allocations={**BOUNDS, "max_number_of_allocations": 20})
    assert "8 of 10 allocations run" in result["msg"]
    assert (result["failure"], result["operation"]) == ({"code": "not_ready_in_time"}, "rollback")
    assert settings(emulator) == {**before, "number_of_allocations": 10}


def test_adaptive_allocations_that_were_off_are_disabled_again(emulator: Emulator) -> None:
    before = started(emulator, number_of_allocations=2)
    moved = {"do": "set_number", "deployment_id": "d", "number_of_allocations": 10}
    emulator.fault("stats", {"type": "effect", "effect": moved}, after=1)
    result = run(emulator, adaptive_allocations={**BOUNDS, "max_number_of_allocations": 20})
    assert (result["failure"], result["operation"]) == ({"code": "not_ready_in_time"}, "rollback")
    assert settings(emulator) == before


def test_another_client_rolled_back_already(emulator: Emulator) -> None:
    started(emulator, number_of_allocations=2)
    effect = {"do": "set_number", "deployment_id": "d", "number_of_allocations": 2}
    emulator.fault("stats", {"type": "effect", "effect": effect}, after=3)
    result = run(emulator, number_of_allocations=10)
    assert result["msg"].endswith("It is as it was before.")
    assert (result["operation"], verbs(result)) == ("update", ["_update"])


def test_a_restart_has_nothing_to_restore(emulator: Emulator) -> None:
    started(emulator, number_of_allocations=2)
    emulator.effect("fail_next_load", reason="planted")
    result = run(emulator, state="restarted")
    assert result["failure"] == {"code": "not_ready"}
    assert result["msg"].endswith("Its settings are as before, and 0 of 2 allocations run.")
    assert verbs(result) == ["_stop", "_start"]


def test_a_rollback_that_fails_tells_both_reasons(emulator: Emulator) -> None:
    started(emulator, number_of_allocations=2)
    refusal = {"type": "answer", "status": 403, "body": {"error": {"type": "t", "reason": "no more"}}}
    emulator.fault("update", refusal, after=1, times=-1)
    result = run(emulator, number_of_allocations=10)
    assert "is not fully_allocated after 6 seconds" in result["msg"]
    assert (
        "Rolling it back failed, too: Cannot update deployment 'd': Elasticsearch answered 403: no more"
        in result["msg"]
    )
    assert (result["operation"], result["deployment"]["number_of_allocations"]) == ("update", 10)


def test_a_rollback_that_cannot_see_tells_both_reasons(emulator: Emulator) -> None:
    started(emulator, number_of_allocations=2)
    emulator.fault("stats", {"type": "drop"}, after=5, times=-1)
    result = run(emulator, number_of_allocations=10, request_retries=0)
    assert "is not fully_allocated after 6 seconds" in result["msg"]
    assert "Rolling it back failed, too: Cannot read deployment 'd'" in result["msg"]


def test_a_rollback_that_does_not_settle_tells_both_reasons(emulator: Emulator) -> None:
    started(emulator, number_of_allocations=2)
    emulator.effect("fail_next_load", reason="planted", times=-1)
    result = run(emulator, threads_per_allocation=2, replace="stop_start")
    assert result["msg"].count("node n1 failed (planted)") == 2
    assert result["operation"] == "rollback"
    assert settings(emulator)["threads_per_allocation"] == 1


def test_a_count_of_zero_cannot_be_restored(emulator: Emulator) -> None:
    started(emulator, adaptive_allocations={**BOUNDS, "min_number_of_allocations": 0})
    emulator.effect("set_number", deployment_id="d", number_of_allocations=0)
    emulator.effect("set_adaptive", deployment_id="d", adaptive_allocations={"enabled": False})
    result = run(emulator, number_of_allocations=10)
    assert "It was not rolled back: its number of allocations was 0, which no request can set" in result["msg"]


def test_nothing_is_rolled_back_where_nothing_was_changed(emulator: Emulator) -> None:
    started(emulator, number_of_allocations=10)
    result = run(emulator, number_of_allocations=10)
    assert "rolled back" not in result["msg"]
    assert emulator.journal() == []


def test_what_had_no_room_before_is_not_waited_for(emulator: Emulator) -> None:
    was = started(emulator, number_of_allocations=9, queue_capacity=77)
    result = run(emulator, queue_capacity=78, replace="stop_start")
    assert (result["failure"], result["operation"]) == ({"code": "not_ready_in_time"}, "rollback")
    assert settings(emulator) == was


def test_items_of_a_list_are_rolled_back_or_kept_each_for_itself(emulator: Emulator) -> None:
    for name in ("d", "e", "f"):
        emulator.effect("start_deployment", model_id="m", deployment_id=name, number_of_allocations=1)
    emulator.settle()
    was = settings(emulator)
    emulator.fault("start", {"type": "answer", "status": 400, "body": {"error": {"type": "t", "reason": "planted"}}})
    items: list[Json] = [
        {"deployment_id": "d", "number_of_allocations": 9},
        {"deployment_id": "e", "number_of_allocations": 9, "on_unsatisfied": "keep"},
        {"deployment_id": "f", "queue_capacity": 77, "replace": "stop_start"},
    ]
    result = emulator.run_many(items, wait_timeout=6, on_unsatisfied="rollback")
    reported = {item["deployment_id"]: item for item in result["deployments"]}
    assert (reported["d"]["failure"], reported["d"]["operation"]) == ({"code": "not_ready_in_time"}, "rollback")
    assert settings(emulator) == was
    assert ("failed" in reported["e"], reported["e"]["operation"]) == (False, "update")
    assert any("because on_unsatisfied is keep" in warning for warning in result["warnings"])
    assert "planted" in reported["f"]["msg"]
    assert reported["f"]["after"] == reported["f"]["before"]
    assert result["summary"]["operations"] == {"rollback": 2, "update": 1}
    committed = [entry["path"] for entry in emulator.journal() if entry["committed"]]
    assert [call["path"] for call in result["api_calls"]] == committed

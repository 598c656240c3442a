# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test deployments that do not run although they should: failed, stuck, with a stop that hangs, not replaced."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.scenario_helpers import hide_nodes, launched, task, verbs, written

Json = dict[str, t.Any]


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        yield made


def answer(status: int, reason: str) -> Json:
    return {
        "type": "answer",
        "status": status,
        "body": {"error": {"type": "status_exception", "reason": reason}, "status": status},
    }


REFUSALS = {
    "no room": (429, "Could not start deployment because no ML nodes with sufficient capacity were found"),
    "not valid": (400, "Could not start model deployment"),
    "no model": (404, "Could not find trained model [m]"),
    "does not load": (500, "Could not start trained model deployment, the following nodes failed"),
}


@pytest.mark.parametrize("on_unsatisfied", ["fail", "keep", "rollback"])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refused_replacement_starts_what_was_before(emulator: Emulator, refusal: str, on_unsatisfied: str) -> None:
    was = launched(emulator, number_of_allocations=2, queue_capacity=77, cache_size="123kb")
    status, reason = REFUSALS[refusal]
    emulator.fault("start", answer(status, reason))
    change: Json = {"threads_per_allocation": 2, "replace": "stop_start", "on_unsatisfied": on_unsatisfied}
    result = emulator.run(deployment_id="d", **change)
    assert reason in result["msg"]
    assert result["failure"] != {"code": "rollback_failed"}
    assert (result["error"]["status"], result["operation"], verbs(result)) == (status, "rollback", ["_stop", "_start"])
    assert task(emulator) == was
    assert result["after"] == result["before"]


def test_a_replacement_without_capacity_starts_what_was_before(emulator: Emulator) -> None:
    was = launched(emulator, number_of_allocations=4)
    hide_nodes(emulator)
    result = emulator.run(deployment_id="d", threads_per_allocation=32, replace="stop_start")
    assert (result["error"]["status"], result["operation"]) == (429, "rollback")
    assert task(emulator) == was


def test_neither_the_new_nor_the_old_settings_are_taken(emulator: Emulator) -> None:
    launched(emulator, number_of_allocations=4)
    emulator.fault("start", answer(400, "planted"), times=-1)
    result = emulator.run(deployment_id="d", threads_per_allocation=2, replace="stop_start")
    assert result["msg"].count("answered 400: planted") == 2
    assert "Rolling it back failed, too: Cannot start deployment 'd'" in result["msg"]
    assert (result["deployment"], result["operation"], verbs(result)) == (None, "replace", ["_stop"])


def test_a_refused_start_with_its_own_settings_is_not_sent_again(emulator: Emulator) -> None:
    launched(emulator, number_of_allocations=4)
    emulator.fault("start", answer(400, "planted"))
    result = emulator.run(deployment_id="d", state="restarted")
    assert result["failure"] == {"code": "rollback_failed"}
    assert written(emulator) == ["_stop", "_start"]


def test_a_refused_start_of_nothing_leaves_nothing(emulator: Emulator) -> None:
    emulator.fault("start", answer(400, "planted"))
    result = emulator.run(model_id="m", deployment_id="d", on_unsatisfied="rollback")
    assert result["msg"].endswith("answered 400: planted.")


def test_a_start_of_another_client_after_the_stop_is_left_alone(emulator: Emulator) -> None:
    launched(emulator, number_of_allocations=2)
    stranger = {"do": "start_deployment", "model_id": "m", "deployment_id": "d", "queue_capacity": 5}
    emulator.fault("start", {"type": "effect", "effect": stranger})
    result = emulator.run(deployment_id="d", threads_per_allocation=2, replace="stop_start", on_unsatisfied="rollback")
    assert result["failure"] == {"code": "rollback_failed"}
    assert task(emulator)["queue_capacity"] == 5


def test_a_lost_answer_to_the_start_is_checked_before_anything_is_restored(emulator: Emulator) -> None:
    was = launched(emulator, number_of_allocations=2)
    emulator.fault("start", {"type": "drop"})
    emulator.fault("stats", {"type": "drop"}, after=3, times=3)
    emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    change: Json = {
        "threads_per_allocation": 2,
        "replace": "stop_start",
        "on_unsatisfied": "rollback",
        "wait_timeout": 4,
    }
    result = emulator.run(deployment_id="d", request_retries=0, **change)
    assert result["failure"] == {"code": "unknown_outcome"}
    assert (result["failure"], result["operation"]) == ({"code": "unknown_outcome"}, "rollback")
    assert task(emulator) == was


@pytest.mark.parametrize("wait", [True, False])
def test_a_failed_deployment_fails_the_task(emulator: Emulator, wait: bool) -> None:
    launched(emulator, number_of_allocations=2)
    emulator.effect("fail_route", deployment_id="d", reason="planted")
    for check_mode in (True, False):
        result = emulator.run(check_mode, deployment_id="d", wait=wait)
        assert result["msg"] == (
            "Deployment 'd' has failed on all its nodes. Node n1: planted. "
            "With on_failed: recover the task stops it and starts it again."
        )
    assert emulator.journal() == []


@pytest.mark.parametrize("named", [{}, {"number_of_allocations": 3}])
def test_a_failed_deployment_is_started_again(emulator: Emulator, named: Json) -> None:
    was = launched(emulator, number_of_allocations=2, queue_capacity=77, threads_per_allocation=2)
    emulator.effect("fail_route", deployment_id="d", reason="planted")
    options: Json = {"deployment_id": "d", "on_failed": "recover", **named}
    checked, result = emulator.run(True, **options), emulator.run(**options)
    assert not result.get("failed"), result.get("msg")
    assert (result["operation"], verbs(result)) == ("recover", ["_stop", "_start"])
    for key in ("changed", "operation", "diff", "api_calls", "warnings"):
        assert checked[key] == result[key]
    assert result["after"]["state"] == "restarted"
    assert task(emulator) == {**was, **named}
    assert emulator.run(**options)["changed"] is False


def stuck(emulator: Emulator, **options: t.Any) -> Json:
    emulator.effect("start_deployment", model_id="m", deployment_id="d", **options)
    emulator.effect("hold", deployment_id="d")
    emulator.forget()
    return task(emulator)


def test_what_hangs_in_starting_is_started_again_when_the_task_has_waited(emulator: Emulator) -> None:
    was = stuck(emulator, number_of_allocations=2, queue_capacity=77)
    emulator.fault("stop", {"type": "effect", "effect": {"do": "release", "deployment_id": "d"}})
    options: Json = {"deployment_id": "d", "on_failed": "recover", "number_of_allocations": 3, "wait_timeout": 6}
    checked, result = emulator.run(True, **options), emulator.run(**options)
    assert not result.get("failed"), result.get("msg")
    assert result["operation"] == "recover"
    assert "If no allocation of it runs at the end of wait_timeout" in checked["warnings"][0]
    assert checked["warnings"] == result["warnings"]
    assert verbs(result) == ["_stop", "_start"]
    assert task(emulator) == {**was, "number_of_allocations": 3}
    assert 6 < result["waited"]["seconds"] < 12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {},
            "the task does not stop and start it again, although on_failed is recover. The result says why in details.",
        ),
        ({"on_referenced": "force"}, "the task stops it and starts it again, because on_failed is recover."),
    ],
)
def test_what_will_keep_it_from_being_recovered_is_said_before(emulator: Emulator, options: Json, said: str) -> None:
    stuck(emulator)
    emulator.effect("put_pipeline_reference", pipeline="p", model_id="d")
    task: Json = {"deployment_id": "d", "on_failed": "recover", "wait_timeout": 6, **options}
    checked = emulator.run(True, **task)
    assert (len(checked["warnings"]), checked["used_by"]) == (1, None)
    assert said in checked["warnings"][0]
    assert any("Deployment 'd' is used by" in text for text in checked["details"]) == (not options)
    assert checked["warnings"][0] in emulator.run(**task)["warnings"]


def test_what_cannot_be_read_now_is_no_hindrance(emulator: Emulator) -> None:
    stuck(emulator)
    emulator.fault("pipeline", {"type": "no_master"}, times=-1)
    checked = emulator.run(True, deployment_id="d", on_failed="recover", wait_timeout=6)
    assert "the task stops it and starts it again, because on_failed is recover" in checked["warnings"][0]


def test_what_a_guard_of_the_list_skips_is_not_said_to_be_recovered(emulator: Emulator) -> None:
    stuck(emulator)
    items: list[Json] = [{"deployment_id": "d", "number_of_allocations": 3, "on_failed": "recover"}]
    for check_mode in (True, False):
        result = emulator.run_many(items, check_mode, guard={"max_total_step": 1, "on_violation": "skip"})
        assert [warning.split(":")[0] for warning in result["warnings"]] == ["Skipped"]
        assert result["summary"]["skipped"] == 1


def test_what_was_hardly_waited_for_is_not_taken_for_stuck(emulator: Emulator) -> None:
    was = stuck(emulator, number_of_allocations=2)
    emulator.fault("stats", {"type": "hang"})
    options: Json = {"deployment_id": "d", "on_failed": "recover", "wait_timeout": 90}
    result = emulator.run(**options)
    assert (result["failure"], task(emulator)) == ({"code": "not_ready_in_time"}, was)
    assert emulator.run(**options)["operation"] == "recover"


def test_what_hangs_in_starting_is_left_without_being_asked(emulator: Emulator) -> None:
    stuck(emulator)
    result = emulator.run(deployment_id="d", wait_timeout=6)
    assert result["failure"] == {"code": "not_ready_in_time"}
    assert emulator.journal() == []


@pytest.mark.parametrize("waiting", [{"wait": False}, {"wait_timeout": 0}])
def test_who_does_not_wait_cannot_know_that_it_hangs(emulator: Emulator, waiting: Json) -> None:
    stuck(emulator)
    for check_mode in (True, False):
        result = emulator.run(check_mode, deployment_id="d", on_failed="recover", **waiting)
        assert not any("stopped and started again" in each for each in result["warnings"])
    assert emulator.journal() == []


def test_what_has_no_node_is_not_stuck(emulator: Emulator) -> None:
    """Test that it waits for capacity, and would lose its place in the plan."""
    emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    launched(emulator, threads_per_allocation=32)
    result = emulator.run(deployment_id="d", on_failed="recover", wait_timeout=6)
    assert "insufficient allocated processors" in result["msg"]
    assert emulator.journal() == []


def test_what_still_loads_on_one_node_is_not_stuck_when_another_has_failed(emulator: Emulator) -> None:
    stuck(emulator, number_of_allocations=6)
    fails = {"do": "fail_route", "deployment_id": "d", "node_id": "id-n1", "reason": "planted"}
    emulator.fault("stats", {"type": "effect", "effect": fails}, after=2)
    result = emulator.run(deployment_id="d", on_failed="recover", wait_timeout=6)
    assert "node n1 failed (planted)" in result["msg"]
    assert emulator.journal() == []


def test_a_change_that_could_not_be_sent_is_not_kept(emulator: Emulator) -> None:
    stuck(emulator)
    result = emulator.run(deployment_id="d", number_of_allocations=3, on_unsatisfied="keep", wait_timeout=6)
    assert "is not ready for an update after 6 seconds" in result["msg"]


def test_what_was_started_again_by_another_while_waiting_is_not_stuck(emulator: Emulator) -> None:
    stuck(emulator)
    emulator.fault("stats", {"type": "effect", "effect": {"do": "remove_deployment", "deployment_id": "d"}}, after=2)
    emulator.fault("stats", {"type": "effect", "effect": {"do": "pass_time", "seconds": 1}}, after=2)
    again = {"do": "start_deployment", "model_id": "m", "deployment_id": "d"}
    emulator.fault("stats", {"type": "effect", "effect": again}, after=2)
    emulator.fault("stats", {"type": "effect", "effect": {"do": "hold", "deployment_id": "d"}}, after=2)
    result = emulator.run(deployment_id="d", on_failed="recover", wait_timeout=6)
    assert result["failure"] == {"code": "not_ready_in_time"}
    assert emulator.journal() == []


def test_what_another_has_started_in_place_of_this_task_is_not_recovered(emulator: Emulator) -> None:
    again = {"do": "start_deployment", "model_id": "m", "deployment_id": "d"}
    emulator.fault("start", {"type": "effect", "effect": again})
    emulator.fault("start", {"type": "effect", "effect": {"do": "hold", "deployment_id": "d"}})
    result = emulator.run(deployment_id="d", model_id="m", on_failed="recover", wait_timeout=6)
    assert result["failure"] == {"code": "not_ready_in_time"}
    assert [request["path"] for request in emulator.journal()] == ["/_ml/trained_models/m/deployment/_start"]


def test_a_recovery_that_does_not_help_is_rolled_back_or_reported(emulator: Emulator) -> None:
    stuck(emulator, number_of_allocations=2)
    emulator.fault("stop", {"type": "effect", "effect": {"do": "release", "deployment_id": "d"}})
    emulator.effect("fail_next_load", reason="planted", times=-1)
    options: Json = {"on_failed": "recover", "number_of_allocations": 3, "on_unsatisfied": "rollback"}
    result = emulator.run(deployment_id="d", wait_timeout=6, **options)
    assert result["msg"].count("node n1 failed (planted)") >= 1
    assert result["operation"] == "rollback"
    assert task(emulator)["number_of_allocations"] == 2


def test_what_another_client_took_over_while_it_hung_is_not_recovered(emulator: Emulator) -> None:
    stuck(emulator)
    adaptive = {"do": "set_adaptive", "deployment_id": "d", "adaptive_allocations": {"enabled": True}}
    emulator.fault("stats", {"type": "effect", "effect": adaptive}, after=2)
    result = emulator.run(deployment_id="d", wait_timeout=6, on_failed="recover", number_of_allocations=1)
    assert result["failure"] == {"code": "conflict"}
    assert "adaptive_allocations is {enabled: true" in result["msg"]
    assert emulator.journal() == []


def test_who_may_not_write_does_not_recover(emulator: Emulator) -> None:
    """Test that the recovery is the first write: nothing was planned at first, so the task asked for no privilege."""
    stuck(emulator)
    emulator.allow("monitor_ml", "monitor")
    emulator.forget()
    result = emulator.run(deployment_id="d", wait_timeout=6, on_failed="recover")
    assert result["failure"] == {"code": "not_recovered"}
    assert (
        "It cannot be recovered: Cannot start a deployment or stop a deployment: user 'runner' lacks" in result["msg"]
    )
    assert (result["error"]["kind"], result["changed"]) == ("privilege", False)
    assert emulator.journal() == []


def test_a_stop_that_hangs_is_reported(emulator: Emulator) -> None:
    launched(emulator)
    emulator.effect("hold", deployment_id="d")
    result = emulator.run(deployment_id="d", state="stopped", wait_timeout=6)
    assert result["msg"] == (
        "Deployment 'd' is not gone after 6 seconds: it is still stopping (client API call); on node n1 it is started. "
        "The stop was accepted."
    )
    assert (result["operation"], verbs(result)) == ("stop", ["_stop"])
    assert result["deployment"]["assignment_state"] == "stopping"


def test_what_another_has_started_is_not_stopped_again(emulator: Emulator) -> None:
    launched(emulator)
    emulator.effect("hold", deployment_id="d")
    emulator.fault("stats", {"type": "effect", "effect": {"do": "remove_deployment", "deployment_id": "d"}}, after=3)
    emulator.fault("stats", {"type": "effect", "effect": {"do": "pass_time", "seconds": 1}}, after=3)
    again = {"do": "start_deployment", "model_id": "m", "deployment_id": "d"}
    emulator.fault("stats", {"type": "effect", "effect": again}, after=3)
    result = emulator.run(deployment_id="d", state="stopped", wait_timeout=6)
    assert "it was stopped and started again meanwhile" in result["msg"]
    assert verbs(result) == ["_stop"]

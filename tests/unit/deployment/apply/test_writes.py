# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what other clients do between the read that a plan was made from and its writes, and how the plan changes."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Answer, Emulator
from support.scenario_helpers import Forward, at_tick, between, item, meanwhile, owned, started, task, verbs

Json = dict[str, t.Any]
ADAPTIVE: Json = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 8}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3", ("n1=32,64gb",), (("m", 1 << 20),)) as emulator:
        yield emulator


def numbered(emulator: Emulator, name: str, number: int) -> t.Callable[[], object]:
    return lambda: emulator.effect("set_number", deployment_id=name, number_of_allocations=number)


def scaled(emulator: Emulator, name: str) -> t.Callable[[], object]:
    return lambda: emulator.effect("set_adaptive", deployment_id=name, adaptive_allocations=ADAPTIVE)


# --- an increase that is blocked until a stop has freed its capacity ---


def behind_a_restart(emulator: Emulator, **options: t.Any) -> Json:
    """Return the result of ``b``, whose increase is blocked by the restart of ``a``."""
    desired = {"deployment_id": "b", "number_of_allocations": 2, **options}
    result = emulator.run_many([{"deployment_id": "a", "state": "restarted"}, desired])
    assert item(result, "a")["operation"] == "restart"
    return item(result, "b")


def test_a_blocked_increase_checks_its_guard_again(emulator: Emulator) -> None:
    started(emulator, a=1, b=1)
    meanwhile(emulator, "/a/deployment/_stop", numbered(emulator, "b", 5), after=True)
    held = behind_a_restart(emulator, guard={"number_of_allocations": 1})
    assert "'b' is guarded: number_of_allocations would go from 5 to 2" in held["msg"]
    assert (held["changed"], task(emulator, "b")["number_of_allocations"]) == (False, 5)


def test_a_blocked_increase_is_skipped_by_its_guard(emulator: Emulator) -> None:
    started(emulator, a=1, b=1)
    meanwhile(emulator, "/a/deployment/_stop", numbered(emulator, "b", 5), after=True)
    held = behind_a_restart(emulator, guard={"max_step": 1, "on_violation": "skip"})
    assert held["skipped_because"].startswith("guard.on_violation is skip: number_of_allocations would go from 5 to 2")
    assert (held["changed"], task(emulator, "b")["number_of_allocations"]) == (False, 5)


def test_a_blocked_increase_is_not_sent_after_another_client_made_it(emulator: Emulator) -> None:
    started(emulator, a=1, b=1)
    meanwhile(emulator, "/a/deployment/_stop", numbered(emulator, "b", 2), after=True)
    held = behind_a_restart(emulator)
    assert (held.get("failed"), held["changed"], held["operation"]) == (None, False, "none")


def test_a_blocked_increase_leaves_the_number_to_adaptive_allocations_that_took_it_over(
    emulator: Emulator,
) -> None:
    started(emulator, a=1, b=1)
    meanwhile(emulator, "/a/deployment/_stop", scaled(emulator, "b"), after=True)
    assert "on_adaptive is skip" in behind_a_restart(emulator, on_adaptive="skip")["skipped_because"]
    assert emulator.deployments()["b"]["adaptive_allocations"]["enabled"]


def test_a_blocked_increase_does_not_take_the_number_from_adaptive_allocations(
    emulator: Emulator,
) -> None:
    started(emulator, a=1, b=1)
    meanwhile(emulator, "/a/deployment/_stop", scaled(emulator, "b"), after=True)
    assert "'b' has adaptive allocations enabled" in behind_a_restart(emulator)["msg"]
    assert emulator.deployments()["b"]["adaptive_allocations"]["enabled"]


def test_a_blocked_increase_overrides_adaptive_allocations_if_the_task_says_so(emulator: Emulator) -> None:
    started(emulator, a=1, b=1)
    meanwhile(emulator, "/a/deployment/_stop", scaled(emulator, "b"), after=True)
    held = behind_a_restart(emulator, on_adaptive="override")
    assert [call["body"] for call in held["api_calls"]] == [
        {"adaptive_allocations": {"enabled": False}, "number_of_allocations": 2}
    ]
    assert task(emulator, "b")["number_of_allocations"] == 2


def test_a_blocked_increase_waits_until_it_can_be_sent(emulator: Emulator) -> None:
    """Test that a node that is lost meanwhile makes the deployment start again."""
    started(emulator, a=1, b=1)
    meanwhile(emulator, "/a/deployment/_stop", lambda: emulator.effect("hold", deployment_id="b"), after=True)
    meanwhile(emulator, "/a/deployment/_stop", lambda: emulator.effect("remove_node", node_id="id-n1"), after=True)
    add = {"do": "add_node", "node_id": "id-n2", "processors": 16, "memory": "32gb"}
    meanwhile(emulator, "/a/deployment/_stop", lambda: emulator.control("POST", "/effects", add), after=True)
    emulator.fault("stats", {"type": "effect", "effect": {"do": "release", "deployment_id": "b"}}, after=8)
    held = behind_a_restart(emulator)
    assert (held.get("msg"), task(emulator, "b")["number_of_allocations"]) == (None, 2)


def test_a_blocked_increase_fails_if_the_deployment_is_gone(emulator: Emulator) -> None:
    started(emulator, a=1, b=1)
    gone = {"do": "remove_deployment", "deployment_id": "b"}
    meanwhile(emulator, "/a/deployment/_stop", lambda: emulator.control("POST", "/effects", gone), after=True)
    assert "'b' will not become ready for an update: it is gone" in behind_a_restart(emulator)["msg"]


def asked(emulator: Emulator) -> list[str]:
    """Return the paths of all requests from now on."""
    paths: list[str] = []

    def noting(path: str, forward: Forward) -> Answer:
        paths.append(path)
        return forward()

    between(emulator, noting)
    return paths


def test_one_read_serves_all_blocked_increases(emulator: Emulator) -> None:
    names = [f"b{number}" for number in range(8)]
    started(emulator, a=4, **dict.fromkeys(names, 1))
    paths = asked(emulator)
    more = [{"deployment_id": name, "number_of_allocations": 2} for name in names]
    result = emulator.run_many([{"deployment_id": "a", "number_of_allocations": 1}, *more], wait=False)
    assert len(result["api_calls"]) == 9
    assert len([path for path in paths if path.endswith("trained_models/_stats")]) == 2


def test_a_blocked_increase_reads_alone_if_the_shared_read_fails(emulator: Emulator) -> None:
    started(emulator, a=4, b=1)
    emulator.fault("stats", {"type": "drop"}, after=1)
    meanwhile(emulator, "/a/deployment/_update", numbered(emulator, "b", 5), after=True)
    guarded = {"deployment_id": "b", "number_of_allocations": 2, "guard": {"number_of_allocations": 1}}
    result = emulator.run_many([{"deployment_id": "a", "number_of_allocations": 1}, guarded], wait=False)
    assert "'b' is guarded: number_of_allocations would go from 5 to 2" in item(result, "b")["msg"]


def test_a_blocked_rollback_does_not_undo_the_change_of_another_client(emulator: Emulator) -> None:
    """Test that the update of b is taken back while a is still being stopped; the increase waits for that."""
    started(emulator, a=1, b=3)
    emulator.effect("hold", deployment_id="a")
    emulator.effect("hold", deployment_id="b")

    def release() -> None:
        emulator.effect("release", deployment_id="a")
        emulator.effect("release", deployment_id="b")

    at_tick(emulator, 4, numbered(emulator, "b", 5))
    at_tick(emulator, 8, release)
    less = {"number_of_allocations": 1, "wait_for": "steady", "wait_timeout": 4, "on_unsatisfied": "rollback"}
    items = [{"deployment_id": "a", "state": "restarted", "wait_timeout": 60}, {"deployment_id": "b", **less}]
    result = item(emulator.run_many(items, wait_sleep=2), "b")
    assert "It was not rolled back: it was changed by another client meanwhile" in result["msg"]
    assert task(emulator, "b")["number_of_allocations"] == 5


# --- a stop, right before which the task reads again ---


def test_a_restart_keeps_the_number_that_another_client_set_since_the_reading(emulator: Emulator) -> None:
    started(emulator, d=1)
    meanwhile(emulator, "_ingest/pipeline", numbered(emulator, "d", 5))
    result = emulator.run(deployment_id="d", state="restarted")
    assert (result.get("msg"), verbs(result)) == (None, ["_stop", "_start"])
    assert task(emulator, "d")["number_of_allocations"] == 5


def test_the_file_has_the_number_that_another_client_set_since_the_reading(emulator: Emulator, tmp_path: t.Any) -> None:
    started(emulator, d=1)
    meanwhile(emulator, "_ingest/pipeline", numbered(emulator, "d", 5))
    file = tmp_path / "d.json"
    with emulator.kill(what="_start"):
        emulator.run(deployment_id="d", state="restarted", recovery_file=str(file))
    assert not emulator.deployments()
    result = emulator.run(deployment_id="d", state="restarted", recovery_file=str(file))
    assert (result.get("msg"), task(emulator, "d")["number_of_allocations"]) == (None, 5)


def test_a_stop_checks_its_guard_again(emulator: Emulator) -> None:
    started(emulator, d=1)
    meanwhile(emulator, "_ingest/pipeline", numbered(emulator, "d", 5))
    result = emulator.run(deployment_id="d", state="stopped", guard={"number_of_allocations": 1})
    assert "'d' is guarded: number_of_allocations would go from 5 to 0" in result["msg"]
    assert emulator.journal() == []


def test_a_stop_that_another_client_has_begun_is_awaited(emulator: Emulator) -> None:
    started(emulator, d=1)
    meanwhile(emulator, "_ingest/pipeline", lambda: emulator.effect("stop_deployment", deployment_id="d"))
    result = emulator.run(deployment_id="d", state="stopped")
    assert (result.get("msg"), result["changed"], emulator.deployments()) == (None, False, {})


def test_a_replacement_goes_on_behind_a_stop_that_another_client_has_begun(emulator: Emulator) -> None:
    started(emulator, d=3)
    meanwhile(emulator, "_ingest/pipeline", lambda: emulator.effect("stop_deployment", deployment_id="d"))
    result = emulator.run(deployment_id="d", queue_capacity=77, replace="stop_start")
    assert (result.get("msg"), verbs(result)) == (None, ["_start"])
    assert (task(emulator, "d")["queue_capacity"], task(emulator, "d")["number_of_allocations"]) == (77, 3)


def test_a_deployment_that_starts_before_its_recovery_is_not_stopped(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="d")
    emulator.effect("hold", deployment_id="d")
    up = [lambda: emulator.effect("release", deployment_id="d"), emulator.settle]
    meanwhile(emulator, "_ingest/pipeline", lambda: [each() for each in up], nth=2)  # the first read is for the warning
    emulator.forget()
    result = emulator.run(deployment_id="d", on_failed="recover", wait_timeout=6)
    assert (result.get("msg"), result["changed"], result["operation"]) == (None, False, "none")
    assert emulator.journal() == []


def live(emulator: Emulator, processors: int = 16) -> None:
    """Add a node that brings up what has failed on the other."""
    emulator.effect("remove_node", node_id="id-n1")
    emulator.effect("add_node", node_id="id-n2", processors=processors, memory="32gb")
    emulator.settle()


def test_a_failed_deployment_that_starts_again_is_only_updated(emulator: Emulator) -> None:
    started(emulator, d=2)
    emulator.effect("fail_route", deployment_id="d", reason="planted")
    emulator.forget()

    meanwhile(emulator, "_ingest/pipeline", lambda: live(emulator))
    result = emulator.run(deployment_id="d", on_failed="recover", number_of_allocations=3)
    assert (result.get("failed"), result["operation"], verbs(result)) == (None, "update", ["_update"])


@pytest.mark.parametrize("on_missing", ["start", "fail"])
def test_a_lost_stop_that_comes_through_late_is_ours(emulator: Emulator, on_missing: str) -> None:
    """Test a stop without an answer: the deployment is still there, and gone when the task would send it again."""
    started(emulator, d=3)
    gateway = {"type": "gateway_timeout", "by": "nginx"}
    emulator.fault("stop", gateway)
    emulator.fault("stop", gateway, after=1, times=99)
    at_tick(emulator, 1, lambda: emulator.effect("remove_deployment", deployment_id="d"))
    emulator.fault("start", {"type": "capacity"})
    replaced: Json = {"deployment_id": "d", "queue_capacity": 77, "replace": "stop_start", "on_missing": on_missing}
    result = emulator.run(**replaced, request_retries=0)
    assert result["failed"]
    assert (result["failure"], result["operation"]) == ({"code": "no_capacity"}, "rollback")
    assert (result["changed"], task(emulator, "d")["number_of_allocations"]) == (True, 3)


def test_an_uncertain_stop_is_checked_until_the_time_is_up(emulator: Emulator) -> None:
    """Test that a re-election that outlives the retries of a request does not end the replacement."""
    started(emulator, d=3)
    emulator.fault("stop", {"type": "drop"}, when="after")
    emulator.fault("stats", {"type": "no_master"}, after=2, times=12)
    result = emulator.run(deployment_id="d", queue_capacity=77, replace="stop_start", wait_timeout=300)
    assert (result.get("msg"), verbs(result)) == (None, ["_stop", "_start"])
    assert task(emulator, "d")["queue_capacity"] == 77


def test_an_item_with_nothing_to_recover_blocks_no_other(emulator: Emulator) -> None:
    started(emulator, d=2, b=1)
    emulator.effect("fail_route", deployment_id="d", reason="planted")
    emulator.forget()
    emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    meanwhile(emulator, "_ingest/pipeline", lambda: live(emulator, processors=2))
    times: list[float] = []
    meanwhile(emulator, "/b/deployment/_update", lambda: times.append(emulator.clock.monotonic()))
    more = {"deployment_id": "b", "number_of_allocations": 2, "wait": False}
    emulator.run_many([{"deployment_id": "d", "on_failed": "recover"}, more])
    assert times == [0.0]


@pytest.mark.parametrize("stop", ["stop_deployment", "remove_deployment"])
def test_a_restart_of_what_another_client_has_stopped_follows_on_missing(emulator: Emulator, stop: str) -> None:
    for on_missing in ("fail", "skip"):
        started(emulator, **{on_missing: 2})
        meanwhile(emulator, "_ingest/pipeline", stopped_by(emulator, stop, on_missing))
        result = emulator.run(deployment_id=on_missing, state="restarted", on_missing=on_missing)
        said = {"fail": "choose another value of on_missing", "skip": "on_missing is skip"}[on_missing]
        assert said in (result.get("msg") or result["skipped_because"] or "")
        assert (result["changed"], emulator.journal()) == (False, [])


def stopped_by(emulator: Emulator, stop: str, name: str) -> t.Callable[[], object]:
    return lambda: emulator.effect(stop, deployment_id=name)


def test_before_is_what_was_there_right_before(emulator: Emulator) -> None:
    started(emulator, d=1)
    meanwhile(emulator, "_ingest/pipeline", numbered(emulator, "d", 5))
    result = emulator.run(deployment_id="d", state="restarted")
    assert (result["before"]["number_of_allocations"], result["after"]["number_of_allocations"]) == (5, 5)


@pytest.mark.parametrize("on_violation", ["fail", "skip"])
def test_what_is_refused_right_before_shows_what_is_there(emulator: Emulator, on_violation: str) -> None:
    started(emulator, d=1)
    meanwhile(emulator, "_ingest/pipeline", numbered(emulator, "d", 5))
    result = emulator.run(deployment_id="d", state="stopped", guard={"max_step": 1, "on_violation": on_violation})
    assert result["before"] == result["after"]
    assert (result["before"]["number_of_allocations"], result["allocations"]["wanted"]) == (5, 5)
    assert result["before"]["cache_size"] == "1048576b"


# --- what is kept, and what an endpoint has ---


def test_a_change_of_another_client_is_not_kept_as_one_of_this_task(emulator: Emulator) -> None:
    emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=2)
    started(emulator, d=1)
    asked = {"method": "POST", "path": "/_ml/trained_models/d/deployment/_update", "query": {}}
    more = {**asked, "body": {"number_of_allocations": 50}}
    meanwhile(emulator, "/d/deployment/_update", lambda: emulator.send(more), after=True)
    result = emulator.run(deployment_id="d", number_of_allocations=40, on_unsatisfied="keep")
    assert result["failure"] == {"code": "conflict"}
    assert "number_of_allocations is 50, not 40" in result["msg"]


@pytest.mark.parametrize("on_endpoint_owned", ["fail", "update_endpoint"])
def test_a_restart_does_not_go_past_the_endpoint(emulator: Emulator, on_endpoint_owned: str) -> None:
    owned(emulator)
    options: Json = {"deployment_id": "ep", "state": "restarted", "on_referenced": "force"}
    for check_mode in (True, False):
        asked: Json = {**options, "number_of_allocations": 3, "on_endpoint_owned": on_endpoint_owned}
        result = emulator.run(check_mode, **asked)
        assert (
            "'ep' belongs to the inference endpoint of that name, and the endpoint would keep its old" in result["msg"]
        )
    assert emulator.journal() == []
    assert emulator.run(**options)["operation"] == "restart"


def test_a_restart_does_not_undo_an_update_of_the_endpoint_meanwhile(emulator: Emulator) -> None:
    owned(emulator)
    body = {"service_settings": {"num_allocations": 3}}
    reported: Json = {"method": "PUT", "path": "/_inference/sparse_embedding/ep/_update", "query": {}, "body": body}
    meanwhile(emulator, "_ingest/pipeline", lambda: emulator.send(reported), after=True)
    result = emulator.run(deployment_id="ep", state="restarted", number_of_allocations=1, on_referenced="force")
    assert "'ep' belongs to the inference endpoint of that name" in result["msg"]
    assert task(emulator, "ep")["number_of_allocations"] == 3


def test_a_restart_of_what_is_being_stopped_does_not_go_past_the_endpoint(emulator: Emulator) -> None:
    owned(emulator)
    emulator.effect("stop_deployment", deployment_id="ep")
    for check_mode in (True, False):
        result = emulator.run(check_mode, deployment_id="ep", state="restarted", number_of_allocations=5)
        assert result["failure"] == {"code": "owned_by_endpoint"}


def test_what_a_killed_run_has_left_does_not_go_past_the_endpoint(emulator: Emulator, tmp_path: t.Any) -> None:
    owned(emulator)
    options: Json = {"deployment_id": "ep", "recovery_file": str(tmp_path / "ep.json"), "on_referenced": "force"}
    with emulator.kill(what="_start"):
        emulator.run(**options, state="restarted")
    assert "'ep' belongs to the inference" in emulator.run(**options, number_of_allocations=5)["msg"]
    assert emulator.run(**options)["deployment"]["number_of_allocations"] == 1


def test_a_setting_that_an_endpoint_cannot_take_is_warned_of(emulator: Emulator) -> None:
    owned(emulator)
    more: Json = {"threads_per_allocation": 2, "replace": "stop_start", "on_referenced": "force"}
    for check_mode in (True, False):
        result = emulator.run(check_mode, deployment_id="ep", **more)
        reported = "Inference endpoint 'ep' keeps the old settings: threads_per_allocation 1 instead of 2."
        assert reported in result["warnings"]


# --- the number that only adaptive allocations know ---


def test_after_shows_the_number_that_adaptive_allocations_set_meanwhile(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="d", adaptive_allocations=ADAPTIVE)
    emulator.settle()
    meanwhile(emulator, "/d/deployment/_update", numbered(emulator, "d", 4))
    result = emulator.run(deployment_id="d", adaptive_allocations={"enabled": False})
    assert (result["changed"], result["after"]["number_of_allocations"]) == (True, 4)


@pytest.mark.parametrize("again", [{"state": "restarted"}, {"queue_capacity": 77, "replace": "stop_start"}])
def test_a_frozen_zero_is_started_only_with_allow_zero(emulator: Emulator, again: Json) -> None:
    to_zero = {**ADAPTIVE, "min_number_of_allocations": 0}
    emulator.effect("start_deployment", model_id="m", deployment_id="d", adaptive_allocations=to_zero)
    emulator.settle()
    emulator.effect("set_number", deployment_id="d", number_of_allocations=0)
    emulator.settle()
    frozen: Json = {"deployment_id": "d", "adaptive_allocations": {"enabled": False}, **again}
    assert "would be frozen at 0 allocations" in emulator.run(**frozen)["msg"]
    woken = emulator.run(**frozen, allow_zero=True)
    assert "Deployment 'd' has 0 allocations, and is started with 1." in woken["warnings"]

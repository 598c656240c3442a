# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others do between the reading that a plan was made from and its writes, and what becomes of the plan."""

from __future__ import annotations

import typing as t

import pytest

from support.double import Answer, Double
from support.scene import Forward, at_tick, between, item, meanwhile, owned, started, task, verbs

Json = dict[str, t.Any]
SCALER: Json = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 8}


@pytest.fixture
def double() -> t.Iterator[Double]:
    with Double("9.5.3", ("n1=32,64gb",), (("m", 1 << 20),)) as double:
        yield double


def numbered(double: Double, name: str, number: int) -> t.Callable[[], object]:
    return lambda: double.effect("set_number", deployment_id=name, number_of_allocations=number)


def scaled(double: Double, name: str) -> t.Callable[[], object]:
    return lambda: double.effect("set_adaptive", deployment_id=name, adaptive_allocations=SCALER)


# --- an increase that waits until a stop has freed its room ---


def behind_a_restart(double: Double, **options: t.Any) -> Json:
    """What becomes of ``b``, whose increase is held back by the restart of ``a``."""
    wanted = {"deployment_id": "b", "number_of_allocations": 2, **options}
    result = double.run_many([{"deployment_id": "a", "state": "restarted"}, wanted])
    assert item(result, "a")["operation"] == "restart"
    return item(result, "b")


def test_an_increase_that_was_held_back_looks_at_its_guard_again(double: Double) -> None:
    started(double, a=1, b=1)
    meanwhile(double, "/a/deployment/_stop", numbered(double, "b", 5), after=True)
    held = behind_a_restart(double, guard={"number_of_allocations": 1})
    assert "'b' is guarded: number_of_allocations would go from 5 to 2" in held["msg"]
    assert (held["changed"], task(double, "b")["number_of_allocations"]) == (False, 5)


def test_an_increase_that_was_held_back_is_skipped_by_its_guard(double: Double) -> None:
    started(double, a=1, b=1)
    meanwhile(double, "/a/deployment/_stop", numbered(double, "b", 5), after=True)
    held = behind_a_restart(double, guard={"max_step": 1}, on_guarded="skip")
    assert held["skipped_because"].startswith("on_guarded is skip: number_of_allocations would go from 5 to 2")
    assert (held["changed"], task(double, "b")["number_of_allocations"]) == (False, 5)


def test_an_increase_that_was_held_back_needs_nothing_that_somebody_else_did(double: Double) -> None:
    started(double, a=1, b=1)
    meanwhile(double, "/a/deployment/_stop", numbered(double, "b", 2), after=True)
    held = behind_a_restart(double)
    assert (held.get("failed"), held["changed"], held["operation"]) == (None, False, "none")


def test_an_increase_that_was_held_back_leaves_the_count_to_the_scaler_that_got_it(double: Double) -> None:
    started(double, a=1, b=1)
    meanwhile(double, "/a/deployment/_stop", scaled(double, "b"), after=True)
    assert "on_adaptive is skip" in behind_a_restart(double, on_adaptive="skip")["skipped_because"]
    assert double.deployments()["b"]["adaptive_allocations"]["enabled"]


def test_an_increase_that_was_held_back_does_not_take_the_count_from_the_scaler(double: Double) -> None:
    started(double, a=1, b=1)
    meanwhile(double, "/a/deployment/_stop", scaled(double, "b"), after=True)
    assert "'b' has adaptive allocations enabled" in behind_a_restart(double)["msg"]
    assert double.deployments()["b"]["adaptive_allocations"]["enabled"]


def test_an_increase_that_was_held_back_takes_the_count_if_it_is_told_to(double: Double) -> None:
    started(double, a=1, b=1)
    meanwhile(double, "/a/deployment/_stop", scaled(double, "b"), after=True)
    held = behind_a_restart(double, on_adaptive="override")
    assert [call["body"] for call in held["api_calls"]] == [
        {"adaptive_allocations": {"enabled": False}, "number_of_allocations": 2}
    ]
    assert task(double, "b")["number_of_allocations"] == 2


def test_an_increase_that_was_held_back_waits_until_it_can_be_sent(double: Double) -> None:
    """A node that is lost meanwhile makes the deployment start again."""
    started(double, a=1, b=1)
    meanwhile(double, "/a/deployment/_stop", lambda: double.effect("hold", deployment_id="b"), after=True)
    meanwhile(double, "/a/deployment/_stop", lambda: double.effect("remove_node", node_id="id-n1"), after=True)
    add = {"do": "add_node", "node_id": "id-n2", "processors": 16, "memory": "32gb"}
    meanwhile(double, "/a/deployment/_stop", lambda: double.control("POST", "/effects", add), after=True)
    double.fault("stats", {"type": "effect", "effect": {"do": "release", "deployment_id": "b"}}, after=8)
    held = behind_a_restart(double)
    assert (held.get("msg"), task(double, "b")["number_of_allocations"]) == (None, 2)


def test_an_increase_that_was_held_back_is_not_for_what_is_gone(double: Double) -> None:
    started(double, a=1, b=1)
    gone = {"do": "remove_deployment", "deployment_id": "b"}
    meanwhile(double, "/a/deployment/_stop", lambda: double.control("POST", "/effects", gone), after=True)
    assert "'b' will not become ready for an update: it is gone" in behind_a_restart(double)["msg"]


def asked(double: Double) -> list[str]:
    """The paths of all requests from now on."""
    paths: list[str] = []

    def noting(path: str, forward: Forward) -> Answer:
        paths.append(path)
        return forward()

    between(double, noting)
    return paths


def test_one_look_is_made_for_all_who_were_held_back(double: Double) -> None:
    names = [f"b{number}" for number in range(8)]
    started(double, a=4, **dict.fromkeys(names, 1))
    paths = asked(double)
    more = [{"deployment_id": name, "number_of_allocations": 2} for name in names]
    result = double.run_many([{"deployment_id": "a", "number_of_allocations": 1}, *more], wait=False)
    assert len(result["api_calls"]) == 9
    assert len([path for path in paths if path.endswith("/_stats")]) == 2


def test_who_was_held_back_looks_alone_if_the_look_for_all_fails(double: Double) -> None:
    started(double, a=4, b=1)
    double.fault("stats", {"type": "drop"}, after=1)
    meanwhile(double, "/a/deployment/_update", numbered(double, "b", 5), after=True)
    guarded = {"deployment_id": "b", "number_of_allocations": 2, "guard": {"number_of_allocations": 1}}
    result = double.run_many([{"deployment_id": "a", "number_of_allocations": 1}, guarded], wait=False)
    assert "'b' is guarded: number_of_allocations would go from 5 to 2" in item(result, "b")["msg"]


def test_the_way_back_does_not_undo_what_another_did_while_it_was_held_back(double: Double) -> None:
    """The update of b is taken back while a is still being stopped; the increase waits for that."""
    started(double, a=1, b=3)
    double.effect("hold", deployment_id="a")
    double.effect("hold", deployment_id="b")

    def release() -> None:
        double.effect("release", deployment_id="a")
        double.effect("release", deployment_id="b")

    at_tick(double, 4, numbered(double, "b", 5))
    at_tick(double, 8, release)
    less = {"number_of_allocations": 1, "wait_for": "steady", "wait_timeout": 4, "on_unsatisfied": "rollback"}
    items = [{"deployment_id": "a", "state": "restarted", "wait_timeout": 60}, {"deployment_id": "b", **less}]
    result = item(double.run_many(items, wait_sleep=2), "b")
    assert "It was not rolled back: it was changed by another client meanwhile" in result["msg"]
    assert task(double, "b")["number_of_allocations"] == 5


# --- a stop, right before which there is a look ---


def test_a_restart_keeps_the_number_that_somebody_set_since_the_reading(double: Double) -> None:
    started(double, d=1)
    meanwhile(double, "_ingest/pipeline", numbered(double, "d", 5))
    result = double.run(deployment_id="d", state="restarted")
    assert (result.get("msg"), verbs(result)) == (None, ["_stop", "_start"])
    assert task(double, "d")["number_of_allocations"] == 5


def test_the_file_has_the_number_that_somebody_set_since_the_reading(double: Double, tmp_path: t.Any) -> None:
    started(double, d=1)
    meanwhile(double, "_ingest/pipeline", numbered(double, "d", 5))
    file = tmp_path / "d.json"
    with double.kill(what="_start"):
        double.run(deployment_id="d", state="restarted", recovery_file=str(file))
    assert not double.deployments()
    result = double.run(deployment_id="d", state="restarted", recovery_file=str(file))
    assert (result.get("msg"), task(double, "d")["number_of_allocations"]) == (None, 5)


def test_a_stop_looks_at_its_guard_again(double: Double) -> None:
    started(double, d=1)
    meanwhile(double, "_ingest/pipeline", numbered(double, "d", 5))
    result = double.run(deployment_id="d", state="stopped", guard={"number_of_allocations": 1})
    assert "'d' is guarded: number_of_allocations would go from 5 to 0" in result["msg"]
    assert double.journal() == []


def test_a_stop_that_somebody_else_has_begun_is_awaited(double: Double) -> None:
    started(double, d=1)
    meanwhile(double, "_ingest/pipeline", lambda: double.effect("stop_deployment", deployment_id="d"))
    result = double.run(deployment_id="d", state="stopped")
    assert (result.get("msg"), result["changed"], double.deployments()) == (None, False, {})


def test_a_replacement_goes_on_behind_a_stop_that_somebody_else_has_begun(double: Double) -> None:
    started(double, d=3)
    meanwhile(double, "_ingest/pipeline", lambda: double.effect("stop_deployment", deployment_id="d"))
    result = double.run(deployment_id="d", queue_capacity=77, replace="stop_start")
    assert (result.get("msg"), verbs(result)) == (None, ["_start"])
    assert (task(double, "d")["queue_capacity"], task(double, "d")["number_of_allocations"]) == (77, 3)


def test_what_has_come_up_before_its_recovery_is_not_stopped(double: Double) -> None:
    double.effect("start_deployment", model_id="m", deployment_id="d")
    double.effect("hold", deployment_id="d")
    up = [lambda: double.effect("release", deployment_id="d"), double.settle]
    meanwhile(double, "_ingest/pipeline", lambda: [each() for each in up], nth=2)  # the first look is for the warning
    double.forget()
    result = double.run(deployment_id="d", on_failed="recover", wait_timeout=6)
    assert (result.get("msg"), result["changed"], result["operation"]) == (None, False, "none")
    assert double.journal() == []


def live(double: Double, processors: int = 16) -> None:
    """A new node brings up what has failed on the other."""
    double.effect("remove_node", node_id="id-n1")
    double.effect("add_node", node_id="id-n2", processors=processors, memory="32gb")
    double.settle()


def test_a_failed_deployment_that_lives_again_is_only_updated(double: Double) -> None:
    started(double, d=2)
    double.effect("fail_route", deployment_id="d", reason="planted")
    double.forget()

    meanwhile(double, "_ingest/pipeline", lambda: live(double))
    result = double.run(deployment_id="d", on_failed="recover", number_of_allocations=3)
    assert (result.get("failed"), result["operation"], verbs(result)) == (None, "update", ["_update"])


@pytest.mark.parametrize("on_missing", ["start", "fail"])
def test_a_lost_stop_that_comes_through_late_is_ours(double: Double, on_missing: str) -> None:
    """The answer is lost, the deployment still there; it is gone when the stop would be sent again."""
    started(double, d=3)
    gateway = {"type": "gateway_timeout", "by": "nginx"}
    double.fault("stop", gateway)
    double.fault("stop", gateway, after=1, times=99)
    at_tick(double, 1, lambda: double.effect("remove_deployment", deployment_id="d"))
    double.fault("start", {"type": "capacity"})
    replaced: Json = {"deployment_id": "d", "queue_capacity": 77, "replace": "stop_start", "on_missing": on_missing}
    result = double.run(**replaced, request_retries=0)
    assert result["failed"]
    assert (result["failure"], result["operation"]) == ({"code": "no_capacity"}, "rollback")
    assert (result["changed"], task(double, "d")["number_of_allocations"]) == (True, 3)


def test_an_unsure_stop_is_looked_into_until_the_time_is_up(double: Double) -> None:
    """A re-election that outlives the repetitions of a request does not end the replacement."""
    started(double, d=3)
    double.fault("stop", {"type": "drop"}, when="after")
    double.fault("stats", {"type": "no_master"}, after=2, times=12)
    result = double.run(deployment_id="d", queue_capacity=77, replace="stop_start", wait_timeout=300)
    assert (result.get("msg"), verbs(result)) == (None, ["_stop", "_start"])
    assert task(double, "d")["queue_capacity"] == 77


def test_who_has_nothing_to_recover_keeps_nobody_waiting(double: Double) -> None:
    started(double, d=2, b=1)
    double.effect("fail_route", deployment_id="d", reason="planted")
    double.forget()
    double.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    meanwhile(double, "_ingest/pipeline", lambda: live(double, processors=2))
    times: list[float] = []
    meanwhile(double, "/b/deployment/_update", lambda: times.append(double.clock.monotonic()))
    more = {"deployment_id": "b", "number_of_allocations": 2, "wait": False}
    double.run_many([{"deployment_id": "d", "on_failed": "recover"}, more])
    assert times == [0.0]


@pytest.mark.parametrize("stop", ["stop_deployment", "remove_deployment"])
def test_a_restart_of_what_somebody_has_stopped_asks_what_to_do_about_that(double: Double, stop: str) -> None:
    for on_missing in ("fail", "skip"):
        started(double, **{on_missing: 2})
        meanwhile(double, "_ingest/pipeline", stopped_by(double, stop, on_missing))
        result = double.run(deployment_id=on_missing, state="restarted", on_missing=on_missing)
        assert f"on_missing is {on_missing}" in (result.get("msg") or result["skipped_because"] or "")
        assert (result["changed"], double.journal()) == (False, [])


def stopped_by(double: Double, stop: str, name: str) -> t.Callable[[], object]:
    return lambda: double.effect(stop, deployment_id=name)


def test_before_is_what_was_there_right_before(double: Double) -> None:
    started(double, d=1)
    meanwhile(double, "_ingest/pipeline", numbered(double, "d", 5))
    result = double.run(deployment_id="d", state="restarted")
    assert (result["before"]["number_of_allocations"], result["after"]["number_of_allocations"]) == (5, 5)


@pytest.mark.parametrize("on_guarded", ["fail", "skip"])
def test_what_is_refused_right_before_shows_what_is_there(double: Double, on_guarded: str) -> None:
    started(double, d=1)
    meanwhile(double, "_ingest/pipeline", numbered(double, "d", 5))
    result = double.run(deployment_id="d", state="stopped", guard={"max_step": 1}, on_guarded=on_guarded)
    assert result["before"] == result["after"]
    assert (result["before"]["number_of_allocations"], result["allocations"]["wanted"]) == (5, 5)
    assert result["before"]["cache_size"] == "1048576b"


# --- what is kept, and what an endpoint has ---


def test_what_somebody_else_asks_for_is_not_kept_as_ours(double: Double) -> None:
    double.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=2)
    started(double, d=1)
    asked = {"method": "POST", "path": "/_ml/trained_models/d/deployment/_update", "query": {}}
    more = {**asked, "body": {"number_of_allocations": 50}}
    meanwhile(double, "/d/deployment/_update", lambda: double.send(more), after=True)
    result = double.run(deployment_id="d", number_of_allocations=40, on_unsatisfied="keep")
    assert result["failure"] == {"code": "conflict"}
    assert "number_of_allocations is 50, not 40" in result["msg"]


@pytest.mark.parametrize("on_endpoint_owned", ["fail", "update_endpoint"])
def test_a_restart_does_not_go_past_the_endpoint(double: Double, on_endpoint_owned: str) -> None:
    owned(double)
    options: Json = {"deployment_id": "ep", "state": "restarted", "on_referenced": "force"}
    for check_mode in (True, False):
        asked: Json = {**options, "number_of_allocations": 3, "on_endpoint_owned": on_endpoint_owned}
        result = double.run(check_mode, **asked)
        assert "'ep' belongs to the inference endpoint of that name, which would still have the old" in result["msg"]
    assert double.journal() == []
    assert double.run(**options)["operation"] == "restart"


def test_a_restart_does_not_take_back_what_the_endpoint_was_told_meanwhile(double: Double) -> None:
    owned(double)
    body = {"service_settings": {"num_allocations": 3}}
    told: Json = {"method": "PUT", "path": "/_inference/sparse_embedding/ep/_update", "query": {}, "body": body}
    meanwhile(double, "_ingest/pipeline", lambda: double.send(told), after=True)
    result = double.run(deployment_id="ep", state="restarted", number_of_allocations=1, on_referenced="force")
    assert "'ep' belongs to the inference endpoint of that name" in result["msg"]
    assert task(double, "ep")["number_of_allocations"] == 3


def test_a_restart_of_what_is_being_stopped_does_not_go_past_the_endpoint(double: Double) -> None:
    owned(double)
    double.effect("stop_deployment", deployment_id="ep")
    for check_mode in (True, False):
        result = double.run(check_mode, deployment_id="ep", state="restarted", number_of_allocations=5)
        assert "'ep' belongs to the inference endpoint of that name" in result["msg"]


def test_what_a_killed_run_has_left_does_not_go_past_the_endpoint(double: Double, tmp_path: t.Any) -> None:
    owned(double)
    options: Json = {"deployment_id": "ep", "recovery_file": str(tmp_path / "ep.json"), "on_referenced": "force"}
    with double.kill(what="_start"):
        double.run(**options, state="restarted")
    assert "'ep' belongs to the inference" in double.run(**options, number_of_allocations=5)["msg"]
    assert double.run(**options)["deployment"]["number_of_allocations"] == 1


def test_what_an_endpoint_cannot_be_told_is_warned_of(double: Double) -> None:
    owned(double)
    more: Json = {"threads_per_allocation": 2, "replace": "stop_start", "on_referenced": "force"}
    for check_mode in (True, False):
        result = double.run(check_mode, deployment_id="ep", **more)
        told = "Inference endpoint 'ep' still has the old settings: threads_per_allocation 1 instead of 2."
        assert told in result["warnings"]


# --- the count that nobody but the scaler knows ---


def test_after_shows_the_number_that_the_scaler_has_set_meanwhile(double: Double) -> None:
    double.effect("start_deployment", model_id="m", deployment_id="d", adaptive_allocations=SCALER)
    double.settle()
    meanwhile(double, "/d/deployment/_update", numbered(double, "d", 4))
    result = double.run(deployment_id="d", adaptive_allocations={"enabled": False})
    assert (result["changed"], result["after"]["number_of_allocations"]) == (True, 4)


@pytest.mark.parametrize("anew", [{"state": "restarted"}, {"queue_capacity": 77, "replace": "stop_start"}])
def test_a_frozen_zero_is_not_woken_by_the_way(double: Double, anew: Json) -> None:
    to_zero = {**SCALER, "min_number_of_allocations": 0}
    double.effect("start_deployment", model_id="m", deployment_id="d", adaptive_allocations=to_zero)
    double.settle()
    double.effect("set_number", deployment_id="d", number_of_allocations=0)
    double.settle()
    frozen: Json = {"deployment_id": "d", "adaptive_allocations": {"enabled": False}, **anew}
    assert "would be frozen at 0 allocations" in double.run(**frozen)["msg"]
    woken = double.run(**frozen, allow_zero=True)
    assert "Deployment 'd' has 0 allocations, and is started with 1." in woken["warnings"]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run after the kill does what the killed one would have done; and what ends the life of a recovery file."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from support.double import Double
from support.scene import launched, task, written

Json = dict[str, t.Any]
OWN: Json = {"number_of_allocations": 2, "threads_per_allocation": 1, "queue_capacity": 77, "cache_size": "123kb"}
ENDPOINT: Json = {"service": "elasticsearch", "service_settings": {"model_id": "m", "num_threads": 1}}


@pytest.fixture
def double() -> t.Iterator[Double]:
    with Double("9.5.3", ("n1=4,64gb", "n2=4,64gb")) as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.json"


def started(double: Double, name: str = "d", **options: t.Any) -> None:
    launched(double, name, **{**OWN, **options})


def killed(double: Double, **options: t.Any) -> Json:
    """The *options* of a run that died right before its start."""
    with double.kill(what="_start"):
        double.run(**options)
    assert options["deployment_id"] not in double.deployments()
    double.forget()
    return options


def answer(status: int) -> Json:
    reason = "Could not start deployment because no ML nodes with sufficient capacity were found"
    body = {"error": {"type": "status_exception", "reason": reason}, "status": status}
    return {"type": "answer", "status": status, "body": body}


def wish(path: Path, **options: t.Any) -> Json:
    return {"deployment_id": "d", "recovery_file": str(path), "replace": "stop_start", **options}


@pytest.mark.parametrize("status", [429, 400, 404])
def test_a_refused_start_brings_back_what_ran_before(double: Double, path: Path, status: int) -> None:
    started(double)
    was = task(double)
    options = killed(double, **wish(path, threads_per_allocation=2, number_of_allocations=3))
    double.fault("start", answer(status))
    result = double.run(**options)
    assert result["failure"] != {"code": "rollback_failed"}
    assert (result["error"]["status"], result["operation"]) == (status, "rollback")
    assert task(double) == was
    assert (written(double), path.exists()) == (["_start", "_start"], False)
    assert result["deployment"]["threads_per_allocation"] == 1


def test_a_start_without_room_brings_back_what_ran_before(double: Double, path: Path) -> None:
    """No node has 32 processors."""
    started(double)
    was = task(double)
    options = killed(double, **wish(path, threads_per_allocation=32))
    result = double.run(**options)
    assert (result["error"]["status"], result["operation"], path.exists()) == (429, "rollback", False)
    assert task(double) == was


def test_the_scaler_comes_back_where_the_start_without_it_is_refused(double: Double, path: Path) -> None:
    bounds = {"enabled": True, "min_number_of_allocations": 2, "max_number_of_allocations": 4}
    started(double, number_of_allocations=None, adaptive_allocations=bounds)
    options = killed(double, **wish(path, number_of_allocations=3, on_adaptive="override", queue_capacity=5))
    double.fault("start", answer(429))
    assert double.run(**options)["operation"] == "rollback"
    assert double.deployments()["d"]["adaptive_allocations"] == bounds
    assert task(double)["queue_capacity"] == 77


def test_what_is_still_going_is_awaited_before_what_ran_is_started(double: Double, path: Path) -> None:
    started(double)
    was = task(double)
    double.effect("hold", deployment_id="d")
    options = wish(path, queue_capacity=5)
    with double.kill(sent=True, what="_stop"):
        double.run(**options)
    double.effect("release", deployment_id="d")
    assert double.deployments()["d"]["assignment_state"] == "stopping"
    double.fault("start", answer(429))
    assert double.run(**options)["operation"] == "rollback"
    assert task(double) == was


def test_a_refused_restart_is_not_tried_with_the_same_again(double: Double, path: Path) -> None:
    started(double)
    options = killed(double, deployment_id="d", recovery_file=str(path), state="restarted")
    double.fault("start", answer(400))
    result = double.run(**options)
    assert result["failure"] == {"code": "rollback_failed"}
    assert (written(double), path.exists()) == (["_start"], True)
    assert "Run the task again to start it." in result["warnings"][-1]


def test_neither_is_taken_and_both_are_kept(double: Double, path: Path) -> None:
    started(double)
    was = task(double)
    options = killed(double, **wish(path, threads_per_allocation=32))
    content = path.read_bytes()
    double.fault("start", answer(400), times=2)
    result = double.run(**options)
    assert "Rolling it back failed, too: " in result["msg"]
    assert (double.deployments(), path.read_bytes()) == ({}, content)
    assert double.run(**options)["operation"] == "rollback"
    assert task(double) == was


def test_a_kill_between_the_refusal_and_what_ran_before_loses_nothing(double: Double, path: Path) -> None:
    started(double)
    was = task(double)
    options = killed(double, **wish(path, threads_per_allocation=32))
    with double.kill(1, what="_start"):
        double.run(**options)
    assert double.deployments() == {}
    assert double.run(**options)["operation"] == "rollback"
    assert (task(double), path.exists()) == (was, False)


def test_a_kill_of_the_way_back_does_not_bring_the_change_back_for_good(double: Double, path: Path) -> None:
    """The file of the way back has what ran at first, not what was to be undone."""
    started(double)
    double.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    options = wish(path, threads_per_allocation=32, on_unsatisfied="rollback", wait_timeout=6)
    with double.kill(1, what="_start"):
        double.run(**options)
    kept = json.loads(path.read_text())
    assert kept["settings"] == kept["before"]
    assert kept["before"]["threads_per_allocation"] == 1


def test_a_start_that_is_not_satisfied_is_rolled_back_to_what_ran_before(double: Double, path: Path) -> None:
    started(double)
    was = task(double)
    options = wish(path, threads_per_allocation=32, on_unsatisfied="rollback", wait_timeout=6)
    killed(double, **options)
    double.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    result = double.run(**options)
    assert (result["failure"], result["operation"]) == ({"code": "not_ready_in_time"}, "rollback")
    assert result["waited"]["reached"] is False
    assert (task(double), written(double), path.exists()) == (was, ["_start", "_stop", "_start"], False)


def test_what_another_has_started_after_the_refusal_is_left_alone(double: Double, path: Path) -> None:
    started(double)
    options = killed(double, **wish(path, threads_per_allocation=32))
    send = double.request
    refused: list[str] = []

    def late(method: str, target: str, *rest: t.Any) -> t.Any:
        """After the look that follows the refusal, and before the one that precedes the way back."""
        if "_stats" in target and refused and refused.pop() == "looked":
            started(double, queue_capacity=5)
        elif "_stats" in target and "refused" in told:
            told.remove("refused")
            refused.append("looked")
        done = send(method, target, *rest)
        told.extend(["refused"] if done[0] == 429 else [])
        return done

    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(double, "request", late)
        result = double.run(**options)
    assert "It was not rolled back: it was stopped and started again meanwhile" in result["msg"]
    assert task(double)["queue_capacity"] == 5
    assert written(double) == []


def test_an_endpoint_finds_its_deployment_as_it_was(double: Double, tmp_path: Path) -> None:
    """Owned: the endpoint's id is the deployment's, and it says something else than what ran."""
    path = tmp_path / "ep.json"
    body = {**ENDPOINT, "service_settings": {**ENDPOINT["service_settings"], "num_allocations": 1}}
    double.send({"method": "PUT", "path": "/_inference/sparse_embedding/ep", "query": {}, "body": body})
    double.settle()
    anew: Json = {"deployment_id": "ep", "on_referenced": "force", "replace": "stop_start"}
    assert double.run(**anew, threads_per_allocation=2)["changed"]
    was = task(double, "ep")
    options = killed(double, **anew, recovery_file=str(path), queue_capacity=9)
    double.fault("start", answer(429))
    assert double.run(**options)["operation"] == "rollback"
    assert task(double, "ep") == was
    again = killed(double, **options)
    assert not double.run(**again).get("failed")
    assert task(double, "ep") == {**was, "queue_capacity": 9}
    assert not path.exists()


def fleet(tmp_path: Path, **options: t.Any) -> list[Json]:
    names = ("d", "e")
    return [wish(tmp_path / name, **options, deployment_id=name) for name in names]


def test_each_of_a_list_gets_back_what_ran(tmp_path: Path) -> None:
    """Where there is no room for both as they are to be, but as they were, the list is not refused as a whole."""
    with Double("9.5.3", ("n1=6,64gb", "n2=6,64gb")) as double:
        for name in ("d", "e"):
            started(double, name, number_of_allocations=1)
        was = {name: task(double, name) for name in ("d", "e")}
        items = fleet(tmp_path, threads_per_allocation=4)
        with double.kill(what="_start"):
            double.run_many(items)
        assert double.deployments() == {}
        double.effect("remove_node", node_id="id-n2")
        result = double.run_many(items)
        operations = {each["operation"]: each["deployment_id"] for each in result["deployments"]}
        assert (result["failed"], sorted(operations)) == (True, ["rollback", "start"])
        back, new = operations["rollback"], operations["start"]
        assert task(double, back) == was[back]
        assert task(double, new) == {**was[new], "threads_per_allocation": 4}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", [1, 2])
def test_a_list_counts_from_the_number_in_the_file(double: Double, tmp_path: Path, step: int) -> None:
    """As each item does, and as the run did that was killed."""
    started(double, number_of_allocations=4)
    item = {**wish(tmp_path / "d"), "queue_capacity": 5}
    with double.kill(what="_start"):
        double.run_many([item], guard={"max_total_step": 0})
    assert double.deployments() == {}
    named = {**item, "number_of_allocations": 6}
    for mode in (True, False):
        result = double.run_many([named], mode, guard={"max_total_step": step})
        assert bool(result.get("failed")) == (step < 2)
    if step < 2:
        assert "('d' from 4 to 6)" in result["msg"]
        assert not double.run_many([item], guard={"max_total_step": 0}).get("failed")
    assert task(double)["number_of_allocations"] == (4 if step < 2 else 6)


# --- the end of a file ---


@pytest.mark.parametrize("there", [True, False])
def test_a_complete_stop_does_away_with_what_was_to_be_started(double: Double, path: Path, there: bool) -> None:
    started(double)
    killed(double, **wish(path, queue_capacity=5))
    if there:
        started(double)
    content = path.read_bytes()
    stop: Json = {"deployment_id": "d", "state": "stopped", "recovery_file": str(path)}
    double.run(True, **stop)
    assert path.read_bytes() == content
    result = double.run(**stop)
    assert (result["changed"], result["warnings"], path.exists()) == (there, [], False)
    double.run(deployment_id="d", model_id="m", recovery_file=str(path))
    assert task(double)["queue_capacity"] == 10000


@pytest.mark.parametrize("waiting", [{"wait": False}, {"wait_timeout": 4}])
def test_a_stop_that_is_not_complete_leaves_it(double: Double, path: Path, waiting: Json) -> None:
    started(double)
    killed(double, **wish(path, queue_capacity=5))
    started(double)
    double.effect("hold", deployment_id="d")
    result = double.run(deployment_id="d", state="stopped", recovery_file=str(path), **waiting)
    assert result["deployment"]["assignment_state"] == "stopping"
    assert (bool(result.get("failed")), path.exists()) == ("wait_timeout" in waiting, True)


def test_a_stop_whose_way_back_fails_leaves_it(double: Double, path: Path) -> None:
    started(double)
    killed(double, **wish(path, queue_capacity=5))
    started(double)
    double.effect("hold", deployment_id="d")
    double.fault("stop", {"type": "effect", "effect": {"do": "release", "deployment_id": "d"}}, after=2)
    double.fault("start", answer(400))
    stop: Json = {"state": "stopped", "on_unsatisfied": "rollback", "wait_timeout": 6}
    content = path.read_bytes()
    result = double.run(deployment_id="d", recovery_file=str(path), **stop)
    assert "Rolling it back failed, too" in result["msg"]
    assert (double.deployments(), path.read_bytes()) == ({}, content)


def test_a_run_that_writes_nothing_leaves_what_another_has_just_written(double: Double, path: Path) -> None:
    """The other is killed between its stop and its start, right after the first has looked at the deployment."""
    started(double)
    send = double.request
    done: list[str] = []

    def late(method: str, target: str, *rest: t.Any) -> t.Any:
        seen = send(method, target, *rest)
        if "_stats" in target and not done:
            done.append(target)
            killed(double, **wish(path, queue_capacity=5))
        return seen

    double.request = late  # type: ignore[method-assign,assignment]
    result = double.run(deployment_id="d", recovery_file=str(path))
    assert (result["changed"], double.deployments(), path.exists()) == (False, {}, True)
    assert "Run the task again to start it." in result["warnings"][-1]
    assert not double.run(deployment_id="d", recovery_file=str(path)).get("failed")
    assert task(double)["queue_capacity"] == 5


def test_a_run_that_writes_nothing_leaves_what_it_has_not_read(double: Double, path: Path) -> None:
    double.effect("start_deployment", model_id="m", deployment_id="d")
    ticks: list[int] = []

    def passing() -> None:
        double._inner.tick()
        if not ticks:
            ticks.append(1)
            path.write_text("another's")

    double.clock._tick = passing
    result = double.run(deployment_id="d", recovery_file=str(path))
    assert (result.get("failed"), result["waited"]["reached"], path.read_text()) == (None, True, "another's")


def test_a_killed_run_that_had_stopped_nothing_leaves_nothing(double: Double, path: Path) -> None:
    """What it was to replace still runs, and a later task does not want that any more."""
    started(double)
    with double.kill(what="_stop"):
        double.run(**wish(path, queue_capacity=5))
    assert path.exists()
    result = double.run(deployment_id="d", recovery_file=str(path))
    assert (result["changed"], result["warnings"], path.exists()) == (False, [], False)


def test_whether_it_still_runs_may_be_unknown(double: Double, path: Path) -> None:
    started(double)
    with double.kill(what="_stop"):
        double.run(**wish(path, queue_capacity=5))
    looks = double.request
    down = answer(503)["body"]

    def last_look_fails(method: str, target: str, *rest: t.Any) -> t.Any:
        looked.append(target)
        if sum("_stats" in each for each in looked) > 1:
            return 503, [("content-type", "application/json")], json.dumps(down).encode()
        return looks(method, target, *rest)

    looked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(double, "request", last_look_fails)
        result = double.run(deployment_id="d", recovery_file=str(path))
    assert (result["changed"], path.exists()) == (False, True)


def test_what_another_started_in_between_is_told_and_ends_it(double: Double, path: Path) -> None:
    started(double)
    another = {"do": "start_deployment", "model_id": "m", "deployment_id": "d", "queue_capacity": 5}
    double.fault("start", {"type": "effect", "effect": another})
    result = double.run(**wish(path, threads_per_allocation=2))
    assert result["failed"]
    assert "is not used: the deployment was started after the file was written" in result["warnings"][-1]
    assert (task(double)["queue_capacity"], path.exists()) == (5, False)

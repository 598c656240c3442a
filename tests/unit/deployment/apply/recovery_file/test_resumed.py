# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the run after a kill does what the killed one would have done, and what removes a recovery file."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from support.emulated_cluster import Emulator
from support.scenario_helpers import hide_nodes, launched, task, written

Json = dict[str, t.Any]
OWN: Json = {"number_of_allocations": 2, "threads_per_allocation": 1, "queue_capacity": 77, "cache_size": "123kb"}
ENDPOINT: Json = {"service": "elasticsearch", "service_settings": {"model_id": "m", "num_threads": 1}}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3", ("n1=4,64gb", "n2=4,64gb")) as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.json"


def started(emulator: Emulator, name: str = "d", **options: t.Any) -> None:
    launched(emulator, name, **{**OWN, **options})


def killed(emulator: Emulator, **options: t.Any) -> Json:
    """Kill a run right before its start, and return its *options*."""
    with emulator.kill(what="_start"):
        emulator.run(**options)
    assert options["deployment_id"] not in emulator.deployments()
    emulator.forget()
    return options


def answer(status: int) -> Json:
    reason = "Could not start deployment because no ML nodes with sufficient capacity were found"
    body = {"error": {"type": "status_exception", "reason": reason}, "status": status}
    return {"type": "answer", "status": status, "body": body}


def desired(path: Path, **options: t.Any) -> Json:
    return {"deployment_id": "d", "recovery_file": str(path), "replace": "stop_start", **options}


@pytest.mark.parametrize("status", [429, 400, 404])
def test_a_refused_start_restores_what_ran_before(emulator: Emulator, path: Path, status: int) -> None:
    started(emulator)
    was = task(emulator)
    options = killed(emulator, **desired(path, threads_per_allocation=2, number_of_allocations=3))
    emulator.fault("start", answer(status))
    result = emulator.run(**options)
    assert result["failure"] != {"code": "rollback_failed"}
    assert (result["error"]["status"], result["operation"]) == (status, "rollback")
    assert task(emulator) == was
    assert (written(emulator), path.exists()) == (["_start", "_start"], False)
    assert result["deployment"]["threads_per_allocation"] == 1


def test_a_start_without_capacity_restores_what_ran_before(emulator: Emulator, path: Path) -> None:
    """Test a start for which no node has enough processors: 32."""
    started(emulator)
    hide_nodes(emulator)
    was = task(emulator)
    options = killed(emulator, **desired(path, threads_per_allocation=32))
    result = emulator.run(**options)
    assert (result["error"]["status"], result["operation"], path.exists()) == (429, "rollback", False)
    assert task(emulator) == was


def test_adaptive_allocations_come_back_if_the_start_without_them_is_refused(emulator: Emulator, path: Path) -> None:
    bounds = {"enabled": True, "min_number_of_allocations": 2, "max_number_of_allocations": 4}
    started(emulator, number_of_allocations=None, adaptive_allocations=bounds)
    options = killed(emulator, **desired(path, number_of_allocations=3, on_adaptive="override", queue_capacity=5))
    emulator.fault("start", answer(429))
    assert emulator.run(**options)["operation"] == "rollback"
    assert emulator.deployments()["d"]["adaptive_allocations"] == bounds
    assert task(emulator)["queue_capacity"] == 77


def test_what_is_still_going_is_awaited_before_what_ran_is_started(emulator: Emulator, path: Path) -> None:
    started(emulator)
    was = task(emulator)
    emulator.effect("hold", deployment_id="d")
    options = desired(path, queue_capacity=5)
    with emulator.kill(sent=True, what="_stop"):
        emulator.run(**options)
    emulator.effect("release", deployment_id="d")
    assert emulator.deployments()["d"]["assignment_state"] == "stopping"
    emulator.fault("start", answer(429))
    assert emulator.run(**options)["operation"] == "rollback"
    assert task(emulator) == was


def test_a_refused_restart_is_not_tried_with_the_same_again(emulator: Emulator, path: Path) -> None:
    started(emulator)
    options = killed(emulator, deployment_id="d", recovery_file=str(path), state="restarted")
    emulator.fault("start", answer(400))
    result = emulator.run(**options)
    assert result["failure"] == {"code": "rollback_failed"}
    assert (written(emulator), path.exists()) == (["_start"], True)
    assert "Run the task again to start it." in result["warnings"][-1]


def test_neither_is_taken_and_both_are_kept(emulator: Emulator, path: Path) -> None:
    started(emulator)
    hide_nodes(emulator)
    was = task(emulator)
    options = killed(emulator, **desired(path, threads_per_allocation=32))
    content = path.read_bytes()
    emulator.fault("start", answer(400), times=2)
    result = emulator.run(**options)
    assert "Rolling it back failed, too: " in result["msg"]
    assert (emulator.deployments(), path.read_bytes()) == ({}, content)
    assert emulator.run(**options)["operation"] == "rollback"
    assert task(emulator) == was


def test_a_kill_between_the_refusal_and_what_ran_before_loses_nothing(emulator: Emulator, path: Path) -> None:
    started(emulator)
    hide_nodes(emulator)
    was = task(emulator)
    options = killed(emulator, **desired(path, threads_per_allocation=32))
    with emulator.kill(1, what="_start"):
        emulator.run(**options)
    assert emulator.deployments() == {}
    assert emulator.run(**options)["operation"] == "rollback"
    assert (task(emulator), path.exists()) == (was, False)


def test_a_kill_of_the_rollback_does_not_restore_the_change(emulator: Emulator, path: Path) -> None:
    """Test that the file of the rollback has what ran at first, not what was to be undone."""
    started(emulator)
    emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    options = desired(path, threads_per_allocation=32, on_unsatisfied="rollback", wait_timeout=6)
    with emulator.kill(1, what="_start"):
        emulator.run(**options)
    kept = json.loads(path.read_text())
    assert kept["settings"] == kept["before"]
    assert kept["before"]["threads_per_allocation"] == 1


def test_a_start_that_is_not_satisfied_is_rolled_back_to_what_ran_before(emulator: Emulator, path: Path) -> None:
    started(emulator)
    hide_nodes(emulator)
    was = task(emulator)
    options = desired(path, threads_per_allocation=32, on_unsatisfied="rollback", wait_timeout=6)
    killed(emulator, **options)
    emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    result = emulator.run(**options)
    assert (result["failure"], result["operation"]) == ({"code": "not_ready_in_time"}, "rollback")
    assert result["waited"]["reached"] is False
    assert (task(emulator), written(emulator), path.exists()) == (was, ["_start", "_stop", "_start"], False)


def test_what_another_has_started_after_the_refusal_is_left_alone(emulator: Emulator, path: Path) -> None:
    started(emulator)
    hide_nodes(emulator)
    options = killed(emulator, **desired(path, threads_per_allocation=32))
    send = emulator.request
    refused: list[str] = []

    def late(method: str, target: str, *rest: t.Any) -> t.Any:
        """Act after the read that follows the refusal, and before the one that precedes the rollback."""
        if "_stats" in target and refused and refused.pop() == "looked":
            started(emulator, queue_capacity=5)
        elif "_stats" in target and "refused" in reported:
            reported.remove("refused")
            refused.append("looked")
        done = send(method, target, *rest)
        reported.extend(["refused"] if done[0] == 429 else [])
        return done

    reported: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator, "request", late)
        result = emulator.run(**options)
    assert "It was not rolled back: it was stopped and started again meanwhile" in result["msg"]
    assert task(emulator)["queue_capacity"] == 5
    assert written(emulator) == []


def test_an_endpoint_finds_its_deployment_as_it_was(emulator: Emulator, tmp_path: Path) -> None:
    """Test an owned deployment: its endpoint, of the same id, names other settings than those that ran."""
    path = tmp_path / "ep.json"
    body = {**ENDPOINT, "service_settings": {**ENDPOINT["service_settings"], "num_allocations": 1}}
    emulator.send({"method": "PUT", "path": "/_inference/sparse_embedding/ep", "query": {}, "body": body})
    emulator.settle()
    restarted: Json = {"deployment_id": "ep", "on_referenced": "force", "replace": "stop_start"}
    assert emulator.run(**restarted, threads_per_allocation=2)["changed"]
    was = task(emulator, "ep")
    options = killed(emulator, **restarted, recovery_file=str(path), queue_capacity=9)
    emulator.fault("start", answer(429))
    assert emulator.run(**options)["operation"] == "rollback"
    assert task(emulator, "ep") == was
    again = killed(emulator, **options)
    assert not emulator.run(**again).get("failed")
    assert task(emulator, "ep") == {**was, "queue_capacity": 9}
    assert not path.exists()


def fleet(tmp_path: Path, **options: t.Any) -> list[Json]:
    names = ("d", "e")
    return [desired(tmp_path / name, **options, deployment_id=name) for name in names]


def test_each_of_a_list_gets_back_what_ran(tmp_path: Path) -> None:
    """Test that a list is not refused as a whole if both fit as they were, but not as desired."""
    with Emulator("9.5.3", ("n1=6,64gb", "n2=6,64gb")) as emulator:
        for name in ("d", "e"):
            started(emulator, name, number_of_allocations=1)
        was = {name: task(emulator, name) for name in ("d", "e")}
        items = fleet(tmp_path, threads_per_allocation=4)
        with emulator.kill(what="_start"):
            emulator.run_many(items)
        assert emulator.deployments() == {}
        emulator.effect("remove_node", node_id="id-n2")
        result = emulator.run_many(items)
        operations = {each["operation"]: each["deployment_id"] for each in result["deployments"]}
        assert (result["failed"], sorted(operations)) == (True, ["rollback", "start"])
        back, new = operations["rollback"], operations["start"]
        assert task(emulator, back) == was[back]
        assert task(emulator, new) == {**was[new], "threads_per_allocation": 4}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", [1, 2])
def test_a_list_counts_from_the_number_in_the_file(emulator: Emulator, tmp_path: Path, step: int) -> None:
    """Test that it counts as each item does, and as the run did that was killed."""
    started(emulator, number_of_allocations=4)
    item = {**desired(tmp_path / "d"), "queue_capacity": 5}
    with emulator.kill(what="_start"):
        emulator.run_many([item], guard={"max_total_step": 0})
    assert emulator.deployments() == {}
    named = {**item, "number_of_allocations": 6}
    for mode in (True, False):
        result = emulator.run_many([named], mode, guard={"max_total_step": step})
        assert bool(result.get("failed")) == (step < 2)
    if step < 2:
        assert "('d' from 4 to 6)" in result["msg"]
        assert not emulator.run_many([item], guard={"max_total_step": 0}).get("failed")
    assert task(emulator)["number_of_allocations"] == (4 if step < 2 else 6)


# --- the end of a file ---


@pytest.mark.parametrize("there", [True, False])
def test_a_complete_stop_does_away_with_what_was_to_be_started(emulator: Emulator, path: Path, there: bool) -> None:
    started(emulator)
    killed(emulator, **desired(path, queue_capacity=5))
    if there:
        started(emulator)
    content = path.read_bytes()
    stop: Json = {"deployment_id": "d", "state": "stopped", "recovery_file": str(path)}
    emulator.run(True, **stop)
    assert path.read_bytes() == content
    result = emulator.run(**stop)
    assert (result["changed"], result["warnings"], path.exists()) == (there, [], False)
    emulator.run(deployment_id="d", model_id="m", recovery_file=str(path))
    assert task(emulator)["queue_capacity"] == 10000


@pytest.mark.parametrize("waiting", [{"wait": False}, {"wait_timeout": 4}])
def test_a_stop_that_is_not_complete_leaves_it(emulator: Emulator, path: Path, waiting: Json) -> None:
    started(emulator)
    killed(emulator, **desired(path, queue_capacity=5))
    started(emulator)
    emulator.effect("hold", deployment_id="d")
    result = emulator.run(deployment_id="d", state="stopped", recovery_file=str(path), **waiting)
    assert result["deployment"]["assignment_state"] == "stopping"
    assert (bool(result.get("failed")), path.exists()) == ("wait_timeout" in waiting, True)


def test_a_stop_whose_rollback_fails_leaves_it(emulator: Emulator, path: Path) -> None:
    started(emulator)
    killed(emulator, **desired(path, queue_capacity=5))
    started(emulator)
    emulator.effect("hold", deployment_id="d")
    emulator.fault("stats", {"type": "effect", "effect": {"do": "release", "deployment_id": "d"}}, after=14)
    emulator.fault("start", answer(400))
    stop: Json = {"state": "stopped", "on_unsatisfied": "rollback", "wait_timeout": 6}
    content = path.read_bytes()
    result = emulator.run(deployment_id="d", recovery_file=str(path), **stop)
    assert "Rolling it back failed, too" in result["msg"]
    assert (emulator.deployments(), path.read_bytes()) == ({}, content)


def test_a_run_that_writes_nothing_leaves_what_another_has_just_written(emulator: Emulator, path: Path) -> None:
    """Test another run, killed between its stop and its start, right after the first has read the deployment."""
    started(emulator)
    send = emulator.request
    done: list[str] = []

    def late(method: str, target: str, *rest: t.Any) -> t.Any:
        seen = send(method, target, *rest)
        if "_stats" in target and not done:
            done.append(target)
            killed(emulator, **desired(path, queue_capacity=5))
        return seen

    emulator.request = late  # type: ignore[method-assign,assignment]
    result = emulator.run(deployment_id="d", recovery_file=str(path))
    assert (result["changed"], emulator.deployments(), path.exists()) == (False, {}, True)
    assert "Run the task again to start it." in result["warnings"][-1]
    assert not emulator.run(deployment_id="d", recovery_file=str(path)).get("failed")
    assert task(emulator)["queue_capacity"] == 5


def test_a_run_that_writes_nothing_leaves_what_it_has_not_read(emulator: Emulator, path: Path) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="d")
    ticks: list[int] = []

    def passing() -> None:
        emulator._inner.tick()
        if not ticks:
            ticks.append(1)
            path.write_text("another's")

    emulator.clock._tick = passing
    result = emulator.run(deployment_id="d", recovery_file=str(path))
    assert (result.get("failed"), result["waited"]["reached"], path.read_text()) == (None, True, "another's")


def test_a_killed_run_that_had_stopped_nothing_leaves_nothing(emulator: Emulator, path: Path) -> None:
    """Test that the old deployment still runs, and that a later task no longer desires the replacement."""
    started(emulator)
    with emulator.kill(what="_stop"):
        emulator.run(**desired(path, queue_capacity=5))
    assert path.exists()
    result = emulator.run(deployment_id="d", recovery_file=str(path))
    assert (result["changed"], result["warnings"], path.exists()) == (False, [], False)


def test_whether_it_still_runs_may_be_unknown(emulator: Emulator, path: Path) -> None:
    started(emulator)
    with emulator.kill(what="_stop"):
        emulator.run(**desired(path, queue_capacity=5))
    looks = emulator.request
    down = answer(503)["body"]

    def last_look_fails(method: str, target: str, *rest: t.Any) -> t.Any:
        looked.append(target)
        if sum("_stats" in each for each in looked) > 1:
            return 503, [("content-type", "application/json")], json.dumps(down).encode()
        return looks(method, target, *rest)

    looked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator, "request", last_look_fails)
        result = emulator.run(deployment_id="d", recovery_file=str(path))
    assert (result["changed"], path.exists()) == (False, True)


def test_what_another_started_in_between_is_reported_and_ends_it(emulator: Emulator, path: Path) -> None:
    started(emulator)
    another = {"do": "start_deployment", "model_id": "m", "deployment_id": "d", "queue_capacity": 5}
    emulator.fault("start", {"type": "effect", "effect": another})
    result = emulator.run(**desired(path, threads_per_allocation=2))
    assert result["failed"]
    assert "is not used: the deployment was started (at " in result["warnings"][-1]
    assert (task(emulator)["queue_capacity"], path.exists()) == (5, False)

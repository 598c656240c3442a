# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test writes without an answer and polls that fail around them: no change is concealed, no wait ends too early."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from support.emulated_cluster import Answer, Emulator
from support.scenario_helpers import Forward, between, owned, started, verbs

Json = dict[str, t.Any]
UNKNOWN = "Whether the request took effect is not known"
STOP_UNKNOWN = "Whether the stop of deployment 'd' took effect is not known"
PRODUCT = [("content-type", "application/json"), ("X-elastic-product", "Elasticsearch")]
GATEWAY: Answer = (504, [("content-type", "text/html"), ("server", "nginx")], b"<html>504</html>")


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3", ("n1=32,64gb",), (("m", 1 << 20),)) as emulator:
        yield emulator


def refused(status: int, kind: str) -> Answer:
    return status, PRODUCT, json.dumps({"error": {"type": kind, "reason": "planted"}, "status": status}).encode()


NO_MASTER = refused(503, "master_not_discovered_exception")
NO_ROOM = refused(429, "status_exception")


def remove(emulator: Emulator) -> None:
    for name in emulator.deployments():
        emulator.effect("remove_deployment", deployment_id=name)


REPLACED: Json = {"deployment_id": "d", "queue_capacity": 77, "replace": "stop_start"}


# --- a stop with an unknown outcome ---


def test_a_stop_counts_as_a_change_when_no_poll_shows_its_outcome(emulator: Emulator, tmp_path: Path) -> None:
    """Test a lost stop: the next poll shows that it still runs; then the stop comes through, and no poll succeeds."""
    started(emulator, d=3)
    file, looks = tmp_path / "d.json", list[str]()

    def act(path: str, forward: Forward) -> Answer:
        if path.endswith("_stop"):
            looks.append("stop")
            return GATEWAY
        if looks and path.endswith("_stats"):
            looks.append("look")
        if len(looks) > 2:
            remove(emulator)
            return NO_MASTER
        return forward()

    between(emulator, act)
    result = emulator.run(**REPLACED, recovery_file=str(file))
    assert STOP_UNKNOWN in result["msg"]
    assert (result["changed"], result["operation"], verbs(result)) == (True, "replace", ["_stop"])
    assert file.exists()


@pytest.mark.parametrize("state", ["restarted", "stopped"])
def test_a_stopped_deployment_is_not_shown_as_running_when_no_poll_succeeds(emulator: Emulator, state: str) -> None:
    started(emulator, d=3)
    stops = list[str]()

    def act(path: str, forward: Forward) -> Answer:
        answer = NO_MASTER if stops and path.endswith("_stats") else forward()
        stops.extend([path] if path.endswith("_stop") else ())
        return answer

    between(emulator, act)
    result = emulator.run(deployment_id="d", state=state)
    assert (result["failed"], result["changed"], verbs(result)) == (True, True, ["_stop"])
    assert ("was stopped; the task could not check that it is gone" in result["msg"]) == (state == "stopped")
    shown = result["deployment"], result["routing_table"], result["after"]["state"]
    assert shown == (None, {}, "stopped")
    assert result["allocations"]["running"] == 0


def test_a_restart_is_finished_after_polls_that_fail_longer_than_it_waits(emulator: Emulator) -> None:
    started(emulator, d=3)
    stopped = list[float]()

    def act(path: str, forward: Forward) -> Answer:
        if stopped and path.endswith("_stats") and emulator.clock.monotonic() - stopped[0] < 11:
            return NO_MASTER
        answer = forward()
        stopped.extend([emulator.clock.monotonic()] if path.endswith("_stop") else ())
        return answer

    between(emulator, act)
    result = emulator.run(deployment_id="d", state="restarted", wait_timeout=10)
    assert result["failure"] == {"code": "cluster_unavailable"}
    assert (verbs(result), result["operation"]) == (["_stop", "_start"], "rollback")
    assert emulator.deployments()["d"]["task_parameters"]["number_of_allocations"] == 3


@pytest.mark.parametrize("wait_timeout", [0, 30])
def test_the_file_stays_while_a_lost_stop_may_still_come(emulator: Emulator, tmp_path: Path, wait_timeout: int) -> None:
    started(emulator, d=3)
    file = tmp_path / "d.json"
    between(emulator, lambda path, forward: GATEWAY if path.endswith("_stop") else forward())
    result = emulator.run(**REPLACED, recovery_file=str(file), wait_timeout=wait_timeout)
    assert (result["failed"], result["changed"], file.exists()) == (True, False, True)
    assert "The settings of deployment 'd' are in its recovery file." in result["warnings"][0]
    assert result["details"] == [f"The recovery file of deployment 'd' is '{file}'."]


def test_the_file_stays_while_a_lost_stop_of_the_rollback_may_still_come(emulator: Emulator, tmp_path: Path) -> None:
    emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    started(emulator, d=3)
    file, stops, looks = tmp_path / "d.json", list[str](), list[str]()

    def act(path: str, forward: Forward) -> Answer:
        if path.endswith("_stop"):
            stops.append(path)
            if len(stops) > 1:
                return GATEWAY
        if len(stops) > 1 and path.endswith("_stats"):
            looks.append(path)
        if len(looks) > 1:
            remove(emulator)
            return NO_MASTER
        return forward()

    between(emulator, act)
    change: Json = {"deployment_id": "d", "threads_per_allocation": 32, "replace": "stop_start"}
    result = emulator.run(**change, on_unsatisfied="rollback", recovery_file=str(file), wait_timeout=10)
    assert f"Rolling it back failed, too: {STOP_UNKNOWN}" in result["msg"]
    assert file.exists()


def test_a_stop_whose_place_another_has_taken_is_not_denied(emulator: Emulator, tmp_path: Path) -> None:
    started(emulator, d=3)
    file, stopped = tmp_path / "d.json", list[str]()

    def act(path: str, forward: Forward) -> Answer:
        answer = forward()
        if not path.endswith("_stop") or stopped:
            return answer
        stopped.append(path)
        remove(emulator)
        emulator.effect("pass_time", seconds=1)
        emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
        return GATEWAY

    between(emulator, act)
    result = emulator.run(**REPLACED, recovery_file=str(file))
    assert result["failure"] == {"code": "conflict"}
    assert result["msg"].endswith(f"{UNKNOWN}.")
    assert (result["changed"], verbs(result), file.exists()) == (True, ["_stop"], False)
    assert "The recovery file of deployment 'd' is not used" in result["warnings"][0]


# --- other writes ---


def test_an_update_is_not_denied_when_another_client_stops_right_after(emulator: Emulator) -> None:
    started(emulator, d=3)

    def act(path: str, forward: Forward) -> Answer:
        answer = forward()
        if path.endswith("_update"):
            remove(emulator)
            return GATEWAY
        return answer

    between(emulator, act)
    result = emulator.run(deployment_id="d", number_of_allocations=4)
    assert f"Deployment 'd' is not as planned: it is gone now. {UNKNOWN}." in result["msg"]
    assert (result["changed"], verbs(result)) == (True, ["_update"])


def test_a_start_that_another_client_stops_is_not_said_to_be_another(emulator: Emulator) -> None:
    started(emulator, d=3)
    lost: list[str] = []

    def act(path: str, forward: Forward) -> Answer:
        answer = forward()
        if path.endswith("_start") and not lost:
            lost.append(path)
            emulator.effect("stop_deployment", deployment_id="d")
            emulator.effect("hold", deployment_id="d")
            return GATEWAY
        return answer

    between(emulator, act)
    result = emulator.run(**REPLACED)
    assert "it was stopped by another client meanwhile" in result["msg"]
    assert verbs(result) == ["_stop", "_start"]


def test_a_start_that_timed_out_on_the_server_is_not_denied(emulator: Emulator) -> None:
    def act(path: str, forward: Forward) -> Answer:
        answer = forward()
        if path.endswith("_start"):
            emulator.effect("stop_deployment", deployment_id="d")
            emulator.effect("hold", deployment_id="d")
        return refused(408, "status_exception") if path.endswith("_start") else answer

    between(emulator, act)
    result = emulator.run(deployment_id="d", model_id="m")
    assert result["failure"] == {"code": "conflict"}
    assert (result["changed"], verbs(result)) == (True, ["_start"])


def test_a_start_that_is_done_ends_the_file_whatever_others_do_after_it(emulator: Emulator, tmp_path: Path) -> None:
    started(emulator, d=3)
    file, done = tmp_path / "d.json", list[str]()

    def act(path: str, forward: Forward) -> Answer:
        answer = forward()
        if path.endswith("_start") and not done:
            done.append(path)
            remove(emulator)
        return answer

    between(emulator, act)
    assert "it was stopped while waiting" in emulator.run(**REPLACED, recovery_file=str(file))["msg"]
    assert not file.exists()


# --- polls with transient errors ---


@pytest.mark.parametrize("looks", [3, 9])
def test_the_poll_after_an_update_of_an_endpoint_is_repeated(emulator: Emulator, looks: int) -> None:
    owned(emulator)
    left: list[int] = []

    def act(path: str, forward: Forward) -> Answer:
        if path.endswith("_update"):
            left.extend(range(looks))
        if path.endswith("_stats") and left:
            left.pop()
            return NO_MASTER
        return forward()

    between(emulator, act)
    result = emulator.run(deployment_id="ep", number_of_allocations=3, on_endpoint_owned="update_endpoint")
    assert (result.get("msg"), result["after"]["number_of_allocations"]) == (None, 3)


def test_the_last_state_is_reported_when_the_time_ends_before_a_poll(emulator: Emulator) -> None:
    owned(emulator)
    sent: list[str] = []

    def act(path: str, forward: Forward) -> Answer:
        sent.extend([path] if path.endswith("_update") else [])
        return NO_MASTER if sent and path.endswith("_stats") else forward()

    between(emulator, act)
    result = emulator.run(deployment_id="ep", number_of_allocations=3, on_endpoint_owned="update_endpoint")
    assert (result["failed"], result["changed"], result["after"]["state"]) == (True, True, "started")


def test_a_rollback_outlives_a_reelection(emulator: Emulator) -> None:
    started(emulator, d=3)
    left: list[int] = []

    def act(path: str, forward: Forward) -> Answer:
        if path.endswith("_start") and not emulator.deployments() and not left:
            left.extend(range(7))
            return NO_ROOM
        if path.endswith("_stats") and len(left) > 1:
            left.pop()
            return NO_MASTER if len(left) < 6 else forward()
        return forward()

    between(emulator, act)
    result = emulator.run(**REPLACED, wait_timeout=300)
    assert (result["failure"], result["operation"]) == ({"code": "no_capacity"}, "rollback")
    assert emulator.deployments()["d"]["task_parameters"]["number_of_allocations"] == 3


def test_a_read_before_a_write_is_repeated(emulator: Emulator) -> None:
    started(emulator, d=3)
    emulator.fault("stats", {"type": "no_master"}, after=1, times=5)
    result = emulator.run(**REPLACED)
    assert (result.get("msg"), verbs(result)) == (None, ["_stop", "_start"])


def test_what_was_observed_counts_although_the_last_poll_fails(emulator: Emulator) -> None:
    emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    started(emulator, d=3)
    between(
        emulator,
        lambda path, forward: NO_MASTER if path.endswith("_stats") and emulator.clock.monotonic() >= 9 else forward(),
    )
    change: Json = {"deployment_id": "d", "number_of_allocations": 40, "wait_timeout": 10}
    kept = emulator.run(**change, on_unsatisfied="keep")
    assert (kept.get("msg"), kept["changed"]) == (None, True)
    assert "32 of 40 allocations run" in kept["warnings"][1]
    assert "and the last poll failed: Cannot read deployment 'd'" in kept["details"][0]


def test_a_read_before_a_stop_that_fails_for_good_ends_it(emulator: Emulator) -> None:
    started(emulator, d=3)
    looks: list[str] = []

    def act(path: str, forward: Forward) -> Answer:
        looks.extend([path] if path.endswith("_stats") else [])
        return refused(403, "security_exception") if len(looks) > 1 else forward()

    between(emulator, act)
    result = emulator.run(deployment_id="d", state="stopped")
    assert (result["error"]["status"], result["changed"], emulator.journal()) == (403, False, [])

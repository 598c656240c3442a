# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the look before the first write at what is certain to refuse a start; ``tests/laws`` tries it everywhere."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from support.emulated_cluster import Emulator
from support.scenario_helpers import launched, task, verbs, written

Json = dict[str, t.Any]
REPLACE: Json = {"deployment_id": "d", "queue_capacity": 5, "replace": "stop_start"}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        yield made


def turn_on(emulator: Emulator, value: bool | None = True) -> None:
    emulator.effect("set_setting", name="upgrade_mode", value=value)


def turned_on_after(emulator: Emulator, operation: str) -> None:
    effect = {"do": "set_setting", "name": "upgrade_mode", "value": True}
    emulator.fault(operation, {"type": "effect", "effect": effect}, when="after")


def refusing(status: int) -> Json:
    return {"type": "answer", "status": status, "body": {"error": {"type": "t", "reason": "planted"}, "status": status}}


def test_what_was_looked_at_stands_in_the_result(emulator: Emulator) -> None:
    launched(emulator)
    assert emulator.run(check_mode=True, **REPLACE)["start_checks"] == dict.fromkeys(
        ("versions", "licence", "upgrade_mode", "capacity"), "ok"
    )
    assert set(emulator.run(deployment_id="d")["start_checks"].values()) == {None}


def test_the_master_is_read_only_if_the_nodes_differ(emulator: Emulator) -> None:
    emulator.run(check_mode=True, model_id="m")
    emulator.effect("set_setting", name="mixed_versions", value="patch")
    assert emulator.run(check_mode=True, model_id="m")["start_checks"]["versions"] == "ok"
    paths = [request["path"] for request in emulator.control("GET", "/requests")]
    assert [paths.count("/_nodes"), paths.count("/_nodes/_master")] == [2, 1]


def test_serverless_asks_for_none_of_it() -> None:
    with Emulator("9.5.3", flavor="serverless") as emulator:
        assert set(emulator.run(model_id="m")["start_checks"].values()) == {None}


HIDDEN = {
    "/_nodes": ("versions",),
    "/_xpack": ("licence",),
    "/_ml/info": ("upgrade_mode",),
    "/_cluster/settings": ("capacity",),
}


@pytest.mark.parametrize("status", [403, 404, 405, 410])
def test_paths_that_a_proxy_hides(emulator: Emulator, status: int) -> None:
    """A proxy answers with a page of its own, also with the status of a missing privilege."""
    launched(emulator)
    page = {"type": "answer", "status": status, "body": "<h1>No</h1>", "product": False}
    for path in HIDDEN:
        emulator.fault("any", page, path=path, times=-1)
    result = emulator.run(**REPLACE)
    assert (result["operation"], result.get("failed", False)) == ("replace", False), result.get("msg")
    assert result["start_checks"] == {name: "not_read" for names in HIDDEN.values() for name in names}


@pytest.mark.parametrize("path", HIDDEN)
def test_a_licence_that_refuses_a_read_is_no_proxy(emulator: Emulator, path: str) -> None:
    reason = "current license is non-compliant for [ml]"
    body = {"error": {"type": "security_exception", "reason": reason}, "status": 403}
    emulator.fault("any", {"type": "answer", "status": 403, "body": body}, path=path, times=-1)
    assert emulator.run(check_mode=True, model_id="m")["failure"] == {"code": "missing_licence"}


@pytest.mark.parametrize(("operation", "name"), [("license", "licence"), ("cluster_state", "capacity")])
def test_a_read_that_a_proxy_hides(emulator: Emulator, operation: str, name: str) -> None:
    launched(emulator)
    emulator.fault(operation, refusing(404), times=-1)
    result = emulator.run(check_mode=True, **REPLACE)
    assert result["start_checks"][name] == "not_read"
    assert "is not certain" in result["warnings"][-1]


def test_a_read_that_fails_ends_the_task_before_a_stop(emulator: Emulator) -> None:
    launched(emulator)
    emulator.fault("license", refusing(500), times=-1)
    assert "Cannot read the licence" in emulator.run(**REPLACE)["msg"]
    assert emulator.journal() == []


def test_one_start_is_refused_beside_a_hundred_deployments(emulator: Emulator) -> None:
    for number in range(100):
        launched(emulator, f"d{number}", priority="low")
    result = emulator.run(check_mode=True, model_id="m")
    assert result["failure"] == {"code": "too_many_deployments"}
    assert result["msg"].endswith("Stop some first.")


@pytest.mark.parametrize("file", [True, False])
def test_upgrade_mode_that_begins_after_the_look(emulator: Emulator, tmp_path: Path, file: bool) -> None:
    was = launched(emulator, number_of_allocations=2, queue_capacity=77)
    path = tmp_path / "d.json"
    options = {**REPLACE, **({"recovery_file": str(path)} if file else {})}
    turned_on_after(emulator, "stop")
    result = emulator.run(**options)
    assert (result["failure"], written(emulator)) == ({"code": "rollback_failed"}, ["_stop", "_start"])
    assert result["error"]["kind"] == "upgrade_mode"
    if not file:
        assert (
            "It ran with model_id: m, threads_per_allocation: 1, priority: normal, queue_capacity: 77" in result["msg"]
        )
        assert "When the upgrade mode of machine learning is off, start it with these settings. With" in result["msg"]
        return
    assert result["msg"].endswith(
        "The deployment does not run. When the upgrade mode of machine learning is off, the next run of the task "
        f"starts it with its settings from recovery_file {path}."
    )
    assert result["msg"].count("Run the task again") == 1
    turn_on(emulator, None)
    assert emulator.run(**options)["operation"] == "start"
    assert task(emulator) == {**was, "queue_capacity": 5}


def test_a_refusal_that_is_none_of_these(emulator: Emulator) -> None:
    launched(emulator)
    emulator.fault("start", refusing(400), times=-1)
    result = emulator.run(deployment_id="d", state="restarted")
    assert "When what refuses the start is gone, start it with these settings" in result["msg"]


def test_a_stuck_deployment_stays(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="d")
    emulator.effect("hold", deployment_id="d")
    emulator.forget()
    turn_on(emulator)
    planned, real = (
        emulator.run(check, deployment_id="d", on_failed="recover", wait_timeout=6) for check in (True, False)
    )
    assert planned["warnings"][-1].endswith("although on_failed is recover. The result says why in details.")
    assert "Deployment 'd' cannot be started now" in planned["details"][-1]
    assert "It cannot be recovered: Deployment 'd' cannot be started now" in real["msg"]
    assert emulator.journal() == []


def test_a_rollback_stops_nothing_that_could_not_start_again(emulator: Emulator) -> None:
    launched(emulator)
    emulator.fault("start", {"type": "effect", "effect": {"do": "hold", "deployment_id": "d"}}, when="after")
    turned_on_after(emulator, "start")
    result = emulator.run(**REPLACE, on_unsatisfied="rollback", wait_timeout=6)
    assert "It was not rolled back: Deployment 'd' cannot be started now" in result["msg"]
    assert verbs(result) == ["_stop", "_start"]
    assert "does not run" not in result["msg"]
    assert result["msg"].endswith("Run the task again when the upgrade mode of machine learning is off.")
    assert set(result["start_checks"].values()) == {"ok"}  # as they were before the first write


def test_only_the_starts_of_a_list_are_refused(emulator: Emulator) -> None:
    launched(emulator, "d")
    turn_on(emulator)
    result = emulator.run_many([{"deployment_id": "d", "number_of_allocations": 2}, {"model_id": "m"}])
    assert [item["failure"] for item in result["deployments"]] == [None, {"code": "upgrade_mode"}]
    assert written(emulator) == ["_update"]


OBSTACLES: dict[str, tuple[str, Json, str]] = {
    "upgrade_mode": ("set_setting", {"name": "upgrade_mode", "value": True}, "upgrade_mode"),
    "licence": ("set_setting", {"name": "license", "value": "basic"}, "missing_licence"),
    "versions": ("set_setting", {"name": "mixed_versions", "value": True}, "mixed_versions"),
}


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("name", OBSTACLES)
def test_what_is_not_listed_runs_on_while_nothing_can_be_started(
    emulator: Emulator, name: str, check_mode: bool
) -> None:
    effect, arguments, code = OBSTACLES[name]
    launched(emulator, "old")
    emulator.effect(effect, **arguments)
    unlisted: Json = {"stop_unlisted": True, "unlisted_except": []}
    result = emulator.run_many([{"model_id": "m"}], check_mode, **unlisted)
    assert [item["failure"] for item in result["deployments"]] == [{"code": code}] * 2
    assert result["deployments"][1]["msg"].startswith(
        "Deployment 'old' is not in the list. It is not stopped now, because nothing can be started in its place: the "
    )
    assert (result["changed"], result["api_calls"], written(emulator)) == (False, [], [])
    counts = result["summary"]
    assert (counts["failed"], counts["unchanged"]) == (2, 0)
    assert verbs(emulator.run_many([], check_mode, **unlisted)) == ["_stop"]


def test_what_is_listed_is_stopped_while_nothing_can_be_started(emulator: Emulator) -> None:
    launched(emulator, "old")
    turn_on(emulator)
    result = emulator.run_many([{"model_id": "m"}, {"deployment_id": "old", "state": "stopped"}])
    assert [item["failure"] for item in result["deployments"]] == [{"code": "upgrade_mode"}, None]
    assert written(emulator) == ["_stop"]


def test_older_texts_of_a_refusal() -> None:
    with Emulator("8.9.2") as emulator:
        emulator.effect("set_setting", name="mixed_versions", value=True)
        emulator.allow("manage_ml")
        result = emulator.run(model_id="m")
        assert (result["error"]["kind"], result["failure"]) == ("versions", {"code": "mixed_versions"})


@pytest.mark.parametrize("fault", [{"type": "service_unavailable"}, {"type": "hang"}, "wrong verdict"])
def test_a_rollback_of_what_is_stopped_needs_no_look(emulator: Emulator, fault: Json | str) -> None:
    was = launched(emulator, number_of_allocations=2)
    emulator.fault("start", refusing(400))
    if isinstance(fault, dict):
        emulator.fault("license", fault, times=-1, after=1)
    else:
        expired = {"features": {"ml": {"available": False}}}
        emulator.fault("license", {"type": "answer", "status": 200, "body": expired}, times=-1, after=1)
    result = emulator.run(**REPLACE, request_retries=0)
    assert "It was rolled back to its previous state." in result["msg"]
    assert written(emulator) == ["_stop", "_start", "_start"]
    assert task(emulator) == was


@pytest.mark.parametrize(
    ("setting", "value"), [("upgrade_mode", True), ("license", "expired"), ("mixed_versions", True)]
)
def test_what_refuses_every_start_is_asked_once(emulator: Emulator, setting: str, value: t.Any) -> None:
    launched(emulator)
    effect = {"do": "set_setting", "name": setting, "value": value}
    emulator.fault("stop", {"type": "effect", "effect": effect}, when="after")
    result = emulator.run(**REPLACE)
    assert written(emulator) == ["_stop", "_start"]
    assert "It was not rolled back: it is stopped, and Elasticsearch refuses every start now." in result["msg"]
    assert result["start_checks"] == dict.fromkeys(result["start_checks"], "ok")


@pytest.mark.parametrize(("version", "expected"), [("9.5.3", "not_read"), ("8.3.3", None)])
def test_no_room_is_judged_without_the_cluster_state(version: str, expected: str | None) -> None:
    with Emulator(version) as emulator:
        emulator.fault("cluster_state", {"type": "answer", "status": 404, "body": None, "product": False}, times=-1)
        assert emulator.run(check_mode=True, model_id="m")["start_checks"]["capacity"] == expected


@pytest.mark.parametrize("on_violation", ["skip", "fail"])
def test_nothing_is_looked_at_for_a_start_that_the_guard_forbids(emulator: Emulator, on_violation: str) -> None:
    turn_on(emulator)
    items = [{"model_id": "m", "number_of_allocations": 2}]
    result = emulator.run_many(items, guard={"max_total_step": 1, "on_violation": on_violation})
    [item] = result["deployments"]
    assert set(item["start_checks"].values()) == {None}
    assert bool(item["skipped_because"]) == (on_violation == "skip")
    assert bool(result.get("failed")) == (on_violation == "fail")
    assert not [request for request in emulator.control("GET", "/requests") if request["path"] == "/_xpack"]


def test_a_dry_run_goes_on_without_the_size_of_the_model(emulator: Emulator) -> None:
    emulator.fault("any", refusing(500), path="/_ml/trained_models/m/_stats", times=-1)
    result = emulator.run(check_mode=True, model_id="m", deployment_id="d")
    assert (result["operation"], result.get("failed", False)) == ("start", False), result.get("msg")
    assert result["deployment"]["cache_size"] is None

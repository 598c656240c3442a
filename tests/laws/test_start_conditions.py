# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that what is certain to refuse a start is found before the first write: nothing stops, in either mode."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from support.emulated_cluster import Emulator
from support.random_search import has_turn

Json = dict[str, t.Any]
VERSIONS = ("8.0.1", "8.3.3", "8.5.3", "8.9.2", "8.15.3", "8.16.0", "8.19.21", "9.1.10", "9.5.3")
CONDITIONS: dict[str, tuple[str, t.Any, str]] = {
    "upgrade mode": ("upgrade_mode", True, "upgrade_mode"),
    "expired licence": ("license", "expired", "missing_licence"),
    "basic licence": ("license", "basic", "missing_licence"),
    "older node": ("mixed_versions", True, "mixed_versions"),
    "no room": ("", None, "not_enough_processors"),
}
"""Condition to the setting of the emulator that makes it, and the code of the refusal."""
SINCE = {"older node": (8, 2), "no room": (8, 4)}
ACCESS = {"monitor": ("manage_ml", "monitor", "read_pipeline"), "manage_ml": ("manage_ml", "read_pipeline")}
READABLE_WITHOUT_MONITOR = ("upgrade mode",)
RUNS: Json = {"number_of_allocations": 2, "queue_capacity": 77}


def fails_all(emulator: Emulator, name: str) -> None:
    for node in emulator.deployments()[name]["routing_table"]:
        emulator.effect("fail_route", deployment_id=name, node_id=node, reason="planted")


class Operation(t.NamedTuple):
    """``options``: of the task. ``runs``: whether a deployment runs before. ``prepare``: what happens to it."""

    options: Json
    runs: bool = True
    prepare: t.Callable[[Emulator, str], object] = lambda emulator, name: None
    operation: str = ""


OPERATIONS = {
    "start": Operation({}, runs=False, operation="start"),
    "restart": Operation({"state": "restarted"}, operation="restart"),
    "replace": Operation({"queue_capacity": 78, "replace": "stop_start"}, operation="replace"),
    "replace and roll back": Operation(
        {"queue_capacity": 78, "replace": "stop_start", "on_unsatisfied": "rollback"}, operation="replace"
    ),
    "recover": Operation({"on_failed": "recover"}, prepare=fails_all, operation="recover"),
}


def prepared(version: str, condition: str, access: str, operation: Operation) -> tuple[Emulator, str]:
    nodes = ("n1=4,16gb", "n2=4,16gb")
    emulator = Emulator(version, nodes)
    name = "d" if emulator.has(8, 8) else "m"
    if operation.runs:
        emulator.effect("start_deployment", model_id="m", deployment_id=name, **RUNS)
        emulator.settle()
        operation.prepare(emulator, name)
    emulator.forget()
    emulator.allow(*ACCESS[access], *(["monitor_inference"] if emulator.has(8, 14) else []))
    return emulator, name


def impose(emulator: Emulator, condition: str) -> Json:
    """Make the *condition*, and return the options that meet it."""
    setting, value, _code = CONDITIONS[condition]
    if setting:
        emulator.effect("set_setting", name=setting, value=value)
        return {}
    return {"threads_per_allocation": 16, "replace": "stop_start"}


def cases() -> t.Iterator[tuple[str, str, str, str]]:
    """Yield version, condition, access and operation where Elasticsearch is certain to refuse, and it can be read."""
    for version in VERSIONS:
        release = tuple(map(int, version.split(".")))
        for condition in CONDITIONS:
            for access in ACCESS:
                readable = access == "monitor" or condition in READABLE_WITHOUT_MONITOR
                if readable and release >= SINCE.get(condition, (8, 0)):
                    yield from ((version, condition, access, operation) for operation in OPERATIONS)


CASES = list(cases())
SHAPES = ("one", "list")


def shaped(cases: list[tuple[str, str, str, str]]) -> list[tuple[str, ...]]:
    """Return *cases* with the shape of the task: each with both in a full search, else they take turns."""
    axes = [VERSIONS, list(CONDITIONS), list(ACCESS), list(OPERATIONS), SHAPES]
    return [
        case
        for case in ((*each, shape) for each in cases for shape in SHAPES)
        if has_turn(sum(axis.index(value) for axis, value in zip(axes, case, strict=True)), share=2)
    ]


SAME = ("changed", "operation", "failure", "msg", "before", "deployment", "routing_table", "start_checks", "warnings")


def run(emulator: Emulator, shape: str, check_mode: bool, name: str, options: Json) -> Json:
    """Return the result for the deployment, by one of the two modules."""
    task = {"deployment_id": name, **({"model_id": "m"} if emulator.has(8, 8) else {}), **options}
    if shape == "one":
        return emulator.run(check_mode, **task)
    result = emulator.run_many([task], check_mode)
    item = result["deployments"][0]
    whole = {key: result[key] for key in ("failed", "msg", "failure", "warnings", "changed") if key in result}
    return {**item, **whole, "failure": item["failure"] or result["failure"]}


def there(emulator: Emulator) -> str:
    return json.dumps(emulator.deployments(), sort_keys=True)


@pytest.mark.parametrize(("version", "condition", "access", "kind", "shape"), shaped(CASES))
def test_nothing_is_written_if_the_start_is_certain_to_be_refused(
    version: str, condition: str, access: str, kind: str, shape: str
) -> None:
    operation = OPERATIONS[kind]
    emulator, name = prepared(version, condition, access, operation)
    with emulator:
        options = {**operation.options, **impose(emulator, condition)}
        before = there(emulator)
        planned, real = (run(emulator, shape, check_mode, name, options) for check_mode in (True, False))
        assert {key: planned[key] for key in SAME} == {key: real[key] for key in SAME}
        assert real["failed"]
        assert real["failure"] == {"code": CONDITIONS[condition][2]}
        assert (real["changed"], real["operation"], emulator.journal()) == (False, "none", [])
        assert "refused" in real["start_checks"].values()
        assert there(emulator) == before


@pytest.mark.parametrize(
    ("version", "condition", "access", "kind", "shape"), shaped([case for case in CASES if CONDITIONS[case[1]][0]])
)
def test_the_same_task_works_when_the_condition_is_gone(
    version: str, condition: str, access: str, kind: str, shape: str
) -> None:
    operation = OPERATIONS[kind]
    emulator, name = prepared(version, condition, access, operation)
    with emulator:
        impose(emulator, condition)
        run(emulator, shape, False, name, operation.options)
        emulator.effect("set_setting", name=CONDITIONS[condition][0], value=None)
        result = run(emulator, shape, False, name, operation.options)
        assert (result["operation"], result.get("failed", False)) == (operation.operation, False)
        assert "refused" not in result["start_checks"].values()


@pytest.mark.parametrize("file", [True, False], ids=["with a recovery file", "without"])
@pytest.mark.parametrize("condition", [name for name in CONDITIONS if CONDITIONS[name][0]])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_condition_that_begins_after_the_look_loses_no_settings(
    version: str, condition: str, file: bool, tmp_path: Path
) -> None:
    """The message says what to do and when; with a recovery file the next run starts what ran."""
    emulator, name = prepared(version, condition, "monitor", OPERATIONS["restart"])
    if not emulator.has(*SINCE.get(condition, (8, 0))):
        return
    setting, value, _code = CONDITIONS[condition]
    path = tmp_path / "d.json"
    with emulator:
        effect = {"do": "set_setting", "name": setting, "value": value}
        emulator.fault("stop", {"type": "effect", "effect": effect}, when="after")
        options = {"state": "restarted", **({"recovery_file": str(path)} if file else {})}
        result = run(emulator, "one", False, name, options)
        assert result["failure"] == {"code": "rollback_failed"}
        assert [call["path"].rpartition("/")[2] for call in emulator.journal()] == ["_stop", "_start"]
        assert "The deployment does not run." in result["msg"]
        assert " when " in result["msg"].lower()
        if not file:
            assert "number_of_allocations: 2" in result["msg"]
            assert "queue_capacity: 77" in result["msg"]
            return
        assert f"from recovery_file {path}." in result["msg"]
        refused = run(emulator, "one", False, name, {"recovery_file": str(path)})
        assert (refused["failure"], path.exists()) == ({"code": CONDITIONS[condition][2]}, True)
        emulator.effect("set_setting", name=setting, value=None)
        emulator.forget()
        again = run(emulator, "one", False, name, {"recovery_file": str(path)})
        assert (again["operation"], again.get("failed", False)) == ("start", False)
        task = emulator.deployments()[name]["task_parameters"]
        number = task.get("number_of_allocations", task.get("model_threads"))
        assert (number, task["queue_capacity"], path.exists()) == (2, 77, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_may_not_be_read_is_said_before_a_stop_only(version: str) -> None:
    for kind, operation in OPERATIONS.items():
        emulator, name = prepared(version, "", "manage_ml", operation)
        with emulator:
            planned = run(emulator, "one", True, name, operation.options)
            assert planned["start_checks"]["licence"] == "not_read"
            assert planned["start_checks"]["upgrade_mode"] == "ok"
            said = [text for text in planned["warnings"] if "after the stop is not certain" in text]
            assert bool(said) == (kind != "start")
            assert all("Reading that needs the cluster privilege monitor." in text for text in said)


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_read_if_nothing_is_started(version: str) -> None:
    emulator, name = prepared(version, "", "monitor", OPERATIONS["restart"])
    with emulator:
        for options in ({}, {"state": "stopped"}):
            result = run(emulator, "one", False, name, options)
            assert set(result["start_checks"].values()) == {None}
        paths = {request["path"] for request in emulator.control("GET", "/requests")}
        assert not paths & {"/_nodes", "/_xpack", "/_ml/info", "/_cluster/settings"}


def imposed_later(emulator: Emulator, condition: str, polls: int) -> None:
    """Make the *condition* begin while the task waits."""
    setting, value, _code = CONDITIONS[condition]
    effect = {"do": "set_setting", "name": setting, "value": value}
    emulator.fault("stats", {"type": "effect", "effect": effect}, after=polls)


@pytest.mark.parametrize("condition", [name for name in CONDITIONS if CONDITIONS[name][0]])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_stuck_deployment_is_not_stopped_if_it_cannot_start_again(version: str, condition: str) -> None:
    emulator, name = prepared(version, condition, "monitor", OPERATIONS["start"])
    if not emulator.has(*SINCE.get(condition, (8, 0))):
        return
    with emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id=name, **RUNS)
        emulator.effect("hold", deployment_id=name)
        imposed_later(emulator, condition, 3)
        result = run(emulator, "one", False, name, {"on_failed": "recover", "wait_timeout": 20})
        assert result["failure"] == {"code": "not_recovered"}
        assert f"It cannot be recovered: Deployment '{name}' cannot be started now" in result["msg"]
        assert (emulator.journal(), name in emulator.deployments()) == ([], True)
        planned = run(emulator, "one", True, name, {"on_failed": "recover", "wait_timeout": 20})
        assert any("cannot be started now" in text for text in planned["details"])


@pytest.mark.parametrize("condition", [name for name in CONDITIONS if CONDITIONS[name][0]])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_rollback_stops_nothing_that_it_could_not_replace(version: str, condition: str) -> None:
    emulator, name = prepared(version, condition, "monitor", OPERATIONS["replace"])
    if not emulator.has(*SINCE.get(condition, (8, 0))):
        return
    setting, value, _code = CONDITIONS[condition]
    with emulator:
        emulator.fault("start", {"type": "effect", "effect": {"do": "hold", "deployment_id": name}}, when="after")
        imposed = {"type": "effect", "effect": {"do": "set_setting", "name": setting, "value": value}}
        emulator.fault("start", imposed, when="after")
        options = {**OPERATIONS["replace and roll back"].options, "wait_timeout": 20}
        result = run(emulator, "one", False, name, options)
        assert "It was not rolled back: Deployment" in result["msg"]
        assert [call["path"].rpartition("/")[2] for call in emulator.journal()] == ["_stop", "_start"]
        assert emulator.deployments()[name]["task_parameters"]["queue_capacity"] == 78

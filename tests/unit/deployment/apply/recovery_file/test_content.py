# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the file that outlives a run between its stop and its start."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from support.emulated_cluster import Emulator
from support.scenario_helpers import launched, task, written

Json = dict[str, t.Any]
OWN: Json = {"number_of_allocations": 2, "threads_per_allocation": 2, "queue_capacity": 77, "cache_size": "123kb"}
REPLACE: Json = {"threads_per_allocation": 1, "replace": "stop_start"}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.json"


def started(emulator: Emulator, **options: t.Any) -> None:
    launched(emulator, **{**OWN, **options})


def own(emulator: Emulator) -> Json:
    found = task(emulator)
    return {name: found[name] for name in ("model_id", *OWN)}


def left(emulator: Emulator, path: Path, change: Json | None = None) -> None:
    """Kill a run right before its start, so that it leaves a recovery file."""
    started(emulator)
    with emulator.kill(what="_start"):
        emulator.run(deployment_id="d", recovery_file=str(path), **(change or REPLACE))
    assert (emulator.deployments(), written(emulator)) == ({}, ["_stop"])
    emulator.forget()


@pytest.mark.parametrize("change", [REPLACE, {"state": "restarted", "number_of_allocations": 1}])
def test_a_second_run_starts_with_all_of_it(emulator: Emulator, path: Path, change: Json) -> None:
    left(emulator, path, change)
    options: Json = {"deployment_id": "d", "recovery_file": str(path), **change, "on_missing": "fail"}
    content = path.read_text()
    checked = emulator.run(True, **options)
    assert (path.read_text(), emulator.journal()) == (content, [])
    result = emulator.run(**options)
    assert not result.get("failed"), result["msg"]
    for key in ("changed", "operation", "diff", "after", "api_calls", "warnings"):
        assert checked[key] == result[key]
    assert result["operation"] == "start"
    assert "and ended before it started it again" in result["warnings"][0]
    named = {name: value for name, value in change.items() if name in OWN}
    assert own(emulator) == {"model_id": "m", **OWN, **named}
    assert not path.exists()
    if "state" not in change:
        assert emulator.run(**options)["changed"] is False


def test_a_second_run_may_desire_something_else(emulator: Emulator, path: Path) -> None:
    left(emulator, path)
    emulator.run(deployment_id="d", recovery_file=str(path), model_id="other", number_of_allocations=3)
    assert own(emulator) == {"model_id": "other", **OWN, "threads_per_allocation": 1, "number_of_allocations": 3}


def test_without_the_file_only_what_is_named_comes_back(emulator: Emulator, path: Path) -> None:
    left(emulator, path)
    emulator.run(deployment_id="d", model_id="m", threads_per_allocation=1, replace="stop_start")
    assert own(emulator)["queue_capacity"] == 10000


def test_it_is_used_while_the_stop_is_still_on_its_way(emulator: Emulator, path: Path) -> None:
    started(emulator)
    emulator.effect("hold", deployment_id="d")
    with emulator.kill(sent=True, what="_stop"):
        emulator.run(deployment_id="d", recovery_file=str(path), **REPLACE)
    assert emulator.deployments()["d"]["assignment_state"] == "stopping"
    emulator.effect("release", deployment_id="d")
    emulator.run(deployment_id="d", recovery_file=str(path))
    assert own(emulator) == {"model_id": "m", **OWN, "threads_per_allocation": 1}
    assert not path.exists()


def test_another_deployment_on_its_way_out_is_not_what_it_is_for(emulator: Emulator, path: Path) -> None:
    left(emulator, path)
    emulator.effect("pass_time", seconds=1)
    started(emulator, queue_capacity=5)
    emulator.effect("stop_deployment", deployment_id="d")
    result = emulator.run(deployment_id="d", model_id="m", recovery_file=str(path))
    assert "is not used: the deployment was started (at " in result["warnings"][0]
    assert own(emulator)["queue_capacity"] == 10000
    assert not path.exists()


def test_what_another_client_started_meanwhile_is_what_counts(emulator: Emulator, path: Path) -> None:
    left(emulator, path)
    emulator.effect("pass_time", seconds=1)
    started(emulator, queue_capacity=5, number_of_allocations=3)
    options: Json = {"deployment_id": "d", "recovery_file": str(path)}
    checked, result = emulator.run(True, **options), emulator.run(**options)
    assert checked["warnings"] == result["warnings"]
    assert "threads_per_allocation 1 instead of 2; queue_capacity 77 instead of 5" in result["warnings"][0]
    assert "number_of_allocations 2 instead of 3" in result["warnings"][0]
    assert (result["changed"], path.exists()) == (False, False)


def test_what_was_done_before_the_end_is_done(emulator: Emulator, path: Path) -> None:
    """Test a process that died after the start, before it could remove the file."""
    started(emulator)
    with emulator.kill(sent=True, what="_start"):
        emulator.run(deployment_id="d", recovery_file=str(path), **REPLACE)
    assert path.exists()
    emulator.settle()
    result = emulator.run(deployment_id="d", recovery_file=str(path), **REPLACE)
    assert (result["changed"], result["warnings"], path.exists()) == (False, [], False)


def test_adaptive_allocations_are_restored(emulator: Emulator, path: Path) -> None:
    bounds = {"enabled": True, "min_number_of_allocations": 2, "max_number_of_allocations": 4}
    emulator.effect("start_deployment", model_id="m", deployment_id="d", adaptive_allocations=bounds)
    emulator.settle()
    options: Json = {"deployment_id": "d", "recovery_file": str(path)}
    with emulator.kill(what="_start"):
        emulator.run(state="restarted", **options)
    assert emulator.deployments() == {}
    refused = emulator.run(number_of_allocations=3, **options)
    assert refused["failure"] == {"code": "adaptive_allocations_enabled"}
    assert path.exists()
    assert not emulator.run(**options).get("failed")
    assert emulator.deployments()["d"]["adaptive_allocations"] == bounds
    assert emulator.deployments()["d"]["task_parameters"]["number_of_allocations"] == 2


def test_a_guard_compares_with_what_was_there(emulator: Emulator, path: Path) -> None:
    left(emulator, path)
    guard: Json = {"max_step": 1, "on_violation": "skip"}
    options: Json = {"deployment_id": "d", "recovery_file": str(path), "guard": guard}
    skipped = emulator.run(number_of_allocations=6, **options)
    assert "from 2 to 6" in skipped["skipped_because"]
    assert (emulator.journal(), path.exists()) == ([], True)
    assert not emulator.run(number_of_allocations=3, **options).get("failed")
    assert own(emulator)["number_of_allocations"] == 3


def test_a_stop_leaves_it_alone(emulator: Emulator, path: Path) -> None:
    path.write_text("broken")
    started(emulator)
    assert not emulator.run(deployment_id="d", state="stopped", recovery_file=str(path)).get("failed")
    assert path.read_text() == "broken"


def test_nothing_is_kept_of_what_needs_no_stop(emulator: Emulator, path: Path) -> None:
    missing = str(path.parent / "missing" / "d.json")
    options: Json = {"deployment_id": "d", "model_id": "m", "recovery_file": missing}
    for number in (1, 2):
        assert not emulator.run(number_of_allocations=number, **options).get("failed")


def test_what_a_failed_replacement_leaves_is_reported(emulator: Emulator, path: Path) -> None:
    started(emulator)
    refusal = {"type": "answer", "status": 400, "body": {"error": {"type": "t", "reason": "planted"}}}
    emulator.fault("start", refusal, times=-1)
    result = emulator.run(deployment_id="d", recovery_file=str(path), **REPLACE)
    assert "The settings of deployment 'd' are in its recovery file." in result["warnings"][0]
    assert result["details"] == [f"The recovery file of deployment 'd' is '{path}'."]
    emulator.control("DELETE", "/faults")
    assert not emulator.run(deployment_id="d", recovery_file=str(path), **REPLACE).get("failed")
    assert not path.exists()


def test_a_rollback_keeps_the_settings_that_it_restores(emulator: Emulator, path: Path) -> None:
    started(emulator)
    was = own(emulator)
    emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    change: Json = {"threads_per_allocation": 32, "replace": "stop_start", "on_unsatisfied": "rollback"}
    options: Json = {"deployment_id": "d", "recovery_file": str(path), "wait_timeout": 6}
    with emulator.kill(1, what="_stop"):
        emulator.run(**options, **change)
    assert json.loads(path.read_text())["settings"]["threads_per_allocation"] == 2
    result = emulator.run(**options, **change, number_of_allocations=2)
    assert "is not fully_allocated after 6 seconds" in result["msg"]
    assert (own(emulator), path.exists()) == ({**was, "threads_per_allocation": 32}, False)


BROKEN: dict[str, t.Any] = {
    "no JSON": "{",
    "too deep": "[" * 100_000,
    "a list": [],
    "no format": {"format": 2},
    "too little": {"format": 1},
    "no id": {"deployment_id": ""},
    "no text": {"cluster_uuid": 1},
    "no time": {"start_time": 5},
    "no settings": {"settings": []},
    "no model": {"settings": {}},
    "unknown setting": {"settings": {"model_id": "m", "force": True}},
    "no number": {"settings": {"model_id": "m", "number_of_allocations": True}},
    "zero": {"settings": {"model_id": "m", "queue_capacity": 0}},
    "no word": {"settings": {"model_id": "m", "priority": None}},
    "no adaptive allocations": {"settings": {"model_id": "m", "adaptive_allocations": []}},
    "nothing before": {"before": {}},
    "no switch": {"settings": {"model_id": "m", "adaptive_allocations": {"enabled": 1}}},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_content_that_is_not_understood_is_neither_used_nor_lost(emulator: Emulator, path: Path, broken: str) -> None:
    left(emulator, path)
    content = BROKEN[broken]
    if isinstance(content, dict) and "format" not in content:
        content = json.loads(path.read_text()) | content
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    kept = path.read_bytes()
    said = {
        emulator.run(mode, deployment_id="d", model_id="m", recovery_file=str(path))["msg"] for mode in (True, False)
    }
    assert f"The recovery file '{path}' cannot be understood: " in said.pop()
    assert (said, emulator.journal(), path.read_bytes()) == (set(), [], kept)


def test_a_file_of_another_deployment_is_refused(emulator: Emulator, path: Path) -> None:
    left(emulator, path)
    for mode in (True, False):
        result = emulator.run(mode, deployment_id="e", model_id="m", recovery_file=str(path))
        assert result["failure"] == {"code": "recovery_file_mismatch"}
        assert "holds the settings of deployment 'd', not 'e'." in result["msg"]
    assert emulator.journal() == []


@pytest.mark.parametrize("known", ["cluster_uuid", "cluster_name"])
def test_a_file_of_another_cluster_is_refused(emulator: Emulator, path: Path, known: str) -> None:
    left(emulator, path)
    unknown = {"cluster_uuid": "", "cluster_name": ""}
    path.write_text(json.dumps(json.loads(path.read_text()) | unknown | {known: "elsewhere"}))
    for mode in (True, False):
        said = emulator.run(mode, deployment_id="d", recovery_file=str(path))["msg"]
        shown = "uuid elsewhere" if known == "cluster_uuid" else "elsewhere"
        assert f"holds the settings of deployment 'd' on another cluster ({shown}), not on this one (" in said
    assert (emulator.journal(), path.exists()) == ([], True)


def test_any_client_may_not_read_which_cluster_it_is_uses_the_file(emulator: Emulator, path: Path) -> None:
    left(emulator, path)
    emulator.allow("manage_ml")
    assert not emulator.run(deployment_id="d", recovery_file=str(path)).get("failed")
    assert own(emulator)["queue_capacity"] == 77


def test_each_item_of_a_list_has_its_own(emulator: Emulator, tmp_path: Path) -> None:
    items: list[Json] = [
        {"deployment_id": name, "model_id": "m", "threads_per_allocation": 2, "replace": "stop_start"}
        for name in ("d", "e")
    ]
    for item in items:
        emulator.effect("start_deployment", model_id="m", deployment_id=item["deployment_id"], queue_capacity=77)
        item["recovery_file"] = str(tmp_path / item["deployment_id"])
    emulator.settle()
    with emulator.kill(what="_start"):
        emulator.run_many(items)
    assert len(emulator.deployments()) < 2
    assert sorted(os.listdir(tmp_path)) == ["d", "e"]
    result = emulator.run_many(items)
    assert not result.get("failed"), result["msg"]
    for assignment in emulator.deployments().values():
        found = assignment["task_parameters"]
        assert (found["queue_capacity"], found["threads_per_allocation"]) == (77, 2)
    assert os.listdir(tmp_path) == []


def test_two_items_cannot_share_one(emulator: Emulator, tmp_path: Path) -> None:
    paths = (f"{tmp_path}/one", f"{tmp_path}/./one", f"{tmp_path}/two")
    items = [{"deployment_id": f"d{place}", "recovery_file": path} for place, path in enumerate(paths)]
    said = emulator.run_many(items)["msg"]
    assert f"Deployments 'd0', 'd1' have the same recovery_file '{tmp_path}/one'; give each a different one." in said


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_what_no_path_has_is_refused(emulator: Emulator, tmp_path: Path, name: str) -> None:
    task = {"deployment_id": "d", "state": "restarted", "recovery_file": f"{tmp_path}/{name}"}
    reported = "recovery_file has characters that no path can have. Give the path of a file."
    for mode in (True, False):
        assert emulator.run(mode, **task)["msg"] == reported
        assert f"deployments[0] ('d'): {reported}" in emulator.run_many([task], mode)["msg"]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file that outlives a run between its stop and its start."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from support.double import Double
from support.scene import launched, task, written

Json = dict[str, t.Any]
OWN: Json = {"number_of_allocations": 2, "threads_per_allocation": 2, "queue_capacity": 77, "cache_size": "123kb"}
REPLACE: Json = {"threads_per_allocation": 1, "replace": "stop_start"}


@pytest.fixture
def double() -> t.Iterator[Double]:
    with Double("9.5.3") as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.json"


def started(double: Double, **options: t.Any) -> None:
    launched(double, **{**OWN, **options})


def own(double: Double) -> Json:
    found = task(double)
    return {name: found[name] for name in ("model_id", *OWN)}


def left(double: Double, path: Path, change: Json | None = None) -> None:
    """What a run leaves that dies right before the start."""
    started(double)
    with double.kill(what="_start"):
        double.run(deployment_id="d", recovery_file=str(path), **(change or REPLACE))
    assert (double.deployments(), written(double)) == ({}, ["_stop"])
    double.forget()


@pytest.mark.parametrize("change", [REPLACE, {"state": "restarted", "number_of_allocations": 1}])
def test_a_second_run_starts_with_all_of_it(double: Double, path: Path, change: Json) -> None:
    left(double, path, change)
    options: Json = {"deployment_id": "d", "recovery_file": str(path), **change, "on_missing": "fail"}
    content = path.read_text()
    checked = double.run(True, **options)
    assert (path.read_text(), double.journal()) == (content, [])
    result = double.run(**options)
    assert not result.get("failed"), result["msg"]
    for key in ("changed", "operation", "diff", "after", "api_calls", "warnings"):
        assert checked[key] == result[key]
    assert result["operation"] == "start"
    assert "was stopped by a run that ended before it started it again" in result["warnings"][0]
    named = {name: value for name, value in change.items() if name in OWN}
    assert own(double) == {"model_id": "m", **OWN, **named}
    assert not path.exists()
    if "state" not in change:
        assert double.run(**options)["changed"] is False


def test_a_second_run_may_want_something_else(double: Double, path: Path) -> None:
    left(double, path)
    double.run(deployment_id="d", recovery_file=str(path), model_id="other", number_of_allocations=3)
    assert own(double) == {"model_id": "other", **OWN, "threads_per_allocation": 1, "number_of_allocations": 3}


def test_without_the_file_only_what_is_named_comes_back(double: Double, path: Path) -> None:
    left(double, path)
    double.run(deployment_id="d", model_id="m", threads_per_allocation=1, replace="stop_start")
    assert own(double)["queue_capacity"] == 10000


def test_it_is_used_while_the_stop_is_still_on_its_way(double: Double, path: Path) -> None:
    started(double)
    double.effect("hold", deployment_id="d")
    with double.kill(sent=True, what="_stop"):
        double.run(deployment_id="d", recovery_file=str(path), **REPLACE)
    assert double.deployments()["d"]["assignment_state"] == "stopping"
    double.effect("release", deployment_id="d")
    double.run(deployment_id="d", recovery_file=str(path))
    assert own(double) == {"model_id": "m", **OWN, "threads_per_allocation": 1}
    assert not path.exists()


def test_another_deployment_on_its_way_out_is_not_what_it_is_for(double: Double, path: Path) -> None:
    left(double, path)
    double.effect("pass_time", seconds=1)
    started(double, queue_capacity=5)
    double.effect("stop_deployment", deployment_id="d")
    result = double.run(deployment_id="d", model_id="m", recovery_file=str(path))
    assert "is not used: the deployment was started after the file was written" in result["warnings"][0]
    assert own(double)["queue_capacity"] == 10000
    assert not path.exists()


def test_what_somebody_else_started_meanwhile_is_what_counts(double: Double, path: Path) -> None:
    left(double, path)
    double.effect("pass_time", seconds=1)
    started(double, queue_capacity=5, number_of_allocations=3)
    options: Json = {"deployment_id": "d", "recovery_file": str(path)}
    checked, result = double.run(True, **options), double.run(**options)
    assert checked["warnings"] == result["warnings"]
    assert "threads_per_allocation 1 instead of 2; queue_capacity 77 instead of 5" in result["warnings"][0]
    assert "number_of_allocations 2 instead of 3" in result["warnings"][0]
    assert (result["changed"], path.exists()) == (False, False)


def test_what_was_done_before_the_end_is_done(double: Double, path: Path) -> None:
    """The process died after the start, before it could remove the file."""
    started(double)
    with double.kill(sent=True, what="_start"):
        double.run(deployment_id="d", recovery_file=str(path), **REPLACE)
    assert path.exists()
    double.settle()
    result = double.run(deployment_id="d", recovery_file=str(path), **REPLACE)
    assert (result["changed"], result["warnings"], path.exists()) == (False, [], False)


def test_the_scaler_comes_back(double: Double, path: Path) -> None:
    bounds = {"enabled": True, "min_number_of_allocations": 2, "max_number_of_allocations": 4}
    double.effect("start_deployment", model_id="m", deployment_id="d", adaptive_allocations=bounds)
    double.settle()
    options: Json = {"deployment_id": "d", "recovery_file": str(path)}
    with double.kill(what="_start"):
        double.run(state="restarted", **options)
    assert double.deployments() == {}
    refused = double.run(number_of_allocations=3, **options)
    assert refused["failure"] == {"code": "adaptive_allocations_enabled"}
    assert path.exists()
    assert not double.run(**options).get("failed")
    assert double.deployments()["d"]["adaptive_allocations"] == bounds
    assert double.deployments()["d"]["task_parameters"]["number_of_allocations"] == 2


def test_a_guard_compares_with_what_was_there(double: Double, path: Path) -> None:
    left(double, path)
    options: Json = {"deployment_id": "d", "recovery_file": str(path), "guard": {"max_step": 1}}
    skipped = double.run(number_of_allocations=6, on_guarded="skip", **options)
    assert "from 2 to 6" in skipped["skipped_because"]
    assert (double.journal(), path.exists()) == ([], True)
    assert not double.run(number_of_allocations=3, **options).get("failed")
    assert own(double)["number_of_allocations"] == 3


def test_a_stop_leaves_it_alone(double: Double, path: Path) -> None:
    path.write_text("broken")
    started(double)
    assert not double.run(deployment_id="d", state="stopped", recovery_file=str(path)).get("failed")
    assert path.read_text() == "broken"


def test_nothing_is_kept_of_what_needs_no_stop(double: Double, path: Path) -> None:
    missing = str(path.parent / "missing" / "d.json")
    options: Json = {"deployment_id": "d", "model_id": "m", "recovery_file": missing}
    for number in (1, 2):
        assert not double.run(number_of_allocations=number, **options).get("failed")


def test_what_a_failed_replacement_leaves_is_told(double: Double, path: Path) -> None:
    started(double)
    refusal = {"type": "answer", "status": 400, "body": {"error": {"type": "t", "reason": "planted"}}}
    double.fault("start", refusal, times=-1)
    result = double.run(deployment_id="d", recovery_file=str(path), **REPLACE)
    assert f"The settings of deployment 'd' are in the recovery file '{path}'." in result["warnings"][0]
    double.control("DELETE", "/faults")
    assert not double.run(deployment_id="d", recovery_file=str(path), **REPLACE).get("failed")
    assert not path.exists()


def test_a_rollback_keeps_the_settings_that_it_restores(double: Double, path: Path) -> None:
    started(double)
    was = own(double)
    double.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    change: Json = {"threads_per_allocation": 32, "replace": "stop_start", "on_unsatisfied": "rollback"}
    options: Json = {"deployment_id": "d", "recovery_file": str(path), "wait_timeout": 6}
    with double.kill(1, what="_stop"):
        double.run(**options, **change)
    assert json.loads(path.read_text())["settings"]["threads_per_allocation"] == 2
    result = double.run(**options, **change, number_of_allocations=2)
    assert "is not fully_allocated after 6 seconds" in result["msg"]
    assert (own(double), path.exists()) == ({**was, "threads_per_allocation": 32}, False)


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
    "no scaler": {"settings": {"model_id": "m", "adaptive_allocations": []}},
    "nothing before": {"before": {}},
    "no switch": {"settings": {"model_id": "m", "adaptive_allocations": {"enabled": 1}}},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_cannot_be_understood_is_neither_used_nor_lost(double: Double, path: Path, broken: str) -> None:
    left(double, path)
    content = BROKEN[broken]
    if isinstance(content, dict) and "format" not in content:
        content = json.loads(path.read_text()) | content
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    kept = path.read_bytes()
    said = {double.run(mode, deployment_id="d", model_id="m", recovery_file=str(path))["msg"] for mode in (True, False)}
    assert f"The recovery file '{path}' cannot be understood: " in said.pop()
    assert (said, double.journal(), path.read_bytes()) == (set(), [], kept)


def test_a_file_of_another_deployment_is_refused(double: Double, path: Path) -> None:
    left(double, path)
    for mode in (True, False):
        result = double.run(mode, deployment_id="e", model_id="m", recovery_file=str(path))
        assert result["failure"] == {"code": "recovery_file_mismatch"}
        assert "holds the settings of deployment 'd', not 'e'." in result["msg"]
    assert double.journal() == []


@pytest.mark.parametrize("known", ["cluster_uuid", "cluster_name"])
def test_a_file_of_another_cluster_is_refused(double: Double, path: Path, known: str) -> None:
    left(double, path)
    unknown = {"cluster_uuid": "", "cluster_name": ""}
    path.write_text(json.dumps(json.loads(path.read_text()) | unknown | {known: "elsewhere"}))
    for mode in (True, False):
        said = double.run(mode, deployment_id="d", recovery_file=str(path))["msg"]
        assert "holds the settings of deployment 'd' on another cluster (elsewhere), not on this one" in said
    assert (double.journal(), path.exists()) == ([], True)


def test_whoever_may_not_read_which_cluster_it_is_uses_the_file(double: Double, path: Path) -> None:
    left(double, path)
    double.allow("manage_ml")
    assert not double.run(deployment_id="d", recovery_file=str(path)).get("failed")
    assert own(double)["queue_capacity"] == 77


def test_each_item_of_a_list_has_its_own(double: Double, tmp_path: Path) -> None:
    items: list[Json] = [
        {"deployment_id": name, "model_id": "m", "threads_per_allocation": 2, "replace": "stop_start"}
        for name in ("d", "e")
    ]
    for item in items:
        double.effect("start_deployment", model_id="m", deployment_id=item["deployment_id"], queue_capacity=77)
        item["recovery_file"] = str(tmp_path / item["deployment_id"])
    double.settle()
    with double.kill(what="_start"):
        double.run_many(items)
    assert len(double.deployments()) < 2
    assert sorted(os.listdir(tmp_path)) == ["d", "e"]
    result = double.run_many(items)
    assert not result.get("failed"), result["msg"]
    for assignment in double.deployments().values():
        found = assignment["task_parameters"]
        assert (found["queue_capacity"], found["threads_per_allocation"]) == (77, 2)
    assert os.listdir(tmp_path) == []


def test_two_items_cannot_share_one(double: Double, tmp_path: Path) -> None:
    paths = (f"{tmp_path}/one", f"{tmp_path}/./one", f"{tmp_path}/two")
    items = [{"deployment_id": f"d{place}", "recovery_file": path} for place, path in enumerate(paths)]
    said = double.run_many(items)["msg"]
    assert f"Deployments 'd0', 'd1' have the same recovery_file '{tmp_path}/one'; give each a different one." in said


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_what_no_path_has_is_refused(double: Double, tmp_path: Path, name: str) -> None:
    task = {"deployment_id": "d", "state": "restarted", "recovery_file": f"{tmp_path}/{name}"}
    told = "recovery_file has characters that no path can have. Give the path of a file."
    for mode in (True, False):
        assert double.run(mode, **task)["msg"] == told
        assert f"deployments[0] ('d'): {told}" in double.run_many([task], mode)["msg"]

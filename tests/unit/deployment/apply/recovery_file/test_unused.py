# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that messages are true about a recovery file with a stopped deployment that the task does not start."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from support.emulated_cluster import Emulator
from support.scenario_helpers import started, task

Json = dict[str, t.Any]
AGAIN = "Run the task again to start it."
NINE: Json = {"number_of_allocations": 9}
KEPT_FROM_IT: dict[str, tuple[Json, str]] = {
    "guard": ({**NINE, "guard": {"max": 4}}, "9 is above max 4"),
    "guard, skipping": ({**NINE, "guard": {"max": 4, "on_violation": "skip"}}, "9 is above max 4"),
    "no model": ({"model_id": "nope"}, "the cluster has no trained model 'nope'"),
}
OF_LIST: dict[str, tuple[Json, str]] = {
    "guard": ({"guard": {"max_total_step": 1}}, "and max_total_step is 1"),
    "guard, skipping": ({"guard": {"max_total_step": 1, "on_violation": "skip"}}, "and max_total_step is 1"),
    "no room": ({}, "0 of 32 processors free, 1 needed. The other 73 need 73 processors."),
}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3", ("n1=32,64gb",)) as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.json"


def left(emulator: Emulator, path: Path) -> Json:
    """Kill a run between its stop and its start, and return options for the runs that follow."""
    started(emulator, d=3)
    desired: Json = {"deployment_id": "d", "recovery_file": str(path)}
    with emulator.kill(what="_start"):
        emulator.run(**desired, threads_per_allocation=2, replace="stop_start")
    emulator.settle()
    emulator.forget()
    assert emulator.deployments() == {}
    return desired


STILL_IN = (
    "The settings of deployment 'd' are still in its recovery file. "
    "This task does not start it: change the task, or remove what blocks the start."
)


def details(result: Json) -> list[str]:
    return t.cast("list[str]", result["deployments"][0]["details"] if "deployments" in result else result["details"])


def why(result: Json) -> str:
    return str(result.get("msg") or result.get("skipped_because") or result["deployments"][0]["skipped_because"])


@pytest.mark.parametrize("reason", KEPT_FROM_IT)
@pytest.mark.parametrize("listed", [False, True])
def test_a_task_that_does_not_start_it_says_so(emulator: Emulator, path: Path, reason: str, listed: bool) -> None:
    options, said = KEPT_FROM_IT[reason]
    desired = left(emulator, path)
    content = path.read_bytes()
    for check_mode in (True, False, False):
        given = {**desired, **options}
        result = emulator.run_many([given], check_mode) if listed else emulator.run(check_mode, **given)
        assert said in why(result)
        *skips, last = result["warnings"]
        assert last == STILL_IN
        assert details(result) == [f"The recovery file of deployment 'd' is '{path}'."]
        assert [said in skip for skip in skips] == ([] if result.get("failed") else [True])
    assert (emulator.journal(), path.read_bytes()) == ([], content)
    assert not emulator.run(**desired).get("failed")
    assert (task(emulator, "d")["threads_per_allocation"], path.exists()) == (2, False)


@pytest.mark.parametrize("reason", OF_LIST)
def test_a_list_that_does_not_start_it_says_so(emulator: Emulator, path: Path, reason: str) -> None:
    of_list, said = OF_LIST[reason]
    items = [left(emulator, path), {"deployment_id": "e", "model_id": "m", "number_of_allocations": 99}]
    for check_mode in (True, False, False):
        result = emulator.run_many(items, check_mode, **of_list)
        assert said in why(result)
        *skips, last = result["warnings"]
        assert last == STILL_IN
        assert details(result) == [f"The recovery file of deployment 'd' is '{path}'."]
        assert [said in skip for skip in skips] == ([] if result.get("failed") else [True])
    assert (emulator.journal(), path.exists()) == ([], True)


@pytest.mark.parametrize("check_mode", [True, False])
def test_where_only_a_request_failed_the_task_is_right(emulator: Emulator, path: Path, check_mode: bool) -> None:
    desired = left(emulator, path)
    body = {"error": {"type": "t", "reason": "planted"}, "status": 500}
    emulator.fault("model", {"type": "answer", "status": 500, "body": body}, times=-1)
    result = emulator.run(check_mode, **desired, model_id="m", request_retries=0)
    assert "planted" in result["msg"]
    assert result["warnings"] == [f"The settings of deployment 'd' are in its recovery file. {AGAIN}"]
    assert result["details"] == [f"The recovery file of deployment 'd' is '{path}'."]


@pytest.mark.parametrize("on_missing", ["skip", "fail"])
def test_while_another_is_on_its_way_out_the_task_is_right(emulator: Emulator, path: Path, on_missing: str) -> None:
    """Test that the file counts, and not on_missing, once the other deployment is gone."""
    desired = {**left(emulator, path), "on_missing": on_missing}
    started(emulator, d=1)
    emulator.effect("hold", deployment_id="d")
    emulator.effect("stop_deployment", deployment_id="d")
    for check_mode in (True, False):
        assert AGAIN in emulator.run(check_mode, **desired)["warnings"][-1]
    emulator.effect("release", deployment_id="d")
    emulator.settle()
    assert not emulator.run(**desired).get("failed")
    assert task(emulator, "d")["threads_per_allocation"] == 2


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("desired", [{"state": "stopped", "on_missing": "fail"}, {"recovery_file": None, **NINE}])
def test_a_task_that_does_not_desire_it_says_nothing(
    emulator: Emulator, path: Path, check_mode: bool, desired: Json
) -> None:
    asked = {**left(emulator, path), **desired, "guard": {"max": 4}}
    result = emulator.run(check_mode, **asked)
    assert (result["failed"], result["warnings"], path.exists()) == (True, [], True)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that values that arrive null, empty or of another type mean the same in the controller and in a module."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import deployment, fleet, info
from support.emulator_process import Emulator, emulator
from support.forked.python import python
from support.playbook import Json, Played, run_playbook

CONNECTIONS = Path(__file__).resolve().parent.parent / "support" / "connection"
NAME = "mlops.elasticsearch.trained_model_deployment"
ONE, MANY, INFO = NAME, f"{NAME}s", f"{NAME}_info"
BARE: dict[str, Json] = {ONE: {"model_id": "sentiment"}, MANY: {"deployments": [{"model_id": "sentiment"}]}, INFO: {}}
SPECS = {ONE: deployment.SPEC, MANY: fleet.SPEC, INFO: info.SPEC}
NEEDED = ("deployment_id", "deployments", "model_id", "hosts")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Emulator]:
    with emulator("--model", "sentiment", "--node", "ml-1=8,16gb") as server:
        yield server


def play(cluster: Emulator, connection: str, tasks: list[Json], defaults: Json | None = None) -> Played:
    omitted = "{{ nothing_of_this_name | default(omit) }}"
    group = {"group/mlops.elasticsearch.ml": {"hosts": [cluster.url], "request_retries": 0, "username": omitted}}
    playbook = {
        "hosts": "localhost",
        "gather_facts": False,
        "check_mode": True,
        "vars": {"ansible_connection": connection, "ansible_python_interpreter": python(), "one": 1},
        "module_defaults": {**group, **(defaults or {})},
        "tasks": [{"ignore_errors": True, **task} for task in tasks],
    }
    environment = {"ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS)}
    return run_playbook(yaml.safe_dump([playbook]), env=environment).must_pass()


def stable(result: Json) -> Json:
    """Return *result* without what differs in each run: the entries of the fact have the id of theirs."""
    kept = {name: value for name, value in result.items() if name != "invocation"}
    return {**kept, "ansible_facts": list(result.get("ansible_facts", ()))}


@pytest.mark.parametrize("connection", ["local", "loopback"])
def test_off_is_a_choice_as_yaml_reads_it(cluster: Emulator, connection: str) -> None:
    """Test it where no room would make ``preflight`` refuse the task."""
    large = {"model_id": "sentiment", "number_of_allocations": 9}
    off: Json = yaml.safe_load("preflight: off")
    tasks: list[Json] = [
        {ONE: large},
        {ONE: {**large, "preflight": yaml.safe_load("on")}},
        {ONE: {**large, **off}},
        {MANY: {"deployments": [{**large, "deployment_id": "b"}], **off}},
        {MANY: {"deployments": [{**large, **off, "deployment_id": "c"}]}},
    ]
    played = play(cluster, connection, tasks).tasks
    assert [task.status for task in played] == ["ignored", "ignored", "ok", "ok", "ok"]
    assert played[0].result["failure"] == {"code": "not_enough_processors"}
    assert "preflight takes one of fail, warn, off, not true" in played[1].result["msg"]


@pytest.mark.parametrize("connection", ["local", "loopback"])
def test_a_task_full_of_null_and_empty_text_is_one_without(cluster: Emulator, connection: str) -> None:
    """Test it in a run of its own for each, because a later task plans from what an earlier one predicts."""
    results = []
    for empty in (..., None, ""):
        tasks: list[Json] = []
        for module, bare in BARE.items():
            options = {name: option for name, option in SPECS[module].argument_spec.items() if name not in NEEDED}
            given: Json = {name: None if option.get("options") else empty for name, option in options.items()}
            given |= {"fact_name": None} if "fact_name" in options else {}
            tasks.append({"name": module, module: {**bare, **({} if empty is ... else given)}})
        played = play(cluster, connection, tasks)
        assert not [task for task in played.tasks if task.status != "ok"], played.output
        results.append([stable(task.result) for task in played.tasks])
    bare_results, *others = results
    assert others == [bare_results, bare_results]


@pytest.mark.parametrize("connection", ["local", "loopback"])
def test_nothing_empty_hides_a_guard_of_module_defaults(cluster: Emulator, connection: str) -> None:
    given: dict[str, Json] = {
        "not given": {},
        "null": {"guard": None},
        "text": {"guard": ""},
        "omitted": {"guard": "{{ nothing_of_this_name | default(omit) }}"},
        "null within": {"guard": {"max_step": None}},
        "policy alone": {"guard": {"max_step": "", "on_violation": "skip"}},
        "text within": {"guard": {"max_step": "{{ nothing_of_this_name | default('') }}"}},
    }
    tasks: list[Json] = [
        {"name": f"{module} {name}", module: {**BARE[module], **options}}
        for module in (ONE, MANY)
        for name, options in given.items()
    ]
    tasks += [{"name": "its own goes over it", ONE: {**BARE[ONE], "guard": {"max_step": 3}}}]
    defaults: Json = {
        ONE: {"guard": {"max_step": "{{ one - 1 }}", "on_violation": "{{ 'fail' }}"}},
        MANY: {"guard": "{{ {'max_total_step': one - 1} }}"},
    }
    played = play(cluster, connection, tasks, defaults)
    for task in played.tasks[:-1]:
        assert task.result["failure"] == {"code": "guard_violated"}, task
    assert played.result("its own goes over it")["operation"] == "start"
    assert "WARNING" not in played.output


@pytest.mark.parametrize("connection", ["local", "loopback"])
def test_an_id_that_is_no_text_is_refused(cluster: Emulator, connection: str) -> None:
    tasks: list[Json] = []
    for place, value in enumerate((7, 1.1, True, datetime.date(2026, 1, 2))):
        each: list[Json] = [
            {"name": "model_id", ONE: {"model_id": value}},
            {"name": "deployment_id", ONE: {"model_id": "sentiment", "deployment_id": value}},
            {"name": "deployments[0]: model_id", MANY: {"deployments": [{"model_id": value}]}},
            {"name": "unlisted_except[1]", MANY: {"deployments": [], "unlisted_except": ["a", value]}},
            {"name": "deployment_id[0]", INFO: {"deployment_id": [value]}},
        ]
        tasks += each if connection == "local" else each[place : place + 2]
    played = play(cluster, connection, tasks)
    assert len(played.tasks) == len(tasks)
    for task in played.tasks:
        assert task.result["failure"] == {"code": "invalid_arguments"}
        assert task.result["msg"].startswith(f"{task.task} is ")
        assert ", not a text. The id that was meant is lost" in task.result["msg"]

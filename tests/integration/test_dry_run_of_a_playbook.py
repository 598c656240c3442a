# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test dry runs of playbooks whose tasks build on each other, inside the controller and as a module."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest

from integration.test_scenarios import MODULE, OPTIONS, SHOW, WAYS, play, shown
from support.emulator_process import Emulator, emulator

Json = dict[str, t.Any]
LIST = f"{MODULE}s"
ENDPOINT = "mlops.elasticsearch.inference_endpoint"
MODE = "mlops.elasticsearch.ml_upgrade_mode"
SAID = ("changed", "operation", "diff", "api_calls", "after")

# A first rollout: it starts, scales, replaces, stops, and applies a list with what is left.
ROLLOUT: list[Json] = [
    {MODULE: {"model_id": "m", "deployment_id": "a"}},
    {MODULE: {"deployment_id": "a", "number_of_allocations": 2}},
    {MODULE: {"deployment_id": "a", "number_of_allocations": 2}},
    {
        MODULE: {"model_id": "m", "deployment_id": "{{ item }}", "number_of_allocations": 1},
        "loop": ["b", "c", "b"],
    },
    {MODULE: {"deployment_id": "b", "adaptive_allocations": {"enabled": True, "max_number_of_allocations": 3}}},
    {MODULE: {"deployment_id": "a", "threads_per_allocation": 2, "number_of_allocations": 1, "replace": "stop_start"}},
    {MODULE: {"deployment_id": "c", "state": "stopped"}},
    {MODULE: {"deployment_id": "c", "state": "stopped"}},
    {MODULE: {"deployment_id": "a", "state": "restarted"}},
    {
        LIST: {
            "deployments": [{"model_id": "other"}, {"deployment_id": "a"}],
            "stop_unlisted": True,
            "unlisted_except": [],
        }
    },
    {MODULE: {"deployment_id": "b", "state": "stopped", "on_missing": "fail"}, "ignore_errors": True},
    {
        ENDPOINT: {
            "inference_id": "e",
            "task_type": "sparse_embedding",
            "service": "elasticsearch",
            "service_settings": {"model_id": "m", "num_threads": 1, "num_allocations": 1},
        }
    },
    {MODULE: {"deployment_id": "e", "number_of_allocations": 2, "on_endpoint_owned": "update_endpoint"}},
    {ENDPOINT: {"inference_id": "e", "state": "absent"}},
    {MODE: {"enabled": True}},
    {MODULE: {"model_id": "m", "deployment_id": "late"}, "ignore_errors": True},
    {MODE: {"enabled": False}},
]


@pytest.fixture
def server() -> Iterator[Emulator]:
    with emulator(*OPTIONS) as found:
        yield found


def named(tasks: list[Json]) -> list[Json]:
    return [{"name": f"Task {number}", **task} for number, task in enumerate(tasks)]


def said(result: Json) -> Json:
    """Return what a task and each of its items say of the change."""
    parts = {key: result[key] for key in SAID if key in result}
    items = result.get("results") or result.get("deployments") or []
    return {**parts, "items": [said(item) for item in items], "msg": result.get("msg")}


@pytest.mark.parametrize("way", WAYS)
def test_a_dry_run_says_what_the_real_run_says(server: Emulator, way: str) -> None:
    dry = play(server, way, named(ROLLOUT), "--check", "--diff").must_pass()
    assert server.writes() == []
    real = play(server, way, named(ROLLOUT)).must_pass()
    assert len(dry.tasks) == len(real.tasks) == len(ROLLOUT)
    for predicted, happened in zip(dry.tasks, real.tasks, strict=True):
        assert said(predicted.result) == said(happened.result), predicted.task
        assert (predicted.status, predicted.result.get("warnings")) == (
            happened.status,
            happened.result.get("warnings"),
        )
    changes = [True, True, False, *[True] * 4, False, True, True, False, *[True] * 4, False, True]
    assert [task.result["changed"] for task in dry.tasks] == changes


def test_a_predicted_stop_leaves_an_entry_and_a_real_task_replaces_it(server: Emulator) -> None:
    start: Json = {MODULE: {"model_id": "m", "deployment_id": "a"}}
    stop: Json = {MODULE: {"deployment_id": "a", "state": "stopped"}, "check_mode": True}
    tasks = [
        start,
        stop,
        SHOW,
        start,
        SHOW,
        {**start, MODULE: {**start[MODULE], "deployment_id": "b"}, "check_mode": True},
    ]
    last = [*tasks, {MODULE: {"deployment_id": "b", "number_of_allocations": 2}, "ignore_errors": True}, SHOW]
    run = play(server, "local", [{"name": f"Task {number}", **task} for number, task in enumerate(last)]).must_pass()
    after_stop, after_start, after_all = shown(run)
    assert {name: after_stop["a"][name] for name in ("deployment", "predicted", "routing_table")} == {
        "deployment": None,
        "predicted": True,
        "routing_table": {},
    }
    assert not run.result("Task 3")["changed"]
    assert after_start["a"]["predicted"] is False
    assert "the cluster has no trained model 'b'" in run.result("Task 6")["msg"]
    assert after_all["b"]["predicted"] is True


def test_tasks_with_other_names_of_the_fact_follow_each_other(server: Emulator) -> None:
    tasks: list[Json] = [
        {MODULE: {"model_id": "m", "deployment_id": "a", "fact_name": "one"}},
        {MODULE: {"deployment_id": "a", "number_of_allocations": 2, "fact_name": "two"}},
        {MODULE: {"deployment_id": "a", "number_of_allocations": 2, "fact_name": "two"}},
        {MODULE: {"deployment_id": "a", "fact_name": ""}},
    ]
    run = play(server, "local", named(tasks), "--check").must_pass()
    assert run.changed() == ["Task 0", "Task 1"]


def test_the_newest_prediction_counts_whatever_fact_has_it(server: Emulator) -> None:
    start: Json = {"model_id": "m", "deployment_id": "a"}
    looped = {"deployment_id": "b", "model_id": "m", "number_of_allocations": 2, "fact_name": "{{ item }}"}
    tasks: list[Json] = [
        {MODULE: {**start, "fact_name": "one"}},
        {MODULE: {"deployment_id": "a", "number_of_allocations": 2, "fact_name": "two"}},
        {MODULE: {"deployment_id": "a", "number_of_allocations": 2, "fact_name": "one"}},
        {MODULE: {"deployment_id": "a", "number_of_allocations": 1, "fact_name": "one"}},
        {MODULE: looped, "loop": ["one", "two", "three"]},
    ]
    run = play(server, "local", named(tasks), "--check").must_pass()
    assert [task.result["changed"] for task in run.tasks] == [True, True, False, True, True]
    assert [item["changed"] for item in run.result("Task 4")["results"]] == [True, False, False]


@pytest.fixture
def elsewhere() -> Iterator[Emulator]:
    """Start a cluster with a uuid of its own."""
    with emulator(*OPTIONS) as found:
        body = {**found.api("GET", "/"), "cluster_uuid": "another"}
        answer = {"type": "answer", "status": 200, "body": body}
        found.control("POST", "/faults", {"operation": "info", "when": "before", "times": -1, "do": answer})
        yield found


def test_two_clusters_have_their_own_predictions_in_one_fact(server: Emulator, elsewhere: Emulator) -> None:
    start: Json = {"model_id": "m", "deployment_id": "a"}
    there = {**start, "hosts": [elsewhere.url], "fact_name": "there"}
    scaled = {"number_of_allocations": 2}
    tasks: list[Json] = [
        {MODULE: start},
        {MODULE: there},
        {MODULE: {**start, **scaled, "fact_name": "third"}},
        {MODULE: {**there, "fact_name": "third"}},
        {MODULE: {**there, **scaled, "fact_name": "fourth"}},
        {MODULE: {**there, **scaled}},
    ]
    run = play(server, "local", named(tasks), "--check").must_pass()
    assert run.changed() == ["Task 0", "Task 1", "Task 2", "Task 4"]


def test_a_real_stop_leaves_the_entry_of_another_cluster(server: Emulator, elsewhere: Emulator) -> None:
    start: Json = {"model_id": "m", "deployment_id": "a"}
    stop: Json = {MODULE: {"deployment_id": "a", "state": "stopped", "hosts": [elsewhere.url]}}
    elsewhere.api("POST", "/_ml/trained_models/m/deployment/_start?deployment_id=a&wait_for=started")
    run = play(
        server, "local", named([{MODULE: start}, stop, SHOW, {MODULE: {**stop[MODULE], "hosts": [server.url]}}, SHOW])
    )
    before, after = shown(run.must_pass())
    assert run.changed() == ["Task 0", "Task 1", "Task 3"]
    assert before["a"]["cluster"]["uuid"] != "another"
    assert after == {}


def test_a_dry_run_does_not_follow_tasks_on_another_cluster(server: Emulator, elsewhere: Emulator) -> None:
    start: Json = {"model_id": "m", "deployment_id": "a"}
    tasks: list[Json] = [{MODULE: start}, {MODULE: {**start, "hosts": [elsewhere.url], "fact_name": "there"}}]
    run = play(server, "local", named([*tasks, *tasks]), "--check").must_pass()
    assert run.changed() == ["Task 0", "Task 1"]


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ({MODULE: {"model_id": "m", "fact_name": ""}}, "fact_name is empty"),
        ({MODULE: {"model_id": "m"}, "async": 60, "poll": 1}, "it is async"),
    ],
    ids=["empty fact_name", "async"],
)
def test_a_task_that_no_later_one_can_follow_says_so(server: Emulator, task: Json, why: str) -> None:
    run = play(server, "local", named([task, task]), "--check").must_pass()
    assert f"Later tasks of this dry run do not see what this task would change: {why}." in " ".join(run.output.split())
    server.control("DELETE", "/journal")
    play(server, "local", named([task])).must_pass()
    # A real run may look by tasks in check mode.
    rehearsal: Json = {"check_mode": True, "changed_when": False}
    other: Json = {MODULE: {"model_id": "m", "deployment_id": "m-2", "fact_name": ""}, **rehearsal}
    mode: Json = {"mlops.elasticsearch.ml_upgrade_mode": {"enabled": True}, **rehearsal}
    assert "do not see" not in play(server, "local", named([task, other, mode])).must_pass().output


def test_other_predictions_are_refused(server: Emulator) -> None:
    given = {"deployments": {"a": {"cluster": {}, "predicted": True, "deployment": {"deployment_id": "a"}}}}
    task = {MODULE: {"deployment_id": "a", "predictions": given}, "ignore_errors": True}
    run = play(server, "local", named([task]), "--check").must_pass()
    assert run.result("Task 0")["failure"] == {"code": "invalid_value"}
    assert (
        "predictions.deployments has no entry of a fact for 'a': deployment.model_id is missing"
        in run.result("Task 0")["msg"]
    )


def test_the_info_module_shows_what_is_there(server: Emulator) -> None:
    tasks: list[Json] = [{MODULE: {"model_id": "m"}}, {f"{MODULE}_info": {}}]
    run = play(server, "local", named(tasks), "--check").must_pass()
    assert run.result("Task 1")["deployments"] == []

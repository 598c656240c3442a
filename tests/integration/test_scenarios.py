# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test real playbooks, both ways: inside the controller, and as a module on a machine that is not the controller."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from support.emulator_process import Emulator, emulator
from support.forked.python import python
from support.playbook import Played, run_playbook

Json = dict[str, t.Any]
MODULE = "mlops.elasticsearch.trained_model_deployment"
CONNECTIONS = Path(__file__).resolve().parent.parent / "support" / "connection"
WAYS = ("local", "loopback")
OPTIONS = ("--node", "n1=4,16gb", "--node", "n2=4,16gb", "--model", "m=1048576", "--model", "other=2097152")

# What a task says, and what comes of it for real: the operation, or the beginning of the sentence of a failure.
SCENARIOS: list[tuple[Json, str]] = [
    ({"model_id": "m", "number_of_allocations": 2}, "start"),
    ({"model_id": "m", "number_of_allocations": 2}, "none"),
    ({"model_id": "m", "number_of_allocations": 5, "wait_for": "steady"}, "update"),
    ({"model_id": "m", "number_of_allocations": 0}, "number_of_allocations must be 1 or more"),
    ({"model_id": "m", "number_of_allocations": "two"}, "number_of_allocations takes a whole number, not 'two'."),
    ({"model_id": "m", "threads_per_allocation": 3}, "value of threads_per_allocation must be one of"),
    ({"model_id": "m", "colour": "red"}, "Unsupported parameters for (mlops.elasticsearch.trained_model_deployment)"),
    ({"number_of_allocations": 2}, "one of the following is required: deployment_id, model_id"),
    ({"deployment_id": "{{ none }}", "model_id": ""}, "one of the following is required: deployment_id, model_id"),
    ({"model_id": "m", "number_of_allocations": 50}, "The ML nodes have room for 8 of the 50 allocations"),
    (
        {"model_id": "m", "number_of_allocations": 50, "preflight": "off"},
        "Cannot update deployment 'm': Elasticsearch answered 429",
    ),
    ({"model_id": "m", "threads_per_allocation": 2}, "Deployment 'm' cannot be changed in place"),
    ({"model_id": "m", "threads_per_allocation": 2, "number_of_allocations": 1, "replace": "stop_start"}, "replace"),
    ({"model_id": "m", "adaptive_allocations": {"enabled": True, "max_number_of_allocations": 3}}, "update"),
    ({"model_id": "m", "number_of_allocations": 2}, "Deployment 'm' has adaptive allocations enabled"),
    ({"model_id": "m", "number_of_allocations": 2, "on_adaptive": "skip"}, "none"),
    ({"model_id": "m", "number_of_allocations": 2, "on_adaptive": "override"}, "update"),
    ({"model_id": "m", "number_of_allocations": 4, "guard": {"max_step": 1}}, "Deployment 'm' is guarded: number_of"),
    ({"model_id": "m", "number_of_allocations": 4, "guard": {"max": 3, "on_violation": "skip"}}, "none"),
    ({"model_id": "m", "number_of_allocations": 4, "guard": {"min": 3, "max": 2}}, "guard.min 3 is above guard.max 2"),
    ({"model_id": "m", "state": "restarted", "wait": False}, "restart"),
    ({"model_id": "m", "fact_name": ""}, "none"),
    ({"model_id": "m", "deployment_id": "second", "initial_number_of_allocations": 2, "cache_size": "0"}, "start"),
    ({"model_id": "m", "state": "stopped"}, "stop"),
    ({"model_id": "m"}, "start"),
    ({"model_id": "nope"}, "Cannot start deployment 'nope': the cluster has no trained model 'nope'"),
    ({"deployment_id": "gone", "on_missing": "skip"}, "none"),
    (
        {"model_id": "m", "hosts": ["{{ url_with_password }}"]},
        "The address of 127.0.0.1:1 in hosts contains credentials",
    ),
    (
        {"model_id": "m", "api_key": "key-1234", "bearer_token": "token-1234"},
        "More than one way to authenticate is given",
    ),
    ({"model_id": "m", "server_timeout": "2m"}, "server_timeout 2m must be shorter than request_timeout"),
    ({"model_id": "m", "state": "stopped"}, "stop"),
    ({"model_id": "m", "state": "stopped"}, "Cannot stop deployment 'm': it does not exist, and model 'm' runs as"),
]
URL_WITH_PASSWORD = {"url_with_password": "http://user:hunter2@127.0.0.1:1"}


def playbook(server: Emulator, way: str, tasks: list[Json]) -> str:
    play = {
        "name": "Test",
        "hosts": "localhost",
        "gather_facts": False,
        "module_defaults": {
            "group/mlops.elasticsearch.ml": {"hosts": [server.url], "request_retries": 0, "request_timeout": 40},
            MODULE: {"wait_sleep": 0.1, "hosts": [server.url], "request_retries": 0, "request_timeout": 40},
        },
        # A variable, because the localhost that Ansible adds by itself has one that wins over the keyword.
        "vars": {"ansible_connection": way, "ansible_python_interpreter": python()},
        "tasks": tasks,
    }
    return yaml.safe_dump([play], sort_keys=False)


def play(
    server: Emulator,
    way: str,
    tasks: list[Json],
    *args: str,
    env: dict[str, str] | None = None,
    extra_vars: Json | None = None,
) -> Played:
    environment = {"ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS), **(env or {})}
    return run_playbook(playbook(server, way, tasks), *args, env=environment, extra_vars=extra_vars)


def scenarios() -> list[Json]:
    tasks: list[Json] = []
    for number, (options, _outcome) in enumerate(SCENARIOS):
        tasks.append({"name": f"Scenario {number}", MODULE: options, "ignore_errors": True})
    tasks.append({"name": "Read", f"{MODULE}_info": {"deployment_id": "*", "gather": ["routing", "nodes", "usage"]}})
    return tasks


def lasting(result: t.Any) -> t.Any:
    """Return a result without what differs from run to run: times, ports, the run's mark, what only a module has."""
    volatile = {"start_time", "seconds", "polls", "run", "addresses", "last_access", "exception", "invocation"}
    volatile |= {"_ansible_no_log"}
    if isinstance(result, dict):
        return {name: lasting(value) for name, value in result.items() if name not in volatile}
    return [lasting(item) for item in result] if isinstance(result, list) else result


@pytest.mark.parametrize("mode", [(), ("--check", "--diff")], ids=["real", "check"])
def test_both_ways_return_the_same(mode: tuple[str, ...]) -> None:
    played: dict[str, list[Json]] = {}
    for way in WAYS:
        with emulator(*OPTIONS) as server:
            if mode:
                server.control("POST", "/read_only", {"enabled": True})
            run = play(server, way, scenarios(), "-vvv", *mode, extra_vars=URL_WITH_PASSWORD).must_pass()
            assert ("EXEC" in run.output) == (way == "loopback"), "the other way was taken"
            assert len(run.tasks) == len(SCENARIOS) + 1
            played[way] = [{"status": task.status, **lasting(task.result)} for task in run.tasks]
            if mode:
                assert server.writes() == []
            assert "hunter2" not in run.output
    for here, there in zip(*played.values(), strict=True):
        assert here == there
    if not mode:
        for (options, outcome), result in zip(SCENARIOS, played["local"], strict=False):
            came = result["msg"] if result["status"] == "ignored" else result["operation"]
            assert came.startswith(outcome), options


def test_a_second_run_of_everything_that_lasts_writes_nothing() -> None:
    starts = [options for options, outcome in SCENARIOS if outcome == "start"]
    lasting_desired_states = [starts[0], next(options for options in starts if "deployment_id" in options)]
    tasks = [{"name": f"Task {number}", MODULE: options} for number, options in enumerate(lasting_desired_states)]
    with emulator(*OPTIONS) as server:
        assert play(server, "local", tasks).must_pass().changed() == ["Task 0", "Task 1"]
        server.control("DELETE", "/journal")
        assert play(server, "local", tasks).must_pass().changed() == []
        assert server.writes() == []


def test_async_and_become_run_the_module() -> None:
    tasks: list[Json] = [
        {"name": "Async", MODULE: {"model_id": "m", "number_of_allocations": 2}, "async": 60, "poll": 1},
        {"name": "Later", MODULE: {"model_id": "other"}, "async": 60, "poll": 0, "register": "job"},
        {
            "name": "Collect",
            "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"},
            "register": "done",
            "until": "done is finished",
            "retries": 60,
            "delay": 1,
        },
    ]
    with emulator(*OPTIONS) as server:
        run = play(server, "local", tasks).must_pass()
        assert run.result("Async")["operation"] == "start"
        assert run.tasks[-1].result["operation"] == "start"
        assert sorted(server.control("GET", "/state")["deployments"]) == ["m", "other"]


SHOW: Json = {"name": "Show", "ansible.builtin.debug": {"var": "ansible_facts.elasticsearch_ml_deployments"}}


def shown(run: Played) -> list[Json]:
    return [task.result["ansible_facts.elasticsearch_ml_deployments"] for task in run.tasks if task.task == "Show"]


@pytest.mark.parametrize("way", WAYS)
def test_facts_grow_over_tasks_and_loop_items(way: str) -> None:
    looped = {
        "name": "Loop",
        MODULE: {"model_id": "m", "deployment_id": "{{ item }}", "number_of_allocations": 1},
        "loop": ["a", "b"],
    }
    tasks: list[Json] = [
        {"name": "One", MODULE: {"model_id": "other"}},
        looped,
        SHOW,
        {"name": "Would", MODULE: {"model_id": "m", "deployment_id": "c"}, "check_mode": True},
        {"name": "Stop", MODULE: {"deployment_id": "a", "state": "stopped"}},
        SHOW,
    ]
    with emulator(*OPTIONS) as server:
        first, second = shown(play(server, way, tasks).must_pass())
    assert sorted(first) == ["a", "b", "other"]
    assert {name: entry["predicted"] for name, entry in second.items()} == {"b": False, "other": False, "c": True}
    assert second["b"]["allocations"] == {"wanted": 1, "assigned": 1, "running": 1, "missing": 0}
    assert second["b"]["routing_table"]["id-n1"]["routing_state"] == "started"


def test_facts_of_an_earlier_run_are_dropped(tmp_path: Path) -> None:
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path)}
    with emulator(*OPTIONS) as server:
        play(server, "local", [{"name": "One", MODULE: {"model_id": "other"}}, SHOW], env=cache).must_pass()
        run = play(server, "local", [{"name": "Two", MODULE: {"model_id": "m"}}, SHOW], env=cache).must_pass()
    assert [sorted(facts) for facts in shown(run)] == [["m"]]


def test_facts_follow_delegation() -> None:
    delegated = {"delegate_facts": True, "vars": {"ansible_connection": "local"}}
    looped: Json = {MODULE: {"model_id": "m", "deployment_id": "m-{{ item }}"}, "loop": ["c1", "c2"]}
    seen = "hostvars[item].ansible_facts.elasticsearch_ml_deployments | sort"
    tasks: list[Json] = [
        {"name": "Hosts", "ansible.builtin.add_host": {"name": "{{ item }}"}, "loop": ["c1", "c2"]},
        {"name": "One", MODULE: {"model_id": "other"}, "delegate_to": "c2", **delegated},
        {"name": "Each", **looped, "delegate_to": "{{ item }}", **delegated},
        {"name": "Seen", "ansible.builtin.debug": {"msg": f"{{{{ {seen} }}}}"}, "loop": ["c1", "c2"]},
    ]
    with emulator(*OPTIONS) as server:
        items = play(server, "local", tasks).must_pass().result("Seen")["results"]
    assert [item["msg"] for item in items] == [["m-c1"], ["m-c2", "other"]]


def test_an_async_task_leaves_the_facts_of_others_alone() -> None:
    tasks: list[Json] = [
        {"name": "One", MODULE: {"model_id": "other"}},
        {"name": "Async", MODULE: {"model_id": "m"}, "async": 60, "poll": 1},
        SHOW,
    ]
    with emulator(*OPTIONS) as server:
        assert [sorted(facts) for facts in shown(play(server, "local", tasks).must_pass())] == [["other"]]


def test_a_cluster_that_cannot_be_read_removes_nothing_from_the_facts() -> None:
    dead: Json = {"model_id": "m", "hosts": "http://127.0.0.1:9"}
    tasks: list[Json] = [
        {"name": "One", MODULE: {"model_id": "m"}},
        {"name": "Two", MODULE: dead, "failed_when": False},
        SHOW,
    ]
    with emulator(*OPTIONS) as server:
        assert [sorted(facts) for facts in shown(play(server, "local", tasks).must_pass())] == [["m"]]


def test_variables_of_the_task_win_over_those_of_the_controller() -> None:
    task: Json = {
        "name": "Read",
        f"{MODULE}_info": {"hosts": ""},
        "environment": {"ELASTICSEARCH_URL": "{{ url }}", "ELASTICSEARCH_API_KEY": "of-the-task"},
    }
    with emulator(*OPTIONS) as server:
        for way in WAYS:
            env = {"ELASTICSEARCH_URL": "http://127.0.0.1:9", "ELASTICSEARCH_BEARER_TOKEN": ""}
            run = play(server, way, [task], "-e", f"url={server.url}", env=env).must_pass()
            assert run.result("Read")["summary"]["deployments"] == 0

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real playbooks, both ways: inside the controller, and as a module on a machine that is not the controller."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from support.emulator_process import Emulator, emulator
from support.playbook import Played, run_playbook

Json = dict[str, t.Any]
MODULE = "mlops.elasticsearch.trained_model_deployment"
CONNECTIONS = Path(__file__).resolve().parent.parent / "support" / "connection"
WAYS = ("local", "loopback")
OPTIONS = ("--node", "n1=4,16gb", "--node", "n2=4,16gb", "--model", "m=1048576", "--model", "other=2097152")

SCENARIOS: list[Json] = [
    {"model_id": "m", "number_of_allocations": 2},
    {"model_id": "m", "number_of_allocations": 2},
    {"model_id": "m", "number_of_allocations": 5, "wait_for": "steady"},
    {"model_id": "m", "number_of_allocations": 0},
    {"model_id": "m", "number_of_allocations": "two"},
    {"model_id": "m", "threads_per_allocation": 3},
    {"model_id": "m", "colour": "red"},
    {"number_of_allocations": 2},
    {"model_id": "m", "number_of_allocations": 50},
    {"model_id": "m", "threads_per_allocation": 2},
    {"model_id": "m", "threads_per_allocation": 2, "number_of_allocations": 1, "replace": "stop_start"},
    {"model_id": "m", "adaptive_allocations": {"enabled": True, "max_number_of_allocations": 3}},
    {"model_id": "m", "number_of_allocations": 2},
    {"model_id": "m", "number_of_allocations": 2, "on_adaptive": "skip"},
    {"model_id": "m", "number_of_allocations": 2, "on_adaptive": "override"},
    {"model_id": "m", "state": "restarted", "wait": False},
    {"model_id": "m", "fact_name": ""},
    {"model_id": "m", "deployment_id": "second", "initial_number_of_allocations": 2, "cache_size": "0"},
    {"model_id": "m", "state": "stopped"},
    {"model_id": "m"},
    {"model_id": "nope"},
    {"deployment_id": "gone", "on_missing": "skip"},
    {"model_id": "m", "hosts": ["{{ url_with_password }}"]},
    {"model_id": "m", "api_key": "a", "bearer_token": "b"},
    {"model_id": "m", "server_timeout": "2m"},
    {"model_id": "m", "state": "stopped"},
    {"model_id": "m", "state": "stopped"},
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
        "vars": {"ansible_connection": way, "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
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
    for number, options in enumerate(SCENARIOS):
        tasks.append({"name": f"Scenario {number}", MODULE: options, "ignore_errors": True})
    tasks.append({"name": "Read", f"{MODULE}_info": {"deployment_id": "*", "gather": ["routing", "nodes", "usage"]}})
    return tasks


def lasting(result: t.Any) -> t.Any:
    """A result without what differs from run to run: times, ports, the run's mark, and what only a module has."""
    volatile = {"start_time", "seconds", "polls", "run", "last_access", "hosts", "exception", "_ansible_no_log"}
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


def test_a_second_run_of_everything_that_lasts_writes_nothing() -> None:
    lasting_wishes = [SCENARIOS[0], SCENARIOS[17]]
    tasks = [{"name": f"Wish {number}", MODULE: options} for number, options in enumerate(lasting_wishes)]
    with emulator(*OPTIONS) as server:
        assert play(server, "local", tasks).must_pass().changed() == ["Wish 0", "Wish 1"]
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


SHOW: Json = {"name": "Show", "ansible.builtin.debug": {"var": "elasticsearch_deployments"}}


def shown(run: Played) -> list[Json]:
    return [task.result["elasticsearch_deployments"] for task in run.tasks if task.task == "Show"]


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
    delegated = {"delegate_to": "cluster", "delegate_facts": True, "vars": {"ansible_connection": "local"}}
    tasks: list[Json] = [
        {"name": "Host", "ansible.builtin.add_host": {"name": "cluster"}},
        {"name": "One", MODULE: {"model_id": "m"}, **delegated},
        {"name": "Two", MODULE: {"model_id": "other"}, **delegated},
        {"name": "Seen", "ansible.builtin.debug": {"msg": "{{ hostvars.cluster.elasticsearch_deployments | sort }}"}},
    ]
    with emulator(*OPTIONS) as server:
        assert play(server, "local", tasks).must_pass().result("Seen")["msg"] == ["m", "other"]


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


CANARIES = {
    "api_key": ("canary-id:canary-key-4711", "canary-key-4711", "Y2FuYXJ5LWlkOmNhbmFyeS1rZXktNDcxMQ=="),
    "password": ("canary-password-4711", "YWRhOmNhbmFyeS1wYXNzd29yZC00NzEx"),
    "bearer_token": ("canary-token-4711",),
}
"""The secret first, then what else gives it away: a part of it, or what a request carries."""


@pytest.mark.parametrize("source", ["options", "environment"])
@pytest.mark.parametrize("way", WAYS)
def test_no_secret_is_shown(way: str, source: str) -> None:
    """Success, failure, check mode and diff at -vvvv, against a server that repeats the credentials in its error."""
    for option, (secret, *traces) in CANARIES.items():
        echo = {"type": "t", "reason": f"no: {secret} {traces}"}
        hostile = {"type": "answer", "status": 400, "body": {"error": echo, "status": 400}}
        user = {"username": "ada"} if option == "password" else {}
        env = {f"ELASTICSEARCH_{name.upper()}": value for name, value in {option: secret, **user}.items()}
        # By a variable: what a playbook says literally, Ansible itself quotes when a task fails.
        given = {option: "{{ canary }}", **user} if source == "options" else {}
        variables = {"canary": secret} if source == "options" else {}
        tasks: list[Json] = [
            {"name": "Change", MODULE: {"model_id": "m", **given}},
            {"name": "Check", MODULE: {"model_id": "m", "number_of_allocations": 2, **given}, "check_mode": True},
            {"name": "Fail", MODULE: {"model_id": "other", **given}, "ignore_errors": True},
        ]
        with emulator(*OPTIONS) as server:
            server.control("POST", "/faults", {"operation": "start", "when": "before", "after": 1, "do": hostile})
            run = play(
                server, way, tasks, "-vvvv", "--diff", env={} if variables else env, extra_vars=variables
            ).must_pass()
        assert "answered 400: no: " in run.result("Fail")["msg"]
        shown_text = run.output + str([task.result for task in run.tasks])
        assert [text for text in (secret, *traces) if text in shown_text] == []

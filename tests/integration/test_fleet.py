# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test many deployments in one task, by real runs: both ways, many clusters, killed processes, bad networks."""

from __future__ import annotations

import subprocess
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from integration.test_scenarios import OPTIONS, WAYS, lasting, play
from support.emulator_process import Emulator, emulator
from support.playbook import BIN, clean_environment, run_playbook
from support.processes import kill_with_children

Json = dict[str, t.Any]
MODULE = "mlops.elasticsearch.trained_model_deployments"
TWO: list[Json] = [
    {"model_id": "m", "number_of_allocations": 2},
    {"model_id": "other", "deployment_id": "second", "threads_per_allocation": 2},
]
# What a task says, and what comes of it: the operations, or the beginning of the sentence of a failure.
TYPE, KEY = {"model_id": "m", "number_of_allocations": "two"}, {"deployment_id": "x", "nubmer": 1}
VALUE = {"model_id": "a/b"}
SCENARIOS: list[tuple[Json, Json | str]] = [
    ({"deployments": TWO}, {"start": 2}),
    ({"deployments": TWO}, {}),
    ({"deployments": TWO, "detail": "changed", "fact_name": ""}, {}),
    ({"deployments": [{**TWO[0], "number_of_allocations": 1}, {**TWO[1], "wait": False}]}, {"update": 1}),
    ({"deployments": [{"model_id": "m"}, {"deployment_id": "x", "nubmer": 1}]}, "deployments[1] ('x'): Unsupported"),
    ({"deployments": [{"number_of_allocations": 1}]}, "deployments[0]: one of the following is required"),
    ({"deployments": [{"model_id": "m", "state": "off"}]}, "deployments[0] ('m'): value of state must be one of"),
    (
        {"deployments": [{"model_id": "m", "number_of_allocations": "two"}]},
        "deployments[0] ('m'): number_of_allocations takes a whole number, not 'two'.",
    ),
    (
        {"deployments": [{"model_id": "m"}, TYPE, VALUE]},
        "deployments[1] ('m'): number_of_allocations takes a whole number, not 'two'. "
        "deployments[2] ('a/b'): model_id 'a/b' is not the id of one deployment or model. No id has a slash. "
        "Did you mean 'a__b', as eland imports that model? "
        "Deployment 'm' is listed 2 times, in deployments[0], deployments[1].",
    ),
    ({"deployments": [{"model_id": "m"}, {"deployment_id": "m"}]}, "The list of deployments cannot be applied."),
    (
        {"deployments": [{"model_id": "m", "number_of_allocations": 99}]},
        "The ML nodes have room for 6 of the 99 allocations of deployment 'm'. n1, n2: 0 of 4 processors",
    ),
    ({"deployments": [{"model_id": "m", "threads_per_allocation": 2}]}, "1 of 1 deployments failed. Deployment 'm'"),
    ({"deployments": [], "stop_unlisted": True}, "stop_unlisted is set without unlisted_except"),
    ({"deployments": TWO[:1], "stop_unlisted": True, "unlisted_except": []}, {"stop": 1, "update": 1}),
]


def tasks() -> list[Json]:
    # Steady: otherwise a decrease is reported with or without what a node has yet to give up.
    named = enumerate({"wait_for": "steady", "wait_sleep": 0.1, **options} for options, _outcome in SCENARIOS)
    return [{"name": f"Scenario {number}", MODULE: options, "ignore_errors": True} for number, options in named]


@pytest.mark.parametrize("mode", [(), ("--check", "--diff")], ids=["real", "check"])
def test_both_ways_return_the_same(mode: tuple[str, ...]) -> None:
    played: dict[str, list[Json]] = {}
    for way in WAYS:
        with emulator(*OPTIONS) as server:
            run = play(server, way, tasks(), *mode).must_pass()
            played[way] = [{"status": task.status, **lasting(task.result)} for task in run.tasks]
            if mode:
                assert server.writes() == []
    for here, there in zip(*played.values(), strict=True):
        assert here == there
    if not mode:
        for (options, outcome), result in zip(SCENARIOS, played["local"], strict=True):
            if isinstance(outcome, str):
                assert result["msg"].startswith(outcome), options
            else:
                assert result["summary"]["operations"] == outcome, options


@pytest.mark.parametrize("first", [{"model_id": "m"}, TYPE], ids=["types are right", "a type is wrong"])
def test_all_mistakes_of_a_list_are_named_at_once(first: Json) -> None:
    listed = [first, KEY, VALUE, {"model_id": "m"}, 7][: 5 if first is TYPE else 4]
    with emulator(*OPTIONS) as server:
        message = play(server, "local", [{"name": "All", MODULE: {"deployments": listed}}]).result("All")["msg"]
    assert "Deployment 'm' is listed 2 times, in deployments[0], deployments[3]." in message
    assert "deployments[1] ('x'): Unsupported parameters: nubmer." in message
    assert message.count("deployments[2] ('a/b'): model_id 'a/b' is not the id") == 1
    assert message.count("deployments[0] ('m')") == message.count("deployments[4] takes") == int(first is TYPE)


def test_its_facts_join_those_of_other_tasks() -> None:
    one = "mlops.elasticsearch.trained_model_deployment"
    listed: list[Json] = [
        {"name": "One", one: {"model_id": "other"}},
        {"name": "Many", MODULE: {"deployments": [{"model_id": "m", "deployment_id": name} for name in "ab"]}},
        {"name": "Stop", MODULE: {"deployments": [{"deployment_id": "a", "state": "stopped"}]}},
        {"name": "Show", "ansible.builtin.debug": {"msg": "{{ ansible_facts.elasticsearch_ml_deployments | sort }}"}},
    ]
    with emulator(*OPTIONS) as server:
        assert play(server, "local", listed).must_pass().result("Show")["msg"] == ["b", "other"]


# --- many clusters ---


def test_a_dead_cluster_fails_alone(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.ini"
    text = yaml.safe_dump(
        [
            {
                "hosts": "all",
                "connection": "local",
                "gather_facts": False,
                "tasks": [
                    {
                        "name": "Fleet",
                        MODULE: {
                            "hosts": "{{ url }}",
                            "request_retries": 0,
                            "deployments": [{"model_id": "m", "deployment_id": "{{ inventory_hostname }}"}],
                        },
                    },
                    {"name": "Show", "ansible.builtin.debug": {"var": "ansible_facts.elasticsearch_ml_deployments"}},
                ],
            }
        ]
    )
    with emulator(*OPTIONS) as one, emulator(*OPTIONS) as two:
        urls = {"alive": one.url, "dead": "http://127.0.0.1:9", "well": two.url}
        inventory.write_text("".join(f"{name} url={url}\n" for name, url in urls.items()))
        played = run_playbook(text, "-i", str(inventory))
        assert played.rc != 0
        assert {task.host: task.status for task in played.named("Fleet")} == {
            "alive": "ok",
            "dead": "failed",
            "well": "ok",
        }
        [failed] = [task for task in played.named("Fleet") if task.host == "dead"]
        assert "no connection to http://127.0.0.1:9: connection refused" in failed.result["msg"]
        shown = {
            task.host: list(task.result["ansible_facts.elasticsearch_ml_deployments"]) for task in played.named("Show")
        }
        assert shown == {"alive": ["alive"], "well": ["well"]}


# --- what may go wrong on the way ---

DESIRED_STATES = [{"model_id": "m", "deployment_id": f"d{each}"} for each in range(5)]


@pytest.fixture
def server() -> Iterator[Emulator]:
    with emulator(*OPTIONS) as found:
        yield found


@pytest.mark.parametrize("survived", [0, 2, 3])
def test_a_run_after_a_killed_process_ends_what_it_began(server: Emulator, tmp_path: Path, survived: int) -> None:
    """Test SIGKILL while the server works on a start. Nothing is started twice."""
    hanging = {"operation": "start", "after": survived, "when": "after", "do": {"type": "delay", "seconds": 60}}
    server.control("POST", "/faults", hanging)
    text = yaml.safe_dump(
        [
            {
                "hosts": "localhost",
                "connection": "local",
                "gather_facts": False,
                "tasks": [{MODULE: {"hosts": server.url, "deployments": DESIRED_STATES}}],
            }
        ]
    )
    (tmp_path / "play.yml").write_text(text)
    process = subprocess.Popen(
        [str(BIN / "ansible-playbook"), str(tmp_path / "play.yml")],
        env=clean_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while len(server.control("GET", "/state")["deployments"]) <= survived:
            assert time.monotonic() < deadline, "the start did not arrive"
            assert process.poll() is None, "the run ended by itself"
            time.sleep(0.02)
    finally:
        kill_with_children(process)
    server.control("DELETE", "/faults")
    again = run_playbook(text).must_pass()
    assert again.changed()
    started = [entry["query"]["deployment_id"] for entry in server.writes() if entry["path"].endswith("_start")]
    assert sorted(started) == [f"d{each}" for each in range(5)]
    assert sorted(server.control("GET", "/state")["deployments"]) == sorted(started)
    server.control("DELETE", "/journal")
    assert run_playbook(text).must_pass().changed() == []
    assert server.writes() == []


BAD_NETWORKS: dict[str, list[Json]] = {
    "slow": [{"operation": "any", "times": 6, "when": "before", "do": {"type": "delay", "seconds": 0.3}}],
    "half of the readings are dropped": [
        {"operation": "any_read", "after": each, "times": 1, "do": {"type": "drop"}} for each in (0, 2, 4, 6)
    ],
    "half of all connections are reset": [
        {"operation": "any", "after": each, "times": 1, "do": {"type": "reset"}} for each in range(0, 12, 2)
    ],
    "half of all connections are reset when the work is done": [
        {"operation": "any", "after": each, "times": 1, "when": "after", "do": {"type": "reset"}}
        for each in range(0, 12, 2)
    ],
}


@pytest.mark.parametrize("network", BAD_NETWORKS)
def test_a_bad_network_is_survived_with_reads_repeated_only(server: Emulator, network: str) -> None:
    for fault in BAD_NETWORKS[network]:
        server.control("POST", "/faults", {"when": "before", **fault})
    task = {
        "name": "Fleet",
        MODULE: {"deployments": DESIRED_STATES, "request_retries": 5, "hosts": server.url, "wait_sleep": 0.1},
    }
    result = play(server, "local", [task]).must_pass().result("Fleet")
    assert result["summary"]["operations"] == {"start": 5}
    assert all(fault["fired"] for fault in server.control("GET", "/faults"))
    effective = [entry["query"]["deployment_id"] for entry in server.writes() if entry["committed"]]
    assert sorted(effective) == [f"d{each}" for each in range(5)]

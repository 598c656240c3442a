# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the playbook capacity as a person runs it, and the module on both of its ways."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml

from support.emulator_process import Emulator, emulator
from support.playbook import Json, Played, run_playbook

START = "/_ml/trained_models/{}/deployment/_start?wait_for=started&number_of_allocations={}"
NODES = ("--node", "ml-1=8,16gb,eu-a", "--node", "instance-0000000002=4,8gb,eu-b")
PLAY = yaml.safe_dump([{"import_playbook": "mlops.elasticsearch.capacity"}])


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    with emulator(*NODES, "--model", "sentiment", "--model", ".multilingual-e5-small", "--interval", "0.002") as server:
        for model_id, number in (("sentiment", 4), (".multilingual-e5-small", 2)):
            server.api("POST", START.format(model_id, number))
        server.control("POST", "/settle")
        server.control("DELETE", "/journal")
        yield server


def play(cluster: Emulator, *args: str, login: Json | None = None, **extra_vars: object) -> Played:
    env = {"ELASTICSEARCH_URL": cluster.url, **(login or {})}
    return run_playbook(PLAY, *args, env=env, extra_vars=extra_vars).must_pass()


@pytest.mark.parametrize("args", [(), ("--check",)])
def test_the_table_fits_into_a_terminal(cluster: Emulator, args: tuple[str, ...]) -> None:
    played = play(cluster, *args)
    lines = played.result("Show it")["msg"]
    assert lines[0].split() == ["node", "zone", "processors", "memory", "deployments"]
    assert "sentiment 2/2" in "".join(lines) or "sentiment 4/4" in "".join(lines)
    printed = [line for line in played.output.splitlines() if any(each in line for each in lines)]
    assert len(printed) == len(lines)
    assert max(map(len, printed)) <= 100
    assert played.changed() == []
    assert cluster.writes() == []


def test_it_says_what_fits(cluster: Emulator) -> None:
    fit = [
        {"model_id": "sentiment", "threads_per_allocation": 2},
        {"model_bytes": "64gb"},
        {"model_bytes": "100mb", "priority": "low"},
    ]
    played = play(cluster, fit=fit)
    first, second, third = (result["msg"] for result in played.result("Show what fits")["results"])
    assert re.fullmatch(
        "sentiment, 2 threads, normal priority: [1-4] more allocations? on (instance-0000000002|ml-1|, )+", first[0]
    )
    assert len(first) == 1
    assert second[0] == "a model of 64.00 GB, 1 thread, normal priority: 0 more allocations"
    assert all("needed" in line for line in second[1:])
    assert len(second) > 1
    assert re.match("a model of 100.00 MB, 1 thread, low priority: [0-9]+ more deployments on ", third[0])


def test_it_says_what_was_not_read_and_what_that_needs(cluster: Emulator) -> None:
    user = {"username": "reader", "password": "secret"}
    cluster.control("POST", "/privileges", {**user, "privileges": ["monitor_ml"]})
    login = {f"ELASTICSEARCH_{name.upper()}": value for name, value in user.items()}
    played = play(cluster, login=login, fit=[{"model_id": "sentiment"}])
    said = [result["msg"] for result in played.result("Show what could not be read")["results"]]
    assert "Not read: routing table (needs the cluster privilege monitor)" in said
    [answer] = [result["msg"] for result in played.result("Show what fits")["results"]]
    assert "0 for certain, at most" in answer[0]
    assert "Not read without the cluster privilege monitor" in answer[1]


def test_the_module_says_the_same_on_both_ways(cluster: Emulator) -> None:
    task = {"mlops.elasticsearch.ml_capacity_info": {"hosts": cluster.url, "fit": [{"model_id": "sentiment"}]}}
    tasks = [{"name": "Here", **task}, {"name": "As a module", **task, "async": 60, "poll": 1}]
    played = run_playbook(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}])).must_pass()
    here, module = (task.result for task in played.tasks)
    assert here["fit"][0]["kind"] == "exact"
    for name in ("nodes", "fit", "plan", "may_grow", "missing", "server"):
        assert here[name] == module[name]

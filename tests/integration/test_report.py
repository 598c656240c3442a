# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the playbook report as a person and a job run it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.emulator_process import Emulator, emulator
from support.playbook import Json, Played, run_playbook

REPORT = Path("mlops.elasticsearch.report")


@contextlib.contextmanager
def unwell() -> Iterator[Emulator]:
    """Yield a cluster with a deployment that is well, one that has failed, and an endpoint that is lost."""
    nodes = ("--node", "ml-1=8,16gb", "--node", "ml-2=8,16gb")
    models = ("--model", "sentiment", "--model", "other", "--model", "third")
    with emulator(*nodes, *models, "--interval", "0.002") as server:
        effects: list[Json] = [
            {"do": "start_deployment", "model_id": "sentiment", "number_of_allocations": 2},
            {"do": "start_deployment", "model_id": "other", "deployment_id": "search", "number_of_allocations": 1},
        ]
        for effect in effects:
            server.control("POST", "/effects", effect)
        settings = {"model_id": "third", "num_allocations": 1, "num_threads": 1}
        body = {"service": "elasticsearch", "service_settings": settings}
        server.api("PUT", "/_inference/sparse_embedding/gone", body)
        server.control("POST", "/settle")
        server.control("POST", "/effects", {"do": "remove_deployment", "deployment_id": "gone"})
        server.control("POST", "/effects", {"do": "crash_process", "deployment_id": "search", "reason": "no memory"})
        server.control("DELETE", "/journal")
        yield server


@pytest.fixture(scope="module")
def cluster() -> Iterator[Emulator]:
    with unwell() as server:
        yield server


def play(cluster: Emulator, *args: str, env: Json | None = None, **variables: object) -> tuple[Played, Json]:
    """Return the run, and what it hands to the next job."""
    played = run_playbook(REPORT, *args, env={"ELASTICSEARCH_URL": cluster.url, **(env or {})}, extra_vars=variables)
    stats = [task.result for task in played.tasks if task.action == "ansible.builtin.set_stats"]
    assert len(stats) == 1, played.output
    assert cluster.writes() == []
    return played, stats[0]["ansible_stats"]["data"]["report_result"]


@pytest.mark.parametrize("args", [(), ("--check",)])
def test_the_worst_is_first_and_has_a_remedy(cluster: Emulator, args: tuple[str, ...]) -> None:
    played, result = play(cluster, *args)
    assert played.rc == 0, played.output
    lines = played.result("Show their health")["msg"]
    assert [line.split()[0] for line in lines[3:6]] == ["none", "search", "sentiment"]
    text = " ".join(lines)
    assert "Inference endpoint 'gone' is lost: its deployment is gone, and inference requests fail." in text
    assert "Deployment 'search' has failed: 0 of 1 allocations run;" in text
    printed = [line for line in played.output.splitlines() if any(each and each in line for each in lines)]
    assert len(printed) >= len([line for line in lines if line])
    assert max(map(len, printed)) <= 100
    assert (result["failed"], result["msg"]) == (False, "2 problems, none of which fails the job.")
    assert [(each["kind"], each["id"], each["health"]) for each in result["problems"]] == [
        ("endpoint", "gone", "lost"),
        ("deployment", "search", "failed"),
    ]
    assert result["deployments"]["ok"] == 1
    json.dumps(result)


@pytest.mark.parametrize(
    ("variables", "failed", "shown"),
    [
        ({"fail_on": "failed", "only_problems": True}, True, ["none", "search"]),
        ({"fail_on": "degraded", "deployment_ids": "senti*", "inference_ids": "x*"}, False, ["sentiment"]),
        ({"fail_on": "failed", "deployment_ids": "", "inference_ids": None, "only_problems": ""}, True, None),
    ],
)
def test_variables(cluster: Emulator, variables: Json, failed: bool, shown: list[str] | None) -> None:
    played, result = play(cluster, **variables)
    assert (played.rc != 0, result["failed"]) == (failed, failed), played.output
    lines = played.result("Show their health")["msg"]
    found = [line.split()[0] for line in lines[3:] if line]
    assert found[: len(shown or ())] == (shown or [])
    assert not failed or "cannot be left so: gone, search." in result["msg"]


def test_a_wrong_variable_and_a_cluster_that_is_not_there(cluster: Emulator) -> None:
    played, result = play(cluster, fail_on="sometimes")
    assert (played.rc, result["failed"], result["problems"]) == (2, True, [])
    assert "fail_on" in result["msg"]
    played, result = play(cluster, env={"ELASTICSEARCH_URL": "http://127.0.0.1:9"})
    assert (played.rc, result["failed"], result["deployments"]) == (2, True, None)
    assert "Cannot read" in result["msg"]


def test_endpoints_that_may_not_be_read() -> None:
    user = {"username": "reader", "password": "not-a-secret", "privileges": ["monitor_ml"]}
    login = {"ELASTICSEARCH_USERNAME": "reader", "ELASTICSEARCH_PASSWORD": "not-a-secret"}
    with unwell() as cluster:
        cluster.control("POST", "/privileges", user)
        played, result = play(cluster, env=login)
    assert played.rc == 0, played.output
    assert [each["id"] for each in result["problems"]] == ["search"]
    assert played.result("Show what could not be read")["msg"].startswith("The inference endpoints were not read. ")

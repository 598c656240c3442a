# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test users with few rights, in real playbooks: what they see, and that their tasks send no forbidden write."""

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
ASK = "/_security/user/_has_privileges"

ROLES = {
    "reader": ["monitor_ml"],
    "watcher": ["monitor_ml", "monitor"],
    "starter": ["monitor_ml", "manage_inference"],
    "writer": ["manage_ml"],
    "stranger": ["none"],
}
SECURITY = {
    "users": {name: {"password": f"secret-of-{name}", "roles": [name]} for name in ROLES},
    "roles": {name: {"cluster": privileges} for name, privileges in ROLES.items()},
    "api_keys": [
        {
            "api_key": "reading:secret-of-a-key",
            "name": "reading",
            "owner": "writer",
            "role_descriptors": {"reader": {"cluster": ["monitor_ml"]}},
        }
    ],
}
LOGINS: dict[str, Json] = {name: {"username": name, "password": f"secret-of-{name}"} for name in ROLES}
LOGINS["key"] = {"api_key": "reading:secret-of-a-key"}

# Who, what (check: in check mode), and what comes of it: the operation and the source, or the beginning of a sentence.
LACKS = "Cannot {} a deployment: user '{}' lacks the cluster privilege manage_ml. The task changed nothing."
START: Json = {"model_id": "m"}
UPDATE: Json = {"model_id": "m", "number_of_allocations": 2}
STOP: Json = {"model_id": "m", "state": "stopped"}
STEPS: list[tuple[str, Json, bool, str]] = [
    ("stranger", START, True, "Cannot read the version of the cluster: Elasticsearch answered 403"),
    ("reader", START, True, "start prediction"),
    ("reader", START, False, LACKS.format("start", "reader")),
    ("watcher", START, False, LACKS.format("start", "watcher")),
    ("key", START, False, LACKS.format("start", "writer")),
    ("starter", START, False, "start stats"),
    ("reader", START, False, "none stats"),
    ("watcher", START, False, "none cluster_state"),
    ("key", START, True, "none stats"),
    ("starter", UPDATE, False, LACKS.format("update", "starter")),
    ("watcher", UPDATE, True, "update prediction"),
    ("watcher", STOP, False, LACKS.format("stop", "watcher")),
    ("writer", UPDATE, False, "update stats"),
    ("reader", STOP, True, "stop prediction"),
    ("starter", STOP, False, "stop stats"),
]
WRITTEN = ["_start", "_update", "_stop"]


@pytest.fixture(scope="module")
def security(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("security") / "security.yml"
    path.write_text(yaml.safe_dump(SECURITY))
    return str(path)


def play(server: Emulator, way: str, tasks: list[Json]) -> Played:
    quick = {"hosts": [server.url], "wait_sleep": 0.1}
    book = {
        "name": "Test",
        "hosts": "localhost",
        "gather_facts": False,
        "module_defaults": {MODULE: quick, f"{MODULE}s": quick, f"{MODULE}_info": {"hosts": [server.url]}},
        "vars": {"ansible_connection": way, "ansible_python_interpreter": python()},
        "tasks": tasks,
    }
    return run_playbook(
        yaml.safe_dump([book], sort_keys=False), "-vvv", env={"ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS)}
    )


def questions(server: Emulator) -> int:
    return sum(line["path"] == ASK for line in server.control("GET", "/requests"))


@pytest.mark.parametrize("way", ["local", "loopback"])
def test_who_may_do_what(way: str, security: str) -> None:
    tasks: list[Json] = [
        {"name": f"Step {number}", MODULE: {**options, **LOGINS[who]}, "check_mode": check, "ignore_errors": True}
        for number, (who, options, check, _comes) in enumerate(STEPS)
    ]
    with emulator("--security", security, "--model", "m=1048576") as server:
        played = play(server, way, tasks).must_pass()
        written = [(entry["path"].rpartition("/")[2], entry["status"]) for entry in server.writes()]
    for task, (who, _options, _check, comes) in zip(played.tasks, STEPS, strict=True):
        result = task.result
        came = result["msg"] if task.status == "ignored" else f"{result['operation']} {result['routing_source']}"
        assert came.startswith(comes), who
    assert written == [(verb, 200) for verb in WRITTEN]
    assert "secret-of-" not in played.output


@pytest.mark.parametrize("way", ["local", "loopback"])
def test_reading(way: str, security: str) -> None:
    tasks: list[Json] = [{"name": "Start", MODULE: {**START, **LOGINS["writer"]}}]
    tasks += [{"name": who, f"{MODULE}_info": LOGINS[who]} for who in ("reader", "watcher", "starter", "key")]
    with emulator("--security", security, "--model", "m=1048576") as server:
        played = play(server, way, tasks).must_pass()
    sources = {who: played.result(who)["deployments"][0]["routing_source"] for who in ("reader", "watcher", "key")}
    assert sources == {"reader": "stats", "watcher": "cluster_state", "key": "stats"}


def test_the_items_of_a_loop_ask_once(security: str) -> None:
    task = {
        "name": "Start",
        MODULE: {"model_id": "m", "deployment_id": "{{ item }}", **LOGINS["writer"]},
        "loop": ["a", "b", "c"],
    }
    with emulator("--security", security, "--model", "m=1048576") as server:
        play(server, "local", [task]).must_pass()
        assert questions(server) == 1
        assert len(server.writes()) == 3


def test_a_list_asks_once_and_writes_all_or_nothing(security: str) -> None:
    desired: list[Json] = [{"model_id": "m", "deployment_id": name} for name in ("a", "b", "c")]
    tasks: list[Json] = [
        {"name": who, f"{MODULE}s": {"deployments": desired, **LOGINS[who]}, "ignore_errors": True}
        for who in ("reader", "writer")
    ]
    with emulator("--security", security, "--model", "m=1048576") as server:
        played = play(server, "local", tasks).must_pass()
        assert questions(server) == 2
        assert len(server.writes()) == 3
    sentence = LACKS.format("start", "reader")
    assert played.result("reader")["msg"].startswith(f"3 of 3 deployments failed. 'a', 'b', 'c': {sentence}")
    assert played.result("writer")["summary"]["changed"] == 3

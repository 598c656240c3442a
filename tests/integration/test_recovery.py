# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test a real SIGKILL between the stop and the start of a replacement: the next run finds the old settings."""

from __future__ import annotations

import json
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
import yaml

from support.emulator_process import TESTS, Emulator, emulator
from support.playbook import BIN, Json, clean_environment, run_playbook
from support.processes import kill_with_children

MODULE = "mlops.elasticsearch.trained_model_deployment"
START = "/_ml/trained_models/sentiment/deployment/_start?queue_capacity=77&threads_per_allocation=2&wait_for=started"


WAYS = ("local", "loopback")
CONNECTION = {"ANSIBLE_CONNECTION_PLUGINS": str(TESTS / "support/connection")}


def playbook(cluster: Emulator, path: Path, way: str) -> str:
    task = {
        MODULE: {
            "hosts": cluster.url,
            "deployment_id": "sentiment",
            "number_of_allocations": 2,
            "threads_per_allocation": 1,
            "replace": "stop_start",
            "recovery_file": str(path),
        }
    }
    # A variable, because the localhost that Ansible adds by itself has one that wins over the keyword.
    variables = {"ansible_connection": way, "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    return yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": [task]}])


def kill_while_it_stops(cluster: Emulator, text: str, home: Path) -> None:
    """Run a task that stops the deployment, and kill it with all its processes while the stop hangs."""
    cluster.control("POST", "/effects", {"do": "hold", "deployment_id": "sentiment"})
    (home / "playbook.yml").write_text(text)
    process = subprocess.Popen(
        [str(BIN / "ansible-playbook"), str(home / "playbook.yml")],
        env={**clean_environment(home), **CONNECTION},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(lambda: _state(cluster)["sentiment"]["assignment_state"] == "stopping")
    finally:
        kill_with_children(process)


def _await(there: t.Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not there():
        assert time.monotonic() < until
        time.sleep(0.05)


def _state(cluster: Emulator) -> Json:
    return t.cast("Json", cluster.control("GET", "/state")["deployments"])


@pytest.mark.parametrize("way", WAYS)
def test_a_killed_replacement_is_finished_by_the_next_run(tmp_path: Path, way: str) -> None:
    path = tmp_path / "sentiment.json"
    with emulator("--node", "ml-1=8,16gb", "--model", "sentiment", "--interval", "0.002") as cluster:
        cluster.api("POST", START)
        text = playbook(cluster, path, way)
        kill_while_it_stops(cluster, text, tmp_path)
        assert json.loads(path.read_text())["settings"]["queue_capacity"] == 77
        assert path.stat().st_mode & 0o777 == 0o600
        cluster.control("POST", "/effects", {"do": "release", "deployment_id": "sentiment"})
        _await(lambda: not _state(cluster))
        [checked] = run_playbook(text, "--check", env=CONNECTION).must_pass().tasks
        [real] = run_playbook(text, env=CONNECTION).must_pass().tasks
        found = _state(cluster)["sentiment"]["task_parameters"]
    assert real.result["operation"] == "start"
    assert real.result["api_calls"] == checked.result["api_calls"]
    assert (found["queue_capacity"], found["threads_per_allocation"], found["number_of_allocations"]) == (77, 1, 2)
    assert not path.exists()

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that runs in forked processes, as most tests play them, are those of ``ansible-playbook``."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import typing as t
from pathlib import Path

import pytest
import yaml

from support.emulator_process import TESTS, emulator
from support.forked import Forking
from support.forked.python import python
from support.playbook import Played, run_playbook
from support.random_search import FULL

Json = dict[str, t.Any]
MODULE = "mlops.elasticsearch.trained_model_deployment"
CONNECTIONS = Path(__file__).resolve().parent.parent / "support" / "connection"
STARTED = "{{ ansible_playbook_python }}"
TASKS: list[Json] = [
    {"name": "Start", MODULE: {"model_id": "sentiment", "number_of_allocations": 2}},
    {"name": "Misspelt", MODULE: {"model": "sentiment"}, "ignore_errors": True},
    {"name": "Refused", MODULE: {"model_id": "nope"}, "ignore_errors": True},
    {"name": "Later", MODULE: {"model_id": "sentiment", "state": "restarted"}, "async": 60, "poll": 1},
    {"name": "Facts", "ansible.builtin.debug": {"var": "ansible_facts.elasticsearch_ml_deployments | list"}},
    {"name": "Environment", "ansible.builtin.command": "env"},
    {"name": "Fails", f"{MODULE}_info": {"hosts": "http://127.0.0.1:9"}},
]
VARIABLE = (
    r"(?<=addresses.: .)[\da-f]{16}",
    r"(/tmp/|ansible-tmp-|ansible-local-)[\w.-]+",
    r"\d{4}-\d\d-\d\dT?[ \d:.]+",
    r"[\da-f]{8}(-[\da-f]{4}){3}",
    r"127.0.0.1:\d{4,}",
    r"j?\d{6,}[\d.]*",
    r"(?<=seconds.: )[\d.]+",
    r"(?<=polls.: )\d+",
    r"\d:[\d:.]{8,}",
)
"""What differs between two runs: addresses, folders, times, marks of runs, ports, ids of jobs, the time of a wait."""


def play(way: str, interpreter: str, *args: str, forked: bool) -> Played:
    with emulator() as server:
        book = {
            "hosts": "localhost",
            "gather_facts": False,
            "module_defaults": {"group/mlops.elasticsearch.ml": {"hosts": server.url, "request_retries": 0}},
            "vars": {"ansible_connection": way, "ansible_python_interpreter": interpreter},
            "tasks": TASKS,
        }
        env = {"ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS), "ELASTICSEARCH_USERNAME": ""}
        return run_playbook(yaml.safe_dump([book], sort_keys=False), *args, env=env, forked=forked)


def lasting(run: Played, interpreter: str) -> tuple[int, list[str], list[tuple[str, str, str]]]:
    """Return the status, the output in lines, and each task, without what differs between any two runs."""

    def plain(text: object) -> str:
        return re.sub("|".join(VARIABLE), "*", str(text).replace(interpreter, "PYTHON"))

    tasks = [(each.task, each.status, plain(sorted(each.result.items()))) for each in run.tasks]
    lines = [line for line in plain(run.output).splitlines() if not line.startswith(("ASYNC POLL", "<localhost> "))]
    return run.rc, sorted(lines), tasks


WAYS = [("local", ("-v",)), ("loopback", ("--check", "--diff"))]


@pytest.mark.parametrize(("way", "args"), WAYS if FULL else WAYS[1:])
def test_a_forked_run_shows_what_a_started_one_shows(way: str, args: tuple[str, ...]) -> None:
    started = play(way, STARTED, *args, forked=False)
    forked = play(way, python(), *args, forked=True)
    assert started.rc == 2
    assert [task.task for task in forked.tasks] == [task["name"] for task in TASKS]
    assert lasting(forked, python()) == lasting(started, STARTED)


@pytest.mark.parametrize("text", ["- hosts: [", "- hosts: localhost\n  tasks: [{nothing.of.this: {}}]"])
def test_a_playbook_that_cannot_run_fails_alike(text: str) -> None:
    forked, started = (run_playbook(text, forked=each) for each in (True, False))
    assert forked.rc != 0
    assert lasting(forked, STARTED) == lasting(started, STARTED)


def test_a_run_leaves_nothing_for_the_next() -> None:
    tasks: list[Json] = [
        {"name": "Folders", "ansible.builtin.command": "find . -mindepth 1"},
        {"name": "Start", MODULE: {"model_id": "sentiment"}},
    ]
    text = yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}])
    with emulator() as server:
        runs = [run_playbook(text, env={"ELASTICSEARCH_URL": server.url}).must_pass() for _run in range(2)]
    folders = [run.result("Folders")["stdout_lines"] for run in runs]
    temporary = [
        [each for each in found if re.fullmatch(r"\./ansible/tmp/ansible-local-\w+", each)] for found in folders
    ]
    assert [len(each) for each in temporary] == [1, 1]
    assert temporary[0] != temporary[1]
    first, second = (sorted(re.sub(r"ansible-(local|tmp)-[\w.-]+", "*", each) for each in found) for found in folders)
    assert first == second
    marks = {run.result("Start")["ansible_facts"]["elasticsearch_ml_deployments"]["sentiment"]["run"] for run in runs}
    assert len(marks) == 2, "facts of an earlier run are recognised by this mark"


def test_a_process_with_the_id_of_an_earlier_one_has_a_status_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Forking("support.forked.elasticsearch_emulator", str(TESTS), os.environ, TESTS)
    ours, theirs = socket.socketpair()
    with ours, theirs, contextlib.closing(server), monkeypatch.context() as patch:
        patch.setattr(server, "_channel", ours)
        for status in (0, 1):
            theirs.sendall(b'{"pid": 7, "status": null}\n')
            process = server.start(["program"], {}, tmp_path, (0, 1, 2))
            theirs.sendall(b'{"pid": 7, "status": %d}\n' % status)
            assert process.wait(timeout=60) == status

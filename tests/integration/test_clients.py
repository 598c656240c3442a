# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the oldest and the newest releases of elasticsearch-py, each with servers of all ages, both ways.

``make clients`` runs more of the tests with each of them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from emulator_tests.clients import install
from support.emulator_process import Emulator, emulator
from support.forked.python import python
from support.playbook import Played, run_playbook

Json = dict[str, t.Any]
MODULE = "mlops.elasticsearch.trained_model_deployment"
TESTS = Path(__file__).resolve().parent.parent
CONNECTIONS = TESTS / "support" / "connection"
OLD = "7.17.13"
CLIENTS = [release for release in install.RELEASES[install.ALONE] if release != OLD]
SERVERS = ("8.0.1", "8.9.2", "8.16.0", "8.19.21", "9.5.3")
WAYS = ("local", "loopback")


def play(way: str, tasks: list[Json], path: Path | None, **variables: str) -> Played:
    """Run the tasks; every Python of the run imports first from the folder *path*."""
    book = {
        "name": "Test",
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_connection": way, "ansible_python_interpreter": "{{ ansible_playbook_python }}", **variables},
        "tasks": tasks,
    }
    environment = {"ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS), "PYTHONPATH": _imports_first(path)}
    return run_playbook(yaml.safe_dump([book], sort_keys=False), env=environment)


# --- a whole life with each ---


def _imports_first(path: Path | None) -> str:
    return os.pathsep.join([*([str(path)] if path else []), os.environ["PYTHONPATH"]])


def life(server: str, url: str, way: str) -> list[tuple[str, Json, str]]:
    """Return tasks by name, and the outcome of each; as a module, which takes its time, fewer."""
    there: Json = {"model_id": "m", "hosts": [url], "wait_sleep": 0.1}
    more: Json = {"number_of_allocations": 2} if server != "8.0.1" else {"number_of_allocations": 1}
    steps = [
        (f"{server} start", {MODULE: {**there, "number_of_allocations": 1}}, "start"),
        (f"{server} change", {MODULE: {**there, **more}}, "update" if server != "8.0.1" else "none"),
        (f"{server} list", {f"{MODULE}s": {"deployments": [{"model_id": "m"}], "hosts": [url]}}, "1 unchanged"),
        (f"{server} read", {f"{MODULE}_info": {"hosts": [url]}}, "ok"),
        (f"{server} stop", {MODULE: {**there, "state": "stopped"}}, "stop"),
    ]
    return steps if way == "local" else [step for step in steps if MODULE in step[1]]


def came(result: Json) -> str:
    """Return the outcome of a task of the life, in a word or two."""
    if "operation" in result:
        return str(result["operation"])
    if result["deployments"][0].get("health"):
        return str(result["deployments"][0]["health"])
    return f"{result['summary']['unchanged']} unchanged"


def used(server: Emulator) -> set[str]:
    """Return the clients that asked for anything, as they call themselves."""
    return {line["headers"].get("user-agent", "").split(" ")[0] for line in server.control("GET", "/requests")}


@pytest.fixture(scope="module")
def servers() -> t.Iterator[dict[str, Emulator]]:
    with contextlib.ExitStack() as stack:
        yield {version: stack.enter_context(emulator("--model", "m=1048576", version=version)) for version in SERVERS}


def lives() -> list[t.Any]:
    """Return each way with each client. The newest, and the oldest inside the controller, are in every run."""
    pairs = itertools.product(CLIENTS, WAYS)
    always = {*itertools.product(CLIENTS[-1:], WAYS), (CLIENTS[0], "local")}
    return [pytest.param(*pair, marks=[] if pair in always else [pytest.mark.client_matrix]) for pair in pairs]


@pytest.mark.parametrize(("client", "way"), lives())
def test_a_whole_life(client: str, way: str, servers: dict[str, Emulator]) -> None:
    """Test each client with each server, also those of a lower major."""
    for server in servers.values():
        server.control("POST", "/reset", {})
    path = install.folder(install.ALONE, client)
    steps = [step for version, server in servers.items() for step in life(version, server.url, way)]
    interpreter = python(_imports_first(path))
    tasks = [{"name": name, **task} for name, task, _comes in steps]
    played = play(way, tasks, path, ansible_python_interpreter=interpreter).must_pass()
    found = {version: used(server) for version, server in servers.items()}
    sent = {version: [entry["status"] for entry in server.writes()] for version, server in servers.items()}
    for name, _task, comes in steps:
        assert came(played.result(name)) == comes, name
    assert found == dict.fromkeys(SERVERS, {f"elasticsearch-py/{install.version(client)}"})
    assert sent == {version: [200] * (2 if version == "8.0.1" else 3) for version in SERVERS}


# --- a client that will not do ---


def refused(way: str, path: Path | None, **variables: str) -> str:
    """Return the message of a task on nothing that could answer."""
    task = {"name": "Read", f"{MODULE}_info": {"hosts": ["http://127.0.0.1:1"]}, "ignore_errors": True}
    result = play(way, [task], path, **variables).must_pass().result("Read")
    assert result["error"]["kind"] == "library"
    return str(result["msg"])


@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_is_too_old(way: str) -> None:
    path = install.folder(install.ALONE, OLD)
    assert refused(way, path) == (
        f"The Python package elasticsearch, version 8 or newer, is needed by {sys.executable}: "
        f"found version {OLD} in {path}/elasticsearch/__init__.py. "
        "Install it there, for instance with pip, or choose another Python with ansible_python_interpreter."
    )


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a Python without any package."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return str(folder / "bin" / "python")


def test_no_client_on_another_machine(bare: str) -> None:
    sentence = refused("loopback", None, ansible_python_interpreter=bare)
    assert f"version 8 or newer, is needed by {bare}: No module named 'elasticsearch'." in sentence


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Make a folder that hides the client: a program that imports it finds nothing."""
    (tmp_path / "elasticsearch.py").write_text("raise ModuleNotFoundError(\"No module named 'elasticsearch'\")\n")
    return tmp_path


@pytest.mark.parametrize("way", WAYS)
def test_no_client_in_the_controller(way: str, broken: Path) -> None:
    sentence = refused(way, broken)
    assert f"version 8 or newer, is needed by {sys.executable}: No module named 'elasticsearch'." in sentence


@pytest.mark.parametrize("hidden", [True, False], ids=["missing", "too old"])
def test_another_python_that_has_one_is_used(hidden: bool, broken: Path, tmp_path: Path) -> None:
    """Test a local connection, too: the controller's own client is not needed."""
    first = broken if hidden else install.folder(install.ALONE, OLD)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    with emulator("--model", "m=1048576") as server:
        task = {"name": "Start", MODULE: {"model_id": "m", "hosts": [server.url]}}
        played = play("local", [task], first, ansible_python_interpreter=str(python)).must_pass()
        assert played.result("Start")["operation"] == "start"


# --- the table of `make clients` ---


def table(tests: Path) -> tuple[int, list[list[str]]]:
    """Return the status, and the two lines of the table for one client, in columns."""
    command = [sys.executable, str(TESTS / "clients" / "run.py"), "--processes", "1", "--client", CLIENTS[-1]]
    done = subprocess.run([*command, str(tests)], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr
    return done.returncode, [re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines()[-2:]]


PLAYING = """
import elasticsearch
from support import emulated_versions

def test_two():
    emulated_versions.VERSIONS.update(("8.19.21", "9.5.3"))

def test_one():
    emulated_versions.VERSIONS.add("8.19.3")
    assert {sound}, elasticsearch.__file__
"""


@pytest.mark.parametrize(("sound", "counted"), [(True, "2"), (False, "1, 1 failed")])
def test_the_table_counts_by_server(sound: bool, counted: str, tmp_path: Path) -> None:
    install.folder(install.ALONE, CLIENTS[-1])
    path = tmp_path / "test_playing.py"
    path.write_text(PLAYING.format(sound=sound))
    status, [head, row] = table(path)
    assert status == (0 if sound else 1)
    assert head == ["client", "8.19", "9.5", "all tests"]
    assert row == [CLIENTS[-1], counted, "1", counted]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test warnings as Ansible shows them: with ``no_log``, about masked ids, and about unchecked certificates."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.release import __version__ as ansible_version

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.warning import HIDDEN
from support.canaries import canary, hits
from support.documents import ROOT
from support.emulator_process import emulator
from support.forked.python import python
from support.playbook import Json, Played, run_playbook

ONE, INFO = "mlops.elasticsearch.trained_model_deployment", "mlops.elasticsearch.trained_model_deployment_info"
CONNECTIONS = Path(__file__).resolve().parent.parent / "support" / "connection"
GUIDE = " ".join((ROOT / "docs/docsite/rst/secrets.rst").read_text().split())
WAYS = ("local", "loopback")
ID = canary("an id of a task with no_log")
MODEL = "elastic__distilbert-base-uncased"
INSECURE = "The variable ELASTICSEARCH_INSECURE turns off the check of certificates."


def run(way: str, tasks: list[Json], *args: str, forked: bool = True, **env: str) -> Played:
    play = {
        "name": "Play",
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_connection": way, "ansible_python_interpreter": python()},
        "tasks": [{"name": f"Task {number}", **task} for number, task in enumerate(tasks)],
    }
    env = {"ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS), **env}
    return run_playbook(yaml.safe_dump([play]), *args, env=env, forked=forked).must_pass()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("no_log", [True, False])
def test_in_a_task_with_no_log_a_warning_names_nothing(way: str, no_log: bool) -> None:
    assert HIDDEN in GUIDE
    with emulator() as server:
        skipped = {ONE: {"hosts": server.url, "deployment_id": ID.value, "on_missing": "skip"}, "no_log": no_log}
        played = run(
            way, [skipped, {ONE: {"hosts": server.url, "deployment_id": "seen", "on_missing": "skip"}}], "-vvv"
        )
    assert bool(hits([ID], [("output", played.output)])) == (not no_log)
    # ansible-core before 2.19 prints no warning of such a task.
    assert (HIDDEN in played.output) == (no_log and not ansible_version.startswith("2.18."))
    assert "Deployment 'seen' was skipped" in str(played.result("Task 1")["warnings"])


@pytest.mark.parametrize("way", WAYS)
def test_ids_that_are_masked_are_said(way: str) -> None:
    login = {"username": "elastic", "password": "elastic"}
    with emulator("--node", "ml-1=8,16gb", "--model", f"{MODEL}=1048576", "--interval", "0.01") as server:
        server.control("POST", "/privileges", {**login, "privileges": ["all"]})
        tasks: list[Json] = [
            {ONE: {"hosts": server.url, **login, "model_id": MODEL}},
            {INFO: {"hosts": server.url, **login}},
            {INFO: {"hosts": server.url, "username": "elastic", "password": "another-one"}, "ignore_errors": True},
            {"ansible.builtin.debug": {"msg": "elasticsearch stays"}},
        ]
        played = run(way, tasks)
    for name in ("Task 0", "Task 1"):
        result = played.result(name)
        assert "elastic__" not in str({**result, "warnings": [], "invocation": {}})
        assert "A credential occurs in the result" in str(result["warnings"])
    # From 2.22 on ansible-core registers the options of a module that it runs, short ones too.
    if way == "local":
        assert "user [elastic]" in played.result("Task 2")["msg"], "a user is no secret"
        assert "elasticsearch stays" in played.output, "a short credential masks no other output"


@pytest.mark.parametrize("way", WAYS)
def test_certificates_that_a_variable_leaves_unchecked_are_said_once(way: str, tmp_path: Path) -> None:
    with emulator("--tls") as server:
        read: Json = {INFO: {"hosts": server.url}}
        tasks = [
            {**read, "no_log": True},
            read,
            read,
            {**read, "loop": [1, 2]},
            {INFO: {**read[INFO], "validate_certs": False}},
        ]
        played = run(way, tasks, ELASTICSEARCH_INSECURE="true")
        secure = run(way, [{INFO: {**read[INFO], "validate_certs": False}}])
    said = [str(task.result.get("warnings", "")).count(INSECURE) for task in played.tasks]
    assert sum(said) == 1 == said[1], played.output
    assert INSECURE not in str(secure)


def test_certificates_that_an_async_task_leaves_unchecked_are_said() -> None:
    with emulator("--tls") as server:
        later: Json = {INFO: {"hosts": server.url}, "async": 60, "poll": 1}
        played = run("local", [later, later], ELASTICSEARCH_INSECURE="true")
    assert " ".join(played.output.split()).count(INSECURE) == 1, played.output

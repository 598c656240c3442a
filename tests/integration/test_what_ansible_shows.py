# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what Ansible itself shows of secrets, and what helps: each claim of the guide about secrets."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible.release import __version__ as ansible_version

from support.canaries import Canary, canary, files, hits
from support.documents import ROOT
from support.emulator_process import Emulator, emulator
from support.forked.python import python
from support.playbook import Played, run_playbook

Json = dict[str, t.Any]
CORE = tuple(map(int, ansible_version.split(".")[:2]))
# From 2.22 on ansible-core masks what a task has registered, wherever it prints it.
SHOWS_ITEMS = CORE < (2, 22)
SUPPORT = Path(__file__).resolve().parent.parent / "support"
GUIDE = (ROOT / "docs/docsite/rst/secrets.rst").read_text()
INFO = "mlops.elasticsearch.trained_model_deployment_info"
SECRET = canary("shown by Ansible")
IN_TASK: Json = {"environment": {"ELASTICSEARCH_API_KEY": "{{ secret }}"}}
READ: Json = {INFO: {"hosts": ["{{ url }}"]}}
KEY = {"api_key": "{{ secret }}"}
LOOP: Json = {
    INFO: {"hosts": ["{{ url }}"], "api_key": "{{ item.key }}"},
    "loop": [{"team": "search", "key": "{{ secret }}"}],
}
LABEL: Json = {"loop_control": {"label": "{{ item.team }}"}}
# A list that has names only; secrets are looked up by them.
NAMES: Json = {INFO: {"hosts": ["{{ url }}"], "api_key": "{{ keys[item] }}"}, "loop": ["search"]}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Emulator]:
    with emulator() as server:
        yield server


def run(cluster: Emulator, task: Json, *args: str, way: str = "loopback", **env: str) -> Played:
    play = {
        "name": "Play",
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_connection": way, "ansible_python_interpreter": python()},
        "tasks": [{"name": "Task", **task}],
    }
    variables = {"secret": SECRET.value, "url": cluster.url, "keys": {"search": SECRET.value}}
    env = {"ANSIBLE_CONNECTION_PLUGINS": str(SUPPORT / "connection"), **env}
    return run_playbook(yaml.safe_dump([play]), *args, env=env, extra_vars=variables)


def shown(played: Played, secret: Canary = SECRET) -> bool:
    return bool(hits([secret], [("output", played.output)]))


# A sentence of the guide, and for it: a task, arguments, and whether the secret is shown.
CLAIMS: list[tuple[str, Json, tuple[str, ...], bool]] = [
    ("prints the variables of the keyword", {"ansible.builtin.ping": {}, **IN_TASK}, ("-vvv",), True),
    ("prints the variables of the keyword", {"ansible.builtin.ping": {}, **IN_TASK}, ("-vv",), False),
    ("The modules of this collection remove their variables first", {**READ, **IN_TASK}, ("-vvv",), False),
    ("Ansible polls the job", {**READ, **IN_TASK, "async": 60, "poll": 1}, ("-vvv",), SHOWS_ITEMS),
    ("Ansible polls the job", {INFO: {"hosts": ["{{ url }}"], **KEY}, "async": 60, "poll": 1}, ("-vvv",), False),
    ("Ansible prints each item", LOOP, (), SHOWS_ITEMS),
    ("From 2.22 on it masks the credential in the item", LOOP, ("-vvvv",), SHOWS_ITEMS),
    ("replaces the item in the normal output", {**LOOP, **LABEL}, (), False),
    ("from ``-v`` on Ansible prints the whole item again", {**LOOP, **LABEL}, ("-v",), SHOWS_ITEMS),
    ("a loop over names", NAMES, ("-vvvv",), False),
    ("``no_log: true``", {**LOOP, "no_log": True}, ("-vvvv",), False),
]


@pytest.mark.parametrize(("sentence", "task", "args", "is_shown"), CLAIMS)
def test_claim(cluster: Emulator, sentence: str, task: Json, args: tuple[str, ...], is_shown: bool) -> None:
    assert sentence in " ".join(GUIDE.split())
    assert shown(run(cluster, task, *args).must_pass()) == is_shown


def test_a_secret_that_a_playbook_says_literally_is_quoted_in_errors(cluster: Emulator) -> None:
    assert "quotes lines of the playbook" in " ".join(GUIDE.split())
    wrong = {"hosts": "{{ nothing_of_this_name }}"}
    # ansible-core 2.18 quotes the beginning of the task, which has no option here.
    assert shown(run(cluster, {INFO: {"api_key": SECRET.value, **wrong}}, way="local")) == (CORE > (2, 18))
    assert not shown(run(cluster, {INFO: {**KEY, **wrong}}, way="local"))


@pytest.mark.parametrize("way", ["local", "loopback"])
def test_files_that_are_kept_hold_the_options(cluster: Emulator, way: str, tmp_path: Path) -> None:
    assert "``ANSIBLE_KEEP_REMOTE_FILES``" in GUIDE
    kept = {"ANSIBLE_KEEP_REMOTE_FILES": "true", "ANSIBLE_REMOTE_TMP": str(tmp_path), "ANSIBLE_HOME": str(tmp_path)}
    task: Json = {INFO: {"hosts": ["{{ url }}"], **KEY}}
    assert not shown(run(cluster, task, "-vvvv", way=way, **kept).must_pass())
    # A task that runs in the controller has none.
    assert bool(hits([SECRET], files(tmp_path))) == (way == "loopback")


def test_without_that_nothing_is_left(cluster: Emulator, tmp_path: Path) -> None:
    gone = {"ANSIBLE_REMOTE_TMP": str(tmp_path), "ANSIBLE_HOME": str(tmp_path)}
    run(cluster, {INFO: {"hosts": ["{{ url }}"], **KEY}}, "-vvvv", **gone).must_pass()
    assert hits([SECRET], files(tmp_path)) == []

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that no secret is shown: each module, each secret option, each way of a result, each place of a log."""

from __future__ import annotations

import importlib
import os
import typing as t
from pathlib import Path

import pytest
import yaml

from support.canaries import files, hits
from support.documents import MODULES
from support.emulator_process import emulator
from support.forked.python import python
from support.hostile import Hostile, gossip, hostile
from support.playbook import run_playbook
from support.posix import ansible_posix
from support.secret_rows import AUTHENTICATION, EVERY, HEADERS, TASKS, WAIT, Row, process, rows, variables

Json = dict[str, t.Any]
SUPPORT = Path(__file__).resolve().parent.parent / "support"
PATH = "ansible_collections.mlops.elasticsearch.plugins.modules."
IMPORTED_FROM = os.pathsep.join([os.environ["PYTHONPATH"], str(SUPPORT / "journal")])
SERVER = ("--node", "n1=4,16gb", "--model", "m=1048576", "--interval", "0.02")
AFTERWARDS = "Pass the results on"
CALLBACKS = {
    "yaml": {"ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"},
    "json": {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
}


def secret_options(options: Json) -> set[str]:
    """Return names of the options with ``no_log``, also inside others."""
    nested = [secret_options(option["options"]) for option in options.values() if "options" in option]
    return {name for name, option in options.items() if option.get("no_log")}.union(*nested)


def test_every_module_and_every_secret_option_has_a_canary() -> None:
    assert sorted(TASKS) == MODULES
    given = {name for options in AUTHENTICATION.values() for name in options} - {"username"}
    for module in MODULES:
        spec = importlib.import_module(PATH + module).SPEC
        own = {"secrets"} & TASKS[module].keys()
        assert secret_options(spec.argument_spec) == given | HEADERS.keys() | {"proxy_password"} | own, module


def tasks(row: Row, gateway: Hostile, variable: str) -> list[Json]:
    """Return the task of *row*, which registers its result as *variable*."""
    if row.answer == "async":
        return [row.task(gateway), {**WAIT, "register": variable, "until": f"{variable} is finished"}]
    return [{**row.task(gateway), "register": variable}]


def passed_on(variables: list[str], file: Path) -> list[Json]:
    """Return tasks that take the registered *variables* to where masking of the output does not reach."""
    quoted = ", ".join(f"'{name}'" for name in variables)
    results = f"query('ansible.builtin.vars', {quoted})"
    return [
        {"name": AFTERWARDS, "vars": {"ansible_connection": "local"}, **task}
        for task in (
            {"ansible.builtin.copy": {"content": f"{{{{ {results} | to_json }}}}", "dest": str(file)}},
            {"ansible.builtin.set_fact": {"results": f"{{{{ {results} }}}}", "cacheable": True}},
            {"ansible.builtin.set_stats": {"data": {"results": f"{{{{ {results} }}}}"}}},
        )
    ]


def playbook(number: int, gateway: Hostile, folder: Path) -> str:
    found = {way: [(row, f"result_{at}") for at, row in enumerate(rows(way, number))] for way in ("local", "loopback")}
    plays: list[Json] = [
        {
            "name": way,
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"ansible_connection": way, "ansible_python_interpreter": python(IMPORTED_FROM)},
            "tasks": [
                *(task for row, variable in named for task in tasks(row, gateway, variable)),
                *passed_on([variable for _row, variable in named], folder / f"written-{way}"),
            ],
        }
        for way, named in found.items()
    ]
    # Ansible notes a host that failed in the end.
    broken = next(row for row in rows("local", number) if row.answer == "page")
    plays.append({**plays[0], "name": "Fail", "tasks": [{**broken.task(gateway), "ignore_errors": False}]})
    return yaml.safe_dump(plays, sort_keys=False)


def environment(callback: str, folder: Path) -> dict[str, str]:
    """Return variables that make Ansible write everything it can, below *folder*."""
    collections = [os.environ["ANSIBLE_COLLECTIONS_PATH"], *([str(ansible_posix())] if callback == "json" else [])]
    return {
        **CALLBACKS[callback],
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(collections),
        "ANSIBLE_CONNECTION_PLUGINS": str(SUPPORT / "connection"),
        "ANSIBLE_DISPLAY_TRACEBACK": "always",
        "ANSIBLE_SHOW_CUSTOM_STATS": "true",
        "ANSIBLE_LOG_PATH": str(folder / "log"),
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(folder / "facts"),
        "ANSIBLE_RETRY_FILES_ENABLED": "true",
        "ANSIBLE_RETRY_FILES_SAVE_PATH": str(folder / "retry"),
        "ANSIBLE_ASYNC_DIR": str(folder / "async"),
        "ANSIBLE_HOME": str(folder / "home"),
        "JOURNAL_FILE": str(folder / "journal"),
        "PYTHONPATH": IMPORTED_FROM,
    }


@pytest.mark.parametrize("callback", sorted(CALLBACKS))
def test_no_secret_is_shown(callback: str, tmp_path: Path) -> None:
    number = sorted(CALLBACKS).index(callback)
    with emulator(*SERVER) as server, hostile(server.url) as gateway:
        server.api("POST", "/_ml/trained_models/m/deployment/_start")
        env = {**environment(callback, tmp_path), **process(gateway)}
        run = run_playbook(
            playbook(number, gateway, tmp_path), "-vvvv", "--diff", env=env, extra_vars=variables(gateway)
        )
    texts = [("output", run.output), *((task.task, str(task.result)) for task in run.tasks), *files(tmp_path)]
    assert hits(EVERY, texts) == []
    # All of it took place, and with the secrets.
    expected = [row for way in ("local", "loopback") for row in rows(way, number)]
    done = [task for task in run.tasks[:-1] if task.task not in (WAIT["name"], AFTERWARDS)]
    assert [task.task for task in done] == [row.name for row in expected], run.output[-2000:]
    for row, task in zip(expected, done, strict=True):
        assert (task.status == "ignored") == row.fails, (row, task.result)
        sent = "\n".join(text for seen in gateway.seen if seen.name == row.name for text in gossip(seen.headers))
        assert [each.name for each in row.carried() if each.value not in sent] == [], row
    written = {name.partition("/")[0] for name, _text in files(tmp_path)}
    assert {"log", "facts", "retry", "async", "journal", "written-local", "written-loopback"} <= written
    assert "custom_stats" in run.output or "CUSTOM STATS" in run.output

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No secret is shown: each module, each secret option, each way of a result, each place where Ansible writes."""

from __future__ import annotations

import base64
import importlib
import itertools
import os
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.canaries import Canary, canary, files, hits
from support.documents import MODULES
from support.emulator_process import Emulator, emulator
from support.hostile import PASS, WAYS, Hostile, gossip, hostile
from support.playbook import Played, run_playbook
from support.posix import ansible_posix

Json = dict[str, t.Any]
SUPPORT = Path(__file__).resolve().parent.parent / "support"
NAME = "mlops.elasticsearch"
OPTIONS = ("--node", "n1=4,16gb", "--model", "m=1048576", "--interval", "0.02")

BRIEFLY: Json = {"wait_sleep": 0.1, "wait_timeout": 20}
# What a task says to each module: something to be done, so that a result has much to tell.
TASKS: dict[str, Json] = {
    "trained_model_deployment": {"model_id": "m", "state": "restarted", **BRIEFLY},
    "trained_model_deployment_info": {"gather": ["routing", "nodes", "usage"]},
    "trained_model_deployments": {"deployments": [{"model_id": "m", "state": "restarted"}], **BRIEFLY},
}

API_KEY = canary("api_key", before="VuaCfGcBCdbkQm-e5aOx:")
# What has to be written otherwise in JSON, in a URL, in HTML, in Python and by a shell stands around it.
PASSWORD = canary("password", before="ä\"&<%'", behind="'>\\$+/ ä")
BEARER = canary("bearer_token")
ENCODED = canary("encoded api_key", before="b9aAfGcBCdbkQm-e5aOy:")

AUTHENTICATION: dict[str, Json] = {
    "key": {"api_key": API_KEY},
    "encoded": {"api_key": ENCODED},
    "password": {"username": "ada", "password": PASSWORD},
    "bearer": {"bearer_token": BEARER},
}
# Secret options that go with each way to authenticate, and what else their rules ask for.
OTHERS: dict[str, Json] = {}
SOURCES = ("options", "environment", "task")


def secret_options(options: Json) -> set[str]:
    """Names of the options with ``no_log``, also inside others."""
    nested = [secret_options(option["options"]) for option in options.values() if "options" in option]
    return {name for name, option in options.items() if option.get("no_log")}.union(*nested)


def text_of(value: t.Any) -> t.Any:
    """An option's value as a task says it."""
    if value is ENCODED:
        return base64.b64encode(ENCODED.value.encode()).decode()
    if isinstance(value, dict):
        return {name: text_of(item) for name, item in value.items()}
    return value.value if isinstance(value, Canary) else value


def canaries(value: t.Any) -> set[Canary]:
    if isinstance(value, dict):
        return set().union(*(canaries(item) for item in value.values()))
    return {value} if isinstance(value, Canary) else set()


EVERY = canaries(AUTHENTICATION) | canaries(OTHERS)


def test_every_module_and_every_secret_option_is_here() -> None:
    assert sorted(TASKS) == MODULES
    given = {name for options in (*AUTHENTICATION.values(), OTHERS) for name, value in options.items() if canaries(value)}
    for module in MODULES:
        path = "trained_model_deployment" if module == "trained_model_deployment" else module
        short = path.removeprefix("trained_model_")
        spec = importlib.import_module(f"ansible_collections.mlops.elasticsearch.plugins.module_utils._options.{short}").SPEC
        assert secret_options(spec.argument_spec) == given, module


class Row(t.NamedTuple):
    """One task. ``answer``: how the gateway answers, or ``check`` or ``async`` with a server that works."""

    module: str
    answer: str
    authentication: str
    source: str

    @property
    def name(self) -> str:
        return "-".join(self)

    @property
    def fails(self) -> bool:
        """An answer to a write is none to a module that only reads."""
        return self.answer in WAYS and self.answer not in (PASS, "gossip") and not self.only_reads

    @property
    def only_reads(self) -> bool:
        return self.answer == "write" and self.module.endswith("_info")

    def task(self, gateway: Hostile) -> Json:
        way = self.answer if self.answer in WAYS else PASS
        given = {"hosts": [gateway.url(way, self.name)], "request_retries": 0, **TASKS[self.module], **variables(OTHERS)}
        options = AUTHENTICATION[self.authentication]
        task: Json = {"name": self.name, "ignore_errors": True, "check_mode": self.answer == "check"}
        if self.source == "options":
            given |= variables(options)
        else:
            # A module gets its variables from here; what is empty counts as not set.
            set_here = {} if self.source == "environment" else variables(options)
            from_process = options if self.source == "environment" else {}
            blank = {name for each in AUTHENTICATION.values() for name in each} - set(set_here) - set(from_process)
            task["environment"] = {f"ELASTICSEARCH_{name.upper()}": set_here.get(name, "") for name in set_here | dict.fromkeys(blank)}
        later = {"async": 60, "poll": 1} if self.answer == "async" else {}
        return {**task, f"{NAME}.{self.module}": given, **later}


def variables(options: Json) -> Json:
    """*options* with a variable for each value: what a playbook says literally, Ansible quotes when a task fails."""
    return {name: "{{ secrets[%r] }}" % _key(options, name) for name in options}


def _key(options: Json, name: str) -> str:
    return ", ".join(sorted(each.name for each in canaries(options[name]))) or name


def all_variables() -> Json:
    given = [(options, name) for options in (*AUTHENTICATION.values(), OTHERS) for name in options]
    return {"secrets": {_key(options, name): text_of(options[name]) for options, name in given}}


def rows(way: str, number: int) -> Iterator[Row]:
    """Each answer with each way to authenticate; modules and sources in turn, otherwise for the playbook of another *number*.

    A task outside the controller takes a second: there one playbook has half of them, the other the other half.
    """
    answers = ("check", *WAYS, *(("async",) if way == "loopback" else ()))
    turn = itertools.count(number)
    for (at, answer), (place, authentication) in itertools.product(enumerate(answers), enumerate(AUTHENTICATION)):
        if way == "loopback" and (at + place) % 2 != number:
            continue
        module = MODULES[(at + place + number) % len(MODULES)]
        # Of two forms of a key, the environment of a process has one. Where a job is asked for, Ansible shows the task's.
        sources = [
            source
            for source in SOURCES
            if (authentication, source) != ("encoded", "environment") and (answer, source) != ("async", "task")
        ]
        yield Row(module, answer, authentication, sources[next(turn) % len(sources)])


def playbook(number: int, gateway: Hostile) -> str:
    plays = [
        {
            "name": way,
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"ansible_connection": way, "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            "tasks": [row.task(gateway) for row in rows(way, number)],
        }
        for way in ("local", "loopback")
    ]
    # Ansible notes a host that failed in the end.
    plays[-1]["tasks"][-1]["ignore_errors"] = False  # type: ignore[index]
    return yaml.safe_dump(plays, sort_keys=False)


CALLBACKS = {
    "yaml": {"ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"},
    "json": {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
}


def environment(callback: str, folder: Path) -> dict[str, str]:
    """Everything that Ansible can be told to write, below *folder*; and the secrets, which all tasks see."""
    collections = [os.environ["ANSIBLE_COLLECTIONS_PATH"], *([str(ansible_posix())] if callback == "json" else [])]
    paths = [os.environ["PYTHONPATH"], str(SUPPORT / "journal")]
    process = {name: value for way, given in AUTHENTICATION.items() if way != "encoded" for name, value in given.items()}
    return {
        **CALLBACKS[callback],
        **{f"ELASTICSEARCH_{name.upper()}": str(text_of(value)) for name, value in process.items()},
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(collections),
        "ANSIBLE_CONNECTION_PLUGINS": str(SUPPORT / "connection"),
        "ANSIBLE_LOG_PATH": str(folder / "log"),
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(folder / "facts"),
        "ANSIBLE_RETRY_FILES_ENABLED": "true",
        "ANSIBLE_RETRY_FILES_SAVE_PATH": str(folder / "retry"),
        "ANSIBLE_ASYNC_DIR": str(folder / "async"),
        "ANSIBLE_HOME": str(folder / "home"),
        "JOURNAL_FILE": str(folder / "journal"),
        "PYTHONPATH": os.pathsep.join(paths),
    }


def played(server: Emulator, gateway: Hostile, callback: str, folder: Path) -> Played:
    server.api("POST", "/_ml/trained_models/m/deployment/_start")
    number = sorted(CALLBACKS).index(callback)
    return run_playbook(
        playbook(number, gateway), "-vvvv", "--diff", env=environment(callback, folder), extra_vars=all_variables()
    )


@pytest.mark.parametrize("callback", sorted(CALLBACKS))
def test_no_secret_is_shown(callback: str, tmp_path: Path) -> None:
    number = sorted(CALLBACKS).index(callback)
    expected = [row for way in ("local", "loopback") for row in rows(way, number)]
    with emulator(*OPTIONS) as server, hostile(server.url) as gateway:
        run = played(server, gateway, callback, tmp_path)
    texts = [("output", run.output), *((task.task, str(task.result)) for task in run.tasks), *files(tmp_path)]
    assert hits(EVERY, texts) == []
    # All of it took place, and with the secrets.
    by_name = dict(zip([row.name for row in expected], run.tasks, strict=True))
    for row in expected:
        task = by_name[row.name]
        assert (task.task, task.status in ("failed", "ignored")) == (row.name, row.fails), task.result
        sent = "\n".join(text for seen in gateway.seen if seen.name == row.name for text in gossip(seen.headers))
        for each in canaries(AUTHENTICATION[row.authentication]) | canaries(OTHERS):
            assert each.value in sent, f"{row.name} did not carry {each.name}"
    written = {name.partition("/")[0] for name, _text in files(tmp_path)}
    assert {"log", "facts", "retry", "async", "journal"} <= written

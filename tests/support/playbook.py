# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run ``ansible-playbook``, independent of the configuration of the user who runs the tests."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import shutil
import sys
import tempfile
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.forked import Forking
from support.processes import finished

Json = dict[str, t.Any]
BIN = Path(sys.executable).parent
CALLBACKS = Path(__file__).resolve().parent / "callback"


class Task(t.NamedTuple):
    """The result of one task on one host. ``status``: ok, failed, ignored, skipped or unreachable."""

    task: str
    action: str
    host: str
    status: str
    result: Json


@dataclasses.dataclass(frozen=True)
class Played:
    """A finished run. ``output`` is what it printed, warnings and errors included."""

    rc: int
    output: str
    tasks: tuple[Task, ...]

    def named(self, name: str) -> list[Task]:
        return [task for task in self.tasks if task.task == name]

    def result(self, name: str) -> Json:
        """Return the result of the only task of this name."""
        [task] = self.named(name)
        return task.result

    def of(self, module: str) -> list[Json]:
        """Return the results of all tasks that used *module*, a full name."""
        return [task.result for task in self.tasks if task.action == module]

    def changed(self) -> list[str]:
        """Return the names of the tasks that changed something."""
        return [task.task for task in self.tasks if task.result.get("changed")]

    def must_pass(self) -> Played:
        assert self.rc == 0, self.output
        return self


def run_playbook(
    playbook: str | Path,
    *args: str,
    env: Mapping[str, str] | None = None,
    extra_vars: Json | None = None,
    forked: bool = True,
) -> Played:
    """Run *playbook*: its text, a path, or the full name of one in a collection (then give ``Path("a.b.c")``).

    Without ``-i`` among *args* only localhost is there, with the Python of the tests. The process is *forked* from one
    that has Ansible imported with the same variables; otherwise it is started, which takes a second more.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    given = {**kept, **(env or {})}
    with _prepared({name: value for name, value in given.items() if not _is_late(name)}) as (server, home):
        name = str(playbook)
        if isinstance(playbook, str):
            name = str(home / "playbook.yml")
            Path(name).write_text(playbook)
        (home / "inventory").touch()
        (home / "vars.json").write_text(json.dumps(extra_vars or {}))
        command = [str(BIN / "ansible-playbook"), name, "--extra-vars", f"@{home}/vars.json", *args]
        rc, output = _finished(server if forked else None, command, {**_environment(home), **given}, home)
        results = home / "results"
        lines = results.read_text().splitlines() if results.exists() else []
    return Played(rc, output, tuple(Task(**json.loads(line)) for line in lines))


def _is_late(name: str) -> bool:
    """Return whether no module that a run imports at its start reads the variable: Ansible itself does not."""
    own = name.startswith(("ELASTICSEARCH_", "ELASTIC_")) or name.upper().endswith("_PROXY")
    return own or name in ("SSL_CERT_FILE", "JOURNAL_FILE", "PYTEST_CURRENT_TEST")


_PREPARED: dict[frozenset[tuple[str, str]], tuple[Forking, tempfile.TemporaryDirectory[str]]] = {}
_MOST = 4


@contextlib.contextmanager
def _prepared(given: dict[str, str]) -> Iterator[tuple[Forking, Path]]:
    """Yield a server that forks runs with these variables, and the empty folder of its runs. Keep a few servers."""
    key = frozenset(given.items())
    server, folder = _PREPARED.pop(key) if key in _PREPARED else _prepare(given)
    home = Path(folder.name)
    _PREPARED[key] = server, folder
    try:
        yield server, home
    finally:
        for path in home.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (home / "ansible.cfg").touch()
        while len(_PREPARED) > _MOST:
            oldest, its_folder = _PREPARED.pop(list(_PREPARED)[0])
            oldest.close()
            its_folder.cleanup()


def _prepare(given: dict[str, str]) -> tuple[Forking, tempfile.TemporaryDirectory[str]]:
    folder = tempfile.TemporaryDirectory()
    home = Path(folder.name)
    environment = {name: value for name, value in _environment(home).items() if not _is_late(name)}
    environment |= {**given, "PACKED_MODULES": _packed_modules(*(given.get(name, "") for name in _SOURCES))}
    return Forking("support.forked.ansible_playbook", str(BIN), environment, home), folder


_SOURCES = ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_LIBRARY", "ANSIBLE_MODULE_UTILS", "PYTHONPATH")
"""Variables that say where modules come from."""
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def _packed_modules(*_sources: str) -> str:
    """Return a folder for the modules that servers pack from the same sources."""
    _FOLDERS.append(tempfile.TemporaryDirectory())
    return _FOLDERS[-1].name


def _environment(home: Path) -> dict[str, str]:
    return {**clean_environment(home), **_recording(home)}


def _finished(server: Forking | None, command: list[str], environ: dict[str, str], home: Path) -> tuple[int, str]:
    if server is None:
        done = finished(command, environ, timeout=300, cwd=home)
        return done.returncode, done.stdout
    with tempfile.TemporaryFile("w+") as output, open(os.devnull) as nothing:
        streams = (nothing.fileno(), output.fileno(), output.fileno())
        rc = server.start(command, environ, home, streams).wait(timeout=300)
        output.seek(0)
        return rc, output.read()


def clean_environment(home: Path) -> dict[str, str]:
    """Return the environment of a run that keeps its files in *home* and takes only the paths from outside."""
    (home / "ansible.cfg").touch()
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
        "ANSIBLE_CONFIG": str(home / "ansible.cfg"),
        "ANSIBLE_HOME": str(home / "ansible"),
        "ANSIBLE_ASYNC_DIR": str(home / "async"),
        "ANSIBLE_NOCOLOR": "true",
    }


def _recording(home: Path) -> dict[str, str]:
    return {
        "ANSIBLE_INVENTORY": str(home / "inventory"),
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "task_results",
        "TASK_RESULTS_FILE": str(home / "results"),
    }

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real runs of ``ansible-playbook``, untouched by the configuration of whoever runs the tests."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import typing as t
from collections.abc import Mapping
from pathlib import Path

from support.processes import finished

Json = dict[str, t.Any]
BIN = Path(sys.executable).parent
CALLBACKS = Path(__file__).resolve().parent / "callback"


class Task(t.NamedTuple):
    """What one task returned on one host. ``status``: ok, failed, ignored, skipped or unreachable."""

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
        """What the only task of this name returned."""
        [task] = self.named(name)
        return task.result

    def of(self, module: str) -> list[Json]:
        """The results of all tasks that used *module*, a full name."""
        return [task.result for task in self.tasks if task.action == module]

    def changed(self) -> list[str]:
        """The names of the tasks that changed something."""
        return [task.task for task in self.tasks if task.result.get("changed")]

    def must_pass(self) -> Played:
        assert self.rc == 0, self.output
        return self


def run_playbook(
    playbook: str | Path, *args: str, env: Mapping[str, str] | None = None, extra_vars: Json | None = None
) -> Played:
    """Run *playbook*: its text, a path, or the full name of one in a collection (then give ``Path("a.b.c")``).

    Without ``-i`` among *args* only localhost is there, with the Python of the tests.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "inventory").touch()
        name = str(playbook)
        if isinstance(playbook, str):
            name = str(home / "playbook.yml")
            Path(name).write_text(playbook)
        (home / "vars.json").write_text(json.dumps(extra_vars or {}))
        command = [str(BIN / "ansible-playbook"), name, "--extra-vars", f"@{home}/vars.json", *args]
        environment = {**clean_environment(home), **_recording(home), **(env or {})}
        done = finished(command, environment, timeout=300, cwd=home)
        results = home / "results"
        lines = results.read_text().splitlines() if results.exists() else []
    return Played(done.returncode, done.stdout, tuple(Task(**json.loads(line)) for line in lines))


def clean_environment(home: Path) -> dict[str, str]:
    """The environment of a run that keeps its files in *home* and takes no setting from outside but the paths."""
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

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure one run of ``ansible-playbook`` from outside."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
import typing as t
from pathlib import Path

from support.emulator_process import Emulator

TESTS = Path(__file__).resolve().parent.parent
Json = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to do the job of a scene.

    ``changes``: the number of writes that it must send; a run with another number has measured something else.
    """

    name: str
    tasks: t.Sequence[Json]
    changes: int = 0
    connection: str = "local"


@dataclasses.dataclass(frozen=True)
class Sample:
    """Wall time of the whole process, the memory of its largest process, and its requests to the servers."""

    seconds: float
    peak_mb: float
    requests: int
    received_kb: float


def measure(folder: Path, way: Way, hosts: int, forks: int, servers: t.Sequence[Emulator]) -> Sample:
    """Run a play over as many *hosts*, which take the *servers* in turn.

    :raises SystemExit: the play failed, or sent another number of writes than it must send.
    """
    before = [_counted(server) for server in servers]
    began = time.perf_counter()
    pid = os.posix_spawn(
        str(Path(sys.executable).parent / "ansible-playbook"),
        ["ansible-playbook", "-i", _inventory(folder, hosts, servers), "-f", str(forks), _playbook(folder, way)],
        _environment(folder),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, str(folder / "output"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )
    _pid, status, usage = os.wait4(pid, 0)
    took = time.perf_counter() - began
    after = [_counted(server) for server in servers]
    requests, writes, size = (
        sum(now[name] - then[name] for now, then in zip(after, before, strict=True))
        for name in ("requests", "writes", "bytes_sent")
    )
    if status or writes != way.changes:
        text = (folder / "output").read_text(encoding="utf-8")
        raise SystemExit(f"{way.name}: {writes} writes instead of {way.changes}\n{text[-5000:]}")
    return Sample(took, usage.ru_maxrss / 1024, requests, size / 1024)


def _counted(server: Emulator) -> dict[str, int]:
    return t.cast("dict[str, int]", server.control("GET", "/counters"))


def _inventory(folder: Path, hosts: int, servers: t.Sequence[Emulator]) -> str:
    lines = [f"cluster{each} url={servers[each % len(servers)].url}" for each in range(hosts)]
    path = folder / "inventory.ini"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def _playbook(folder: Path, way: Way) -> str:
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars": {"ansible_connection": way.connection, "ansible_python_interpreter": sys.executable},
        "module_defaults": {"group/mlops.elasticsearch.ml": {"hosts": "{{ url }}"}},
        "tasks": list(way.tasks),
    }
    path = folder / "play.json"
    path.write_text(json.dumps([play]), encoding="utf-8")
    return str(path)


def _environment(folder: Path) -> dict[str, str]:
    here = Path(__file__).resolve().parent
    return {
        **os.environ,
        "ANSIBLE_ACTION_PLUGINS": str(here / "plugins" / "action"),
        "ANSIBLE_CONNECTION_PLUGINS": str(TESTS / "support" / "connection"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "BENCH_RESULT": str(folder / "result.json"),
    }

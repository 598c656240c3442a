# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the module as a real process, kill it with SIGKILL at a random moment, and run it again to its end."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from conftest import TREE
from support.emulator_process import Emulator, emulator

Json = dict[str, t.Any]
MODULE = "ansible_collections.mlops.elasticsearch.plugins.modules.trained_model_deployment"
CLUSTER = ("--node", "n1=8,16gb", "--node", "n2=8,16gb", "--model", "m=1mb", "--load-time", "0.1")
DESIRED: tuple[Json, ...] = (
    {"number_of_allocations": 3},
    {"number_of_allocations": 3, "threads_per_allocation": 2, "replace": "stop_start", "on_unsatisfied": "rollback"},
    {"queue_capacity": 700, "replace": "stop_start"},
    {"state": "restarted"},
    {"state": "stopped"},
)
RUNNING: Json = {"do": "start_deployment", "model_id": "m", "deployment_id": "d", "threads_per_allocation": 4}


def kill(seed: int) -> list[str]:
    """Return the laws that the killed run broke, or the run after it."""
    drawn = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, emulator(*CLUSTER) as server:
        if drawn.random() < 0.8:
            server.control("POST", "/effects", {**RUNNING, "queue_capacity": 300})
            server.control("POST", "/settle")
        recovery_file = Path(folder) / "d.json"
        desired = {"deployment_id": "d", "model_id": "m", "recovery_file": str(recovery_file), **drawn.choice(DESIRED)}
        before = server.control("GET", "/state")["deployments"]
        _delay(server, drawn)
        _killed(server, desired, drawn, Path(folder))
        server.control("DELETE", "/faults")
        again = _ended(server, desired, Path(folder))
        return _broken(server, desired, before, again, recovery_file)


def _delay(server: Emulator, drawn: random.Random) -> None:
    """Delay every request before and after its effect, so that a kill falls in between."""
    for when in ("before", "after"):
        do = {"type": "delay", "seconds": 0.05}
        server.control("POST", "/faults", {"operation": "any", "when": when, "times": -1, "do": do})


def _command(server: Emulator, desired: Json, folder: Path) -> list[str]:
    given = folder / "arguments.json"
    options = {"hosts": [server.url], "wait_sleep": 0.1, "wait_timeout": 20, **desired}
    given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    return [sys.executable, str(TREE / (MODULE.replace(".", "/") + ".py")), str(given)]


def _killed(server: Emulator, desired: Json, drawn: random.Random, folder: Path) -> None:
    """End the run after it has sent a random number of requests."""
    survived = drawn.randrange(1, 14)
    process = subprocess.Popen(
        _command(server, desired, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None and server.control("GET", "/counters")["requests"] < survived:
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)  # without effect if it has ended
        process.wait()


def _ended(server: Emulator, desired: Json, folder: Path) -> Json:
    done = subprocess.run(
        _command(server, desired, folder), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    try:
        return t.cast("Json", json.loads(done.stdout))
    except ValueError:
        return {"failed": True, "msg": f"no result: {done.stderr[-500:]}"}


def _broken(server: Emulator, desired: Json, before: Json, again: Json, recovery_file: Path) -> list[str]:
    if again.get("failed"):
        return [f"the run after the kill failed: {again['msg']}"]
    there = server.control("GET", "/state")["deployments"].get("d")
    found = [f"the run after the kill left the file {recovery_file.name}"] if recovery_file.exists() else []
    stopped = desired.get("state") == "stopped"
    if stopped or there is None:
        return found + (
            [] if stopped == (there is None) else [f"the task asks for {desired}, and the cluster has {there}"]
        )
    task, named = there["task_parameters"], {}
    if before:
        old = before["d"]["task_parameters"]
        named = {name: old[name] for name in ("threads_per_allocation", "queue_capacity", "number_of_allocations")}
    named |= {
        name: value for name, value in desired.items() if name in task and name not in ("model_id", "deployment_id")
    }
    found += [f"{name} is {task[name]}, not {value}" for name, value in named.items() if task[name] != value]
    written = [entry["path"].rpartition("/")[2] for entry in server.writes() if entry["committed"]]
    twice = [
        verb for verb in ("_start", "_stop") if written.count(verb) > (2 if desired.get("state") == "restarted" else 1)
    ]
    return found + [f"{verb} took effect more than once: {written}" for verb in twice]

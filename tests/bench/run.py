# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task costs: a loop of 20 items with nothing to change, four ways, in one run on one server double.

Usage: python tests/bench/run.py [--runs N]

Prints the median of the runs of each way, and its ratio to a loop that only prints, which is what Ansible itself costs.
The ways take turns, so that a machine that is slow for a while is slow for all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

import conftest  # noqa: E402  (makes the collection importable)
from support.emulator_process import Emulator, emulator  # noqa: E402

ITEMS = 20
MODULE = "mlops.elasticsearch.trained_model_deployment"
WISH = {"model_id": "m", "deployment_id": "d{{ item }}", "number_of_allocations": 1}


def ways(server: Emulator) -> dict[str, tuple[str, dict[str, t.Any]]]:
    """Name of the way to connection and task."""
    task = {MODULE: {"hosts": server.url, **WISH}}
    stats = {"url": f"{server.url}/_ml/trained_models/d{{{{ item }}}}/_stats", "return_content": True}
    return {
        "debug": ("local", {"ansible.builtin.debug": {"msg": "{{ item }}"}}),
        "action plugin": ("local", task),
        "module": ("loopback", task),
        "uri, reading only": ("local", {"ansible.builtin.uri": stats}),
    }


def seconds(folder: Path, connection: str, task: dict[str, t.Any]) -> float:
    """Wall time of one run of ``ansible-playbook`` with a loop over the task.

    :raises SystemExit: if it failed or changed anything, because then it measured something else.
    """
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_connection": connection, "ansible_python_interpreter": sys.executable},
        "tasks": [{**task, "loop": list(range(ITEMS))}],
    }
    path = folder / "play.json"
    path.write_text(json.dumps([play]))
    env = {
        **os.environ,
        "ANSIBLE_CONNECTION_PLUGINS": str(TESTS / "support" / "connection"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    }
    began = time.perf_counter()
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), str(path)],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - began
    if done.returncode or "changed=0" not in done.stdout:
        raise SystemExit(done.stdout + done.stderr)
    return took


def prepare(server: Emulator) -> None:
    """Bring about what the loop wants, by the API."""
    for number in range(ITEMS):
        target = f"/_ml/trained_models/m/deployment/_start?deployment_id=d{number}&wait_for=fully_allocated"
        server.api("POST", target)
    server.control("DELETE", "/journal")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each way, after one that warms up")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name, emulator("--node", "n1=32,64gb", "--model", "m=1048576") as server:
        prepare(server)
        measured: dict[str, list[float]] = {way: [] for way in ways(server)}
        for turn in range(runs + 1):
            for way, (connection, task) in ways(server).items():
                took = seconds(Path(name), connection, task)
                if turn:
                    measured[way].append(took)
        written = len(server.writes())
    floor = statistics.median(measured["debug"])
    print(
        f"{ITEMS} items with nothing to change, median of {runs} runs of the whole ansible-playbook, {written} writes"
    )
    for way, each in measured.items():
        middle = statistics.median(each)
        print(f"  {way:18} {middle:6.2f} s   {middle / floor:5.1f} x debug   ({min(each):.2f} to {max(each):.2f})")
    return 0 if not written else 1


if __name__ == "__main__":
    assert conftest.TREE.exists()
    sys.exit(main())

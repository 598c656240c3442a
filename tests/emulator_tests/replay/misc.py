# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay defaults, limits and names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import emulator
from emulator.inprocess import InProcess
from emulator.state import requests
from emulator.state.versions import features
from emulator_tests.recordings import Row, rows
from emulator_tests.replay import Outcome


def misc(row: Row, version: str) -> Outcome:
    """Replay one fact."""
    value, played = row.data["value"], _FACTS.get(row.data["key"])
    if played is None:
        raise KeyError(row.data["key"])
    found = played(version)
    # Older classes do not name all constants.
    return value, {name: found[name] for name in value if name in found} if isinstance(value, dict) else found


def _start_constants(version: str) -> dict[str, Any]:
    fresh = requests.new_start("m", "m", features(version))
    return {
        "NAME": requests.START,
        "DEFAULT_NUM_ALLOCATIONS": fresh.computed_number,
        "DEFAULT_NUM_THREADS": fresh.threads_per_allocation,
        "DEFAULT_QUEUE_CAPACITY": fresh.queue_capacity,
        "Request.MAX_THREADS_PER_ALLOCATION": requests.MAX_THREADS,
        "Request.MAX_QUEUE_CAPACITY": features(version).max_queue_capacity,
    }


def _update_defaults(version: str) -> dict[str, Any]:
    fresh = requests.parse_update(b"{}", "dep", features(version))
    timeout = fresh.timeout.text
    return {"ack": timeout, "master": timeout, "number": fresh.number_of_allocations}


def _number(version: str) -> Any:
    return json.loads(InProcess(version).request("GET", "/")[2])["version"]["number"]


def _task_names(_version: str) -> Any:
    """Return the names of tasks that occur anywhere in the emulator."""
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(emulator.__file__).parent.rglob("*.py")))
    recorded = next(row.data["value"] for row in rows("misc") if row.data["key"] == "ml_tasks")
    return {name: text for name, text in recorded.items() if f'"{text}"' in source}


def _update_task(version: str) -> Any:
    """Return the description of an update in the list of tasks."""
    emulator = InProcess(version, models=[("dep", 1)])
    emulator.request("POST", "/_ml/trained_models/dep/deployment/_start")
    body = json.dumps({"number_of_allocations": 2}).encode()
    emulator.request("POST", "/_ml/trained_models/dep/deployment/_update", {"content-type": "application/json"}, body)
    nodes = json.loads(emulator.request("GET", "/_tasks?detailed=true")[2]).get("nodes", {})
    return [task.get("description") for node in nodes.values() for task in node["tasks"].values()]


_FACTS: dict[str, Callable[[str], Any]] = {
    "version": _number,
    "start_constants": _start_constants,
    "start_default_timeout": lambda version: requests.new_start("m", "m", features(version)).timeout.text,
    "update_defaults": _update_defaults,
    "ml_tasks": _task_names,
    "update_to_string": _update_task,
}

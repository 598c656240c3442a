# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is really there, told by the emulator's own state and by none of the collection's code."""

from __future__ import annotations

import re
import typing as t

from laws.pairs import deployment_id
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
# What no reading tells before the write: room on the nodes, how the nodes will fare, what an endpoint has stored.
_UNFORESEEN = re.compile(
    r"enough resources|sufficient capacity|will not become|is not \w[\w ]* after \d|is unchanged after the update"
)
NO_ONE = {"enabled": False, "min_number_of_allocations": None, "max_number_of_allocations": None}


def unforeseen(sentence: str) -> bool:
    """Whether a failure is one that check mode cannot foresee."""
    return _UNFORESEEN.search(sentence) is not None


def refused_as_a_whole(result: Json) -> bool:
    """Whether a list was, and not only some of its items."""
    return bool(result.get("failed")) and " deployments failed. " not in result["msg"]


def there(emulator: Emulator, name: str | None = None) -> Json | None:
    """The assignment of a deployment, or of the one the laws are about."""
    return emulator.deployments().get(name or deployment_id(emulator))


def task_parameters(assignment: Json) -> Json:
    """With the names since 8.3."""
    task: Json = assignment["task_parameters"]
    old = {"number_of_allocations": "model_threads", "threads_per_allocation": "inference_threads"}
    return {**task, **{new: task[name] for new, name in old.items() if name in task}}


def adaptive(assignment: Json) -> Json:
    """The scaler's settings in one form: -1, null and absent are the same."""
    stored = assignment.get("adaptive_allocations") or {}
    return {name: None if stored.get(name, value) == -1 else stored.get(name, value) for name, value in NO_ONE.items()}


def same_as_there(emulator: Emulator, result: Json) -> list[str]:
    """Where a result of a real run says something else than is there."""
    assignment, reported = there(emulator, result.get("deployment_id")), result["deployment"]
    if reported is None or assignment is None:
        gone = reported is None and (assignment is None or not result["waited"]["polls"])
        return [] if gone else [f"deployment is told as {reported}, is {assignment}"]
    task = task_parameters(assignment)
    pairs: list[tuple[str, t.Any, t.Any]] = [
        ("scaler", reported["adaptive_allocations"] or NO_ONE, adaptive(assignment)),
        ("start_time", reported["start_time"], assignment["start_time"][:23] + "Z"),
    ]
    for name in ("model_id", "number_of_allocations", "threads_per_allocation", "queue_capacity", "priority"):
        if name in task:
            pairs.append((name, reported[name], task[name]))
    if result["routing_source"] == "cluster_state":
        pairs.append(("cache_size", reported["cache_size"], task.get("cache_size")))
    pairs.extend(_routes(result, assignment))
    return [f"{name} is told as {said}, is {real}" for name, said, real in pairs if said != real]


def _routes(result: Json, assignment: Json) -> list[tuple[str, t.Any, t.Any]]:
    """Each route, field by field, as far as the source of the result can tell."""
    table, real = result["routing_table"], assignment["routing_table"]
    pairs: list[tuple[str, t.Any, t.Any]] = [("nodes", sorted(table), sorted(real))]
    for node in table.keys() & real.keys():
        for name in ("routing_state", "current_allocations", "target_allocations"):
            # Before 8.4 an assignment has no counts, and the statistics tell the current one.
            if name in real[node] and (table[node][name] is not None or result["routing_source"] == "cluster_state"):
                pairs.append((f"{node}.{name}", table[node][name], real[node].get(name)))
    return pairs


def reached(emulator: Emulator, options: Json, result: Json) -> bool:
    """Law 3: everything the task names is there, or the result says why not."""
    assignment = there(emulator, options.get("deployment_id"))
    state = options.get("state", "started")
    if state == "stopped":
        return assignment is None or not options.get("wait", True)
    if assignment is None:
        return (
            "skip" in (options.get("on_missing"), options.get("on_guarded")) and result["skipped_because"] is not None
        )
    task, now = task_parameters(assignment), adaptive(assignment)
    for name in ("threads_per_allocation", "queue_capacity", "priority"):
        if name in options and task.get(name, "normal") != options[name]:
            return False
    model = options.get("model_id", task["model_id"])
    if task["model_id"] != ("m" if model == "alias" else model):
        return False
    for name, value in (options.get("adaptive_allocations") or {}).items():
        if now[name] != (None if value == -1 else value):
            return False
    left = options.get("on_adaptive") == "skip" and now["enabled"]  # the count is the scaler's, and stays so
    if "number_of_allocations" in options and result["skipped_because"] is None and not left:
        return task["number_of_allocations"] == options["number_of_allocations"] and not now["enabled"]
    if options.get("on_unsatisfied") == "keep" and result["warnings"]:
        return str(result["warnings"][-1]).endswith("because on_unsatisfied is keep.")
    return not options.get("wait", True) or result["waited"]["reached"] is True or bool(result["skipped_because"])

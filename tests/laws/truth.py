# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare results with the emulator's own state, by none of the collection's code."""

from __future__ import annotations

import typing as t

from laws.pairs import deployment_id
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
AFTER_WRITES = ("not_ready", "not_ready_in_time", "not_recovered", "rollback_failed", "unknown_outcome")
"""Codes of failures after a write: no read before it shows how nodes will fare, or what an endpoint passes on."""
NO_ONE = {"enabled": False, "min_number_of_allocations": None, "max_number_of_allocations": None}


def failure_code(result: Json) -> str:
    """Return the code of a failure, or an empty text if the result is none."""
    return str(result["failure"]["code"]) if result["failure"] else ""


def unforeseen(result: Json) -> bool:
    """Return whether check mode cannot predict this failure, because it does not know the free capacity or the end."""
    error = result.get("error")
    return failure_code(result) in AFTER_WRITES if error is None else error["kind"] == "capacity"


def refused_as_a_whole(result: Json) -> bool:
    """Return whether the task refused a list as a whole, and not only some of its items."""
    return bool(result.get("failed")) and failure_code(result) != "deployments_failed"


def there(emulator: Emulator, name: str | None = None) -> Json | None:
    """Return the assignment of a deployment, by default of the one that the laws are about."""
    return emulator.deployments().get(name or deployment_id(emulator))


def task_parameters(assignment: Json) -> Json:
    """Return the task parameters under the names that they have since 8.3."""
    task: Json = assignment["task_parameters"]
    old = {"number_of_allocations": "model_threads", "threads_per_allocation": "inference_threads"}
    return {**task, **{new: task[name] for new, name in old.items() if name in task}}


def adaptive(assignment: Json) -> Json:
    """Return the adaptive allocations in one form: -1, null and absent are the same."""
    stored = assignment.get("adaptive_allocations") or {}
    return {name: None if stored.get(name, value) == -1 else stored.get(name, value) for name, value in NO_ONE.items()}


def same_as_there(emulator: Emulator, result: Json) -> list[str]:
    """Find differences between the result of a real run and the cluster."""
    assignment, reported = there(emulator, result.get("deployment_id")), result["deployment"]
    if reported is None or assignment is None:
        gone = reported is None and (assignment is None or not result["waited"]["polls"])
        return [] if gone else [f"deployment is reported as {reported}, is {assignment}"]
    task = task_parameters(assignment)
    pairs: list[tuple[str, t.Any, t.Any]] = [
        ("adaptive_allocations", reported["adaptive_allocations"] or NO_ONE, adaptive(assignment)),
        ("start_time", reported["start_time"], assignment["start_time"][:23] + "Z"),
    ]
    for name in ("model_id", "number_of_allocations", "threads_per_allocation", "queue_capacity", "priority"):
        if name in task:
            pairs.append((name, reported[name], task[name]))
    if result["routing_source"] == "cluster_state":
        pairs.append(("cache_size", reported["cache_size"], task.get("cache_size")))
    pairs.extend(_routes(result, assignment))
    return [f"{name} is reported as {value}, is {real}" for name, value, real in pairs if value != real]


def _routes(result: Json, assignment: Json) -> list[tuple[str, t.Any, t.Any]]:
    """Return pairs of values for each field of each route that the source of the result has."""
    table, real = result["routing_table"], assignment["routing_table"]
    pairs: list[tuple[str, t.Any, t.Any]] = [("nodes", sorted(table), sorted(real))]
    for node in table.keys() & real.keys():
        for name in ("routing_state", "current_allocations", "target_allocations"):
            # Before 8.4 an assignment has no counts, and the statistics have the current one.
            if name in real[node] and (table[node][name] is not None or result["routing_source"] == "cluster_state"):
                pairs.append((f"{node}.{name}", table[node][name], real[node].get(name)))
    return pairs


def reached(emulator: Emulator, options: Json, result: Json) -> bool:
    """Apply law 3: everything the task names is there, or the result says why not."""
    assignment = there(emulator, options.get("deployment_id"))
    state = options.get("state", "started")
    if state == "stopped":
        return assignment is None or not options.get("wait", True)
    if assignment is None:
        policies = (options.get("on_missing"), (options.get("guard") or {}).get("on_violation"))
        return "skip" in policies and result["skipped_because"] is not None
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
    # Adaptive allocations set the number, and go on to do so.
    skipped = options.get("on_adaptive") == "skip" and now["enabled"]
    if "number_of_allocations" in options and result["skipped_because"] is None and not skipped:
        return task["number_of_allocations"] == options["number_of_allocations"] and not now["enabled"]
    if options.get("on_unsatisfied") == "keep" and result["warnings"]:
        return str(result["warnings"][-1]).endswith("because on_unsatisfied is keep.")
    return not options.get("wait", True) or result["waited"]["reached"] is True or bool(result["skipped_because"])

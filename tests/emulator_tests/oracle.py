# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Render answers for a given state: rules read off the recordings, apart from the emulator's own rendering.

It shares no code with the emulator. ``test_oracle`` holds it against ``assignment``, ``task_params`` and
``assignment_stats`` records; ``test_random_schedules`` holds the emulator's answers against it, key order included.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any, Final

Json = dict[str, Any]
Version = tuple[int, int, int]

UNITS: Final = (("pb", 1 << 50), ("tb", 1 << 40), ("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10))
ALL_FAILED: Final = "All node routes are failed; see node route reason for details"


@dataclasses.dataclass
class Process:
    """A native process on a node, and its counts."""

    start_time: int
    counted: Json = dataclasses.field(default_factory=dict)
    """Of the keys of a node's row those that are numbers; a missing one is 0, or absent where that is the rule."""


@dataclasses.dataclass
class RouteFacts:
    """A deployment on a node; ``node`` is its description in a row, ``None`` if it left."""

    node_id: str
    current: int
    target: int
    state: str
    reason: str | None = ""
    node: Any = None
    process: Process | None = None


@dataclasses.dataclass
class Facts:
    """One deployment in plain values."""

    version: Version
    model_id: str
    deployment_id: str
    model_bytes: int
    number: int
    threads: int = 1
    queue: int = 1024
    cache_bytes: int | None = None
    cache_text: str | None = None
    priority: str = "normal"
    per_deployment: int = 0
    per_allocation: int = 0
    routes: list[RouteFacts] = dataclasses.field(default_factory=list)
    stopping: bool = False
    reason: str | None = None
    start_nanos: int = 0
    most: int = 0
    adaptive: tuple[bool | None, int | None, int | None] | None = None


# --- rules of state ---


def is_started(route: RouteFacts) -> bool:
    """Return whether a route's allocations count."""
    return route.state == "started" and route.current > 0


def count(facts: Facts) -> int:
    """Return the number of allocations that answer."""
    return sum(route.current for route in facts.routes if is_started(route))


def state(facts: Facts) -> str:
    """Return the stored state that follows from the routes."""
    if facts.stopping:
        return "stopping"
    none_desired = facts.number == 0 and facts.version >= (8, 16, 0)
    return "started" if none_desired or any(route.state == "started" for route in facts.routes) else "starting"


def status(facts: Facts) -> Json | None:
    """Return ``allocation_status``."""
    if facts.stopping:
        return None
    counted = count(facts)
    if facts.number == 0 and facts.version >= (8, 16, 0):
        word = "fully_allocated"
    elif counted == 0:
        word = "starting"
    else:
        word = "fully_allocated" if counted >= facts.number else "started"
    return {"allocation_count": counted, "target_allocation_count": facts.number, "state": word}


# --- values ---


def human(size: int) -> str:
    """Return bytes cut to one decimal of the largest unit that fits."""
    for name, unit in UNITS:
        if size >= unit:
            tenths = size * 10 // unit
            return f"{tenths // 10}{name}" if tenths % 10 == 0 else f"{tenths // 10}.{tenths % 10}{name}"
    return f"{size}b"


def instant(nanos: int) -> str:
    """Return an instant in groups of three decimals, as few as are exact."""
    seconds, rest = divmod(nanos, 10**9)
    text = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{rest:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def millis_text(millis: int) -> str:
    """Return the same instant in human form: always three decimals."""
    stamp = datetime.datetime.fromtimestamp(millis // 1000, datetime.UTC)
    return f"{stamp.strftime('%Y-%m-%dT%H:%M:%S')}.{millis % 1000:03}Z"


def settings(adaptive: tuple[bool | None, int | None, int | None]) -> Json:
    """Return adaptive settings: enabled always, bounds if given."""
    enabled, least, most = adaptive
    body: Json = {"enabled": bool(enabled)}
    if least is not None:
        body["min_number_of_allocations"] = least
    if most is not None:
        body["max_number_of_allocations"] = most
    return body


# --- the assignment ---


def task_parameters(facts: Facts) -> Json:
    """Return task parameters by version, in the recorded order."""
    if facts.version < (8, 3, 0):
        return {
            "model_id": facts.model_id,
            "model_bytes": facts.model_bytes,
            "inference_threads": facts.threads,
            "model_threads": facts.number,
            "queue_capacity": facts.queue,
        }
    pairs: list[tuple[str, Any, bool]] = [
        ("model_id", facts.model_id, True),
        ("deployment_id", facts.deployment_id, facts.version >= (8, 8, 0)),
        ("model_bytes", facts.model_bytes, True),
        ("threads_per_allocation", facts.threads, True),
        ("number_of_allocations", facts.number, True),
        ("queue_capacity", facts.queue, True),
        ("cache_size", facts.cache_text, facts.version >= (8, 4, 0) and facts.cache_text is not None),
        ("priority", facts.priority, facts.version >= (8, 6, 0)),
        ("per_deployment_memory_bytes", facts.per_deployment, facts.version >= (8, 11, 0)),
        ("per_allocation_memory_bytes", facts.per_allocation, facts.version >= (8, 11, 0)),
    ]
    return {name: value for name, value, there in pairs if there}


def route(facts: Facts, one: RouteFacts) -> Json:
    """Return one line of the routing table."""
    body: Json = {}
    if facts.version >= (8, 4, 0):
        body |= {"current_allocations": one.current, "target_allocations": one.target}
    body["routing_state"] = one.state
    return body if one.reason is None else body | {"reason": one.reason}


def assignment(facts: Facts) -> Json:
    """Return the assignment as start, update and cluster state show it."""
    word = "assignment" if facts.version >= (8, 3, 0) else "allocation"
    body: Json = {
        "task_parameters": task_parameters(facts),
        "routing_table": {one.node_id: route(facts, one) for one in facts.routes},
        f"{word}_state": state(facts),
    }
    if facts.reason is not None:
        body["reason"] = facts.reason
    body["start_time"] = instant(facts.start_nanos)
    if facts.version >= (8, 6, 0):
        body["max_assigned_allocations"] = facts.most
    if facts.version >= (8, 16, 0):
        body["adaptive_allocations"] = None if facts.adaptive is None else settings(facts.adaptive)
    return body


# --- statistics ---


def _time(name: str, millis: int, readable: bool) -> Json:
    return {f"{name}_string": millis_text(millis), name: millis} if readable else {name: millis}


def _above_zero(values: list[Json], names: tuple[str, ...]) -> Json:
    sums = {name: sum(each.get(name, 0) for each in values) for name in names}
    return {name: value for name, value in sums.items() if value > 0}


def node_row(facts: Facts, one: RouteFacts, readable: bool = False) -> Json:
    """Return a node's row."""
    body: Json = {} if one.node is None else {"node": one.node}
    if not is_running(one):
        # A started route without a process reads as stopped; of a node that left this is unknown.
        shown = "stopped" if one.state == "started" and one.node is not None else one.state
        why = {} if one.reason is None else {"reason": one.reason}
        return body | {
            "routing_state": {"routing_state": shown, **why},
            "peak_throughput_per_minute": 0,
            "throughput_last_minute": 0,
        }
    process = one.process
    assert process is not None
    counted = process.counted
    body |= {"routing_state": {"routing_state": "started"}, "inference_count": counted.get("inference_count", 0)}
    for name in ("average_inference_time_ms", "average_inference_time_ms_excluding_cache_hits"):
        body |= _known(counted, name)
    if facts.version >= (9, 5, 0):
        body |= _known(counted, "average_inference_process_memory_rss_bytes")
    body["inference_cache_hit_count"] = counted.get("inference_cache_hit_count", 0)
    if counted.get("last_access") is not None:
        body |= _time("last_access", counted["last_access"], readable)
    body["number_of_pending_requests"] = counted.get("number_of_pending_requests", 0)
    body |= _above_zero([counted], ("error_count", "rejected_execution_count", "timeout_count"))
    body |= _time("start_time", process.start_time, readable)
    older = facts.version < (8, 3, 0)
    body |= {"inference_threads" if older else "threads_per_allocation": facts.threads}
    body |= {"model_threads" if older else "number_of_allocations": one.current}
    for name in ("peak_throughput_per_minute", "throughput_last_minute"):
        body[name] = counted.get(name, 0)
    body |= _known(counted, "average_inference_time_ms_last_minute")
    body["inference_cache_hit_count_last_minute"] = counted.get("inference_cache_hit_count_last_minute", 0)
    return body


def is_running(one: RouteFacts) -> bool:
    """Return whether a row shows the counts of a process; only those enter the sums."""
    return one.state == "started" and one.process is not None and one.node is not None


def running(facts: Facts) -> list[Json]:
    """Return the counts of the processes that a row shows."""
    return [one.process.counted for one in facts.routes if is_running(one) and one.process is not None]


def _known(counted: Json, name: str) -> Json:
    return {name: counted[name]} if counted.get(name) is not None else {}


def deployment_stats(facts: Facts, readable: bool = False) -> Json:
    """Return the object of that name in a row of ``_stats``."""
    older = facts.version < (8, 3, 0)
    body: Json = {"deployment_id": facts.deployment_id} if facts.version >= (8, 8, 0) else {}
    body["model_id"] = facts.model_id
    body |= {"inference_threads" if older else "threads_per_allocation": facts.threads}
    body |= {"model_threads" if older else "number_of_allocations": facts.number}
    if facts.adaptive is not None:
        body["adaptive_allocations"] = settings(facts.adaptive)
    body["queue_capacity"] = facts.queue
    failed = bool(facts.routes) and all(one.state == "failed" for one in facts.routes)
    body["state"] = "failed" if failed else state(facts)
    reason = ALL_FAILED if failed and facts.reason is None else facts.reason
    body |= {} if reason is None else {"reason": reason}
    shown = status(facts)
    body |= {} if shown is None else {"allocation_status": shown}
    if facts.cache_bytes is not None and facts.version >= (8, 4, 0):
        body["cache_size"] = human(facts.cache_bytes)
    if facts.version >= (8, 6, 0):
        body["priority"] = facts.priority
    body |= _time("start_time", facts.start_nanos // 1_000_000, readable)
    processes = running(facts)
    names = ("error_count", "rejected_execution_count", "timeout_count", "inference_count")
    body |= _above_zero(processes, names)
    body["peak_throughput_per_minute"] = sum(each.get("peak_throughput_per_minute", 0) for each in processes)
    body["nodes"] = [node_row(facts, one, readable) for one in facts.routes]
    return body


def inference_stats(facts: Facts) -> Json:
    """Return the row's ``inference_stats`` without the time."""
    processes = running(facts)
    failures = ("error_count", "rejected_execution_count", "timeout_count")
    return {
        "failure_count": sum(each.get(name, 0) for each in processes for name in failures),
        "inference_count": sum(each.get("inference_count", 0) for each in processes),
        "cache_miss_count": 0,
        "missing_all_fields_count": 0,
    }

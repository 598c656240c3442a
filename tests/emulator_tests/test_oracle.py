# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the oracle itself with every recording of assignments and their statistics (server-behaviour.md 2.1, 2.3)."""

from __future__ import annotations

import calendar
import json
import re
import time
from typing import Any

import pytest

from emulator_tests import oracle
from emulator_tests.oracle import Facts, Process, RouteFacts
from emulator_tests.recordings import Row, rows

SIZE = 265632637
_INSTANT = re.compile(r"(.*)T(\d\d:\d\d:\d\d)(?:\.(\d+))?Z")
_BYTES = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
_CUT = {"253.3mb": SIZE, "1023.9kb": 1048575}


def triples(row: Row) -> list[tuple[int, int, int]]:
    """Return the versions of a row."""
    found = []
    for text in row.data["versions"]:
        major, minor, patch = (int(part) for part in text.split("."))
        found.append((major, minor, patch))
    return found


def nanos(text: str) -> int:
    """Return the nanoseconds of a recorded instant."""
    match = _INSTANT.fullmatch(text)
    assert match is not None
    seconds = calendar.timegm(time.strptime(f"{match[1]} {match[2]}", "%Y-%m-%d %H:%M:%S"))
    return seconds * 10**9 + int((match[3] or "0").ljust(9, "0"))


def size_of(text: str | None) -> int | None:
    """Return the bytes of a recorded size."""
    if text is None or text in _CUT:
        return None if text is None else _CUT[text]
    match = re.fullmatch(r"(-?[0-9.]+)([a-z]*)", text)
    assert match is not None
    return int(float(match[1]) * _BYTES[match[2] or "b"])


def parameters(version: tuple[int, int, int], body: Any) -> Facts:
    """Read facts from recorded task parameters."""
    return Facts(
        version,
        body["model_id"],
        body["deployment_id"],
        body["model_bytes"],
        body["number_of_allocations"],
        body["threads_per_allocation"],
        body["queue_capacity"],
        size_of(body.get("cache_size")),
        body.get("cache_size"),
        body["priority"],
        body.get("per_deployment_memory_bytes", 0),
        body.get("per_allocation_memory_bytes", 0),
    )


def adaptive(body: Any) -> tuple[bool | None, int | None, int | None] | None:
    """Return recorded settings."""
    if body is None:
        return None
    return body["enabled"], body.get("min_number_of_allocations"), body.get("max_number_of_allocations")


@pytest.mark.parametrize("row", rows("task_params"), ids=lambda row: row.key)
def test_task_parameters(row: Row) -> None:
    """Test server-behaviour.md 2.1."""
    for version in triples(row):
        assert json.dumps(oracle.task_parameters(parameters(version, row.data["json"]))) == json.dumps(row.data["json"])


@pytest.mark.parametrize("row", rows("assignment"), ids=lambda row: row.key)
def test_assignment(row: Row) -> None:
    """Test server-behaviour.md 2.1 and 4.1: the whole object, and what is computed from it."""
    recorded = row.data["json"]["assignment"]
    for version in triples(row):
        facts = parameters(version, recorded["task_parameters"])
        facts.routes = [
            RouteFacts(node_id, each["current_allocations"], each["target_allocations"], each["routing_state"])
            for node_id, each in recorded["routing_table"].items()
        ]
        for each in facts.routes:
            each.reason = recorded["routing_table"][each.node_id].get("reason")
        facts.stopping = recorded["assignment_state"] == "stopping"
        facts.reason = recorded.get("reason")
        facts.start_nanos = nanos(recorded["start_time"])
        facts.most = recorded["max_assigned_allocations"]
        facts.adaptive = adaptive(recorded.get("adaptive_allocations"))
        played = oracle.assignment(facts)
        if recorded["assignment_state"] != row.data["builder_state"]:
            # Made by hand: the builder, which a server uses, comes to another state.
            played["assignment_state"] = recorded["assignment_state"]
        assert json.dumps(played) == json.dumps(recorded)
        shown = oracle.status(facts)
        assert shown == row.data["allocation_status"] or shown is None


@pytest.mark.parametrize("row", rows("assignment_stats"), ids=lambda row: row.key)
def test_deployment_stats(row: Row) -> None:
    """Test server-behaviour.md 2.3: the object, its human form, and the sums."""
    recorded = row.data["json"]
    if "state" not in recorded or "threads_per_allocation" not in recorded or "nodes" not in recorded:
        assert row.data["case"] in ("no_state", "threads_null")
        return
    for version in triples(row):
        facts = stats_facts(version, recorded)
        played = oracle.deployment_stats(facts, "human" in row.data["case"])
        if not recorded["nodes"] and "allocation_status" in recorded:
            # These are about something else and show no node for what they count.
            played["state"], played["allocation_status"] = recorded["state"], recorded["allocation_status"]
        elif "allocation_status" in recorded and recorded["state"] != played["state"]:
            played["state"] = recorded["state"]
        assert json.dumps(played) == json.dumps(recorded)
        if "overall_inference_stats" in row.data:
            sums = oracle.inference_stats(facts)
            assert {**sums, "timestamp": "<now>"} == row.data["overall_inference_stats"]


def stats_facts(version: tuple[int, int, int], body: Any) -> Facts:
    """Read facts from recorded statistics."""
    facts = Facts(version, "mod", body["deployment_id"], SIZE, body["number_of_allocations"])
    facts.threads, facts.queue, facts.priority = (
        body["threads_per_allocation"],
        body["queue_capacity"],
        body["priority"],
    )
    facts.cache_bytes = size_of(body.get("cache_size"))
    facts.stopping, facts.reason = body["state"] == "stopping", body.get("reason")
    facts.start_nanos = body["start_time"] * 1_000_000
    facts.adaptive = adaptive(body.get("adaptive_allocations"))
    for number, row in enumerate(body["nodes"]):
        current = row.get("number_of_allocations", 0)
        process = Process(row["start_time"], row) if "inference_count" in row else None
        shown = row["routing_state"]
        facts.routes.append(
            RouteFacts(
                f"n{number}", current, current, shown["routing_state"], shown.get("reason"), row.get("node"), process
            )
        )
    return facts


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0b"), (-1, "-1b"), (1023, "1023b"), (1024, "1kb"), (1536, "1.5kb"), (SIZE, "253.3mb")]
)
def test_human_sizes(size: int, text: str) -> None:
    """Test server-behaviour.md 2.3."""
    assert oracle.human(size) == text

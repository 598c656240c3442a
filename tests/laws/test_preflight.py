# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the look at the room on each recorded decision about a request (recorded-answers.md 4)."""

from __future__ import annotations

import collections
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity.records import (
    OVERHEAD,
    Capacity,
    MlNode,
    Settings,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.decide import Situation, decide
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.plan import Plan
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.preflight import Planned, look
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.room import Room
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.desired import Desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.step import Step
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment

Json = dict[str, t.Any]
ROWS: list[Json] = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "recorded/assignment_service.jsonl").read_text().splitlines()
]
VERSIONS = ("8.18.0", "8.9.2", "8.13.4", "8.19.21", "9.5.3")
MIB = 1 << 20


def deployment(raw: Json) -> Deployment:
    routes = {
        node: {"current_allocations": current, "target_allocations": target, "routing_state": state}
        for node, (current, target, state) in (raw.get("routes") or {}).items()
    }
    started = any(route["routing_state"] == "started" for route in routes.values()) or raw["n"] == 0
    state = "stopping" if raw.get("stopping") else "started" if started else "starting"
    bounds = {f"{name}_number_of_allocations": value for name, value in (raw.get("adaptive") or {}).items()}
    adaptive = raw.get("adaptive") and {**bounds, "enabled": raw["adaptive"]["enabled"]}
    assignment = {
        "task_parameters": {
            "deployment_id": raw["id"],
            "model_id": raw["id"],
            "model_bytes": raw["mb"] * MIB,
            "number_of_allocations": raw["n"],
            "threads_per_allocation": raw["t"],
            "priority": raw.get("priority", "normal"),
            "cache_size": f"{raw['mb'] * MIB}b",
        },
        "routing_table": routes,
        "assignment_state": state,
        "adaptive_allocations": adaptive,
        "max_assigned_allocations": raw.get("max", 0),
    }
    return Deployment.from_assignment(assignment, "cluster_state", {})


def room_of(row: Json, version: str) -> Room:
    nodes = tuple(
        MlNode(
            name,
            name,
            attributes={"ml.allocated_processors": str(cores)},
            ml_memory=mib * MIB + OVERHEAD,
            jobs_memory=0,
            shutting_down=False,
        )
        for name, mib, cores in row["nodes"]
    )
    settings = Settings(lazy_nodes=len(nodes) + 1 if row.get("scaling") else 0)
    existing = [deployment(each) for each in row["deployments"]]
    return Room.of(Capacity(nodes, settings), existing, Server(version, "default", "c"))


def planned(row: Json) -> Planned | None:
    """Return the plan for the request of a row; ``None`` if it is none that needs room, or the task refuses it."""
    existing = {each["id"]: deployment(each) for each in row["deployments"]}
    if row["call"] == "create":
        start = row["start"]
        if start["id"] in existing:
            return None
        after = deployment(start)
        return Planned(
            Plan(None, after, "start", (Step("start", after.deployment_id, {"priority": after.priority}),)), after
        )
    number = json.loads(row["body"]).get("number_of_allocations") if row["call"] == "update" else None
    current = existing.get(row.get("target", ""))
    if not isinstance(number, int) or number < 1 or current is None or "adaptive" in row["body"]:
        return None
    try:
        plan = decide(Desired(current.deployment_id, number_of_allocations=number), Situation(current))
    except Refusal:
        return None
    return Planned(plan, plan.after)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_server_accepts_is_never_refused(version: str) -> None:
    counts: t.Counter[t.Any] = collections.Counter()
    for row in ROWS:
        each = planned(row)
        if each is None or each.after is None:
            continue
        verdict = look(room_of(row, version), [each]).verdicts.get(each.after.deployment_id)
        refused = verdict is not None and verdict.check == "refused"
        status = row["outcome"].get("error", {}).get("status", 200)
        counts[status, refused] += 1
        if version == VERSIONS[0]:
            # 409 is about the state of the deployment, which a task awaits before the update. What is being stopped may
            # be gone when the request comes.
            leaves = any(one.get("stopping") for one in row["deployments"])
            assert refused == (status == 429) or status == 409 or (leaves and not refused), row
            assert not refused or (verdict and verdict.text), row
        else:
            assert status != 200 or not refused, row
    assert counts[429, True] >= 40
    assert counts[200, False] >= 100


def test_the_sentence_has_the_arithmetic_of_each_node() -> None:
    [row] = [row for row in ROWS if row["id"] == "service-421"]
    each = planned(row)
    assert each
    verdict = look(room_of(row, "8.18.0"), [each]).verdicts["b"]
    assert verdict.text == (
        "The ML nodes have room for 6 of the 8 allocations of deployment 'b'. "
        "n1, n2: 0 of 4 processors free, 1 needed. The other 2 need 2 processors."
    )
    assert (verdict.check, verdict.code) == ("refused", "not_enough_processors")

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay assignments and task parameters: rendering and arithmetic."""

from __future__ import annotations

import json
from typing import Any

from emulator.api.cluster_info import state_json
from emulator.state import assignment as rendered
from emulator.state import planning
from emulator.state.assignment import Assignment
from emulator.state.cluster import Cluster, Config
from emulator.state.versions import features
from emulator.wire.render import filtered
from emulator_tests import recorded_assignments
from emulator_tests.recordings import Row
from emulator_tests.replay import UNPLAYED, Outcome

_ASSIGNABLE = ("nodeA", "nodeB")
"""The nodes that could carry something when the records were made."""


def assignment(row: Row, version: str) -> Outcome:
    """Replay an assignment, and what is computed from it."""
    each = recorded_assignments.assignment(row.data["json"]["assignment"], version)
    played = {
        "json": rendered.envelope(each),
        "allocation_status": each.allocation_status(),
        "allocation_state": each.allocation_state(),
        "started_nodes": each.started_nodes(),
        "total_current": each.total_current,
        "total_target": each.total_target,
        "satisfied": each.is_satisfied(_ASSIGNABLE),
        "outdated": each.has_outdated_routes(),
        "builder_state": each.calculated_state(),
    }
    recorded = {key: row.data[key] for key in played}
    # Objects compare without order; what clients see has one.
    return [recorded, json.dumps(row.data["json"])], [played, json.dumps(played["json"])]


def task_params(row: Row, version: str) -> Outcome:
    """Replay task parameters and the memory they need."""
    params = recorded_assignments.task_params(row.data["json"])
    played = {
        "json": params.as_json(features(version)),
        "estimate_memory_usage_bytes": planning.estimate(Assignment(params, features(version), 0)),
        "cache_size_bytes": params.cache_bytes,
    }
    return {key: row.data[key] for key in played}, played


def assignment_metadata(row: Row, version: str) -> Outcome:
    """Replay the cluster state's view of assignments, and its name."""
    key, value = row.data["key"], row.data["value"]
    if key == "cases":
        return [case["json"] for case in value], [_in_cluster_state(case, version) for case in value]
    if key in ("name", "deprecated_name"):
        return [value], _names("8.2.0" if key == "deprecated_name" else version)
    return row.data, UNPLAYED


def _in_cluster_state(case: dict[str, Any], version: str) -> Any:
    cluster = Cluster(Config(version))
    cluster.ever_assigned = True
    for body in case["json"]["metadata"]["trained_model_assignment"].values():
        cluster.put_assignment(recorded_assignments.assignment(body, version))
    return filtered(state_json(cluster, ["metadata"]), "metadata.trained_model_assignment")


def _names(version: str) -> list[str]:
    cluster = Cluster(Config(version))
    cluster.ever_assigned = True
    return [key for key in state_json(cluster, ["metadata"])["metadata"] if key.startswith("trained_model")]

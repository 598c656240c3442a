# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test records: what answers of several versions become."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.features import Feature
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.sizes import human_size, parse_size
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.adaptive import AdaptiveAllocations, AdaptivePatch
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import (
    AllocationStatus,
    Deployment,
    iso_time,
    user_settings,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.model import Model
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.routing import Route


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("-1", -1),
        ("0b", 0),
        ("1kb", 1024),
        ("1 GB", 1024**3),
        ("1g", 1024**3),
        ("1.5gb", 1610612736),
        ("265632637b", 265632637),
        ("2TB", 2 * 1024**4),
        ("12", None),
        ("", None),
        ("-2", None),
        ("1zb", None),
        ("many", None),
    ],
)
def test_sizes_are_read(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (265632637, "253.3mb"),
        (1048575, "1023.9kb"),
        (0, "0b"),
        (-1, "-1b"),
        (1024, "1kb"),
        (1023, "1023b"),
        (1024**6, "1024pb"),
    ],
)
def test_sizes_are_shown_as_the_server_shows_them(size: int, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("raw", "version", "flavor", "release"),
    [
        (
            {"version": {"number": "9.1.3", "build_flavor": "default"}, "cluster_name": "c"},
            "9.1.3",
            "default",
            (9, 1, 3),
        ),
        ({"version": {"number": "8.16.0-SNAPSHOT"}}, "8.16.0-SNAPSHOT", "default", (8, 16, 0)),
        ({"version": {"number": "8.11.0", "build_flavor": "serverless"}}, "8.11.0", "serverless", (8, 11, 0)),
        ({}, "", "default", (0, 0, 0)),
        ({"version": {"number": "9.0"}}, "9.0", "default", (9, 0, 0)),
    ],
)
def test_server(raw: dict[str, t.Any], version: str, flavor: str, release: tuple[int, int, int]) -> None:
    server = Server.from_api(raw)
    assert (server.version, server.flavor, server.version_tuple) == (version, flavor, release)


def test_serverless_has_everything() -> None:
    assert Server("8.11.0", "serverless", "").supports(Feature.PENDING_REQUESTS)
    assert not Server("8.11.0", "default", "").supports(Feature.ADAPTIVE_ALLOCATIONS)
    assert Server("8.16.0", "default", "").supports(Feature.ADAPTIVE_ALLOCATIONS)


@pytest.mark.parametrize(
    ("version", "checks"), [("8.18.9", False), ("8.19.1", True), ("9.0.3", False), ("9.1.0", True)]
)
def test_a_release_without_a_feature_between_others(version: str, checks: bool) -> None:
    assert Server(version, "default", "").supports(Feature.STOP_CHECKS_ENDPOINTS) is checks


@pytest.mark.parametrize(("version", "wrong"), [("8.3.3", False), ("8.4.0", True), ("8.5.3", True), ("8.6.0", False)])
def test_a_behaviour_that_ended(version: str, wrong: bool) -> None:
    assert Server(version, "default", "").supports(Feature.MISREPORTED_THREADS) is wrong
    assert not Server(version, "serverless", "").supports(Feature.MISREPORTED_THREADS)


def test_adaptive_settings_are_one_value_however_written() -> None:
    assert AdaptiveAllocations.from_api(None) is None
    written: list[dict[str, t.Any]] = [
        {"enabled": True},
        {"enabled": True, "min_number_of_allocations": -1, "max_number_of_allocations": None},
    ]
    assert {AdaptiveAllocations.from_api(raw) for raw in written} == {AdaptiveAllocations(True)}


def test_desired_settings_are_merged_field_by_field() -> None:
    stored = AdaptiveAllocations(True, 1, 8)
    assert AdaptivePatch(max_number_of_allocations=4).merged_into(stored) == AdaptiveAllocations(True, 1, 4)
    assert AdaptivePatch(min_number_of_allocations=-1).merged_into(stored) == AdaptiveAllocations(True, None, 8)
    assert AdaptivePatch(enabled=True).merged_into(None) == AdaptiveAllocations(True)


def test_bounds_that_are_not_there_are_not_removed() -> None:
    desired = AdaptivePatch(True, -1, -1)
    assert desired.body(AdaptiveAllocations(True, 2, None)) == {"enabled": True, "min_number_of_allocations": -1}
    assert desired.body(None) == {"enabled": True}


OLD_ROW = {
    "model_id": "m",
    "deployment_stats": {
        "model_id": "m",
        "inference_threads": 2,
        "model_threads": 1,
        "state": "STARTED",
        "start_time": 1730548234766,
        "nodes": [
            {"node": {"n": {"name": "ml-1"}}, "routing_state": {"routing_state": "started"}},
            {"routing_state": {}},
        ],
    },
}


def test_names_before_8_3() -> None:
    deployment = Deployment.from_stats(OLD_ROW)
    assert deployment.deployment_id == "m"
    assert (deployment.threads_per_allocation, deployment.number_of_allocations) == (2, 1)
    assert deployment.assignment_state == "started"
    assert deployment.node_names == {"n": "ml-1"}
    assert deployment.start_time == "2024-11-02T11:50:34.766Z"


def assignment(**more: t.Any) -> dict[str, t.Any]:
    task = {
        "model_id": "m",
        "deployment_id": "d",
        "number_of_allocations": 2,
        "priority": "NORMAL",
        "cache_size": "1kb",
    }
    return {"task_parameters": task, "assignment_state": "started", "start_time": "2024-11-02T11:50:34.7Z", **more}


def test_an_assignment_has_the_same_form() -> None:
    table = {"n": {"routing_state": "started", "reason": "", "current_allocations": 1, "target_allocations": 2}}
    deployment = Deployment.from_assignment(assignment(routing_table=table), "cluster_state", {"n": "ml-1"})
    assert deployment.priority == "normal"
    assert deployment.start_time == "2024-11-02T11:50:34.700Z"
    assert deployment.allocations() == {"wanted": 2, "assigned": 2, "running": 1, "missing": 1}
    assert deployment.routing_table()["n"] == {
        "node_name": "ml-1",
        "routing_state": "started",
        "reason": None,
        "current_allocations": 1,
        "target_allocations": 2,
    }


@pytest.mark.parametrize(
    ("number", "current", "state"),
    [(2, 0, "starting"), (2, 1, "started"), (2, 2, "fully_allocated"), (0, 0, "fully_allocated")],
)
def test_status_of_an_assignment(number: int, current: int, state: str) -> None:
    raw = assignment(routing_table={"n": {"routing_state": "started", "current_allocations": current}})
    raw["task_parameters"]["number_of_allocations"] = number
    status = Deployment.from_assignment(raw, "assignment", {}).allocation_status
    assert status is not None
    assert status.state == state


def test_a_stopping_assignment_has_no_status() -> None:
    raw = assignment(assignment_state="stopping", start_time=None)
    deployment = Deployment.from_assignment(raw, "assignment", {})
    assert deployment.allocation_status is None
    assert deployment.start_time is None
    assert deployment.running == 0


FIGURES = {"per_deployment_memory_bytes": 5, "per_allocation_memory_bytes": 6}


def test_memory_figures_and_the_most_allocations() -> None:
    sizes = {"model_size_bytes": 7, **FIGURES}
    from_stats = Deployment.from_stats({"model_id": "m", "model_size_stats": sizes, "deployment_stats": {}})
    task = {"model_id": "m", "model_bytes": 7, **FIGURES}
    assigned = Deployment.from_assignment(
        {"task_parameters": task, "max_assigned_allocations": 3, "assignment_state": "started"}, "cluster_state", {}
    )
    for found in (from_stats, assigned, from_stats.with_assignment(assigned)):
        assert (found.model_bytes, found.per_deployment_memory_bytes, found.per_allocation_memory_bytes) == (7, 5, 6)
    assert [found.max_assigned_allocations for found in (from_stats, from_stats.with_assignment(assigned))] == [0, 3]


def test_elasticsearch_leaves_out_figures_that_are_0() -> None:
    found = Deployment.from_stats({"model_id": "m", "model_size_stats": {}, "deployment_stats": {}})
    assert (found.per_deployment_memory_bytes, found.per_allocation_memory_bytes) == (0, 0)


@pytest.mark.parametrize(("value", "figure"), [(6, 6), (6.9, 6), ("6", 0), (True, 0), (None, 0), ([], 0)])
def test_metadata_of_a_model_may_be_anything(value: t.Any, figure: int) -> None:
    raw = {"model_id": "m", "metadata": {"per_deployment_memory_bytes": 5, "per_allocation_memory_bytes": value}}
    found = Model.from_api(raw)
    assert (found.per_deployment_memory_bytes, found.per_allocation_memory_bytes) == (5, figure)


def test_times() -> None:
    assert iso_time(None) is None
    assert iso_time(0) == "1970-01-01T00:00:00.000Z"


def test_user_settings_have_the_same_keys_with_and_without_a_deployment() -> None:
    with_one = user_settings(Deployment.from_stats(OLD_ROW))
    assert list(with_one) == list(user_settings(None)) == sorted(with_one)
    assert user_settings(None)["state"] == "stopped"
    stopping = Deployment("d", "m", assignment_state="stopping")
    assert user_settings(stopping)["state"] == "stopping"


def test_adaptive_allocations_own_the_number_while_they_are_enabled() -> None:
    adaptive = Deployment("d", "m", number_of_allocations=3, adaptive_allocations=AdaptiveAllocations(True, 1, 4))
    assert user_settings(adaptive)["number_of_allocations"] is None


def test_the_cluster_state_is_read_later_and_wins() -> None:
    stats = Deployment("d", "m", number_of_allocations=2, allocation_status=AllocationStatus(2, 2, "fully_allocated"))
    lost = Route("n2", None, "starting", None, 0, 2)
    state = dataclasses.replace(stats, routes=(lost,), allocation_status=AllocationStatus(0, 2, "starting"))
    assert stats.with_assignment(state).running == 0
    uncounted = dataclasses.replace(state, routes=(dataclasses.replace(lost, current_allocations=None),))
    assert stats.with_assignment(uncounted).running == 2

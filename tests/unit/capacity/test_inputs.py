# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what the planner is given."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity.inputs import (
    UNLIMITED,
    planner_deployment,
    planner_deployments,
    planner_nodes,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity.records import Capacity, MlNode, Settings
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.routing import Route
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner import records as planner

MIB = 1 << 20


def node(name: str, processors: str = "4", memory: int | None = 130 * MIB, **changes: t.Any) -> MlNode:
    attributes = {"ml.allocated_processors_double": processors, "zone": f"zone-{name}"}
    jobs = None if memory is None else 0
    return MlNode(name, attributes=attributes, ml_memory=memory, jobs_memory=jobs, **changes)


def test_nodes() -> None:
    nodes = (node("a", "3.5"), node("b", "8", 10 * MIB), node("c", shutting_down=True))
    assert planner_nodes(Capacity(nodes, Settings())) == (
        planner.Node("a", 100 * MIB, 4),
        planner.Node("b", 0, 8),
    )


def test_the_scale_and_the_zones() -> None:
    nodes = (node("a", "3.5"), MlNode("b"))
    [found] = planner_nodes(Capacity(nodes, Settings(scale=2, awareness=("zone",))))
    assert found == planner.Node("a", 100 * MIB, 2, ("zone-a",))


def test_of_what_was_not_read_there_is_the_most_that_can_be() -> None:
    [found] = planner_nodes(Capacity((node("a", memory=None),)))
    assert found == planner.Node("a", UNLIMITED, 4)


ROUTE = Route("a", "ml-1", "started", None, 2, 3)
DEPLOYMENT = Deployment(
    "d",
    "m",
    threads_per_allocation=2,
    priority="low",
    cache_size="1kb",
    number_of_allocations=4,
    model_bytes=7,
    per_deployment_memory_bytes=5,
    per_allocation_memory_bytes=6,
    max_assigned_allocations=9,
    routes=(ROUTE,),
)


def test_a_deployment() -> None:
    found = planner.Deployment("d", "m", 7, 4, 2, "low", 5, 6, 1024, 9, {"a": planner.Route(2, 3, "started")})
    assert planner_deployment(DEPLOYMENT) == found
    assert planner_deployments([DEPLOYMENT, DEPLOYMENT]) == (found, found)


@pytest.mark.parametrize("cache", [None, "0", "-1"])
def test_a_cache_of_the_usual_size_takes_nothing_more(cache: str | None) -> None:
    found = planner_deployment(dataclasses.replace(DEPLOYMENT, cache_size=cache, priority=None))
    assert found
    assert found.cache_bytes <= 7
    assert found.priority == "normal"


def test_a_route_without_a_current_number_has_none_running() -> None:
    found = planner_deployment(
        dataclasses.replace(DEPLOYMENT, routes=(dataclasses.replace(ROUTE, current_allocations=None),))
    )
    assert found
    assert found.routes["a"].current == 0


@pytest.mark.parametrize(
    "lacking",
    [
        {"model_bytes": None},
        {"number_of_allocations": None},
        {"threads_per_allocation": None},
        {"routes": (dataclasses.replace(ROUTE, target_allocations=None),)},
    ],
    ids=lambda lacking: next(iter(lacking)),
)
def test_nothing_is_guessed(lacking: dict[str, t.Any]) -> None:
    assert planner_deployment(dataclasses.replace(DEPLOYMENT, **lacking)) is None
    assert planner_deployments([DEPLOYMENT, dataclasses.replace(DEPLOYMENT, **lacking)]) is None

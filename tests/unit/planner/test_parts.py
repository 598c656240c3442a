# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what only rare plans reach, part by part."""

from __future__ import annotations

import dataclasses

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.demand import Demand
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.java import Random
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.keep import keep_all
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.memory import MIB, Estimate
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.outcomes import outcomes_of
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.planning import Planning
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rebalance import present
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.records import (
    Deployment,
    Node,
    Route,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rounding import round_solution
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.routes import is_settled, routes_after
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import SETTLED

SMALL = Estimate(100 * MIB, 0, 0, False)
A = Deployment("a", "a", 100 * MIB, 2, 1)


def test_what_is_kept_but_does_not_fit_is_left_out() -> None:
    """Test planner.md 4: a node that lost cores."""
    plan = keep_all([Node("n1", 1 << 40, 1)], [Demand("a", 2, 1, SMALL, {"n1": 2})], Planning(SETTLED))
    assert plan.placed == {"a": {}}


def test_present_targets_on_nodes_that_left() -> None:
    running = dataclasses.replace(A, routes={"n1": Route(1, 1, "started"), "left": Route(1, 1, "started")})
    plan = present([Node("n1", 1000 * MIB, 4)], [running], SETTLED)
    assert plan.allocations == {"a": {"n1": 1, "left": 1}}
    assert (plan.free_memory, plan.free_cores) == ({"n1": 560 * MIB}, {"n1": 3})


def test_a_route_without_allocations_is_outdated() -> None:
    nodes = [Node("n1", 1000 * MIB, 4)]
    running = dataclasses.replace(A, routes={"n1": Route(2, 2, "started")})
    assert is_settled(nodes, [running])
    assert not is_settled(
        nodes, [dataclasses.replace(running, routes={**running.routes, "n2": Route(0, 0, "started")})]
    )


def test_routes_after_a_plan() -> None:
    """Test planner.md 2: a node keeps its allocations until it has others, and what failed starts again."""
    routes = {"n1": Route(1, 1, "started"), "n2": Route(2, 2, "failed"), "n3": Route(1, 1, "started")}
    running = dataclasses.replace(A, routes=routes)
    assert routes_after(running, {"n1": 3, "n2": 2, "n4": 1}) == {
        "n1": Route(1, 3, "started"),
        "n2": Route(2, 2, "starting"),
        "n4": Route(1, 1, "starting"),
    }


def test_a_solution_on_a_node_without_cores_is_dropped() -> None:
    nodes, demands = [Node("n1", 1 << 40, 0)], [Demand("a", 1, 1, SMALL)]
    assert round_solution(nodes, demands, {("a", "n1"): 0.5}, Random(), Planning(SETTLED)).placed == {"a": {}}


def test_cores_of_a_node_that_two_deployments_could_use() -> None:
    """Test planner.md 6, fill up: the one that needs more memory comes first, and takes them all."""
    nodes = [Node("n1", 1 << 40, 4)]
    demands = [Demand("a", 4, 1, SMALL), Demand("b", 4, 1, Estimate(200 * MIB, 0, 0, False))]
    solution = {("a", "n1"): 1.0, ("b", "n1"): 1.0}
    assert round_solution(nodes, demands, solution, Random(), Planning(SETTLED)).placed in (
        {"a": {"n1": 1}, "b": {"n1": 3}},
        {"a": {}, "b": {"n1": 4}},
    )


def test_more_close_calls_than_are_tried() -> None:
    """Test the worked example ``one-zone-2809``."""
    nodes = [Node(f"n{number}", 32 << 30, 8) for number in range(1, 6)]
    routes = {"n1": Route(4, 4, "started"), "n2": Route(3, 3, "started")}
    d3 = Deployment("d3", "d3", 20 * MIB, 7, 2, routes=routes, max_assigned=7)
    listed = [d3, Deployment("d4", "d4", 400 * MIB, 1, 1)]
    every, some = (outcomes_of(nodes, listed, SETTLED, "d4", most) for most in (24, 1))
    assert (every.complete, len(every.found)) == (True, 2)
    assert (some.complete, len(some.found)) == (False, 1)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test placement (planner.md), its reasons and the reducer (server-behaviour.md 4.4, 5.3)."""

from __future__ import annotations

import pytest

from emulator.state.nodes import OVERHEAD
from emulator.state.planner import PlanDeployment, PlanNode
from emulator.state.reducer import reduce_allocations
from emulator.state.zones import plan_all
from emulator_tests.api import Api

AMPLE = 100 << 30
TWO_OF_FOUR = {"n1": 4, "n2": 4}
TWO_OF_TWO = {"n1": 2, "n2": 2}
Current = dict[str, int]
Desired = tuple[str, int, int, Current]


def planned(zones: dict[str, dict[str, int]], *desired: Desired) -> dict[str, Current]:
    """Plan allocations by deployment and node. A deployment is its id, number, threads and present targets."""
    nodes = {key: [PlanNode(node, AMPLE, cores) for node, cores in found.items()] for key, found in zones.items()}
    deployments = [
        PlanDeployment(name, 1 << 30, number, threads, current, bool(current))
        for name, number, threads, current in desired
    ]
    return plan_all(nodes, deployments, []).placement


@pytest.mark.parametrize(
    ("cores", "number", "threads", "current", "expected"),
    [
        (TWO_OF_FOUR, 2, 1, {}, {"n1": 2}),
        (TWO_OF_FOUR, 4, 1, {}, {"n1": 4}),
        (TWO_OF_FOUR, 5, 1, {}, {"n1": 4, "n2": 1}),
        (TWO_OF_FOUR, 8, 1, {}, {"n1": 4, "n2": 4}),
        (TWO_OF_FOUR, 10, 1, {}, {"n1": 4, "n2": 4}),
        (TWO_OF_FOUR, 3, 2, {}, {"n1": 2, "n2": 1}),
        (TWO_OF_FOUR, 1, 8, {}, {}),
        (TWO_OF_FOUR, 2, 1, {"n1": 1}, {"n1": 2}),
        (TWO_OF_FOUR, 4, 1, {"n1": 1}, {"n1": 4}),
        (TWO_OF_FOUR, 5, 1, {"n1": 4}, {"n1": 1, "n2": 4}),
        (TWO_OF_TWO, 3, 1, {"n1": 2}, {"n1": 1, "n2": 2}),
        (TWO_OF_TWO, 4, 1, {"n1": 2}, {"n1": 2, "n2": 2}),
    ],
)
def test_one_deployment(cores: Current, number: int, threads: int, current: Current, expected: Current) -> None:
    """Test planner.md 3, 4, 5.1 and 11, server-behaviour.md 5.2, greedily.

    With memory to spare the server grows from 4 to 5 another way: planner.md 11 row one-up-1784.
    """
    assert planned({"": cores}, ("a", number, threads, current)) == {"a": expected}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (("a", 4, 1, {"n1": 4}), 2, {"a": {"n1": 4}, "b": {"n2": 2}}),
        (("a", 2, 1, {"n1": 2}), 2, {"a": {"n1": 2}, "b": {"n1": 2}}),
        (("a", 2, 1, {"n1": 2}), 4, {"a": {"n1": 2}, "b": {"n2": 4}}),
    ],
)
def test_second_deployment(a: Desired, b: int, expected: dict[str, Current]) -> None:
    """Test planner.md 3, 4, 5.1 and 11."""
    assert planned({"": TWO_OF_FOUR}, a, ("b", b, 1, {})) == expected


def test_host_wins_over_newcomer() -> None:
    """Test planner.md 3, 4, 5.1 and 11."""
    found = planned({"": {"n1": 4}}, ("a", 6, 1, {"n1": 3}), ("b", 1, 1, {}))
    assert found == {"a": {"n1": 4}, "b": {}}


@pytest.mark.parametrize(
    ("zones", "number", "expected"),
    [
        (2, 1, {"z1": 1}),
        (2, 2, {"z1": 1, "z2": 1}),
        (2, 3, {"z1": 2, "z2": 1}),
        (2, 4, {"z1": 2, "z2": 2}),
        (3, 2, {"z1": 1, "z2": 1}),
        (3, 4, {"z1": 2, "z2": 1, "z3": 1}),
        (3, 7, {"z1": 3, "z2": 2, "z3": 2}),
    ],
)
def test_zones_with_one_node_of_four(zones: int, number: int, expected: Current) -> None:
    """Test planner.md 7."""
    found = planned({f"z{index}": {f"z{index}": 4} for index in range(1, zones + 1)}, ("a", number, 1, {}))
    assert found == {"a": expected}


def test_zones_fill_their_first_node() -> None:
    """Test planner.md 7."""
    zones = {"z1": {"a1": 4, "a2": 4}, "z2": {"b1": 4, "b2": 4}}
    assert planned(zones, ("a", 6, 1, {})) == {"a": {"a1": 3, "b1": 3}}


def test_zones_without_room_for_all() -> None:
    """Test planner.md 7."""
    assert planned({"z1": {"a1": 2}, "z2": {"b1": 2}}, ("a", 5, 1, {})) == {"a": {"a1": 2, "b1": 2}}


@pytest.mark.parametrize(
    ("targets", "zones", "desired", "expected"),
    [
        ({"n1": 4, "n2": 1}, {"": ["n1", "n2"]}, 4, [{"n1": 4}]),
        ({"n1": 4, "n2": 4}, {"": ["n1", "n2"]}, 4, [{"n1": 4}, {"n2": 4}]),
        ({"a1": 2, "b1": 2}, {"a": ["a1"], "b": ["b1"]}, 2, [{"a1": 1, "b1": 1}]),
        ({"a1": 2, "a2": 1, "b1": 2}, {"a": ["a1", "a2"], "b": ["b1"]}, 3, [{"a1": 2, "b1": 1}, {"a1": 1, "b1": 2}]),
        ({"a1": 1, "b1": 1}, {"a": ["a1"], "b": ["b1"]}, 0, [{}]),
    ],
)
def test_reducer(targets: Current, zones: dict[str, list[str]], desired: int, expected: list[Current]) -> None:
    """Test server-behaviour.md 4.4; not which one loses on a tie, which map order decides (planner.md 9)."""
    assert reduce_allocations(targets, zones, desired) in expected


def test_reducer_takes_single_steps_where_a_whole_node_is_too_much() -> None:
    """Test server-behaviour.md 4.4."""
    found = reduce_allocations({"n1": 4, "n2": 4}, {"": ["n1", "n2"]}, 5)
    assert sorted(found.values()) == [1, 4]


def test_reducer_prefers_zone_with_more() -> None:
    """Test server-behaviour.md 4.4."""
    found = reduce_allocations({"a1": 2, "b1": 2}, {"a": ["a1"], "b": ["b1"]}, 3)
    assert sorted(found.values()) == [1, 2]


# --- reasons, through the API ---


def test_no_nodes() -> None:
    """Test server-behaviour.md 5.3."""
    api = Api(nodes={})
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=1)
    answer = api.start(wait_for="started")
    assert answer.status == 200
    assert answer.assignment["reason"] == "No ML nodes exist in the cluster"
    assert answer.assignment["routing_table"] == {}
    assert answer.assignment["assignment_state"] == "starting"


def test_processors_explain_themselves() -> None:
    """Test server-behaviour.md 5.3."""
    api = Api(nodes={"n1": 1, "n2": 2})
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=3)
    answer = api.start(number_of_allocations=4)
    text = (
        "Could not assign (more) allocations on node [{}]. Reason: This node has insufficient allocated processors. "
        "Available processors [{}], free processors [0], processors required for each allocation of this model [1]"
    )
    assert answer.assignment["reason"] == f"{text.format('n1', 1)}|{text.format('n2', 2)}"


def test_memory_explains_itself() -> None:
    """Test server-behaviour.md 5.3."""
    api = Api(nodes={}, models=(("m", 1 << 30),))
    api.effect("add_node", node_id="n1", processors=4, memory=1 << 30)
    api.effect("set_setting", name="xpack.ml.max_ml_node_size", value="64gb")
    answer = api.start()
    # Nothing runs there, so what the node keeps for itself is shown with both figures.
    needed = (240 << 20) + (2 << 30) + OVERHEAD
    assert answer.assignment["reason"] == (
        "Could not assign (more) allocations on node [n1]. Reason: This node has insufficient available memory. "
        f"Available memory for ML [{1 << 30} (1gb)], free memory [{1 << 30} (1gb)], "
        f"estimated memory required for this model [{needed} (2.2gb)]."
    )


def test_low_priority_needs_memory_only_and_comes_last() -> None:
    """Test server-behaviour.md 5.2."""
    api = Api(nodes={"n1": 1})
    api.started("normal", 1)
    low = api.started("low", 1, model_id="other", priority="low")
    assert low["routing_table"]["n1"]["target_allocations"] == 1
    assert api.targets("normal") == {"n1": 1}


def test_memory_by_allocation_is_charged_where_the_allocations_are() -> None:
    """Test server-behaviour.md 5.1."""
    api = Api(nodes={"n1": 2, "n2": 2})
    emulator = api.emulator
    for node in emulator.cluster.nodes.values():
        assert node.memory == 16 << 30
    model = emulator.cluster.models["m"]
    model.config = {"metadata": {"per_deployment_memory_bytes": 1 << 30, "per_allocation_memory_bytes": 6 << 30}}
    # Two allocations take 13 GB on one node; three would not fit on any.
    assert api.started("m", 4)["task_parameters"]["per_allocation_memory_bytes"] == 6 << 30
    assert api.targets() == {"n1": 2, "n2": 2}

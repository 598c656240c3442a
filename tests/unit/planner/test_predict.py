# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test predictions of requests and of lists of them, beyond the recorded plans."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.events import (
    Event,
    Replan,
    Start,
    Stop,
    Update,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.outcomes import (
    CLOSE,
    ORDER,
    VERSION,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.predict import (
    CORES,
    EARLIER,
    MEMORY,
    MEMORY_OBSERVED,
    ZONES,
    Forecast,
    Prediction,
    predict,
    predict_all,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rebalance import rebalance
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.records import (
    Deployment,
    DoesNotFit,
    Node,
    Route,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.reduce import NothingToReduce
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import Rules

MIB = 1 << 20
GIB = 1 << 30
V8_18, V9_2, V9_6 = Rules.of((8, 18, 0)), Rules.of((9, 2, 0)), Rules.of((9, 6, 0))
TWO_NODES = [Node("n1", 8 * GIB, 4), Node("n2", 8 * GIB, 4)]
TWO_ZONES = [Node("n1", 8 * GIB, 4, ("a",)), Node("n2", 8 * GIB, 4, ("b",))]
A = Deployment("a", "a", 100 * MIB, 2, 1)
RUNNING = dataclasses.replace(A, routes={"n1": Route(2, 2, "started")}, max_assigned=2)
B = Deployment("b", "b", 200 * MIB, 3, 1)


def last(events: list[Event], nodes: list[Node] = TWO_NODES, rules: Rules = V8_18) -> Prediction:
    """Return the prediction for the last request of a list, to a cluster without deployments."""
    return predict_all(nodes, [], rules, events)[-1]


@pytest.mark.parametrize(
    ("events", "allocations"),
    [
        ([Start(A)], {"a": {"n1": 2}}),
        ([Start(A), Start(B)], {"a": {"n1": 2}, "b": {"n2": 3}}),
        ([Start(A), Update("a", 2)], {"a": {"n1": 2}}),
        ([Start(A), Update("a", 5)], {"a": {"n1": 4, "n2": 1}}),
        ([Start(A), Update("a", 5), Update("a", 4)], {"a": {"n1": 4}}),
        ([Start(A), Start(B), Stop("a")], {"b": {"n2": 3}}),
        ([Start(A), Start(B), Stop("a"), Start(A)], {"a": {"n1": 2}, "b": {"n2": 3}}),
        ([Start(A), Replan()], {"a": {"n1": 2}}),
    ],
)
def test_list_of_requests(events: list[Event], allocations: dict[str, dict[str, int]]) -> None:
    found = last(events)
    assert found.kind == "exact"
    assert found.allocations == found.least == found.most == allocations
    assert found.totals == {name: (sum(nodes.values()),) * 2 for name, nodes in allocations.items()}
    assert found.reasons == ()


def test_scale_down_takes_from_the_zone_with_most() -> None:
    grown = dataclasses.replace(A, allocations=5)
    assert last([Start(grown), Update("a", 4)], TWO_ZONES).allocations == {"a": {"n1": 2, "n2": 2}}


def test_scale_down_of_what_is_missing_already_changes_only_the_number() -> None:
    short = dataclasses.replace(A, allocations=20)
    for number in (8, 10):
        found = last([Start(short), Update("a", number)])
        assert (found.kind, found.allocations) == ("exact", {"a": {"n1": 4, "n2": 4}})
    settled = last([Start(short), Update("a", 8), Replan()])
    assert settled.allocations == {"a": {"n1": 4, "n2": 4}}
    assert last([Start(short), Update("a", 8), Update("a", 7)]).totals == {"a": (7, 7)}


def test_scale_down_that_only_nodes_outside_the_zones_could_take_fails() -> None:
    outside = dataclasses.replace(A, allocations=3, routes={name: Route(1, 1, "started") for name in ("n1", "x", "y")})
    with pytest.raises(NothingToReduce):
        predict_all(TWO_NODES, [outside], V8_18, [Update("a", 2)])


def test_a_request_that_is_sure_to_fail() -> None:
    """Test the worked example ``one-figure-7238``: the second allocation needs memory that nothing looks at."""
    one_figure = dataclasses.replace(A, per_allocation_bytes=600 * MIB)
    with pytest.raises(DoesNotFit) as failure:
        predict([Node("n1", 800 * MIB, 4)], [one_figure], V8_18, "a")
    assert (failure.value.deployment_id, failure.value.node_id, failure.value.allocations) == ("a", "n1", 2)


def test_deployments_that_vanish() -> None:
    empty = dataclasses.replace(A, allocations=0)
    assert predict(TWO_NODES, [empty, B], V8_18, "b").lost == {"a"}
    assert last([Start(empty), Start(B), Start(dataclasses.replace(A, id="c"))]).allocations.keys() == {"b", "c"}


def test_no_nodes() -> None:
    assert predict([], [A], V8_18, "a").allocations == {"a": {}}


# --- what is not certain ---


@pytest.mark.parametrize("unknown", [MEMORY, CORES, ZONES])
def test_unknown_inputs_leave_all_that_a_node_can_hold(unknown: str) -> None:
    nodes = [*TWO_NODES, Node("small", 200 * MIB, 4)]
    found = predict(nodes, [RUNNING, B], V8_18, "b", [unknown])
    assert (found.kind, found.reasons) == ("bounds", (unknown,))
    assert found.allocations == {"a": {"n1": 2}, "b": {"n2": 3}}
    assert found.least == {"a": {}, "b": {}}
    assert found.most == {"a": {"n1": 2, "n2": 2}, "b": {"n1": 3, "n2": 3}}
    assert found.totals == {"a": (0, 2), "b": (0, 3)}


def test_low_priority_may_have_cores_of_others() -> None:
    low = dataclasses.replace(B, priority="low", allocations=8)
    assert predict(TWO_NODES, [low], V8_18, "b", [MEMORY]).most == {"b": {"n1": 8, "n2": 8}}


def test_what_follows_the_unknown_is_unknown() -> None:
    first, second = predict_all(TWO_NODES, [], V8_18, [Start(A), Update("a", 1)], [MEMORY])
    assert (first.reasons, second.reasons) == ((MEMORY,), (EARLIER,))
    assert second.allocations == {"a": {"n1": 1}}


def test_what_is_fixed_needs_no_inputs() -> None:
    [found] = predict_all(TWO_NODES, [RUNNING], V8_18, [Update("a", 1)], [MEMORY, CORES])
    assert found.kind == "exact"
    [found] = predict_all(TWO_NODES, [RUNNING], V8_18, [Update("a", 1)], [ZONES])
    assert (found.kind, found.reasons) == ("bounds", (ZONES,))


def test_observed_memory_is_unknown_once_something_has_run() -> None:
    assert predict(TWO_NODES, [A], V9_6, "a").kind == "exact"
    found = predict(TWO_NODES, [RUNNING, B], V9_6, "b")
    assert (found.kind, found.reasons) == ("bounds", (MEMORY_OBSERVED,))


def test_rules_that_are_not_certain() -> None:
    """Test the worked example ``one-zone-3334``: by the newer rules, the second of d2 stays on its node."""
    nodes = [Node(name, 2 * GIB, 8) for name in ("n1", "n2", "n3")]
    d1 = Deployment("d1", "d1", 400 * MIB, 2, 1, routes={"n1": Route(2, 2, "started")}, max_assigned=2)
    d2 = Deployment("d2", "d2", 800 * MIB, 2, 2, routes={"n2": Route(1, 1, "started")}, max_assigned=1)
    assert predict(nodes, [d1, d2], V8_18).allocations["d2"] == {"n2": 1, "n3": 1}
    found = predict(nodes, [d1, d2], Rules.of((8, 13, 0)))
    assert (found.kind, found.reasons) == ("bounds", (VERSION,))
    assert (found.least["d2"], found.most["d2"]) == ({"n2": 1}, {"n2": 2, "n3": 1})


def test_rules_that_only_small_nodes_tell_apart() -> None:
    """Test that one of two rules is enough where memory is ample, and that both count at its edge."""
    same = differ = 0
    for gib in range(1, 12):
        nodes = [Node(name, gib * GIB, 4) for name in ("n1", "n2", "n3")]
        d1 = Deployment("d1", "d1", 400 * MIB, 3, 1, routes={"n1": Route(2, 2, "started")}, max_assigned=2)
        d2 = Deployment("d2", "d2", 800 * MIB, 3, 2, routes={"n2": Route(1, 1, "started")}, max_assigned=1)
        newer, settled = (rebalance(nodes, [d1, d2], Rules.of(version)) for version in ((9, 5, 3), (9, 1, 0)))
        found = predict(nodes, [d1, d2], Rules.of((9, 5, 3)))
        assert (found.kind == "exact") == (newer.allocations == settled.allocations)
        same += found.kind == "exact"
        differ += found.kind == "bounds"
    assert same
    assert differ


def test_rules_differ_for_low_priority_on_large_nodes_too() -> None:
    """Test that its place depends on the memory that is left, however much that is."""
    memory = {"n0": (20230119666, 11, "a"), "n1": (20682760196, 8, "b"), "n2": (18564527432, 6, "a")}
    memory["n3"] = (19889553065, 4, "b")
    nodes = [Node(name, size, cores, (zone,)) for name, (size, cores, zone) in memory.items()]
    d0 = Deployment("d0", "d0", 400 * MIB, 2, 2, per_allocation_bytes=400 * MIB)
    d0 = dataclasses.replace(d0, routes={"n2": Route(3, 4, "started"), "n1": Route(4, 4, "failed")})
    low = Deployment("d1", "d1", 20 * MIB, 3, 1, "low")
    d2 = Deployment("d2", "d2", 20 * MIB, 1, 2, routes={"n0": Route(4, 4, "started"), "n2": Route(3, 3, "started")})
    found = predict(nodes, [d0, low, d2], Rules.of((9, 5, 3)))
    assert (found.kind, found.reasons) == ("bounds", (VERSION,))
    assert found.most["d1"] == {"n1": 3, "n2": 3}


def test_plans_that_the_last_bit_decides() -> None:
    """Test the worked example ``one-zone-2809``."""
    nodes = [Node(f"n{number}", 32 * GIB, 8) for number in range(1, 6)]
    routes = {"n1": Route(4, 4, "started"), "n2": Route(3, 3, "started")}
    d3 = Deployment("d3", "d3", 20 * MIB, 7, 2, routes=routes, max_assigned=7)
    found = predict(nodes, [d3, Deployment("d4", "d4", 400 * MIB, 1, 1)], V8_18, "d4")
    assert (found.kind, found.reasons) == ("bounds", (CLOSE,))
    assert (found.least["d3"], found.most["d3"]) == ({"n1": 3, "n2": 3}, {"n1": 4, "n2": 4})
    assert (found.least["d4"], found.most["d4"], found.totals["d4"]) == ({}, {"n1": 1, "n2": 1}, (1, 1))


def test_order_of_nodes_that_decides() -> None:
    """Test the worked example ``zones-4228``: the node may be any that has room, not only the two of both orders."""
    zones = {"n1": "a", "n2": "b", "n4": "a", "n5": "b", "n6": "a"}
    nodes = [Node(name, 32 * GIB, 2, (zone,)) for name, zone in zones.items()]
    routes = {"n2": Route(2, 2, "started"), "n3": Route(1, 1, "started"), "n4": Route(2, 2, "started")}
    found = predict(nodes, [Deployment("d1", "d1", 250 * MIB, 5, 1, routes=routes, max_assigned=5)], V8_18)
    assert (found.kind, found.reasons) == ("bounds", (ORDER,))
    assert found.least["d1"] == {"n2": 2, "n4": 2}
    assert found.most["d1"] == dict.fromkeys(zones, 2)
    assert found.totals["d1"] == (5, 5)


def test_id_of_elser_under_another_name() -> None:
    """Test around-deployments.md 6.2: patches differ in the id that the planner looks at."""
    hidden = Deployment("a", ".elser_model_2", 100 * MIB, 1, 1)
    small = [Node("n1", 1 * GIB, 4)]
    for rules in (V8_18, V9_2):
        found = predict(small, [hidden], rules, "a")
        assert (found.kind, found.reasons, found.totals["a"]) == ("bounds", (VERSION,), (0, 1))
        assert predict(TWO_NODES, [hidden], rules, "a").kind == "exact", "there is room for either"


OPEN_NODES = [Node(f"n{number}", 32 * GIB, 8) for number in range(1, 6)]
OPEN = Deployment(
    "d3", "d3", 20 * MIB, 7, 2, routes={"n1": Route(4, 4, "started"), "n2": Route(3, 3, "started")}, max_assigned=7
)
CLOSE_CALL = Start(Deployment("d4", "d4", 400 * MIB, 1, 1))


def test_each_plan_that_is_possible_is_followed() -> None:
    """Test the worked example ``one-zone-2809``, and what a scale-down makes of both plans."""
    close, reduced = predict_all(OPEN_NODES, [OPEN], V8_18, [CLOSE_CALL, Update("d3", 6)])
    assert (close.reasons, reduced.reasons) == ((CLOSE,), (EARLIER,))
    assert reduced.totals == {"d3": (6, 6), "d4": (1, 1)}
    assert reduced.least["d4"] == {}
    assert reduced.most["d4"] == {"n1": 1, "n2": 1}


def test_plans_that_become_one_again() -> None:
    events: list[Event] = [CLOSE_CALL, Stop("d3"), Stop("d4")]
    assert [found.kind for found in predict_all(OPEN_NODES, [OPEN], V8_18, events)] == ["bounds", "bounds", "exact"]


def test_too_many_plans_are_not_followed() -> None:
    forecast = Forecast(OPEN_NODES, [OPEN], V8_18, most=1)
    assert forecast.after(CLOSE_CALL).reasons == (CLOSE,)
    assert forecast.after(Stop("d3")).reasons == (EARLIER,)


def test_a_request_that_may_fail() -> None:
    """Test that the targets from before are among the possible ones: the newer rules refuse this start."""
    low = Deployment("d1", "d1", 400 * MIB, 1, 1, "low", routes={"n4": Route(1, 1, "started")}, max_assigned=1)
    d2 = Deployment("d2", "d2", 100 * MIB, 2, 1, routes={"n1": Route(2, 2, "started")}, max_assigned=2)
    memory = {"n1": (1, 8), "n2": (1, 8), "n3": (4, 16), "n4": (2, 4), "n5": (1, 8), "n7": (2, 4), "n8": (3, 16)}
    nodes = [Node(name, gib * GIB, cores) for name, (gib, cores) in memory.items()]
    found = predict(nodes, [low, d2, Deployment("d3", "d3", 20 * MIB, 8, 1)], V9_2, "d3")
    assert (found.kind, found.may_fail, found.reasons) == ("bounds", True, (VERSION,))
    assert (found.least["d3"], found.most["d3"], found.totals["d3"]) == ({}, {"n2": 8}, (0, 8))
    assert found.least["d2"] == found.most["d2"] == {"n1": 2}


def test_a_linear_program_with_several_optima() -> None:
    """Test that no plan is exact where another solver may find another optimum (planner.md 14)."""
    nodes = [Node(f"n{number}", 64 * GIB, 8) for number in range(1, 6)]
    a_routes = {"n1": Route(2, 2, "started"), "n3": Route(1, 1, "started")}
    b_routes = {"n2": Route(4, 4, "started"), "n4": Route(4, 4, "started")}
    running = [
        Deployment("a", "a", 100 * MIB, 3, 2, routes=a_routes, max_assigned=4),
        Deployment("b", "b", 50 * MIB, 8, 2, routes=b_routes, max_assigned=8),
    ]
    found = predict(nodes, [*running, Deployment("c", "c", 882 * MIB, 6, 4)], V8_18, "c")
    assert (found.kind, found.reasons) == ("bounds", (CLOSE,))
    assert found.allocations["c"] == {"n1": 1, "n3": 1, "n5": 2}
    assert found.totals["c"] == (0, 6)

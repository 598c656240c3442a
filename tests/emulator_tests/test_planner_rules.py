# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the planner's rules one by one, beyond the worked examples, and what holds for any input."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emulator.state.assignment import Route
from emulator.state.nodes import Node
from emulator.state.planner import PlanDeployment, PlanNode
from emulator.state.zones import Planned, plan_all
from emulator_tests.api import Api
from support.random_search import search

GB = 1 << 30
AMPLE = 100 * GB
Current = dict[str, int]


def nodes(cores: Mapping[str, int], memory: int = AMPLE) -> list[PlanNode]:
    """Return nodes of equal memory."""
    return [PlanNode(name, memory, number) for name, number in cores.items()]


# --- the cost of a node, the order of deployments ---


@pytest.mark.parametrize(("memory", "host"), [(GB, "n2"), (4 * GB, "n1")])
def test_memory_of_a_node_counts_in_terms_of_the_largest_deployment(memory: int, host: str) -> None:
    """Test planner.md 5.1: 2 more cores than needed cost 0.02; 4 GB more are worth 0.04 by the largest one's GB."""
    room = [PlanNode("n1", 10 * GB, 4), PlanNode("n2", 14 * GB, 6)]
    a, nowhere = PlanDeployment("a", memory, 4, 1), PlanDeployment("b", 900 * GB, 1, 1)
    for desired in ([a], [a, nowhere]):
        assert plan_all({"": room}, desired, []).placement["a"] == {host: 4}


def test_memory_that_is_kept_does_not_count_for_a_node() -> None:
    """Test planner.md 4 and 5.1: the room of a node is what its present deployments leave."""
    room = [PlanNode("n1", 20 * GB, 5), PlanNode("n2", 14 * GB, 4)]
    big = PlanDeployment("big", 10 * GB, 1, 1, {"n1": 1}, ever_assigned=True)
    # Both have four cores left; 10 GB are less than 14.
    found = plan_all({"": room}, [big, PlanDeployment("a", GB, 3, 1)], []).placement
    assert found == {"big": {"n1": 1}, "a": {"n2": 3}}


@pytest.mark.parametrize(
    ("a", "b", "first"),
    [
        (PlanDeployment("a", GB, 4, 1), PlanDeployment("b", 2 * GB, 4, 1), "b"),
        (PlanDeployment("a", GB, 4, 1), PlanDeployment("b", GB, 2, 2), "b"),
        (PlanDeployment("a", GB, 4, 1), PlanDeployment("b", GB, 4, 1), "a"),
        (PlanDeployment("a", 3 * GB, 4, 1), PlanDeployment("b", GB, 2, 2), "a"),
    ],
)
def test_large_deployments_first(a: PlanDeployment, b: PlanDeployment, first: str) -> None:
    """Test planner.md 3 and 5.1: memory times threads; ties by id."""
    for order in ([a, b], [b, a]):
        placed = plan_all({"": nodes({"n1": 4})}, order, []).placement
        assert [name for name, found in placed.items() if found] == [first]


def test_hosts_first() -> None:
    """Test planner.md 5.1: a node that has the deployment comes before one whose cores would fit better."""
    a = PlanDeployment("a", GB, 2, 1, {"n2": 1}, ever_assigned=True)
    assert plan_all({"": nodes({"n1": 2, "n2": 4})}, [a], []).placement == {"a": {"n2": 2}}


def test_what_is_hosted_counts_twice() -> None:
    """Test planner.md 5.1: one that is there comes before a newcomer of less than twice its size."""
    for memory, expected in ((15, {"a": 3}), (25, {"a": 1, "b": 2})):
        found = plan_all(
            {"": nodes({"n1": 3})},
            [PlanDeployment("a", 10, 3, 1, {"n1": 1}, ever_assigned=True), PlanDeployment("b", memory, 2, 1)],
            [],
        )
        assert {key: sum(each.values()) for key, each in found.placement.items() if each} == expected


# --- what is preserved ---


def test_all_is_kept_where_one_is_not_enough() -> None:
    """Test planner.md 3: if preserving one takes something from another deployment, each keeps what it has."""
    room = nodes({"n1": 4})
    a = PlanDeployment("a", 3 * GB, 4, 1, {"n1": 1}, ever_assigned=True)
    b = PlanDeployment("b", GB, 3, 1, {"n1": 3}, ever_assigned=True)
    assert plan_all({"": room}, [a, b], []).placement == {"a": {"n1": 1}, "b": {"n1": 3}}


def test_better_of_two_plans() -> None:
    """Test planner.md 3 and 1.2.

    Both keep what there is, something is missing; hosts and allocations decide, ties keep all.
    """
    a, b = PlanDeployment("a", 3 * GB, 3, 1, {"n1": 2}, ever_assigned=True), PlanDeployment("b", 3 * GB, 1, 2)
    hosts = plan_all({"": nodes({"n1": 2, "n2": 2})}, [a, b], []).placement
    assert hosts == {"a": {"n1": 2, "n2": 1}, "b": {}}
    a, b = PlanDeployment("a", GB, 2, 2), PlanDeployment("b", GB, 2, 1, {"n2": 2}, ever_assigned=True)
    more = plan_all({"": nodes({"n1": 1, "n2": 3})}, [a, b], []).placement
    assert more == {"a": {"n2": 1}, "b": {"n1": 1, "n2": 1}}
    a = PlanDeployment("a", 3 * GB, 3, 1, {"n1": 1, "n2": 2}, ever_assigned=True)
    b = PlanDeployment("b", 3 * GB, 1, 1)
    same = plan_all({"": nodes({"n1": 2, "n2": 4}, 4 * GB)}, [a, b], []).placement
    assert same == {"a": {"n1": 1, "n2": 2}, "b": {}}


def test_allocations_on_hosts_are_worth_more() -> None:
    """Test planner.md 1.2: of two plans with as many allocations."""
    room = [PlanNode("n1", 4 * GB, 3), PlanNode("n2", 8 * GB, 2)]
    a, b = PlanDeployment("a", 3 * GB, 4, 1, {"n1": 2}, ever_assigned=True), PlanDeployment("b", GB, 2, 2)
    assert plan_all({"": room}, [a, b], []).placement == {"a": {"n1": 3, "n2": 1}, "b": {}}


def test_previously_assigned_come_first() -> None:
    """Test planner.md 3: one that ever had a place is not left with none by a newcomer."""
    room = {"": nodes({"n1": 1})}
    new = PlanDeployment("new", 4 * GB, 1, 1)
    assert plan_all(room, [PlanDeployment("old", GB, 1, 1), new], []).placement == {"old": {}, "new": {"n1": 1}}
    old = PlanDeployment("old", GB, 1, 1, ever_assigned=True)
    assert plan_all(room, [old, new], []).placement == {"old": {"n1": 1}, "new": {}}


def test_previously_assigned_come_first_in_zones() -> None:
    """Test planner.md 7: the second round, if the first one leaves such a deployment without a place."""
    room = {"z1": nodes({"a1": 1}), "z2": nodes({"b1": 1})}
    new = PlanDeployment("new", 4 * GB, 2, 1)
    old = PlanDeployment("old", GB, 1, 1, ever_assigned=True)
    assert plan_all(room, [old, new], []).placement == {"old": {"a1": 1}, "new": {"b1": 1}}


def test_nothing_is_placed_for_a_deployment_at_zero() -> None:
    """Test planner.md 3: not even if it had allocations once."""
    none = PlanDeployment("a", GB, 0, 1, ever_assigned=True)
    for room in ({"": nodes({"n1": 4})}, {"z1": nodes({"a1": 1}), "z2": nodes({"b1": 1})}):
        assert plan_all(room, [none], []).placement == {"a": {}}


# --- zones ---


def test_left_overs_of_a_zone() -> None:
    """Test planner.md 7: what a later zone cannot take goes back to an earlier one."""
    room = {"z1": nodes({"a1": 4}), "z2": nodes({"b1": 1})}
    assert plan_all(room, [PlanDeployment("a", GB, 4, 1)], []).placement == {"a": {"a1": 3, "b1": 1}}


def test_left_overs_go_by_zone() -> None:
    """Test planner.md 7: nodes that tie are taken in the order of their zones, not of their ids."""
    room = {"z1": nodes({"n2": 4}), "z2": nodes({"n1": 3}), "z3": nodes({"n3": 0})}
    assert plan_all(room, [PlanDeployment("a", GB, 4, 1)], []).placement == {"a": {"n2": 3, "n1": 1}}


def test_a_zone_more_moves_nothing() -> None:
    """Test planner.md 7: a zone's plan has to keep what there is anywhere."""
    room = {"z1": nodes({"a1": 4}), "z2": nodes({"b1": 4})}
    old = PlanDeployment("a", GB, 4, 1, {"a1": 4}, ever_assigned=True)
    assert plan_all(room, [old], []).placement == {"a": {"a1": 4}}


def test_growth_over_zones_is_left_to_the_last_pass() -> None:
    """Test planner.md 7: each zone counts what the others have as its own."""
    room = {"z1": nodes({"a1": 4}), "z2": nodes({"b1": 4})}
    old = PlanDeployment("a", GB, 6, 1, {"a1": 2, "b1": 2}, ever_assigned=True)
    assert plan_all(room, [old], []).placement == {"a": {"a1": 4, "b1": 2}}


def test_zones_give_no_more_than_is_desired() -> None:
    """Test planner.md 7: not even if an earlier zone gave to a deployment that a later one keeps."""
    room = {"z0": [PlanNode("n0", 2 * GB, 2)], "z1": [PlanNode("n1", GB, 2)], "z2": [PlanNode("n2", 0, 0)]}
    desired = [
        PlanDeployment("d0", GB, 1, 1, ever_assigned=True),
        PlanDeployment("d1", 2 * GB, 1, 1, {"n0": 1}),
        PlanDeployment("d2", GB, 2, 1, {"n1": 2}),
    ]
    assert sum(plan_all(room, desired, []).placement["d2"].values()) == 2


def test_as_many_as_the_memory_takes() -> None:
    """Test server-behaviour.md 5.1.

    Where each allocation needs memory, a node may take some of what its cores would.
    """
    desired = PlanDeployment("a", 2 * GB, 4, 1, memory_of=lambda allocations: (1 + allocations) * GB)
    assert plan_all({"": nodes({"n1": 4}, 3 * GB)}, [desired], []).placement == {"a": {"n1": 2}}


# --- low priority ---


def test_small_ones_of_low_priority_keep_their_hosts() -> None:
    """Test planner.md 8: by memory, ascending."""
    large = PlanDeployment("a", 2 * GB, 1, 1, {"n1": 1}, ever_assigned=True)
    small = PlanDeployment("b", GB, 1, 1, {"n1": 1}, ever_assigned=True)
    found = plan_all({"": nodes({"n1": 0}, 5 * GB // 2)}, [], [large, small]).placement
    assert found == {"a": {}, "b": {"n1": 1}}


def test_low_priority_takes_the_memory_that_normal_left() -> None:
    """Test server-behaviour.md 5.2, planner.md 8: and no cores, which stay for the reasons of others."""
    normal = PlanDeployment("a", 3 * GB, 4, 1)
    low = [PlanDeployment("b", GB, 1, 1), PlanDeployment("c", GB, 1, 1)]
    found = plan_all({"": nodes({"n1": 4}, 4 * GB)}, [normal], low)
    assert found == Planned({"a": {"n1": 4}, "b": {"n1": 1}, "c": {}}, {"n1": 0}, {"n1": 0})


# --- when nothing is planned ---


def test_what_has_its_number_is_not_planned_again() -> None:
    """Test server-behaviour.md 4.7.

    Where all are satisfied, a stop or a join moves nothing; a start does, as all are planned again.
    """
    api = Api()
    api.started("low", model_id="other", priority="low")
    api.started("a", 4)
    api.update("a", number_of_allocations=5)
    api.settle()
    assert api.targets("a") == {"n1": 1, "n2": 4}
    api.effect("stop_deployment", deployment_id="low")
    api.settle()
    assert api.targets("a") == {"n1": 1, "n2": 4}
    assert "stopped" not in " ".join(line for line in api.audit() if line.startswith("Rebalanced"))
    api.started("b", model_id="other", priority="low")
    assert api.targets("a") == {"n1": 4, "n2": 1}


def test_failed_routes_are_hosts() -> None:
    """Test server-behaviour.md 4.7: a plan keeps the node where it failed, though another would come first."""
    api = Api()
    api.started("b", 4, model_id="other")
    api.started("a", 1)
    api.effect("stop_deployment", deployment_id="b")
    api.settle()
    api.effect("fail_route", deployment_id="a", reason="boom")
    api.started("b", model_id="other")
    assert (api.targets("a"), api.targets("b")) == ({"n2": 1}, {"n1": 1})


def test_failed_route_on_top_goes_with_the_next_plan() -> None:
    """Test server-behaviour.md 4.7.

    It stays as long as the others are enough, and no plan gives more than the number.
    """
    api = Api()
    api.start()
    api.effect("shut_down_node", node_id="n1", type="restart")
    api.effect("fail_route", deployment_id="m", node_id="n1", reason="boom")
    api.effect("keep_node", node_id="n1")
    assert api.targets() == {"n1": 1, "n2": 1}
    api.start("other")
    assert api.targets() == {"n2": 1}


def test_what_stops_is_not_planned() -> None:
    """Keep routes and reason while others are planned. The server does not: server-behaviour.md 4.6, 5.2."""
    api = Api()
    api.started("a", 4)
    api.effect("stop_deployment", deployment_id="a")
    before = api.assignment("a")
    api.start("other")
    assert api.assignment("a") == before
    assert before["reason"] == "client API call"


def test_what_is_loading_counts_as_placed() -> None:
    """Test server-behaviour.md 4.7.

    Starting routes satisfy a deployment as started ones do, so a join moves nothing.
    """
    api = Api()
    api.started(number=4)
    api.update(number_of_allocations=5)
    api.effect("add_node", node_id="n3", processors=1)
    assert api.targets() == {"n1": 1, "n2": 4}


def test_loss_of_a_node_that_carries_nothing() -> None:
    """Test server-behaviour.md 4.7.

    No reason to plan again, even if something lacks allocations that would fit by now.
    """
    api = Api()
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=9)
    api.effect("add_node", node_id="n3", processors=0)
    api.started(number=9)
    api.emulator.cluster.nodes["n1"] = Node("n1", 5)
    api.effect("remove_node", node_id="n3")
    assert api.targets() == {"n1": 4, "n2": 4}
    api.effect("add_node", node_id="n3", processors=0)
    assert sum(api.targets().values()) == 9


def test_outdated_routes_are_planned_again() -> None:
    """Test server-behaviour.md 4.7.

    A route of 0 of 0 allocations, as masters of old wrote it, goes with the next join.
    """
    api = Api()
    api.started(number=4)
    api.emulator.cluster.assignments["m"].routes["n2"] = Route(0, 0, "started")
    api.effect("add_node", node_id="n3", processors=1)
    assert api.targets() == {"n1": 4}


def test_reason_of_a_node_that_runs_something() -> None:
    """Test server-behaviour.md 5.3: its native overhead is spent already, so it is in neither figure."""
    api = Api(nodes={}, models=(("m", GB), ("small", 100 << 20)))
    api.effect("add_node", node_id="n1", processors=4, memory=2 * GB)
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=9)
    api.started("small", model_id="small")
    free, needed = 2 * GB - (30 << 20) - (440 << 20), 2 * GB + (240 << 20)
    reason = api.start().assignment["reason"]
    assert f"free memory [{free} (" in reason
    assert f"required for this model [{needed} (" in reason


def test_low_priority_that_stops_holds_no_processors() -> None:
    """Test server-behaviour.md 5.2: until it is gone it holds memory only."""
    api = Api(nodes={"n1": 4})
    api.started("low", model_id="other", priority="low")
    api.effect("stop_deployment", deployment_id="low")
    assert api.start(number_of_allocations=4).status == 200
    assert api.targets() == {"n1": 4}


def test_failed_route_keeps_what_ran() -> None:
    """Test server-behaviour.md 4.3: only a started route takes a new target."""
    api = Api()
    api.started(number=4)
    api.update(number_of_allocations=2)
    api.effect("fail_route", deployment_id="m", reason="boom")
    api.settle()
    assert (api.counts(), api.targets()) == ({"n1": 4}, {"n1": 2})


# --- whatever comes ---

some_cores = st.lists(st.integers(0, 6), min_size=1, max_size=3)
some_threads = st.sampled_from((1, 2, 4))


def by_zone(room: list[PlanNode], zoned: bool) -> dict[str, list[PlanNode]]:
    """Return each node as a zone of its own, or all in one."""
    return {node.id: [node] for node in room} if zoned else {"": room}


@given(cores=some_cores, number=st.integers(0, 12), each=some_threads, zoned=st.booleans(), data=st.data())
@search(fixed=100, full=4000)
def test_as_many_as_the_best_of_all_placements(
    cores: list[int], number: int, each: int, zoned: bool, data: st.DataObject
) -> None:
    """Test planner.md 1.1: one deployment, ample memory; all placements tried out. What it has is where it may be."""
    places = [range(have // each + 1) for have in cores]
    best = max(sum(found) for found in itertools.product(*places) if sum(found) <= number)
    has = [data.draw(st.integers(0, place[-1])) for place in places]
    assume(sum(has) <= number)
    room = nodes({f"n{index}": have for index, have in enumerate(cores)})
    current = {f"n{index}": have for index, have in enumerate(has) if have}
    desired = PlanDeployment("d", GB, number, each, current, ever_assigned=bool(current))
    found = plan_all(by_zone(room, zoned), [desired], []).placement["d"]
    assert sum(found.values()) == best
    assert all(found[node] * each <= cores[int(node[1:])] for node in found)


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[PlanNode], list[PlanDeployment], list[PlanDeployment]]:
    """Draw nodes, deployments that are placed somehow within their capacity, and deployments of low priority."""
    room = [PlanNode(f"n{index}", draw(st.integers(0, 8)) * GB, draw(st.integers(0, 6))) for index in range(3)]
    memory, cores = {node.id: node.memory for node in room}, {node.id: node.cores for node in room}
    kinds: dict[bool, list[PlanDeployment]] = {False: [], True: []}
    for index in range(draw(st.integers(2, 4))):
        low = index == 3
        each, size = (1 if low else draw(some_threads)), draw(st.integers(1, 4)) * GB
        current: Current = {}
        for node in room:
            most = 1 if low else cores[node.id] // each
            here = draw(st.integers(0, most)) if size <= memory[node.id] and not (low and current) else 0
            if here:
                current[node.id] = here
                memory[node.id] -= size
                cores[node.id] -= 0 if low else here * each
        number = 1 if low else sum(current.values()) + draw(st.integers(0, 4))
        kinds[low].append(PlanDeployment(f"d{index}", size, number, each, current, draw(st.booleans())))
    return room, kinds[False], kinds[True]


@given(situation=situations(), zoned=st.booleans())
@search(fixed=100, full=4000)
def test_nothing_is_over_its_room(
    situation: tuple[list[PlanNode], list[PlanDeployment], list[PlanDeployment]], zoned: bool
) -> None:
    """Test planner.md 1.1: neither nodes nor numbers, and what is left adds up, whatever was where before."""
    room, normal, low = situation
    planned = plan_all(by_zone(room, zoned), normal, low)
    for node in room:
        cores = sum(planned.placement[each.id].get(node.id, 0) * each.threads for each in normal)
        memory = sum(each.memory for each in [*normal, *low] if planned.placement[each.id].get(node.id))
        assert (cores + planned.cores[node.id], memory + planned.memory[node.id]) == (node.cores, node.memory)
        assert min(planned.cores[node.id], planned.memory[node.id]) >= 0
    for each in [*normal, *low]:
        assert sum(planned.placement[each.id].values()) <= each.allocations


@given(situation=situations())
@search(fixed=100, full=4000)
def test_hosts_are_kept(situation: tuple[list[PlanNode], list[PlanDeployment], list[PlanDeployment]]) -> None:
    """Test planner.md 1.1, 1.2.

    Unless one that ever had a place has none, each node keeps what it hosts, and no deployment gets less.
    """
    room, normal, _low = situation
    assume(all(each.current or not each.ever_assigned for each in normal))
    placement = plan_all({"": room}, normal, []).placement
    for each in normal:
        assert set(each.current) <= set(placement[each.id])
        assert sum(placement[each.id].values()) >= sum(each.current.values())

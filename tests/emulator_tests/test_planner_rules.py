# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test when a plan is made, and what becomes of routes, of what stops and of what has no allocations."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.state.assignment import Route
from emulator.state.nodes import Node
from emulator_tests.api import Api

GB = 1 << 30
MB = 1 << 20


# --- when nothing is planned ---


def test_what_has_its_number_is_not_planned_again() -> None:
    """Test server-behaviour.md 4.7.

    Where all are satisfied, a stop or a join moves nothing; a start does, as all are planned again.
    """
    api = Api()
    api.started("low", model_id="other", priority="low")
    api.started("a", 4)
    api.emulator.cluster.assignments["a"].routes = {"n1": Route(2, 2, "started"), "n2": Route(2, 2, "started")}
    api.effect("stop_deployment", deployment_id="low")
    api.settle()
    api.effect("add_node", node_id="n3", processors=1)
    assert api.targets("a") == {"n1": 2, "n2": 2}
    assert [line for line in api.audit() if line.startswith("Rebalanced")][2:] == []
    api.started("b", model_id="other", priority="low")
    assert api.targets("a") == {"n1": 3, "n2": 1}


def test_failed_routes_are_hosts() -> None:
    """Test server-behaviour.md 4.7: a plan keeps the node where it failed, though another would come first."""
    api = Api()
    api.started("b", 4, model_id="other")
    api.started("a", 1)
    api.effect("stop_deployment", deployment_id="b")
    api.settle()
    api.effect("fail_route", deployment_id="a", reason="boom")
    api.started("b", model_id="other")
    assert (api.targets("a"), api.targets("b")) == ({"n2": 1}, {"n2": 1})
    assert api.assignment("a")["routing_table"]["n2"]["routing_state"] == "started"


def test_failed_route_on_top_stays() -> None:
    """Test server-behaviour.md 4.7, planner.md 4: a plan keeps what each host has, be it more than the number."""
    api = Api()
    api.start()
    api.effect("shut_down_node", node_id="n1", type="restart")
    api.effect("fail_route", deployment_id="m", node_id="n1", reason="boom")
    api.effect("keep_node", node_id="n1")
    assert api.targets() == {"n1": 1, "n2": 1}
    api.start("other")
    assert api.targets() == {"n1": 1, "n2": 1}
    assert api.assignment()["routing_table"]["n1"]["routing_state"] == "starting"


def test_what_is_loading_counts_as_placed() -> None:
    """Test server-behaviour.md 4.7.

    Starting routes satisfy a deployment as started ones do, so a join moves nothing.
    """
    api = Api()
    api.started(number=4)
    api.update(number_of_allocations=5)
    assert api.assignment()["routing_table"]["n2"]["routing_state"] == "starting"
    before = api.audit()
    api.effect("add_node", node_id="n3", processors=1)
    assert (api.targets(), api.audit()) == ({"n1": 4, "n2": 1}, before)


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


# --- what stops ---


def test_what_stops_is_planned_like_others() -> None:
    """Test server-behaviour.md 4.6, 5.2 and planner.md 2: placed, charged, its state that of its routes."""
    api = Api()
    api.started("a", 4)
    api.effect("stop_deployment", deployment_id="a")
    before = api.assignment("a")
    assert (before["assignment_state"], before["reason"]) == ("stopping", "client API call")
    api.start("other", number_of_allocations=4)
    revived = api.assignment("a")
    assert (revived["assignment_state"], "reason" in revived) == ("started", False)
    assert (api.targets("a"), api.targets("other")) == ({"n1": 4}, {"n2": 4})
    assert api.update("a", number_of_allocations=2).status == 200


def test_stop_goes_on_after_a_plan() -> None:
    """Test server-behaviour.md 4.6: whatever the state says by then, the stop ends with the deployment gone."""
    api = Api()
    api.started("a", 4)
    api.effect("stop_deployment", deployment_id="a")
    api.start("other")
    api.settle()
    assert set(api.emulator.cluster.assignments) == {"other"}
    assert "Stopped deployment" in api.audit()


def test_second_stop_of_what_a_plan_revived() -> None:
    """Test server-behaviour.md 3.3 and 4.6: it enters the state again."""
    api = Api()
    api.started("a")
    api.effect("stop_deployment", deployment_id="a")
    api.start("other")
    api.effect("stop_deployment", deployment_id="a")
    assert api.assignment("a")["assignment_state"] == "stopping"


def test_node_that_joins_while_all_stop() -> None:
    """Test server-behaviour.md 4.7: no reason for a plan."""
    api = Api(nodes={"n1": 1})
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=9)
    api.started("a", 4)
    api.effect("stop_deployment", deployment_id="a")
    api.effect("add_node", node_id="n2", processors=4)
    assert (api.targets("a"), api.assignment("a")["assignment_state"]) == ({"n1": 1}, "stopping")


# --- what has no allocations ---


def at_zero(version: str = "9.5.3", nodes: dict[str, int] | None = None, zones: str = "") -> Api:
    """Return a deployment at zero beside another one."""
    api = Api(version, nodes=nodes)
    for zone in zones:
        api.effect("add_node", node_id=f"{zone}1", processors=4, zone=zone)
    api.started()
    api.effect("set_number", deployment_id="m", number_of_allocations=0)
    api.started("other", model_id="other")
    return api


def test_start_beside_a_deployment_at_zero() -> None:
    """Test server-behaviour.md 4.7 and 5.2, planner.md 2: with one zone it vanishes, unlike with several."""
    assert set(at_zero().emulator.cluster.assignments) == {"other"}
    zoned = at_zero(nodes={}, zones="ab")
    assert set(zoned.emulator.cluster.assignments) == {"m", "other"}
    assert zoned.assignment()["assignment_state"] == "started"


@pytest.mark.parametrize(("version", "left"), [("8.19.0", {"other"}), ("9.2.0", {"other"}), ("9.5.3", {"m", "other"})])
def test_shutdown_beside_a_deployment_at_zero(version: str, left: set[str]) -> None:
    """Test server-behaviour.md 4.7: from 9.4 on it stays as it is while a node shuts down."""
    api = Api(version)
    api.started("other", model_id="other")
    api.started("m", 1)
    api.effect("set_number", deployment_id="m", number_of_allocations=0)
    api.effect("shut_down_node", node_id="n1")
    assert set(api.emulator.cluster.assignments) == left


# --- what the planner cannot write down ---


def with_figure(version: str, cores: int) -> Api:
    """Return the node of planner.md 11, row one-figure-7238, and its model: one figure alone is not cut down."""
    api = Api(version, nodes={}, models=(("m", 100 * MB),))
    api.effect("add_node", node_id="n1", processors=cores, memory=830 * MB)
    api.emulator.cluster.models["m"].config = {"metadata": {"per_allocation_memory_bytes": 600 * MB}}
    return api


@pytest.mark.parametrize("version", ["8.16.0", "8.19.0", "9.5.3"])
def test_start_whose_plan_throws(version: str) -> None:
    """Test server-behaviour.md 3.1 row 17b, planner.md 1.1 and 11."""
    api = with_figure(version, 4)
    refused = api.start(number_of_allocations=2)
    assert (refused.status, refused.type) == (400, "illegal_argument_exception")
    assert refused.reason == "not enough memory on node [n1] to assign [2] allocations to deployment [m]"
    assert api.emulator.cluster.assignments == {}


def test_update_whose_plan_throws() -> None:
    """Test server-behaviour.md 3.2 row 11b, planner.md 2: what runs there is charged once more, in other words."""
    api = with_figure("8.19.0", 4)
    api.started()
    before = api.state_version
    refused = api.update(number_of_allocations=2)
    assert (refused.status, refused.reason) == (400, "not enough memory on node [n1] to assign model [m]")
    assert (api.state_version, api.targets()) == (before, {"n1": 1})


def test_plan_that_throws_in_the_background() -> None:
    """Test server-behaviour.md 4.7, planner.md 1.1: nothing changes, and no client hears of it."""
    api = with_figure("8.19.0", 1)
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=9)
    api.started(number=2)
    assert api.targets() == {"n1": 1}
    api.emulator.cluster.nodes["n1"] = Node("n1", 4, 830 * MB)
    before = api.assignment()
    api.effect("add_node", node_id="n2", processors=0, memory=MB)
    assert api.assignment() == before


# --- which rules ---


RULES: dict[str, Any] = {
    "by_version": {"d1": {"n1": 2}, "d2": {"n2": 1}},
    "one_figure": {"d1": {"n1": 2}, "d2": {"n2": 2}},
    "counts_current": {"d1": {"n1": 2}, "d2": {"n2": 1, "n3": 1}},
    "counts_placed": None,
}


@pytest.mark.parametrize("choice", RULES)
def test_rules_that_are_not_certain(choice: str) -> None:
    """Test planner.md 10 and 11: the row one-zone-3334, which the rules of each time plan in their own way."""
    plans = {rules: _plan_of_3334(version, "by_version") for rules, version in KNOWN.items()}
    assert _plan_of_3334("8.13.4", choice) == plans.get(choice, plans["counts_current"])
    assert plans["one_figure"] != plans["counts_current"]


KNOWN = {"one_figure": "8.11.4", "counts_current": "8.18.0", "counts_placed": "9.5.3"}


def _plan_of_3334(version: str, choice: str) -> dict[str, dict[str, int]]:
    api = Api(version, nodes={}, models=(("d1", 400 * MB), ("d2", 800 * MB)))
    api.emulator.control("POST", "/unknowns", {"planner_rules": choice})
    for name in ("n1", "n2", "n3"):
        api.effect("add_node", node_id=name, processors=8, memory=2078 * MB)
    api.started("d1", 2, model_id="d1")
    cluster = api.emulator.cluster
    api.started("d2", 1, model_id="d2", threads_per_allocation=2)
    cluster.assignments["d2"].routes = {"n2": Route(1, 1, "started")}
    cluster.assignments["d1"].routes = {"n1": Route(2, 2, "started")}
    assert api.update("d2", number_of_allocations=2).status == 200
    return {"d1": api.targets("d1"), "d2": api.targets("d2")}

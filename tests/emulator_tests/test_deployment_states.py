# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test states of deployments, routes and allocations; growing, shrinking, stopping, nodes (server-behaviour.md 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.state.nodes import Node
from emulator_tests.api import Api, with_memory_for_one

LAZY = "xpack.ml.max_lazy_ml_nodes"


def steps(api: Api, name: str = "m") -> list[int]:
    """Return the numbers of allocations, round by round, until nothing changes."""
    seen = [api.deployment_stats(name)["allocation_status"]["allocation_count"]]
    while api.tick():
        seen.append(api.deployment_stats(name)["allocation_status"]["allocation_count"])
    return seen


def states(api: Api, name: str = "m") -> dict[str, str]:
    """Return routing state by node."""
    return {node: route["routing_state"] for node, route in api.assignment(name)["routing_table"].items()}


# --- states ---


def test_assignment_state_follows_the_routes() -> None:
    """Test server-behaviour.md 4.1: started if any route is, else starting; stopping sticks; failed is never stored."""
    api = Api()
    api.start(number_of_allocations=5)
    assert api.assignment()["assignment_state"] == "starting"
    api.settle()
    api.effect("fail_route", deployment_id="m", node_id="n1", reason="boom")
    assert api.assignment()["assignment_state"] == "started"
    api.effect("fail_route", deployment_id="m", node_id="n2", reason="boom")
    assert api.assignment()["assignment_state"] == "starting"
    api.effect("stop_deployment", deployment_id="m")
    api.tick()
    assert api.assignment()["assignment_state"] == "stopping"


@pytest.mark.parametrize(
    ("version", "state", "allocation"),
    [("8.16.0", "started", "fully_allocated"), ("8.15.3", "starting", "starting"), ("9.5.3", "started", None)],
)
def test_zero_allocations(version: str, state: str, allocation: str | None) -> None:
    """Test server-behaviour.md 4.1: started and fully allocated from 8.16.0."""
    api = Api(version)
    api.started()
    assert api.effect("set_number", deployment_id="m", number_of_allocations=0) == {"applied": True}
    assert api.assignment()["assignment_state"] == state
    status = api.deployment_stats()["allocation_status"]
    assert status == {
        "allocation_count": 0,
        "target_allocation_count": 0,
        "state": allocation or "fully_allocated",
    }


def test_life_of_a_route() -> None:
    """Test server-behaviour.md 4.1 and 4.6: starting, started, gone; stopping only where a node shuts down."""
    api = Api()
    api.start()
    seen = [states(api)]
    api.tick()
    seen.append(states(api))
    api.effect("shut_down_node", node_id="n1")
    seen.append(states(api))
    api.settle()
    api.effect("stop_deployment", deployment_id="m")
    api.tick()
    seen.append(states(api))
    api.tick()
    started = {"n1": "started"}
    assert seen == [{"n1": "starting"}, started, {"n1": "stopping", "n2": "starting"}, {"n2": "started"}]
    assert api.emulator.control("GET", "/state")["deployments"] == {}


def test_allocation_status() -> None:
    """Test server-behaviour.md 4.1: counted over started routes; three states; absent while stopping."""
    api = Api()
    api.start(number_of_allocations=6)
    assert api.deployment_stats()["allocation_status"] == {
        "allocation_count": 0,
        "target_allocation_count": 6,
        "state": "starting",
    }
    api.settle()
    api.effect("fail_route", deployment_id="m", node_id="n2", reason="boom")
    assert api.deployment_stats()["allocation_status"] == {
        "allocation_count": 4,
        "target_allocation_count": 6,
        "state": "started",
    }
    api.effect("stop_deployment", deployment_id="m")
    assert "allocation_status" not in api.deployment_stats()


# --- start ---


def test_new_routes() -> None:
    """Test server-behaviour.md 4.2: target and current are the same, the reason is empty, the time is now."""
    api = Api()
    found = api.start(number_of_allocations=5).assignment
    assert found["routing_table"] == {
        "n1": {"current_allocations": 4, "target_allocations": 4, "routing_state": "starting", "reason": ""},
        "n2": {"current_allocations": 1, "target_allocations": 1, "routing_state": "starting", "reason": ""},
    }
    assert abs(api.deployment_stats()["start_time"] - api.emulator.cluster.now() // 1_000_000) < 60_000


def test_loading() -> None:
    """Test server-behaviour.md 4.2.

    A node reports started, or failed with a reason; the first started route makes it started.
    """
    api = Api()
    api.effect("fail_next_load", node_id="n2", reason="boom")
    api.start(number_of_allocations=5)
    api.tick()
    table = api.assignment()["routing_table"]
    assert (table["n1"]["routing_state"], table["n1"]["reason"]) == ("started", "")
    assert (table["n2"]["routing_state"], table["n2"]["reason"]) == ("failed", "boom")
    assert api.assignment()["assignment_state"] == "started"


def test_running_maximum() -> None:
    """Test server-behaviour.md 4.2: it never falls."""
    api = Api()
    api.started(number=6)
    api.update(number_of_allocations=2)
    api.settle()
    assert api.assignment()["max_assigned_allocations"] == 6


# --- growing ---


def test_increase_plans_everything_again() -> None:
    """Test server-behaviour.md 4.3: others' routes may move; a failed route that stays begins again."""
    api = Api()
    api.started("a", 5)
    api.started("b", 1, model_id="other")
    api.effect("fail_route", deployment_id="a", node_id="n2", reason="boom")
    assert api.update("b", number_of_allocations=2).status == 200
    again = api.assignment("a")["routing_table"]["n2"]
    assert (again["routing_state"], again["reason"]) == ("starting", "")
    assert sum(api.targets("a").values()) == 5


def test_old_routes_keep_what_runs() -> None:
    """Test server-behaviour.md 4.3: an old route gets a new target, a new node a starting route."""
    api = Api()
    api.started(number=2)
    table = api.update(number_of_allocations=6).assignment["routing_table"]
    assert table["n1"]["current_allocations"] == 2
    assert table["n2"]["current_allocations"] == table["n2"]["target_allocations"]
    assert (table["n1"]["routing_state"], table["n2"]["routing_state"]) == ("started", "starting")


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (LAZY, 0, 429),
        (LAZY, 2, 429),
        (LAZY, 3, 200),
        ("xpack.ml.max_ml_node_size", "0b", 429),
        ("xpack.ml.max_ml_node_size", "16gb", 429),
        ("xpack.ml.max_ml_node_size", "17gb", 200),
    ],
)
def test_when_the_cluster_can_grow(name: str, value: Any, status: int) -> None:
    """Test server-behaviour.md 4.3.

    More lazy nodes than there are, or a smallest node below the largest size. Two nodes of 16gb.
    """
    api = Api()
    api.started(number=2)
    api.effect("set_setting", name=name, value=value)
    answer = api.update(number_of_allocations=9)
    assert answer.status == status
    if status == 200:
        assert sum(api.targets().values()) == 8
        assert "reason" in answer.assignment


def test_fit_to_the_model_is_not_examined() -> None:
    """Test server-behaviour.md 4.3: a deployment that never fits is accepted where the cluster can grow."""
    api = Api()
    api.effect("set_setting", name=LAZY, value=9)
    answer = api.start(threads_per_allocation=32)
    assert (answer.status, answer.assignment["routing_table"]) == (200, {})


def test_old_node_changes_after_the_new_one_has_started() -> None:
    """Test server-behaviour.md 4.3: 4 on one node to 5 over two gives 4, 8, 5; the state is started throughout.

    The four move as no node has memory for a second copy (planner.md 11, row cache-7060).
    """
    api = with_memory_for_one()
    api.started(number=4)
    assert api.update(number_of_allocations=5).assignment["assignment_state"] == "started"
    assert api.targets() == {"n1": 1, "n2": 4}
    assert steps(api) == [4, 8, 5]
    assert api.assignment()["assignment_state"] == "started"


def test_same_number_is_no_new_attempt() -> None:
    """Test server-behaviour.md 4.3: a join, a stop, a start, an increase of another one are."""

    def partial() -> Api:
        api = Api(nodes={"n1": 4})
        api.effect("set_setting", name=LAZY, value=9)
        api.started("b", 2, model_id="other")
        api.started("a", 4)
        assert sum(api.targets("a").values()) == 2
        api.emulator.cluster.nodes["n1"] = Node("n1", 16)
        return api

    api = partial()
    api.update("a", number_of_allocations=4)
    assert sum(api.targets("a").values()) == 2
    attempts: dict[str, Callable[[Api], Any]] = {
        "join": lambda api: api.effect("add_node", node_id="n7", processors=1),
        "start": lambda api: api.start("m", deployment_id="c"),
        "increase": lambda api: api.update("b", number_of_allocations=3),
        "stop": lambda api: (api.effect("stop_deployment", deployment_id="b"), api.tick(3)),
    }
    for name, attempt in attempts.items():
        api = partial()
        attempt(api)
        assert sum(api.targets("a").values()) == 4, name


# --- shrinking ---


def test_decrease_to_more_than_is_placed() -> None:
    """Test server-behaviour.md 4.4: only the number changes; the reason goes when it is exactly what is placed."""
    api = Api()
    api.effect("set_setting", name=LAZY, value=9)
    api.started(number=11)
    placed = api.targets()
    assert "reason" in api.update(number_of_allocations=9).assignment
    assert "reason" not in api.update(number_of_allocations=8).assignment
    assert api.targets() == placed


def test_removed_and_reduced_routes() -> None:
    """Test server-behaviour.md 4.4.

    A removed one is gone at once, a reduced one keeps what runs until its node follows.
    """
    api = Api()
    api.started(number=5)
    api.update(number_of_allocations=3)
    assert api.targets() == {"n1": 3}
    assert api.counts() == {"n1": 4}
    status = api.deployment_stats()["allocation_status"]
    assert (status["allocation_count"], status["state"]) == (4, "fully_allocated")
    api.tick()
    assert api.counts() == {"n1": 3}


def test_decrease_plans_nothing() -> None:
    """Test server-behaviour.md 4.4: others that lack something stay as they are."""
    api = Api(nodes={"n1": 4})
    api.effect("set_setting", name=LAZY, value=9)
    api.started("a", 3)
    api.started("b", 3, model_id="other")
    api.update("a", number_of_allocations=1)
    api.settle()
    assert (api.targets("a"), api.targets("b")) == ({"n1": 1}, {"n1": 1})


# --- settings, stop, nodes ---


def test_settings_alone_move_nothing() -> None:
    """Test server-behaviour.md 4.5: not even if the number is outside of the new bounds."""
    api = Api()
    api.started(number=2)
    before = api.targets()
    settings = {"enabled": True, "min_number_of_allocations": 3, "max_number_of_allocations": 4}
    assert api.update(adaptive_allocations=settings).assignment["task_parameters"]["number_of_allocations"] == 2
    assert api.targets() == before


def test_stop() -> None:
    """Test server-behaviour.md 4.6: stopping, routes stop, the assignment goes, others are planned again."""
    api = Api(nodes={"n1": 4})
    api.effect("set_setting", name=LAZY, value=9)
    api.started("a", 4)
    api.started("b", 2, model_id="other")
    assert api.targets("b") == {}
    api.effect("stop_deployment", deployment_id="a")
    stopping = api.assignment("a")
    assert (stopping["assignment_state"], stopping["reason"]) == ("stopping", "client API call")
    api.settle()
    assert api.counts("b") == {"n1": 2}
    assert api.audit()[-1] == "Rebalanced trained model allocations because [model deployment stopped]"


def test_routes_of_what_stops_only_stop() -> None:
    """Test server-behaviour.md 4.6: a node that was still loading does not start any more."""
    api = Api()
    api.start()
    api.effect("stop_deployment", deployment_id="m")
    api.tick()
    assert states(api) == {"n1": "starting"}
    api.tick()
    assert api.emulator.cluster.assignments == {}


def test_lost_node() -> None:
    """Test server-behaviour.md 4.7: what fits is placed elsewhere; the number stays, a reason tells of the rest."""
    api = Api()
    api.started(number=6)
    api.effect("remove_node", node_id="n1")
    api.settle()
    left = api.assignment()
    assert left["task_parameters"]["number_of_allocations"] == 6
    assert api.counts() == {"n2": 4}
    assert "insufficient allocated processors" in left["reason"]
    assert api.deployment_stats()["state"] == "started"


def test_joining_node() -> None:
    """Test server-behaviour.md 4.7: where all deployments are satisfied nothing moves."""
    api = Api(nodes={"n1": 4})
    api.started(number=4)
    before = api.assignment()
    api.effect("add_node", node_id="n0", processors=16)
    assert api.assignment() == before


def test_failed_route() -> None:
    """Test server-behaviour.md 4.7: failed until a plan keeps its node; if all have failed an update is refused."""
    api = Api()
    api.started()
    api.effect("fail_route", deployment_id="m", reason="boom")
    assert not api.tick()
    assert api.deployment_stats()["state"] == "failed"
    assert api.update(number_of_allocations=2).status == 409
    api.start("other")
    assert states(api) == {"n1": "starting"}
    api.settle()
    assert states(api) == {"n1": "started"}

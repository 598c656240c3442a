# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what is said of places that are not certain, and of the room that is missing."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity.records import (
    Capacity,
    MlNode,
    Settings,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.forecast import Forecast
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.places import predicted
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.preflight import Outlook
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.room import Room
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.shortage import Shortage
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.prediction import Places
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.routing import Route
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.predict import EARLIER
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.records import Deployment as Placed

GIB, MIB = 1 << 30, 1 << 20
OVERHEAD = 30 * MIB


def node(name: str, memory: int, cores: int, **attributes: str) -> MlNode:
    attributes = {"ml.allocated_processors_double": f"{cores}", **attributes}
    return MlNode(name, name, ("ml",), attributes, memory + OVERHEAD, 0, 0, False)


def running(name: str, size: int, threads: int, **numbers: int) -> Deployment:
    return Deployment(
        name,
        name,
        number_of_allocations=sum(numbers.values()),
        threads_per_allocation=threads,
        model_bytes=size,
        max_assigned_allocations=sum(numbers.values()),
        routes=tuple(Route(node_id, None, "started", None, number, number) for node_id, number in numbers.items()),
    )


def room(version: str, nodes: t.Sequence[MlNode], *deployments: Deployment, awareness: tuple[str, ...] = ()) -> Room:
    capacity = Capacity(tuple(nodes), Settings(awareness=awareness))
    return Room.of(capacity, deployments, Server(version, "default", "c"))


def after_an_increase(there: Room, deployment: Deployment, number: int) -> tuple[Deployment | None, Places]:
    assert there.places
    forecast = Forecast(there, there.places)
    forecast.increase(deployment.deployment_id, number)
    expected = dataclasses.replace(deployment, number_of_allocations=number)
    return predicted(Outlook(there, {}, forecast), deployment.deployment_id, expected)


def targets(deployment: Deployment | None) -> dict[str, int | None]:
    assert deployment
    return {route.node_id: route.target_allocations for route in deployment.routes}


def test_rules_that_are_not_certain_leave_open_what_they_differ_in() -> None:
    """Test the worked example ``one-zone-3334``: by the newer rules, the second of d2 stays on its node."""
    d1, d2 = running("d1", 400 * MIB, 1, n1=2), running("d2", 800 * MIB, 2, n2=1)
    nodes = [node(name, 2 * GIB, 8) for name in ("n1", "n2", "n3")]
    exact, places = after_an_increase(room("8.18.0", nodes, d1, d2), d2, 2)
    assert (targets(exact), places) == ({"n2": 1, "n3": 1}, Places("exact"))
    found, places = after_an_increase(room("8.13.0", nodes, d1, d2), d2, 2)
    assert targets(found) == {"n2": None, "n3": None}
    assert found
    assert not found.has_predicted_places
    assert places.kind == "bounds"
    assert places.reasons == (
        "It is not certain by which rules this version of Elasticsearch plans.",
        "Node n2: 1 to 2 allocations.",
        "Node n3: 0 to 1 allocations.",
    )


def test_what_the_possible_plans_agree_in_is_said() -> None:
    """Test the worked example ``zones-4228``: what runs stays, and the rest has a node that the order decides."""
    zones = {"n1": "a", "n2": "b", "n4": "a", "n5": "b", "n6": "a"}
    nodes = [node(name, 32 * GIB, 2, zone=zone) for name, zone in zones.items()]
    d1 = running("d1", 250 * MIB, 1, n2=2, n4=2)
    found, places = after_an_increase(room("8.18.0", nodes, d1, awareness=("zone",)), d1, 5)
    assert places.kind == "bounds"
    assert places.reasons[0] == "The order in which Elasticsearch takes nodes and deployments decides."
    assert targets(found).items() >= {"n2": 2, "n4": 2}.items()
    assert None in targets(found).values()


def test_memory_that_the_server_has_observed() -> None:
    d1 = running("d1", 400 * MIB, 1, n1=2)
    there = room("9.6.0", [node("n1", 16 * GIB, 4)], d1)
    found, places = after_an_increase(there, d1, 3)
    assert targets(found) == {"n1": None}
    assert places.kind == "bounds"
    assert places.reasons == (
        "This version of Elasticsearch counts memory that it has observed.",
        "Node n1: 0 to 3 allocations.",
    )


@pytest.mark.parametrize("number", [9, 8])
def test_a_decrease_of_what_is_short_leaves_it_where_it_is(number: int) -> None:
    short = running("d1", 400 * MIB, 1, n1=4, n2=4)
    there = room("9.5.3", [node("n1", 4 * GIB, 4), node("n2", 4 * GIB, 4)], short)
    assert there.places
    forecast = Forecast(there, (Placed("d1", "d1", 400 * MIB, 10, 1, routes=there.places[0].routes),))
    forecast.decrease("d1", number)
    found, places = predicted(Outlook(there, {}, forecast), "d1", short)
    assert (targets(found), places) == ({"n1": 4, "n2": 4}, Places("exact"))
    assert [each.allocations for [each] in forecast.situations] == [number]


def test_only_nodes_that_lack_something_are_named() -> None:
    """Test the worked example ``one-figure-7238``: a node has room for one, and not for the second beside it."""
    asked = Placed("d", "d", 100 * MIB, 2, 1, per_allocation_bytes=600 * MIB)
    large, small = node("large", 800 * MIB, 4), node("small", 500 * MIB, 4)
    both = Shortage(room("9.5.3", [large, small]), asked, (), {}).says(certain=True)
    assert str(both) == (
        "The ML nodes have room for none of the allocations of deployment 'd'. "
        "small: 500mb of 500mb of memory free, 700mb needed."
    )
    one = Shortage(room("9.5.3", [large]), asked, (), {}).says(certain=True)
    assert str(one).endswith("Each node has room left, but too little for one more allocation.")


def test_a_deployment_that_is_gone_changes_nothing_and_leaves_the_places_open() -> None:
    """The nodes and the deployments are read one after another: another client may have stopped it between."""
    there = room("8.18.0", [node("n1", 2 * GIB, 8)], running("d1", 400 * MIB, 1, n1=2))
    assert there.places
    forecast = Forecast(there, there.places)
    forecast.increase("d2", 3)
    assert forecast.situations == [there.places]
    assert EARLIER in forecast.doubts


def test_low_priority_lacks_memory_only() -> None:
    asked = Placed("d", "d", 400 * MIB, 1, 16, "low")
    shortage = Shortage(room("9.5.3", [node("n1", GIB, 2)]), asked, (), {})
    assert shortage.figures == "n1: 1gb of 1gb of memory free, 1gb needed."
    assert not shortage.is_of_processors


def test_without_the_deployments_only_the_size_of_a_node_is_compared() -> None:
    asked = Placed("d", "d", 400 * MIB, 1, 1)
    there = Room.of(Capacity((node("n1", GIB // 2, 2),), Settings()), None, Server("9.5.3", "default", "c"))
    assert Shortage(there, asked, (), {}).figures == "n1: 512mb of memory, 1gb needed."


def test_deployments_that_are_not_known_leave_the_places_open() -> None:
    """Test a deployment whose own size is known: what is missing is said of the others."""
    capacity = Capacity((node("n1", 2 * GIB, 8),), Settings())
    there = Room.of(capacity, None, Server("9.0.0", "default", "c"))
    _found, places = predicted(Outlook(there, {}, None), "d1", running("d1", 400 * MIB, 1, n1=1))
    assert places.kind != "exact"
    assert "The other deployments are not known." in places.reasons

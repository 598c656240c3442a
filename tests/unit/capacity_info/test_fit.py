# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test how many allocations fit, and what is said where that is not certain."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity.records import (
    Capacity,
    Missing,
    MlNode,
    Settings,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.elser import elser_warnings
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.fit import (
    LIMIT,
    LOW_LIMIT,
    Room,
    how_many,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.fit_result import (
    UNKNOWN_SIZE,
    Candidate,
    fit_result,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.nodes import Seen, node_results
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.options import FitRequest, fit_requests
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.shortages import shortages
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment as MlDeployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.model import Model
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.routing import Route as MlRoute
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.records import Deployment, Node, Route
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import Rules

Json = dict[str, t.Any]
GIB, MIB = 1 << 30, 1 << 20
RULES = Rules.of((8, 18, 0))
NEW = Deployment("new", "new", 100 * MIB, 1, 1)


def running(name: str, node: str, number: int, **changes: t.Any) -> Deployment:
    routes = {node: Route(number, number, "started")}
    return dataclasses.replace(NEW, id=name, allocations=number, routes=routes, max_assigned=number, **changes)


def test_a_number_that_no_one_could_try() -> None:
    room = Room((Node("a", 64 * GIB, 500),), (running("old", "a", 100),), RULES)
    found = how_many(room, NEW, 9)
    assert (found.least, found.most) == (LIMIT, 400)
    assert found.allocations == {"old": {"a": 100}, "new": {"a": LIMIT}}


def test_all_processors_there_are() -> None:
    found = how_many(Room((Node("a", 64 * GIB, 7), Node("b", 64 * GIB, 2)), (), RULES), NEW, 9)
    assert (found.least, found.most, found.allocations) == (9, 9, {"new": {"a": 7, "b": 2}})
    none = how_many(Room((), (), RULES), NEW, 9)
    assert (none.least, none.most, none.allocations) == (0, 0, {})


def test_what_was_not_read_makes_bounds() -> None:
    room = Room((Node("a", 64 * GIB, 4),), (), RULES, ("memory",))
    found = how_many(room, NEW, 9)
    assert (found.least, found.most) == (0, 4)
    low = how_many(room, dataclasses.replace(NEW, priority="low"), 9)
    assert (low.least, low.most) == (0, 9)


@pytest.mark.parametrize("priority", ["normal", "low"])
def test_a_version_without_recorded_plans_makes_bounds(priority: str) -> None:
    request = FitRequest(None, 100 * MIB, 1, priority)
    found = fit_result(dataclasses.replace(seen(), is_recorded=False), Candidate(request, None, 100 * MIB))
    assert (found["allocations"], found["kind"]) == (0, "bounds")
    assert found["reasons"] == ["It is not certain by which rules this version of Elasticsearch plans."]


def test_nodes_of_several_versions_make_bounds() -> None:
    capacity = Capacity((ml_node("a"),), Settings(), versions=frozenset(("8.18.0", "8.19.0")))
    found = fit_result(dataclasses.replace(seen(), capacity=capacity), asked())
    assert (found["kind"], found["at_most"]) == ("bounds", 4)


def test_a_node_without_an_awareness_attribute_makes_bounds() -> None:
    capacity = Capacity((ml_node("a"), ml_node("b")), Settings(awareness=("zone",)))
    found = fit_result(dataclasses.replace(seen(), capacity=capacity), asked())
    assert (found["allocations"], found["at_most"]) == (0, 8)
    assert found["reasons"] == ["Nodes lack an awareness attribute: whether they get allocations is not known."]


def test_not_every_number_is_tried() -> None:
    attributes = {"ml.allocated_processors_double": "500"}
    found = fit_result(seen(nodes=(ml_node("a", attributes=attributes),)), asked())
    assert (found["allocations"], found["at_most"], found["reasons"]) == (LIMIT, 500, ["Not every number was tried."])


def test_low_priority_gives_way() -> None:
    low = running("low", "a", 1, priority="low")
    found = how_many(Room((Node("a", 500 * MIB, 4),), (low,), RULES), NEW, 9)
    assert (found.least, found.most, found.allocations) == (4, 4, {"low": {}, "new": {"a": 4}})


def test_as_many_deployments_as_the_cluster_takes() -> None:
    room = Room((Node("a", 64 * GIB, 4),), (), RULES)
    low = how_many(room, dataclasses.replace(NEW, priority="low"), 99)
    assert (low.least, low.most) == (LOW_LIMIT, 99)
    low = how_many(room, dataclasses.replace(NEW, priority="low"), 3)
    assert (low.least, low.most) == (3, 3)
    assert low.allocations == {"new": {"a": 1}, "new-2": {"a": 1}, "new-3": {"a": 1}}
    assert how_many(room, NEW, 0).most == 0


def test_a_number_that_is_certain_on_nodes_that_are_not() -> None:
    """Test a kin of the worked example ``one-zone-2809``: the last bit of a sum decides who is where."""
    attributes = {"ml.allocated_processors_double": "8"}
    nodes = tuple(ml_node(name, attributes=attributes, ml_memory=32 * GIB) for name in ("n1", "n2"))
    routes = tuple(MlRoute(name, None, "started", None, number, number) for name, number in (("n1", 4), ("n2", 3)))
    size = {"model_bytes": 20 * MIB, "number_of_allocations": 7, "threads_per_allocation": 2}
    old = deployed(deployment_id="d3", routes=routes, max_assigned_allocations=7, **size)
    found = fit_result(seen(old, nodes=nodes), asked(size=400 * MIB))
    assert (found["allocations"], found["at_most"], found["kind"]) == (2, 2, "exact")
    assert [(node["node_name"], node["allocations"]) for node in found["nodes"]] == [
        ("name-n1", None),
        ("name-n2", None),
    ]
    assert found["displaced"] == []
    assert found["reasons"][0] == "Which nodes they would get is not certain. What one of the possible plans leaves:"
    assert len(found["reasons"]) == 3


def test_a_number_that_makes_the_whole_request_fail() -> None:
    """Test the worked example ``one-figure-7238``: the second allocation needs memory that nothing looks at."""
    room = Room((Node("n1", 800 * MIB, 4),), (), RULES)
    found = how_many(room, dataclasses.replace(NEW, per_allocation_bytes=600 * MIB), 9)
    assert (found.least, found.most, found.allocations) == (1, 1, {"new": {"n1": 1}})


def test_another_deployment_that_makes_every_request_fail() -> None:
    """Test a kin of ``one-figure-7238``: the plan for what is short throws, so nothing new can start."""
    short = dataclasses.replace(NEW, id="old", allocations=2, per_allocation_bytes=600 * MIB)
    found = how_many(Room((Node("n1", 800 * MIB, 4),), (short,), RULES), dataclasses.replace(NEW, model_bytes=1), 9)
    assert (found.least, found.most) == (0, 0)


def test_elser_that_the_server_observes_is_no_matter_for_a_warning() -> None:
    share = {"deployment_id": "d", "model_id": ".elser_model_2", "target_allocations": 4}
    node = {"node_id": "a", "node_name": "ml-1", "memory": {"total": 4 * GIB}, "deployments": [share]}
    assert elser_warnings([node], [], Rules.of((9, 6, 0))) == ()
    [warning] = elser_warnings([node], [], Rules.of((9, 5, 3)))
    assert "Node 'ml-1' may run out of memory: 4 allocations of 'd'" in warning


def ml_node(name: str, **changes: t.Any) -> MlNode:
    attributes = {"ml.allocated_processors_double": "4"}
    node = MlNode(name, f"name-{name}", attributes=attributes, ml_memory=4 * GIB, jobs_memory=0, shutting_down=False)
    return dataclasses.replace(node, **changes)


def deployed(**changes: t.Any) -> MlDeployment:
    found = MlDeployment(
        "old",
        "old",
        threads_per_allocation=1,
        number_of_allocations=1,
        model_bytes=MIB,
        routes=(MlRoute("a", None, "started", None, 1, 1),),
    )
    return dataclasses.replace(found, **changes)


def seen(*deployments: MlDeployment, missing: tuple[Missing, ...] = (), nodes: tuple[MlNode, ...] = ()) -> Seen:
    return Seen(Capacity(nodes or (ml_node("a"),), Settings(), missing), deployments, RULES)


def asked(model: Model | None = None, size: int | None = 100 * MIB, threads: int = 1) -> Candidate:
    return Candidate(FitRequest(model.model_id if model else None, None, threads, "normal"), model, size)


def test_the_figures_of_a_model_count() -> None:
    model = Model("m", "pytorch", per_deployment_memory_bytes=100 * MIB, per_allocation_memory_bytes=GIB)
    found = fit_result(seen(), asked(model))
    assert (found["allocations"], found["at_most"]) == (3, 3)
    assert found["reasons"] == ["name-a: 794mb of 3.9gb of memory free, 1gb needed"]


@pytest.mark.parametrize(
    "lacking",
    [
        {"model_bytes": None},
        {"threads_per_allocation": None},
        {"routes": (MlRoute("a", None, "started", None, 1, None),)},
    ],
    ids=lambda lacking: next(iter(lacking)),
)
def test_an_unknown_deployment_makes_bounds(lacking: Json) -> None:
    found = fit_result(seen(deployed(**lacking)), asked())
    assert (found["allocations"], found["at_most"], found["kind"]) == (0, 3, "bounds")
    assert found["reasons"] == [UNKNOWN_SIZE]


def test_why_a_node_gets_no_more() -> None:
    node, memory = Node("a", 600 * MIB, 8), "200mb of 600mb of memory free"
    new = dataclasses.replace(NEW, model_bytes=80 * MIB, threads=2)

    def says(placed: int, cores: int = 8, rules: Rules = RULES, **changes: t.Any) -> str:
        asked, there = dataclasses.replace(new, **changes), dataclasses.replace(node, cores=cores)
        return shortages([there], [asked], {"new": {"a": placed}}, rules, asked)["a"]

    assert says(2) == f"{memory}, 400mb needed to hold the model once more"
    assert says(2, 5) == f"1 of 5 processors free, 2 needed; {memory}, 400mb needed to hold the model once more"
    assert says(2, rules=Rules.of((8, 11, 0))) == "has room, and Elasticsearch places no more there"
    assert says(0) == "has room, and Elasticsearch places no more there"
    assert says(1, priority="low") == f"{memory}, 400mb needed"
    assert (
        says(2, per_deployment_bytes=20 * MIB, per_allocation_bytes=200 * MIB)
        == "100mb of 600mb of memory free, 200mb needed"
    )


def test_an_unknown_model_makes_bounds() -> None:
    found = fit_result(seen(), asked(Model("m", "pytorch"), None, threads=2))
    assert (found["allocations"], found["at_most"], found["model_bytes"]) == (0, 2, None)


def test_processors_in_use_are_no_room() -> None:
    low = deployed(deployment_id="low", priority="low")
    hidden = seen(deployed(), low, missing=(Missing("routing_table", "monitor"),))
    assert fit_result(hidden, asked())["at_most"] == 3
    assert fit_result(hidden, asked(threads=2))["at_most"] == 1


def test_no_node_gets_allocations() -> None:
    found = fit_result(seen(nodes=(ml_node("a", shutting_down=True),)), asked())
    assert (found["allocations"], found["reasons"]) == (0, ["name-a: is shutting down"])
    nothing = Seen(Capacity((), Settings()), (), RULES)
    assert fit_result(nothing, asked())["reasons"] == ["There is no ML node that gets allocations."]


def test_a_node_that_is_shutting_down_is_named_beside_the_others() -> None:
    found = fit_result(seen(nodes=(ml_node("a"), ml_node("b", shutting_down=True))), asked())
    assert found["reasons"] == ["name-a: 0 of 4 processors free, 1 needed", "name-b: is shutting down"]


HIDDEN = (Missing("routing_table", "monitor"),)


@pytest.mark.parametrize("priority", ["normal", "low"])
@pytest.mark.parametrize("missing", [(), HIDDEN, (Missing("settings", "monitor"),)], ids=["all", "routes", "settings"])
def test_memory_that_was_read_limits_what_may_fit(priority: str, missing: tuple[Missing, ...]) -> None:
    large = Candidate(FitRequest(None, 100 * GIB, 1, priority), None, 100 * GIB)
    assert fit_result(seen(missing=missing), large)["at_most"] == 0
    small = Candidate(FitRequest(None, 700 * MIB, 1, priority), None, 700 * MIB)
    assert fit_result(seen(missing=missing), small)["at_most"] == (2 if priority == "low" else 4)


def test_numbers_that_are_certain_have_nodes_that_are_not() -> None:
    """Test it with two nodes that are alike, of which only one can get an allocation more."""
    attributes = {"ml.allocated_processors_double": "2"}
    nodes = tuple(ml_node(name, attributes=attributes, ml_memory=8 * GIB) for name in ("a", "b"))
    old = deployed(routes=())
    for version in ((8, 17, 0), (8, 18, 0)):
        alike = dataclasses.replace(seen(old, nodes=nodes), rules=Rules.of(version))
        for threads in (1, 2):
            found = fit_result(alike, asked(threads=threads))
            assert found["reasons"], (version, threads)
            assert bool(found["nodes"]) == bool(found["allocations"]), (version, threads)


def test_threads_that_are_not_known_are_no_number() -> None:
    [node] = node_results(seen(deployed(threads_per_allocation=None)))
    assert node["processors"] == {"total": 4, "used": None, "free": None}
    assert node["deployments"][0]["memory"] is None


def test_a_route_without_any_number_is_not_known() -> None:
    """Test it with a route as 8.3 shows it."""
    route = MlRoute("a", None, "started", None, None, None)
    [node] = node_results(seen(deployed(routes=(route,))))
    assert node["processors"] == {"total": 4, "used": None, "free": None}
    [low] = node_results(seen(deployed(routes=(route,), priority="low")))
    assert low["processors"] == {"total": 4, "used": 0, "free": 4}


def test_a_route_without_a_target_takes_what_runs() -> None:
    route = MlRoute("a", None, "started", None, 3, None)
    [node] = node_results(seen(deployed(routes=(route,)), deployed(deployment_id="b", routes=())))
    assert node["processors"]["used"] == 3
    assert [each["deployment_id"] for each in node["deployments"]] == ["old"]


@pytest.mark.parametrize(("given", "size"), [("1", 1), ("418mb", 418 * MIB), ("1.5 GB", 1536 * MIB)])
def test_sizes(given: str, size: int) -> None:
    item = {"model_id": None, "model_bytes": given, "threads_per_allocation": 1, "priority": "normal"}
    assert fit_requests({"fit": [item]}) == [FitRequest(None, size, 1, "normal")]


@pytest.mark.parametrize("given", ["0", "0b", "-1", "1.5", "much", "5 apples"])
def test_no_sizes(given: str) -> None:
    item = {"model_id": None, "model_bytes": given, "threads_per_allocation": 1, "priority": "normal"}
    with pytest.raises(Refusal, match=r"fit\[0\].model_bytes"):
        fit_requests({"fit": [item]})


def test_a_pattern_is_no_model() -> None:
    item = {"model_id": "m*", "model_bytes": None, "threads_per_allocation": 1, "priority": "normal"}
    with pytest.raises(Refusal, match=r"fit\[0\].model_id"):
        fit_requests({"fit": [item]})
    assert fit_requests({"fit": None}) == []

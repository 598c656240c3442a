# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the look at the room, and what check mode says of the nodes; ``tests/laws`` tries both everywhere."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.forecast import Forecast
from support.emulated_cluster import Emulator
from support.scenario_helpers import launched, written

Json = dict[str, t.Any]
SMALL = ("n1=4,1gb", "n2=2,1gb")
LAZY = {"name": "xpack.ml.max_lazy_ml_nodes", "value": 5}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        yield made


@pytest.mark.parametrize("policy", ["fail", "warn", "off", False])
@pytest.mark.parametrize("options", [{"number_of_allocations": 9}, {"state": "restarted", "number_of_allocations": 9}])
def test_each_policy(emulator: Emulator, policy: t.Any, options: Json) -> None:
    launched(emulator, number_of_allocations=2)
    sentence = (
        "The ML nodes have room for 8 of the 9 allocations of deployment 'd'. n1, n2: 0 of 4 processors free, 1 needed."
    )
    for check_mode in (True, False):
        result = emulator.run(check_mode, deployment_id="d", preflight=policy, **options)
        assert bool(result.get("failed")) == (policy == "fail" or not check_mode)
        assert (sentence in result["warnings"]) == (policy == "warn")
        assert result["start_checks"]["capacity"] == (None if policy in ("off", False) else "refused")
        if policy == "fail":
            assert result["failure"] == {"code": "not_enough_processors"}
            assert result["msg"].startswith(sentence)
            assert written(emulator) == []
        elif check_mode:
            assert result["prediction"]["kind"] is None
            assert result["prediction"]["reasons"] == [
                "Elasticsearch would refuse the change, because there is no room."
            ]


def test_nothing_is_read_for_a_look_that_is_off(emulator: Emulator) -> None:
    emulator.run(model_id="m", preflight="off")
    emulator.run(model_id="m", number_of_allocations=2, preflight="off")
    emulator.run(model_id="m", number_of_allocations=1)
    paths = {request["path"] for request in emulator.control("GET", "/requests")}
    assert not paths & {"/_ml/memory/_stats", "/_cluster/settings"}


def test_memory_is_looked_at_too() -> None:
    with Emulator("9.5.3", ("n1=4,1gb",), (("m", 400 << 20),)) as emulator:
        result = emulator.run(True, model_id="m")
        assert result["failure"] == {"code": "no_capacity"}
        assert result["msg"].startswith("The ML nodes have room for no allocation of deployment 'm'. n1: ")
        assert "of memory free, 1gb needed" in result["msg"]


def test_a_cluster_without_nodes_for_it(emulator: Emulator) -> None:
    for node in ("n1", "n2"):
        emulator.effect("shut_down_node", node_id=f"id-{node}")
    result = emulator.run(True, model_id="m")
    assert "n1, n2: are shutting down." in result["msg"]
    assert emulator.run(True, model_id="m", priority="low")["failed"]


def test_a_cluster_that_may_grow_takes_it(emulator: Emulator) -> None:
    emulator.effect("set_setting", **LAZY)
    result = emulator.run(True, model_id="m", number_of_allocations=9)
    assert result["start_checks"]["capacity"] == "short"
    assert result["warnings"] == [
        "1 of the 9 allocations of deployment 'm' has no place until the cluster grows. "
        "n1, n2: 0 of 4 processors free, 1 needed."
    ]
    assert (result["allocations"]["wanted"], result["allocations"]["assigned"]) == (9, 8)
    assert result["prediction"]["kind"] == "exact"


@pytest.mark.parametrize("policy", ["fail", "warn", "off"])
def test_the_hundredth_deployment(emulator: Emulator, policy: str) -> None:
    for number in range(100):
        launched(emulator, f"d{number}", priority="low")
    result = emulator.run(True, model_id="m", priority="low", preflight=policy)
    text = "The cluster has 100 deployments and would have 101: Elasticsearch takes at most 100."
    assert (text in result.get("msg", "")) == (policy == "fail")
    assert (text in result["warnings"]) == (policy == "warn")


def test_what_waits_for_its_start_may_come_later(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="d")
    items: list[Json] = [
        {"deployment_id": "d", "number_of_allocations": 2},
        {"deployment_id": "e", "model_id": "m"},
    ]
    for item in emulator.run_many(items, check_mode=True)["deployments"]:
        assert item["prediction"]["kind"] == "bounds"
        assert "the order of the changes is not known" in item["prediction"]["reasons"][0]
        assert "Node n1: 0 to " in item["prediction"]["reasons"][1]


def test_a_deployment_that_is_being_stopped(emulator: Emulator) -> None:
    launched(emulator, number_of_allocations=8)
    emulator.effect("stop_deployment", deployment_id="d")
    result = emulator.run(True, deployment_id="d", model_id="m", number_of_allocations=8)
    assert (result["operation"], result["allocations"]["assigned"]) == ("start", 8)


def test_neighbours_that_are_being_stopped_refuse_nothing(emulator: Emulator) -> None:
    launched(emulator, number_of_allocations=8)
    emulator.effect("stop_deployment", deployment_id="d")
    result = emulator.run(True, model_id="other", threads_per_allocation=2)
    assert result["start_checks"]["capacity"] == "short"
    assert "may have no room for the allocation of deployment 'other'" in result["warnings"][0]
    assert result["prediction"]["kind"] == "bounds"
    assert result["prediction"]["reasons"][0].startswith("When Elasticsearch plans again after the stop of another")
    assert emulator.run(True, model_id="other", threads_per_allocation=8)["failed"], "no node has 8 processors"


def test_a_plan_after_a_stop_that_fails() -> None:
    """On one node the plan for the short ones throws once `a` is gone (planner.md 1.1)."""
    with Emulator("8.18.1", ("n1=6,1gb",), (("m", 100 << 20), ("other", 20 << 20))) as emulator:
        emulator.effect("set_node", node_id="id-n1", memory=900 << 20)
        emulator.effect("set_setting", **{**LAZY, "value": 9})
        for name, model, number, threads in (
            ("a", "m", 2, 2),
            ("b", "m", 2, 1),
            ("c", "other", 3, 1),
            ("d", "m", 3, 2),
        ):
            emulator.effect(
                "start_deployment",
                model_id=model,
                deployment_id=name,
                number_of_allocations=number,
                threads_per_allocation=threads,
            )
            emulator.settle()
        result = emulator.run(deployment_id="a", state="restarted", wait_timeout=20)
        assert "bug" not in result["msg"]


def test_a_start_that_one_order_of_plan_and_write_accepts() -> None:
    """`b` waits for places; Elasticsearch plans again after the stop of `a` before the start of `d`, or after it."""
    with Emulator("8.9.2", ("n1=4,16gb", "n2=4,1gb"), (("m", 100 << 20), ("other", 20 << 20))) as emulator:
        emulator.effect("set_setting", **LAZY)
        launched(emulator, "a", number_of_allocations=4)
        launched(emulator, "b", number_of_allocations=2, threads_per_allocation=4)
        launched(emulator, "c", number_of_allocations=2, threads_per_allocation=4)
        emulator.effect("set_setting", **{**LAZY, "value": 0})
        items: list[Json] = [{"deployment_id": "a", "state": "stopped"}, {"deployment_id": "d", "model_id": "other"}]
        result = emulator.run_many(items, check_mode=True)
        assert not result.get("failed")
        assert [item["start_checks"]["capacity"] for item in result["deployments"]] == [None, "short"]
        assert result["deployments"][1]["prediction"]["kind"] == "bounds"


def test_a_decrease_may_come_before_the_plan_after_a_stop() -> None:
    with Emulator("8.18.1", ("n1=7,16gb",)) as emulator:
        emulator.effect("set_setting", **{**LAZY, "value": 9})
        launched(emulator, "a")
        launched(emulator, "b", number_of_allocations=4)
        launched(emulator, "c", number_of_allocations=6, threads_per_allocation=2)
        items: list[Json] = [
            {"deployment_id": "a", "state": "stopped"},
            {"deployment_id": "b", "number_of_allocations": 3},
            {"deployment_id": "c", "number_of_allocations": 5},
        ]
        last = emulator.run_many(items, check_mode=True)["deployments"][2]["prediction"]
        assert last["kind"] == "bounds"
        assert last["reasons"][1:] == ["Node n1: 1 to 2 allocations."]


def test_what_was_predicted_with_bounds_is_not_known_later(emulator: Emulator) -> None:
    launched(emulator, number_of_allocations=1)
    emulator.effect("shut_down_node", node_id="id-n1")
    first = emulator.run(True, deployment_id="d", number_of_allocations=2, preflight="warn")
    entries = {"deployments": first["ansible_facts"]["elasticsearch_ml_deployments"]}
    entries["deployments"]["d"] |= {"has_predicted_places": False, "routing_table": {}}
    second = emulator.run(True, model_id="other", predictions=entries)
    assert second["prediction"]["kind"] == "bounds"


def test_figures_of_memory_count_from_the_version_that_plans_with_them() -> None:
    figures = {"per_deployment_memory_bytes": 4 << 30, "per_allocation_memory_bytes": 1 << 30}
    for version, refused in (("8.10.4", False), ("8.11.4", True)):
        with Emulator(version, ("n1=4,2gb",)) as emulator:
            emulator._inner.cluster.models["m"].config["metadata"] = figures
            assert bool(emulator.run(True, model_id="m").get("failed")) == refused


def test_a_decrease_that_waits_for_a_start_leaves_the_order_open(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=3)
    items: list[Json] = [
        {"deployment_id": "d", "number_of_allocations": 1},
        {"deployment_id": "e", "model_id": "m"},
    ]
    for item in emulator.run_many(items, check_mode=True)["deployments"]:
        assert "the order of the changes is not known" in item["prediction"]["reasons"][0]


def test_nodes_of_several_versions_make_the_rules_uncertain() -> None:
    with Emulator("8.18.1") as emulator:
        launched(emulator)
        emulator.effect("set_setting", name="mixed_versions", value="patch")
        result = emulator.run(True, deployment_id="d", number_of_allocations=3)
        assert result["prediction"]["kind"] == "bounds"
        assert result["prediction"]["reasons"][0].startswith("It is not certain by which rules")


def test_nodes_of_several_architectures_make_a_start_uncertain(emulator: Emulator) -> None:
    assert emulator.run(True, model_id="m")["prediction"]["kind"] == "exact"
    emulator.effect("set_node", node_id="id-n2", architecture="linux-aarch64")
    prediction = emulator.run(True, model_id="m")["prediction"]
    assert prediction["kind"] == "bounds"
    assert prediction["reasons"][0].startswith("The ML nodes have several architectures")


@pytest.mark.parametrize("threads", [4, 8])
def test_nodes_without_an_awareness_attribute_may_get_allocations(threads: int) -> None:
    with Emulator("8.18.1", ("n1=2,2gb,a", "n2=4,2gb")) as emulator:
        emulator.effect("set_setting", name="cluster.routing.allocation.awareness.attributes", value="zone")
        result = emulator.run(True, model_id="m", threads_per_allocation=threads)
        assert bool(result.get("failed")) == (threads == 8)
        if threads == 4:
            assert result["prediction"]["kind"] == "bounds"
            assert "Nodes lack an awareness attribute" in result["prediction"]["reasons"][0]


def test_a_fault_of_the_planner_stops_no_task(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(Forecast, "start", fails)
    result = emulator.run(True, model_id="m")
    assert result["start_checks"]["capacity"] == "not_read"
    assert "please report this as a bug" in result["prediction"]["reasons"][0]


def test_a_node_that_shuts_down_makes_a_decrease_uncertain(emulator: Emulator) -> None:
    launched(emulator, number_of_allocations=6)
    emulator.control("POST", "/effects", {"do": "shut_down_node", "node_id": "id-n1"})
    result = emulator.run(True, deployment_id="d", number_of_allocations=1)
    assert result["prediction"]["kind"] == "bounds"
    assert "shutting down" in result["prediction"]["reasons"][0]


def test_a_decrease_of_what_has_no_place_yet(emulator: Emulator) -> None:
    emulator.effect("set_setting", **LAZY)
    launched(emulator, number_of_allocations=10)
    result = emulator.run(True, deployment_id="d", number_of_allocations=9)
    assert (result["allocations"]["assigned"], result["prediction"]["kind"]) == (8, "exact")


def test_more_ways_than_are_followed() -> None:
    """Test stops while another deployment is short: Elasticsearch may plan it again after each of them."""
    with Emulator("9.5.3", ("n1=16,64gb", "n2=16,64gb")) as emulator:
        emulator.effect("set_setting", **LAZY)
        for number in range(10):
            launched(emulator, f"d{number}")
        launched(emulator, "short", number_of_allocations=40)
        stops: list[Json] = [{"deployment_id": f"d{number}", "state": "stopped"} for number in range(10)]
        few, many = (
            emulator.run_many([*some, {"deployment_id": "short", "number_of_allocations": 41}], check_mode=True)
            for some in (stops[:1], stops)
        )
    assert few["deployments"][-1]["prediction"] == {"kind": "exact", "missing": [], "reasons": []}
    assert many["deployments"][-1]["prediction"]["reasons"] == [
        "It is not known what an earlier change leaves.",
        "When Elasticsearch plans again after the stop of another deployment is not known.",
        "Node n1: 0 to 16 allocations.",
        "Node n2: 0 to 16 allocations.",
    ]


def test_later_tasks_plan_from_the_predicted_nodes(emulator: Emulator) -> None:
    first = emulator.run(True, model_id="m", deployment_id="d", number_of_allocations=4)
    entries = {"deployments": first["ansible_facts"]["elasticsearch_ml_deployments"]}
    second = emulator.run(True, model_id="m", deployment_id="e", number_of_allocations=4, predictions=entries)
    assert second["prediction"]["kind"] == "exact"
    assert list(first["routing_table"]) != list(second["routing_table"])
    entries["deployments"]["d"]["has_predicted_places"] = False
    for route in entries["deployments"]["d"]["routing_table"].values():
        route["target_allocations"] = None
    unknown = emulator.run(True, model_id="m", deployment_id="e", predictions=entries)
    assert unknown["prediction"]["kind"] == "bounds"
    assert unknown["prediction"]["reasons"][0] == "The places, the number or the size of 'd' are not known."


@pytest.mark.parametrize(("version", "flavor"), [("8.3.3", "default"), ("9.5.3", "serverless")])
def test_servers_that_do_not_show_their_room(version: str, flavor: str) -> None:
    with Emulator(version, flavor=flavor) as emulator:
        prediction = emulator.run(True, model_id="m")["prediction"]
        assert (prediction["kind"], prediction["missing"], len(prediction["reasons"])) == (None, [], 1)


def test_without_the_privilege_monitor(emulator: Emulator) -> None:
    emulator.allow("manage_ml", "monitor_inference")
    result = emulator.run(True, model_id="m")
    assert result["prediction"]["kind"] == "bounds"
    assert {"what": "settings", "privilege": "monitor"} in result["prediction"]["missing"]
    assert result["allocations"]["assigned"] is None
    short = emulator.run(True, model_id="m", threads_per_allocation=16)
    assert short["start_checks"]["capacity"] == "short"
    assert short["warnings"][-1] == (
        "The ML nodes may have no room for the allocation of deployment 'm'. n1, n2: 4 processors, 16 needed."
    )


ODD: list[Json] = [
    {"status": 200, "body": []},
    {"status": 200, "body": "<html>secret of a proxy</html>"},
    {"status": 200, "body": {}},
    {"status": 500, "body": {"error": {"type": "x", "reason": "secret"}, "status": 500}},
    {"status": 404, "body": {"error": "secret"}},
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: f"{odd['status']} {odd['body']}")
def test_an_odd_answer_about_memory_stops_nothing(odd: Json) -> None:
    with Emulator("9.1.0") as emulator:
        emulator.fault("memory", {"type": "answer", **odd})
        dry = emulator.run(check_mode=True, model_id="m", number_of_allocations=2)
        assert not dry.get("failed")
        assert dry["prediction"]["kind"] == "bounds"
        assert dry["prediction"]["missing"] == [{"what": "memory", "privilege": None}]
        [warning] = dry["warnings"]
        assert warning.startswith("The memory of the ML nodes could not be read, though no privilege is lacking")
        assert "secret" not in str(dry)
        real = emulator.run(model_id="m", number_of_allocations=2)
        assert real["allocations"]["running"] == 2
        assert not emulator.run(check_mode=True, model_id="other", preflight="off").get("failed")


def test_nothing_is_said_of_nodes_that_are_not_shown() -> None:
    with Emulator("9.1.0") as emulator:
        emulator.allow("manage_ml", "monitor_inference")
        emulator.fault("memory", {"type": "answer", **ODD[0]})
        result = emulator.run(True, model_id="m", threads_per_allocation=16)
        assert (result["changed"], result["start_checks"]["capacity"]) == (True, "not_read")
        assert result["prediction"]["kind"] is None


@pytest.mark.parametrize("growing", [False, True])
def test_a_plan_that_throws_names_what_does_not_fit(growing: bool) -> None:
    """Test the worked example ``one-figure-7238``: the second allocation needs memory that nothing looks at."""
    with Emulator("8.18.1", ("n1=4,830mb",), (("m", 100 << 20),)) as emulator:
        emulator._inner.cluster.models["m"].config["metadata"] = {"per_allocation_memory_bytes": 600 << 20}
        if growing:
            emulator.effect("set_setting", **LAZY)
        for check_mode in (True, False):
            result = emulator.run(check_mode, model_id="m", number_of_allocations=2)
            assert result["failure"] == {"code": "no_capacity"}
            assert result["msg"].startswith(
                "Elasticsearch refuses the change of deployment 'm', because its plan puts more of deployment 'm' "
                "on node n1 than has room there."
            )
        refused = emulator.run(model_id="m", number_of_allocations=2, preflight="off")
        assert "Elasticsearch answered 400" in refused["msg"]

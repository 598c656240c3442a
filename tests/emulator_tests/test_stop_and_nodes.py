# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test stop, and what nodes do by themselves (server-behaviour.md 3.3, 4.6, 4.7)."""

from __future__ import annotations

from emulator_tests.api import Api


def test_stop_goes_through_its_states() -> None:
    """Test server-behaviour.md 4.6."""
    api = Api()
    api.started(number=5)
    api.effect("stop_deployment", deployment_id="m")
    stopping = api.assignment()
    assert (stopping["assignment_state"], stopping["reason"]) == ("stopping", "client API call")
    assert "allocation_status" not in api.deployment_stats()
    assert api.deployment_stats()["reason"] == "client API call"
    api.tick()
    assert {route["routing_state"] for route in api.assignment()["routing_table"].values()} == {"started"}
    api.tick()
    assert api.emulator.control("GET", "/state")["deployments"] == {}
    assert api.audit()[-1] == "Stopped deployment"


def test_stop_waits_until_everything_is_gone() -> None:
    """Test server-behaviour.md 1.3."""
    api = Api(clock="eager")
    api.started(number=5)
    assert api.stop().body == {"stopped": True}
    assert api.emulator.control("GET", "/state")["deployments"] == {}
    assert api.writes()[-1]["committed"]


def test_stop_of_what_stops_already() -> None:
    """Test server-behaviour.md 3.3."""
    api = Api(clock="eager")
    api.started()
    api.effect("stop_deployment", deployment_id="m")
    assert api.stop().body == {"stopped": True}
    assert not api.writes()[-1]["committed"]


def test_stop_of_nothing() -> None:
    """Test server-behaviour.md 1.3 and 3.3."""
    api = Api(clock="eager")
    api.started("d")
    for name in ("none", "*", "_all", "m"):
        assert api.stop(name).body == {"stopped": True}
        assert not api.writes()[-1]["committed"]
    answer = api.stop("none", allow_no_match="false")
    assert (answer.status, answer.reason) == (404, "No known model deployment with id [none]")
    assert list(api.emulator.control("GET", "/state")["deployments"]) == ["d"]


def test_body_replaces_the_query() -> None:
    """Test server-behaviour.md 1.3."""
    api = Api(clock="eager")
    path = "/_ml/trained_models/m/deployment/_stop"
    assert api.send("POST", path, {"finish_pending_work": True, "force": True}).status == 200
    refused = api.send("POST", path, {"force": True}, force="true")
    assert refused.reason == f"request [{path}] contains unrecognized parameter: [force]"
    assert api.send("POST", f"{path}?force").status == 200
    api.emulator.control("POST", "/unknowns", {"stop_query_finish_pending_work": "refuse"})
    assert api.send("POST", path, None, finish_pending_work="true").status == 400
    api.emulator.control("POST", "/unknowns", {"stop_query_finish_pending_work": "accept"})
    assert api.send("POST", path, None, finish_pending_work="true").status == 200


def test_pipeline_holds_a_deployment() -> None:
    """Test server-behaviour.md 3.3."""
    api = Api(clock="eager")
    api.started()
    api.effect("put_pipeline_reference", pipeline="p", model_id="m")
    answer = api.stop()
    assert (answer.status, answer.type) == (409, "status_exception")
    assert answer.reason == (
        "Cannot stop deployment [m] as it is referenced by ingest processors; use force to stop the deployment"
    )
    assert api.stats("m")["trained_model_stats"][0]["pipeline_count"] == 1
    assert api.stop(force="true").status == 200


def test_pipeline_holds_a_deployment_by_alias() -> None:
    """Test server-behaviour.md 3.3."""
    api = Api(clock="eager")
    api.send("PUT", "/_ml/trained_models/m/model_aliases/nick")
    api.started()
    api.effect("put_pipeline_reference", pipeline="p", model_id="nick")
    assert "has a model_alias [nick] that is still referenced" in api.stop().reason
    api.effect("remove_pipeline", pipeline="p")
    assert api.stop().status == 200


def test_older_wording() -> None:
    """Test server-behaviour.md 3.3."""
    api = Api("8.7.1", clock="eager")
    api.start()
    api.effect("put_pipeline_reference", pipeline="p", model_id="m")
    assert api.stop().reason.startswith("Cannot stop deployment for model [m] as it is referenced")


def test_stop_frees_room_for_others() -> None:
    """Test server-behaviour.md 4.6."""
    api = Api(nodes={"n1": 4}, clock="eager")
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=2)
    api.started("a", 3, model_id="m")
    api.started("b", 3, model_id="other")
    assert api.targets("b") == {"n1": 1}
    assert api.stop("a").status == 200
    api.settle()
    assert api.counts("b") == {"n1": 3}
    assert api.audit()[-1] == "Rebalanced trained model allocations because [model deployment stopped]"


# --- nodes ---


def test_loss_moves_allocations() -> None:
    """Test server-behaviour.md 4.7."""
    api = Api()
    api.started(number=3)
    api.effect("remove_node", node_id="n1")
    assert api.targets() == {"n2": 3}
    assert api.assignment()["assignment_state"] == "starting"
    api.settle()
    assert api.assignment()["assignment_state"] == "started"
    assert api.audit()[-1] == "Rebalanced trained model allocations because [nodes changed]"


def test_loss_without_room_leaves_a_reason() -> None:
    """Test server-behaviour.md 4.7."""
    api = Api()
    api.started(number=6)
    api.effect("remove_node", node_id="n1")
    api.settle()
    left = api.assignment()
    assert (left["task_parameters"]["number_of_allocations"], api.counts()) == (6, {"n2": 4})
    assert "insufficient allocated processors" in left["reason"]
    assert api.deployment_stats()["allocation_status"]["state"] == "started"


def test_join_alone_spreads_nothing() -> None:
    """Test server-behaviour.md 4.7."""
    api = Api(nodes={"n1": 4})
    api.started(number=4)
    before = api.targets()
    api.effect("add_node", node_id="n9", processors=8, memory="16gb")
    assert api.targets() == before


def test_join_helps_what_lacks_something() -> None:
    """Test server-behaviour.md 4.7."""
    api = Api(nodes={"n1": 4})
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=9)
    api.started(number=6)
    api.effect("add_node", node_id="n9", processors=8, memory="16gb")
    assert sum(api.targets().values()) == 6
    assert "reason" not in api.assignment()


def test_failed_route_stays_until_the_next_plan() -> None:
    """Test server-behaviour.md 4.3."""
    api = Api()
    api.started(number=5)
    api.effect("fail_route", deployment_id="m", node_id="n2", reason="boom")
    assert not api.tick()
    assert api.assignment()["routing_table"]["n2"]["routing_state"] == "failed"
    api.update(number_of_allocations=6)
    assert api.assignment()["routing_table"]["n2"] | {"target_allocations": 0} == {
        "current_allocations": 1,
        "target_allocations": 0,
        "routing_state": "starting",
        "reason": "",
    }


def test_all_routes_failed() -> None:
    """Test server-behaviour.md 2.3 and 4.7."""
    api = Api()
    api.started()
    api.effect("fail_route", deployment_id="m", reason="boom")
    stats = api.deployment_stats()
    assert stats["state"] == "failed"
    assert stats["reason"] == "All node routes are failed; see node route reason for details"
    assert stats["nodes"][0]["routing_state"] == {"routing_state": "failed", "reason": "boom"}
    assert api.assignment()["assignment_state"] == "starting"
    assert api.update(number_of_allocations=2).status == 409


def test_held_nodes_do_not_catch_up() -> None:
    api = Api()
    api.effect("hold", deployment_id="m")
    api.start()
    assert not api.tick()
    api.effect("release", deployment_id="m")
    assert api.tick()


def test_load_fails_as_often_as_planted() -> None:
    """Test server-behaviour.md 4.2."""
    api = Api()
    api.effect("fail_next_load", reason="boom", times=1)
    api.start(number_of_allocations=5)
    api.tick()
    states = [route["routing_state"] for route in api.assignment()["routing_table"].values()]
    assert states == ["failed", "started"]

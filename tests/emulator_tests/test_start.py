# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test start: the server's checks in their order, capacity, and waiting (server-behaviour.md 1.1, 3.1, 4.2)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.inprocess import ConnectionDropped
from emulator.state.nodes import Node
from emulator_tests.api import Api

GB = 1 << 30


def test_first_answer_and_catching_up() -> None:
    """Test server-behaviour.md 4.2."""
    api = Api()
    answer = api.start(number_of_allocations=5)
    assert answer.status == 200
    assert answer.assignment["assignment_state"] == "starting"
    assert answer.assignment["routing_table"] == {
        "n1": {"current_allocations": 4, "target_allocations": 4, "routing_state": "starting", "reason": ""},
        "n2": {"current_allocations": 1, "target_allocations": 1, "routing_state": "starting", "reason": ""},
    }
    assert answer.assignment["max_assigned_allocations"] == 5
    assert api.tick()
    assert api.assignment()["assignment_state"] == "started"
    assert api.deployment_stats()["allocation_status"]["state"] == "fully_allocated"
    assert not api.tick()


@pytest.mark.parametrize("wait_for", ["started", "fully_allocated"])
def test_waiting_lets_an_eager_clock_tick(wait_for: str) -> None:
    """Test server-behaviour.md 3.1."""
    api = Api(clock="eager")
    answer = api.start(number_of_allocations=5, wait_for=wait_for)
    assert {route["routing_state"] for route in answer.assignment["routing_table"].values()} == {"started"}
    planned = "Rebalanced trained model allocations because [model deployment started]"
    assert api.audit() == [planned, "Started deployment"]


def test_defaults_follow_the_model_and_the_version() -> None:
    """Test server-behaviour.md 1.1."""
    for version, queue in (("8.16.4", 1024), ("8.17.0", 10000)):
        parameters = Api(version).start().assignment["task_parameters"]
        assert parameters["queue_capacity"] == queue
        assert parameters["cache_size"] == "1000b"
        assert parameters["model_bytes"] == 1000


def test_adaptive_minimum_is_the_first_number() -> None:
    """Test server-behaviour.md 1.1."""
    settings = {"enabled": True, "min_number_of_allocations": 3, "max_number_of_allocations": 4}
    answer = Api().start(body={"adaptive_allocations": settings})
    assert answer.assignment["task_parameters"]["number_of_allocations"] == 3
    assert answer.assignment["adaptive_allocations"] == settings


def test_deployment_id_in_the_body_is_ignored() -> None:
    """Test server-behaviour.md 1.1."""
    answer = Api().start(body={"deployment_id": "mine"})
    assert answer.assignment["task_parameters"]["deployment_id"] == "m"


def test_empty_deployment_id_in_the_query_is_an_id() -> None:
    """Test server-behaviour.md 1.1."""
    assert Api().start(deployment_id="").assignment["task_parameters"]["deployment_id"] == ""


def test_alias_stands_for_its_model() -> None:
    """Test server-behaviour.md 1.1."""
    api = Api()
    assert api.send("PUT", "/_ml/trained_models/m/model_aliases/nick").status == 200
    parameters = api.start("nick").assignment["task_parameters"]
    assert (parameters["model_id"], parameters["deployment_id"]) == ("m", "nick")


def test_old_names_in_the_query() -> None:
    """Test server-behaviour.md 1.1."""
    assert Api("8.19.21").start(model_threads=2, inference_threads=2).status == 200
    refused = Api("9.5.3").start(model_threads=2)
    assert refused.status == 400
    assert "unrecognized parameter: [model_threads]" in refused.reason


def test_old_names_in_the_body_warn() -> None:
    """Test server-behaviour.md 1.1."""
    for old, new in (("model_threads", "number_of_allocations"), ("inference_threads", "threads_per_allocation")):
        answer = Api().start(body={old: 2})
        assert answer.assignment["task_parameters"][new] == 2
        assert f"Deprecated field [{old}] used" in answer.headers["Warning"]


def test_query_wins_over_body() -> None:
    """Test server-behaviour.md 1.1."""
    answer = Api().start(body={"number_of_allocations": 2, "priority": "normal"}, number_of_allocations=3)
    assert answer.assignment["task_parameters"]["number_of_allocations"] == 3


def test_parameters_come_with_their_version() -> None:
    """Test server-behaviour.md 1.1."""
    assert "unrecognized parameter: [deployment_id]" in Api("8.7.1").start(deployment_id="x").reason
    assert "unrecognized parameter: [priority]" in Api("8.5.3").start(priority="low").reason
    assert "unrecognized parameter: [cache_size]" in Api("8.3.3").start(cache_size="0").reason
    assert "unknown field [adaptive_allocations]" in Api("8.15.5").start(body={"adaptive_allocations": {}}).reason


def test_names_before_8_3() -> None:
    """Test server-behaviour.md 2.1."""
    answer = Api("8.2.3").start(model_threads=2, inference_threads=2)
    assert set(answer.body) == {"allocation"}
    allocation = answer.body["allocation"]
    assert allocation["task_parameters"] == {
        "model_id": "m",
        "model_bytes": 1000,
        "inference_threads": 2,
        "model_threads": 2,
        "queue_capacity": 1024,
    }
    assert allocation["allocation_state"] == "starting"
    assert allocation["routing_table"] == {"n1": {"routing_state": "starting", "reason": ""}}


# --- refusals ---


def _exists(api: Api) -> None:
    api.start()


def _hundred(api: Api) -> None:
    api.emulator.cluster.nodes["n1"] = Node("n1", 1000, 10_000 * GB)
    for index in range(100):
        assert api.start("other", deployment_id=f"d{index}").status == 200


def _model(**fields: Any) -> Any:
    def prepare(api: Api) -> None:
        api.emulator.control("POST", "/models", {"model_id": "m", **fields})

    return prepare


def _setting(name: str) -> Any:
    return lambda api: api.effect("set_setting", name=name, value=True)


REFUSALS = [
    (_setting("mixed_versions"), "m", 403, "Cannot start model deployment [m] while cluster upgrade is in progress."),
    (_hundred, "m", 429, "Could not start model deployment because existing deployments reached the limit of [100]"),
    (_exists, "m", 400, "Could not start model deployment because an existing deployment with the same id [m] exist"),
    (lambda api: None, "none", 404, "Could not find trained model [none]"),
    (
        lambda api: None,
        "*",
        400,
        "cannot deploy more than one model at the same time; [*] matches models [m, other]",
    ),
    (
        _model(model_type="tree_ensemble"),
        "m",
        400,
        "model [m] of type cannot be deployed. Only PyTorch models can be deployed",
    ),
    (_model(has_location=False), "m", 500, "model [m] does not have location"),
    (
        _model(downloading=True),
        "m",
        408,
        "Model download task is currently running. Wait for trained model [m] download task to complete then try again",
    ),
    (_model(missing_parts="all"), "m", 404, "Could not find trained model definition [m]"),
    (
        _model(missing_parts=1),
        "m",
        400,
        "Model definition truncated. Unable to deserialize trained model definition [m]",
    ),
    (
        _setting("feature_reset"),
        "m",
        409,
        "cannot create new assignment [m] for model [m] while feature reset is in progress.",
    ),
]


@pytest.mark.parametrize(("prepare", "model_id", "status", "reason"), REFUSALS, ids=[each[3][:40] for each in REFUSALS])
def test_refused(prepare: Any, model_id: str, status: int, reason: str) -> None:
    """Test server-behaviour.md 3.1."""
    api = Api()
    prepare(api)
    before = api.state_version
    answer = api.start(model_id)
    assert (answer.status, answer.reason) == (status, reason)
    assert api.state_version == before
    assert not api.writes()[-1]["committed"]


def test_licence() -> None:
    """Test server-behaviour.md 3.1."""
    api = Api()
    api.effect("set_setting", name="license", value="basic")
    answer = api.start()
    assert answer.status == 403
    assert answer.body["error"]["license.expired.feature"] == "ml"


def test_deployment_id_of_another_model() -> None:
    """Test server-behaviour.md 3.1."""
    answer = Api().start(deployment_id="other")
    assert answer.status == 400
    assert answer.reason == (
        "Deployment id [other] is the same as an another model which is not the model being deployed. "
        "Deployment id can be the same as the model being deployed but cannot match a different model"
    )


def test_validation_comes_before_existence() -> None:
    api = Api()
    api.start()
    answer = api.start(number_of_allocations=0, threads_per_allocation=3, queue_capacity=0, timeout="0s")
    assert answer.type == "action_request_validation_exception"
    assert answer.reason == (
        "Validation Failed: 1: [number_of_allocations] must be a positive integer;"
        "2: [threads_per_allocation] must be a power of 2 less than or equal to 32;"
        "3: [queue_capacity] must be a positive integer;4: [timeout] must be positive;"
    )


# --- capacity ---


def test_nothing_fits() -> None:
    """Test server-behaviour.md 3.1 and 5.2."""
    answer = Api().start(threads_per_allocation=8)
    assert (answer.status, answer.type) == (429, "status_exception")
    assert answer.reason == "Could not start deployment because no ML nodes with sufficient capacity were found"
    cause = answer.body["error"]["caused_by"]
    assert cause["type"] == "illegal_state_exception"
    explained = (
        "Could not start deployment because no suitable nodes were found, allocation explanation [Could not assign"
    )
    assert cause["reason"].startswith(explained)


def test_some_fit() -> None:
    """Test server-behaviour.md 3.1."""
    api = Api()
    answer = api.start(number_of_allocations=9)
    assert answer.status == 429
    assert answer.reason == (
        "Could not start deployment because there are not enough resources to provide all requested allocations"
    )
    assert api.stats()["trained_model_stats"][0].get("deployment_stats") is None


def test_some_fit_and_the_cluster_can_grow() -> None:
    api = Api()
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=3)
    answer = api.start(number_of_allocations=9, wait_for="starting")
    assert answer.status == 200
    assert api.targets() == {"n1": 4, "n2": 4}
    assert "insufficient allocated processors" in answer.assignment["reason"]
    assert api.effect("add_node", node_id="n3", processors=4) == {"applied": True}
    assert sum(api.targets().values()) == 9
    assert "reason" not in api.assignment()


# --- waiting ---


def test_time_out_keeps_the_deployment() -> None:
    """Test server-behaviour.md 3.1."""
    api = Api()
    answer = api.start(wait_for="started", timeout="90s")
    assert (answer.status, answer.type) == (408, "model_deployment_timeout_exception")
    assert answer.reason == (
        "Timed out after [1.5m] waiting for trained model deployment [m] to start. Use the trained model stats API to "
        "track the state of the deployment and try again once it has started."
    )
    assert api.writes()[-1]["committed"]
    api.settle()
    assert api.assignment()["assignment_state"] == "started"
    assert api.start().status == 400


def test_held_nodes_time_out_on_an_eager_clock() -> None:
    """Test server-behaviour.md 3.1."""
    api = Api(clock="eager")
    api.fault("start", {"type": "effect", "effect": {"do": "hold", "deployment_id": "m"}})
    assert api.start(wait_for="started").status == 408


def test_failed_route_deletes_the_deployment() -> None:
    """Test server-behaviour.md 3.1."""
    api = Api(clock="eager")
    api.effect("fail_next_load", reason="no space left", node_id="n1")
    answer = api.start(wait_for="started")
    assert (answer.status, answer.type) == (500, "status_exception")
    assert answer.reason == (
        "Could not start trained model deployment, the following nodes failed with errors [{n1=no space left}]"
    )
    assert api.emulator.control("GET", "/state")["deployments"] == {}


def test_removed_while_waiting() -> None:
    """Test server-behaviour.md 3.1."""
    api = Api(clock="eager")
    api.emulator.cluster.listeners.append(lambda: api.emulator.cluster.drop_assignment("m"))
    answer = api.start(wait_for="started")
    assert answer.status == 400
    assert answer.reason == (
        "Error waiting for the model deployment to start. The trained model assignment was removed while waiting"
    )


def test_stopped_while_waiting_is_answered_as_it_is() -> None:
    api = Api(clock="eager")
    api.emulator.cluster.listeners.append(lambda: api.emulator.cluster.assignments["m"].stop("client API call"))
    assert api.start(wait_for="started").assignment["assignment_state"] == "stopping"


def test_stop_that_cannot_end_gives_no_answer() -> None:
    """Test server-behaviour.md 1.3."""
    api = Api()
    api.started()
    with pytest.raises(ConnectionDropped):
        api.stop()
    assert api.assignment()["assignment_state"] == "stopping"
    assert api.writes()[-1] | {"n": 0} == {
        "n": 0,
        "method": "POST",
        "path": "/_ml/trained_models/m/deployment/_stop",
        "query": {},
        "body": None,
        "status": None,
        "committed": True,
    }

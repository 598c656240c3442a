# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test how pipelines and endpoints protect deployments (server-behaviour.md 3.1 row 7, 3.2 row 5, 3.3)."""

from __future__ import annotations

import pytest

from emulator_tests.api import Api
from emulator_tests.endpoint_requests import attach, change, put

BEFORE_AND_AFTER = [("8.18.8", False), ("9.0.1", False), ("8.19.0", True), ("9.1.10", True), ("9.5.3", True)]


# --- start ---


@pytest.mark.parametrize("version", ["8.13.0", "9.5.3"])
def test_start_of_a_model_named_like_an_endpoint(version: str) -> None:
    """Test server-behaviour.md 3.1 row 7.

    After the check for a deployment of the id (row 6), before the model is looked for.
    """
    api = Api(version, clock="eager")
    settings = {"num_allocations": 1, "num_threads": 1, "model_id": "m"}
    body = {"service": "elasticsearch", "service_settings": settings}
    # The endpoint is stored, but its deployment may not have the id of another model (server-behaviour.md 3.1 row 12).
    put_answer = api.send("PUT", "/_inference/sparse_embedding/other", body)
    assert put_answer.reason.startswith("Deployment id [other] is the same as an another model")
    answer = api.start("other")
    reason = "Model IDs must be unique. Requested model ID [other] matches existing model IDs but must not."
    assert (answer.status, answer.type, answer.reason) == (400, "status_exception", reason)
    api.emulator.control("POST", "/unknowns", {"endpoint_start_check": "accept"})
    assert api.start("other").status == 200
    api.emulator.control("POST", "/unknowns", {"endpoint_start_check": "refuse"})
    assert "with the same id [other] exist" in api.start("other").reason
    api.effect("remove_deployment", deployment_id="other")
    assert api.start("other").reason == reason
    api.emulator.control("POST", "/unknowns", {"endpoint_start_check": "by_version"})
    assert api.start("other").reason == reason


def test_row_7_comes_before_the_missing_model() -> None:
    """Test server-behaviour.md 3.1 row 7, 3.1 row 8."""
    assert "Model IDs must be unique" in Api().start(".elser-2-elasticsearch").reason
    assert Api("8.12.2").start(".elser-2-elasticsearch").status == 404


# --- update ---


@pytest.mark.parametrize(("version", "status"), [("8.19.21", 200), ("9.1.10", 200), ("9.2.0", 409), ("9.5.3", 409)])
def test_update_of_a_deployment_that_an_endpoint_made(version: str, status: int) -> None:
    """Test server-behaviour.md 3.2 row 5: since 9.2.0; its messages are not in 8.19.21 and 9.1.10."""
    api = Api(version, clock="eager")
    put(api)
    answer = api.update("e", number_of_allocations=2)
    assert answer.status == status
    if status == 409:
        assert answer.reason == (
            "Cannot update deployment [e] as it was created by inference endpoint [e]."
            " This model deployment must be updated through the inference API."
        )
        assert change(api, num_allocations=2).status == 200


def test_update_is_refused_before_the_deployment_is_looked_for() -> None:
    """Test server-behaviour.md 3.2 row 5 comes before row 6, and after validation."""
    api = Api(clock="eager")
    put(api)
    api.effect("remove_deployment", deployment_id="e")
    assert api.update("e", number_of_allocations=2).status == 409
    assert api.update("e", number_of_allocations=0).status == 400
    # A default endpoint that was never used counts, too.
    assert api.update(".elser-2-elasticsearch", number_of_allocations=2).status == 409


def test_update_of_a_deployment_that_endpoints_merely_use() -> None:
    """Test server-behaviour.md 3.2 row 5: attached endpoints do not matter."""
    api = Api(clock="eager")
    api.started("d")
    attach(api, "e", "d")
    assert api.update("d", number_of_allocations=2).status == 200


@pytest.mark.parametrize(
    ("version", "choice", "status"),
    [
        ("8.19.21", "refuse", 409),
        ("8.19.21", "by_version", 200),
        ("9.5.3", "by_version", 409),
        ("9.5.3", "accept", 200),
    ],
)
def test_possibilities_of_the_update(version: str, choice: str, status: int) -> None:
    """Test server-behaviour.md 11: the versions of the check are not all known."""
    api = Api(version, clock="eager")
    api.emulator.control("POST", "/unknowns", {"endpoint_update_check": choice})
    put(api)
    assert api.update("e", number_of_allocations=2).status == status


def test_scaler_does_not_mind() -> None:
    """Test server-behaviour.md 6: the scaler skips the check."""
    api = Api(clock="eager")
    put(api)
    assert api.effect("set_number", deployment_id="e", number_of_allocations=2) == {"applied": True}


def test_other_services_own_nothing() -> None:
    api = Api(clock="eager")
    api.started("d")
    body = {"service": "openai", "service_settings": {"api_key": "x", "model_id": "d"}}
    api.send("PUT", "/_inference/completion/x", body)
    assert api.update("d", number_of_allocations=2).status == 200
    assert api.stop("d").status == 200


# --- stop ---


@pytest.mark.parametrize(("version", "refused"), BEFORE_AND_AFTER)
def test_stop_of_a_deployment_that_an_endpoint_made(version: str, refused: bool) -> None:
    """Test server-behaviour.md 3.3."""
    api = Api(version, clock="eager")
    put(api)
    answer = api.stop("e")
    assert answer.status == (409 if refused else 200)
    if refused:
        assert answer.type == "status_exception"
        assert answer.reason == "Cannot stop deployment [e] as it was created by inference endpoint [e]"
        assert api.stop("e", force="true").body == {"stopped": True}


@pytest.mark.parametrize(("version", "refused"), BEFORE_AND_AFTER)
def test_stop_of_a_deployment_that_an_endpoint_uses(version: str, refused: bool) -> None:
    """Test server-behaviour.md 3.3."""
    api = Api(version, clock="eager")
    api.started("d")
    attach(api, "e", "d")
    answer = api.stop("d")
    assert answer.status == (409 if refused else 200)
    if refused:
        assert answer.reason == "Cannot stop deployment [d] as it is used by inference endpoint [e]"
        api.emulator.control("POST", "/unknowns", {"endpoint_stop_advice": "use_force"})
        assert api.stop("d").reason.endswith("endpoint [e]; use force to stop the deployment")
        api.emulator.control("POST", "/unknowns", {"endpoint_stop_advice": "none"})
        assert api.stop("d").reason.endswith("endpoint [e]")


@pytest.mark.parametrize(
    ("version", "choice", "status"),
    [("8.18.8", "refuse", 409), ("8.18.8", "by_version", 200), ("9.5.3", "by_version", 409), ("9.5.3", "accept", 200)],
)
def test_possibilities_of_the_stop(version: str, choice: str, status: int) -> None:
    """Test server-behaviour.md 11: the versions of the check are not all known."""
    api = Api(version, clock="eager")
    api.emulator.control("POST", "/unknowns", {"endpoint_stop_check": choice})
    put(api)
    assert api.stop("e").status == status


def test_stop_of_nothing_asks_no_endpoint() -> None:
    """Test server-behaviour.md 3.3: what is not deployed is stopped."""
    api = Api(clock="eager")
    put(api)
    api.effect("remove_deployment", deployment_id="e")
    assert api.stop("e").body == {"stopped": True}


def test_pipelines_come_before_endpoints() -> None:
    """Test server-behaviour.md 3.3, the order of its table."""
    api = Api(clock="eager")
    put(api)
    api.effect("put_pipeline_reference", pipeline="p", model_id="e")
    assert "referenced by ingest processors" in api.stop("e").reason
    api.effect("remove_pipeline", pipeline="p")
    assert "created by inference endpoint" in api.stop("e").reason


def test_broken_endpoint_is_mended_by_a_deployment_of_its_id() -> None:
    """Test the repair that pull request 129325 describes."""
    api = Api(clock="eager")
    put(api)
    api.stop("e", force="true")
    assert api.start("m", deployment_id="e").status == 200

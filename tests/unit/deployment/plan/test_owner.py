# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test updates through the inference endpoint that owns a deployment, and its settings for a missing deployment."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.scenario_helpers import between, owned

Json = dict[str, t.Any]
BOUNDS: Json = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
PAST: Json = {"deployment_id": "ep", "on_endpoint_owned": "update_deployment"}
NO_MASTER = (503, [("content-type", "application/json"), ("X-elastic-product", "Elasticsearch")], b"{}")
THROUGH: Json = {"deployment_id": "ep", "on_endpoint_owned": "update_endpoint"}


def test_an_endpoint_gets_all_adaptive_allocations_because_it_replaces_the_object() -> None:
    with Emulator("9.5.3") as emulator:
        owned(emulator)
        assert emulator.run(**THROUGH, adaptive_allocations=BOUNDS)["changed"]
        result = emulator.run(**THROUGH, adaptive_allocations={"max_number_of_allocations": 6})
    [request] = result["api_calls"]
    assert request["path"] == "/_inference/sparse_embedding/ep/_update"
    adaptive = {**BOUNDS, "max_number_of_allocations": 6}
    assert request["body"] == {"service_settings": {"adaptive_allocations": adaptive}}


@pytest.mark.parametrize(
    ("version", "change", "message"),
    [
        ("8.16.0", {"number_of_allocations": 3}, "the number of allocations through inference endpoint 'ep'"),
        ("9.1.10", {"adaptive_allocations": BOUNDS}, "a fixed number to adaptive allocations through inference end"),
    ],
)
def test_an_update_through_the_endpoint_needs_a_version_that_has_it(version: str, change: Json, message: str) -> None:
    with Emulator(version) as emulator:
        owned(emulator)
        result = emulator.run(**THROUGH, **change)
        assert emulator.journal() == []
    assert result["failure"] == {"code": "unsupported_version"}
    assert f"Elasticsearch {version} cannot change {message}" in result["msg"]
    assert "Set on_endpoint_owned to update_deployment, which changes only the deployment." in result["msg"]
    assert result["msg"].endswith("or newer.")


@pytest.mark.parametrize("change", [{"number_of_allocations": 3}, {"adaptive_allocations": BOUNDS}])
def test_an_update_past_the_endpoint_says_what_the_endpoint_keeps(change: Json) -> None:
    keeps = {
        "number_of_allocations": "num_allocations 1 instead of 3",
        "adaptive_allocations": "adaptive_allocations {enabled: false} instead of {enabled: true, "
        "min_number_of_allocations: 1, max_number_of_allocations: 4}",
    }
    with Emulator("9.1.10") as emulator:
        owned(emulator)
        checked, real = (emulator.run(mode, **PAST, **change) for mode in (True, False))
        assert [each["path"] for each in emulator.journal()] == ["/_ml/trained_models/ep/deployment/_update"]
    [name] = change
    assert (
        checked["warnings"] == real["warnings"] == [f"Inference endpoint 'ep' keeps the old settings: {keeps[name]}."]
    )


def test_an_update_that_agrees_with_the_endpoint_warns_of_nothing() -> None:
    """Test a deployment that another client changed behind its endpoint, which shows what it has stored."""
    with Emulator("8.16.0") as emulator:
        owned(emulator)
        emulator.effect("set_number", deployment_id="ep", number_of_allocations=2)
        emulator.settle()
        result = emulator.run(**PAST, number_of_allocations=1)
    assert (result["changed"], result["warnings"]) == (True, [])


def test_newer_versions_refuse_an_update_past_the_endpoint_before_it_is_sent() -> None:
    with Emulator("9.5.3") as emulator:
        owned(emulator)
        result = emulator.run(**PAST, number_of_allocations=3)
        assert emulator.journal() == []
    assert result["msg"] == (
        "Elasticsearch 9.5.3 cannot change the number of allocations of deployment 'ep', which belongs to the "
        "inference endpoint of that name. Set on_endpoint_owned to update_endpoint, which changes both."
    )


@pytest.mark.parametrize("asked", ["fail", "update_endpoint", "update_deployment"])
@pytest.mark.parametrize("version", ["9.1.10", "9.5.3"])
def test_an_endpoint_that_comes_with_elasticsearch_cannot_be_updated(version: str, asked: str) -> None:
    name, model = ".elser-2-elasticsearch", ".elser_model_2_linux-x86_64"
    with Emulator(version, models=((model, 1 << 20),)) as emulator:
        emulator.effect("start_deployment", model_id=model, deployment_id=name, number_of_allocations=1)
        emulator.settle()
        result = emulator.run(deployment_id=name, number_of_allocations=2, on_endpoint_owned=asked)
        if version == "9.1.10" and asked == "update_deployment":
            assert "inference endpoint '.elser-2-elasticsearch' keeps" in str(result["warnings"]).lower()
            assert result["changed"]
            return
    advice = (
        "Set on_endpoint_owned to update_deployment, which changes only the deployment."
        if version == "9.1.10"
        else "It comes with Elasticsearch, and no request changes it: make an inference endpoint of your own."
    )
    assert result["msg"].endswith(advice)


def test_serverless_has_a_name_for_its_version() -> None:
    name, model = ".elser-2-elasticsearch", ".elser_model_2_linux-x86_64"
    with Emulator("9.5.3", models=((model, 1 << 20),), flavor="serverless") as emulator:
        emulator.effect("start_deployment", model_id=model, deployment_id=name)
        emulator.settle()
        result = emulator.run(deployment_id=name, adaptive_allocations={"max_number_of_allocations": 2})
    assert result["msg"].startswith("Elasticsearch Serverless cannot change the adaptive allocations of deployment")


def test_a_refusal_that_no_reading_showed_advises_only_what_works() -> None:
    for change, advice in (
        (
            {"adaptive_allocations": BOUNDS},
            "cannot change a fixed number to adaptive allocations through that endpoint",
        ),
        ({"number_of_allocations": 3}, "Set on_endpoint_owned to update_endpoint, which changes the endpoint, too"),
    ):
        with Emulator("9.1.10") as emulator:
            emulator.control("POST", "/unknowns", {"endpoint_update_check": "refuse"})
            owned(emulator)
            result = emulator.run(**PAST, **change)
            assert emulator.deployments()["ep"]["task_parameters"]["number_of_allocations"] == 1
        assert result["failure"] == {"code": "request_rejected"}
        assert advice in result["msg"]


def test_a_restart_may_go_past_the_endpoint_if_the_task_says_so() -> None:
    with Emulator("9.5.3") as emulator:
        owned(emulator)
        asked: Json = {"state": "restarted", "on_referenced": "force", "number_of_allocations": 3}
        refused = emulator.run(deployment_id="ep", **asked)
        assert "or set on_endpoint_owned to update_deployment" in refused["msg"]
        result = emulator.run(**PAST, **asked)
    assert result["deployment"]["number_of_allocations"] == 3
    assert "Inference endpoint 'ep' keeps the old settings: num_allocations 1 instead of 3." in result["warnings"]


# --- chunking settings ---

RESET = (
    "The update also changed the chunking settings of inference endpoint 'ep', as some versions of Elasticsearch do "
    "with any update of an endpoint. No request puts them back before Elasticsearch 9.5."
)
UNREAD = (
    "The chunking settings of inference endpoint 'ep' could not be read after the update, which may have changed them."
)


@pytest.mark.parametrize(
    ("version", "choice", "warned"),
    [("8.17.0", "reset", True), ("8.19.21", "reset", True), ("9.1.10", "kept", False), ("9.2.8", "by_version", False)],
)
def test_chunking_settings_that_an_update_resets_are_reported(version: str, choice: str, warned: bool) -> None:
    with Emulator(version) as emulator:
        emulator.control("POST", "/unknowns", {"endpoint_update_chunking": choice})
        owned(emulator)
        result = emulator.run(**THROUGH, number_of_allocations=3)
        assert result["warnings"] == ([RESET] if warned else [])
        again = emulator.run(**THROUGH, number_of_allocations=2)
        assert again["warnings"] == []


def test_chunking_settings_that_cannot_be_read_are_reported() -> None:
    with Emulator("9.1.10") as emulator:
        owned(emulator)
        between(emulator, lambda path, forward: NO_MASTER if path == "/_inference/ep" else forward())
        assert emulator.run(**THROUGH, number_of_allocations=3)["warnings"] == [UNREAD]


# --- lost deployments ---


@pytest.mark.parametrize("given", [{}, {"number_of_allocations": 3}])
def test_a_missing_deployment_is_started_as_its_endpoint_says_unless_the_task_does(given: Json) -> None:
    with Emulator("9.5.3") as emulator:
        owned(emulator)
        emulator.effect("remove_deployment", deployment_id="ep")
        result = emulator.run(deployment_id="ep", **given)
    assert (result["operation"], result["deployment"]["model_id"]) == ("start", "m")
    assert result["deployment"]["number_of_allocations"] == given.get("number_of_allocations", 1)


@pytest.mark.parametrize(("model", "warning"), [("m", ""), ("alias", ""), ("other", "model_id m instead of other")])
def test_a_missing_deployment_whose_model_is_named_is_started_as_its_endpoint_says(model: str, warning: str) -> None:
    with Emulator("9.5.3") as emulator:
        settings = {"model_id": "m", "num_threads": 2, "num_allocations": 2}
        body = {"service": "elasticsearch", "service_settings": settings}
        emulator.send({"method": "PUT", "path": "/_inference/sparse_embedding/ep", "query": {}, "body": body})
        emulator.send({"method": "PUT", "path": "/_ml/trained_models/m/model_aliases/alias", "query": {}, "body": None})
        emulator.effect("remove_deployment", deployment_id="ep")
        checked, real = (emulator.run(mode, deployment_id="ep", model_id=model) for mode in (True, False))
        assert checked["api_calls"] == real["api_calls"]
        assert checked["warnings"] == real["warnings"]
        again = emulator.run(deployment_id="ep", model_id=model)
        assert (again["changed"], again.get("msg")) == (False, None)
    found = real["deployment"]
    expected = ("other", 1, 1) if warning else ("m", 2, 2)
    assert (found["model_id"], found["threads_per_allocation"], found["number_of_allocations"]) == expected
    assert warning in "".join(real["warnings"])
    assert bool(warning) == bool(real["warnings"])


def test_a_start_that_differs_from_the_endpoint_says_so() -> None:
    with Emulator("9.5.3") as emulator:
        owned(emulator)
        emulator.effect("remove_deployment", deployment_id="ep")
        result = emulator.run(deployment_id="ep", model_id="m", number_of_allocations=3, threads_per_allocation=2)
    assert result["warnings"] == [
        "Inference endpoint 'ep' keeps the old settings: num_allocations 1 instead of 3; num_threads 1 instead of 2."
    ]


def test_a_deployment_that_an_endpoint_is_attached_to_is_the_users_own() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=2)
        emulator.settle()
        body = {"service": "elasticsearch", "service_settings": {"deployment_id": "d"}}
        emulator.send({"method": "PUT", "path": "/_inference/sparse_embedding/e", "query": {}, "body": body})
        emulator.effect("remove_deployment", deployment_id="d")
        result = emulator.run(deployment_id="d", model_id="m")
    assert (result["deployment"]["number_of_allocations"], result["warnings"]) == (1, [])

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test update and deletion of inference endpoints (Elasticsearch's public inference sources and tests)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Api
from emulator_tests.endpoint_requests import ADAPTIVE, VERSIONS, attach, change, put, shown

# --- update ---


@pytest.mark.parametrize("version", VERSIONS)
def test_update_changes_the_deployment(version: str) -> None:
    api = Api(version, clock="eager")
    put(api)
    answer = change(api, num_allocations=3)
    assert answer.body["service_settings"] == {"num_allocations": 3, "num_threads": 1, "model_id": "m"}
    assert api.assignment("e")["task_parameters"]["number_of_allocations"] == 3
    assert api.audit()[-1] == "Updated number_of_allocations to [3]"
    assert shown(api)["service_settings"]["num_allocations"] == 3


def test_update_of_adaptive_allocations() -> None:
    api = Api(clock="eager")
    put(api, num_allocations=None, adaptive_allocations=ADAPTIVE)
    wider = {**ADAPTIVE, "max_number_of_allocations": 6}
    assert change(api, adaptive_allocations=wider).body["service_settings"]["adaptive_allocations"] == wider
    assert api.assignment("e")["adaptive_allocations"] == wider


@pytest.mark.parametrize(("choice", "status"), [("yes", 200), ("no", 400)])
def test_number_besides_adaptive_allocations(choice: str, status: int) -> None:
    """Test both possibilities: an endpoint's update counts as internal, which may set a number, or as a client's."""
    api = Api(clock="eager")
    api.emulator.control("POST", "/unknowns", {"endpoint_update_is_internal": choice})
    put(api, num_allocations=None, adaptive_allocations=ADAPTIVE)
    answer = change(api, num_allocations=3)
    assert answer.status == status
    if status == 400:
        assert answer.reason.endswith("cannot be set if adaptive allocations is enabled;")


@pytest.mark.parametrize(
    ("version", "choice", "status"),
    [
        ("9.1.10", "by_version", 400),
        ("9.5.3", "by_version", 200),
        ("9.5.3", "refuse", 400),
        ("9.1.10", "accept", 200),
    ],
)
def test_possibilities_of_adaptive_updates(version: str, choice: str, status: int) -> None:
    """Test that an older server updates only a number (pull request 114457)."""
    api = Api(version, clock="eager")
    api.emulator.control("POST", "/unknowns", {"endpoint_update_adaptive": choice})
    put(api, num_allocations=None, adaptive_allocations=ADAPTIVE)
    answer = change(api, adaptive_allocations={**ADAPTIVE, "max_number_of_allocations": 2})
    assert answer.status == status
    if status == 400:
        assert answer.reason.startswith("Failed to parse [num_allocations] of update request [")


def test_update_that_changes_nothing() -> None:
    api = Api(clock="eager")
    put(api)
    before = api.state_version
    assert change(api, num_allocations=1).status == 200
    assert api.state_version == before
    older = Api("9.2.1", clock="eager")
    put(older)
    # Other settings are ignored without a word (issue 137129).
    assert change(older, num_threads=4).body["service_settings"]["num_threads"] == 1


OFF = {"enabled": False}
ONE_OF_TWO = "[service_settings] does not contain one of the required settings [num_allocations, adaptive_allocations];"


@pytest.mark.parametrize(
    ("version", "choice", "both", "neither", "other"),
    [
        ("9.2.1", "by_version", 200, 200, 200),
        ("9.5.3", "by_version", 400, 400, 200),
        ("9.2.1", "exactly_one", 400, 400, 200),
        ("9.5.3", "both", 200, 200, 200),
        ("9.5.3", "strict", 400, 400, 400),
    ],
)
def test_settings_that_an_update_takes_together(version: str, choice: str, both: int, neither: int, other: int) -> None:
    api = Api(version, clock="eager")
    api.emulator.control("POST", "/unknowns", {"endpoint_update_settings": choice})
    put(api, num_allocations=None, adaptive_allocations=ADAPTIVE)
    answer = change(api, num_allocations=2, adaptive_allocations=OFF)
    assert answer.status == both
    if both == 400:
        assert answer.reason.endswith("[num_allocations] cannot be set if [adaptive_allocations] is set;")
    answer = change(api, num_threads=4)
    assert answer.status == neither
    if choice == "exactly_one":
        assert answer.reason.endswith(ONE_OF_TWO)
    assert change(api, adaptive_allocations=OFF, num_threads=4).status == other


@pytest.mark.parametrize(("choice", "enabled"), [("keeps_adaptive", True), ("ends_adaptive", False)])
def test_number_alone_while_adaptive_allocations_are_enabled(choice: str, enabled: bool) -> None:
    """Test that the endpoint forgets its adaptive allocations, which its deployment may keep."""
    api = Api("9.5.3", clock="eager")
    api.emulator.control("POST", "/unknowns", {"endpoint_update_number_alone": choice})
    put(api, num_allocations=None, adaptive_allocations=ADAPTIVE)
    answer = change(api, num_allocations=3)
    assert answer.body["service_settings"] == {"num_allocations": 3, "num_threads": 1, "model_id": "m"}
    assignment = api.assignment("e")
    assert assignment["task_parameters"]["number_of_allocations"] == 3
    assert assignment["adaptive_allocations"] == {**ADAPTIVE, "enabled": enabled}


@pytest.mark.parametrize(
    ("version", "choice", "reset"),
    [
        ("8.19.8", "by_version", True),
        ("8.19.21", "by_version", False),
        ("9.1.10", "by_version", True),
        ("9.2.8", "by_version", False),
        ("9.5.3", "reset", True),
        ("9.1.10", "kept", False),
    ],
)
def test_chunking_settings_after_an_update(version: str, choice: str, reset: bool) -> None:
    api = Api(version, clock="eager")
    api.emulator.control("POST", "/unknowns", {"endpoint_update_chunking": choice})
    put(api)
    before = shown(api)["chunking_settings"]
    change(api, num_allocations=2)
    word = {"strategy": "word", "max_chunk_size": 250, "overlap": 100}
    assert shown(api)["chunking_settings"] == (word if reset else before) != {}
    assert before["strategy"] == "sentence"


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("9.2.8", "Validation Failed: 1: Invalid inference_id; '.elser-2-elasticsearch' can contain lowercase"),
        ("9.5.3", "Default endpoint [.elser-2-elasticsearch] cannot be updated"),
    ],
)
def test_update_of_a_default(version: str, reason: str) -> None:
    answer = change(Api(version), ".elser-2-elasticsearch", num_allocations=2)
    assert answer.status == 400
    assert answer.reason.startswith(reason)


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("sparse_embedding/e", {}, 400, "Request body is empty"),
        ("e", {"service_settings": {}}, 400, "model is missing required setting [task_type]"),
        ("rerank/e", {"service_settings": {}}, 400, "Task type must match the task type of the existing endpoint"),
        (
            "rerank/none",
            {"task_settings": {}},
            404,
            "The inference endpoint [none] does not exist and cannot be updated",
        ),
        (
            "rerank/e",
            {"service": "x"},
            400,
            "Request contained fields which cannot be updated, remove these fields and try again [{service=x}]",
        ),
        ("rerank/e", {"task_settings": 1}, 400, "Unable to parse [task_settings] in the request [{task_settings=1}]"),
    ],
)
def test_refused_updates(path: str, body: Any, status: int, reason: str) -> None:
    api = Api(clock="eager")
    put(api)
    answer = api.send("PUT", f"/_inference/{path}/_update", body)
    assert (answer.status, answer.reason) == (status, reason)


def test_update_of_an_endpoint_whose_deployment_is_gone() -> None:
    api = Api(clock="eager")
    put(api)
    api.effect("remove_deployment", deployment_id="e")
    assert change(api, num_allocations=2).status == 404


def test_update_through_an_attached_endpoint() -> None:
    """Test that the owner of the deployment decides who changes it from 9.2 on; before, every client may."""
    api = Api(clock="eager")
    api.started("d")
    put(api)
    attach(api, "on-d", "d")
    attach(api, "on-e", "e")
    answer = change(api, "on-d", num_allocations=2)
    assert (answer.status, answer.reason) == (
        409,
        "Cannot update inference endpoint [on-d] using model deployment [d]."
        " The model deployment must be updated through the trained models API.",
    )
    answer = change(api, "on-e", num_allocations=2)
    assert (answer.status, answer.reason) == (
        409,
        "Cannot update inference endpoint [on-e] for model deployment [e] as it was created by another inference"
        " endpoint. The model can only be updated using inference endpoint id [e].",
    )
    older = Api("9.1.10", clock="eager")
    older.started("d")
    attach(older, "on-d", "d")
    assert change(older, "on-d", num_allocations=2).status == 200
    assert older.assignment("d")["task_parameters"]["number_of_allocations"] == 2
    oldest = Api("8.17.0", clock="eager")
    oldest.started("d")
    attach(oldest, "on-d", "d")
    assert change(oldest, "on-d", num_allocations=2).status == 404


def test_update_that_does_not_fit_changes_nothing() -> None:
    api = Api(clock="eager")
    put(api)
    assert change(api, num_allocations=99).status == 429
    assert shown(api)["service_settings"]["num_allocations"] == 1


def test_type_in_the_body_of_an_update_by_version() -> None:
    body = {"task_type": "sparse_embedding", "service_settings": {"num_allocations": 2}}
    for version, status in (("8.17.0", 400), ("8.17.10", 200), ("9.5.3", 200)):
        api = Api(version, clock="eager")
        put(api)
        assert api.send("PUT", "/_inference/e/_update", body).status == status
    assert Api("8.15.3").send("PUT", "/_inference/sparse_embedding/e/_update", body).status == 400


def test_chunking_settings_of_an_update() -> None:
    """Test pull request 149723: they are replaced as a whole, and an empty object leaves those that are there."""
    api = Api(clock="eager")
    put(api)
    words = {"strategy": "word", "max_chunk_size": 40, "overlap": 5}

    def send(chunks: Any, **more: Any) -> Any:
        return api.send("PUT", "/_inference/sparse_embedding/e/_update", {"chunking_settings": chunks, **more})

    assert send(words).body["chunking_settings"] == words
    assert send({}).body["chunking_settings"] == words
    assert send({"strategy": "word"}).status == send({"strategy": "bogus"}).status == 400
    assert send({"strategy": "none"}, service_settings={"num_allocations": 2}).status == 200
    assert shown(api)["chunking_settings"] == {"strategy": "none"}
    assert api.assignment("e")["task_parameters"]["number_of_allocations"] == 2
    older = Api("9.4.0", clock="eager")
    put(older)
    answer = older.send("PUT", "/_inference/sparse_embedding/e/_update", {"chunking_settings": words})
    assert answer.reason.startswith("Request contained fields which cannot be updated")


@pytest.mark.parametrize(
    ("version", "choice", "status"),
    [
        ("8.18.8", "by_version", 200),
        ("9.1.10", "by_version", 200),
        ("9.2.8", "by_version", 200),
        ("9.5.3", "by_version", 200),
        ("9.5.3", "strict", 400),
    ],
)
def test_whole_settings_as_terraform_sends_them(version: str, choice: str, status: int) -> None:
    """Test what the Terraform provider sends with every update: all settings of the service, and not the service.

    The strict parser refuses the model and the threads, though they are as they were.
    """
    api = Api(version, clock="eager")
    api.emulator.control("POST", "/unknowns", {"endpoint_update_settings": choice})
    whole = {"model_id": "m", "num_allocations": 1, "num_threads": 1}
    created = {"service": "elasticsearch", "service_settings": whole, "task_settings": {}}
    assert api.send("PUT", "/_inference/sparse_embedding/tf", created).status == 200
    update = {"service_settings": {**whole, "num_allocations": 2}, "task_settings": {}}
    answer = api.send("PUT", "/_inference/sparse_embedding/tf/_update", update)
    assert answer.status == status
    assert shown(api, "tf")["service_settings"]["num_allocations"] == (2 if status == 200 else 1)
    if status == 400:
        assert answer.body["error"]["caused_by"]["reason"] == "[num_threads] cannot be updated"
        assert answer.reason.endswith("[service_settings] failed to parse field [num_threads]")
        model = change(api, "tf", model_id="m", num_allocations=2)
        assert (model.type, model.reason[model.reason.index(" ") :]) == (
            "x_content_parse_exception",
            " [service_settings] unknown field [model_id]",
        )
        assert (
            api.send(
                "PUT", "/_inference/sparse_embedding/tf/_update", {"service_settings": {"num_allocations": 2}}
            ).status
            == 200
        )


# --- delete ---


def test_delete_stops_the_deployment() -> None:
    api = Api(clock="eager")
    put(api)
    answer = api.send("DELETE", "/_inference/e")
    assert answer.body == {"acknowledged": True, "pipelines": [], "indexes": []}
    assert api.emulator.control("GET", "/state")["deployments"] == {}
    assert api.send("DELETE", "/_inference/e").status == 404


def test_delete_while_something_names_it() -> None:
    api = Api(clock="eager")
    put(api)
    api.effect("put_pipeline_reference", pipeline="p", model_id="e")
    api.effect("put_semantic_text_reference", index="i", inference_id="e")
    text = (
        "Inference endpoint e is referenced by pipelines: [p]. Ensure that no pipelines are using this inference"
        " endpoint, or use force to ignore this warning and delete the inference endpoint."
        "Inference endpoint e is being used in the mapping for indexes: [i]. Ensure that no index mappings are using"
        " this inference endpoint, or use force to ignore this warning and delete the inference endpoint."
    )
    answer = api.send("DELETE", "/_inference/e")
    assert (answer.status, answer.type, answer.reason) == (409, "status_exception", text)
    dry = api.send("DELETE", "/_inference/e", None, dry_run="true")
    assert (dry.status, dry.body) == (
        200,
        {"acknowledged": False, "pipelines": ["p"], "indexes": ["i"], "error_message": text},
    )
    assert api.send("GET", "/_inference/e").status == 200
    assert api.send("DELETE", "/_inference/sparse_embedding/e", None, force="true").body["acknowledged"] is True


ELSER = "/_inference/.elser-2-elasticsearch"
RESERVED = "[.elser-2-elasticsearch] is a reserved inference endpoint."


@pytest.mark.parametrize(("choice", "status"), [("comes_back", 200), ("stays_deleted", 404)])
def test_delete_of_a_default(choice: str, status: int) -> None:
    """Test issue 155724: it is there again at the next read, without a deployment until it is used."""
    api = Api(clock="eager")
    api.emulator.control("POST", "/unknowns", {"preset_after_delete": choice, "preset_delete": "with_force"})
    assert api.send("POST", ELSER, {"input": "x"}).status == 200
    answer = api.send("DELETE", ELSER)
    assert answer.reason == f"{RESERVED} Use the force=true query parameter to delete the inference endpoint."
    assert api.send("DELETE", ELSER, None, dry_run="true").body["acknowledged"] is False
    assert api.send("DELETE", ELSER, None, force="").body == {"acknowledged": True, "pipelines": [], "indexes": []}
    assert api.send("GET", ELSER).status == status
    assert api.emulator.control("GET", "/state")["deployments"] == {}
    assert api.send("POST", ELSER, {"input": "x"}).status == status


def test_default_that_cannot_be_deleted() -> None:
    """Test the refusal that an older public test of the action has."""
    api = Api()
    api.emulator.control("POST", "/unknowns", {"preset_delete": "never"})
    for query in ({}, {"force": "true"}):
        answer = api.send("DELETE", ELSER, None, **query)
        assert (answer.status, answer.reason) == (400, f"{RESERVED} Cannot delete a reserved inference endpoint.")


def test_semantic_text_of_an_index_that_a_client_made() -> None:
    """Test that the mapping counts, at any depth, and for indices that are hidden."""
    api = Api(clock="eager")
    put(api)
    field = {"type": "semantic_text", "inference_id": "e"}
    mappings = {"properties": {"a": {"properties": {"b": field}}}}
    assert api.send("PUT", "/texts", {"mappings": mappings}).status == 200
    search = {"properties": {"a": {"type": "semantic_text", "inference_id": "x", "search_inference_id": "e"}}}
    assert api.send("PUT", "/more", {"mappings": search, "settings": {"hidden": True}}).status == 200
    dry = api.send("DELETE", "/_inference/e", None, dry_run="true").body
    assert dry["indexes"] == ["more", "texts"]
    assert "being used in the mapping for indexes: [more, texts]" in dry["error_message"]
    assert api.send("DELETE", "/_inference/e").reason == dry["error_message"]
    assert api.send("DELETE", "/texts").status == api.send("DELETE", "/more").status == 200
    assert api.send("DELETE", "/_inference/e").status == 200


def test_answers_of_a_delete_before_indices_count() -> None:
    """Test inference_endpoint:65-77: 8.15 knows pipelines only; before, there is no dry run."""
    api = Api("8.15.3", clock="eager")
    put(api)
    api.effect("put_semantic_text_reference", index="i", inference_id="e")
    assert api.send("DELETE", "/_inference/e", None, dry_run="true").body == {"acknowledged": False, "pipelines": []}
    assert api.send("DELETE", "/_inference/e").body == {"acknowledged": True, "pipelines": []}
    assert Api("8.14.3").send("DELETE", "/_inference/e", None, dry_run="true").status == 400


def test_delete_of_an_owner_while_others_are_attached() -> None:
    """Test that nothing protects them: they stay, and their deployment is gone (inf/action, public source)."""
    api = Api(clock="eager")
    put(api)
    attach(api, "f", "e")
    dry = api.send("DELETE", "/_inference/e", None, dry_run="true").body
    assert dry == {"acknowledged": False, "pipelines": [], "indexes": [], "error_message": ""}
    assert api.send("DELETE", "/_inference/e").status == 200
    assert shown(api, "f")["service_settings"]["deployment_id"] == "e"
    assert api.send("POST", "/_inference/f", {"input": "x"}).status == 404


@pytest.mark.parametrize(("choice", "most"), [("stored", 4), ("live", 2)])
def test_adaptive_allocations_that_get_shows(choice: str, most: int) -> None:
    """Test both: those that were given, or those of the deployment, which another way has changed."""
    api = Api("9.1.10", clock="eager")
    api.emulator.control("POST", "/unknowns", {"endpoint_shows_adaptive": choice})
    put(api, num_allocations=None, adaptive_allocations=ADAPTIVE)
    api.update("e", adaptive_allocations={"max_number_of_allocations": 2})
    settings = shown(api)["service_settings"]
    assert settings["adaptive_allocations"]["max_number_of_allocations"] == most
    api.effect("set_adaptive", deployment_id="e", adaptive_allocations=None)
    assert ("adaptive_allocations" in shown(api)["service_settings"]) is (choice == "stored")


def test_reset_forgets_endpoints() -> None:
    api = Api(clock="eager")
    put(api)
    api.emulator.control("POST", "/reset")
    assert api.emulator.control("GET", "/state")["endpoints"] == {}

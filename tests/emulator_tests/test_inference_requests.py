# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test inference: requests, answers and refusals (public ``_infer`` classes)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Api
from emulator_tests.inference_requests import ML, Json, infer

_LABELS = ["negative", "positive"]


def deployed(config: Json, version: str = "9.5.3", **settings: Any) -> Api:
    """Return an emulator with a deployed model ``task`` of one inference configuration."""
    api = Api(version, clock="eager")
    answer = api.send("PUT", f"{ML}/task", {"model_type": "pytorch", "inference_config": config})
    assert answer.status == 200, answer.body
    part = {"definition": "eHh4eA==", "total_definition_length": 4, "total_parts": 1}
    assert api.send("PUT", f"{ML}/task/definition/0", part).status == 200
    assert api.send("PUT", f"{ML}/task/vocabulary", {"vocabulary": ["a"]}).status == 200
    assert api.start("task", deployment_id="task", cache_size="0", **settings).status == 200
    api.settle()
    return api


def result(api: Api, text: str, config: Json | None = None) -> Json:
    """Return the one result."""
    answer = infer(api, "task", text, config)
    assert answer.status == 200, answer.body
    (found,) = answer.body["inference_results"]
    return dict(found)


# --- answers ---


@pytest.mark.parametrize(
    ("stored", "update", "keys"),
    [
        ({"text_classification": {"classification_labels": _LABELS}}, None, ["predicted_value"]),
        (
            {"text_classification": {"classification_labels": _LABELS, "num_top_classes": 2}},
            None,
            ["predicted_value", "top_classes"],
        ),
        ({"zero_shot_classification": {"classification_labels": ["entailment", "neutral", "contradiction"]}},
         {"zero_shot_classification": {"labels": ["a", "b"]}},
         ["predicted_value", "top_classes"]),
        ({"fill_mask": {}}, None, ["predicted_value", "top_classes"]),
        ({"question_answering": {}}, {"question_answering": {"question": "who?"}},
         ["predicted_value", "start_offset", "end_offset"]),
    ],
)  # fmt: skip
def test_classes_come_with_a_probability(stored: Json, update: Json | None, keys: list[str]) -> None:
    api = deployed(stored)
    found = result(api, "the [MASK] text", update)
    last = ["prediction_probability"] + (["predicted_value_sequence"] if "fill_mask" in stored else [])
    assert list(found) == keys + last
    assert 0 <= found["prediction_probability"] <= 1
    for entry in found.get("top_classes", ()):
        assert entry["class_score"] == entry["class_probability"] <= found["prediction_probability"]


def test_entities_have_their_places() -> None:
    found = result(deployed({"ner": {}}), "we met Josh in Berlin")
    assert [entity["entity"] for entity in found["entities"]] == ["Josh", "Berlin"]
    assert [(entity["start_pos"], entity["end_pos"]) for entity in found["entities"]] == [(7, 11), (15, 21)]
    kind = found["entities"][0]["class_name"]
    assert found["predicted_value"].startswith(f"we met [Josh]({kind}&Josh) in [Berlin]")


def test_embedding_is_as_long_as_the_model_says() -> None:
    vector = result(deployed({"text_embedding": {"embedding_size": 384}}), "x")["predicted_value"]
    assert len(vector) == 384
    assert sum(number * number for number in vector) == pytest.approx(1)


def test_expansion_weighs_tokens_and_similarity_is_a_number() -> None:
    weights = result(deployed({"text_expansion": {}}), "big red dog")["predicted_value"]
    assert set(weights) == {"big", "red", "dog"}
    assert min(weights.values()) > 0
    found = result(deployed({"text_similarity": {}}), "x", {"text_similarity": {"text": "y"}})
    assert isinstance(found["predicted_value"], float)


def test_the_same_text_gives_the_same_answer_under_the_name_that_was_asked_for() -> None:
    api = deployed({"pass_through": {}})
    first = result(api, "hello")
    assert result(api, "hello") == first != result(api, "bye")
    assert result(api, "hello", {"pass_through": {"results_field": "mine"}}) == {"mine": first["predicted_value"]}


def test_answer_offsets_are_in_the_text() -> None:
    text = "the answer is forty two"
    api = deployed({"question_answering": {}})
    found = result(api, text, {"question_answering": {"question": "what?", "num_top_classes": 3}})
    assert text[found["start_offset"] : found["end_offset"]] == found["predicted_value"]
    assert [entry["answer"] for entry in found["top_classes"]][0] == found["predicted_value"]


def test_several_documents_are_answered_in_their_order() -> None:
    api = Api()
    api.started(number=6)
    texts = [f"text {number}" for number in range(12)]
    answer = api.send("POST", f"{ML}/m/_infer", {"docs": [{"input": text} for text in texts]})
    assert answer.body["inference_results"] == [infer(api, text=text).body["inference_results"][0] for text in texts]
    # Four of the six allocations are on the first node.
    assert [node["inference_count"] for node in api.deployment_stats()["nodes"]] == [16, 8]


def test_old_path_takes_one_document_and_warns() -> None:
    api = Api()
    api.started()
    body: Json = {"docs": [{"input": "a"}]}
    answer = api.send("POST", f"{ML}/m/deployment/_infer", body)
    assert answer.body == infer(api, text="a").body["inference_results"][0]
    assert "is deprecated! Use [POST /_ml/trained_models/{model_id}/_infer] instead." in answer.headers["Warning"]
    body["docs"] *= 2
    refused = api.send("POST", f"{ML}/m/deployment/_infer", body)
    assert (refused.status, refused.reason) == (400, "Validation Failed: 1: multiple documents are not supported;")


def test_new_path_is_not_in_8_2_where_the_old_one_does_not_warn() -> None:
    api = Api("8.2.3")
    api.start()
    api.settle()
    assert "error" in infer(api).body
    answer = api.send("POST", f"{ML}/m/deployment/_infer", {"docs": [{"input": "a"}]})
    assert answer.status == 200
    assert "Warning" not in answer.headers


# --- refusals ---


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (None, 400, "requires body"),
        ({}, 400, "[docs] must not be null."),
        ({"docs": []}, 400, "Validation Failed: 1: at least one document is required ;"),
        ({"docs": "x"}, 400, "docs doesn't support values of type: VALUE_STRING"),
        ({"docs": [{"other": "x"}]}, 400, "Input field [input] does not exist in the source document"),
        ({"docs": ["x"]}, 400, "Input field [input] does not exist in the source document"),
        ({"docs": [{"input": ["x", 1]}]}, 400, "Input value [[x, 1]] for field [input] must be a string"),
        ({"docs": [{"input": "x"}], "doc": 1}, 400, "unknown field [doc] did you mean [docs]?"),
        ({"docs": [{"input": "x"}], "timeout": "2"}, 400, "failed to parse field [timeout]"),
        (
            {"docs": [{"input": "x"}], "inference_config": {"ner": {}}},
            403,
            "Trained model [m] is configured for task [pass_through] but called with task [ner]",
        ),
        (
            {"docs": [{"input": "x"}], "inference_config": {"pass_through": {"tokenization": {"roberta": {}}}}},
            400,
            "Tokenization config of type [bert] can not be updated with a request of type [roberta]",
        ),
    ],
)
def test_bad_requests(body: Json | None, status: int, reason: str) -> None:
    api = Api()
    api.started()
    answer = api.send("POST", f"{ML}/m/_infer", body)
    assert answer.status == status, answer.body
    assert answer.reason.endswith(reason)
    assert "inference_count" not in api.deployment_stats()


@pytest.mark.parametrize(
    ("config", "kind", "reason"),
    [
        ({"nope": {}}, "named_object_not_found_exception", "unknown field [nope]"),
        ({"ner": {"x": 1}}, "x_content_parse_exception", "[ner] unknown field [x]"),
        (
            {"text_classification": {"num_top_classes": []}},
            "x_content_parse_exception",
            "[text_classification] num_top_classes doesn't support values of type: START_ARRAY",
        ),
        ({"zero_shot_classification": {"labels": []}}, "status_exception", "[labels] must not be empty"),
    ],
)
def test_configuration_is_parsed_strictly(config: Json, kind: str, reason: str) -> None:
    api = Api()
    api.started()
    answer = infer(api, config=config)
    root = answer.body["error"]["root_cause"][0]
    assert (answer.status, root["type"]) == (400, kind)
    assert root["reason"].endswith(reason)
    assert answer.reason.endswith("failed to parse field [inference_config]")


@pytest.mark.parametrize(
    ("stored", "update", "text", "reason"),
    [
        ({"fill_mask": {}}, None, "nothing", "no [MASK] token could be found in the input"),
        ({"fill_mask": {}}, None, "[MASK] [MASK]", "only one [MASK] token should exist in the input"),
        ({"question_answering": {}}, None, "x", "[question] must not be null."),
        (
            {"text_classification": {"classification_labels": _LABELS}},
            {"text_classification": {"classification_labels": ["a"]}},
            "x",
            "The number of [classification_labels] the model is defined with [2] "
            "does not match the number in the update [1]",
        ),
        (
            {"zero_shot_classification": {"classification_labels": ["entailment", "neutral", "contradiction"]}},
            {"zero_shot_classification": {"multi_label": True}},
            "x",
            "stored configuration has no [labels] defined, supplied inference_config update must supply [labels]",
        ),
    ],
)
def test_what_a_task_demands(stored: Json, update: Json | None, text: str, reason: str) -> None:
    answer = infer(deployed(stored), "task", text, update)
    assert (answer.status, answer.reason) == (400, reason)


def test_model_that_is_not_there_or_not_deployed() -> None:
    api = Api()
    missing = infer(api, "nope")
    assert (missing.status, missing.type, missing.reason) == (
        404,
        "resource_not_found_exception",
        "Could not find trained model [nope]",
    )
    idle = infer(api)
    assert (idle.status, idle.reason) == (
        409,
        "Model [m] must be deployed to use. Please deploy with the start trained model deployment API.",
    )


def test_deployment_that_starts_or_stops() -> None:
    api = Api()
    api.start()
    starting = infer(api)
    assert (starting.status, starting.reason) == (
        409,
        "Trained model deployment [m] is not allocated to any nodes",
    )
    api.settle()
    api.effect("stop_deployment", deployment_id="m")
    assert (infer(api).status, infer(api).reason) == (409, "Trained model [m] is [stopping]")


@pytest.mark.parametrize(
    ("version", "stopping", "failed"),
    [
        ("8.7.1", "Trained model [m] is STOPPING", "Trained model [m] is not allocated to any nodes"),
        ("8.8.2", "Trained model [m] is [stopping]", "Trained model deployment [m] is not allocated to any nodes"),
    ],
)
def test_deployment_that_has_failed(version: str, stopping: str, failed: str) -> None:
    """Test that what has failed has no node, because the state failed is never stored (around-deployments.md 5.1)."""
    api = Api(version)
    api.start()
    api.settle()
    for effect, reason in (("fail_route", failed), ("stop_deployment", stopping)):
        api.effect(effect, deployment_id="m", **({"node_id": "n1"} if effect == "fail_route" else {}))
        assert (infer(api).status, infer(api).reason) == (409, reason)


def test_model_alias_and_deployment_lead_to_the_same() -> None:
    api = Api()
    api.started("dep")
    api.send("PUT", f"{ML}/m/model_aliases/nick")
    for name in ("m", "nick", "dep"):
        assert infer(api, name).status == 200
    assert api.deployment_stats("dep")["inference_count"] == 3


def test_basic_licence() -> None:
    api = Api()
    api.started()
    api.effect("set_setting", name="license", value="basic")
    assert (infer(api).status, infer(api).type) == (403, "security_exception")

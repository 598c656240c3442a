# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what a model gets by its task, and which refusals of an inference may pass."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.inference import (
    InferenceModel,
    error_in,
    example_docs,
    may_pass,
    needed_config,
    results_in,
    to_request,
)

Json = dict[str, t.Any]


def model(task: str | None, settings: Json | None = None, **more: t.Any) -> InferenceModel:
    config = {} if task is None else {"inference_config": {task: settings or {}}}
    return InferenceModel.from_api({"model_id": "m", "model_type": "pytorch", **config, **more})


@pytest.mark.parametrize(
    ("task", "settings", "text"),
    [
        (None, {}, "This is a test."),
        ("text_embedding", {}, "This is a test."),
        ("ner", {}, "Ada Lovelace lived in London."),
        ("fill_mask", {}, "This is a [MASK]."),
        ("fill_mask", {"tokenization": {"bert_ja": {}}}, "This is a [MASK]."),
        ("fill_mask", {"tokenization": {"roberta": {}}}, "This is a <mask>."),
        ("fill_mask", {"tokenization": {"roberta": {}}, "mask_token": "[X]"}, "This is a [X]."),
    ],
)
def test_the_text_of_a_task(task: str | None, settings: Json, text: str) -> None:
    assert example_docs(model(task, settings)) == [{"input": text}]
    named = model(task, settings, input={"field_names": ["text_field", "other"]})
    assert example_docs(named) == [{"text_field": text}]


def test_a_tree_gets_a_number_in_each_field() -> None:
    tree = model("regression", model_type="tree_ensemble", input={"field_names": ["a", "b.c"]})
    assert example_docs(tree) == [{"a": 0, "b.c": 0}]
    assert not tree.needs_deployment
    assert model("ner").needs_deployment


@pytest.mark.parametrize(
    ("task", "settings", "config"),
    [
        (None, {}, None),
        ("ner", {}, None),
        ("question_answering", {}, {"question_answering": {"question": "What is this?"}}),
        ("text_similarity", {}, {"text_similarity": {"text": "This is another test."}}),
        ("zero_shot_classification", {}, {"zero_shot_classification": {"labels": ["test", "other"]}}),
        ("zero_shot_classification", {"labels": ["a"]}, None),
    ],
)
def test_what_a_task_needs_beside_a_document(task: str | None, settings: Json, config: Json | None) -> None:
    assert needed_config(model(task, settings)) == config


def test_settings_of_another_form_are_none() -> None:
    assert InferenceModel.from_api({"model_id": "m", "inference_config": {"ner": "odd"}}).settings == {}


def test_the_request_by_version() -> None:
    new = to_request(Server("8.3.0", "default", ""), "a b", [{"x": 1}], {"ner": {}}, 2)
    assert (new.method, new.path, new.query) == ("POST", "/_ml/trained_models/a%20b/_infer", {"timeout": "2s"})
    assert new.body == {"docs": [{"x": 1}], "inference_config": {"ner": {}}}
    old = to_request(Server("8.2.3", "default", ""), "m", [{"x": 1}], None, 0.5)
    assert (old.path, old.query) == ("/_ml/trained_models/m/deployment/_infer", {"timeout": "500ms"})
    assert old.body == {"docs": [{"x": 1}]}


def test_the_answer_by_version() -> None:
    assert results_in({"inference_results": [{"predicted_value": 1}]}) == [{"predicted_value": 1}]
    assert results_in({"inference_results": None}) == []
    assert results_in({"predicted_value": 1}) == [{"predicted_value": 1}]


def error(status: int | None, reason: str, kind: t.Any = "server") -> ApiError:
    return ApiError(kind, reason, status=status, reason=reason or None)


@pytest.mark.parametrize(
    ("status", "reason", "why"),
    [
        (409, "Trained model [m] is not initialized", "not initialized"),
        (409, "Trained model deployment [m] is not allocated to any nodes", "no node runs it"),
        (409, "[m] process context missing", "not initialized"),
        (409, "Trained model [m] is [stopping]", "it is being stopped"),
        (409, "Trained model [m] is STOPPING", "it is being stopped"),
        (404, "Unable to find model deployment task [m] please stop and start", "its task is not found"),
        (429, "inference process queue is full. Unable to execute command", "its queue is full"),
        (
            429,
            "Rejected inference request waiting for an allocation of deployment [m]",
            "too many requests wait for it",
        ),
        (429, "inference process worker service has shutdown", "its process restarts"),
        (500, "Timed out when waiting for trained model assignment after 10s", "it does not wake yet"),
        (409, "Could not start, no ML nodes with sufficient capacity were found", "no node has room to wake it"),
        (500, "Error in inference process: [inference native process died unexpectedly]", "its process restarts"),
        (500, "Error in inference process: [inference canceled as process is stopping]", "its process restarts"),
        (408, "timeout [10s] waiting for inference result", "it took too long"),
    ],
)
def test_what_may_pass(status: int, reason: str, why: str) -> None:
    assert str(may_pass(error(status, reason))).startswith(why)


@pytest.mark.parametrize("kind", ["connection", "timeout", "unavailable"])
def test_faults_on_the_way_may_pass(kind: str) -> None:
    assert may_pass(error(None, "", kind))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "Input field [x] does not exist in the source document"),
        (403, "current license is non-compliant for [ml]"),
        (404, "Could not find trained model [m]"),
        (409, "Model [m] must be deployed to use."),
        (500, "Error in inference process: [the model is broken]"),
        (409, "[m] Error waiting for a model allocation, all nodes have failed with errors [{}]"),
    ],
)
def test_what_never_passes(status: int, reason: str) -> None:
    assert may_pass(error(status, reason)) is None


def test_errors_in_place_of_predictions() -> None:
    assert error_in([{"predicted_value": 1}, {}]) is None
    assert error_in([{}, {"error": "inference process queue is full. Unable"}]) == (
        "inference process queue is full. Unable",
        "its queue is full",
    )
    assert error_in([{"warning": "all fields were missing"}]) == ("all fields were missing", None)

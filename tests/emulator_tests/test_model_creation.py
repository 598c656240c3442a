# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test trained models: create, upload, download (server-behaviour.md 3.1 and 10; public classes)."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from emulator.state import packages
from emulator_tests.api import Answer, Api
from emulator_tests.model_requests import EMBED, ML, TREE, Json, put

_PACKAGE: Json = {"input": {"field_names": ["input"]}}


def part(api: Api, number: int, model_id: str = "new", size: int = 4, **body: Any) -> Answer:
    """Send one part of a definition of two."""
    text = base64.b64encode(b"x" * size).decode()
    full = {"definition": text, "total_definition_length": 8, "total_parts": 2, **body}
    return api.send("PUT", f"{ML}/{model_id}/definition/{number}", full)


def defined(api: Api, model_id: str = "new") -> bool:
    """Return ``fully_defined``."""
    answer = api.send("GET", f"{ML}/{model_id}", None, include="definition_status")
    return bool(answer.body["trained_model_configs"][0]["fully_defined"])


# --- create ---


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"tags": ["UPPER"]},
         "Invalid tags [UPPER]; must only can contain lowercase alphanumeric (a-z and 0-9), hyphens or underscores, "
         "must start and end with alphanumeric, and must be less than 64 characters."),
        ({"tags": ["new"]}, "none of the tags must equal the model_id"),
        ({"input": {"field_names": []}}, "[input.field_names] must not be empty"),
        ({"input": {"field_names": ["a..b"]}}, "[input.field_names] must only contain valid dot delimited field names"),
        ({"created_by": "me"}, "illegal to set [created_by] at inference model creation"),
        ({"metadata": {"model_aliases": []}}, "illegal to set [metadata.model_aliases] at inference model creation"),
        ({"location": {"index": {"name": "x"}}}, "illegal to set [location] at inference model creation"),
    ],
)  # fmt: skip
def test_what_a_new_model_may_not_say(change: Json, complaint: str) -> None:
    answer = put(Api(), "new", {**EMBED, **change})
    assert (answer.status, answer.type) == (400, "action_request_validation_exception")
    assert answer.reason == f"Validation Failed: 1: {complaint};"


@pytest.mark.parametrize(
    ("config", "root"),
    [
        ({"text_embedding": {"x": 1}}, "[text_embedding] unknown field [x]"),
        ({"text_embedding": {"embedding_size": 0}},
         "[embedding_size] must be a number greater than 0; configured size [0]"),
        ({"text_embedding": {"vocabulary": {"index": "x"}}},
         "illegal setting [vocabulary] on inference model creation"),
        ({"text_embedding": {"tokenization": {"bert": {"truncate": "none", "span": 5}}}},
         "[text_embedding] does not support windowing long text sequences; configured span [5]"),
        ({"text_embedding": {"tokenization": {"berty": {}}}}, "unknown field [berty]"),
        ({"text_classification": {"classification_labels": ["one"]}},
         "[text_classification] requires at least 2 [classification_labels]; provided [one]"),
        ({"zero_shot_classification": {"classification_labels": ["a", "b"]}},
         "[classification_labels] must contain exactly the three values [contradiction, entailment, neutral]"),
        ({"ner": {"classification_labels": ["O", "X"]}},
         "[ner] only allows IOB tokenization tagging for classification labels; provided [X]"),
        ({"ner": {"classification_labels": ["B-PER"]}},
         "[ner] only allows IOB tokenization tagging for classification labels; missing outside label [O]"),
    ],
)  # fmt: skip
def test_inference_configuration_is_parsed_strictly(config: Json, root: str) -> None:
    answer = put(Api(), "new", {"model_type": "pytorch", "inference_config": config})
    assert answer.status == 400
    assert answer.body["error"]["root_cause"][0]["reason"].endswith(root)
    assert answer.reason.endswith("[trained_model_config] failed to parse field [inference_config]")


@pytest.mark.parametrize(
    ("tokenization", "innermost"),
    [
        ({"max_sequence_length": 0}, "[max_sequence_length] must be positive"),
        (
            {"span": -2},
            "[span] must be non-negative to indicate span length or [-1] to indicate no windowing should occur",
        ),
        ({"span": 513}, "[span] provided [513] must not be greater than [max_sequence_length] provided [512]"),
        ({"span": 5}, "[span] must not be provided when [truncate] is [first]"),
    ],
)
def test_tokenization_is_checked(tokenization: Json, innermost: str) -> None:
    config = {"pass_through": {"tokenization": {"bert": tokenization}}}
    answer = put(Api(), "new", {"model_type": "pytorch", "inference_config": config})
    error = answer.body["error"]
    while "caused_by" in error:
        error = error["caused_by"]
    assert (answer.status, error["reason"]) == (400, innermost)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"fill_mask": {}}, {"num_top_classes": 5, "mask_token": "[MASK]"}),
        ({"fill_mask": {"tokenization": {"roberta": {}}}}, {"num_top_classes": 5, "mask_token": "<mask>"}),
        ({"question_answering": {}}, {"num_top_classes": 0, "max_answer_length": 15}),
        ({"text_similarity": {}}, {"span_score_combination_function": "max"}),
    ],
)
def test_defaults_are_shown(config: Json, expected: Json) -> None:
    ((task, settings),) = put(Api(), "new", {**EMBED, "inference_config": config}).body["inference_config"].items()
    assert task in config
    assert {name: settings[name] for name in expected} == expected
    first = [name for name in settings if name not in expected][:2]
    assert first == ["vocabulary", "tokenization"]


def test_mask_token_must_be_the_tokenizers() -> None:
    answer = put(Api(), "new", {**EMBED, "inference_config": {"fill_mask": {"mask_token": "<mask>"}}})
    cause = answer.body["error"]["caused_by"]["caused_by"]
    assert cause == {
        "type": "illegal_argument_exception",
        "reason": "Mask token requested was [<mask>] but must be [[MASK]] for this model",
    }


def test_names_are_unique() -> None:
    api = Api()
    api.started("dep")
    api.send("PUT", f"{ML}/m/model_aliases/nick")
    put(api, "tagged", {**EMBED, "tags": ["sticker"]})
    expected = {
        "nick": "requested model_id [nick] is the same as an existing model_alias. "
        "Model model_aliases and ids must be unique",
        "dep": "Cannot create model [dep] the model id is the same as the deployment id of a current model deployment",
        "sticker": "The provided model_id sticker must not match existing tags.",
        "m": "Trained machine learning model [m] already exists",
    }
    for model_id, reason in expected.items():
        answer = put(api, model_id, EMBED)
        assert (answer.status, answer.reason) == (400, reason)
    reason = put(api, "new", {**EMBED, "tags": ["m"]}).reason
    assert reason == "The provided tags [m] must not match existing model_ids."


def test_id_in_the_body_must_be_that_of_the_path() -> None:
    answer = put(Api(), "new", {**EMBED, "model_id": "other"})
    assert answer.type == "illegal_argument_exception"
    assert answer.reason.startswith("Inconsistent model_id; 'other' specified in the body differs from 'new'")


def test_tree() -> None:
    api = Api()
    assert put(api, "tree", TREE).body["model_type"] == "tree_ensemble"
    wrong = put(api, "wrong", {**TREE, "inference_config": {"classification": {}}})
    assert wrong.reason == (
        "Model [wrong] inference config type [classification] does not support definition target type [regression]"
    )
    shown = api.send("GET", f"{ML}/tree", None, include="definition").body["trained_model_configs"][0]
    assert shown["definition"] == TREE["definition"]
    query = {"include": "definition", "decompress_definition": "false", "exclude_generated": "true"}
    shown = api.send("GET", f"{ML}/tree", None, **query).body["trained_model_configs"][0]
    assert json.loads(gzip.decompress(base64.b64decode(shown["compressed_definition"]))) == TREE["definition"]
    assert "create_time" not in shown
    answer = api.send("POST", f"{ML}/tree/_infer", {"docs": [{"field1": 1}, {"field1": 2}]})
    assert [list(each) for each in answer.body["inference_results"]] == [["predicted_value"]] * 2
    answer = api.send("POST", f"{ML}/tree/_infer", {"docs": [{"other": 1}, {"field1": 2}, {}]})
    warning = {"warning": "Model [tree] could not be inferred as all fields were missing"}
    first, second, third = answer.body["inference_results"]
    assert (first, list(second), third) == (warning, ["predicted_value"], warning)
    assert api.start("tree").reason.endswith("Only PyTorch models can be deployed")
    assert api.send("GET", f"{ML}/tree", None, include="definition_status").reason == (
        "Definition status is only relevant to PyTorch model types"
    )


# --- upload ---


def test_parts_come_in_any_order_and_once() -> None:
    api = Api()
    put(api, "new", EMBED)
    assert part(api, 1).status == 200
    again = part(api, 1)
    assert (again.status, again.type, again.reason) == (
        400,
        "resource_already_exists_exception",
        "Trained machine learning model chunked doc [new][1] already exists",
    )
    assert not defined(api)
    assert api.start("new").reason.startswith("Model definition truncated")
    assert part(api, 0).status == 200
    assert defined(api)


def test_definition_of_the_wrong_length_is_not_complete() -> None:
    api = Api()
    put(api, "new", EMBED)
    for number in range(2):
        part(api, number, size=3)
    assert not defined(api)


@pytest.mark.parametrize(
    ("number", "body", "complaints"),
    [
        (2, {}, ["[part] must be less than total_parts"]),
        (-1, {}, ["[part] must be greater or equal to 0"]),
        (0, {"total_parts": 0}, ["[total_parts] must be greater than 0", "[part] must be less than total_parts"]),
        (0, {"total_parts": 10001}, ["[total_parts] must be less than or equal to 10000"]),
        (0, {"total_definition_length": 0}, ["[total_definition_length] must be greater than 0"]),
    ],
)
def test_bad_parts(number: int, body: Json, complaints: list[str]) -> None:
    api = Api()
    put(api, "new", EMBED)
    listed = "".join(f"{index}: {text};" for index, text in enumerate(complaints, 1))
    assert part(api, number, **body).reason == f"Validation Failed: {listed}"


def test_parts_are_parsed_strictly() -> None:
    api = Api()
    put(api, "new", EMBED)
    path = f"{ML}/new/definition"
    assert api.send("PUT", f"{path}/x", {}).reason == "Failed to parse int parameter [part] with value [x]"
    assert api.send("PUT", f"{path}/0", {}).reason == "[definition] must not be null."
    assert part(api, 0, foo=1).reason.endswith("[put_trained_model_part_action] unknown field [foo]")
    assert part(api, 0, definition="?").reason.endswith("failed to parse field [definition]")
    assert part(api, 0, "none").reason == "Could not find trained model [none]"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "[vocabulary] must not be null."),
        ({"vocabulary": []}, "Validation Failed: 1: [vocabulary] must not be empty;"),
        ({"vocabulary": ["a"], "scores": [1, 2]},
         "Validation Failed: 1: [scores] must have same length as [vocabulary];"),
        ({"vocabulary": ["a"], "foo": 1}, "[1:23] [put_trained_model_vocabulary] unknown field [foo]"),
    ],
)  # fmt: skip
def test_bad_vocabulary(body: Json, reason: str) -> None:
    api = Api()
    put(api, "new", EMBED)
    assert api.send("PUT", f"{ML}/new/vocabulary", body).reason == reason


def test_vocabulary_is_for_texts() -> None:
    api = Api()
    put(api, "tree", TREE)
    answer = api.send("PUT", f"{ML}/tree/vocabulary", {"vocabulary": ["a"]})
    assert answer.reason == "cannot put vocabulary for model [tree] as it is not an NLP model"


# --- packages ---


@pytest.mark.parametrize("name", sorted(packages.PACKAGES))
def test_package_says_what_it_is(name: str) -> None:
    answer = put(Api(), f".{name}", _PACKAGE)
    assert answer.status == 200, answer.body
    assert answer.body["model_package"]["packaged_model_id"] == name
    assert (answer.body["model_type"], answer.body["input"]) == ("pytorch", _PACKAGE["input"])
    assert answer.body.get("platform_architecture") == ("linux-x86_64" if "linux" in name else None)


def test_download_takes_time() -> None:
    """Test server-behaviour.md 3.1 row 13."""
    api = Api()
    api.effect("set_download_time", seconds=60)
    assert put(api, ".elser_model_2", _PACKAGE).status == 200
    assert not defined(api, ".elser_model_2")
    answer = api.start(".elser_model_2", timeout="10s")
    assert (answer.status, answer.type, answer.reason) == (
        408,
        "status_exception",
        "Model download task is currently running. Wait for trained model [.elser_model_2] download task "
        "to complete then try again",
    )
    # A second request for it meanwhile gets the same model.
    assert put(api, ".elser_model_2", _PACKAGE).status == 200
    api.clock(advance=60)
    assert defined(api, ".elser_model_2")
    assert api.start(".elser_model_2").status == 200


def test_start_waits_for_the_download() -> None:
    api = Api(clock="eager")
    api.effect("set_download_time", seconds=20)
    put(api, ".elser_model_2", _PACKAGE)
    assert api.start(".elser_model_2").status == 200


def test_create_waits_for_the_download_on_request() -> None:
    api = Api()
    api.effect("set_download_time", seconds=600)
    assert put(api, ".elser_model_2", _PACKAGE, wait_for_completion="true").status == 200
    assert defined(api, ".elser_model_2")


def test_model_is_deleted_during_its_download() -> None:
    api = Api()
    api.effect("set_download_time", seconds=600)
    put(api, ".elser_model_2", _PACKAGE)
    assert api.send("DELETE", f"{ML}/.elser_model_2").status == 200
    api.clock(advance=600)
    assert api.send("GET", f"{ML}/.elser_model_2").status == 404


def test_package_cannot_be_changed_is_known_and_needs_a_new_server() -> None:
    api = Api()
    answer = put(api, ".elser_model_2", {**_PACKAGE, "description": "mine", "tags": ["a"]})
    assert answer.reason == (
        "Validation Failed: 1: illegal to set [description] at inference model creation for packaged model;"
        "2: illegal to set [tags] at inference model creation for packaged model;"
    )
    assert put(api, ".nope", _PACKAGE).status == 404
    old = put(Api("8.10.4"), ".elser_model_2", _PACKAGE)
    assert old.reason == (
        "Validation Failed: 1: The model [elser_model_2] requires that all nodes are at least version [11.0.0];"
    )

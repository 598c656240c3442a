# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inference: requests, answers, refusals, time, queues, waking (public ``_infer`` classes; notes, section 6)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.inprocess import ConnectionDropped
from emulator_tests.api import Answer, Api

Json = dict[str, Any]
_ML = "/_ml/trained_models"
_LABELS = ["negative", "positive"]


def infer(api: Api, name: str = "m", text: Any = "some text", config: Json | None = None, **query: Any) -> Answer:
    """Inference on one text."""
    body: Json = {"docs": [{"input": text}]}
    if config is not None:
        body["inference_config"] = config
    return api.send("POST", f"{_ML}/{name}/_infer", body, **query)


def deployed(config: Json, version: str = "9.5.3", **settings: Any) -> Api:
    """A double with a deployed model ``task`` of one inference configuration."""
    api = Api(version, clock="eager")
    answer = api.send("PUT", f"{_ML}/task", {"model_type": "pytorch", "inference_config": config})
    assert answer.status == 200, answer.body
    part = {"definition": "eHh4eA==", "total_definition_length": 4, "total_parts": 1}
    assert api.send("PUT", f"{_ML}/task/definition/0", part).status == 200
    assert api.send("PUT", f"{_ML}/task/vocabulary", {"vocabulary": ["a"]}).status == 200
    assert api.start("task", deployment_id="task", cache_size="0", **settings).status == 200
    api.settle()
    return api


def result(api: Api, text: str, config: Json | None = None) -> Json:
    """The one result."""
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
    answer = api.send("POST", f"{_ML}/m/_infer", {"docs": [{"input": text} for text in texts]})
    assert answer.body["inference_results"] == [infer(api, text=text).body["inference_results"][0] for text in texts]
    # Four of the six allocations are on the first node.
    assert [node["inference_count"] for node in api.deployment_stats()["nodes"]] == [16, 8]


def test_old_path_takes_one_document_and_warns() -> None:
    api = Api()
    api.started()
    body: Json = {"docs": [{"input": "a"}]}
    answer = api.send("POST", f"{_ML}/m/deployment/_infer", body)
    assert answer.body == infer(api, text="a").body["inference_results"][0]
    assert "is deprecated! Use [POST /_ml/trained_models/{model_id}/_infer] instead." in answer.headers["Warning"]
    body["docs"] *= 2
    refused = api.send("POST", f"{_ML}/m/deployment/_infer", body)
    assert (refused.status, refused.reason) == (400, "Validation Failed: 1: multiple documents are not supported;")


def test_new_path_is_not_in_8_2_where_the_old_one_does_not_warn() -> None:
    api = Api("8.2.3")
    api.start()
    api.settle()
    assert "error" in infer(api).body
    answer = api.send("POST", f"{_ML}/m/deployment/_infer", {"docs": [{"input": "a"}]})
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
    answer = api.send("POST", f"{_ML}/m/_infer", body)
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


def test_model_alias_and_deployment_lead_to_the_same() -> None:
    api = Api()
    api.started("dep")
    api.send("PUT", f"{_ML}/m/model_aliases/nick")
    for name in ("m", "nick", "dep"):
        assert infer(api, name).status == 200
    assert api.deployment_stats("dep")["inference_count"] == 3


def test_basic_licence() -> None:
    api = Api()
    api.started()
    api.effect("set_setting", name="license", value="basic")
    assert (infer(api).status, infer(api).type) == (403, "security_exception")


# --- time, queues, failures ---


def test_inference_takes_time_and_threads_make_it_shorter() -> None:
    api = Api(models=(("m", 1000),))
    api.started("one", threads_per_allocation=1)
    api.started("two", threads_per_allocation=2)
    for name, expected in (("one", 400.0), ("two", 200.0)):
        api.effect("set_inference_time", deployment_id=name, time_ms=400)
        before = api.double.cluster.now()
        assert infer(api, name).status == 200
        assert api.double.cluster.now() - before >= expected * 1e6
        (node,) = api.deployment_stats(name)["nodes"]
        assert node["average_inference_time_ms"] == expected


def test_time_out() -> None:
    api = Api()
    api.started()
    api.effect("set_inference_time", deployment_id="m", time_ms=11_000)
    answer = infer(api)
    assert (answer.status, answer.type, answer.reason) == (
        408,
        "status_exception",
        "timeout [10s] waiting for inference result",
    )
    assert infer(api, text="later", timeout="1m").status == 200
    stats = api.deployment_stats()
    assert (stats["timeout_count"], stats["inference_count"]) == (1, 1)


def test_full_queue() -> None:
    api = Api()
    api.started(queue_capacity=2)
    api.effect("set_inference_time", deployment_id="m", time_ms=1000)
    api.effect("queue_inferences", deployment_id="m", count=3)
    answer = infer(api)
    assert (answer.status, answer.type, answer.reason) == (
        429,
        "es_rejected_execution_exception",
        "inference process queue is full. Unable to execute command",
    )
    stats = api.deployment_stats()
    assert (stats["rejected_execution_count"], stats["nodes"][0]["number_of_pending_requests"]) == (1, 3)
    api.effect("pass_time", seconds=1)
    assert infer(api).status == 200
    assert api.deployment_stats()["inference_count"] == 4


def test_more_allocations_take_more_at_once() -> None:
    api = Api()
    api.started(number=4)
    api.effect("set_inference_time", deployment_id="m", time_ms=1000)
    docs = [{"input": f"text {number}"} for number in range(8)]
    before = api.double.cluster.now()
    assert api.send("POST", f"{_ML}/m/_infer", {"docs": docs}).status == 200
    assert 2.0 <= (api.double.cluster.now() - before) / 1e9 < 2.9


def test_request_that_queues_too_long_is_never_worked_on() -> None:
    api = Api()
    api.started()
    api.effect("set_inference_time", deployment_id="m", time_ms=1000)
    api.effect("queue_inferences", deployment_id="m", count=3, timeout_ms=1500)
    api.effect("pass_time", seconds=10)
    stats = api.deployment_stats()
    assert (stats["inference_count"], stats["timeout_count"]) == (1, 2)


def test_failures_on_demand() -> None:
    api = Api()
    api.started()
    api.effect("fail_inference", deployment_id="m", reason="out of memory", times=2)
    api.effect("fail_inference", deployment_id="m", reason="not now", status=503)
    for _request in range(2):
        answer = infer(api)
        assert (answer.status, answer.reason) == (500, "Error in inference process: [out of memory]")
    assert (infer(api).status, infer(api).status) == (503, 200)
    row = api.stats("m")["trained_model_stats"][0]
    assert row["deployment_stats"]["error_count"] == 3
    assert row["inference_stats"]["failure_count"] == 3


def test_one_failed_document_fails_all() -> None:
    api = Api()
    api.started()
    api.effect("fail_inference", times=1)
    docs = [{"input": "a"}, {"input": "b"}]
    assert api.send("POST", f"{_ML}/m/_infer", {"docs": docs}).status == 500
    assert api.deployment_stats()["inference_count"] == 1


# --- cache ---


def test_cache() -> None:
    api = Api()
    api.started(cache_size="1kb")
    api.effect("set_inference_time", deployment_id="m", time_ms=30)
    for text in ("words", "are", "words"):
        infer(api, text=text)
    (node,) = api.deployment_stats()["nodes"]
    assert (node["inference_count"], node["inference_cache_hit_count"]) == (3, 1)
    assert node["average_inference_time_ms"] == 20
    assert node["average_inference_time_ms_excluding_cache_hits"] == 30
    assert api.send("POST", f"{_ML}/m/deployment/cache/_clear").body == {"cleared": True}
    infer(api, text="words")
    assert api.deployment_stats()["nodes"][0]["inference_cache_hit_count"] == 1


@pytest.mark.parametrize(("size", "hits"), [("0", 0), ("100b", 1)])
def test_cache_is_as_large_as_it_is(size: str, hits: int) -> None:
    api = Api()
    api.started(cache_size=size)
    for text in ("a", "b", "b", "a"):
        infer(api, text=text)
    assert api.deployment_stats()["nodes"][0]["inference_cache_hit_count"] == hits


def test_clear_cache_of_nothing() -> None:
    api = Api()
    path = f"{_ML}/m/deployment/cache/_clear"
    answer = api.send("POST", path)
    assert (answer.status, answer.reason) == (404, "No known model deployment with id [m]")
    api.start()
    assert api.send("POST", path).body == {"cleared": True}
    assert api.send("POST", path, {"x": 1}).reason == f"request [POST {path}] does not support having a body"
    assert "no handler found" in str(Api("8.4.0").send("POST", path).body["error"])


# --- scale from zero ---


def asleep(clock: str = "eager", version: str = "9.5.3", **adaptive: Any) -> Api:
    """A deployment at zero allocations."""
    api = Api(version, clock=clock)
    settings = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 2, **adaptive}
    assert api.start("m", {"adaptive_allocations": {**settings, "enabled": True}}).status == 200
    api.settle()
    api.effect("set_number", deployment_id="m", number_of_allocations=0)
    if not settings["enabled"]:
        api.update(adaptive_allocations={"enabled": False})
    api.settle()
    assert api.counts() == {}
    return api


def test_first_request_wakes_the_deployment_and_waits() -> None:
    """Section 6: the first inference request triggers an update to 1 and returns after it is up."""
    api = asleep()
    api.double.control("POST", "/unknowns", {"scale_from_zero": "wait"})
    assert infer(api).status == 200
    assert api.assignment()["task_parameters"]["number_of_allocations"] == 1
    assert api.deployment_stats()["inference_count"] == 1


def test_frozen_zero_does_not_wake() -> None:
    """Section 6: a frozen 0 does not wake on inference."""
    api = asleep(enabled=False)
    answer = infer(api)
    assert (answer.status, answer.reason) == (409, "Trained model deployment [m] is not allocated to any nodes")
    assert api.assignment()["task_parameters"]["number_of_allocations"] == 0


def test_wake_that_is_only_promised() -> None:
    """Section 6 [U]: public code also has a refusal that starts the deployment."""
    api = asleep()
    api.double.control("POST", "/unknowns", {"scale_from_zero": "refuse"})
    answer = infer(api)
    assert answer.status == 409
    assert answer.reason.endswith("is not allocated to any nodes; starting deployment of one allocation")
    api.settle()
    assert infer(api).status == 200


@pytest.mark.parametrize(
    ("choice", "status", "reason"),
    [
        ("newest", 408, "Timed out after [10s] waiting for trained model deployment [m] to start."),
        ("older", 500, "Timed out when waiting for trained model assignment after 10s"),
    ],
)
def test_wake_that_takes_too_long(choice: str, status: int, reason: str) -> None:
    api = asleep("manual")
    api.double.control("POST", "/unknowns", {"scale_from_zero_errors": choice})
    answer = infer(api)
    assert answer.status == status
    assert answer.reason.startswith(reason)
    api.settle()
    assert infer(api).status == 200


@pytest.mark.parametrize(("version", "status"), [("9.5.3", 409), ("9.1.10", 500), ("8.16.0", 500)])
def test_wake_that_fails_by_version(version: str, status: int) -> None:
    api = asleep(version=version)
    api.double.control("POST", "/unknowns", {"scale_from_zero_errors": "by_version"})
    api.effect("fail_next_load")
    assert infer(api).status == status


@pytest.mark.parametrize(("choice", "status"), [("newest", 409), ("older", 500)])
def test_wake_that_fails(choice: str, status: int) -> None:
    api = asleep()
    api.double.control("POST", "/unknowns", {"scale_from_zero_errors": choice})
    api.effect("fail_next_load", reason="no space")
    answer = infer(api)
    words = "[m] Error waiting for a model allocation, all nodes have failed with errors"
    assert (answer.status, answer.reason) == (status, f"{words} [{{n1=no space}}]")


def test_wake_without_room_is_noted() -> None:
    api = asleep("manual")
    api.effect("remove_node", node_id="n1")
    api.effect("remove_node", node_id="n2")
    assert infer(api).status == 408
    assert api.audit()[-1] == "adaptive allocations scaler: scaling [m] to [1] allocations failed."


def test_in_process_a_request_never_blocks() -> None:
    """A fault on the connection is the only way to get no answer."""
    api = Api()
    api.started()
    api.fault("infer", {"type": "drop"})
    with pytest.raises(ConnectionDropped):
        infer(api)
    api.effect("set_inference_time", deployment_id="m", time_ms=10**9)
    assert infer(api).status == 408

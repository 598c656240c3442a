# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test which expectations an answer does not meet, and what is said of it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference.expect import unmet
from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference.latency import latency
from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference.records import Expectations
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.inference import InferenceModel

Json = dict[str, t.Any]
NER: Json = {
    "predicted_value": "[Ada](PER&Ada)",
    "entities": [
        {"class_name": "PER", "class_probability": 0.5},
        {"class_name": "LOC", "class_probability": 0.9},
        "odd",
    ],
}
CLASS: Json = {"predicted_value": "positive", "prediction_probability": 0.75}


def said(expect: Json, result: Json, task: str | None = None, config: Json | None = None, **settings: t.Any) -> str:
    model = InferenceModel("m", task=task, settings=settings)
    return "; ".join(unmet(Expectations(**expect), [result], 12.5, model, config))


@pytest.mark.parametrize(
    ("expect", "result", "task", "text"),
    [
        ({}, {}, None, ""),
        ({"max_latency": 0.0125}, {}, None, ""),
        ({"max_latency": 0.01}, {}, None, "an inference took 12.5 ms, not at most 10 ms"),
        ({"vector_length": 2}, {"predicted_value": [0.1, 2]}, None, ""),
        (
            {"vector_length": 3},
            {"predicted_value": [0.1, 2]},
            None,
            "document 1 has a vector of 2 numbers, not one of 3",
        ),
        ({"vector_length": 3}, {"predicted_value": [[1]]}, None, "document 1 has no vector, not one of 3"),
        ({"vector_length": 3}, {}, None, "document 1 has no vector, not one of 3"),
        ({"label": "positive"}, CLASS, "text_classification", ""),
        (
            {"label": "negative"},
            CLASS,
            "text_classification",
            "document 1 has the label 'positive', not 'negative'",
        ),
        ({"label": "b"}, {"predicted_value": "a"}, "question_answering", "another prediction, not 'b'"),
        ({"label": "b"}, {"predicted_value": "a"}, "fill_mask", "another prediction, not 'b'"),
        ({"label": "b"}, {"predicted_value": [0.5]}, "text_embedding", "document 1 has no label, not 'b'"),
        ({"label": "true"}, {"predicted_value": True}, "classification", ""),
        ({"label": "1"}, {"predicted_value": 1.0}, "classification", ""),
        ({"label": "one"}, {"predicted_value": 1.0}, "classification", "the label '1.0', not 'one'"),
        ({"label": "LOC"}, NER, "ner", ""),
        ({"label": "ORG"}, NER, "ner", "document 1 has entities of the classes LOC, PER, not 'ORG'"),
        ({"label": "ORG"}, {"entities": []}, "ner", "document 1 has no entities, not 'ORG'"),
        ({"min_score": 0.75}, CLASS, "text_classification", ""),
        (
            {"min_score": 0.8},
            CLASS,
            "text_classification",
            "document 1 has a score of 0.75, not of 0.8 or more",
        ),
        ({"min_score": 0.8}, {"predicted_value": "a", "prediction_score": 0.9}, "classification", ""),
        ({"min_score": 0.8}, {"predicted_value": 4}, "text_embedding", "no score, not one of 0.8 or more"),
        ({"min_score": 3}, {"predicted_value": 4}, "text_similarity", ""),
        ({"min_score": 3}, {"predicted_value": 2}, "regression", "a score of 2, not of 3 or more"),
        ({"min_score": 0.9}, NER, "ner", ""),
        ({"min_score": 0.9, "label": "PER"}, NER, "ner", "a score of 0.5, not of 0.9 or more"),
    ],
)
def test_what_is_not_as_expected(expect: Json, result: Json, task: str | None, text: str) -> None:
    found = said(expect, result, task)
    assert found.endswith(text)
    assert bool(found) == bool(text)


def test_the_name_of_the_prediction() -> None:
    expect: Json = {"label": "a"}
    assert not said(expect, {"kind": "a"}, "classification", results_field="kind")
    assert not said(expect, {"kind": "a"}, "classification", {"classification": {"results_field": "kind"}})
    assert said(expect, {"kind": "a"}, "classification", {"classification": "odd"})


def test_each_document_is_judged() -> None:
    results: list[Json] = [{"predicted_value": "a"}, {"predicted_value": "b"}]
    found = unmet(Expectations(label="a"), results, None, InferenceModel("m", task="classification"), None)
    assert found == ["document 2 has the label 'b', not 'a'"]


def test_latencies() -> None:
    assert latency([]) is None
    assert latency([2.0]) == dict.fromkeys(("min", "mean", "p50", "p90", "p99", "max"), 2.0)
    found = latency([float(number) for number in range(101)])
    assert found == {"min": 0, "mean": 50, "p50": 50, "p90": 90, "p99": 99, "max": 100}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test which settings of a task are refused, by the recorded answers."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.tasks import (
    refuse_settings,
    tokenization_of_settings,
)

Json = dict[str, t.Any]
NEW, LATER = Server("9.5.3", "default", "c"), Server("9.6.0", "default", "c")
THREE = ["entailment", "neutral", "contradiction"]


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("ner", {}),
        ("ner", {"classification_labels": ["O", "B-PER"]}),
        ("text_classification", {"classification_labels": ["a", "b"]}),
        ("zero_shot_classification", {"classification_labels": THREE}),
        ("text_embedding", {"tokenization": {"bert": {"max_sequence_length": 1}}}),
        ("text_embedding", {"tokenization": {"byte_level_bpe": {}}}),
        ("learning_to_rank", {}),
    ],
)
def test_settings_that_are_sent(task: str, settings: Json) -> None:
    refuse_settings(task, settings, NEW)


@pytest.mark.parametrize(
    ("task", "settings", "says"),
    [
        ("text_ranking", {}, "the task text_ranking, which Elasticsearch does not know"),
        ("ner", {"vocabulary": {}}, "a vocabulary in inference_config"),
        ("text_classification", {}, "fewer than two classification_labels"),
        ("text_classification", {"classification_labels": "a"}, "fewer than two classification_labels"),
        ("text_classification", {"classification_labels": 7}, "fewer than two classification_labels"),
        ("text_classification", {"classification_labels": {"a": 1, "b": 2}}, "fewer than two classification_labels"),
        ("zero_shot_classification", {"classification_labels": ["a", "b"]}, "other classification_labels than three"),
        ("ner", {"tokenization": {}}, "a tokenization that is not one object with settings"),
        ("ner", {"tokenization": "bert"}, "a tokenization that is not one object with settings"),
        ("ner", {"tokenization": {"bert": {}, "mpnet": {}}}, "a tokenization that is not one object with settings"),
        ("ner", {"tokenization": {"bert": None}}, "a tokenization that is not one object with settings"),
        ("ner", {"tokenization": {"bogus": {}}}, "the tokenization bogus, which Elasticsearch does not know"),
        ("ner", {"tokenization": {"bert": {"max_sequence_length": 0}}}, "a max_sequence_length below 1"),
    ],
)
def test_settings_that_elasticsearch_refuses(task: str, settings: Json, says: str) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        refuse_settings(task, settings, NEW)
    assert refused.value.code == "invalid_config"


def test_what_versions_know() -> None:
    refuse_settings("text_ranking", {"tokenization": {"bogus": {}}}, LATER)
    for name, version in (("deberta_v2", "8.15.3"), ("byte_level_bpe", "9.1.10")):
        with pytest.raises(Refusal, match=f"does not support the tokenization {name}"):
            refuse_settings("ner", {"tokenization": {name: {}}}, Server(version, "default", "c"))


def test_the_default_tokenization() -> None:
    given: list[Json] = [{}, {"tokenization": {}}, {"tokenization": {"mpnet": {}}}]
    names = [tokenization_of_settings(each) for each in given]
    assert names == ["bert", "bert", "mpnet"]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what is refused of a configuration or a vocabulary before anything is sent, by the recorded answers."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.contents import (
    checksum_of,
    config_of,
    counts_of,
    parsed,
    vocabulary_of,
)

Json = dict[str, t.Any]
NEW = Server("9.5.3", "default", "c")
NER: Json = {"model_type": "pytorch", "inference_config": {"ner": {}}}


def tokenized(name: str, task: str = "text_embedding") -> Json:
    return {"model_type": "pytorch", "inference_config": {task: {"tokenization": {name: {}}}}}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"1", b"null"])
def test_a_file_that_is_no_json_object(content: bytes) -> None:
    with pytest.raises(Refusal, match="vocabulary is not"):
        parsed("vocabulary", content)


def test_a_json_object() -> None:
    assert parsed("config", b'{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    "config",
    [
        NER,
        {**NER, "model_type": "PyTorch"},
        {**NER, "model_id": "mod"},
        {**NER, "description": "", "tags": ["a"], "metadata": {"a": {"b": [1, None, "x"]}}},
        {**NER, "input": {"field_names": "a"}},
        {**NER, "input": {"field_names": ["a", "b"]}},
        {**NER, "prefix_strings": {"search": "query: "}, "platform_architecture": "linux-x86_64"},
        {**NER, "model_size_bytes": 5, "default_field_map": {"a": "b"}, "estimated_operations": 5},
    ],
)
def test_a_configuration_that_is_sent(config: Json) -> None:
    sent = config_of("mod", config, NEW)
    assert sent == {name: value for name, value in config.items() if name != "model_id"}


def test_null_counts_as_not_given() -> None:
    assert config_of("mod", {**NER, "description": None, "tags": None}, NEW) == NER


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "no model_type pytorch"),
        ({"model_type": "tree_ensemble"}, "no model_type pytorch"),
        ({"model_type": "pytorch"}, "no inference_config with one task"),
        ({**NER, "inference_config": {"ner": {}, "fill_mask": {}}}, "no inference_config with one task"),
        ({**NER, "inference_config": []}, "no inference_config with one task"),
        ({**NER, "inference_config": {"ner": None}}, "whose task is not an object"),
        ({**NER, "model_id": "other"}, "another model_id"),
        ({**NER, "input": {"field_names": []}}, "an input without field_names"),
        ({**NER, "input": {"field_names": None}}, "an input without field_names"),
        ({**NER, "input": "text_field"}, "an input without field_names"),
        ({**NER, "description": 5}, "a description that is not a text"),
        ({**NER, "platform_architecture": {}}, "a platform_architecture that is not a text"),
        ({**NER, "tags": ["A"]}, "tags that Elasticsearch refuses: A"),
        ({**NER, "tags": ["x" * 65]}, "tags that Elasticsearch refuses"),
        ({**NER, "tags": ["mod"]}, "tags that Elasticsearch refuses: mod"),
        ({**NER, "tags": "a"}, "tags that are not a list"),
        ({**NER, "tags": [1]}, "tags that are not a list"),
        ({**NER, "metadata": []}, "metadata that are not an object"),
        ({**NER, "metadata": {"model_aliases": ["a"]}}, "metadata.model_aliases, which only Elasticsearch sets"),
        (
            {**NER, "metadata": {"mlops_elasticsearch": {"x": 1}}},
            "metadata.mlops_elasticsearch, which only this module",
        ),
        ({**NER, "created_by": "me", "version": "1"}, "version, created_by, which only Elasticsearch sets"),
        ({**NER, "definition": {}}, "has a definition"),
        ({**NER, "compressed_definition": "AA=="}, "has a compressed_definition"),
        ({**NER, "model_typ": "pytorch", "x": 1}, "fields that Elasticsearch does not know: model_typ, x"),
    ],
)
def test_a_configuration_that_elasticsearch_refuses(config: Json, says: str) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        config_of("mod", config, NEW)
    assert refused.value.code == "invalid_config"


def test_what_later_servers_may_know_is_left_to_them() -> None:
    later = {**NER, "new": 1}
    assert config_of("mod", later, Server("9.6.0", "default", "c")) == later
    assert config_of("mod", later, Server("9.5.0", "serverless", "c")) == later


def test_what_an_older_server_does_not_know() -> None:
    with pytest.raises(Refusal, match="prefix_strings in the configuration of a model. This needs 8.12"):
        config_of("mod", {**NER, "prefix_strings": {}}, Server("8.11.0", "default", "c"))
    with pytest.raises(Refusal, match="scores in a vocabulary. This needs 8.9"):
        vocabulary_of({"vocabulary": ["a"], "scores": [1]}, NER, Server("8.8.0", "default", "c"))


VOCABULARIES: list[tuple[Json, Json]] = [
    ({"vocabulary": ["a", "b"]}, NER),
    ({"vocabulary": ["a", "b"], "merges": [], "scores": []}, NER),
    ({"vocabulary": ["a", "b"], "merges": ["a b"], "scores": [1, 0.5]}, NER),
    ({"vocabulary": ["a", "b"], "merges": None}, NER),
    ({"vocabulary": ["a", "b"], "merges": ["a b"]}, tokenized("roberta")),
    ({"vocabulary": ["a", "b"], "merges": ["a b"]}, tokenized("byte_level_bpe")),
    ({"vocabulary": ["a", "b"], "scores": [1, 2]}, tokenized("xlm_roberta")),
    ({"vocabulary": ["a", "b"]}, tokenized("deberta_v2")),
    ({"vocabulary": ["a", "b"]}, {"inference_config": {"ner": {"tokenization": {}}}}),
]


@pytest.mark.parametrize(("given", "config"), VOCABULARIES)
def test_a_vocabulary_that_is_sent(given: Json, config: Json) -> None:
    assert vocabulary_of(given, config, NEW) == {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("given", "config", "says"),
    [
        ({}, NER, "no list vocabulary"),
        ({"vocabulary": []}, NER, "no list vocabulary"),
        ({"vocabulary": "a"}, NER, "no list vocabulary"),
        ({"vocabulary": ["a"], "merges": "a b"}, NER, "no list vocabulary, or merges or scores that are no lists"),
        ({"vocabulary": [None]}, NER, "items that are not texts"),
        ({"vocabulary": ["a"], "merges": [1]}, NER, "items that are not texts"),
        ({"vocabulary": ["a", "b"], "scores": [1]}, NER, "not one number for each"),
        ({"vocabulary": ["a"], "scores": [True]}, NER, "not one number for each"),
        ({"vocabulary": ["a"], "vocabularies": []}, NER, "does not know: vocabularies"),
        ({"vocabulary": ["a"]}, tokenized("roberta"), "no merges, which the tokenization roberta needs"),
        ({"vocabulary": ["a"]}, tokenized("byte_level_bpe"), "no merges"),
        ({"vocabulary": ["a"]}, tokenized("xlm_roberta"), "no scores, which the tokenization xlm_roberta needs"),
        ({"vocabulary": ["a"]}, {"inference_config": {"regression": {}}}, "a model for regression"),
    ],
)
def test_a_vocabulary_that_elasticsearch_refuses(given: Json, config: Json, says: str) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        vocabulary_of(given, config, NEW)
    assert refused.value.code == "invalid_vocabulary"


def test_the_checksum_of_a_vocabulary_does_not_depend_on_the_file() -> None:
    one, other = json.loads('{"vocabulary": ["a"], "merges": []}'), json.loads('{"merges":[],"vocabulary":["a"]}')
    assert checksum_of(one) == checksum_of(other) != checksum_of({"vocabulary": ["b"], "merges": []})
    assert counts_of(one) == {"vocabulary": 1, "merges": 0}

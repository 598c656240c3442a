# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test which differences between files and a stored model count."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.model import Model
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.compare import (
    definition_bytes,
    differences_of,
    is_verified,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.records import StoredModel, Upload
from support.documents import ROOT

Json = dict[str, t.Any]
CONFIG: Json = {"model_type": "pytorch", "inference_config": {"ner": {}}}
OURS: Json = {"definition_sha256": "aa", "definition_bytes": 9, "part_size": 4, "vocabulary_sha256": "vv"}


def upload(config: Json, **changes: t.Any) -> Upload:
    return Upload(config, **{"definition_bytes": 9, "part_size": 4, "total_parts": 3, **changes})


def stored(config: Json, ours: Json | None = None, complete: bool | None = True) -> StoredModel:
    metadata = {**(config.get("metadata") or {}), **({"mlops_elasticsearch": ours} if ours else {})}
    return StoredModel(Model("own", "pytorch"), {**config, "metadata": metadata}, complete)


def names(mine: Upload, there: StoredModel) -> list[str]:
    return [each.name for each in differences_of(mine, there)]


@pytest.mark.parametrize("file", ["put_model", "inference_config"])
def test_what_elasticsearch_makes_of_a_configuration_is_no_difference(file: str) -> None:
    rows = [json.loads(line) for line in (ROOT / f"tests/recorded/classes/{file}.jsonl").read_text().splitlines()]
    seen = 0
    for row in rows:
        if row["status"] != 200 or row.get("packaged") or not row.get("parsed"):
            continue
        try:
            given = json.loads(row["body"])
        except ValueError:  # what follows the first object is not read
            continue
        given = {name: value for name, value in given.items() if value is not None}
        if given.get("model_type", "").lower() != "pytorch" or "definition" in given:
            continue
        kept = {
            "model_type": "pytorch",
            **row["parsed"],
            "inference_config": row["parsed"].get("inference_config", given["inference_config"]),
        }
        assert names(upload(given), stored(kept)) == [], row["body"]
        seen += 1
    assert seen > 20


@pytest.mark.parametrize(
    ("given", "there", "expected"),
    [
        ({"tags": ["b"]}, {"tags": ["a"]}, ["tags"]),
        ({"tags": ["a", "b"]}, {"tags": ["a"]}, ["tags"]),
        ({"description": "x"}, {}, ["description"]),
        ({"description": "", "tags": []}, {}, []),
        ({"metadata": {"a": 1}}, {"metadata": {"a": 2, "b": 1}}, ["metadata.a"]),
        ({"metadata": {"a": None}}, {}, []),
        ({"input": {"field_names": "text"}}, {"input": {"field_names": ["text"]}}, []),
        ({"model_type": "PyTorch"}, {"model_type": "pytorch"}, []),
        ({"model_size_bytes": 7}, {"model_size_bytes": 9}, []),
        ({"a": "5"}, {"a": 5}, []),
        ({"a": True}, {"a": "true"}, []),
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": {"b": 1}}, {"a": 1}, ["a"]),
    ],
)
def test_differences_of_configurations(given: Json, there: Json, expected: list[str]) -> None:
    assert names(upload(given), stored(there)) == expected


def test_definitions_are_compared_by_checksum_where_one_is_kept() -> None:
    same = {"definition_checksum": "aa", "vocabulary_checksum": "vv"}
    assert names(upload(CONFIG, **same), stored(CONFIG, OURS)) == []
    assert names(upload(CONFIG, **{**same, "definition_checksum": "bb"}), stored(CONFIG, OURS)) == ["definition_sha256"]
    assert names(upload(CONFIG, definition_checksum="aa"), stored(CONFIG, OURS)) == ["vocabulary_sha256"]
    assert names(upload(CONFIG, vocabulary_checksum="vv"), stored(CONFIG, OURS)) == [], "it was not needed"
    assert names(upload(CONFIG, definition_bytes=8, vocabulary_checksum="vv"), stored(CONFIG, OURS)) == [
        "definition_bytes"
    ]
    assert is_verified(stored(CONFIG, OURS))


def test_definitions_of_others_are_compared_by_size() -> None:
    there = dataclasses.replace(stored(CONFIG), shown_bytes=9)
    assert names(upload(CONFIG), there) == []
    assert names(upload(CONFIG, definition_bytes=8), there) == ["definition_bytes"]
    assert not is_verified(there)
    assert definition_bytes(dataclasses.replace(there, is_complete=False)) is None
    assert definition_bytes(stored(CONFIG)) is None

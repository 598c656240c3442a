# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that a deletion sees all users of a model, by way of others too."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator

Json = dict[str, t.Any]


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    """Return a cluster with an endpoint on a deployment of the model, and an index with a field for that endpoint."""
    with Emulator("9.5.3") as made:
        made.effect("start_deployment", model_id="m", deployment_id="d")
        body = {"service": "elasticsearch", "service_settings": {"deployment_id": "d"}}
        _put(made, "/_inference/sparse_embedding/e", body)
        made.effect("put_semantic_text_reference", index="i", inference_id="e")
        made.settle()
        made.forget()
        yield made


def _put(emulator: Emulator, path: str, body: Json) -> None:
    assert emulator.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200


USED_BY = {
    "deployments": ["d"],
    "inference_endpoints": ["e"],
    "ingest_pipelines": [],
    "model_aliases": [],
    "semantic_text_indices": ["i"],
}


def test_an_index_keeps_the_model_of_its_endpoint(emulator: Emulator) -> None:
    for mode in (True, False):
        refused = emulator.run_model(mode, model_id="m", state="absent")
        assert "used by deployment 'd', inference endpoint 'e' and semantic_text index 'i'" in refused["msg"]
        assert refused["used_by"] == USED_BY
    assert emulator.journal() == []


def test_force_names_the_index_that_loses_its_model(emulator: Emulator) -> None:
    result = emulator.run_model(model_id="m", state="absent", force=True)
    assert (result["operation"], result["used_by"]) == ("delete", USED_BY)
    assert any("do not work: inference endpoint 'e' and semantic_text index 'i'" in text for text in result["warnings"])


def test_a_missing_privilege_is_named_once(emulator: Emulator) -> None:
    emulator.allow("manage_ml", "monitor", "read_pipeline")
    result = emulator.run_model(True, model_id="m", state="absent", force=True)
    assert result["used_by"] == {**USED_BY, "semantic_text_indices": None}
    assert sum("view_index_metadata" in text for text in result["warnings"]) == 1
    emulator.allow("manage_ml", "read_pipeline")
    result = emulator.run_model(True, model_id="m", state="absent", force=True)
    assert [text for text in result["warnings"] if "view_index_metadata" in text] == []
    assert sum("monitor_inference" in text for text in result["warnings"]) == 1


@pytest.mark.parametrize("named", ["d", "e"])
@pytest.mark.parametrize(
    "given", [{"state": "absent", "force": True}, {"replace": "recreate", "on_referenced": "force"}]
)
def test_what_named_a_deployment_is_a_user_after_the_stop_too(
    emulator: Emulator, own: Json, named: str, given: Json
) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="z")
    _put(emulator, "/_ingest/pipeline/p", {"processors": [{"inference": {"model_id": named}}]})
    given = given if "state" in given else {**own, **given}
    predicted = emulator.run_model(True, **{**given, "model_id": "m"})
    result = emulator.run_model(**{**given, "model_id": "m"})
    assert (result["failure"], result["api_calls"]) == (None, predicted["api_calls"])
    assert result["used_by"] == {**USED_BY, "deployments": ["d", "z"], "ingest_pipelines": ["p"]}

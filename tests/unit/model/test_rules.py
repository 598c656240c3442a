# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the rules that the laws try in turns, users of models, and dry runs with models."""

from __future__ import annotations

import base64
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import CONNECTION, connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.api import ModelCluster
from support import model_files
from support.emulated_cluster import Answer
from support.model_runs import ELSER, ELSER_X86, RERANK, Json, Slow, code

# --- rules, which the laws try in turns ---


MAKES: dict[str, t.Callable[[Slow], object]] = {
    "upgrade_mode": lambda emulator: emulator.effect("set_setting", name="upgrade_mode", value=True),
    "missing_licence": lambda emulator: emulator.effect("set_setting", name="license", value="basic"),
    "is an alias of model 'm'": lambda emulator: emulator.put("/_ml/trained_models/m/model_aliases/own"),
    "is the id of a deployment of model 'm'": lambda emulator: emulator.effect(
        "start_deployment", model_id="m", deployment_id="own"
    ),
    "is a tag of model 'tagged'": lambda emulator: emulator.put(
        "/_ml/trained_models/tagged", {**model_files.CONFIG, "tags": ["own"]}
    ),
    "have ids of other models: 'small'": lambda emulator: emulator.control("POST", "/models", {"model_id": "small"}),
}


@pytest.mark.parametrize("says", MAKES)
def test_what_elasticsearch_would_refuse_is_refused_before(emulator: Slow, own: Json, says: str) -> None:
    MAKES[says](emulator)
    emulator.forget()
    result = emulator.run_model(**own)
    assert says in (code(result), *([says] if says in result["msg"] else [])), result["msg"]
    assert emulator.journal() == []


def test_all_users_are_looked_up_before_a_deletion(emulator: Slow) -> None:
    for deployment_id in ("m", "second"):
        emulator.effect("start_deployment", model_id="m", deployment_id=deployment_id)
    emulator.settle()
    emulator.put("/_ml/trained_models/m/model_aliases/a")
    emulator.put("/_ingest/pipeline/p", {"processors": [{"inference": {"model_id": "a"}}]})
    settings = {"deployment_id": "m", "model_id": "m", "num_allocations": 1, "num_threads": 1}
    emulator.put("/_inference/sparse_embedding/e", {"service": "elasticsearch", "service_settings": settings})
    emulator.forget()
    refused = emulator.run_model(model_id="m", state="absent")
    assert (code(refused), emulator.journal()) == ("model_in_use", [])
    assert refused["used_by"] == {
        "deployments": ["m", "second"],
        "inference_endpoints": ["e"],
        "ingest_pipelines": ["p"],
        "model_aliases": ["a"],
        "semantic_text_indices": [],
    }
    gone = emulator.run_model(model_id="m", state="absent", force=True)
    assert [call["path"].rpartition("/")[2] for call in gone["api_calls"]] == ["_stop", "_stop", "m"]
    assert emulator.control("GET", "/state")["deployments"] == {}
    assert any("The task stops all deployments of model 'm' ('m', 'second')." in text for text in gone["warnings"])
    assert any("these do not work" in text for text in gone["warnings"])


def test_an_incomplete_model_of_another_program(emulator: Slow, own: Json) -> None:
    emulator.put("/_ml/trained_models/own", model_files.CONFIG)
    refused = emulator.run_model(**own)
    assert (code(refused), "no task of this collection has begun it" in refused["msg"]) == ("model_incomplete", True)
    result = emulator.run_model(**own, replace="recreate")
    assert (result["operation"], result["model"]["verified"]) == ("recreate", True)


def test_a_model_of_another_type_has_the_id(emulator: Slow, own: Json) -> None:
    emulator.control("POST", "/models", {"model_id": "own", "model_type": "tree_ensemble"})
    result = emulator.run_model(**own)
    assert (code(result), result["model"]["fully_defined"]) == ("model_differs", None)
    assert {"name": "model_type", "current": "tree_ensemble", "desired": "pytorch"} in result["differences"]


def test_a_model_of_another_program_is_not_verified(emulator: Slow, own: Json) -> None:
    emulator.control("POST", "/models", {"model_id": "own", "bytes": len(model_files.DEFINITION)})
    result = emulator.run_model(**{**own, "config": {"model_type": "pytorch", "inference_config": {"ner": {}}}})
    assert code(result) == "model_differs", "it has no task"


def test_where_downloads_cannot_be_read_that_is_said(emulator: Slow) -> None:
    emulator.control("POST", "/models", {"model_id": RERANK, "fully_defined": False, "downloading": True})
    emulator.allow("manage_ml")
    checked = emulator.run_model(True, model_id=RERANK)
    assert "whether Elasticsearch still downloads it cannot be read" in checked["warnings"][0]
    late = emulator.run_model(model_id=RERANK, wait_timeout=10)
    assert (code(late), late["download"]) == ("not_ready_in_time", None)
    assert "how far it is cannot be read" in late["msg"]
    made = emulator.run_model(True, model_id=ELSER, variant="platform_agnostic")
    assert "is left to Elasticsearch" in made["warnings"][0]


def test_serverless_shows_no_nodes(own: Json) -> None:
    with Slow("9.5.2", flavor="serverless") as emulator:
        emulator.answering("/_ml/info", {"upgrade_mode": False})
        assert "Which variant" in emulator.run_model(True, model_id=ELSER)["warnings"][0]
        assert emulator.run_model(**own)["operation"] == "upload"
        assert emulator.run_model(model_id="own", state="absent")["operation"] == "delete"


def test_a_file_that_changes_while_it_is_sent(emulator: Slow, own: Json) -> None:
    request = emulator.request

    def changing(method: str, target: str, headers: t.Mapping[str, str], body: bytes | None) -> Answer:
        if target.endswith("/definition/1"):
            Path(own["definition"]).write_bytes(model_files.DEFINITION[::-1])
        return request(method, target, headers, body)

    emulator.request = changing  # type: ignore[method-assign]
    result = emulator.run_model(**own, upload_concurrency=1)
    assert (code(result), result["after"]["state"]) == ("file_changed", "incomplete")
    emulator.request = request  # type: ignore[method-assign]
    assert code(emulator.run_model(**own)) == "model_differs", "the parts are of the file as it was"
    Path(own["definition"]).write_bytes(model_files.DEFINITION)
    assert emulator.run_model(**own)["operation"] == "resume"


def test_deployments_that_cannot_be_read_end_the_task(emulator: Slow) -> None:
    emulator.answering("/_ml/trained_models/m/_stats", 500)
    assert code(emulator.run_model(model_id="m", state="absent")) == "request_rejected"


def test_a_model_that_eland_has_uploaded_is_left_alone(emulator: Slow, own: Json) -> None:
    emulator.put("/_ml/trained_models/own", model_files.CONFIG)
    content = base64.b64encode(model_files.DEFINITION).decode()
    part = {"definition": content, "total_definition_length": len(model_files.DEFINITION), "total_parts": 1}
    emulator.put("/_ml/trained_models/own/definition/0", part)
    emulator.forget()
    result = emulator.run_model(**own)
    assert (result["changed"], result["model"]["verified"], emulator.journal()) == (False, False, [])
    assert "the contents of the definition are not known" in result["warnings"][0]


def test_a_vocabulary_without_an_answer_is_sent_again(emulator: Slow, own: Json) -> None:
    emulator.fault("any_write", {"type": "drop"}, path="/_ml/trained_models/own/vocabulary")
    assert emulator.run_model(**own)["operation"] == "upload"


def test_a_connection_that_is_made() -> None:
    checked = ArgumentSpecValidator(**CONNECTION.to_kwargs()).validate({"hosts": ["http://127.0.0.1:9"]})
    ModelCluster.connected(connection(checked.validated_parameters), lambda _seconds: None).close()


# --- dry runs ---


def _predicted(result: Json, kind: str, fact: str) -> Json:
    return {kind: {name: [entry] for name, entry in result["ansible_facts"][fact].items()}}


def test_later_tasks_of_a_dry_run_find_the_model(emulator: Slow, own: Json) -> None:
    emulator.read_only()
    made = emulator.run_model(True, **own)
    known = _predicted(made, "models", "elasticsearch_ml_models")
    deployed = emulator.run(True, model_id="own", predictions=known)
    assert (deployed["failure"], deployed["operation"], deployed["prediction"]["kind"]) == (None, "start", "exact")
    aliased = emulator.run_alias(True, model_alias="a", model_id="own", predictions=known)
    assert (aliased["failure"], aliased["operation"]) == (None, "set")
    again = emulator.run_model(True, **own, predictions=known)
    assert (again["changed"], again["model"]["definition_sha256"]) == (False, made["model"]["definition_sha256"])


def test_what_is_not_known_of_a_package_before_it_is_there_is_said(emulator: Slow) -> None:
    made = emulator.run_model(True, model_id=ELSER)
    known = _predicted(made, "models", "elasticsearch_ml_models")
    deployed = emulator.run(True, model_id=ELSER_X86, predictions=known)
    assert (deployed["failure"], deployed["prediction"]["kind"]) == (None, None)
    assert deployed["prediction"]["reasons"] == [
        f"The size of model '{ELSER_X86}' is not known before the model is there."
    ]
    assert emulator.run_model(True, model_id=ELSER, predictions=known)["model"]["model_id"] == ELSER_X86


def test_later_tasks_of_a_dry_run_miss_the_deleted_model(emulator: Slow) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="m")
    emulator.settle()
    gone = emulator.run_model(True, model_id="m", state="absent", force=True)
    known = _predicted(gone, "models", "elasticsearch_ml_models")
    assert code(emulator.run(True, model_id="m", predictions=known)) == "model_missing"
    assert code(emulator.run_alias(True, model_alias="a", model_id="m", predictions=known)) == "model_missing"
    assert emulator.run_model(True, model_id="m", state="absent", predictions=known)["changed"] is False
    assert emulator.run(True, deployment_id="m", state="stopped", predictions=known)["changed"] is False


def test_later_tasks_of_a_dry_run_start_a_replaced_model_again(emulator: Slow, own: Json) -> None:
    emulator.run_model(**own)
    emulator.run(model_id="own")
    emulator.run(model_id="own", deployment_id="second")
    new = {**own, "config": {**model_files.CONFIG, "description": "new"}, "replace": "recreate"}
    known = _predicted(emulator.run_model(True, **new, on_referenced="force"), "models", "elasticsearch_ml_models")
    assert code(emulator.infer("own", True, predictions=known)) == "model_not_deployed"
    assert code(emulator.clear_cache("second", True, predictions=known)) == "deployment_missing"
    planned = emulator.run(True, model_id="own", predictions=known)
    assert planned["operation"] == "start"
    both = known | _predicted(planned, "deployments", "elasticsearch_ml_deployments")
    assert emulator.run(True, model_id="own", predictions=both)["changed"] is False
    assert emulator.infer("own", True, predictions=both)["failure"] is None
    emulator.run_model(**new, on_referenced="force")
    assert code(emulator.infer("own")) == "model_not_deployed"
    assert emulator.run(model_id="own")["operation"] == "start"

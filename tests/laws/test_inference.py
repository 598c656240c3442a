# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the laws of inferences: none in check mode, an answer once there is one, and nothing shown of documents."""

from __future__ import annotations

import itertools
import json
import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.inference import ADAPTIVE, inferences, put_model, put_tree, refusal, started

Json = dict[str, t.Any]
VERSIONS = ("8.0.1", "8.2.3", "8.3.3", "8.7.1", "8.10.4", "8.15.3", "9.5.3")
TASKS: dict[str, tuple[tuple[int, int], Json]] = {
    "fill_mask": ((8, 0), {}),
    "ner": ((8, 0), {"classification_labels": ["O", "B_PER", "I_PER"]}),
    "pass_through": ((8, 0), {}),
    "text_classification": ((8, 0), {"classification_labels": ["negative", "positive"]}),
    "text_embedding": ((8, 0), {}),
    "zero_shot_classification": (
        (8, 0),
        {"classification_labels": ["entailment", "neutral", "contradiction"]},
    ),
    "question_answering": ((8, 3), {}),
    "text_similarity": ((8, 5), {}),
    "text_expansion": ((8, 7), {}),
}
"""Task to the version that first has it, and its settings."""


@pytest.mark.parametrize(
    ("version", "task"),
    [
        (version, task)
        for version, (task, (since, _settings)) in itertools.product(VERSIONS, TASKS.items())
        if tuple(int(part) for part in version.split(".")) >= since
    ],
)
def test_a_model_of_each_task_takes_its_document(version: str, task: str) -> None:
    with Emulator(version) as emulator:
        put_model(emulator, "new", task, TASKS[task][1])
        emulator.run(model_id="new")
        result = emulator.infer("new", repeat=2)
        assert not result.get("failed"), result["msg"]
        assert (result["model_id"], result["task"], result["attempts"]) == ("new", task, 2)
        assert len(result["inference_results"]) == 1
        assert "predicted_value" in result["inference_results"][0]
        assert result["waited"] == {"seconds": 0.0, "polls": 1, "reached": True}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_model_that_needs_no_deployment(version: str) -> None:
    with Emulator(version) as emulator:
        put_tree(emulator)
        result = emulator.infer("tree")
        if not emulator.has(8, 3):
            assert result["failure"] == {"code": "unsupported_version"}
        else:
            assert (result["deployment_id"], result["task"]) == (None, "regression")
            assert isinstance(result["inference_results"][0]["predicted_value"], float)


@pytest.mark.parametrize("version", VERSIONS)
def test_several_documents_on_every_version(version: str) -> None:
    with started(version) as emulator:
        docs = [{"input": text} for text in ("one", "two", "three")]
        together = emulator.infer("m", docs=docs)
        assert len(together["inference_results"]) == 3
        each = [emulator.infer("m", docs=doc)["inference_results"][0] for doc in docs]
        assert together["inference_results"] == each


@pytest.mark.parametrize("version", ["8.2.3", "8.19.3", "9.5.3"])
@pytest.mark.parametrize("name", ["m", "d", "alias"])
def test_names_of_a_model(version: str, name: str) -> None:
    with started(version) as emulator:
        assert emulator.api("PUT", "/_ml/trained_models/m/model_aliases/alias") == 200
        result = emulator.infer(name if emulator.has(8, 8) else name.replace("d", "m"))
        assert (result["model_id"], result["failure"]) == ("m", None)
        assert result["deployment_id"] == ("d" if emulator.has(8, 8) else "m")


# --- what may pass ---


PASSING: dict[str, Json] = {
    "initialized": refusal(409, "Trained model [d] is not initialized"),
    "allocated": refusal(409, "Trained model deployment [d] is not allocated to any nodes"),
    "queue": refusal(429, "inference process queue is full. Unable to execute", "es_rejected_execution_exception"),
    "task": refusal(404, "Unable to find model deployment task [d] please stop", "resource_not_found_exception"),
    "time": refusal(408, "timeout [10s] waiting for inference result"),
    "document": {"type": "answer", "status": 200, "body": {"inference_results": [{"error": "process queue is full"}]}},
    **{
        kind: {"type": kind}
        for kind in ("drop", "reset", "bad_gateway", "service_unavailable", "gateway_timeout", "too_many_requests")
    },
}


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.parametrize("times", [1, 5])
def test_what_may_pass_is_waited_for(kind: str, times: int) -> None:
    with started() as emulator:
        emulator.fault("infer", PASSING[kind], times=times)
        result = emulator.infer("d", repeat=3)
        assert not result.get("failed"), result["msg"]
        # The answer that was waited for does not count.
        assert result["attempts"] == times + 1 + 3
        assert result["waited"]["polls"] == times + 1
        assert result["waited"]["seconds"] > 0
        assert result["latency"]["max"] == 0
        assert emulator.reported[0].startswith("d: it does not answer yet: ")
        assert result["changed"] is False
        assert emulator.journal() == []


@pytest.mark.parametrize("kind", PASSING)
def test_what_does_not_pass_in_time_is_said(kind: str) -> None:
    with started() as emulator:
        emulator.fault("infer", PASSING[kind], times=1000)
        result = emulator.infer("d", wait_timeout=10)
        assert result["failure"] == {"code": "not_answering"}
        assert result["msg"].startswith("'d' does not answer after 10 seconds: ")
        assert result["waited"]["seconds"] == 10
        assert (result["waited"]["reached"], result["latency"], result["inference_results"]) == (False, None, None)


@pytest.mark.parametrize("version", ["8.17.2", "9.1.0", "9.5.3"])
@pytest.mark.parametrize("flavor", ["default", "serverless"])
def test_a_deployment_that_is_scaled_to_zero_is_woken_and_warmed_up(version: str, flavor: str) -> None:
    with started(version, flavor, adaptive_allocations=ADAPTIVE) as emulator:
        emulator.effect("set_number", deployment_id="d", number_of_allocations=0)
        emulator.settle()
        checked = emulator.infer("d", check_mode=True)
        assert checked["skipped_because"].startswith("check mode sends no inference")
        assert emulator.deployments()["d"]["task_parameters"]["number_of_allocations"] == 0
        result = emulator.infer("d", repeat=2, wait_timeout=120)
        assert not result.get("failed"), result["msg"]
        assert result["attempts"] >= 3
        assert emulator.deployments()["d"]["task_parameters"]["number_of_allocations"] == 1


@pytest.mark.parametrize("version", ["8.17.2", "9.5.3"])
def test_waking_that_elasticsearch_refuses_at_first(version: str) -> None:
    with started(version, adaptive_allocations=ADAPTIVE) as emulator:
        emulator.control("POST", "/unknowns", {"scale_from_zero": "refuse"})
        emulator.effect("set_number", deployment_id="d", number_of_allocations=0)
        emulator.settle()
        result = emulator.infer("d")
        assert not result.get("failed"), result["msg"]
        assert result["waited"]["polls"] > 1


# --- what never passes ---


NEVER: dict[str, Json] = {
    "licence": refusal(403, "current license is non-compliant for [ml]", "security_exception"),
    "privilege": refusal(403, "action [x] is unauthorized for user [y]", "security_exception"),
    "native": refusal(500, "Error in inference process: [the size of tensor a must match]"),
    "failed": refusal(409, "[d] Error waiting for a model allocation, all nodes have failed with errors [{n1=x}]"),
}


@pytest.mark.parametrize("kind", NEVER)
def test_what_never_passes_fails_at_once(kind: str) -> None:
    with started() as emulator:
        emulator.fault("infer", NEVER[kind], times=1000)
        result = emulator.infer("d")
        assert result["failed"]
        assert (result["attempts"], result["waited"]["seconds"]) == (1, 0)
        assert result["error"]["status"] == NEVER[kind]["status"]


# --- check mode, privileges, secrets, dry runs ---


def test_check_mode_sends_no_inference() -> None:
    with started() as emulator:
        emulator.read_only()
        result = emulator.infer("d", check_mode=True, repeat=5, expect={"vector_length": 1})
        assert (result["failure"], result["attempts"], result["latency"]) == (None, 0, None)
        assert (result["deployment_id"], result["model_id"], result["changed"]) == ("d", "m", False)
        assert inferences(emulator) == 0


@pytest.mark.parametrize("version", ["8.2.3", "8.15.3", "9.5.3"])
def test_one_privilege_is_enough(version: str) -> None:
    with started(version) as emulator:
        emulator.allow("monitor_ml")
        assert emulator.infer("m")["failure"] is None
        emulator.allow("manage_inference" if emulator.has(8, 15) else "monitor_watcher")
        assert emulator.infer("m")["failure"] == {"code": "missing_privilege"}


@pytest.mark.parametrize(
    "docs",
    [
        [{"input": ["canary one", "canary two"]}],
        [{"input": {"deep": "canary"}}],
        [{"wrong": "canary"}],
        [{"input": "canary " * 400}],
    ],
)
@pytest.mark.parametrize("echo", [None, 400, 500, 413])
def test_errors_show_nothing_of_documents(docs: list[Json], echo: int | None) -> None:
    with started() as emulator:
        if echo:
            said = f"Input value [{docs[0]}] of {json.dumps(docs)} is wrong"
            emulator.fault("infer", refusal(echo, said), times=1000)
        result = emulator.infer("d", docs=docs, wait_timeout=3)
        assert "canary" not in json.dumps({**result, "inference_results": None})
        assert "canary" not in " ".join(emulator.reported)


@pytest.mark.parametrize("version", ["8.0.1", "9.5.3"])
def test_a_dry_run_of_a_deployment_and_its_test(version: str) -> None:
    with Emulator(version) as emulator:
        emulator.read_only()
        planned = emulator.run(check_mode=True, model_id="m")
        entry = planned["ansible_facts"]["elasticsearch_ml_deployments"]["m"]
        followed = {"deployments": {"m": [{**entry, "run": "r", "order": 1}]}}
        result = emulator.infer("m", check_mode=True, predictions=followed)
        assert result["skipped_because"] == "an earlier task of this dry run would have made 'm'"
        # A real run plans from nothing that a dry run has predicted.
        assert emulator.infer("m", predictions=followed)["failure"] == {"code": "model_not_deployed"}

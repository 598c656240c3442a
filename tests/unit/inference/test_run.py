# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the run of a task that asks for inferences."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference.run import empty_result
from support.emulated_cluster import Emulator
from support.inference import ADAPTIVE, inferences, put_model, put_tree, refusal, started

Json = dict[str, t.Any]


@pytest.mark.parametrize("version", ["8.2.3", "8.7.1", "9.5.3"])
def test_a_run(version: str) -> None:
    with started(version) as emulator:
        emulator.fault("infer", {"type": "drop"})
        result = emulator.infer("m", repeat=2, docs=[{"input": "a"}, {"input": "b"}])
        assert not result.get("failed"), result["msg"]
        assert (len(result["inference_results"]), result["waited"]["polls"]) == (2, 2)
        put_tree(emulator)
        assert (emulator.infer("tree")["failure"] is None) == emulator.has(8, 3)


def test_what_was_waited_for_and_does_not_come() -> None:
    with started() as emulator:
        busy = {"type": "answer", "status": 200, "body": {"inference_results": [{"error": "queue is full"}]}}
        emulator.fault("infer", busy, times=1000)
        result = emulator.infer("d", wait_timeout=10)
        assert result["msg"] == "'d' does not answer after 10 seconds: its queue is full."
        assert emulator.reported[0] == "d: it does not answer yet: its queue is full"


def test_what_never_passes() -> None:
    with started() as emulator:
        emulator.fault("infer", refusal(403, "current license is non-compliant for [ml]"), times=1000)
        assert emulator.infer("d")["failure"] == {"code": "missing_licence"}


def test_waking() -> None:
    with started(adaptive_allocations=ADAPTIVE) as emulator:
        emulator.effect("set_number", deployment_id="d", number_of_allocations=0)
        emulator.settle()
        assert emulator.infer("d", check_mode=True)["skipped_because"].startswith("check mode sends no inference")
        assert emulator.infer("d")["attempts"] == 2


def test_a_model_that_cannot_be_read() -> None:
    with started() as emulator:
        emulator.fault("model", refusal(403, "action [x] is unauthorized for user [y]"), times=1000)
        assert emulator.infer("d")["failure"] == {"code": "missing_privilege"}


def test_a_dry_run_of_a_deployment() -> None:
    with Emulator("9.5.3") as emulator:
        planned = emulator.run(check_mode=True, model_id="m")
        entry = planned["ansible_facts"]["elasticsearch_ml_deployments"]["m"]
        followed = {"deployments": {"m": [{**entry, "run": "r", "order": 1}]}}
        result = emulator.infer("m", check_mode=True, predictions=followed)
        assert result["skipped_because"] == "an earlier task of this dry run would have made 'm'"


def test_a_dry_run_of_a_model() -> None:
    with started() as emulator:
        model = {"model_id": "new", "model_type": "pytorch", "task": "ner"}
        where = {"cluster": {"name": None, "uuid": None}, "predicted": True, "run": "r", "order": 1}
        where["addresses"] = emulator.run(check_mode=True, deployment_id="d")["ansible_facts"][
            "elasticsearch_ml_deployments"
        ]["d"]["addresses"]
        made = emulator.infer("new", check_mode=True, predictions={"models": {"new": [{**where, "model": model}]}})
        assert (made["failure"], made["task"]) == ({"code": "model_not_deployed"}, "ner")
        gone = emulator.infer("m", check_mode=True, predictions={"models": {"m": [{**where, "model": None}]}})
        # Its deployment went with it.
        assert gone["failure"] == {"code": "deployment_missing"}
        assert emulator.infer("d", check_mode=True, predictions={"models": {"m": [{**where, "model": None}]}})["failed"]
        assert emulator.api("PUT", "/_ml/trained_models/m/model_aliases/alias") == 200
        alias = emulator.infer("alias", check_mode=True, predictions={"models": {"m": [{**where, "model": None}]}})
        assert alias["msg"].startswith("The cluster has no deployment, model or alias 'alias'.")
        near = emulator.infer("ne", check_mode=True, predictions={"models": {"new": [{**where, "model": model}]}})
        assert "Did you mean the model 'new'?" in near["msg"]


def test_an_empty_answer_of_models() -> None:
    with started() as emulator:
        empty = {"type": "answer", "status": 200, "body": {"count": 0}}
        emulator.fault("model", empty, times=1000)
        assert emulator.infer("d")["model_id"] == "m"


def test_any_of_several_deployments() -> None:
    with started() as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="e", number_of_allocations=1)
        emulator.settle()
        assert emulator.infer("m")["deployment_id"] is None
        assert emulator.infer("e")["deployment_id"] == "e"


def test_a_server_that_hangs_uses_no_more_than_the_time() -> None:
    with started() as emulator:
        emulator.fault("infer", {"type": "hang"}, times=1000)
        result = emulator.infer("d", wait_timeout=20)
        assert result["failure"] == {"code": "not_answering"}
        assert result["waited"]["seconds"] <= 21


def test_processes_that_load_after_a_restart_of_the_cluster() -> None:
    with started() as emulator:
        emulator.effect("load_again", deployment_id="d", seconds=3600)
        assert emulator.infer("d", wait_timeout=5)["msg"] == "'d' does not answer after 5 seconds: not initialized."
        emulator.effect("load_again", deployment_id="d", seconds=0)
        assert emulator.infer("d")["failure"] is None


def test_a_document_that_cannot_be_inferred() -> None:
    with Emulator("9.5.3") as emulator:
        put_tree(emulator)
        result = emulator.infer("tree", docs=[{"other": "canary"}])
        assert result["failure"] == {"code": "not_inferred"}
        text = "'tree' cannot infer a document: Model [tree] could not be inferred as all fields were missing."
        assert result["msg"] == text
        assert "canary" not in json.dumps(result)


def test_what_is_not_as_expected_fails_with_the_numbers() -> None:
    with Emulator("9.5.3") as emulator:
        put_model(emulator, "new", "text_embedding", {})
        emulator.run(model_id="new")
        fine = emulator.infer("new", expect={"vector_length": 8, "max_latency": "1s"})
        assert fine["failure"] is None
        wrong = emulator.infer("new", expect={"vector_length": 384})
        assert wrong["failure"] == {"code": "unexpected_answer"}
        assert wrong["msg"] == (
            "'new' answers, but not as expected: document 1 has a vector of 8 numbers, not one of 384."
        )
        assert len(wrong["inference_results"]) == 1
        both = emulator.infer("new", expect={"vector_length": 3, "min_score": 0.5})
        assert both["msg"].endswith("not one of 3; document 1 has no score, not one of 0.5 or more.")
        hidden = emulator.infer("new", expect={"vector_length": 384}, return_results=False)
        assert (hidden["msg"], hidden["inference_results"]) == (wrong["msg"], None)


def test_latency_is_what_an_inference_takes() -> None:
    with started() as emulator:
        request = emulator.request

        def slow(method: str, target: str, *rest: t.Any) -> t.Any:
            if "_infer" in target:
                emulator.clock.sleep(0.25)
            return request(method, target, *rest)

        emulator.request = slow  # type: ignore[assignment,method-assign]
        result = emulator.infer("d", repeat=4, expect={"max_latency": "200ms"})
        assert result["latency"] == dict.fromkeys(("min", "mean", "p50", "p90", "p99", "max"), 250)
        assert result["msg"] == ("'d' answers, but not as expected: an inference took 250 ms, not at most 200 ms.")
        late = emulator.infer("d", repeat=100, wait_timeout=5)
        assert late["failure"] == {"code": "not_answering"}
        assert late["msg"] == "'d' has answered 20 of 100 inferences after 5 seconds: the time is up."
        assert (late["attempts"], late["waited"]["reached"]) == (20, True)


def test_a_dry_run_of_an_alias_that_moves_or_goes() -> None:
    with started() as emulator:
        moved = emulator.run_alias(check_mode=True, model_alias="a", model_id="m")
        entry = moved["ansible_facts"]["elasticsearch_ml_aliases"]["a"]
        followed = {"aliases": {"a": [{**entry, "run": "r", "order": 1}]}}
        assert emulator.infer("a", check_mode=True, predictions=followed)["model_id"] == "m"
        gone = {"aliases": {"a": [{**entry, "alias": None, "run": "r", "order": 1}]}}
        assert emulator.infer("a", check_mode=True, predictions=gone)["failure"] == {"code": "deployment_missing"}


def test_a_dry_run_that_stops_what_is_asked() -> None:
    with started() as emulator:
        stopped = emulator.run(check_mode=True, deployment_id="d", state="stopped", on_referenced="force")
        entry = stopped["ansible_facts"]["elasticsearch_ml_deployments"]["d"]
        followed = {"deployments": {"d": [{**entry, "run": "r", "order": 1}]}}
        result = emulator.infer("d", check_mode=True, predictions=followed)
        assert result["failure"] == {"code": "deployment_missing"}


def test_the_same_keys_always() -> None:
    with started() as emulator:
        results = [emulator.infer("d"), emulator.infer("d", check_mode=True), emulator.infer("nope")]
        results.append(emulator.infer("d", hosts=["http://dead:9200"]))
    keys = set(empty_result()) | {"warnings"}
    assert [set(result) - {"failed", "msg", "error"} for result in results] == [keys] * 4


def test_an_error_of_the_code_is_reported() -> None:
    with started() as emulator:
        emulator.unsound = True
        emulator.connect_inference = lambda *_given: 1 / 0  # type: ignore[assignment,method-assign]
        assert emulator.infer("d")["failure"] == {"code": "internal_error"}


def test_a_deployment_whose_model_is_gone() -> None:
    with started() as emulator:
        missing = refusal(404, "No known trained model with model_id [m]", "resource_not_found_exception")
        emulator.fault("model", missing, times=1000, path="/_ml/trained_models/m")
        result = emulator.infer("d")
        assert (result["model_id"], result["task"], result["failure"]) == ("m", None, None)


NOPE = "The cluster has no deployment, model or alias 'nope'. The only deployment is 'd'."


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("nope", "deployment_missing", NOPE),
        ("other", "model_not_deployed", "Model 'other' is not deployed. Start a deployment of it first."),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_what_nothing_can_answer_is_refused_before(name: str, code: str, said: str, check_mode: bool) -> None:
    with started() as emulator:
        result = emulator.infer(name, check_mode=check_mode)
        assert (result["failure"], result["msg"], result["attempts"]) == ({"code": code}, said, 0)
        assert inferences(emulator) == 0


@pytest.mark.parametrize("check_mode", [True, False])
def test_zero_allocations_that_nothing_wakes(check_mode: bool) -> None:
    with started(adaptive_allocations=ADAPTIVE) as emulator:
        emulator.effect("set_number", deployment_id="d", number_of_allocations=0)
        emulator.effect("set_adaptive", deployment_id="d", adaptive_allocations={"enabled": False})
        emulator.settle()
        result = emulator.infer("d", check_mode=check_mode)
        assert result["failure"] == {"code": "zero_allocations"}
        assert result["msg"].startswith("Deployment 'd' has 0 allocations, and no inference wakes it")

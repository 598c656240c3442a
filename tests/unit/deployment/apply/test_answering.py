# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the wait for deployments that answer an inference."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.turns import Turns
from support.emulated_cluster import Emulator
from support.inference import ADAPTIVE, inferences, refusal, started

Json = dict[str, t.Any]
NOT_YET = "all allocations run, but it does not answer yet: "


def test_a_start_that_answers() -> None:
    with Emulator("9.5.3") as emulator:
        result = emulator.run(model_id="m", wait_for="answering")
        assert (result["changed"], result["waited"]["reached"], inferences(emulator)) == (True, True, 1)
        assert [call["path"].rpartition("/")[2] for call in result["api_calls"]] == ["_start"]
        again = emulator.run(model_id="m", wait_for="answering")
        assert (again["changed"], again["waited"]["reached"], inferences(emulator)) == (False, True, 2)


@pytest.mark.parametrize("version", ["8.0.1", "8.2.3", "8.15.3", "9.5.3"])
def test_processes_that_still_load(version: str) -> None:
    with started(version) as emulator:
        name = "d" if emulator.has(8, 8) else "m"
        emulator.effect("load_again", deployment_id=name, seconds=3600)
        late = emulator.run(deployment_id=name, wait_for="answering", wait_timeout=10)
        assert late["failure"] == {"code": "not_ready_in_time"}
        assert late["msg"] == f"Deployment '{name}' is not answering after 10 seconds: {NOT_YET}not initialized."
        assert emulator.reported == [f"{name}: {NOT_YET}not initialized"]
        emulator.effect("load_again", deployment_id=name, seconds=0)
        assert emulator.run(deployment_id=name, wait_for="answering")["failure"] is None


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("do", [{"type": "drop"}, {"type": "hang"}, refusal(429, "process queue is full")])
def test_faults_that_pass(do: Json, times: int) -> None:
    with started() as emulator:
        emulator.fault("infer", do, times=times)
        result = emulator.run(deployment_id="d", wait_for="answering", wait_timeout=60)
        assert (result["failure"], result["changed"], inferences(emulator)) == (None, False, times + 1)


def test_an_error_in_place_of_a_prediction() -> None:
    with started() as emulator:
        busy = {"type": "answer", "status": 200, "body": {"inference_results": [{"error": "queue is full"}]}}
        emulator.fault("infer", busy, times=2)
        assert emulator.run(deployment_id="d", wait_for="answering")["failure"] is None
        wrong = {"type": "answer", "status": 200, "body": {"inference_results": [{"error": "no field: canary."}]}}
        emulator.fault("infer", wrong)
        result = emulator.run(deployment_id="d", wait_for="answering", wait_docs=[{"input": "canary"}])
        assert result["msg"] == (
            "Deployment 'd' will not become answering: all allocations run, and an inference is refused: "
            "no field: ********."
        )


def test_an_inference_that_is_refused_for_good() -> None:
    with started() as emulator:
        docs = {"wrong": "canary"}
        result = emulator.run(deployment_id="d", wait_for="answering", wait_docs=docs, wait_timeout=600)
        assert (result["failure"], result["waited"]["seconds"]) == ({"code": "not_ready"}, 0)
        assert "Input field [input] does not exist" in result["msg"]
        said = refusal(400, "Input value [canary] is wrong")
        emulator.fault("infer", said)
        assert "canary" not in str(emulator.run(deployment_id="d", wait_for="answering", wait_docs=docs))


def test_the_document_of_the_task() -> None:
    with started() as emulator:
        assert emulator.run(deployment_id="d", wait_for="answering", wait_docs={"input": "one"})["failure"] is None
        wrong = emulator.run(deployment_id="d", wait_for="answering", wait_docs=["no document"])
        assert wrong["msg"].startswith("wait_docs has no documents.")
        item = {"deployment_id": "d", "wait_docs": {"wrong": "one"}}
        of_item = emulator.run_many([item], wait_for="answering", wait_docs={"input": "one"})
        assert of_item["deployments"][0]["failure"] == {"code": "not_ready"}


@pytest.mark.parametrize("allow_zero", [True, False])
def test_zero_allocations_are_not_woken(allow_zero: bool) -> None:
    with started(adaptive_allocations=ADAPTIVE) as emulator:
        emulator.effect("set_number", deployment_id="d", number_of_allocations=0)
        emulator.settle()
        result = emulator.run(deployment_id="d", wait_for="answering", allow_zero=allow_zero)
        assert (result["failure"] is None) == allow_zero
        assert inferences(emulator) == 0
        assert emulator.deployments()["d"]["task_parameters"]["number_of_allocations"] == 0


def test_serverless() -> None:
    with Emulator("9.5.3", flavor="serverless") as emulator:
        result = emulator.run(model_id="m", wait_for="answering")
        assert (result["failure"], result["waited"]["reached"]) == (None, True)


def test_check_mode_asks_nothing() -> None:
    with started() as emulator:
        result = emulator.run(check_mode=True, deployment_id="d", number_of_allocations=2, wait_for="answering")
        assert (result["failure"], inferences(emulator)) == (None, 0)


def test_a_model_that_cannot_be_read() -> None:
    with started() as emulator:
        missing = refusal(404, "No known trained model with model_id [m]", "resource_not_found_exception")
        emulator.fault("model", missing, path="/_ml/trained_models/m")
        assert emulator.run(deployment_id="d", wait_for="answering")["failure"] is None
        forbidden = refusal(403, "action [x] is unauthorized for user [y]")
        emulator.fault("model", forbidden, path="/_ml/trained_models/m")
        assert emulator.run(deployment_id="d", wait_for="answering")["failure"] == {"code": "not_ready"}


def test_a_rollback_does_not_wait_for_an_answer() -> None:
    with started() as emulator:
        emulator.effect("load_again", deployment_id="d", seconds=3600)
        result = emulator.run(
            deployment_id="d", number_of_allocations=2, wait_for="answering", on_unsatisfied="rollback", wait_timeout=5
        )
        assert result["operation"] == "rollback"
        assert result["msg"].endswith("It was rolled back to its previous state.")
        assert emulator.deployments()["d"]["task_parameters"]["number_of_allocations"] == 1


def test_a_list_in_which_some_hang_still_sees_the_others() -> None:
    names = [f"d{number}" for number in range(8)]
    with Emulator("9.5.3", nodes=("n1=64,64gb",)) as emulator:
        for name in names:
            emulator.effect("start_deployment", model_id="m", deployment_id=name, number_of_allocations=1)
        emulator.settle()
        for name in names[:-1]:
            emulator.fault("infer", {"type": "hang"}, times=1000, path=f"/_ml/trained_models/{name}/_infer")
        items = [{"deployment_id": name} for name in names]
        result = emulator.run_many(items, wait_for="answering", wait_timeout=120)
        reached = [each["waited"]["reached"] for each in result["deployments"]]
        assert reached == [False] * 7 + [True]
        # Each has had its turn, and none more often than the others by much.
        asked = [request["path"] for request in emulator.control("GET", "/requests")]
        turns = [asked.count(f"/_ml/trained_models/{name}/_infer") for name in names[:-1]]
        assert min(turns) >= 2
        assert max(turns) - min(turns) <= 2
        assert result["deployments"][-1]["waited"]["seconds"] < 60


def test_one_that_answers_is_found_among_fifty_that_hang() -> None:
    names = [f"d{number:02}" for number in range(50)]
    with Emulator("9.5.3", nodes=("n1=128,256gb",)) as emulator:
        for name in names:
            emulator.effect("start_deployment", model_id="m", deployment_id=name, number_of_allocations=1)
        emulator.settle()
        for name in names[:-1]:
            emulator.fault("infer", {"type": "hang"}, times=1000, path=f"/_ml/trained_models/{name}/_infer")
        result = emulator.run_many([{"deployment_id": name} for name in names], wait_for="answering", wait_timeout=300)
        assert [each["waited"]["reached"] for each in result["deployments"]] == [False] * 49 + [True]
        # What was asked says why it has no answer, also while others are asked.
        assert "asked next" not in result["msg"]
        assert "it does not answer yet: no answer in time" in result["msg"]


def test_a_model_that_takes_its_time() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
        emulator.settle()
        emulator.effect("set_inference_time", deployment_id="d", time_ms=4000)
        result = emulator.run(deployment_id="d", wait_for="answering")
        assert (result["failure"], result["waited"]["reached"]) == (None, True)


def test_turns() -> None:
    turns = Turns()
    asked = []
    for _round in range(4):
        for name in ("a", "b", "c", "quick"):
            if turns.may_ask(name):
                asked.append(name)
                turns.note(name, 0.1 if name == "quick" else 4.0)
        turns.begin_round()
    assert asked == ["a", "b", "c", "quick", "a", "b", "c", "quick"]

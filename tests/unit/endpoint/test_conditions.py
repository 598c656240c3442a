# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test waits for inference endpoints, dry runs, Serverless, and faults."""

from __future__ import annotations

import contextlib
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.predictions import entry_of_deployment
from emulator.inprocess import ConnectionDropped
from support.emulated_cluster import Answer, Emulator
from support.endpoints import BOUNDS, KEY, ONE, OPENAI, OWN, attached, put
from support.scenario_helpers import Forward, at_tick, between

Json = dict[str, t.Any]


def code(result: Json) -> str | None:
    return result["failure"] and str(result["failure"]["code"])


# --- waits ---


def test_a_deployment_is_waited_for_as_the_task_says(emulator: Emulator) -> None:
    put(emulator)
    emulator.effect("hold", deployment_id="e")
    options: Json = {"inference_id": "e", "service_settings": {"num_allocations": 2}, "wait_timeout": 3}
    started = emulator.run_endpoint(**options, wait_for="started")
    assert (code(started), started["waited"]["reached"]) == (None, True)
    full = emulator.run_endpoint(**options)
    assert (code(full), full["changed"], "1 of 2 allocations run" in full["msg"]) == ("not_ready_in_time", False, True)
    assert emulator.reported


def test_a_deployment_that_no_node_can_run_fails_early(emulator: Emulator) -> None:
    put(emulator)
    for node in ("id-n1", "id-n2"):
        with contextlib.suppress(ValueError):
            emulator.effect("fail_route", deployment_id="e", node_id=node, reason="broken")
    result = emulator.run_endpoint(inference_id="e")
    assert (code(result), "broken" in result["msg"]) == ("deployment_failed", True)


def test_a_lost_answer_and_a_read_that_fails_leave_the_outcome_open(emulator: Emulator) -> None:
    emulator.fault("any_write", {"type": "drop"}, "after", 1, path="/_inference/**")
    emulator.fault("any", {"type": "drop"}, "before", -1, path="/_inference/**", after=2)
    result = emulator.run_endpoint(**OWN, service_settings=ONE)
    assert (result["changed"], code(result)) == (True, "connection_failed")


def test_zero_allocations_are_enough_if_the_task_says_so(emulator: Emulator) -> None:
    bounds = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 2}
    put(emulator, num_allocations=None, adaptive_allocations=bounds)
    emulator.effect("set_number", deployment_id="e", number_of_allocations=0)
    assert code(emulator.run_endpoint(inference_id="e")) == "zero_allocations"
    for options in ({"allow_zero": True}, {"service_settings": {"adaptive_allocations": bounds}}):
        result = emulator.run_endpoint(inference_id="e", wait_for="answering", **options)
        assert (code(result), result["changed"]) == (None, False)
    assert emulator.deployments()["e"]["task_parameters"]["number_of_allocations"] == 0


def test_an_endpoint_is_asked_if_the_task_waits_for_an_answer(emulator: Emulator) -> None:
    put(emulator)
    emulator.effect("fail_inference", deployment_id="e", reason="Trained model [m] is not initialized", status=409)
    result = emulator.run_endpoint(inference_id="e", wait_for="answering")
    assert (code(result), result["waited"]["polls"], emulator.journal()) == (None, 1, [])
    emulator.effect("fail_inference", deployment_id="e", reason="bad input", status=400)
    refused = emulator.run_endpoint(inference_id="e", wait_for="answering")
    assert (code(refused), "bad input" in refused["msg"]) == ("not_ready", True)


def test_a_service_of_another_kind_is_not_asked(emulator: Emulator) -> None:
    emulator.effect(
        "put_endpoint", inference_id="e", task_type="chat_completion", service="openai", service_settings={}
    )
    assert emulator.run_endpoint(inference_id="e", wait_for="answering")["failure"] is None


def test_a_preset_is_ready_without_a_deployment(emulator: Emulator) -> None:
    assert emulator.run_endpoint(inference_id=".elser-2-elasticsearch")["waited"]["reached"] is True


def test_a_deployment_that_vanishes_during_the_wait_is_said(emulator: Emulator) -> None:
    put(emulator)
    emulator.effect("hold", deployment_id="e")
    at_tick(emulator, 2, lambda: emulator.effect("remove_deployment", deployment_id="e"))
    result = emulator.run_endpoint(inference_id="e", service_settings={"num_allocations": 2})
    assert (code(result), "its deployment is gone" in result["msg"]) == ("conflict", True)


def test_an_endpoint_that_vanishes_during_the_wait_is_said(emulator: Emulator) -> None:
    put(emulator)
    emulator.effect("hold", deployment_id="e")
    at_tick(emulator, 2, lambda: emulator.effect("remove_endpoint", inference_id="e"))
    result = emulator.run_endpoint(inference_id="e", service_settings={"num_allocations": 2})
    assert (code(result), "another client has deleted it" in result["msg"]) == ("conflict", True)


def test_a_deployment_that_has_not_begun_is_waited_for(emulator: Emulator) -> None:
    body = {"service": "elasticsearch", "service_settings": ONE}

    def stored_first(path: str, forward: Forward) -> Answer:
        if path == PATH:
            emulator.effect("put_endpoint", inference_id="e", task_type="sparse_embedding", **body)
            raise ConnectionDropped
        return forward()

    between(emulator, stored_first)
    waiting = emulator.run_endpoint(**OWN, service_settings=ONE, wait_timeout=2)
    assert (code(waiting), "has not begun yet" in waiting["msg"]) == ("not_ready_in_time", True)
    assert waiting["changed"] is True


def test_an_attached_deployment_that_may_not_be_read_is_not_missed(emulator: Emulator) -> None:
    attached(emulator)
    emulator.allow("manage_inference", "cluster:monitor/main")
    result = emulator.run_endpoint(inference_id="e")
    assert [text for text in result["warnings"] if "is not there" in text] == []


# --- dry runs of several tasks ---


def _prediction(shown: Json | None, emulator: Emulator) -> Json:
    checked = emulator.run_endpoint(True, inference_id="none-such", state="absent")
    cluster = {"name": checked["server"]["cluster_name"], "uuid": emulator.connected().server.cluster_uuid}
    return {"endpoint": shown, "cluster": cluster, "addresses": None, "predicted": True}


def test_a_dry_run_plans_from_what_earlier_tasks_would_have_made(emulator: Emulator) -> None:
    made = emulator.run_endpoint(True, **OWN, service_settings=ONE)
    entry = made["ansible_facts"]["elasticsearch_ml_endpoints"]["e"]
    assert entry["predicted"] is True
    follows: Json = {"predictions": {"endpoints": {"e": entry}, "deployments": {"e": entry_of_deployment(entry)}}}
    same = emulator.run_endpoint(True, **OWN, service_settings=ONE, **follows)
    assert (same["changed"], same["endpoint"]["deployment"]["owned"]) == (False, True)
    more = emulator.run_endpoint(True, inference_id="e", service_settings={"num_allocations": 2}, **follows)
    assert more["operation"] == "update"
    assert emulator.run_endpoint(True, inference_id="e", state="absent", **follows)["operation"] == "delete"
    put(emulator)
    gone = {"predictions": {"endpoints": {"e": {**entry, "endpoint": None}}}}
    assert emulator.run_endpoint(True, inference_id="e", state="absent", **gone)["changed"] is False


def test_a_dry_run_knows_a_model_that_an_earlier_task_would_have_made(emulator: Emulator) -> None:
    entry = _prediction(None, emulator)
    model = {name: value for name, value in entry.items() if name != "endpoint"}
    for shown, expected in (({"model_id": "new"}, None), (None, "model_missing")):
        follows = {"predictions": {"models": {"new": {**model, "model": shown}}}}
        result = emulator.run_endpoint(True, **OWN, service_settings={**ONE, "model_id": "new"}, **follows)
        assert code(result) == expected


# --- Serverless ---


@pytest.fixture
def serverless() -> t.Iterator[Emulator]:
    with Emulator("9.5.2", flavor="serverless") as found:
        yield found


@pytest.mark.parametrize(
    "settings", [ONE, {**ONE, "num_allocations": None, "adaptive_allocations": {"enabled": False}}]
)
def test_serverless_sets_the_number_itself(serverless: Emulator, settings: Json) -> None:
    assert code(serverless.run_endpoint(**OWN, service_settings=settings)) == "unsupported_on_serverless"
    given = {"model_id": "m", "num_threads": 1, "adaptive_allocations": BOUNDS}
    assert serverless.run_endpoint(**OWN, service_settings=given)["operation"] == "create"
    assert code(serverless.run_endpoint(inference_id="e", service_settings=settings)) == "unsupported_on_serverless"
    number = {"num_allocations": 2}
    skipped = serverless.run_endpoint(inference_id="e", service_settings=number, on_adaptive="skip")
    assert (code(skipped), bool(skipped["skipped_because"])) == (None, True)


def test_a_lost_deployment_is_adaptive_on_serverless(serverless: Emulator) -> None:
    put(serverless)
    serverless.effect("remove_deployment", deployment_id="e")
    result = serverless.run_endpoint(inference_id="e")
    assert result["api_calls"][0]["body"] == {"adaptive_allocations": {"enabled": True}}
    serverless.effect("remove_deployment", deployment_id="e")


# --- faults ---

PATH = "/_inference/sparse_embedding/e"


def failed(status: int) -> Json:
    body = {"error": {"type": "status_exception", "reason": "planted"}, "status": status}
    return {"type": "answer", "status": status, "body": body}


@pytest.mark.parametrize("path", ["/_ml/trained_models/e/_stats", "/_ml/trained_models/m"])
def test_a_read_that_fails_ends_the_task(emulator: Emulator, path: str) -> None:
    emulator.fault("any_read", failed(500), "before", -1, path=path)
    result = emulator.run_endpoint(**OWN, service_settings=ONE)
    assert (code(result), emulator.journal()) == ("request_rejected", [])


def test_a_model_that_may_not_be_read_is_left_to_elasticsearch(emulator: Emulator) -> None:
    emulator.fault("any_read", failed(403), "before", -1, path="/_ml/trained_models/m")
    assert emulator.run_endpoint(**OWN, service_settings=ONE)["operation"] == "create"


def test_a_creation_is_sent_three_times_at_most(emulator: Emulator) -> None:
    emulator.fault("any_write", {"type": "drop"}, "before", -1, path="/_inference/**")
    result = emulator.run_endpoint(**OWN, service_settings=ONE)
    assert (code(result), result["changed"], len(emulator.journal())) == ("connection_failed", False, 3)


def test_a_creation_without_the_privilege_is_not_looked_at(emulator: Emulator) -> None:
    emulator.fault("any_write", failed(403), "before", 1, path="/_inference/**")
    result = emulator.run_endpoint(**OWN, service_settings=ONE)
    assert (bool(result["failure"]), result["changed"], len(emulator.journal())) == (True, False, 1)


@pytest.mark.parametrize(("status", "changed"), [(409, False), (502, True)])
def test_what_cannot_be_read_after_a_creation_may_have_changed(emulator: Emulator, status: int, changed: bool) -> None:
    emulator.fault("any_write", failed(status), "before", 1, path="/_inference/**")
    emulator.fault("any_read", {"type": "drop"}, "before", -1, path="/_inference/e", after=1)
    result = emulator.run_endpoint(**OWN, service_settings=ONE)
    assert (bool(result["failure"]), result["changed"]) == (True, changed)


def test_a_refused_creation_leaves_nothing(emulator: Emulator) -> None:
    emulator.effect("fail_endpoint_service", inference_id="e", status=400, reason="no")
    result = emulator.run_endpoint(**OPENAI, secrets={"api_key": KEY})
    assert (code(result), result["changed"], result["endpoint"]) == ("request_rejected", False, None)


def test_before_9_2_adaptive_allocations_change_at_the_deployment() -> None:
    with Emulator("9.1.10") as emulator:
        put(emulator)
        result = emulator.run_endpoint(inference_id="e", service_settings={"adaptive_allocations": BOUNDS})
        assert result["api_calls"][0]["path"] == "/_ml/trained_models/e/deployment/_update"
        assert "adaptive_allocations of inference endpoint 'e' only at its deployment" in result["warnings"][0]


def test_an_error_of_allocations_gets_no_advice_about_services(emulator: Emulator) -> None:
    put(emulator)
    emulator.fault("any_write", failed(400), "before", 1, path="/_inference/**")
    result = emulator.run_endpoint(inference_id="e", service_settings={"num_allocations": 2})
    assert (code(result), "replace" in result["msg"]) == ("request_rejected", False)

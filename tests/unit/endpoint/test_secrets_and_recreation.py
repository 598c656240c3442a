# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the secrets of inference endpoints, and how endpoints are recreated and deleted."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.endpoints import BOUNDS, KEY, NEW_KEY, OPENAI, attached, openai, put, there

Json = dict[str, t.Any]


def code(result: Json) -> str | None:
    return result["failure"] and str(result["failure"]["code"])


# --- secrets ---


def test_secrets_are_sent_when_their_version_is_new(emulator: Emulator, tmp_path: t.Any) -> None:
    options: Json = {
        **OPENAI,
        "service_settings": {"model_id": "gpt"},
        "secrets": {"api_key": KEY},
        "secrets_version": "1",
        "secrets_state_file": str(tmp_path / "versions.json"),
    }
    created = emulator.run_endpoint(**options)
    assert created["api_calls"][0]["body"]["service_settings"] == {"model_id": "gpt", "api_key": "********"}
    assert emulator.control("GET", "/secrets")["e"] == {"api_key": KEY}
    unchanged = emulator.run_endpoint(**{**options, "secrets": {"api_key": NEW_KEY}})
    assert (unchanged["changed"], emulator.control("GET", "/secrets")["e"]) == (False, {"api_key": KEY})
    newer = {**options, "secrets": {"api_key": NEW_KEY}, "secrets_version": "2"}
    checked, changed = emulator.run_endpoint(True, **newer), emulator.run_endpoint(**newer)
    assert checked["diff"] == changed["diff"] == {"before": {"secrets_version": "1"}, "after": {"secrets_version": "2"}}
    assert (checked["api_calls"], emulator.control("GET", "/secrets")["e"]) == (
        changed["api_calls"],
        {"api_key": NEW_KEY},
    )
    gone = emulator.run_endpoint(inference_id="e", state="absent", secrets_state_file=options["secrets_state_file"])
    assert (gone["changed"], (tmp_path / "versions.json").read_text()) == (True, "{}\n")


def test_new_secrets_go_with_other_changes(emulator: Emulator, tmp_path: t.Any) -> None:
    openai(emulator)
    result = emulator.run_endpoint(
        inference_id="e",
        service_settings={"model_id": "gpt-5"},
        secrets={"api_key": NEW_KEY},
        secrets_version="2",
        secrets_state_file=str(tmp_path / "versions.json"),
    )
    [call] = result["api_calls"]
    assert call["body"] == {"service_settings": {"model_id": "gpt-5", "api_key": "********"}}


def test_nested_secrets_lie_over_nested_settings(emulator: Emulator) -> None:
    result = emulator.run_endpoint(
        **{**OPENAI, "service": "custom"},
        service_settings={"headers": {"a": "b"}, "url": "u"},
        secrets={"headers": {"Authorization": KEY}, "secret_parameters": {"token": KEY}},
    )
    settings = result["api_calls"][0]["body"]["service_settings"]
    assert settings["headers"] == {"a": "b", "Authorization": "********"}
    assert settings["secret_parameters"] == {"token": "********"}


@pytest.mark.parametrize(("status", "changed"), [(400, False), (500, True), (None, True)])
def test_refused_secrets_keep_no_version(
    emulator: Emulator, tmp_path: t.Any, status: int | None, changed: bool
) -> None:
    openai(emulator)
    body = {"error": {"type": "status_exception", "reason": f"bad key {NEW_KEY}"}, "status": status}
    do = {"type": "answer", "status": status, "body": body} if status else {"type": "drop"}
    emulator.fault("any_write", do, "before", -1, path="/_inference/**")
    result = emulator.run_endpoint(
        inference_id="e",
        secrets={"api_key": NEW_KEY},
        secrets_version="2",
        secrets_state_file=str(tmp_path / "versions.json"),
    )
    assert (result["changed"], NEW_KEY in str(result), (tmp_path / "versions.json").exists()) == (changed, False, False)


def test_a_file_that_cannot_be_written_is_refused_before(emulator: Emulator, tmp_path: t.Any) -> None:
    options: Json = {**OPENAI, "secrets": {"api_key": KEY}, "secrets_version": "1"}
    result = emulator.run_endpoint(**options, secrets_state_file=str(tmp_path / "nowhere" / "versions.json"))
    assert (code(result), emulator.journal()) == ("secrets_state_file", [])


# --- recreation and deletion ---


def test_what_the_task_does_not_name_stays(emulator: Emulator) -> None:
    put(emulator, num_allocations=2)
    chunks = {"strategy": "word", "max_chunk_size": 120, "overlap": 40}
    assert emulator.run_endpoint(inference_id="e", chunking_settings=chunks)["changed"]
    result = emulator.run_endpoint(inference_id="e", service_settings={"num_threads": 2}, replace="recreate")
    body = result["api_calls"][1]["body"]
    assert body["service_settings"] == {"model_id": "m", "num_threads": 2, "num_allocations": 2}
    assert body["chunking_settings"] == chunks
    scaled = {"num_threads": 1, "adaptive_allocations": BOUNDS}
    other = emulator.run_endpoint(inference_id="e", service_settings=scaled, replace="recreate")
    assert "num_allocations" not in other["api_calls"][1]["body"]["service_settings"]


def test_an_adaptive_endpoint_is_recreated_adaptive(emulator: Emulator) -> None:
    put(emulator, num_allocations=None, adaptive_allocations=BOUNDS)
    result = emulator.run_endpoint(inference_id="e", service_settings={"num_threads": 2}, replace="recreate")
    assert (code(result), result["operation"]) == (None, "recreate")
    adaptive = {"model_id": "m", "num_threads": 2, "adaptive_allocations": BOUNDS}
    assert result["api_calls"][1]["body"]["service_settings"] == adaptive


def test_an_attached_endpoint_is_recreated_attached(emulator: Emulator) -> None:
    attached(emulator)
    emulator.effect("start_deployment", model_id="m", deployment_id="d2", number_of_allocations=1)
    emulator.settle()
    result = emulator.run_endpoint(inference_id="e", service_settings={"deployment_id": "d2"}, replace="recreate")
    assert result["api_calls"][1]["body"]["service_settings"] == {"deployment_id": "d2"}
    assert "d" in emulator.deployments()


@pytest.mark.parametrize("back", [True, False])
def test_a_refused_successor_is_replaced_by_the_old_one_once(emulator: Emulator, back: bool) -> None:
    openai(emulator)
    emulator.effect("fail_endpoint_service", inference_id="e", status=400, reason="no", times=1 if back else 2)
    options: Json = {"service_settings": {"model_id": "gpt-5"}, "secrets": {"api_key": NEW_KEY}, "replace": "recreate"}
    result = emulator.run_endpoint(inference_id="e", **options)
    assert (code(result), result["changed"]) == ("request_rejected", True)
    assert ("has put it back" in result["msg"], "could not put it back" in result["msg"]) == (back, not back)
    assert (there(emulator) is not None) == back
    if back:
        assert result["endpoint"]["service_settings"]["model_id"] == "gpt"
    assert [call["method"] for call in result["api_calls"]] == (["DELETE", "PUT"] if back else ["DELETE"])


@pytest.mark.parametrize(
    ("times", "stays", "said"),
    [(1, False, "has put it back as it was"), (2, False, "without its deployment"), (1, True, "is there nevertheless")],
)
def test_a_successor_without_a_deployment_gives_way_to_the_old_one(
    emulator: Emulator, times: int, stays: bool, said: str
) -> None:
    put(emulator)
    if stays:
        body = {"error": {"type": "status_exception", "reason": "no"}, "status": 500}
        do = {"type": "answer", "status": 500, "body": body}
        emulator.fault("any_write", do, "before", 1, after=3, path="/_inference/**")
    emulator.effect("fail_endpoint_start", inference_id="e", status=400, reason="no", times=times)
    result = emulator.run_endpoint(inference_id="e", service_settings={"num_threads": 2}, replace="recreate")
    assert (code(result), said in result["msg"], result["changed"]) == ("request_rejected", True, True)
    emulator.settle()
    again = emulator.run_endpoint(inference_id="e")
    assert again["endpoint"]["service_settings"]["num_threads"] == (2 if stays else 1)
    assert (again["operation"] == "start") == (times == 2 or stays)


def test_a_service_of_elastic_needs_no_secrets(emulator: Emulator) -> None:
    settings = {"model_id": "elser_model_2"}
    emulator.effect(
        "put_endpoint", inference_id="e", task_type="sparse_embedding", service="elastic", service_settings=settings
    )
    other = emulator.run_endpoint(inference_id="e", service_settings={"model_id": "other"}, replace="recreate")
    assert (code(other), other["operation"]) == (None, "recreate")


def test_the_old_one_in_the_cluster_gets_no_secrets(emulator: Emulator) -> None:
    put(emulator)
    emulator.effect("fail_endpoint_service", inference_id="e", status=400, reason="no")
    options: Json = {
        **OPENAI,
        "service_settings": {"model_id": "gpt"},
        "secrets": {"api_key": KEY},
        "replace": "recreate",
    }
    result = emulator.run_endpoint(**options)
    assert (code(result), "has put it back" in result["msg"]) == ("request_rejected", True)
    assert result["endpoint"]["service"] == "elasticsearch"


@pytest.mark.parametrize("version", ["8.13.4", "8.15.0", "9.5.3"])
@pytest.mark.parametrize("asks", [True, False])
def test_users_are_found_and_named(version: str, asks: bool) -> None:
    with Emulator(version) as emulator:
        put(emulator)
        pipeline = {"processors": [{"inference": {"model_id": "e"}}]}
        emulator.send({"method": "PUT", "path": "/_ingest/pipeline/p", "query": {}, "body": pipeline})
        if not asks:
            emulator.fault("any_write", {"type": "drop"}, "before", -1, path="/_inference/**")
        refused = emulator.run_endpoint(inference_id="e", state="absent")
        assert (code(refused), refused["used_by"]["ingest_pipelines"]) == ("endpoint_in_use", ["p"])
        emulator.control("DELETE", "/faults")
        forced = emulator.run_endpoint(inference_id="e", state="absent", force=True)
        assert "ingest pipeline 'p'" in forced["warnings"][0]
        assert forced["api_calls"][0]["query"] == ({"force": "true"} if emulator.has(8, 15) else {})
        assert there(emulator) is None


def test_users_that_cannot_be_read_keep_an_endpoint(emulator: Emulator) -> None:
    put(emulator)
    emulator.allow("monitor_inference", "monitor_ml", "cluster:admin/xpack/inference/delete")
    emulator.fault("any_write", {"type": "drop"}, "before", 1, path="/_inference/**")
    result = emulator.run_endpoint(True, inference_id="e", state="absent")
    assert code(result) == "consumers_unreadable"
    forced = emulator.run_endpoint(inference_id="e", state="absent", force=True)
    assert forced["changed"] is True


def test_other_endpoints_that_use_its_deployment_are_users(emulator: Emulator) -> None:
    put(emulator)
    attached(emulator, "other", "e")
    result = emulator.run_endpoint(inference_id="e", state="absent")
    assert (code(result), result["used_by"]["inference_endpoints"]) == ("endpoint_in_use", ["other"])
    assert emulator.run_endpoint(inference_id="other", state="absent")["changed"] is True

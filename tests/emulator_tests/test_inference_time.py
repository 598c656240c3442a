# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test time, queues, failures, cache and waking of inference (public ``_infer`` classes; server-behaviour.md 6)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.inprocess import ConnectionDropped
from emulator_tests.api import Api
from emulator_tests.inference_requests import ML, infer

# --- time, queues, failures ---


def test_inference_takes_time_and_threads_make_it_shorter() -> None:
    api = Api(models=(("m", 1000),))
    api.started("one", threads_per_allocation=1)
    api.started("two", threads_per_allocation=2)
    for name, expected in (("one", 400.0), ("two", 200.0)):
        api.effect("set_inference_time", deployment_id=name, time_ms=400)
        before = api.emulator.cluster.now()
        assert infer(api, name).status == 200
        assert api.emulator.cluster.now() - before >= expected * 1e6
        (node,) = api.deployment_stats(name)["nodes"]
        assert node["average_inference_time_ms"] == expected


def test_time_out() -> None:
    api = Api()
    api.started()
    api.effect("set_inference_time", deployment_id="m", time_ms=11_000)
    answer = infer(api)
    assert (answer.status, answer.type, answer.reason) == (
        408,
        "status_exception",
        "timeout [10s] waiting for inference result",
    )
    assert infer(api, text="later", timeout="1m").status == 200
    stats = api.deployment_stats()
    assert (stats["timeout_count"], stats["inference_count"]) == (1, 1)


def test_processes_that_load_again_answer_409_while_statistics_say_started() -> None:
    api = Api()
    api.started()
    before = api.deployment_stats()
    api.effect("load_again", deployment_id="m", seconds=60)
    answer = infer(api)
    assert (answer.status, answer.type, answer.reason) == (
        409,
        "status_exception",
        "Trained model [m] is not initialized",
    )
    assert api.deployment_stats() == before
    api.effect("load_again", deployment_id="m", seconds=0)
    assert infer(api).status == 200


def test_full_queue() -> None:
    api = Api()
    api.started(queue_capacity=2)
    api.effect("set_inference_time", deployment_id="m", time_ms=1000)
    api.effect("queue_inferences", deployment_id="m", count=3)
    answer = infer(api)
    assert (answer.status, answer.type, answer.reason) == (
        429,
        "es_rejected_execution_exception",
        "inference process queue is full. Unable to execute command",
    )
    stats = api.deployment_stats()
    assert (stats["rejected_execution_count"], stats["nodes"][0]["number_of_pending_requests"]) == (1, 3)
    api.clock(advance=1)
    assert infer(api).status == 200
    assert api.deployment_stats()["inference_count"] == 4


def test_more_allocations_take_more_at_once() -> None:
    api = Api()
    api.started(number=4)
    api.effect("set_inference_time", deployment_id="m", time_ms=1000)
    docs = [{"input": f"text {number}"} for number in range(8)]
    before = api.emulator.cluster.now()
    assert api.send("POST", f"{ML}/m/_infer", {"docs": docs}).status == 200
    assert 2.0 <= (api.emulator.cluster.now() - before) / 1e9 < 2.9


def test_request_that_queues_too_long_is_never_worked_on() -> None:
    api = Api()
    api.started()
    api.effect("set_inference_time", deployment_id="m", time_ms=1000)
    api.effect("queue_inferences", deployment_id="m", count=3, timeout_ms=1500)
    api.clock(advance=10)
    stats = api.deployment_stats()
    assert (stats["inference_count"], stats["timeout_count"]) == (1, 2)


def test_failures_on_demand() -> None:
    api = Api()
    api.started()
    api.effect("fail_inference", deployment_id="m", reason="out of memory", times=2)
    api.effect("fail_inference", deployment_id="m", reason="not now", status=503)
    for _request in range(2):
        answer = infer(api)
        assert (answer.status, answer.reason) == (500, "Error in inference process: [out of memory]")
    assert (infer(api).status, infer(api).status) == (503, 200)
    row = api.stats("m")["trained_model_stats"][0]
    assert row["deployment_stats"]["error_count"] == 3
    assert row["inference_stats"]["failure_count"] == 3


def test_one_failed_document_fails_all() -> None:
    api = Api()
    api.started()
    api.effect("fail_inference", times=1)
    docs = [{"input": "a"}, {"input": "b"}]
    assert api.send("POST", f"{ML}/m/_infer", {"docs": docs}).status == 500
    assert api.deployment_stats()["inference_count"] == 1


# --- cache ---


def test_cache() -> None:
    api = Api()
    api.started(cache_size="1kb")
    api.effect("set_inference_time", deployment_id="m", time_ms=30)
    for text in ("words", "are", "words"):
        infer(api, text=text)
    (node,) = api.deployment_stats()["nodes"]
    assert (node["inference_count"], node["inference_cache_hit_count"]) == (3, 1)
    assert node["average_inference_time_ms"] == 20
    assert node["average_inference_time_ms_excluding_cache_hits"] == 30
    assert api.send("POST", f"{ML}/m/deployment/cache/_clear").body == {"cleared": True}
    infer(api, text="words")
    assert api.deployment_stats()["nodes"][0]["inference_cache_hit_count"] == 1


@pytest.mark.parametrize(("size", "hits"), [("0", 0), ("100b", 1)])
def test_cache_is_as_large_as_it_is(size: str, hits: int) -> None:
    api = Api()
    api.started(cache_size=size)
    for text in ("a", "b", "b", "a"):
        infer(api, text=text)
    assert api.deployment_stats()["nodes"][0]["inference_cache_hit_count"] == hits


def test_clear_cache_of_nothing() -> None:
    api = Api()
    path = f"{ML}/m/deployment/cache/_clear"
    answer = api.send("POST", path)
    assert (answer.status, answer.reason) == (404, "No known model deployment with id [m]")
    api.start()
    assert api.send("POST", path).body == {"cleared": True}
    assert api.send("POST", path, {"x": 1}).reason == f"request [POST {path}] does not support having a body"
    assert "no handler found" in str(Api("8.4.0").send("POST", path).body["error"])


# --- scale from zero ---


def asleep(clock: str = "eager", version: str = "9.5.3", **adaptive: Any) -> Api:
    """Return a deployment at zero allocations."""
    api = Api(version, clock=clock)
    settings = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 2, **adaptive}
    assert api.start("m", {"adaptive_allocations": {**settings, "enabled": True}}).status == 200
    api.settle()
    api.effect("set_number", deployment_id="m", number_of_allocations=0)
    if not settings["enabled"]:
        api.update(adaptive_allocations={"enabled": False})
    api.settle()
    assert api.counts() == {}
    return api


def test_first_request_wakes_the_deployment_and_waits() -> None:
    """Test server-behaviour.md 6: the first inference request triggers an update to 1 and returns after it is up."""
    api = asleep()
    api.emulator.control("POST", "/unknowns", {"scale_from_zero": "wait"})
    assert infer(api).status == 200
    assert api.assignment()["task_parameters"]["number_of_allocations"] == 1
    assert api.deployment_stats()["inference_count"] == 1


def test_frozen_zero_does_not_wake() -> None:
    """Test server-behaviour.md 6: a frozen 0 does not wake on inference."""
    api = asleep(enabled=False)
    answer = infer(api)
    assert (answer.status, answer.reason) == (409, "Trained model deployment [m] is not allocated to any nodes")
    assert api.assignment()["task_parameters"]["number_of_allocations"] == 0


def test_wake_that_is_only_promised() -> None:
    """Test server-behaviour.md 6 [U]: public code also has a refusal that starts the deployment."""
    api = asleep()
    api.emulator.control("POST", "/unknowns", {"scale_from_zero": "refuse"})
    answer = infer(api)
    assert answer.status == 409
    assert answer.reason.endswith("is not allocated to any nodes; starting deployment of one allocation")
    api.settle()
    assert infer(api).status == 200


@pytest.mark.parametrize(
    ("choice", "status", "reason"),
    [
        ("newest", 408, "Timed out after [10s] waiting for trained model deployment [m] to start."),
        ("older", 500, "Timed out when waiting for trained model assignment after 10s"),
    ],
)
def test_wake_that_takes_too_long(choice: str, status: int, reason: str) -> None:
    api = asleep("manual")
    api.emulator.control("POST", "/unknowns", {"scale_from_zero_errors": choice})
    answer = infer(api)
    assert answer.status == status
    assert answer.reason.startswith(reason)
    api.settle()
    assert infer(api).status == 200


@pytest.mark.parametrize(("version", "status"), [("9.5.3", 409), ("9.1.10", 500), ("8.16.0", 500)])
def test_wake_that_fails_by_version(version: str, status: int) -> None:
    api = asleep(version=version)
    api.emulator.control("POST", "/unknowns", {"scale_from_zero_errors": "by_version"})
    api.effect("fail_next_load")
    assert infer(api).status == status


@pytest.mark.parametrize(("choice", "status"), [("newest", 409), ("older", 500)])
def test_wake_that_fails(choice: str, status: int) -> None:
    api = asleep()
    api.emulator.control("POST", "/unknowns", {"scale_from_zero_errors": choice})
    api.effect("fail_next_load", reason="no space")
    answer = infer(api)
    words = "[m] Error waiting for a model allocation, all nodes have failed with errors"
    assert (answer.status, answer.reason) == (status, f"{words} [{{n1=no space}}]")


def test_wake_without_room_is_noted() -> None:
    api = asleep("manual")
    api.effect("remove_node", node_id="n1")
    api.effect("remove_node", node_id="n2")
    assert infer(api).status == 408
    assert api.audit()[-1] == "adaptive allocations scaler: scaling [m] to [1] allocations failed."


def test_in_process_a_request_never_blocks() -> None:
    """Test that a fault on the connection is the only way to get no answer."""
    api = Api()
    api.started()
    api.fault("infer", {"type": "drop"})
    with pytest.raises(ConnectionDropped):
        infer(api)
    api.effect("set_inference_time", deployment_id="m", time_ms=10**9)
    assert infer(api).status == 408

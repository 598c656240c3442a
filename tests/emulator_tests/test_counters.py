# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test counters that age, reset and add up (server-behaviour.md 2.3), and memory by node."""

from __future__ import annotations

import re
from typing import Any

import pytest

from emulator.state.usage import Usage
from emulator_tests.api import Api

Json = dict[str, Any]
_ML = "/_ml/trained_models"
MINUTE = 60_000


def node(api: Api, deployment_id: str = "m") -> Json:
    """Return the first node's row."""
    found: Json = api.deployment_stats(deployment_id)["nodes"][0]
    return found


def seen(usage: Usage, millis: int) -> tuple[int, float | None, int, int]:
    """Return throughput, average and hits of the last minute, and the peak, at a time."""
    usage.settle(millis * 1_000_000)
    return (
        usage.throughput_last_minute,
        usage.average_last_minute_ms,
        usage.cache_hits_last_minute,
        usage.peak_throughput,
    )


def test_last_minute_is_the_last_whole_one_of_the_process() -> None:
    """Test server-behaviour.md 2.3.

    Throughput of the last minute; minutes begin with the process (public result processor).
    """
    usage = Usage(start_time=1000)
    usage.count(30, 10.0, 2000)
    usage.count(10, 0.0, 3000, hits=10)
    assert seen(usage, 1000 + MINUTE - 1) == (0, None, 0, 0)
    assert seen(usage, 1000 + MINUTE) == (40, 7.5, 10, 40)
    assert seen(usage, 1000 + 2 * MINUTE - 1) == (40, 7.5, 10, 40)
    assert seen(usage, 1000 + 2 * MINUTE) == (0, None, 0, 40)
    usage.count(5, 20.0, 1000 + 3 * MINUTE + 1)
    assert seen(usage, 1000 + 3 * MINUTE + 2) == (0, None, 0, 40)
    assert seen(usage, 1000 + 4 * MINUTE) == (5, 20.0, 0, 40)


def test_minute_before_is_kept_while_the_next_one_runs() -> None:
    usage = Usage(start_time=0)
    usage.count(7, 1.0, 10)
    usage.count(9, 1.0, MINUTE + 10)
    assert seen(usage, MINUTE + 20)[0] == 7
    assert seen(usage, 2 * MINUTE + 1) == (9, 1.0, 0, 9)


def test_averages_with_and_without_hits() -> None:
    usage = Usage(start_time=0)
    usage.count(4, 10.0, 1, hits=1)
    assert (usage.average_ms, usage.average_without_hits_ms) == (10.0, 10.0)
    usage.count(4, 0.0, 2, hits=4)
    assert (usage.average_ms, usage.average_without_hits_ms, usage.cache_hits) == (5.0, 10.0, 5)


def test_statistics_age_with_the_clock_of_the_emulator() -> None:
    """Test server-behaviour.md 2.3: peak and last minute."""
    api = Api()
    api.started()
    api.effect("infer", deployment_id="m", count=90, time_ms=4, cache_hits=30)
    assert (node(api)["throughput_last_minute"], node(api)["peak_throughput_per_minute"]) == (0, 0)
    api.clock(advance=60)
    row = node(api)
    assert (row["throughput_last_minute"], row["peak_throughput_per_minute"]) == (90, 90)
    assert (row["average_inference_time_ms_last_minute"], row["inference_cache_hit_count_last_minute"]) == (4, 30)
    api.clock(advance=60)
    row = node(api)
    assert (row["throughput_last_minute"], row["peak_throughput_per_minute"]) == (0, 90)
    assert "average_inference_time_ms_last_minute" not in row
    assert api.deployment_stats()["peak_throughput_per_minute"] == 90


def test_deployment_adds_up_its_nodes() -> None:
    """Test server-behaviour.md 2.3: the sums, and ``inference_stats`` computed from the nodes."""
    api = Api()
    api.started(number=6)
    api.effect("infer", deployment_id="m", count=60)
    api.effect("fail_inference", times=3)
    for number in range(3):
        api.send("POST", f"{_ML}/m/_infer", {"docs": [{"input": f"{number}"}]})
    row = api.stats("m")["trained_model_stats"][0]
    stats = row["deployment_stats"]
    assert stats["inference_count"] == sum(each["inference_count"] for each in stats["nodes"]) == 60
    assert stats["error_count"] == sum(each.get("error_count", 0) for each in stats["nodes"]) == 3
    assert (row["inference_stats"]["inference_count"], row["inference_stats"]["failure_count"]) == (60, 3)


def test_counters_live_as_long_as_the_process() -> None:
    """Count from zero after a stop or a lost node (server-behaviour.md 4.6, 4.7) or a dead process, not an update."""
    api = Api()
    api.started()
    api.effect("infer", deployment_id="m", count=5)
    api.update(number_of_allocations=2)
    api.settle()
    assert api.deployment_stats()["inference_count"] == 5
    api.effect("crash_process", deployment_id="m", restart=True)
    assert node(api)["inference_count"] == 0
    api.effect("infer", deployment_id="m", count=5)
    api.effect("remove_node", node_id="n1")
    api.settle()
    assert "inference_count" not in api.deployment_stats()


def test_process_that_dies_fails_its_route() -> None:
    api = Api()
    api.started()
    api.effect("crash_process", deployment_id="m", reason="signal 9")
    row = node(api)
    assert row["routing_state"] == {
        "routing_state": "failed",
        "reason": "inference process crashed due to reason [signal 9]",
    }
    assert api.deployment_stats()["state"] == "failed"


def test_pending_requests() -> None:
    api = Api()
    api.started()
    api.effect("set_inference_time", deployment_id="m", time_ms=1000)
    api.effect("queue_inferences", deployment_id="m", count=5)
    assert node(api)["number_of_pending_requests"] == 5
    api.clock(advance=3)
    assert (node(api)["number_of_pending_requests"], node(api)["inference_count"]) == (2, 3)


def test_last_access_and_its_text() -> None:
    """Test server-behaviour.md 2.3: ``?human`` adds ``last_access_string``."""
    api = Api()
    api.started()
    assert "last_access" not in node(api)
    api.effect("infer", deployment_id="m")
    human = api.stats("m", human="true")["trained_model_stats"][0]["deployment_stats"]["nodes"][0]
    assert human["last_access"] == node(api)["last_access"]
    assert human["last_access_string"].endswith("Z")


@pytest.mark.parametrize(("version", "shown"), [("9.5.3", True), ("9.1.10", False)])
def test_process_memory_is_of_9_5(version: str, shown: bool) -> None:
    """Test server-behaviour.md 2.3: 9.5 can add ``average_inference_process_memory_rss_bytes``."""
    api = Api(version)
    api.started()
    api.effect("set_process_memory", deployment_id="m", node_id="n1", bytes=123)
    assert ("average_inference_process_memory_rss_bytes" in node(api)) is shown


def test_pipelines_are_counted() -> None:
    """Test server-behaviour.md 2.3: ``pipeline_count``."""
    api = Api()
    api.started("dep")
    api.effect("put_pipeline_reference", pipeline="p1", model_id="m")
    api.effect("put_pipeline_reference", pipeline="p2", model_id="dep")
    assert api.stats("m")["trained_model_stats"][0]["pipeline_count"] == 2


@pytest.mark.parametrize(
    ("effect", "complaint"),
    [
        ({"do": "infer", "deployment_id": "m", "count": -1}, "count must not be negative"),
        ({"do": "set_inference_time", "deployment_id": "m", "time_ms": -1}, "time_ms must not be negative"),
        ({"do": "pass_time", "seconds": -1}, "time does not go back"),
        ({"do": "crash_process", "deployment_id": "m", "node_id": "n9"}, "no route"),
        ({"do": "load_again", "deployment_id": "m", "seconds": -1}, "must not be negative"),
        ({"do": "count_failures", "deployment_id": "m", "node_id": "n9", "errors": 1}, "no route"),
        ({"do": "queue_inferences", "deployment_id": "idle"}, "no deployment [idle]"),
    ],
)
def test_effects_that_make_no_sense(effect: Json, complaint: str) -> None:
    api = Api()
    api.started()
    with pytest.raises(ValueError, match=re.escape(complaint)):
        api.emulator.control("POST", "/effects", effect)


# --- memory ---


def test_memory_by_node() -> None:
    """Test server-behaviour.md 5.1: what the planner subtracts; the shape is that of the public REST tests."""
    api = Api(models=(("m", 100 << 20),))
    body = api.send("GET", "/_ml/memory/_stats").body
    assert body["_nodes"] == {"total": 2, "successful": 2, "failed": 0}
    idle = body["nodes"]["n1"]["mem"]["ml"]
    assert (idle["native_inference_in_bytes"], idle["native_code_overhead_in_bytes"]) == (0, 0)
    api.started()
    used = api.send("GET", "/_ml/memory/n1/_stats", None, human="true").body["nodes"]["n1"]["mem"]["ml"]
    assert used["native_inference_in_bytes"] == (240 + 2 * 100) << 20
    assert (used["native_inference"], used["native_code_overhead"]) == ("440mb", "30mb")


def ml_memory(api: Api, node_id: str = "n1") -> dict[str, int]:
    """Return the sizes of a node in megabytes."""
    sizes = api.send("GET", "/_ml/memory/_stats").body["nodes"][node_id]["mem"]["ml"]
    return {name.removesuffix("_in_bytes"): size // (1 << 20) for name, size in sizes.items()}


def test_memory_of_jobs() -> None:
    """Test server-behaviour.md 5.1: jobs are there by their kind, and the native code counts once."""
    api = Api()
    api.effect("set_node", node_id="n1", jobs_memory="3gb", analytics_memory="1gb")
    jobs = {"anomaly_detectors": 2048, "data_frame_analytics": 1024, "native_inference": 0, "native_code_overhead": 30}
    assert ml_memory(api) == {"max": 16 << 10} | jobs
    assert set(ml_memory(api, "n2").values()) == {0, 16 << 10}


def test_memory_of_a_deployment_counts_all_of_its_allocations() -> None:
    """Test server-behaviour.md 5.1: wherever they are, with a cache beyond the model; a failed route takes none."""
    api = Api(nodes={"n1": 2, "n2": 2}, models=(("m", 100 << 20),))
    api.emulator.cluster.models["m"].config = {"metadata": {"per_allocation_memory_bytes": 500 << 20}}
    api.started("m", 3, cache_size="150mb")
    assert set(api.targets()) == {"n1", "n2"}
    assert {ml_memory(api, node)["native_inference"] for node in ("n1", "n2")} == {3 * 500 + 100 + 50}
    api.effect("stop_deployment", deployment_id="m")
    assert ml_memory(api)["native_inference"] == 1650
    api = Api()
    api.started("m")
    api.effect("fail_route", deployment_id="m", node_id="n1")
    assert (ml_memory(api)["native_inference"], ml_memory(api)["native_code_overhead"]) == (0, 0)


def test_memory_of_nodes_that_take_no_deployments() -> None:
    """Test around-deployments.md 6.1: without the role all is 0; a load that has an error has no limit."""
    api = Api()
    api.effect("add_node", node_id="d1", roles=["data"])
    api.effect("set_node", node_id="n2", load_error="no number", jobs_memory="1gb")
    assert set(ml_memory(api, "d1").values()) == {0}
    assert ml_memory(api, "n2") == dict.fromkeys(ml_memory(api), 0) | {"max": -1}


def test_heap_is_that_of_the_node_attribute() -> None:
    row = Api().send("GET", "/_ml/memory/n1/_stats").body["nodes"]["n1"]
    assert row["jvm"]["heap_max_in_bytes"] == int(row["attributes"]["ml.max_jvm_size"])
    assert row["mem"]["total_in_bytes"] == int(row["attributes"]["ml.machine_memory"])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("_all", ["n1", "n2"]), ("n2", ["n2"]), ("name-n*", ["n1", "n2"]), ("ml:true", ["n1", "n2"]), ("ml:false", []),
     ("nope", []), ("_master", ["n1"])],
)  # fmt: skip
def test_memory_of_some_nodes(expression: str, expected: list[str]) -> None:
    assert list(Api().send("GET", f"/_ml/memory/{expression}/_stats").body["nodes"]) == expected


def test_memory_stats_are_of_8_2() -> None:
    assert Api("8.2.0").send("GET", "/_ml/memory/_stats").status == 200
    assert Api("8.1.0").send("GET", "/_ml/memory/_stats").status != 200


def test_statistics_that_cannot_be_fetched() -> None:
    """Test server-behaviour.md 10: a model known as deployed whose statistics were not fetched."""
    api = Api()
    api.started()
    api.effect("unfetched_stats", model_id="m")
    assert "model_size_stats" not in api.stats("m")["trained_model_stats"][0]
    api.effect("unfetched_stats", deployment_id="m")
    assert api.stats("m") == {"count": 1, "trained_model_stats": []}
    api.effect("unfetched_stats", deployment_id="m", enabled=False)
    assert len(api.stats("m")["trained_model_stats"]) == 1
    with pytest.raises(ValueError, match="give deployment_id or model_id"):
        api.emulator.control("POST", "/effects", {"do": "unfetched_stats"})

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the shapes of answers: assignments, stop, statistics, cluster state (server-behaviour.md 2)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Api

MODELS = "/_ml/trained_models"
SIZE = 265632637
ADAPTIVE = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 8}
TASK_NEWEST = [
    *("model_id", "deployment_id", "model_bytes", "threads_per_allocation", "number_of_allocations"),
    *("queue_capacity", "cache_size", "priority", "per_deployment_memory_bytes", "per_allocation_memory_bytes"),
]
NODE_KEYS = [
    *("node", "routing_state", "inference_count", "average_inference_time_ms"),
    *("average_inference_time_ms_excluding_cache_hits", "inference_cache_hit_count", "last_access"),
    *("number_of_pending_requests", "start_time", "threads_per_allocation", "number_of_allocations"),
    *("peak_throughput_per_minute", "throughput_last_minute", "average_inference_time_ms_last_minute"),
    "inference_cache_hit_count_last_minute",
]


# --- assignments ---


@pytest.mark.parametrize(
    ("version", "absent"),
    [
        ("9.5.3", ()),
        ("8.16.0", ()),
        ("8.15.5", ()),
        ("8.11.0", ()),
        ("8.10.4", ("per_deployment_memory_bytes", "per_allocation_memory_bytes")),
        ("8.8.0", ("per_deployment_memory_bytes", "per_allocation_memory_bytes")),
        ("8.7.1", ("per_deployment_memory_bytes", "per_allocation_memory_bytes", "deployment_id")),
        ("8.5.3", ("per_deployment_memory_bytes", "per_allocation_memory_bytes", "deployment_id", "priority")),
        (
            "8.3.3",
            ("per_deployment_memory_bytes", "per_allocation_memory_bytes", "deployment_id", "priority", "cache_size"),
        ),
    ],
)
def test_keys_of_an_assignment(version: str, absent: tuple[str, ...]) -> None:
    """Test server-behaviour.md 2.1: in their order, by version."""
    api = Api(version)
    started = api.start().assignment
    assert list(started["task_parameters"]) == [name for name in TASK_NEWEST if name not in absent]
    keys = ["task_parameters", "routing_table", "assignment_state", "start_time"]
    keys += ["max_assigned_allocations"] if "priority" not in absent else []
    keys += ["adaptive_allocations"] if version in ("9.5.3", "8.16.0") else []
    assert list(started) == keys
    route = list(started["routing_table"]["n1"])
    counts = [] if version == "8.3.3" else ["current_allocations", "target_allocations"]
    assert route == [*counts, "routing_state", "reason"]


def test_start_and_update_answer_alike() -> None:
    """Test server-behaviour.md 2.1."""
    api = Api()
    api.started()
    updated = api.update(number_of_allocations=1)
    assert list(updated.body) == ["assignment"]
    assert updated.assignment == api.assignment()


def test_names_up_to_8_2() -> None:
    """Test server-behaviour.md 2.1: renamed with 8.3."""
    older, newer = Api("8.2.3").start(), Api("8.3.0").start()
    assert list(older.body) == ["allocation"]
    assert "allocation_state" in older.body["allocation"]
    assert {"inference_threads", "model_threads"} <= set(older.body["allocation"]["task_parameters"])
    assert list(newer.body) == ["assignment"]
    assert not {"inference_threads", "model_threads"} & set(newer.assignment["task_parameters"])


def test_reasons_of_an_assignment() -> None:
    """Test server-behaviour.md 2.1: its own only when set; a new route's is empty."""
    api = Api(nodes={"n1": 1})
    plain = api.start().assignment
    assert "reason" not in plain
    assert plain["routing_table"]["n1"]["reason"] == ""
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    partial = api.start("other", number_of_allocations=2, deployment_id="b").assignment
    assert "insufficient allocated processors" in partial["reason"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (ADAPTIVE, ADAPTIVE),
        ({}, {"enabled": False}),
        ({"enabled": True}, {"enabled": True}),
        ({"max_number_of_allocations": 3}, {"enabled": False, "max_number_of_allocations": 3}),
        ({"enabled": True, "max_number_of_allocations": -1}, {"enabled": True, "max_number_of_allocations": -1}),
        (None, None),
    ],
)
def test_adaptive_settings_in_an_assignment(given: Any, shown: Any) -> None:
    """Test server-behaviour.md 2.1 and 10.

    Null when unset; enabled always; bounds that are there; a stored -1 as it is.
    """
    found = Api().start(body={"adaptive_allocations": given}).assignment
    assert found["adaptive_allocations"] == shown


def test_update_answers_what_was_committed() -> None:
    """Test server-behaviour.md 2.1: targets are new, what runs is old."""
    api = Api(nodes={"n1": 8})
    api.started(number=2)
    route = api.update(number_of_allocations=6).assignment["routing_table"]["n1"]
    assert route == {"current_allocations": 2, "target_allocations": 6, "routing_state": "started", "reason": ""}


def test_answer_of_a_stop() -> None:
    """Test server-behaviour.md 2.2."""
    api = Api(clock="eager")
    api.started()
    assert api.stop().body == {"stopped": True}


# --- statistics ---


def test_keys_of_a_row() -> None:
    """Test server-behaviour.md 2.3 and 2.4: all of them, in their order."""
    api = Api(models=(("m", SIZE),))
    api.start(body={"adaptive_allocations": ADAPTIVE})
    api.settle()
    api.effect("infer", deployment_id="m", count=9, time_ms=12.5)
    api.clock(advance=60)
    body = api.stats("m")
    row = body["trained_model_stats"][0]
    assert list(body) == ["count", "trained_model_stats"]
    assert list(row) == ["model_id", "model_size_stats", "pipeline_count", "inference_stats", "deployment_stats"]
    assert row["model_size_stats"] == {"model_size_bytes": SIZE, "required_native_memory_bytes": 782923550}
    assert list(row["inference_stats"]) == [
        *("failure_count", "inference_count", "cache_miss_count", "missing_all_fields_count", "timestamp"),
    ]
    assert list(row["deployment_stats"]) == [
        *("deployment_id", "model_id", "threads_per_allocation", "number_of_allocations", "adaptive_allocations"),
        *("queue_capacity", "state", "allocation_status", "cache_size", "priority", "start_time", "inference_count"),
        *("peak_throughput_per_minute", "nodes"),
    ]
    node = row["deployment_stats"]["nodes"][0]
    assert [key for key in node if key != "average_inference_process_memory_rss_bytes"] == NODE_KEYS
    named = node["node"]["n1"]
    assert list(named)[:6] == ["name", "ephemeral_id", "transport_address", "external_id", "attributes", "roles"]
    assert (node["inference_count"], node["average_inference_time_ms"]) == (9, 12.5)


def test_counters_only_when_there_is_something() -> None:
    """Test server-behaviour.md 2.3: neither zero counters nor averages of nothing."""
    api = Api()
    api.started()
    stats = api.deployment_stats()
    counters = {"error_count", "rejected_execution_count", "timeout_count"}
    assert not (counters | {"inference_count"}) & set(stats)
    assert not counters & set(stats["nodes"][0])
    assert not [key for key in stats["nodes"][0] if key.startswith("average")]
    usage = api.emulator.cluster.usage["m", "n1"]
    usage.errors, usage.rejected, usage.timeouts = 1, 2, 3
    stats = api.deployment_stats()
    expected = {"error_count": 1, "rejected_execution_count": 2, "timeout_count": 3}
    assert {name: stats[name] for name in counters} == expected
    assert {name: stats["nodes"][0][name] for name in counters} == expected
    assert api.stats("m")["trained_model_stats"][0]["inference_stats"]["failure_count"] == 6


def test_human_times() -> None:
    """Test server-behaviour.md 2.3."""
    api = Api()
    api.started()
    api.effect("infer", deployment_id="m", count=1)
    stats = api.stats("m", human="true")["trained_model_stats"][0]["deployment_stats"]
    assert "start_time_string" in stats
    assert {"start_time_string", "last_access_string"} <= set(stats["nodes"][0])
    plain = api.deployment_stats()
    assert not [key for key in [*plain, *plain["nodes"][0]] if key.endswith("_string")]


@pytest.mark.parametrize(("version", "shown"), [("9.4.0", False), ("9.5.0", True)])
def test_memory_of_a_process(version: str, shown: bool) -> None:
    """Test server-behaviour.md 2.3: since 9.5, when it is known."""
    api = Api(version)
    api.started()
    api.emulator.cluster.usage["m", "n1"].process_memory = 7
    assert ("average_inference_process_memory_rss_bytes" in api.deployment_stats()["nodes"][0]) is shown


def test_sums_over_nodes() -> None:
    """Test server-behaviour.md 2.3: throughput and inference statistics of a deployment come from its nodes."""
    api = Api()
    api.started(number=6)
    api.effect("infer", deployment_id="m", count=60, time_ms=1)
    row = api.stats("m")["trained_model_stats"][0]
    stats = row["deployment_stats"]
    assert stats["peak_throughput_per_minute"] == sum(each["peak_throughput_per_minute"] for each in stats["nodes"])
    assert row["inference_stats"]["inference_count"] == sum(each["inference_count"] for each in stats["nodes"]) == 60
    api.effect("fail_route", deployment_id="m", node_id="n2", reason="boom")
    row = api.stats("m")["trained_model_stats"][0]
    assert row["inference_stats"]["inference_count"] == row["deployment_stats"]["nodes"][0]["inference_count"] == 40


@pytest.mark.parametrize("state", ["starting", "failed", "stopping"])
def test_route_that_is_not_started(state: str) -> None:
    """Test server-behaviour.md 2.3: four keys, and no number of allocations."""
    api = Api()
    api.start()
    if state != "starting":
        api.settle()
        api.effect("fail_route", deployment_id="m", reason="boom")
    if state == "stopping":
        api.emulator.cluster.assignments["m"].routes["n1"].state = "started"
        api.effect("shut_down_node", node_id="n1")
    node = next(each for each in api.deployment_stats()["nodes"] if "n1" in each["node"])
    assert list(node) == ["node", "routing_state", "peak_throughput_per_minute", "throughput_last_minute"]
    reasons = {"failed": "boom", "stopping": "node is shutting down"}
    assert node["routing_state"] == {"routing_state": state, "reason": reasons.get(state, "")}
    assert (node["peak_throughput_per_minute"], node["throughput_last_minute"]) == (0, 0)


def test_node_that_left() -> None:
    """Test server-behaviour.md 2.3: its row has no node."""
    api = Api()
    api.started()
    del api.emulator.cluster.nodes["n1"]
    assert "node" not in api.deployment_stats()["nodes"][0]


def test_process_that_is_not_up() -> None:
    """Test server-behaviour.md 2.3: a started route without a process reads as stopped."""
    api = Api()
    api.started()
    del api.emulator.cluster.usage["m", "n1"]
    assert api.deployment_stats()["nodes"][0]["routing_state"] == {"routing_state": "stopped", "reason": ""}


@pytest.mark.parametrize(
    ("size", "shown"),
    [(f"{SIZE}b", "253.3mb"), ("1048575b", "1023.9kb"), ("0", "0b"), ("-1", "-1b"), ("2mb", "2mb"), (None, "253.3mb")],
)
def test_human_form_of_the_cache(size: str | None, shown: str) -> None:
    """Test server-behaviour.md 2.3: cut to one decimal; a zero decimal is dropped."""
    api = Api(models=(("m", SIZE),))
    query: dict[str, Any] = {} if size is None else {"cache_size": size}
    assert api.start(**query).status == 200
    assert api.deployment_stats()["cache_size"] == shown


def test_start_time_in_both_forms() -> None:
    """Test server-behaviour.md 2.3: milliseconds here, text there."""
    api = Api()
    api.started()
    millis, text = api.deployment_stats()["start_time"], api.assignment()["start_time"]
    assert isinstance(millis, int)
    assert text.endswith("Z")
    assert text[20:23] == f"{millis % 1000:03}"


def test_keys_that_may_be_absent() -> None:
    """Test server-behaviour.md 2.3.

    Adaptive settings when unset, the status while stopping, a reason when there is none.
    """
    api = Api()
    api.started()
    assert not {"adaptive_allocations", "reason"} & set(api.deployment_stats())
    api.effect("stop_deployment", deployment_id="m")
    stopping = api.deployment_stats()
    assert "allocation_status" not in stopping
    assert (stopping["state"], stopping["reason"]) == ("stopping", "client API call")


def test_failed_is_computed_only_there() -> None:
    """Test server-behaviour.md 2.3 and 4.1: if there are routes and all have failed; the stored state is another."""
    api = Api()
    api.started(number=5)
    api.effect("fail_route", deployment_id="m", node_id="n1", reason="boom")
    assert api.deployment_stats()["state"] == "started"
    api.effect("fail_route", deployment_id="m", node_id="n2", reason="boom")
    stats = api.deployment_stats()
    assert stats["state"] == "failed"
    assert stats["reason"] == "All node routes are failed; see node route reason for details"
    assert api.assignment()["assignment_state"] == "starting"


def test_no_targets_by_node() -> None:
    """Test server-behaviour.md 2.3: what a node runs now; the configured total twice."""
    api = Api(nodes={"n1": 8})
    api.started(number=2)
    api.update(number_of_allocations=6)
    stats = api.deployment_stats()
    assert not {"current_allocations", "target_allocations"} & set(stats["nodes"][0])
    assert stats["nodes"][0]["number_of_allocations"] == 2
    assert stats["number_of_allocations"] == stats["allocation_status"]["target_allocation_count"] == 6


# --- where to read it ---


def test_cluster_state_has_the_same_objects() -> None:
    """Test server-behaviour.md 2.4: also with the routes; nothing if never written, empty once it was."""
    api = Api()
    path, query = "/_cluster/state/metadata", {"filter_path": "metadata.trained_model_assignment"}
    assert api.send("GET", path, None, **query).body == {}
    answer = api.start()
    found = api.send("GET", path, None, **query).body["metadata"]["trained_model_assignment"]
    assert found == {"m": answer.assignment}
    api.effect("remove_deployment", deployment_id="m")
    assert api.send("GET", "/_cluster/state", None, **query).body == {"metadata": {"trained_model_assignment": {}}}


@pytest.mark.parametrize(("version", "key"), [("8.2.3", "allocation"), ("8.3.0", "assignment")])
def test_key_in_cluster_state(version: str, key: str) -> None:
    """Test server-behaviour.md 2.4."""
    api = Api(version)
    api.start()
    assert f"trained_model_{key}" in api.send("GET", "/_cluster/state").body["metadata"]


@pytest.mark.parametrize(
    ("privilege", "stats", "state"), [("monitor_ml", 200, 403), ("manage_ml", 200, 403), ("monitor", 200, 200)]
)
def test_privileges_of_reads(privilege: str, stats: int, state: int) -> None:
    """Test server-behaviour.md 2.4: cluster state needs monitor."""
    api = Api()
    api.emulator.control("POST", "/privileges", {"username": "u", "password": "p", "privileges": [privilege]})
    headers = {"Authorization": "Basic dTpw"}
    assert api.emulator.request("GET", f"{MODELS}/_stats", headers)[0] == stats
    assert api.emulator.request("GET", "/_cluster/state", headers)[0] == state


def test_no_way_to_ask_for_one_assignment_or_to_try() -> None:
    """Test server-behaviour.md 2.4: neither a GET nor a dry run."""
    api = Api()
    api.started()
    assert api.send("GET", f"{MODELS}/m/deployment").status == 400
    path = f"{MODELS}/m/deployment/_update"
    assert api.send("POST", path, {"number_of_allocations": 2}, dry_run="true").status == 400

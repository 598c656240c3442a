# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test reading deployments: routing, nodes, usage, health."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api import cluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.usage import (
    Trust,
    nodes,
    usage,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import AllocationStatus, Deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.health import health
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.routing import Route
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
RIGHT = Trust(pending=True, threads=True)
TWO = {"number_of_allocations": 2}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        for name, options in {"m-search": TWO, "m-ingest": {"number_of_allocations": 5}, "other": {}}.items():
            model = "other" if name == "other" else "m"
            made.effect("start_deployment", model_id=model, deployment_id=name, **options)
        made.settle()
        made.forget()
        yield made


def test_all_deployments_sorted_by_id(emulator: Emulator) -> None:
    result = emulator.info(gather=["routing"])
    assert [item["deployment_id"] for item in result["deployments"]] == ["m-ingest", "m-search", "other"]
    assert result["changed"] is False
    assert result["summary"] == {
        "deployments": 3,
        "ok": 3,
        "degraded": 0,
        "starting": 0,
        "zero": 0,
        "failed": 0,
        "allocations": {"wanted": 8, "running": 8, "missing": 0},
    }
    assert emulator.journal() == []


def test_routing_comes_from_the_cluster_state(emulator: Emulator) -> None:
    [item] = emulator.info("m-ingest", gather=["routing"])["deployments"]
    real = emulator.deployments()["m-ingest"]["routing_table"]
    assert item["routing_source"] == "cluster_state"
    assert {node: route["target_allocations"] for node, route in item["routing_table"].items()} == {
        node: route["target_allocations"] for node, route in real.items()
    }
    assert (item["nodes"], item["usage"]) == (None, None)


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (("m-*",), ["m-ingest", "m-search"]),
        (("other", "m-search"), ["m-search", "other"]),
        (("unknown",), []),
        (("m",), []),
    ],
)
def test_patterns(emulator: Emulator, patterns: tuple[str, ...], found: list[str]) -> None:
    assert [item["deployment_id"] for item in emulator.info(*patterns)["deployments"]] == found


def test_an_id_that_does_not_exist_gives_a_warning(emulator: Emulator) -> None:
    result = emulator.info("m-serch", "other", "x*", "y?", "[z]")
    assert [item["deployment_id"] for item in result["deployments"]] == ["other"]
    assert result["warnings"] == [
        "Deployment 'm-serch' does not exist. The deployments are 'm-ingest', 'm-search', 'other'. "
        "Did you mean 'm-search'?"
    ]
    assert emulator.info()["warnings"] == []


@pytest.mark.parametrize("gather", [["usage"], ["nodes"], ["routing", "usage"]])
def test_what_is_gathered_comes_on_top_of_the_routing(emulator: Emulator, gather: list[str]) -> None:
    [item] = emulator.info("m-ingest", gather=gather)["deployments"]
    assert item["routing_source"] == "cluster_state"
    assert [item["usage"] is not None, item["nodes"] is not None] == ["usage" in gather, "nodes" in gather]


# --- who uses them ---


def referenced(emulator: Emulator) -> None:
    """Let an endpoint use m-search, an index that endpoint; an alias and a pipeline name model m."""
    body = {"service": "elasticsearch", "service_settings": {"deployment_id": "m-search"}}
    for path, sent in (
        ("/_inference/sparse_embedding/e", body),
        ("/_ml/trained_models/m/model_aliases/alias", None),
        ("/_ingest/pipeline/p", {"processors": [{"inference": {"model_id": "m"}}]}),
    ):
        assert emulator.send({"method": "PUT", "path": path, "query": {}, "body": sent}) == 200
    emulator.effect("put_semantic_text_reference", index="i", inference_id="e")


def users(result: Json, key: str = "used_by") -> Json:
    return {item["deployment_id"]: item[key] and list(item[key].values()) for item in result["deployments"]}


def test_references_are_the_consumers_of_each_deployment(emulator: Emulator) -> None:
    referenced(emulator)
    assert users(emulator.info(gather=["references"])) == {
        "m-ingest": [[], ["p"], ["alias"], []],
        "m-search": [["e"], ["p"], ["alias"], ["i"]],
        "other": [[], [], [], []],
    }
    assert users(emulator.info(gather=["references"]), "named_by") == {
        "m-ingest": [[], [], [], []],
        "m-search": [["e"], [], [], ["i"]],
        "other": [[], [], [], []],
    }
    assert set(users(emulator.info(gather=["routing", "nodes", "usage"])).values()) == {None}


def test_who_names_a_model_uses_the_deployment_with_its_id() -> None:
    with Emulator("9.5.3") as emulator:
        for name in ("m", "m-search"):
            emulator.effect("start_deployment", model_id="m", deployment_id=name)
        emulator.settle()
        referenced(emulator)
        assert users(emulator.info()) == {"m": [[], ["p"], ["alias"], []], "m-search": [["e"], [], [], ["i"]]}
        assert users(emulator.info(), "named_by") == {"m": [[], ["p"], [], []], "m-search": [["e"], [], [], ["i"]]}


def test_references_are_read_once_whatever_the_number_of_deployments(emulator: Emulator) -> None:
    referenced(emulator)

    def reads(*patterns: str) -> int:
        before = len(emulator.control("GET", "/requests"))
        emulator.info(*patterns, gather=["references"])
        return len(emulator.control("GET", "/requests")) - before

    one = reads("m-search")
    assert (one, reads("other")) == (reads("*"), one - 2)  # no endpoint uses that one: no mapping, no question


def test_references_that_may_not_be_read_are_named(emulator: Emulator) -> None:
    referenced(emulator)
    emulator.allow("monitor_ml", "monitor", indices={"i": "view_index_metadata"})
    result = emulator.info(gather=["references"])
    assert users(result)["m-search"] == [["e"], None, ["alias"], None]
    assert result["warnings"] == [
        "The user may not read ingest pipelines (that needs the cluster privilege read_pipeline).",
        "The user may not read semantic_text indices (that needs the index privilege view_index_metadata on all "
        "indices).",
    ]
    emulator.allow("monitor_ml")
    result = emulator.info(gather=["references"])
    assert users(result)["m-search"] == [None, None, ["alias"], None]
    assert [text.partition(" (")[0] for text in result["warnings"]] == [
        "The user may not read inference endpoints",
        "The user may not read ingest pipelines",
    ]


def test_without_routing_no_cluster_state_is_read(emulator: Emulator) -> None:
    [item] = emulator.info("other", gather=[])["deployments"]
    assert (item["routing_table"], item["routing_source"]) == (None, None)
    assert not [entry for entry in emulator.control("GET", "/requests") if entry["path"].startswith("/_cluster")]


def test_without_the_privilege_targets_are_unknown(emulator: Emulator) -> None:
    emulator.allow("monitor_ml")
    [item] = emulator.info("m-ingest")["deployments"]
    assert item["routing_source"] == "stats"
    assert {route["target_allocations"] for route in item["routing_table"].values()} == {None}
    assert item["allocations"]["assigned"] is None


def test_usage_counts_what_was_inferred(emulator: Emulator) -> None:
    emulator.effect("infer", deployment_id="m-search", count=30, time_ms=12.5)
    [item] = emulator.info("m-search")["deployments"]
    assert item["usage"]["inference_count"] == 30
    assert item["usage"]["average_inference_time_ms"] == 12.5
    assert item["usage"]["queue_use"] == 0.0
    assert item["usage"]["last_access"].endswith("Z")
    assert sum(node["inference_count"] for node in item["nodes"]) == 30


def test_pages(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PAGE", 1)
    assert len(emulator.info()["deployments"]) == 3


def test_a_deployment_that_only_the_cluster_state_has_yet(emulator: Emulator) -> None:
    empty = {"type": "answer", "status": 200, "body": {"count": 1, "trained_model_stats": []}}
    emulator.fault("stats", empty)
    result = emulator.run(deployment_id="m-search", check_mode=True, **TWO)
    assert result["operation"] == "none"
    assert result["deployment"]["number_of_allocations"] == 2
    assert {route["node_name"] for route in result["routing_table"].values()} == {None}


def test_old_servers_are_refused(emulator: Emulator) -> None:
    old = {"type": "answer", "status": 200, "body": {"version": {"number": "7.17.0"}}}
    emulator.fault("any_read", old)
    assert "Elasticsearch 7.17.0 is too old" in emulator.info()["msg"]


RUNNING = Deployment(
    "d",
    "m",
    number_of_allocations=2,
    assignment_state="started",
    allocation_status=AllocationStatus(2, 2, "fully_allocated"),
)
FAILED = Route("n", "ml-1", "failed", "no memory", None, None)


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, "ok", None),
        ({"allocation_status": AllocationStatus(1, 2, "started")}, "degraded", "1 of 2 allocations run"),
        ({"routes": (FAILED,)}, "degraded", "2 of 2 allocations run; node ml-1 failed (no memory)"),
        (
            {"assignment_state": "starting", "allocation_status": None, "reason": "no room"},
            "starting",
            "0 of 2 allocations run; no room",
        ),
        ({"assignment_state": "stopping", "reason": "client API call"}, "degraded", "it is being stopped (client API"),
        ({"assignment_state": "stopping"}, "degraded", "it is being stopped"),
        ({"assignment_state": "failed", "routes": (FAILED,)}, "failed", "node ml-1 failed (no memory)"),
        ({"number_of_allocations": 0}, "zero", "no request wakes it"),
    ],
)
def test_health(changes: Json, state: str, reason: str | None) -> None:
    found = health(dataclasses.replace(RUNNING, **changes))
    assert found.state == state
    assert (reason or "") in (found.reason or "")
    assert (found.reason is None) == (reason is None)


def test_a_reason_that_elasticsearch_does_not_give_is_left_out() -> None:
    unexplained = dataclasses.replace(FAILED, reason=None)
    assert health(dataclasses.replace(RUNNING, assignment_state="stopping")).reason == "it is being stopped"
    found = health(dataclasses.replace(RUNNING, routes=(unexplained,)))
    assert found.reason == "2 of 2 allocations run; node ml-1 failed"


def _entry(name: str, state: str = "started", **figures: t.Any) -> Json:
    return {"node": {f"id-{name}": {"name": name}}, "routing_state": {"routing_state": state}, **figures}


ROW: Json = {
    "deployment_stats": {
        "queue_capacity": 100,
        "error_count": 3,
        "peak_throughput_per_minute": 9,
        "nodes": [
            _entry(
                "b",
                number_of_pending_requests=50,
                inference_count=30,
                average_inference_time_ms=10.0,
                inference_cache_hit_count=10,
                throughput_last_minute=6,
                average_inference_time_ms_last_minute=20.0,
                last_access=2000,
                error_count=3,
            ),
            _entry(
                "a", number_of_pending_requests=0, inference_count=10, average_inference_time_ms=30.0, last_access=1000
            ),
            _entry("c", "failed"),
            {"routing_state": {"routing_state": "failed"}},
        ],
    }
}


def test_figures_are_weighted_by_how_often_a_node_answered() -> None:
    assert usage(ROW, RIGHT) == {
        "requests_last_minute": 6,
        "peak_requests_per_minute": 9,
        "inference_count": 40,
        "average_inference_time_ms": 15.0,
        "average_inference_time_ms_last_minute": 20.0,
        "cache_hit_count": 10,
        "cache_hit_ratio": 0.25,
        "pending_requests": 50,
        "queue_use": 0.25,
        "error_count": 3,
        "rejected_execution_count": 0,
        "timeout_count": 0,
        "last_access": "1970-01-01T00:00:02.000Z",
    }


def test_nothing_measured_is_none() -> None:
    found = usage({"deployment_stats": {"nodes": []}}, RIGHT)
    assert found["average_inference_time_ms"] is None
    assert found["cache_hit_ratio"] is None
    assert found["last_access"] is None


def test_nodes_are_sorted_and_a_failed_one_counts_nothing() -> None:
    found = nodes(ROW, RIGHT)
    assert [node["node_name"] for node in found] == ["a", "b", "c"]
    assert [node["error_count"] for node in found] == [0, 3, None]


def test_figures_that_a_version_reports_wrongly_are_none() -> None:
    """Test server-behaviour.md 7 items 22 and 26: a number below zero would look like a queue without requests."""
    wrong = Trust(pending=False, threads=False)
    assert (usage(ROW, wrong)["pending_requests"], usage(ROW, wrong)["queue_use"]) == (None, None)
    assert {node["number_of_pending_requests"] for node in nodes(ROW, wrong)} == {None}
    assert {node["threads_per_allocation"] for node in nodes(ROW, wrong)} == {None}


@pytest.mark.parametrize(
    ("version", "pending", "threads"),
    [("8.3.3", None, 1), ("8.5.3", None, None), ("8.6.0", None, 1), ("9.4.3", None, 1), ("9.5.0", 0, 1)],
)
def test_the_versions_that_report_wrongly(version: str, pending: int | None, threads: int | None) -> None:
    with Emulator(version) as emulator:
        emulator.effect("start_deployment", model_id="m")
        emulator.settle()
        [item] = emulator.info()["deployments"]
        assert (item["usage"]["pending_requests"], item["usage"]["queue_use"]) == (pending, pending)
        assert {node["threads_per_allocation"] for node in item["nodes"]} == {threads}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test reading inference endpoints: which ones, what is said of each, with how many requests and which privileges."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint_info.run import empty_result
from support.emulated_cluster import Emulator
from support.inference import refusal

Json = dict[str, t.Any]
OWNED: Json = {"model_id": "m", "num_allocations": 2, "num_threads": 1}
KINDS = ("inference_endpoints", "ingest_pipelines", "model_aliases", "semantic_text_indices")
PRESETS = (".elser-2-elasticsearch", ".multilingual-e5-small-elasticsearch", ".rerank-v1-elasticsearch")


def put(emulator: Emulator, path: str, body: Json) -> None:
    assert emulator.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200, path


def put_endpoint(emulator: Emulator, inference_id: str, settings: Json, service: str = "elasticsearch") -> None:
    path = f"/_inference/sparse_embedding/{inference_id}"
    put(emulator, path, {"service": service, "service_settings": settings})
    emulator.settle()


def prepared(version: str = "9.5.3") -> Emulator:
    """Return a cluster with an endpoint that owns its deployment, one attached to that, and users."""
    emulator = Emulator(version)
    put_endpoint(emulator, "owner", OWNED)
    put_endpoint(emulator, "attached", {"deployment_id": "owner"})
    put(emulator, "/_ingest/pipeline/p", {"processors": [{"inference": {"model_id": "owner"}}]})
    emulator.effect("put_semantic_text_reference", index="i", inference_id="attached")
    emulator.forget()
    return emulator


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with prepared() as made:
        yield made


def ids(result: Json) -> list[str]:
    return [each["inference_id"] for each in result["inference_endpoints"]]


def one(emulator: Emulator, inference_id: str, **given: t.Any) -> Json:
    [found] = emulator.endpoints(inference_id, **given)["inference_endpoints"]
    return t.cast("Json", found)


def requests(emulator: Emulator) -> list[str]:
    return [each["path"] for each in emulator.control("GET", "/requests")]


# --- which endpoints ---


@pytest.mark.parametrize(
    ("patterns", "given", "found"),
    [
        ((), {}, [*PRESETS, "attached", "owner"]),
        (("own*", "none*"), {}, ["owner"]),
        (("?ttached", "owner", "own*"), {}, ["attached", "owner"]),
        (("a*",), {"task_type": ["sparse_embedding", "rerank"]}, ["attached"]),
        (("*",), {"task_type": ["rerank"]}, [".rerank-v1-elasticsearch"]),
        (("*",), {"service": ["openai"]}, []),
        (("[!.]*",), {"service": ["openai", "elasticsearch"]}, ["attached", "owner"]),
    ],
)
def test_which_ones_are_returned(emulator: Emulator, patterns: tuple[str, ...], given: Json, found: list[str]) -> None:
    result = emulator.endpoints(*patterns, **given)
    assert (ids(result), result["warnings"], result["changed"]) == (found, [], False)
    assert emulator.journal() == []


WARNINGS = [
    (("ownr",), "Inference endpoint 'ownr' does not exist."),
    (("ownr", "owner"), "Did you mean 'owner'?"),
    (("ownr", "x", "x"), "Inference endpoints 'ownr', 'x' do not exist. The inference endpoints are '.elser-2-ela"),
]


@pytest.mark.parametrize(("given", "warning"), WARNINGS)
def test_an_id_that_does_not_exist_gives_a_warning(emulator: Emulator, given: tuple[str, ...], warning: str) -> None:
    [said] = emulator.endpoints(*given)["warnings"]
    assert warning in said
    assert emulator.endpoints("owner", task_type=["rerank"])["warnings"] == []


# --- what is said of each ---


def test_all_that_is_known_of_an_endpoint(emulator: Emulator) -> None:
    owner = one(emulator, "owner")
    assert owner == {
        "inference_id": "owner",
        "task_type": "sparse_embedding",
        "service": "elasticsearch",
        "service_settings": {**OWNED},
        "task_settings": owner["task_settings"],
        "chunking_settings": {"strategy": "sentence", "max_chunk_size": 250, "sentence_overlap": 1},
        "deployment": {
            "deployment_id": "owner",
            "model_id": "m",
            "owned": True,
            "number_of_allocations": 2,
            "adaptive_allocations": None,
            "threads_per_allocation": 1,
            "assignment_state": "started",
            "reason": None,
            "start_time": owner["deployment"]["start_time"],
            "allocation_status": {"allocation_count": 2, "target_allocation_count": 2, "state": "fully_allocated"},
        },
        "health": "ok",
        "health_reason": None,
        "used_by": None,
    }
    attached = one(emulator, "attached")["deployment"]
    assert attached == {**owner["deployment"], "owned": False}


def test_the_allocations_are_those_of_the_deployment(emulator: Emulator) -> None:
    adaptive = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 4}
    body = {"service_settings": {"adaptive_allocations": adaptive}}
    put(emulator, "/_inference/sparse_embedding/owner/_update", body)
    emulator.effect("set_number", deployment_id="owner", number_of_allocations=0)
    emulator.settle()
    found = one(emulator, "owner")
    assert found["deployment"]["adaptive_allocations"] == adaptive
    assert found["deployment"]["number_of_allocations"] == 0
    assert (found["health"], found["health_reason"]) == (
        "zero",
        "no allocation runs, and the next inference request wakes it",
    )


def test_health_of_those_without_a_deployment(emulator: Emulator) -> None:
    put_endpoint(emulator, "remote", {"api_key": "a-secret", "model_id": "text-embedding-3"}, service="openai")
    emulator.effect("remove_deployment", deployment_id="owner")
    found = {each["inference_id"]: each for each in emulator.endpoints()["inference_endpoints"]}
    assert {name: each["deployment"] for name, each in found.items()} == dict.fromkeys(found)
    assert {name: (each["health"], each["health_reason"]) for name, each in found.items()} == {
        **dict.fromkeys(PRESETS, ("idle", "it has no deployment, and the first inference request starts one")),
        "owner": ("lost", "its deployment is gone, and inference requests fail"),
        "attached": ("lost", "deployment 'owner', to which it is attached, does not exist"),
        "remote": ("unknown", "Elasticsearch does not show whether the service openai answers"),
    }
    summary = emulator.endpoints()["summary"]
    assert summary == {
        "inference_endpoints": 6,
        **dict.fromkeys(("ok", "degraded", "starting", "zero", "failed"), 0),
        "idle": 3,
        "lost": 2,
        "unknown": 1,
    }


def test_no_secret_is_shown(emulator: Emulator) -> None:
    put_endpoint(emulator, "remote", {"api_key": "a-secret", "model_id": "text-embedding-3"}, service="openai")
    assert "a-secret" not in str(emulator.endpoints("remote", gather=["deployment", "users"]))
    leaky = {"inference_id": "x", "task_type": "completion", "service": "new", "service_settings": {"api_key": "shown"}}
    answer = {"type": "answer", "status": 200, "body": {"endpoints": [leaky]}}
    emulator.fault("any_read", answer, path="/_inference/_all", times=1)
    result = emulator.endpoints()
    assert (ids(result), result["inference_endpoints"][0]["service_settings"]) == (["x"], {})


def test_who_uses_them(emulator: Emulator) -> None:
    nothing: Json = dict.fromkeys(KINDS, [])
    assert one(emulator, "owner", gather=["users"])["used_by"] == {
        **nothing,
        "inference_endpoints": ["attached"],
        "ingest_pipelines": ["p"],
    }
    assert one(emulator, "attached", gather=["users"])["used_by"] == {**nothing, "semantic_text_indices": ["i"]}
    assert one(emulator, "attached", gather=["users"])["health"] == "unknown"


# --- requests, versions, privileges ---


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, ["/_inference/_all", "/_ml/trained_models/_stats"]),
        ({"gather": []}, ["/_inference/_all"]),
        ({"gather": ["users"]}, ["/_inference/_all", "/_ingest/pipeline", "/_mapping"]),
        ({"service": ["openai"], "gather": ["deployment", "users"]}, ["/_inference/_all"]),
    ],
)
def test_few_requests_however_many_endpoints(emulator: Emulator, given: Json, sent: list[str]) -> None:
    before = len(requests(emulator))
    emulator.endpoints(**given)
    made = [path for path in requests(emulator)[before:] if path not in ("/", "/_security/user/_has_privileges")]
    assert made == sent


@pytest.mark.parametrize("version", ["8.11.4", "8.12.2", "8.14.3", "8.19.3", "9.2.1"])
def test_each_version(version: str) -> None:
    with Emulator(version) as emulator:
        service, more = ("elasticsearch", {"model_id": "m"}) if emulator.has(8, 13) else ("elser", {})
        put_endpoint(emulator, "e", {"num_allocations": 1, "num_threads": 1, **more}, service)
        found = one(emulator, "e")
        assert (found["health"], found["service"], found["deployment"]["owned"]) == ("ok", service, True)


@pytest.mark.parametrize("version", ["8.0.1", "8.10.2"])
def test_an_older_version_has_none(version: str) -> None:
    with Emulator(version) as emulator:
        result = emulator.endpoints(gather=["deployment", "users"])
        assert (result["inference_endpoints"], result["failure"]) == ([], None)
        assert result["warnings"] == ["This version of Elasticsearch has no inference endpoints: they came with 8.11."]


def test_fewer_privileges(emulator: Emulator) -> None:
    emulator.allow("monitor_ml")
    refused = emulator.endpoints()
    assert refused["failure"] == {"code": "missing_privilege"}
    assert "monitor_inference" in refused["msg"]
    emulator.allow("monitor_inference", "monitor_ml")
    result = emulator.endpoints("owner", gather=["deployment", "users"])
    [found] = result["inference_endpoints"]
    assert (found["health"], found["used_by"]["inference_endpoints"]) == ("ok", ["attached"])
    assert (found["used_by"]["ingest_pipelines"], found["used_by"]["semantic_text_indices"]) == (None, None)
    assert result["warnings"] == [
        "The user may not read ingest pipelines (that needs the cluster privilege read_pipeline).",
        "The user may not read semantic_text indices (that needs the index privilege view_index_metadata on all "
        "indices).",
    ]


def test_deployments_that_may_not_be_read(emulator: Emulator) -> None:
    emulator.fault("any_read", refusal(403, "is unauthorized"), path="/_ml/trained_models/_stats", times=5)
    result = emulator.endpoints("owner")
    [found] = result["inference_endpoints"]
    assert (found["deployment"], found["health"]) == (None, "unknown")
    assert result["warnings"] == [
        "The user may not read the deployments of inference endpoints (that needs the cluster privilege monitor_ml): "
        "deployment is null, and their health is unknown."
    ]
    emulator.control("DELETE", "/faults")
    emulator.fault("any_read", refusal(500, "broken"), path="/_ml/trained_models/_stats", times=5)
    assert emulator.endpoints("owner")["failure"] == {"code": "request_rejected"}


def test_the_same_keys_always(emulator: Emulator) -> None:
    results = [emulator.endpoints(), emulator.endpoints(hosts=["http://dead:9200"])]
    assert [set(result) - {"failed", "msg", "error", "warnings"} for result in results] == [set(empty_result())] * 2


def test_an_internal_error_is_a_failed_result(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator.unsound = True
    monkeypatch.setattr(emulator.clock, "sleep", None)
    monkeypatch.setattr(emulator, "request", lambda *_: 1 / 0)
    assert emulator.endpoints()["failure"] == {"code": "internal_error"}

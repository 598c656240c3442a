# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test which indices name inference endpoints, and how that is read."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._consumers import mappings
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]


def semantic(**more: t.Any) -> Json:
    return {"type": "semantic_text", **more}


MAPPINGS: list[tuple[t.Any, set[str]]] = [
    (None, set()),
    ({}, set()),
    ({"properties": {"f": {"type": "keyword"}}}, set()),
    ({"properties": {"f": semantic(inference_id="e")}}, {"e"}),
    (
        {"properties": {"f": semantic(inference_id="e", search_inference_id="s"), "g": {"inference_id": "x"}}},
        set("esx"),
    ),
    (
        {
            "properties": {
                "o": {"properties": {"p": {"type": "nested", "properties": {"f": semantic(inference_id="e")}}}}
            }
        },
        {"e"},
    ),
    ({"properties": {"f": {"type": "text", "fields": {"s": semantic(inference_id="e")}}}}, {"e"}),
    # What only looks like it: fields with these names, and what a mapping may hold besides.
    ({"properties": {"inference_id": {"type": "keyword"}, "properties": {"properties": {"inference_id": {}}}}}, set()),
    ({"_meta": {"inference_id": "e"}, "runtime": {"f": {"inference_id": "e"}}, "properties": {"f": None}}, set()),
    ({"properties": {"f": semantic(inference_id=None, meta={"inference_id": "e"})}}, set()),
    ({"properties": ["f"], "fields": "f"}, set()),
]


@pytest.mark.parametrize(("mapping", "named"), MAPPINGS)
def test_fields_name_endpoints_wherever_they_are(mapping: t.Any, named: set[str]) -> None:
    assert mappings.indices({"i": {"mappings": mapping}}) == ({"i": frozenset(named)} if named else {})
    assert mappings.indices({}) == {}


# --- how it is read ---


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        settings = {"model_id": "m", "num_allocations": 1, "num_threads": 1}
        body = {"service": "elasticsearch", "service_settings": settings}
        path = "/_inference/sparse_embedding/e"
        assert made.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200
        made.effect("put_semantic_text_reference", index="i", inference_id="e")
        made.settle()
        yield made


def used_by(emulator: Emulator) -> Json:
    found: Json = emulator.run(check_mode=True, deployment_id="e", state="stopped")["used_by"]
    return found


@pytest.mark.parametrize("status", [404, 405, 410])
def test_mappings_that_a_proxy_hides_may_not_be_read(emulator: Emulator, status: int) -> None:
    assert used_by(emulator)["semantic_text_indices"] == ["i"]
    hidden = {"type": "answer", "status": status, "headers": {}, "body": {"message": "no"}, "product": False}
    emulator.fault("mapping", hidden, times=-1)
    assert used_by(emulator)["semantic_text_indices"] is None


def test_mappings_that_cannot_be_read_now_stop_nothing(emulator: Emulator) -> None:
    emulator.fault("mapping", {"type": "bad_gateway", "by": "nginx"}, times=-1)
    result = emulator.run(deployment_id="e", state="stopped", on_referenced="force")
    assert result["msg"].startswith("Cannot read the mappings of the indices: ")
    assert "e" in emulator.deployments()


def test_a_mapping_that_is_no_mapping_is_named(emulator: Emulator) -> None:
    deep: t.Any = {}
    for _ in range(250):
        deep = {"properties": deep}
    for body, where in (({"i": {"mappings": deep}}, "a mapping is nested too deeply"), ({"i": []}, "is not an object")):
        answer = {"type": "answer", "status": 200, "headers": {"X-elastic-product": "Elasticsearch"}, "body": body}
        emulator.fault("mapping", answer)
        assert where in emulator.run(deployment_id="e", state="stopped")["msg"]


def test_before_there_are_such_fields_nothing_is_read() -> None:
    with Emulator("8.14.3") as emulator:
        emulator.effect("put_semantic_text_reference", index="i", inference_id="e")
        assert emulator.connected().consumers.read_indices() == {}
        assert "/_mapping" not in [each["path"] for each in emulator.control("GET", "/requests")]


ANSWERS: list[tuple[t.Any, list[str] | None]] = [
    ({"index": {"*": {"view_index_metadata": False}}}, None),
    ({"index": {"*": {"view_index_metadata": True}}}, ["i"]),
    ({"index": {}}, ["i"]),
    ({}, ["i"]),
    ({"index": {"*": {"view_index_metadata": "no"}}}, ["i"]),
]


@pytest.mark.parametrize(("body", "indices"), ANSWERS)
def test_only_a_plain_no_says_that_the_user_does_not_see_all(
    emulator: Emulator, body: Json, indices: list[str] | None
) -> None:
    emulator.allow("manage_ml", "monitor", indices={"*": "view_index_metadata"})
    answer = {"type": "answer", "status": 200, "headers": {"X-elastic-product": "Elasticsearch"}, "body": body}
    emulator.fault("security", answer)
    assert used_by(emulator)["semantic_text_indices"] == indices


@pytest.mark.parametrize("kind", ["drop", "hang", "service_unavailable"])
def test_privileges_that_cannot_be_read_now_stop_nothing(emulator: Emulator, kind: str) -> None:
    emulator.allow("manage_ml", "monitor", indices={"a*": "view_index_metadata"})
    emulator.fault("security", {"type": kind}, times=1000)
    result = emulator.run(deployment_id="e", state="stopped", on_referenced="force")
    assert result["msg"].startswith("Cannot read the privileges of the user: ")
    assert "e" in emulator.deployments()

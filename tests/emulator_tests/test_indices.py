# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test paths of indices, and paths that become those of indices where a part of the server is missing."""

from __future__ import annotations

import json

import pytest

from emulator_tests.api import Api
from emulator_tests.process import running


@pytest.fixture
def api() -> Api:
    return Api()


def test_life_of_an_index(api: Api) -> None:
    """Test an index that is created once, read, and deleted once (public reference of the index APIs)."""
    assert api.send("PUT", "/texts").body == {"acknowledged": True, "shards_acknowledged": True, "index": "texts"}
    again = api.send("PUT", "/texts")
    assert (again.status, again.type) == (400, "resource_already_exists_exception")
    assert api.send("GET", "/texts").body["texts"]["settings"]["index"]["provided_name"] == "texts"
    assert list(api.send("GET", "/_all").body) == list(api.send("GET", "/te*").body) == ["texts"]
    assert api.send("DELETE", "/*").status == 400
    assert api.send("DELETE", "/texts").status == 200
    assert api.send("DELETE", "/texts").type == "index_not_found_exception"
    assert api.send("DELETE", "/").reason == "Validation Failed: 1: index / indices is missing;"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("_own", "must not start with '_', '-', or '+'"),
        ("Texts", "must be lowercase"),
        ("a%23b", "must not contain the following characters"),
        ("a" * 256, "index name is too long, (256 > 255)"),
    ],
)
def test_names_of_new_indices(api: Api, name: str, why: str) -> None:
    """Test the rules of the public reference of the create index API."""
    refused = api.send("PUT", f"/{name}")
    assert (refused.status, refused.type) == (400, "invalid_index_name_exception")
    assert why in refused.reason


def test_life_of_a_document(api: Api) -> None:
    """Test that versions count on and sequence numbers count writes (public reference of the document APIs)."""
    first = api.send("PUT", "/texts/_doc/1", {"text": "a"})
    assert (first.status, first.body["result"], first.body["_seq_no"]) == (201, "created", 0)
    assert first.headers["Location"] == "/texts/_doc/1"
    second = api.send("PUT", "/texts/_doc/1", {"text": "b"})
    assert (second.status, second.body["result"], second.body["_version"]) == (200, "updated", 2)
    assert api.send("GET", "/texts/_doc/1").body["_source"] == {"text": "b"}
    conflict = api.send("PUT", "/texts/_doc/1", {"text": "c"}, op_type="create")
    assert (conflict.status, conflict.type) == (409, "version_conflict_engine_exception")
    assert conflict.reason == "1: version conflict, document already exists (current version [2])"
    assert api.send("DELETE", "/texts/_doc/1").body["result"] == "deleted"
    assert api.send("DELETE", "/texts/_doc/1").status == 404
    assert api.send("GET", "/texts/_doc/1").body == {"_index": "texts", "_id": "1", "found": False}
    assert api.send("GET", "/none/_doc/1").type == "index_not_found_exception"
    assert api.send("PUT", "/texts/_doc/1").reason == "request body is required"


SEMANTIC = {"type": "semantic_text", "inference_id": "e"}


def test_mappings_are_shown_as_they_were_given(api: Api) -> None:
    """Test the form of the answer (public reference of the get mapping API)."""
    mappings = {"properties": {"a": {"properties": {"b": SEMANTIC}}, "c": {"type": "keyword"}}}
    api.send("PUT", "/texts", {"mappings": mappings})
    api.send("PUT", "/other")
    assert api.send("GET", "/texts/_mapping").body == {"texts": {"mappings": mappings}}
    assert api.send("GET", "/_mapping").body == {"texts": {"mappings": mappings}, "other": {"mappings": {}}}
    filtered = api.send("GET", "/_mapping", None, filter_path="**.inference_id").body
    assert filtered == {"texts": {"mappings": {"properties": {"a": {"properties": {"b": {"inference_id": "e"}}}}}}}
    assert api.send("GET", "/texts").body["texts"]["mappings"] == mappings
    assert api.send("GET", "/none/_mapping").type == "index_not_found_exception"


@pytest.mark.parametrize("settings", [{"index.hidden": True}, {"index": {"hidden": "true"}}, {"hidden": True}])
def test_hidden_indices_are_shown_on_request(api: Api, settings: dict[str, object]) -> None:
    api.send("PUT", "/texts", {"settings": settings})
    assert api.send("GET", "/_mapping").body == {}
    for wildcards in ("all", "open,hidden"):
        assert list(api.send("GET", "/_mapping", None, expand_wildcards=wildcards).body) == ["texts"]
    assert list(api.send("GET", "/texts/_mapping").body) == ["texts"]
    assert api.send("GET", "/texts").body["texts"]["settings"]["index"]["hidden"] == "true"


@pytest.mark.parametrize(
    ("version", "flavor", "default"),
    [
        ("8.16.0", "default", None),
        ("8.17.0", "default", ".elser-2-elasticsearch"),
        ("9.5.3", "serverless", ".jina-embeddings-v5-text-small"),
    ],
)
def test_a_field_that_names_no_endpoint_gets_the_default(version: str, flavor: str, default: str | None) -> None:
    """Test around-deployments.md 4.6."""
    api = Api(version, flavor=flavor)
    fields = {"a": {"type": "semantic_text"}, "b": {"type": "text", "fields": {"c": dict(SEMANTIC)}}}
    api.send("PUT", "/texts", {"mappings": {"properties": fields}})
    shown = api.send("GET", "/texts/_mapping").body["texts"]["mappings"]["properties"]
    assert (shown["a"].get("inference_id"), shown["b"]) == (default, fields["b"])
    named = api.emulator.control("GET", "/state")["semantic_text"]
    assert named == {"texts": sorted(filter(None, ["e", default]))}


def test_a_mapping_that_an_effect_made_counts_for_the_delete_of_an_endpoint(api: Api) -> None:
    for endpoint in ("e", "f"):
        api.effect("put_semantic_text_reference", index="texts", inference_id=endpoint)
    shown = api.send("GET", "/texts/_mapping").body["texts"]["mappings"]["properties"]
    assert [field["inference_id"] for field in shown.values()] == ["e", "f"]
    assert api.emulator.control("GET", "/state")["semantic_text"] == {"texts": ["e", "f"]}
    api.effect("remove_semantic_text_reference", index="texts")
    assert api.emulator.control("GET", "/state")["semantic_text"] == {}


def test_mappings_are_shown_of_what_a_user_may_see(api: Api) -> None:
    """Test around-deployments.md 4.6: a pattern leaves out what the user may not see."""
    for name in ("texts", "secrets"):
        api.send("PUT", f"/{name}")
    user, login = {"username": "u", "password": "p"}, {"Authorization": "Basic dTpw"}

    def seen(*grants: dict[str, object]) -> object:
        api.emulator.control("POST", "/privileges", {**user, "privileges": ["monitor_ml"], "indices": list(grants)})
        status, _headers, body = api.emulator.request("GET", "/_mapping", login, None)
        return list(json.loads(body)) if status == 200 else status

    privileges = ["view_index_metadata"]
    assert seen() == 403
    assert seen({"names": ["t*"], "privileges": ["read"]}) == 403
    assert seen({"names": ["t*"], "privileges": privileges}) == ["texts"]
    assert seen({"names": ["nothing"], "privileges": privileges}) == []
    assert seen({"names": ["*"], "privileges": privileges}) == ["texts", "secrets"]
    assert api.emulator.request("GET", "/secrets/_mapping", login, None)[0] == 200
    assert seen({"names": ["t*"], "privileges": privileges}) == ["texts"]
    assert api.emulator.request("GET", "/secrets/_mapping", login, None)[0] == 403


def test_reset_forgets_indices(api: Api) -> None:
    api.send("PUT", "/texts")
    assert api.emulator.control("GET", "/state")["indices"] == {"texts": 0}
    api.emulator.control("POST", "/reset")
    assert api.emulator.control("GET", "/state")["indices"] == {}


@pytest.mark.parametrize(("version", "status"), [("8.19.21", 405), ("9.5.3", 400)])
def test_path_of_a_missing_part(version: str, status: int) -> None:
    """Test server-behaviour.md 0.

    Without machine learning, ``GET /_ml/trained_models`` is the path of a type, until 9.0 [I].
    """
    api = Api(version, without=["ml"])
    assert api.send("GET", "/_ml/trained_models").status == status
    assert api.send("GET", "/_ml/trained_models/m/_stats").status == 400
    assert api.send("POST", "/_ml/trained_models/m/deployment/_start").status == 400
    assert api.send("GET", "/_ml").type == "invalid_index_name_exception"
    refused = api.send("PUT", "/_cluster/settings", {"persistent": {"xpack.ml.max_lazy_ml_nodes": 1}})
    assert refused.reason == "persistent setting [xpack.ml.max_lazy_ml_nodes], not recognized"


def test_literal_segments_come_first(api: Api) -> None:
    """Test server-behaviour.md 0.

    The path of ``_stats`` is no path of a model called ``_stats``, whatever the method.
    """
    refused = api.send("DELETE", "/_ml/trained_models/_stats")
    assert refused.status == 405
    assert refused.headers["Allow"] == "GET"


def test_option_of_the_command_line() -> None:
    with running("--without", "ml", "--without", "root") as process:
        assert process.api("GET", "/")[0] == 405
        assert process.control("GET", "/state")["without"] == ["ml", "root"]

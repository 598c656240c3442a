# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the run of a task on a field that uses an inference endpoint, and its laws."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._semantic_text.records import field_in
from ansible_collections.mlops.elasticsearch.plugins.module_utils._semantic_text.run import empty_result
from support.emulated_cluster import Emulator
from support.inference import refusal

Json = dict[str, t.Any]
SAID = ("changed", "operation", "diff", "before", "after", "api_calls", "field", "failure")
USES: Json = {"type": "semantic_text", "inference_id": "e"}
OTHER: Json = {"type": "semantic_text", "inference_id": "other"}
DEFAULT: Json = {"type": "semantic_text"}
HINT = "Create another index with this field, reindex into it, and let an alias lead there."


def create(emulator: Emulator, mapping: Json, name: str = "i") -> None:
    call = {"method": "PUT", "path": f"/{name}", "query": {}, "body": {"mappings": {"properties": mapping}}}
    assert emulator.send(call) == 200
    emulator.forget()


def both(emulator: Emulator, **given: t.Any) -> Json:
    """Return the result of a task that says the same in check mode before."""
    planned = emulator.field(check_mode=True, **given)
    assert emulator.journal() == []
    result = emulator.field(**given)
    assert [result[name] for name in SAID] == [planned[name] for name in SAID]
    assert bool(planned["warnings"]) == planned["changed"]
    return result


@pytest.mark.parametrize("version", ["8.15.2", "9.1.0", "9.5.3"])
@pytest.mark.parametrize(
    ("path", "mapping"),
    [("f", {"f": USES}), ("page.content", {"page": {"properties": {"content": USES}}})],
)
def test_a_missing_index_is_created_if_asked(version: str, path: str, mapping: Json) -> None:
    with Emulator(version) as emulator:
        refused = both(emulator, field=path)
        assert refused["failure"] == {"code": "index_missing"}
        assert refused["msg"] == "There is no index 'i'. Set create to true to create it, or create it first."
        result = both(emulator, field=path, create=True)
        body = {"mappings": {"properties": mapping}}
        assert result["api_calls"] == [{"method": "PUT", "path": "/i", "query": {}, "body": body}]
        assert (result["operation"], len(emulator.journal())) == ("create", 1)
        emulator.forget()
        again = both(emulator, field=path, create=True)
        assert (again["changed"], again["after"]["inference_id"], emulator.journal()) == (False, "e", [])


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"f": OTHER}, "Field 'f' of index 'i' uses another inference endpoint: inference_id is other, not e"),
        ({"f": DEFAULT}, "uses another inference endpoint: inference_id is .elser-2-elasticsearch, not e"),
        ({"f": {"type": "text"}}, "Field 'f' of index 'i' uses no inference endpoint: type is text, not semantic_text"),
        ({"f": {"properties": {}}}, "uses no inference endpoint: type is object, not semantic_text"),
        ({"g": USES}, "Index 'i' has no field 'f'"),
        ({}, "Index 'i' has no field 'f'"),
    ],
)
def test_an_index_that_is_there_is_never_changed(mapping: Json, said: str, asked: bool) -> None:
    with Emulator("9.5.3") as emulator:
        create(emulator, mapping)
        result = both(emulator, create=asked)
        assert (result["failure"], emulator.journal()) == ({"code": "mapping_differs"}, [])
        assert said in result["msg"]
        assert result["msg"].endswith(HINT)


def test_fields_within_others() -> None:
    mapping: Json = {"properties": {"title": {"type": "text", "fields": {"semantic": USES}}, "f": "odd"}}
    found = field_in("i", "title.semantic", mapping)
    assert found
    assert (found.type, found.inference_id) == ("semantic_text", "e")
    assert [field_in("i", path, mapping) for path in ("title.x", "f", "f.g")] == [None] * 3


def test_each_index_behind_a_name_counts() -> None:
    with Emulator("9.5.3") as emulator:
        body: Json = {name: {"mappings": {"properties": {"f": uses}}} for name, uses in (("a", USES), ("b", OTHER))}
        emulator.fault("any_read", {"type": "answer", "status": 200, "body": body}, path="/i/_mapping", times=2)
        result = emulator.field()
        assert result["failure"] == {"code": "mapping_differs"}
        assert "Field 'f' of index 'b' uses another" in result["msg"]
        body["b"] = body["a"]
        emulator.control("DELETE", "/faults")
        emulator.fault("any_read", {"type": "answer", "status": 200, "body": body}, path="/i/_mapping", times=2)
        assert emulator.field()["field"]["index"] == "a"


@pytest.mark.parametrize("index", ["a*", "a,b", "A", "_all", "-a", "+a", ".", "..", "a b", "a/b", "a#b"])
def test_names_that_no_index_has(index: str) -> None:
    with Emulator("9.5.3") as emulator:
        result = both(emulator, index=index, create=True)
        assert result["failure"] == {"code": "invalid_value"}
        assert f"index '{index}' is not the name of an index" in result["msg"]


@pytest.mark.parametrize("given", ["a..b", " ", ".a", "a b"])
def test_names_that_no_field_has(given: str) -> None:
    with Emulator("9.5.3") as emulator:
        assert both(emulator, field=given)["failure"] == {"code": "invalid_value"}
        assert both(emulator, field="")["failure"] == {"code": "incomplete_options"}


def test_an_older_server() -> None:
    with Emulator("8.14.3") as emulator:
        result = both(emulator, create=True)
        assert (result["failure"], emulator.journal()) == ({"code": "unsupported_version"}, [])
        assert result["msg"] == (
            "Elasticsearch 8.14.3 does not support semantic_text fields. This needs 8.15 or newer."
        )


def test_serverless_has_it() -> None:
    with Emulator("9.5.3", flavor="serverless") as emulator:
        assert both(emulator, create=True)["changed"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_answers_that_are_lost(when: str) -> None:
    with Emulator("9.5.3") as emulator:
        emulator.fault("any_write", {"type": "drop"}, when=when, path="/i")
        result = emulator.field(create=True)
        assert (result["failure"], result["changed"], result["after"]["state"]) == (None, True, "present")


def test_another_client_creates_another_index_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator("9.5.3") as emulator, monkeypatch.context() as patch:
        request = emulator.request

        def raced(method: str, target: str, *rest: t.Any) -> t.Any:
            if method == "PUT":
                patch.undo()
                create(emulator, {"f": OTHER})
            return request(method, target, *rest)

        patch.setattr(emulator, "request", raced)
        result = emulator.field(create=True)
        assert (result["failure"], result["changed"]) == ({"code": "mapping_differs"}, False)


def test_kills_at_each_request() -> None:
    for survived, is_sent in itertools.product(range(4), (False, True)):
        with Emulator("9.5.3") as emulator:
            with emulator.kill(survived, is_sent):
                emulator.field(create=True)
            result = emulator.field(create=True)
            assert (result["failure"], result["field"]["inference_id"]) == (None, "e")
            assert len(emulator.journal()) <= 1


def test_privileges() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.allow("monitor", indices={"i": "view_index_metadata"})
        assert emulator.field(create=True, check_mode=True)["failure"] is None
        refused = emulator.field(create=True)
        assert (refused["failure"], refused["changed"]) == ({"code": "missing_privilege"}, False)
        assert "Grant the index privilege create_index." in refused["msg"]
        emulator.allow("monitor")
        unread = emulator.field()
        assert unread["failure"] == {"code": "missing_privilege"}
        assert "Grant the index privilege view_index_metadata." in unread["msg"]


def test_a_read_that_fails() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.fault("any_read", refusal(500, "broken"), path="/i/_mapping", times=5)
        assert emulator.field(create=True)["failure"] == {"code": "request_rejected"}


def test_the_same_keys_always() -> None:
    with Emulator("9.5.3") as emulator:
        results = [emulator.field(create=True), emulator.field(hosts=["http://dead:9200"]), emulator.field(index="A")]
    keys = set(empty_result()) | {"warnings"}
    assert [set(result) - {"failed", "msg", "error"} for result in results] == [keys] * 3


@pytest.mark.parametrize("given", ["*", "a,b", "A", "a b"])
def test_ids_that_no_endpoint_has(given: str) -> None:
    with Emulator("9.5.3") as emulator:
        result = both(emulator, inference_id=given, create=True)
        assert result["failure"] == {"code": "invalid_value"}
        assert f"inference_id '{given}' is not the id of an endpoint" in result["msg"]

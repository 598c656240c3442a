# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test trained models: read, delete, aliases (server-behaviour.md 1.5 and 2.3; public classes)."""

from __future__ import annotations

import json

import pytest

from emulator_tests.api import Answer, Api
from emulator_tests.model_requests import EMBED, ML, TREE, Json, put


def ids(answer: Answer) -> list[str]:
    """Return the ids of the models in an answer."""
    return [each["model_id"] for each in answer.body["trained_model_configs"]]


# --- read ---


@pytest.fixture
def shelf() -> Api:
    """Return an emulator with five models, two of them with tags."""
    api = Api(models=(("a", 1), ("b", 1), ("c", 1)))
    put(api, "x1", {**EMBED, "tags": ["one", "both"]})
    put(api, "x2", {**EMBED, "tags": ["two", "both"]})
    return api


@pytest.mark.parametrize(
    ("path", "query", "count", "expected"),
    [
        ("", {}, 5, ["a", "b", "c", "x1", "x2"]),
        ("/*", {"from": 1, "size": 2}, 5, ["b", "c"]),
        ("/x*", {}, 2, ["x1", "x2"]),
        ("/c,x*", {}, 3, ["c", "x1", "x2"]),
        ("/none*", {}, 0, []),
        ("/*", {"tags": "both"}, 2, ["x1", "x2"]),
        ("/*", {"tags": "both,two"}, 1, ["x2"]),
        ("/*", {"tags": "nope"}, 0, []),
    ],
)
def test_which_models(shelf: Api, path: str, query: Json, count: int, expected: list[str]) -> None:
    answer = shelf.send("GET", ML + path, None, **query)
    assert (answer.body["count"], ids(answer)) == (count, expected)


def test_models_that_are_not_there(shelf: Api) -> None:
    assert shelf.send("GET", f"{ML}/none").status == 404
    assert shelf.send("GET", f"{ML}/none*", None, allow_no_match="false").status == 404


def test_some_things_are_shown_of_one_model_only(shelf: Api) -> None:
    for include, reason in (
        ("definition", "Getting model definition is not supported when getting more than one model"),
        ("definition_status", "Getting the model download status is not supported when getting more than one model"),
    ):
        answer = shelf.send("GET", f"{ML}/*", None, include=include)
        assert (answer.status, answer.reason) == (400, reason)
    assert shelf.send("GET", f"{ML}/*", None, include="nope").reason.startswith("unknown [include] parameters [nope]")


def test_aliases_and_human_sizes_are_shown(shelf: Api) -> None:
    shelf.send("PUT", f"{ML}/x1/model_aliases/nick")
    (body,) = shelf.send("GET", f"{ML}/nick", None, human="true").body["trained_model_configs"]
    assert body["metadata"] == {"model_aliases": ["nick"]}
    assert body["model_size"] == "0b"
    assert body["create_time_string"].endswith("Z")
    assert ids(shelf.send("GET", f"{ML}/ni*")) == ["x1"]


def test_old_name_of_the_size_for_old_clients() -> None:
    api = Api("8.19.21", models=(("m", 7),))
    media = "application/vnd.elasticsearch+json;compatible-with=7"
    _status, _headers, raw = api.emulator.request("GET", f"{ML}/m", {"Accept": media})
    (body,) = json.loads(raw)["trained_model_configs"]
    assert body["estimated_heap_memory_usage_bytes"] == body["model_size_bytes"] == 7


def test_model_without_definition_needs_no_memory() -> None:
    """Test server-behaviour.md 2.3: sizes; recorded for a size of nothing."""
    api = Api()
    put(api, "new", EMBED)
    (row,) = api.stats("new")["trained_model_stats"]
    assert row["model_size_stats"] == {"model_size_bytes": 0, "required_native_memory_bytes": 0}


# --- delete ---


def test_delete_what_pipelines_use() -> None:
    """Test server-behaviour.md 1.5."""
    api = Api()
    api.effect("put_pipeline_reference", pipeline="p", model_id="m")
    answer = api.send("DELETE", f"{ML}/m")
    assert (answer.status, answer.reason) == (
        409,
        "Cannot delete model [m] as it is still referenced by ingest processors; use force to delete the model",
    )
    assert api.send("DELETE", f"{ML}/m", None, force="true").status == 200


INFERENCE: Json = {"inference": {"model_id": "nick"}}
SET: Json = {"field": "f", "value": 1}


def _loops(number: int) -> Json:
    return {"foreach": {"field": "f", "processor": _loops(number - 1)}} if number else INFERENCE


@pytest.mark.parametrize(
    ("pipeline", "status"),
    [
        ({"processors": [_loops(1)]}, 409),
        ({"processors": [_loops(10)]}, 409),
        ({"processors": [_loops(11)]}, 200),
        ({"processors": [{"set": {**SET, "on_failure": [INFERENCE]}}]}, 409),
        ({"processors": [{"inference": {"model_id": "m", "on_failure": [INFERENCE]}}]}, 200),
        ({"processors": [{"foreach": {"field": "f", "processor": {"set": SET}, "on_failure": [INFERENCE]}}]}, 200),
        ({"processors": [], "on_failure": [INFERENCE]}, 200),
        ({"processors": [{"script": "ctx.f = 1"}]}, 200),
    ],
)
def test_delete_an_alias_where_the_server_looks(pipeline: Json, status: int) -> None:
    """Test around-deployments.md 3."""
    api = Api()
    api.send("PUT", f"{ML}/m/model_aliases/nick")
    assert api.send("PUT", "/_ingest/pipeline/p", pipeline).status == 200
    assert api.send("DELETE", f"{ML}/m/model_aliases/nick").status == status


def test_delete_what_pipelines_use_by_an_alias() -> None:
    """Test server-behaviour.md 1.5."""
    api = Api()
    api.send("PUT", f"{ML}/m/model_aliases/nick")
    api.effect("put_pipeline_reference", pipeline="p", model_id="nick")
    answer = api.send("DELETE", f"{ML}/m")
    assert (answer.status, answer.reason) == (
        409,
        "Cannot delete model [m] as it has a model_alias [nick] that is still referenced by ingest processors; "
        "use force to delete the model",
    )
    held = api.send("DELETE", f"{ML}/m/model_aliases/nick")
    assert (held.status, held.reason) == (
        409,
        "Cannot delete model_alias [nick] as it is still referenced by ingest processors",
    )
    assert api.send("DELETE", f"{ML}/m", None, force="true").status == 200
    assert api.emulator.control("GET", "/state")["aliases"] == {}


def test_force_stops_only_the_deployment_of_that_name() -> None:
    """Test server-behaviour.md 1.5: force stops the deployment whose id is the model's, then deletes."""
    api = Api(clock="eager")
    for name in ("m", "second"):
        api.started(name)
    assert api.send("DELETE", f"{ML}/m").status == 409
    assert api.send("DELETE", f"{ML}/m", None, force="true", timeout="5s").status == 200
    assert list(api.emulator.control("GET", "/state")["deployments"]) == ["second"]
    assert api.send("DELETE", f"{ML}/m").reason == (
        "Cannot delete model [m] as it is currently deployed; use force to delete the model"
    )
    api.effect("remove_deployment", deployment_id="second")
    assert api.send("DELETE", f"{ML}/m").reason == "Could not find trained model [m]"


def test_statistics_of_a_deployment_whose_model_is_gone() -> None:
    """Test server-behaviour.md 1.4: rows are those of stored models, by whatever name they are asked for."""
    api = Api(clock="eager")
    api.started("second")
    assert api.send("GET", f"{ML}/_stats").body["count"] == api.send("GET", f"{ML}").body["count"]
    before = [row["model_id"] for row in api.send("GET", f"{ML}/_stats").body["trained_model_stats"]]
    assert api.send("DELETE", f"{ML}/m", None, force="true").status == 200
    assert list(api.emulator.control("GET", "/state")["deployments"]) == ["second"]
    for path in ("_stats", "*/_stats", "_all/_stats"):
        answer = api.send("GET", f"{ML}/{path}")
        assert [row["model_id"] for row in answer.body["trained_model_stats"]] == [
            each for each in before if each != "m"
        ]
        assert answer.body["count"] == len(before) - 1
    for name in ("m", "second", "sec*"):
        answer = api.send("GET", f"{ML}/{name}/_stats")
        assert (answer.status, "[m]" in answer.reason) == (404, True)


def test_force_is_not_in_8_0() -> None:
    assert "unrecognized parameter: [force]" in Api("8.0.1").send("DELETE", f"{ML}/m", None, force="true").reason


# --- aliases ---


@pytest.mark.parametrize(
    ("alias", "status"), [("a.b", 200), ("a-b", 200), ("1", 200), ("v1.2", 400), (".a", 400), ("a-", 400), ("A", 400)]
)
def test_names_of_aliases(alias: str, status: int) -> None:
    """Test what the public class takes (around-deployments.md 7 item 7)."""
    assert Api().send("PUT", f"{ML}/m/model_aliases/{alias}").status == status


def test_alias_is_assigned_once() -> None:
    api = Api()
    path = f"{ML}/m/model_aliases/nick"
    assert api.send("PUT", path).status == 200
    again = api.send("PUT", path)
    assert (again.status, again.reason) == (
        400,
        "cannot assign model_alias [nick] to model_id [m] as model_alias already refers to [m]. "
        "Set parameter [reassign] to [true] if model_alias should be reassigned.",
    )
    assert api.send("PUT", path, None, reassign="true").status == 200
    taken = api.send("PUT", f"{ML}/m/model_aliases/other")
    assert taken.reason == "model_alias cannot be the same as an existing trained model_id"
    missing = api.send("DELETE", f"{ML}/m/model_aliases/none")
    assert (missing.status, missing.type, missing.reason) == (
        404,
        "status_exception",
        "model_alias [none] could not be found",
    )


def test_alias_moves_between_models_of_one_kind() -> None:
    api = Api()
    put(api, "ner", {**EMBED, "inference_config": {"ner": {}}})
    put(api, "embed", EMBED)
    put(api, "tree", TREE)
    api.send("PUT", f"{ML}/embed/model_aliases/nick")
    path = "model_aliases/nick?reassign=true"
    assert api.send("PUT", f"{ML}/ner/{path}").reason == (
        "cannot reassign model_alias [nick] to model [ner] with inference config type [ner] "
        "from model [embed] with type [text_embedding]"
    )
    api.send("PUT", f"{ML}/m/{path}")
    assert api.send("PUT", f"{ML}/tree/{path}").reason == (
        "cannot reassign model_alias [nick] to model [tree] with type [tree_ensemble] "
        "from model [m] with type [pytorch]"
    )


def test_alias_moves_from_a_running_model_to_a_running_one() -> None:
    api = Api()
    api.started("m")
    api.send("PUT", f"{ML}/m/model_aliases/nick")
    path = f"{ML}/other/model_aliases/nick?reassign=true"
    what = "cannot reassign model_alias [nick] to model [other]"
    assert api.send("PUT", path).reason == f"{what} from model [m] as it is not yet deployed"
    api.start("other")
    assert api.send("PUT", path).reason == f"{what}  from model [m] as it is not yet allocated to any nodes"
    api.settle()
    assert api.send("PUT", path).status == 200


def test_alias_that_moves_to_other_inputs_warns() -> None:
    api = Api()
    for name, fields in (("one", ["a", "b"]), ("two", ["c", "d"])):
        put(api, name, {**EMBED, "input": {"field_names": fields}})
    api.send("PUT", f"{ML}/one/model_aliases/nick")
    answer = api.send("PUT", f"{ML}/two/model_aliases/nick", None, reassign="true")
    assert "differ significantly" in answer.headers["Warning"]

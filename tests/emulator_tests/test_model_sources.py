# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test where models come from, and what goes wrong there (around-deployments.md 2, and the public actions)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from emulator_tests.api import Answer, Api
from emulator_tests.model_requests import EMBED, ML, Json, put

ELSER = ".elser_model_2"
LINUX = ".elser_model_2_linux-x86_64"
PACKAGE: Json = {"input": {"field_names": ["text_field"]}}
NOTIFICATIONS = "/.ml-notifications-*/_search"


def frozen(version: str = "9.5.3", seconds: float = 10) -> Api:
    """Return a cluster whose downloads take some time, and whose clock stands still."""
    api = Api(version)
    api.emulator.control("POST", "/clock", {"frozen": True})
    api.effect("set_download_time", seconds=seconds)
    return api


def advance(api: Api, seconds: float) -> None:
    api.emulator.control("POST", "/clock", {"advance": seconds})


def notifications(api: Api, model_id: str = ELSER) -> list[tuple[str, str]]:
    """Return level and message of the notifications about a model, the oldest first."""
    query = {"bool": {"filter": [{"term": {"job_id": model_id}}]}}
    found = api.send("POST", NOTIFICATIONS, {"query": query, "sort": [{"timestamp": "asc"}], "size": 100}).body
    return [(hit["_source"]["level"], hit["_source"]["message"]) for hit in found["hits"]["hits"]]


def defined(api: Api, model_id: str) -> Any:
    answer = api.send("GET", f"{ML}/{model_id}", None, include="definition_status")
    return answer.body["trained_model_configs"][0]["fully_defined"]


def warnings(answer: Answer) -> list[str]:
    return [value for name, value in answer.headers.items() if name.lower() == "warning"]


# --- downloads ---


def test_a_download_tells_how_it_goes() -> None:
    api = frozen()
    assert put(api, ELSER, PACKAGE).status == 200
    assert notifications(api) == [("info", "starting model import")]
    advance(api, 10)
    assert notifications(api)[1:] == [("info", "finished model import after [10] seconds")]
    assert defined(api, ELSER)


def test_a_package_is_downloaded_again() -> None:
    api = frozen(seconds=0)
    assert put(api, ELSER, PACKAGE).status == 200
    api.effect("set_download_time", seconds=10)
    assert put(api, ELSER, PACKAGE).status == 200
    assert len(api.send("GET", "/_tasks", actions="xpack/ml/*", group_by="none").body["tasks"]) == 1
    assert [message for _level, message in notifications(api)].count("starting model import") == 2
    older = frozen("8.9.2", seconds=0)
    assert [put(older, ".elser_model_1", PACKAGE).status for _time in range(2)] == [200, 400]


def test_a_deployed_package_is_not_downloaded_again() -> None:
    api = frozen(seconds=0)
    put(api, ELSER, PACKAGE)
    api.started(ELSER, model_id=ELSER)
    assert "same as the deployment id" in put(api, ELSER, PACKAGE).reason


def test_a_failed_download_leaves_an_incomplete_model() -> None:
    api = frozen()
    api.effect("fail_download", reason="no route to host")
    assert put(api, ELSER, PACKAGE).status == 200
    assert not defined(api, ELSER)
    advance(api, 10)
    assert notifications(api)[-1] == ("error", "Model importing failed due to [no route to host]")
    assert not defined(api, ELSER)
    assert api.start(ELSER).status == 404
    assert put(api, ELSER, PACKAGE).status == 200
    advance(api, 10)
    assert defined(api, ELSER)


def test_who_waits_for_a_download_learns_of_its_failure() -> None:
    api = Api()
    api.effect("fail_download", reason="no route to host")
    answer = api.send("PUT", f"{ML}/{ELSER}", PACKAGE, wait_for_completion="true")
    assert (answer.status, answer.reason) == (500, "no route to host")


def test_a_download_under_way_fails_at_once() -> None:
    api = frozen()
    put(api, ELSER, PACKAGE)
    api.effect("fail_download", model_id=ELSER, reason="gone")
    assert notifications(api)[-1] == ("error", "Model importing failed due to [gone]")
    with pytest.raises(ValueError, match="not being downloaded"):
        api.effect("fail_download", model_id=ELSER)


def test_a_delete_cancels_a_download() -> None:
    api = frozen()
    put(api, ELSER, PACKAGE)
    assert api.send("DELETE", f"{ML}/{ELSER}").status == 200
    assert notifications(api)[1][0] == "warning"
    assert api.send("GET", "/_tasks", actions="xpack/ml/*", group_by="none").body["tasks"] == []
    assert api.send("GET", f"{ML}/{ELSER}").status == 404


def test_a_package_for_other_nodes() -> None:
    """Test a warning at the creation, and a refusal at the start (``cluster_ml`` records)."""
    api = frozen(seconds=0)
    for node_id in ("n1", "n2"):
        api.effect("remove_node", node_id=node_id)
        api.effect("add_node", node_id=node_id, architecture="linux-aarch64")
    created = put(api, LINUX, PACKAGE)
    assert created.status == 200
    assert ["platform specific" in each for each in warnings(created)] == [True]
    assert not warnings(put(api, ELSER, PACKAGE))
    refused = api.start(LINUX)
    assert (refused.status, refused.type) == (400, "illegal_argument_exception")
    assert refused.reason.endswith("expected [linux-x86_64]; but was [linux-aarch64]")


# --- uploads ---


def part(api: Api, number: int, total: int, parts: int = 2) -> Answer:
    text = base64.b64encode(b"1234").decode()
    body = {"definition": text, "total_definition_length": total, "total_parts": parts}
    return api.send("PUT", f"{ML}/new/definition/{number}", body)


def test_parts_announce_one_length() -> None:
    api = Api()
    put(api, "new", EMBED)
    assert [part(api, 0, 8).status, part(api, 1, 9).status] == [200, 200]
    refused = api.start("new")
    assert refused.status == 400
    assert "The value [9] in model definition part [1] does not match the value [8] in part [0]" in refused.reason


def test_the_part_with_the_highest_number_has_to_be_the_last() -> None:
    api = Api()
    put(api, "new", EMBED)
    assert [part(api, 0, 8).status, part(api, 1, 8, parts=3).status] == [200, 200]
    assert not defined(api, "new")
    assert api.start("new").reason.startswith("Model definition truncated")


def test_a_vocabulary_comes_once() -> None:
    api = Api()
    put(api, "new", EMBED)
    answers = [api.send("PUT", f"{ML}/new/vocabulary", {"vocabulary": ["a"]}) for _time in range(2)]
    assert [answer.status for answer in answers] == [200, 400]
    assert answers[1].reason == "Trained machine learning model vocabulary [new] already exists"


def test_the_store_has_an_end() -> None:
    api = Api(models=[("larger", 51 << 30)])
    assert put(api, "small", EMBED).status == 200
    api.emulator.control("POST", "/models", {"model_id": "large", "stored_bytes": 51 << 30})
    refused = put(api, "new", EMBED)
    assert (refused.status, refused.reason) == (
        409,
        "Native model store has exceeded the maximum acceptable size of 50gb, "
        "please delete older unused pytorch models",
    )
    assert api.send("DELETE", f"{ML}/large").status == 200
    assert put(api, "new", EMBED).status == 200


@pytest.mark.parametrize(("version", "runs"), [("9.3.0", True), ("9.4.0", False), ("9.5.3", False)])
def test_a_graph_is_refused_by_each_node(version: str, runs: bool) -> None:
    """Test around-deployments.md 1.2: the upload succeeds, and every route fails."""
    api = Api(version)
    api.effect("refuse_graph", model_id="m")
    assert _state(api) == ("started" if runs else "failed")
    api.effect("remove_deployment", deployment_id="m")
    setting = {"persistent": {"xpack.ml.trained_models.graph_validation_enabled": False}}
    assert (api.send("PUT", "/_cluster/settings", setting).status == 200) != runs
    assert _state(api) == "started"


def _state(api: Api) -> str:
    """Start the model, and return the state of its route once a node has tried to load it."""
    api.start()
    api.tick()
    (route,) = api.assignment()["routing_table"].values()
    return str(route["routing_state"])


# --- the search that reads notifications ---


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (None, 3),
        ({"match_all": {}}, 3),
        ({"term": {"a": 1}}, 2),
        ({"term": {"a": {"value": 2}}}, 1),
        ({"match": {"b": {"query": "x"}}}, 1),
        ({"terms": {"a": [1, 2]}}, 3),
        ({"range": {"a": {"gt": 1}}}, 1),
        ({"range": {"a": {"gte": 1, "lt": 2}}}, 2),
        ({"exists": {"field": "b"}}, 1),
        ({"bool": {"should": [{"term": {"a": 2}}, {"term": {"b": "x"}}]}}, 2),
        ({"bool": {"must": {"term": {"a": 1}}, "must_not": [{"exists": {"field": "b"}}]}}, 1),
    ],
)
def test_searches(query: Json | None, count: int) -> None:
    api = Api()
    for number, source in enumerate(({"a": 1}, {"a": 1, "b": "x"}, {"a": 2})):
        api.send("PUT", f"/logs/_doc/{number}", source)
    found = api.send("GET", "/logs/_search", None if query is None else {"query": query})
    assert (found.status, found.body["hits"]["total"]["value"]) == (200, count)


def test_a_search_shows_what_is_desired() -> None:
    api = Api()
    for number in range(3):
        api.send("PUT", f"/logs/_doc/{number}", {"a": number, "b": "x"})
    body = {"sort": [{"a": {"order": "desc"}}], "size": 1, "from": 1, "_source": ["a"]}
    (hit,) = api.send("POST", "/logs/_search", body).body["hits"]["hits"]
    assert hit == {"_index": "logs", "_id": "1", "_score": None, "_source": {"a": 1}}
    assert "_source" not in api.send("POST", "/logs/_search", {"_source": False}).body["hits"]["hits"][0]


def test_what_a_search_does_not_find() -> None:
    api = Api()
    assert api.send("GET", NOTIFICATIONS).body["hits"]["hits"] == []
    assert api.send("GET", "/nope/_search").type == "index_not_found_exception"
    assert api.send("PUT", "/logs").status == 200
    assert api.send("GET", "/logs/_search", {"query": {"nope": {}}}).reason == "unknown query [nope]"
    assert api.send("GET", "/logs/_search", {"query": {}}).type == "parsing_exception"

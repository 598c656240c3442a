# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test ingest pipelines: definitions, reading, and which deployments they hold (server-behaviour.md 3.3)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Answer, Api

BASE = "/_ingest/pipeline"


def put(api: Api, pipeline_id: str = "p", *processors: Any, **more: Any) -> Answer:
    """Put a pipeline with some processors."""
    return api.send("PUT", f"{BASE}/{pipeline_id}", {"processors": list(processors), **more})


def inference(model_id: str, **more: Any) -> dict[str, Any]:
    """Return an inference processor."""
    return {"inference": {"model_id": model_id, **more}}


# --- definitions ---


def test_life_of_a_pipeline() -> None:
    api = Api("9.1.10")
    assert put(api, "p", inference("m"), description="d", version=3, _meta={"a": 1}).body == {"acknowledged": True}
    expected = {"processors": [inference("m")], "description": "d", "version": 3, "_meta": {"a": 1}}
    assert api.send("GET", f"{BASE}/p").body == {"p": expected}
    assert api.send("GET", f"{BASE}/none").body == {}
    assert api.send("GET", f"{BASE}/none").status == 404
    assert api.send("GET", BASE, None, summary="true").body == {"p": {}}
    before = api.state_version
    put(api, "p", inference("m"), description="d", version=3, _meta={"a": 1})
    assert (api.state_version, api.writes()[-1]["committed"]) == (before, False)
    assert api.send("DELETE", f"{BASE}/p").body == {"acknowledged": True}
    gone = api.send("DELETE", f"{BASE}/p")
    assert (gone.status, gone.type, gone.reason) == (404, "resource_not_found_exception", "pipeline [p] is missing")
    assert api.send("DELETE", f"{BASE}/*").status == 200


def test_patterns() -> None:
    api = Api()
    for name in ("a1", "a2", "b"):
        put(api, name)
    assert list(api.send("GET", f"{BASE}/a*,b").body) == ["a1", "a2", "b"]
    assert api.send("DELETE", f"{BASE}/a*").status == 200
    assert list(api.send("GET", BASE).body) == ["b"]


def test_dates_since_9_2() -> None:
    api = Api()
    put(api)
    shown = api.send("GET", f"{BASE}/p", None, human="true").body["p"]
    assert list(shown) == ["processors", "created_date", "created_date_millis", "modified_date", "modified_date_millis"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, {"reason": "[processors] required property is missing", "property_name": "processors"}),
        (
            {"processors": "x"},
            {
                "reason": "[processors] property isn't a list, but of type [java.lang.String]",
                "property_name": "processors",
            },
        ),
        (
            {"processors": [{"none": {"tag": "t"}}]},
            {"reason": "No processor type exists with name [none]", "processor_tag": "t", "processor_type": "none"},
        ),
        (
            {"processors": [{"set": {"value": 1}}]},
            {
                "reason": "[field] required property is missing",
                "processor_type": "set",
                "property_name": "field",
            },
        ),
        (
            {"processors": [{"inference": {}}]},
            {
                "reason": "[model_id] required property is missing",
                "processor_type": "inference",
                "property_name": "model_id",
            },
        ),
        (
            {"processors": [{"drop": {"foo": 1}}]},
            {
                "reason": "processor [drop] doesn't support one or more provided configuration parameters [foo]",
                "processor_type": "drop",
            },
        ),
        (
            {"processors": [{"drop": {"on_failure": []}}]},
            {
                "reason": "[on_failure] processors list cannot be empty",
                "processor_type": "drop",
                "property_name": "on_failure",
            },
        ),
        (
            {"processors": [], "on_failure": []},
            {"reason": "pipeline [p] cannot have an empty on_failure option defined"},
        ),
        (
            {"processors": [], "foo": 1},
            {"reason": "pipeline [p] doesn't support one or more provided configuration parameters [foo]"},
        ),
        (
            {"processors": [{"foreach": {"field": "x", "processor": {"a": {}, "b": {}}}}]},
            {
                "reason": "[processor] Must specify exactly one processor type",
                "processor_type": "foreach",
                "property_name": "processor",
            },
        ),
    ],
)
def test_refused_definitions(body: Any, error: dict[str, Any]) -> None:
    answer = Api().send("PUT", f"{BASE}/p", body)
    full = {"type": "parse_exception", **error}
    assert answer.body == {"error": {"root_cause": [full], **full}, "status": 400}


def test_all_wrong_processors_are_named() -> None:
    answer = put(Api(), "p", {"one": {}}, {"two": {}})
    assert answer.reason == "No processor type exists with name [one]"
    assert [each["processor_type"] for each in answer.body["error"]["suppressed"]] == ["two"]


def test_processors_by_version() -> None:
    assert put(Api("8.7.1"), "p", {"reroute": {}}).status == 400
    assert put(Api("8.8.0"), "p", {"reroute": {}}).status == 200


def test_required_version() -> None:
    api = Api()

    def send(**body: Any) -> Answer:
        return api.send("PUT", f"{BASE}/p", {"processors": [], **body}, if_version=3)

    assert send().reason == "version conflict, required version [3] for pipeline [p] but no pipeline was found"
    put(api, "p", version=2)
    assert send().reason == "version conflict, required version [3] for pipeline [p] but current version is [2]"
    put(api, "p", version=3)
    assert send(version=3).reason == "cannot update pipeline [p] with the same version [3]"
    assert send(description="next").status == 200
    assert api.send("GET", f"{BASE}/p").body["p"]["version"] == 4


def test_number_of_inference_processors_is_limited() -> None:
    api = Api()
    api.effect("set_setting", name="xpack.ml.max_inference_processors", value=1)
    assert put(api, "p", inference("m")).status == 200
    assert put(api, "p", inference("other")).status == 200
    answer = put(api, "q", inference("m"))
    assert (answer.status, answer.type) == (409, "status_exception")
    assert answer.reason == (
        "Max number of inference processors reached, total inference processors [1]."
        " Adjust the setting [xpack.ml.max_inference_processors]: [1] if a greater number is desired."
    )
    assert put(api, "q", {"set": {"field": "a", "value": 1}}).status == 200


# --- references ---


@pytest.mark.parametrize(
    "definition",
    [
        {"processors": [inference("m")]},
        {"processors": [{"foreach": {"field": "x", "processor": inference("m")}}]},
        {"processors": [{"drop": {"on_failure": [{"drop": {"on_failure": [inference("m")]}}]}}]},
        {"processors": [], "on_failure": [inference("m")]},
        {"processors": [{"foreach": {"field": "x", "processor": {"drop": {"on_failure": [inference("m")]}}}}]},
    ],
)
def test_references_are_found_wherever_they_are(definition: Any) -> None:
    """Test server-behaviour.md 3.3: an inference processor, however deep, holds a deployment."""
    api = Api(clock="eager")
    api.started()
    assert api.send("PUT", f"{BASE}/p", definition).status == 200
    answer = api.stop()
    assert (answer.status, answer.reason) == (
        409,
        "Cannot stop deployment [m] as it is referenced by ingest processors; use force to stop the deployment",
    )
    assert api.stats("m")["trained_model_stats"][0]["pipeline_count"] == 1
    assert api.send("PUT", f"{BASE}/p", {"processors": []}).status == 200
    assert api.stop().status == 200


def test_pipeline_that_only_calls_another_holds_nothing_itself() -> None:
    api = Api()
    put(api, "inner", inference("m"))
    put(api, "outer", {"pipeline": {"name": "inner"}})
    assert api.emulator.cluster.references("m") == ["inner"]


def test_reference_by_deployment_id() -> None:
    """Test server-behaviour.md 3.3.

    What counts is the name in the processor; the model's name does not hold the deployment.
    """
    api = Api(clock="eager")
    api.started("d")
    put(api, "p", inference("m"))
    put(api, "q", inference("d"))
    assert api.stop("d").status == 409
    api.send("DELETE", f"{BASE}/q")
    assert api.stop("d").status == 200


def test_reference_by_an_alias_that_moves() -> None:
    """Test server-behaviour.md 3.3: the deployment that an alias of a pipeline points to is held, and no other."""
    api = Api(clock="eager")
    api.started("m")
    api.started("other", model_id="other")
    api.send("PUT", "/_ml/trained_models/m/model_aliases/nick")
    put(api, "p", inference("nick"))
    answer = api.stop("m")
    assert (answer.status, answer.reason) == (
        409,
        "Cannot stop deployment [m] as it has a model_alias [nick] that is still referenced by ingest processors;"
        " use force to stop the deployment",
    )
    assert api.send("PUT", "/_ml/trained_models/other/model_aliases/nick", None, reassign="true").status == 200
    assert api.stop("m").status == 200
    assert "model_alias [nick]" in api.stop("other").reason
    assert api.stop("other", force="true").status == 200


def test_wording_before_8_8() -> None:
    """Test server-behaviour.md 3.3, below its table."""
    api = Api("8.7.1", clock="eager")
    api.start()
    put(api, "p", inference("m"))
    assert api.stop().reason == (
        "Cannot stop deployment for model [m] as it is referenced by ingest processors;"
        " use force to stop the deployment"
    )


def test_effect_and_api_are_one() -> None:
    api = Api()
    api.effect("put_pipeline_reference", pipeline="p", model_id="m")
    api.effect("put_pipeline_reference", pipeline="p", model_id="other")
    assert api.send("GET", f"{BASE}/p").body["p"]["processors"] == [inference("m"), inference("other")]
    assert api.emulator.control("GET", "/state")["pipelines"] == {"p": ["m", "other"]}


# --- simulate ---


def simulate(api: Api, source: Any, *processors: Any, **more: Any) -> Any:
    """Simulate one document through some processors."""
    body = {"pipeline": {"processors": list(processors), **more}, "docs": [{"_source": source}]}
    answer = api.send("POST", f"{BASE}/_simulate", body)
    assert answer.status == 200, answer.body
    return answer.body["docs"][0]


def test_simulated_documents() -> None:
    api = Api()
    put(api, "p", {"set": {"field": "a.b", "value": "x {{c}}"}})
    docs: list[dict[str, Any]] = [{"_index": "i", "_id": "1", "_source": {"c": 1}}, {"_source": {}}]
    first, second = api.send("POST", f"{BASE}/p/_simulate", {"docs": docs}).body["docs"]
    assert first["doc"].pop("_ingest").keys() == {"timestamp"}
    assert first == {"doc": {"_index": "i", "_id": "1", "_version": "-3", "_source": {"c": 1, "a": {"b": "x 1"}}}}
    assert second["doc"]["_source"] == {"a": {"b": "x "}}
    assert docs[0]["_source"] == {"c": 1}


@pytest.mark.parametrize(
    ("processor", "source", "result"),
    [
        ({"set": {"field": "a", "value": 2, "override": False}}, {"a": 1}, {"a": 1}),
        ({"set": {"field": "a", "copy_from": "b"}}, {"b": [1]}, {"b": [1], "a": [1]}),
        ({"remove": {"field": ["a", "b"], "ignore_missing": True}}, {"a": 1, "c": 1}, {"c": 1}),
        ({"rename": {"field": "a", "target_field": "b"}}, {"a": 1}, {"b": 1}),
        ({"append": {"field": "a", "value": ["x", "y"], "allow_duplicates": False}}, {"a": "x"}, {"a": ["x", "y"]}),
        ({"uppercase": {"field": "a"}}, {"a": "x"}, {"a": "X"}),
        ({"trim": {"field": "a", "target_field": "b"}}, {"a": " x "}, {"a": " x ", "b": "x"}),
        (
            {"foreach": {"field": "a", "processor": {"lowercase": {"field": "_ingest._value"}}}},
            {"a": ["X"]},
            {"a": ["x"]},
        ),
        ({"fail": {"message": "no", "ignore_failure": True}}, {"a": 1}, {"a": 1}),
        ({"pipeline": {"name": "none", "ignore_missing_pipeline": True}}, {"a": 1}, {"a": 1}),
    ],
)
def test_processors_that_run(processor: Any, source: Any, result: Any) -> None:
    assert simulate(Api(), source, processor)["doc"]["_source"] == result


def test_failures_of_processors() -> None:
    api = Api()
    failed = simulate(api, {}, {"uppercase": {"field": "a"}})["error"]
    assert (failed["type"], failed["reason"]) == (
        "illegal_argument_exception",
        "field [a] not present as part of path [a]",
    )
    assert simulate(api, {"a": 1}, {"fail": {"message": "{{a}} is wrong"}})["error"]["reason"] == "1 is wrong"
    handler = {"set": {"field": "why", "value": "{{_ingest.on_failure_message}}"}}
    handled = simulate(api, {}, {"fail": {"message": "no", "on_failure": [handler]}})
    assert handled["doc"]["_source"] == {"why": "no"}
    assert simulate(api, {}, {"fail": {"message": "no"}}, on_failure=[handler])["doc"]["_source"] == {"why": "no"}
    assert simulate(api, {}, {"drop": {}}) is None


def test_what_cannot_be_simulated_says_so() -> None:
    api = Api()
    grok = {"grok": {"field": "a", "patterns": ["x"]}}
    assert simulate(api, {}, grok)["error"]["reason"] == "the double does not play the processor [grok]"
    condition = simulate(api, {}, {"drop": {"if": "ctx.a == 1"}})
    assert condition["error"]["reason"] == "the double does not play conditions of processors"


def test_nested_pipelines() -> None:
    api = Api()
    put(api, "inner", {"set": {"field": "a", "value": 1}})
    put(api, "loop", {"pipeline": {"name": "loop"}})
    assert simulate(api, {}, {"pipeline": {"name": "inner"}})["doc"]["_source"] == {"a": 1}
    missing = simulate(api, {}, {"pipeline": {"name": "none"}})["error"]["reason"]
    assert missing == "Pipeline processor configured for non-existent pipeline [none]"
    assert simulate(api, {}, {"pipeline": {"name": "loop"}})["error"]["reason"] == "Cycle detected for pipeline: loop"


def test_refused_simulations() -> None:
    api = Api()
    path = f"{BASE}/_simulate"
    assert api.send("POST", path, {"docs": []}).reason == "[pipeline] required property is missing"
    assert api.send("POST", path, {"pipeline": {"processors": []}}).reason == "[docs] required property is missing"
    body = {"pipeline": {"processors": []}, "docs": []}
    assert api.send("POST", path, body).reason == "must specify at least one document in [docs]"
    assert api.send("POST", f"{BASE}/none/_simulate", body).reason == "pipeline [none] does not exist"

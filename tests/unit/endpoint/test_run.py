# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test tasks on inference endpoints: what they do, what they refuse, and what the result says."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import CONNECTION, connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint.api import EndpointCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint.run import empty_result
from support.emulated_cluster import Emulator
from support.endpoints import BOUNDS, KEY, NEW_KEY, ONE, OPENAI, OWN, openai, put
from support.scenario_helpers import meanwhile

Json = dict[str, t.Any]


def code(result: Json) -> str | None:
    return result["failure"] and str(result["failure"]["code"])


def test_a_run(emulator: Emulator) -> None:
    created = emulator.run_endpoint(**OWN, service_settings=ONE)
    assert (created["changed"], created["operation"], created["waited"]["reached"]) == (True, "create", True)
    assert created["endpoint"]["deployment"]["allocation_status"]["state"] == "fully_allocated"
    changed = emulator.run_endpoint(inference_id="e", service_settings={"num_allocations": 2})
    assert changed["diff"]["after"]["service_settings"]["num_allocations"] == 2
    fact = changed["ansible_facts"]["elasticsearch_ml_endpoints"]["e"]
    assert (fact["endpoint"], fact["predicted"]) == (changed["endpoint"], False)
    gone = emulator.run_endpoint(inference_id="e", state="absent")
    assert (gone["operation"], gone["endpoint"], gone["used_by"]["ingest_pipelines"]) == ("delete", None, [])
    assert emulator.run_endpoint(inference_id="e", state="absent")["changed"] is False


def test_the_result_of_nothing_has_the_same_keys(emulator: Emulator) -> None:
    result = emulator.run_endpoint(**OWN, service_settings=ONE)
    assert empty_result().keys() == result.keys() - {"ansible_facts", "warnings"}


def test_an_endpoint_with_a_deployment_of_its_own_does_not_use_another_one(emulator: Emulator) -> None:
    """Test that a deployment_id that Elasticsearch does not show is a difference, and not merely not shown."""
    emulator.run_endpoint(**OWN, service_settings=ONE)
    result = emulator.run_endpoint(inference_id="e", service_settings={"deployment_id": "d"})
    assert (code(result), result["not_shown"]) == ("endpoint_differs", [])
    assert "service_settings.deployment_id is e, not d" in result["msg"]
    assert emulator.run_endpoint(inference_id="e", service_settings={"deployment_id": "e"})["changed"] is False


def test_the_real_connection_is_made_without_a_request() -> None:
    checked = ArgumentSpecValidator(**CONNECTION.to_kwargs()).validate({"hosts": ["http://127.0.0.1:9"]})
    EndpointCluster.connected(connection(checked.validated_parameters), print).close()


def test_elasticsearch_before_8_11_has_none() -> None:
    with Emulator("8.10.0") as emulator:
        assert code(emulator.run_endpoint(**OWN, service_settings=ONE)) == "unsupported_version"


def test_the_service_elasticsearch_came_with_8_13() -> None:
    with Emulator("8.12.2") as emulator:
        result = emulator.run_endpoint(check_mode=True, **OWN, service_settings=ONE)
        assert code(result) == "unsupported_version"
        assert "the service elasticsearch of inference endpoints. This needs 8.13 or newer" in result["msg"]
        assert emulator.run_endpoint(
            **{**OWN, "service": "elser"}, service_settings={"num_threads": 1, "num_allocations": 1}
        )["changed"]


# --- creation ---


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"inference_id": "e"}, "incomplete_options"),
        ({**OWN, "service": None}, "incomplete_options"),
        ({**OWN, "inference_id": "E"}, "invalid_value"),
        ({**OWN, "inference_id": ".e"}, "preset"),
        (OWN, "incomplete_options"),
        ({**OWN, "service_settings": {"model_id": "m"}}, "incomplete_options"),
        ({**OWN, "service_settings": {"model_id": "m", "num_threads": 1}}, "incomplete_options"),
        ({**OWN, "service_settings": {**ONE, "model_id": "missing"}}, "model_missing"),
        ({**OWN, "service_settings": {"deployment_id": "missing"}}, "model_missing"),
        ({**OWN, "service_settings": {**ONE, "num_allocations": 0}}, "invalid_value"),
        ({**OWN, "service_settings": {**ONE, "num_threads": True}}, "invalid_value"),
        ({**OWN, "service_settings": {**ONE, "num_threads": 3}}, "invalid_value"),
        ({**OWN, "service_settings": {**ONE, "adaptive_allocations": "yes"}}, "invalid_value"),
        ({**OWN, "service_settings": {**ONE, "adaptive_allocations": {"enabled": True}}}, "conflicting_options"),
        ({**OWN, "service_settings": {**ONE, "adaptive_allocations": {"other": 1}}}, "invalid_value"),
        ({**OWN, "service_settings": {**ONE, "adaptive_allocations": {"enabled": "perhaps"}}}, "invalid_value"),
        (
            {**OWN, "service_settings": {**ONE, "adaptive_allocations": {**BOUNDS, "min_number_of_allocations": -2}}},
            "invalid_value",
        ),
        (
            {**OWN, "service_settings": {**ONE, "adaptive_allocations": {**BOUNDS, "min_number_of_allocations": 4}}},
            "invalid_value",
        ),
        ({**OWN, "service_settings": ONE, "secrets": {"api_key": KEY}}, "conflicting_options"),
    ],
)
def test_what_elasticsearch_would_refuse_is_refused_before(emulator: Emulator, options: Json, expected: str) -> None:
    checked, result = emulator.run_endpoint(True, **options), emulator.run_endpoint(**options)
    assert (code(result), checked["msg"], emulator.journal()) == (expected, result["msg"], [])


def test_an_id_that_something_has_is_refused(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="e", number_of_allocations=1)
    assert code(emulator.run_endpoint(**OWN, service_settings=ONE)) == "inference_id_taken"
    found = emulator.run_endpoint(**{**OWN, "inference_id": "m"}, service_settings=ONE)
    assert (code(found), "a model that is deployed" in found["msg"]) == ("inference_id_taken", True)


def test_an_endpoint_attaches_to_a_deployment_as_it_is(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
    emulator.settle()
    settings = {"deployment_id": "d"}
    other = emulator.run_endpoint(**OWN, service_settings={**settings, "num_allocations": 2})
    assert code(other) == "attached_deployment"
    wrong = emulator.run_endpoint(**OWN, service_settings={**settings, "model_id": "other"})
    assert code(wrong) == "model_missing"
    done = emulator.run_endpoint(**OWN, service_settings={**settings, "model_id": "m"})
    assert (done["operation"], done["endpoint"]["deployment"]["owned"]) == ("create", False)
    assert code(emulator.run_endpoint(inference_id="e", service_settings={"num_allocations": 2})) == (
        "attached_deployment"
    )
    emulator.effect("remove_deployment", deployment_id="d")
    gone = emulator.run_endpoint(inference_id="e")
    assert (code(gone), "is not there" in gone["warnings"][0]) == ("not_ready", True)
    assert emulator.run_endpoint(inference_id="e", wait=False)["failure"] is None


def test_bounds_that_say_no_bound_are_not_sent(emulator: Emulator) -> None:
    settings = {"model_id": "m", "num_threads": 1, "adaptive_allocations": {**BOUNDS, "max_number_of_allocations": -1}}
    options: Json = {**OWN, "service_settings": settings}
    checked, result = emulator.run_endpoint(True, **options), emulator.run_endpoint(**options)
    assert checked["after"] == result["after"]
    assert "max_number_of_allocations" not in result["api_calls"][0]["body"]["service_settings"]["adaptive_allocations"]
    assert emulator.run_endpoint(**options)["changed"] is False


@pytest.mark.parametrize(
    ("name", "value", "expected"), [("upgrade_mode", True, "upgrade_mode"), ("license", "basic", "missing_licence")]
)
def test_the_state_of_the_cluster_refuses_a_creation(
    emulator: Emulator, name: str, value: t.Any, expected: str
) -> None:
    emulator.effect("set_setting", name=name, value=value)
    assert code(emulator.run_endpoint(**OWN, service_settings=ONE)) == expected
    assert emulator.run_endpoint(True, **OPENAI, service_settings={"model_id": "gpt"})["operation"] == "create"


def test_a_refused_creation_says_what_is_there(emulator: Emulator) -> None:
    emulator.effect("fail_endpoint_start", inference_id="e", status=429, reason="no room")
    result = emulator.run_endpoint(**OWN, service_settings=ONE)
    assert (result["changed"], code(result), result["after"]["state"]) == (True, "no_capacity", "lost")
    assert "is there nevertheless" in result["msg"]
    again = emulator.run_endpoint(**OWN, service_settings=ONE)
    assert (again["operation"], again["failure"]) == ("start", None)


def test_an_endpoint_of_another_client_is_not_ours(emulator: Emulator) -> None:
    meanwhile(emulator, "/_security/user/_has_privileges", lambda: put(emulator))
    result = emulator.run_endpoint(**OWN, service_settings=ONE)
    assert (code(result), result["changed"], "must be unique" in result["msg"]) == ("request_rejected", False, True)
    assert result["endpoint"] is not None


# --- changes ---


@pytest.mark.parametrize(
    ("on_adaptive", "expected"), [("fail", "adaptive_allocations_enabled"), ("skip", None), ("override", None)]
)
def test_a_number_where_adaptive_allocations_set_it(emulator: Emulator, on_adaptive: str, expected: str | None) -> None:
    put(emulator, num_allocations=None, adaptive_allocations=BOUNDS)
    result = emulator.run_endpoint(inference_id="e", service_settings={"num_allocations": 2}, on_adaptive=on_adaptive)
    assert code(result) == expected
    assert len(result["api_calls"]) == (2 if on_adaptive == "override" else 0)
    assert bool(result["skipped_because"]) == (on_adaptive == "skip")
    assert result["endpoint"] is not None


@pytest.mark.parametrize("bounds", [{}, {"max_number_of_allocations": -1}])
def test_the_number_follows_when_adaptive_allocations_are_turned_off(emulator: Emulator, bounds: Json) -> None:
    put(emulator, num_allocations=None, adaptive_allocations=BOUNDS)
    settings = {**ONE, "adaptive_allocations": {"enabled": False, **bounds}}
    options = {**OWN, "service_settings": settings}
    predicted, result = emulator.run_endpoint(True, **options), emulator.run_endpoint(**options)
    assert (len(result["api_calls"]), predicted["api_calls"]) == (2, result["api_calls"])
    assert emulator.run_endpoint(**options)["changed"] is False


def test_bounds_change_where_a_number_is_skipped(emulator: Emulator) -> None:
    put(emulator, num_allocations=None, adaptive_allocations=BOUNDS)
    settings = {"num_allocations": 2, "adaptive_allocations": {"max_number_of_allocations": 4}}
    result = emulator.run_endpoint(inference_id="e", service_settings=settings, on_adaptive="skip")
    assert (result["changed"], bool(result["skipped_because"])) == (True, True)


def test_a_deployment_that_starts_is_waited_for_before_its_update(emulator: Emulator) -> None:
    emulator.effect("hold", deployment_id="e")
    call = {"service": "elasticsearch", "service_settings": {**ONE}}
    emulator.control("POST", "/clock", {"frozen": False})
    emulator.send({"method": "PUT", "path": "/_inference/sparse_embedding/e", "query": {}, "body": call})
    emulator.effect("release", deployment_id="e")
    result = emulator.run_endpoint(inference_id="e", service_settings={"num_allocations": 2})
    assert (code(result), result["operation"]) == (None, "update")


def test_a_lost_deployment_is_started_with_what_the_endpoint_shows(emulator: Emulator) -> None:
    put(emulator, num_allocations=None, adaptive_allocations=BOUNDS)
    emulator.effect("remove_deployment", deployment_id="e")
    result = emulator.run_endpoint(inference_id="e")
    assert (result["operation"], result["diff"]["after"]) == ("start", {"state": "present"})
    assert result["api_calls"][0]["body"] == {"adaptive_allocations": BOUNDS}
    assert emulator.deployments()["e"]["adaptive_allocations"] == BOUNDS


def test_a_lost_deployment_whose_model_is_gone_is_refused(emulator: Emulator) -> None:
    emulator.control("POST", "/models", {"model_id": "short-lived"})
    put(emulator, model_id="short-lived")
    emulator.effect("remove_deployment", deployment_id="e")
    assert emulator.api("DELETE", "/_ml/trained_models/short-lived?force=true") == 200
    assert code(emulator.run_endpoint(inference_id="e")) == "model_missing"


def test_presets_can_be_compared_and_not_changed(emulator: Emulator) -> None:
    preset = ".elser-2-elasticsearch"
    same = emulator.run_endpoint(inference_id=preset, service_settings={"model_id": ".elser_model_2"})
    assert (same["changed"], same["failure"], same["endpoint"]["deployment"]) == (False, None, None)
    changed = {"adaptive_allocations": {"max_number_of_allocations": 4}}
    for options in (
        {"service_settings": changed},
        {"service_settings": {"num_threads": 4}},
        {"state": "absent", "force": True},
    ):
        assert code(emulator.run_endpoint(inference_id=preset, **options)) == "preset"
    assert emulator.journal() == []


def test_task_settings_in_the_cluster_change_from_9_2_on() -> None:
    for version, expected in (("9.1.10", "endpoint_differs"), ("9.5.3", None)):
        with Emulator(version) as emulator:
            emulator.effect(
                "put_endpoint",
                inference_id="e",
                task_type="rerank",
                service="elasticsearch",
                service_settings=ONE,
                task_settings={"return_documents": True},
            )
            emulator.effect("start_deployment", model_id="m", deployment_id="e", number_of_allocations=1)
            emulator.settle()
            options: Json = {"inference_id": "e", "task_settings": {"return_documents": "false"}}
            assert code(emulator.run_endpoint(**options)) == expected


def test_an_update_that_resets_chunking_settings_is_said() -> None:
    for settings, expected in (({}, None), ({"strategy": "sentence"}, "chunking_reset")):
        with Emulator("9.2.1") as emulator:
            put(emulator)
            options: Json = {
                "inference_id": "e",
                "service_settings": {"num_allocations": 2},
                "chunking_settings": settings,
            }
            result = emulator.run_endpoint(**options)
            assert code(result) == expected
            assert any(
                "also changed the chunking settings" in text for text in [*result["warnings"], result.get("msg", "")]
            )
            assert result["changed"] is True


def test_without_monitor_ml_the_endpoint_itself_is_compared(emulator: Emulator) -> None:
    put(emulator)
    emulator.allow("manage_inference", "cluster:monitor/main")
    result = emulator.run_endpoint(inference_id="e", service_settings={"num_allocations": 2}, wait_timeout=2)
    assert (code(result), result["changed"], result["endpoint"]["deployment"]) == (None, True, None)
    assert "cannot be read" in result["warnings"][0]
    created = emulator.run_endpoint(**{**OWN, "inference_id": "new"}, service_settings=ONE)
    assert created["operation"] == "create"


def test_a_change_of_the_deployment_alone_needs_to_see_it() -> None:
    with Emulator("8.19.21") as emulator:
        put(emulator)
        emulator.allow("manage_inference", "cluster:monitor/main")
        result = emulator.run_endpoint(inference_id="e", service_settings={"adaptive_allocations": BOUNDS})
        assert (code(result), emulator.journal()) == ("missing_privilege", [])


# --- services outside of the cluster ---


def test_settings_of_other_services_are_compared_as_far_as_they_are_given(emulator: Emulator) -> None:
    openai(emulator, similarity="cosine", list=[1, {"a": True}], weight="2")
    same = {
        "rate_limit": {"requests_per_minute": "500"},
        "similarity": "COSINE",
        "list": ["1", {"a": True}],
        "weight": 2.0,
    }
    assert emulator.run_endpoint(inference_id="e", service_settings=same)["changed"] is False
    hidden = emulator.run_endpoint(inference_id="e", service_settings={"provider": "x", "model_id": "gpt"})
    assert (hidden["not_shown"], hidden["changed"]) == (["service_settings.provider"], False)
    assert "service_settings.provider" in hidden["warnings"][0]
    changed = emulator.run_endpoint(inference_id="e", service_settings={"rate_limit": {"requests_per_minute": 600.0}})
    assert changed["api_calls"][0]["body"] == {"service_settings": {"rate_limit": {"requests_per_minute": 600}}}
    listed = emulator.run_endpoint(inference_id="e", service_settings={"list": [1], "model_id": {"a": 1}})
    assert listed["changed"] is True


def test_what_a_service_does_not_let_change_is_said(emulator: Emulator) -> None:
    openai(emulator)
    emulator.effect("fail_endpoint_service", inference_id="e", status=400, reason="no")
    result = emulator.run_endpoint(inference_id="e", service_settings={"model_id": "gpt-5"})
    assert (code(result), result["changed"]) == ("request_rejected", False)
    assert "set replace to recreate" in result["msg"]


def test_before_8_17_only_a_new_endpoint_has_other_settings_or_secrets(tmp_path: t.Any) -> None:
    with Emulator("8.16.0") as emulator:
        openai(emulator)
        changed = emulator.run_endpoint(inference_id="e", service_settings={"model_id": "gpt-5"})
        assert code(changed) == "endpoint_differs"
        kept: Json = {
            "secrets": {"api_key": NEW_KEY},
            "secrets_version": "2",
            "secrets_state_file": str(tmp_path / "v.json"),
        }
        assert code(emulator.run_endpoint(inference_id="e", **kept)) == "endpoint_differs"
        again = emulator.run_endpoint(inference_id="e", **kept, replace="recreate")
        assert (again["operation"], emulator.control("GET", "/secrets")["e"]) == ("recreate", {"api_key": NEW_KEY})


def test_another_service_or_task_is_another_endpoint(emulator: Emulator) -> None:
    openai(emulator)
    result = emulator.run_endpoint(inference_id="e", service="cohere", task_type="rerank")
    assert [each["name"] for each in result["differences"]] == ["task_type", "service"]
    assert code(emulator.run_endpoint(inference_id="e", service="cohere", replace="recreate")) == "incomplete_options"


def test_secrets_of_an_endpoint_in_the_cluster_are_refused(emulator: Emulator) -> None:
    put(emulator)
    assert code(emulator.run_endpoint(inference_id="e", secrets={"api_key": KEY})) == "conflicting_options"

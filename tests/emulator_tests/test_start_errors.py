# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test errors: the envelope, and the complaints of start, row by row (server-behaviour.md 3 and 3.1)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Answer, Api

MODELS = "/_ml/trained_models"
ASSIGNMENT = "org.elasticsearch.xpack.core.ml.inference.assignment"
START = "cluster:admin/xpack/ml/trained_models/deployment/start"


def first_reason(answer: Answer) -> str:
    """Return the only complaint of a validation."""
    assert (answer.status, answer.type) == (400, "action_request_validation_exception"), answer.body
    return answer.reason.removeprefix("Validation Failed: 1: ").removesuffix(";")


# --- the envelope ---


def test_envelope() -> None:
    """Test server-behaviour.md 3.

    Root cause, type, reason, status; the innermost exception of Elasticsearch is the root.
    """
    body = Api().start("none").body
    reason = "Could not find trained model [none]"
    inner = {"type": "resource_not_found_exception", "reason": reason}
    assert body == {"error": {"root_cause": [inner], **inner}, "status": 404}


def test_java_causes_are_no_roots() -> None:
    """Test server-behaviour.md 3: a plain Java exception stands only in caused_by."""
    error = Api(nodes={"n1": 1}).start(threads_per_allocation=2).body["error"]
    assert error["caused_by"]["type"] == "illegal_state_exception"
    assert error["root_cause"] == [{"type": "status_exception", "reason": error["reason"]}]


def test_nested_parse_failures() -> None:
    """Test server-behaviour.md 3: a parse failure names its place and keeps its cause."""
    error = Api().start(body={"adaptive_allocations": {"enabled": "x"}}).body["error"]
    assert error["type"] == "x_content_parse_exception"
    assert error["root_cause"][0]["type"] == "x_content_parse_exception"
    assert "caused_by" in error


def test_complaints_are_collected() -> None:
    """Test server-behaviour.md 3 and 3.1: in one reason, in this order."""
    answer = Api().start(
        body={
            "adaptive_allocations": {"enabled": True, "min_number_of_allocations": 3, "max_number_of_allocations": 2}
        },
        number_of_allocations=0,
        threads_per_allocation=0,
        queue_capacity=0,
        timeout="-1",
    )
    assert answer.reason == (
        "Validation Failed: 1: [number_of_allocations] must be a positive integer;"
        "2: [number_of_allocations] cannot be set if adaptive allocations is enabled;"
        "3: [threads_per_allocation] must be a positive integer;"
        "4: [threads_per_allocation] must be a power of 2 less than or equal to 32;"
        "5: [queue_capacity] must be a positive integer;"
        "6: [timeout] must be positive;"
        "7: [min_number_of_allocations] must not be larger than [max_number_of_allocations];"
    )


def test_complaints_of_an_update_are_collected() -> None:
    """Test server-behaviour.md 3: number, number with adaptive, bounds."""
    settings = {"enabled": True, "min_number_of_allocations": 3, "max_number_of_allocations": 2}
    assert Api().update(number_of_allocations=0, adaptive_allocations=settings).reason == (
        "Validation Failed: 1: [number_of_allocations] must be a positive integer;"
        "2: [number_of_allocations] cannot be set if adaptive allocations is enabled;"
        "3: [min_number_of_allocations] must not be larger than [max_number_of_allocations];"
    )


# --- start, rows 1 and 2 ---


def test_other_model_in_the_body() -> None:
    """Test server-behaviour.md 3.1 row 1: before validation."""
    answer = Api().start(body={"model_id": "other", "number_of_allocations": 0})
    assert (answer.status, answer.type) == (400, "status_exception")
    assert answer.reason == (
        "Inconsistent model_id; 'other' specified in the body differs from 'm' specified as a URL argument"
    )


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"number_of_allocations": 0}, "[number_of_allocations] must be a positive integer"),
        ({"number_of_allocations": -1}, "[number_of_allocations] must be a positive integer"),
        ({"threads_per_allocation": 3}, "[threads_per_allocation] must be a power of 2 less than or equal to 32"),
        ({"threads_per_allocation": 64}, "[threads_per_allocation] must be a power of 2 less than or equal to 32"),
        ({"queue_capacity": 0}, "[queue_capacity] must be a positive integer"),
        ({"queue_capacity": 100001}, "[queue_capacity] must be less than 100000"),
        ({"timeout": "0"}, "[timeout] must be positive"),
        (
            {"priority": "low", "number_of_allocations": 2},
            "[number_of_allocations] must be 1 when [priority] is low",
        ),
        (
            {"priority": "low", "threads_per_allocation": 2},
            "[threads_per_allocation] must be 1 when [priority] is low",
        ),
    ],
)
def test_validation(given: dict[str, Any], complaint: str) -> None:
    """Test server-behaviour.md 3.1 row 2: from the query and from the body alike."""
    assert first_reason(Api().start(**given)) == complaint
    assert first_reason(Api().send("POST", f"{MODELS}/m/deployment/_start", given)) == complaint


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"min_number_of_allocations": -2}, "[min_number_of_allocations] must be a non-negative integer or null"),
        ({"max_number_of_allocations": 0}, "[max_number_of_allocations] must be a positive integer or null"),
        ({"max_number_of_allocations": -2}, "[max_number_of_allocations] must be a positive integer or null"),
        (
            {"min_number_of_allocations": 3, "max_number_of_allocations": 2},
            "[min_number_of_allocations] must not be larger than [max_number_of_allocations]",
        ),
    ],
)
def test_bounds(settings: dict[str, Any], complaint: str) -> None:
    """Test server-behaviour.md 3.1, 3.2 and 6: of start and of update; -1 is unset."""
    api = Api()
    assert first_reason(api.start(body={"adaptive_allocations": settings})) == complaint
    api.started()
    assert first_reason(api.update(adaptive_allocations=settings)) == complaint
    unset = {"enabled": False, "min_number_of_allocations": -1, "max_number_of_allocations": -1}
    assert api.update(adaptive_allocations=unset).status == 200


@pytest.mark.parametrize(
    ("version", "refused"),
    [("8.19.0", False), ("8.19.14", True), ("9.1.10", False), ("9.5.3", True)],
)
@pytest.mark.parametrize("enabled", [True, False])
def test_low_priority_with_an_upper_bound(version: str, refused: bool, enabled: bool) -> None:
    """Test server-behaviour.md 3.1 row 2: since the patches of January 2026, also when not enabled."""
    settings = {"enabled": enabled, "max_number_of_allocations": 2}
    answer = Api(version).start(body={"adaptive_allocations": settings, "priority": "low"})
    if refused:
        assert first_reason(answer) == "[max_number_of_allocations] must be 1 when [priority] is low"
    else:
        assert answer.status == 200


def test_bad_cache_size() -> None:
    """Test server-behaviour.md 3.1 row 2: of two kinds."""
    text = "failed to parse setting [cache_size] with value [abc] as a size in bytes: unit is missing or unrecognized"
    by_query = Api().start(cache_size="abc")
    assert (by_query.status, by_query.type, by_query.reason) == (400, "parse_exception", text)
    by_body = Api().start(body={"cache_size": "abc"})
    assert (by_body.status, by_body.type) == (400, "x_content_parse_exception")
    assert by_body.reason.endswith(f"[{START}] failed to parse field [cache_size]")
    assert by_body.body["error"]["caused_by"] == {"type": "parse_exception", "reason": text}


@pytest.mark.parametrize(("name", "enum"), [("wait_for", "AllocationStatus.State"), ("priority", "Priority")])
def test_unknown_constants(name: str, enum: str) -> None:
    """Test server-behaviour.md 3.1 row 2: of two kinds."""
    text = f"No enum constant {ASSIGNMENT}.{enum}.XYZ"
    by_query = Api().send("POST", f"{MODELS}/m/deployment/_start", None, **{name: "xyz"})
    assert (by_query.status, by_query.type, by_query.reason) == (400, "illegal_argument_exception", text)
    by_body = Api().send("POST", f"{MODELS}/m/deployment/_start", {name: "xyz"})
    assert (by_body.status, by_body.type) == (400, "x_content_parse_exception")
    assert by_body.reason.endswith(f"[{START}] failed to parse field [{name}]")
    assert by_body.body["error"]["caused_by"] == {"type": "illegal_argument_exception", "reason": text}


# --- start, the order of rows 3 to 19 ---


def test_order_of_a_start() -> None:
    """Test server-behaviour.md 3.1: the first hit wins. All hurdles are put up, then taken away one by one."""
    api = Api(nodes={"n1": 1})
    hurdles = {
        "license": "basic",
        "mixed_versions": True,
        "feature_reset": True,
    }
    for name, value in hurdles.items():
        api.effect("set_setting", name=name, value=value)
    wrong = {"model_type": "tree_ensemble", "has_location": False, "downloading": True, "missing_parts": "all"}
    api.emulator.control("POST", "/models", {"model_id": "bad", **wrong})
    api.start(number_of_allocations=0)
    seen = []

    def step(status: int, deployment_id: str, then: Any) -> None:
        answer = api.start("bad", deployment_id=deployment_id, number_of_allocations=2)
        assert answer.status == status, answer.body
        seen.append(answer.reason)
        then()

    def setting(name: str) -> Any:
        return lambda: api.effect("set_setting", name=name, value=None)

    def model(**changed: Any) -> Any:
        wrong.update(changed)
        given = dict(wrong)
        return lambda: api.emulator.control("POST", "/models", {"model_id": "bad", **given})

    step(403, "m", setting("license"))
    step(403, "m", setting("mixed_versions"))
    step(400, "m", model(model_type="pytorch"))
    step(500, "m", model(has_location=True))
    step(400, "m", lambda: None)
    step(408, "new", model(downloading=False))
    step(404, "new", model(missing_parts=1))
    step(400, "new", model(missing_parts=0))
    step(409, "new", setting("feature_reset"))
    step(429, "new", lambda: None)
    assert [reason.split(" [")[0][:40] for reason in seen] == [
        "current license is non-compliant for",
        "Cannot start model deployment",
        "model",
        "model",
        "Deployment id",
        "Model download task is currently running",
        "Could not find trained model definition",
        "Model definition truncated. Unable to de",
        "cannot create new assignment",
        "Could not start deployment because there",
    ]


def test_existing_deployment_comes_before_the_model() -> None:
    """Test server-behaviour.md 3.1 row 6.

    Whatever the settings, even for a model that is not there; after the limit of 100.
    """
    api = Api()
    first: dict[str, Any] = {"number_of_allocations": 1}
    assert api.start(**first).status == 200
    again: list[tuple[str, dict[str, Any]]] = [("m", first), ("m", {"queue_capacity": 7}), ("none", {})]
    for model_id, settings in again:
        answer = api.start(model_id, deployment_id="m", **settings)
        assert (answer.status, answer.type) == (400, "status_exception")
        assert answer.reason == (
            "Could not start model deployment because an existing deployment with the same id [m] exist"
        )


def test_failed_route_while_waiting() -> None:
    """Test server-behaviour.md 3.1 row 20: 500, and the assignment is gone."""
    api = Api(clock="eager")
    api.effect("fail_next_load", reason="boom")
    answer = api.start(wait_for="started")
    assert (answer.status, api.emulator.control("GET", "/state")["deployments"]) == (500, {})
    assert api.start(wait_for="started").status == 200


def test_wait_ends_when_nothing_is_starting() -> None:
    """Test server-behaviour.md 3.1, wait logic: even if wait_for is not met."""
    api = Api(nodes={"n1": 2}, clock="eager")
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)
    partial = api.start(number_of_allocations=4, wait_for="fully_allocated")
    assert partial.status == 200
    assert partial.assignment["assignment_state"] == "started"
    nothing = api.start("other", wait_for="fully_allocated")
    assert nothing.status == 200
    assert (nothing.assignment["assignment_state"], nothing.assignment["routing_table"]) == ("starting", {})
    assert "reason" in nothing.assignment


@pytest.mark.parametrize(
    ("wait_for", "enough"), [("starting", "starting"), ("started", "started"), ("fully_allocated", "fully_allocated")]
)
def test_wait_for_is_a_lower_bound(wait_for: str, enough: str) -> None:
    """Test server-behaviour.md 3.1, wait logic: starting < started < fully_allocated."""
    api = Api(clock="eager")
    answer = api.start(number_of_allocations=6, wait_for=wait_for)
    states = {route["routing_state"] for route in answer.assignment["routing_table"].values()}
    assert states == ({"starting"} if enough == "starting" else {"started"})

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the parameters of start, update and stop, their places and first versions (server-behaviour.md 1.1 to 1.3)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Answer, Api

MODELS = "/_ml/trained_models"
NEWEST_OF_EACH = pytest.mark.parametrize("version", ["8.8.2", "8.15.5", "8.19.21", "9.5.3"])
ADAPTIVE = {"enabled": True, "min_number_of_allocations": 2, "max_number_of_allocations": 4}


def parameters(answer: Answer) -> Any:
    """Return the parameters of the deployment's start."""
    assert answer.status == 200, answer.body
    return answer.assignment["task_parameters"]


# --- start ---


@NEWEST_OF_EACH
def test_settings_in_query_and_body(version: str) -> None:
    """Test server-behaviour.md 1.1: the same names in both, and the query wins."""
    given: dict[str, Any] = {
        "number_of_allocations": 2,
        "threads_per_allocation": 2,
        "queue_capacity": 7,
        "cache_size": "10kb",
        "priority": "normal",
    }
    by_query = parameters(Api(version).start(**given))
    by_body = parameters(Api(version).start(body=given))
    both = parameters(Api(version).start(body={**given, "queue_capacity": 9, "cache_size": "1mb"}, **given))
    assert by_query == by_body == both
    assert {name: by_query[name] for name in given} == given


def test_model_id_in_the_body() -> None:
    """Test server-behaviour.md 1.1: allowed if it is that of the path."""
    assert Api().start(body={"model_id": "m"}).status == 200
    assert Api().start(body={"model_id": "other"}).status == 400


def test_deployment_id() -> None:
    """Test server-behaviour.md 1.1: of the query, by default that of the path; since 8.8."""
    assert parameters(Api("8.8.0").start(deployment_id="d"))["deployment_id"] == "d"
    assert parameters(Api("8.8.0").start())["deployment_id"] == "m"
    assert Api("8.7.1").start(deployment_id="d").status == 400
    assert "deployment_id" not in parameters(Api("8.7.1").start())


@pytest.mark.parametrize(
    ("settings", "number"),
    [
        (None, 1),
        ({"enabled": True}, 1),
        ({"enabled": True, "min_number_of_allocations": 0}, 1),
        ({"enabled": True, "min_number_of_allocations": None}, -1),
        (ADAPTIVE, 2),
        ({**ADAPTIVE, "enabled": False}, 2),
    ],
)
def test_default_number(settings: Any, number: int) -> None:
    """Test server-behaviour.md 1.1 and 6: 1, or the lower bound of adaptive allocations; -1 if that is null."""
    api = Api()
    answer = api.start(body={} if settings is None else {"adaptive_allocations": settings})
    assert parameters(answer)["number_of_allocations"] == number


def test_number_by_version() -> None:
    """Test server-behaviour.md 1.1: the name came with 8.3."""
    assert parameters(Api("8.3.0").start(number_of_allocations=2))["number_of_allocations"] == 2
    assert "unrecognized parameter: [number_of_allocations]" in Api("8.2.3").start(number_of_allocations=2).reason
    assert parameters(Api("8.3.0").start(threads_per_allocation=2))["threads_per_allocation"] == 2
    assert "unrecognized parameter: [threads_per_allocation]" in Api("8.2.3").start(threads_per_allocation=2).reason


@pytest.mark.parametrize("threads", [1, 2, 4, 8, 16, 32])
def test_threads(threads: int) -> None:
    """Test server-behaviour.md 1.1: powers of two up to 32; one by default."""
    api = Api(nodes={"n1": 32})
    assert parameters(api.start(threads_per_allocation=threads))["threads_per_allocation"] == threads
    assert parameters(api.start("other", deployment_id="x", priority="low"))["threads_per_allocation"] == 1


@pytest.mark.parametrize(
    ("version", "default", "most"),
    [("8.0.0", 1024, 1000000), ("8.16.0", 1024, 1000000), ("8.17.0", 10000, 100000), ("9.5.3", 10000, 100000)],
)
def test_queue_capacity(version: str, default: int, most: int) -> None:
    """Test server-behaviour.md 1.1 and 3.1: default and upper bound changed with 8.17.0."""
    name = "allocation" if version == "8.0.0" else "assignment"
    assert Api(version).start().body[name]["task_parameters"]["queue_capacity"] == default
    assert Api(version).start(queue_capacity=1).status == 200
    assert Api(version).start(queue_capacity=most).status == 200
    assert Api(version).start(queue_capacity=most + 1).reason.endswith(f"must be less than {most};")
    assert Api(version).start(queue_capacity=0).reason.endswith("[queue_capacity] must be a positive integer;")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("1gb", "1gb"),
        ("10kb", "10kb"),
        ("0", "0"),
        ("0b", "0"),
        ("-1", "-1"),
        ("-1b", "-1"),
        ("1g", "1gb"),
        ("1 GB", "1gb"),
        ("1.5gb", "1610612736b"),
        ("5", None),
        ("abc", None),
    ],
)
def test_cache_size(given: str, kept: str | None) -> None:
    """Test server-behaviour.md 1.1 and 2.1: what is kept of a size; a number needs a unit unless it is 0 or -1."""
    for answer in (Api("8.19.21").start(cache_size=given), Api("8.19.21").start(body={"cache_size": given})):
        if kept is None:
            assert answer.status == 400
        else:
            assert parameters(answer)["cache_size"] == kept


def test_cache_size_0_as_a_number() -> None:
    """Test server-behaviour.md 1.1."""
    assert parameters(Api().start(body={"cache_size": 0}))["cache_size"] == "0"


def test_cache_size_by_version() -> None:
    """Test server-behaviour.md 1.1: since 8.4; the model's size by default."""
    assert parameters(Api("8.4.0").start())["cache_size"] == "1000b"
    assert "cache_size" not in parameters(Api("8.3.3").start())
    assert Api("8.3.3").start(cache_size="1mb").status == 400


def test_priority_by_version() -> None:
    """Test server-behaviour.md 1.1: since 8.6; normal by default."""
    assert parameters(Api("8.6.0").start())["priority"] == "normal"
    assert parameters(Api("8.6.0").start(priority="low"))["priority"] == "low"
    assert Api("8.5.3").start(priority="low").status == 400
    assert "priority" not in parameters(Api("8.5.3").start())


def test_adaptive_by_version_and_place() -> None:
    """Test server-behaviour.md 1.1: since 8.16, in the body only; null is absent."""
    assert Api("8.16.0").start(body={"adaptive_allocations": ADAPTIVE}).assignment["adaptive_allocations"] == ADAPTIVE
    assert Api("8.16.0").start(body={"adaptive_allocations": None}).assignment["adaptive_allocations"] is None
    assert "unrecognized parameter" in Api("8.16.0").start(adaptive_allocations="{}").reason
    assert "unknown field [adaptive_allocations]" in Api("8.15.5").start(body={"adaptive_allocations": {}}).reason


@pytest.mark.parametrize(
    ("version", "choice", "shown"),
    [("8.9.2", "20s", "20s"), ("8.9.2", "30s", "30s"), ("8.10.0", "20s", "30s"), ("9.5.3", "20s", "30s")],
)
def test_default_time_out(version: str, choice: str, shown: str) -> None:
    """Test server-behaviour.md 1.1: 30s from 8.10; before, 20s is not confirmed [U]."""
    api = Api(version, clock="eager")
    api.emulator.control("POST", "/unknowns", {"start_timeout_before_8_10": choice})
    api.fault("start", {"type": "timeout"})
    assert f"after [{shown}]" in api.send("POST", f"{MODELS}/m/deployment/_start").reason


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (
            "timed_out_after",
            "Timed out after [1s] waiting for trained model deployment [m] to start. Use the trained model stats API "
            "to track the state of the deployment and try again once it has started.",
        ),
        ("starting_deployment_timed_out", "Starting deployment timed out after [1s]"),
    ],
)
@pytest.mark.parametrize("kind", ["model_deployment_timeout_exception", "status_exception"])
def test_form_of_the_time_out(choice: str, text: str, kind: str) -> None:
    """Test server-behaviour.md 3.1 row 22.

    Older versions had another text, perhaps another type; the status is the same.
    """
    api = Api(clock="eager")
    api.emulator.control("POST", "/unknowns", {"start_timeout_text": choice, "start_timeout_type": kind})
    api.fault("start", {"type": "timeout"})
    answer = api.start(timeout="1s")
    assert (answer.status, answer.type, answer.reason) == (408, kind, text)


@pytest.mark.parametrize("given", ["starting", "started", "fully_allocated", "STARTED", "Fully_Allocated", None])
def test_wait_for(given: str | None) -> None:
    """Test server-behaviour.md 1.1: three values in any case; started by default."""
    api = Api(clock="eager")
    query: dict[str, Any] = {} if given is None else {"wait_for": given}
    answer = api.send("POST", f"{MODELS}/m/deployment/_start", None, **query)
    body = api.send("POST", f"{MODELS}/other/deployment/_start", query)
    assert answer.assignment["assignment_state"] == ("starting" if given == "starting" else "started")
    assert body.assignment["assignment_state"] == answer.assignment["assignment_state"]


@pytest.mark.parametrize(("name", "value"), [("wait_for", "started"), ("priority", "low")])
def test_case_and_blanks(name: str, value: str) -> None:
    """Test server-behaviour.md 1.1: in query and body the case does not matter, blanks do."""
    for given, status in ((value.upper(), 200), (value.title(), 200), (f" {value}", 400), (f"{value} ", 400)):
        assert Api(clock="eager").send("POST", f"{MODELS}/m/deployment/_start", None, **{name: given}).status == status
        assert Api(clock="eager").send("POST", f"{MODELS}/m/deployment/_start", {name: given}).status == status


@pytest.mark.parametrize(
    ("version", "media", "status"),
    [
        ("8.19.21", None, 200),
        ("8.19.21", "application/vnd.elasticsearch+json;compatible-with=7", 200),
        ("9.5.3", None, 400),
        ("9.5.3", "application/vnd.elasticsearch+json;compatible-with=8", 200),
        ("9.5.3", "application/vnd.elasticsearch+json;compatible-with=9", 400),
    ],
)
def test_old_names_depend_on_the_rest_version(version: str, media: str | None, status: int) -> None:
    """Test server-behaviour.md 1.1: as query parameters they are honoured in REST API version 8, with a warning."""
    api = Api(version)
    target = f"{MODELS}/m/deployment/_start?wait_for=starting&model_threads=2&inference_threads=2"
    found, headers, raw = api.emulator.request("POST", target, {} if media is None else {"Accept": media})
    assert found == status, raw
    warned = [value for name, value in headers if name.lower() == "warning"]
    assert len(warned) == (2 if status == 200 else 0)
    if status == 200:
        assert api.assignment()["task_parameters"]["threads_per_allocation"] == 2


@pytest.mark.parametrize(
    "settings",
    [{"enabled": True, "more": 1}, {"enabled": None}, {"enabled": "x"}, {"min_number_of_allocations": []}, 7, "on"],
)
def test_adaptive_settings_are_parsed_strictly(settings: Any) -> None:
    """Test server-behaviour.md 1.1 and 6."""
    answer = Api().start(body={"adaptive_allocations": settings})
    assert (answer.status, answer.type) == (400, "x_content_parse_exception")


@pytest.mark.parametrize(
    ("settings", "status"),
    [({"enabled": True}, 400), ({"enabled": False}, 200), ({}, 200), ({"min_number_of_allocations": 1}, 200)],
)
def test_number_together_with_adaptive(settings: Any, status: int) -> None:
    """Test server-behaviour.md 1.1 and 3.1: only enabled ones exclude a number."""
    assert Api().start(body={"number_of_allocations": 2, "adaptive_allocations": settings}).status == status


@pytest.mark.parametrize("wrong", [{"number_of_allocations": 2}, {"threads_per_allocation": 2}])
def test_low_priority_is_not_adjusted(wrong: dict[str, Any]) -> None:
    """Test server-behaviour.md 1.1: other values than 1 are refused."""
    api = Api()
    assert api.start(priority="low", **wrong).status == 400
    assert api.emulator.control("GET", "/state")["deployments"] == {}


@NEWEST_OF_EACH
def test_unknown_key_in_the_body(version: str) -> None:
    """Test server-behaviour.md 1.1 and 3.1: parsing is strict, and near names are proposed."""
    answer = Api(version).start(body={"queue_capacit": 1})
    action = "cluster:admin/xpack/ml/trained_models/deployment/start"
    assert (answer.status, answer.type) == (400, "x_content_parse_exception")
    assert answer.reason == f"[1:2] [{action}] unknown field [queue_capacit] did you mean [queue_capacity]?"
    assert Api(version).start(body={"xyz": 1}).reason == f"[1:2] [{action}] unknown field [xyz]"


# --- update ---


def test_update_wants_a_deployment_id() -> None:
    """Test server-behaviour.md 1.2: neither model id nor alias nor pattern."""
    api = Api()
    api.started("d")
    api.send("PUT", f"{MODELS}/m/model_aliases/nick")
    for name in ("m", "nick", "d*", "_all", "*"):
        assert api.update(name, number_of_allocations=2).status == 404
    assert api.update("d", number_of_allocations=2).status == 200


def test_update_by_version() -> None:
    """Test server-behaviour.md 1.2: since 8.6."""
    api = Api("8.6.0")
    api.start()
    api.settle()
    assert api.update(number_of_allocations=2).status == 200
    assert Api("8.5.3").update(number_of_allocations=2).status == 400


@pytest.mark.parametrize(
    ("version", "choice", "status"),
    [
        ("8.13.4", "accept", 400),
        ("8.14.3", "refuse", 400),
        ("8.14.3", "accept", 200),
        ("8.15.0", "refuse", 200),
        ("9.5.3", "refuse", 200),
    ],
)
def test_number_as_query_parameter(version: str, choice: str, status: int) -> None:
    """Test server-behaviour.md 1.2: since 8.15; a late 8.14 is [U]."""
    api = Api(version)
    api.emulator.control("POST", "/unknowns", {"update_query_parameter_in_8_14": choice})
    api.started()
    body = None if status == 200 else {"number_of_allocations": 2}
    path = f"{MODELS}/m/deployment/_update"
    answer = api.send("POST", path, body, number_of_allocations=2)
    assert answer.status == status
    if status == 400:
        assert answer.reason == f"request [{path}] contains unrecognized parameter: [number_of_allocations]"


def test_adaptive_in_an_update_by_version() -> None:
    """Test server-behaviour.md 1.2 and 1.6: since 8.16; null removes the settings."""
    api = Api("8.16.0")
    api.started()
    assert api.update(adaptive_allocations=ADAPTIVE).assignment["adaptive_allocations"] == ADAPTIVE
    assert api.update(adaptive_allocations=None).assignment["adaptive_allocations"] is None
    older = Api("8.15.5")
    older.started()
    assert "unknown field [adaptive_allocations]" in older.update(adaptive_allocations=ADAPTIVE).reason


@NEWEST_OF_EACH
def test_time_outs_of_an_update(version: str) -> None:
    """Test server-behaviour.md 1.2.

    Both are read from the query; what the body says about it is parsed and forgotten.
    """
    api = Api(version)
    api.started()
    path = f"{MODELS}/m/deployment/_update"
    body = {"number_of_allocations": 2, "timeout": "1ms"}
    assert api.send("POST", path, body, timeout="5s", master_timeout="6s").status == 200
    assert api.send("POST", path, {"number_of_allocations": 2, "timeout": "5"}).status == 400
    assert api.send("POST", path, body, master_timeout="6").status == 400


@pytest.mark.parametrize("other", [{"enabled": False}, None])
def test_both_fields_when_not_enabled(other: Any) -> None:
    """Test server-behaviour.md 1.2."""
    api = Api()
    api.start(body={"adaptive_allocations": ADAPTIVE})
    api.settle()
    found = api.update(adaptive_allocations=other, number_of_allocations=4).assignment
    assert found["task_parameters"]["number_of_allocations"] == 4


def test_update_does_not_wait() -> None:
    """Test server-behaviour.md 1.2 and 4.3: it answers when committed, and has no wait_for."""
    api = Api(clock="eager")
    api.started(number=1)
    route = api.update(number_of_allocations=4).assignment["routing_table"]["n1"]
    assert (route["current_allocations"], route["target_allocations"]) == (1, 4)
    path = f"{MODELS}/m/deployment/_update"
    assert "unrecognized" in api.send("POST", path, {"number_of_allocations": 4}, wait_for="started").reason


# --- stop ---


@pytest.mark.parametrize("place", ["query", "body"])
def test_allow_no_match(place: str) -> None:
    """Test server-behaviour.md 1.3: true by default."""
    api = Api(clock="eager")
    path = f"{MODELS}/none/deployment/_stop"
    query, body = ({"allow_no_match": "false"}, None) if place == "query" else ({}, {"allow_no_match": False})
    assert api.send("POST", path).status == 200
    assert api.send("POST", path, body, **query).status == 404


@pytest.mark.parametrize(("version", "status"), [("8.10.4", 400), ("8.11.0", 200), ("9.5.3", 200)])
def test_finish_pending_work(version: str, status: int) -> None:
    """Test server-behaviour.md 1.3: a field of the body since about 8.11."""
    api = Api(version, clock="eager")
    api.started()
    assert api.send("POST", f"{MODELS}/m/deployment/_stop", {"finish_pending_work": True}).status == status


@pytest.mark.parametrize(
    ("version", "choice", "status"), [("8.0.1", "refuse", 400), ("8.0.1", "accept", 200), ("8.1.0", "refuse", 200)]
)
def test_force_by_version(version: str, choice: str, status: int) -> None:
    """Test server-behaviour.md 1.3: since about 8.1 [U]; the bare name is true."""
    api = Api(version, clock="eager")
    api.emulator.control("POST", "/unknowns", {"stop_force_in_8_0": choice})
    api.start()
    api.effect("put_pipeline_reference", pipeline="p", model_id="m")
    assert api.stop().status == 409
    assert api.send("POST", f"{MODELS}/m/deployment/_stop?force").status == status


@pytest.mark.parametrize(("query", "body"), [({"timeout": "1s"}, None), ({}, {"timeout": "1s"})])
def test_stop_has_no_time_out(query: Any, body: Any) -> None:
    """Test server-behaviour.md 1.3."""
    api = Api(clock="eager")
    api.started()
    assert api.send("POST", f"{MODELS}/m/deployment/_stop", body, **query).status == 400

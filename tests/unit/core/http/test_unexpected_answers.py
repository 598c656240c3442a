# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test bad input and bad answers: a message each, status and reason kept, nothing changed."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.scenario_helpers import hide_nodes

Json = dict[str, t.Any]
with Emulator("9.5.3") as untouched:
    KEYS = untouched.run(deployment_id="none", state="stopped").keys()


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        yield made


def refused(emulator: Emulator, **options: t.Any) -> str:
    """Return the message of a failing run, which is the same in check mode and writes nothing."""
    before = emulator.deployments()
    emulator.forget()
    checked, real = emulator.run(check_mode=True, **options), emulator.run(**options)
    assert checked["failed"]
    assert real["failed"]
    assert checked["msg"] == real["msg"]
    assert real["changed"] is False
    assert emulator.journal() == []
    assert emulator.deployments() == before
    assert real.keys() - {"msg", "failed", "error"} == KEYS - {"ansible_facts"}
    return str(real["msg"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model_id": "m", "number_of_allocations": 0}, "number_of_allocations must be 1 or more, not 0"),
        ({"model_id": "nope"}, "the cluster has no trained model 'nope'. Check model_id"),
        ({"model_id": "tree"}, "model 'tree' is of type tree_ensemble. Only pytorch models can be deployed"),
        ({"model_id": "half"}, "the definition of model 'half' is not complete. Wait for the download"),
        ({"model_id": "m", "deployment_id": "other"}, "'other' is the id of another trained model"),
        ({"model_id": "m", "priority": "low", "number_of_allocations": 2}, "number_of_allocations must then be 1"),
        ({"model_id": "m", "queue_capacity": 200_000}, "takes a queue_capacity of at most 100000"),
        ({"deployment_id": "none", "on_missing": "fail"}, "Deployment 'none' does not exist"),
    ],
)
def test_bad_desired_states(emulator: Emulator, options: Json, said: str) -> None:
    emulator.control("POST", "/models", {"model_id": "tree", "bytes": 10, "model_type": "tree_ensemble"})
    emulator.control("POST", "/models", {"model_id": "half", "bytes": 10, "fully_defined": False})
    assert said in refused(emulator, **options)


@pytest.mark.parametrize(
    ("version", "options", "said"),
    [
        (
            "8.3.3",
            {"model_id": "m", "cache_size": "1gb"},
            "Elasticsearch 8.3.3 does not support cache_size. This needs 8.4",
        ),
        ("8.5.3", {"model_id": "m", "priority": "low"}, "priority: low. This needs 8.6"),
        (
            "8.7.1",
            {"model_id": "m", "deployment_id": "d"},
            "deployment_id that differs from the model_id. This needs 8.8",
        ),
        (
            "8.15.3",
            {"model_id": "m", "adaptive_allocations": {"enabled": True}},
            "adaptive_allocations. This needs 8.16",
        ),
    ],
)
def test_what_the_version_lacks(version: str, options: Json, said: str) -> None:
    with Emulator(version) as emulator:
        assert said in refused(emulator, **options)


def test_a_change_before_8_6() -> None:
    with Emulator("8.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="m", number_of_allocations=1)
        emulator.settle()
        message = refused(emulator, model_id="m", number_of_allocations=2)
        assert "an update of the running deployment 'm'" in message
        assert "With replace: stop_start" in message
        result = emulator.run(model_id="m", number_of_allocations=2, replace="stop_start")
    assert (result["operation"], result["deployment"]["number_of_allocations"]) == ("replace", 2)


def test_wrong_password(emulator: Emulator) -> None:
    emulator.allow("manage_ml")
    emulator.login = {"username": "runner", "password": "wrong-password"}
    sentence = refused(emulator, model_id="m")
    assert "answered 401: unable to authenticate user [runner]" in sentence
    assert sentence.endswith("Check api_key, username and password, or bearer_token.")
    assert "wrong-password" not in sentence


def test_no_credentials(emulator: Emulator) -> None:
    emulator.allow("manage_ml")
    emulator.login = {}
    assert "missing authentication credentials" in refused(emulator, model_id="m")


def test_without_the_privilege_to_read(emulator: Emulator) -> None:
    emulator.allow("read_pipeline")
    assert refused(emulator, model_id="m").endswith("Grant the cluster privilege monitor_ml.")


def test_the_version_is_read_without_the_privilege_monitor(emulator: Emulator) -> None:
    emulator.allow("manage_ml")
    result = emulator.run(model_id="m")
    assert result["server"] == {"version": "9.5.3", "flavor": "default", "cluster_name": "", "cluster_uuid": ""}
    assert result["routing_source"] == "stats"


ANSWERS: dict[str, tuple[Json, str]] = {
    "a page of a proxy": (
        {"headers": {"content-type": "text/html"}, "body": "<html>Hello</html>"},
        "is a web page: Hello. A proxy or a login page answers instead of Elasticsearch.",
    ),
    "nothing": ({"body": ""}, "is empty. A proxy in between"),
    "a list": ({"body": [1, 2]}, "is JSON but not an object: [1, 2]. Check that the address in hosts is that of"),
    "cut JSON": (
        {"headers": {"content-type": "application/json"}, "body": '{"trained_model_stats": ['},
        'is JSON that is cut off or damaged, and begins with: {"trained_model_stats": [. A proxy in between',
    ),
    "an unknown type": (
        {"headers": {"content-type": "image/png"}, "body": "x"},
        "is not JSON (its content type is image/png), and begins with: x. Check that",
    ),
    "an odd type": (
        {"headers": {"content-type": "model/obj"}, "body": "x"},
        "is not JSON (its content type is model/obj), and begins with: x. Check that",
    ),
}


@pytest.mark.parametrize("operation", ["info", "stats"])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers_no_one_expects(emulator: Emulator, name: str, operation: str) -> None:
    answer, said = ANSWERS[name]
    emulator.fault(
        "any_read" if operation == "info" else "stats", {"type": "answer", "status": 200, **answer}, times=-1
    )
    assert f"the answer of http://double:9200 {said}" in refused(emulator, model_id="m")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"version": {"number": "n"}}, "the server at http://double:9200 is not Elasticsearch (its answer lacks the"),
        ({"version": "1.0"}, "is not Elasticsearch (its answer lacks the header X-Elastic-Product). Check hosts"),
        ({"version": {"distribution": "opensearch", "number": "2.11.0"}}, "is OpenSearch 2.11.0, not Elasticsearch."),
        ({"version": {"number": "7.10.2"}}, "Elasticsearch 7.10.2 is too old. This collection needs 8.0 or newer."),
        ("<h1>Log in</h1>", "a web page answers at http://double:9200, not Elasticsearch: Log in. Check hosts"),
    ],
)
def test_something_that_is_not_elasticsearch(emulator: Emulator, body: t.Any, said: str) -> None:
    emulator.fault("any_read", {"type": "answer", "status": 200, "body": body, "product": False}, times=-1)
    assert said in refused(emulator, model_id="m")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, "answer"), (413, "server"), (502, "unavailable"), (503, "unavailable"), (429, "unavailable")],
)
def test_errors_of_a_gateway(emulator: Emulator, status: int, kind: str) -> None:
    page = {"headers": {"content-type": "text/html"}, "body": "<h1>Sorry</h1>"}
    emulator.fault("any_read", {"type": "answer", "status": status, **page}, times=-1)
    result = emulator.run(model_id="m")
    assert (result["error"]["kind"], result["error"]["status"]) == (kind, status)
    assert f"answered {status}: Sorry." in result["msg"]


def test_reads_are_repeated_as_often_as_asked(emulator: Emulator) -> None:
    page = {"type": "answer", "status": 503, "headers": {"retry-after": "7", "content-type": "text/html"}, "body": "x"}
    emulator.fault("stats", page, times=2)
    before = emulator.clock.monotonic()
    assert emulator.run(model_id="m", state="stopped", request_retries=2)["operation"] == "none"
    assert emulator.clock.monotonic() - before == pytest.approx(14)
    emulator.fault("stats", page, times=3)
    assert emulator.run(model_id="m", state="stopped", request_retries=2)["failed"]


@pytest.mark.parametrize(
    "after", ["soon", "-5", "1e3", "Fri, 99 Foo 2026 00:00:00 GMT", "Fri, 31 Dec 999999 23:59:59 GMT"]
)
def test_a_retry_after_that_cannot_be_read(emulator: Emulator, after: str) -> None:
    page = {"type": "answer", "status": 503, "headers": {"retry-after": after}, "body": {}}
    emulator.fault("stats", page, times=3)
    assert not emulator.run(model_id="m", state="stopped", request_retries=3).get("failed")
    assert emulator.clock.monotonic() == pytest.approx(1 + 3 + 9)


def test_a_lost_connection_is_tried_again_at_once(emulator: Emulator) -> None:
    emulator.fault("stats", {"type": "drop"}, times=3)
    assert not emulator.run(model_id="m", state="stopped", request_retries=3).get("failed")
    assert emulator.clock.monotonic() == pytest.approx(0.1 + 0.2 + 0.4)


def test_a_retry_after_may_be_a_date(emulator: Emulator) -> None:
    emulator.fault("stats", {"type": "too_many_requests", "retry_after": 20, "as_date": True})
    assert not emulator.run(model_id="m", state="stopped", request_retries=1).get("failed")
    assert 15 < emulator.clock.monotonic() <= 20


def test_no_pause_is_longer_than_half_a_minute(emulator: Emulator) -> None:
    emulator.fault("stats", {"type": "too_many_requests", "retry_after": 3600})
    assert not emulator.run(model_id="m", state="stopped", request_retries=1, wait_timeout=60).get("failed")
    assert emulator.clock.monotonic() == pytest.approx(30)


NEVER: dict[str, Json] = {
    "no room": {"status": 429, "body": {"error": {"type": "status_exception", "reason": "no room"}}},
    "credentials": {"status": 401, "body": {"error": {"type": "security_exception", "reason": "who?"}}},
    "privilege": {"status": 403, "body": {"error": {"type": "security_exception", "reason": "a is unauthorized"}}},
    "bad request": {"status": 400, "body": {"error": {"type": "parse_exception", "reason": "what?"}}},
    "its own failure": {"status": 500, "body": {"error": {"type": "exception", "reason": "oh"}}},
    "a redirect": {"status": 302, "body": None, "headers": {"location": "http://elsewhere/"}},
    "too large": {"status": 413, "body": None, "product": False},
}


@pytest.mark.parametrize("name", NEVER)
def test_what_a_repetition_cannot_cure_is_not_repeated(emulator: Emulator, name: str) -> None:
    emulator.fault("stats", {"type": "answer", **NEVER[name]}, times=-1)
    assert emulator.run(model_id="m", request_retries=5)["failed"]
    assert emulator.clock.monotonic() == 0
    assert emulator.control("GET", "/faults")[0]["fired"] == 1


def test_missing_capacity_is_reported_with_the_servers_reason(emulator: Emulator) -> None:
    hide_nodes(emulator)
    result = emulator.run(model_id="m", number_of_allocations=50)
    assert result["error"]["kind"] == "capacity"
    assert "not enough resources to provide all requested allocations" in result["msg"]
    assert "add ML nodes" in result["msg"]
    assert (result["deployment"], result["changed"]) == (None, False)


def test_planner_that_fails_for_want_of_memory(emulator: Emulator) -> None:
    """Test the 400 of server-behaviour.md 3.1 row 17b: it is no error of the request."""
    text = "not enough memory on node [id-n1] to assign [1] allocations to deployment [m]"
    error = {"root_cause": [], "type": "illegal_argument_exception", "reason": text}
    emulator.fault("start", {"type": "answer", "status": 400, "body": {"error": error, "status": 400}})
    result = emulator.run(model_id="m")
    assert (result["error"]["kind"], result["failure"]) == ("capacity", {"code": "no_capacity"})
    assert text in result["msg"]
    assert "add ML nodes" in result["msg"]


@pytest.mark.parametrize("path", ["nope", "nope/", "a/b", "a/b/c"])
@pytest.mark.parametrize("privileges", [[], ["monitor_ml"], ["manage_ml", "monitor"]], ids=["all", "few", "some"])
@pytest.mark.parametrize("version", ["8.5.3", "9.5.3"])
def test_a_path_that_is_not_one_of_elasticsearch(version: str, path: str, privileges: list[str]) -> None:
    with Emulator(version) as emulator:
        if privileges:
            emulator.allow(*privileges)
        result = emulator.run(deployment_id="m", hosts=[f"http://double:9200/{path}"])
    assert result["failure"] == {"code": "invalid_response"}
    assert f"The path /{path.rstrip('/')} in hosts is not one of Elasticsearch" in result["msg"]


@pytest.mark.parametrize("body", ["<h1>Not here</h1>", {"error": "not found"}])
def test_a_path_that_a_proxy_does_not_have(emulator: Emulator, body: t.Any) -> None:
    stranger = {"type": "answer", "status": 404, "body": body, "product": False}
    emulator.fault("any_read", stranger)
    message = emulator.run(deployment_id="m", hosts=["http://double:9200/nope"])["msg"]
    assert "It is not Elasticsearch: check address and path (/nope) in hosts" in message


def test_info_without_credentials(emulator: Emulator) -> None:
    emulator.allow("monitor_ml")
    emulator.login = {}
    result = emulator.info()
    assert result["failed"]
    assert result["error"]["status"] == 401
    assert result["deployments"] == []

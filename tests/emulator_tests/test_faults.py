# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults, each over a real socket: what the client sees, and what became of the work."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from emulator_tests.api import Api
from emulator_tests.process import Process, running

START = "/_ml/trained_models/m/deployment/_start"
UPDATE = "/_ml/trained_models/m/deployment/_update"
STATS = "/_ml/trained_models/m/_stats"


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    with running("--model", "m") as found:
        yield found


@pytest.fixture
def server(process: Process) -> Process:
    """As new for each test, with one allocation started."""
    process.control("POST", "/reset")
    assert process.api("POST", START)[0] == 200
    process.control("DELETE", "/journal")
    return process


def plant(server: Process, operation: str, do: dict[str, Any], **arguments: Any) -> None:
    server.control("POST", "/faults", {"operation": operation, "do": do, **arguments})


def number(server: Process) -> int:
    found = server.control("GET", "/state")["deployments"]["m"]["task_parameters"]["number_of_allocations"]
    return int(found)


@pytest.mark.parametrize(("when", "expected"), [("before", 1), ("after", 2)])
def test_drop(server: Process, when: str, expected: int) -> None:
    plant(server, "update", {"type": "drop"}, when=when)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        server.api("POST", UPDATE, {"number_of_allocations": 2})
    assert number(server) == expected
    (entry,) = server.control("GET", "/journal")
    assert (entry["status"], entry["committed"]) == (None, when == "after")
    assert server.api("GET", STATS)[0] == 200


def test_answer_of_a_gateway(server: Process) -> None:
    do = {"type": "answer", "status": 503, "headers": {"Retry-After": "1"}, "body": "<html>", "product": False}
    plant(server, "update", do)
    status, headers, raw = server.api("POST", UPDATE, {"number_of_allocations": 2})
    assert (status, headers["retry-after"], headers["content-type"], raw) == (503, "1", "text/html", b"<html>")
    assert "x-elastic-product" not in headers
    assert number(server) == 1


def test_answer_instead_of_the_real_one(server: Process) -> None:
    plant(server, "update", {"type": "answer", "status": 502, "body": {"error": "x"}}, when="after")
    status, headers, raw = server.api("POST", UPDATE, {"number_of_allocations": 2})
    assert (status, headers["content-type"], json.loads(raw)) == (502, "application/json", {"error": "x"})
    assert number(server) == 2
    assert server.control("GET", "/journal")[0]["committed"]


def test_empty_answer(server: Process) -> None:
    plant(server, "stats", {"type": "answer", "status": 200, "body": None})
    status, headers, raw = server.api("GET", STATS)
    assert (status, headers["content-length"], raw) == (200, "0", b"")


def test_truncated(server: Process) -> None:
    whole = server.api("GET", "/")[2]
    plant(server, "info", {"type": "truncate"})
    status, headers, raw = server.api("GET", "/")
    assert (status, raw) == (200, whole[: len(whole) // 2])
    assert int(headers["content-length"]) == len(raw)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(raw)


def test_delay(server: Process) -> None:
    plant(server, "stats", {"type": "delay", "seconds": 0.2})
    begun = time.monotonic()
    assert server.api("GET", STATS)[0] == 200
    assert time.monotonic() - begun >= 0.2


def test_start_times_out_and_goes_on(server: Process) -> None:
    server.api("POST", "/_ml/trained_models/m/deployment/_stop")
    plant(server, "start", {"type": "timeout"})
    status, _headers, raw = server.api("POST", START)
    error = json.loads(raw)["error"]
    assert (status, error["type"]) == (408, "model_deployment_timeout_exception")
    assert error["reason"].startswith("Timed out after [30s] waiting for trained model deployment [m] to start.")
    assert server.control("POST", "/settle")["ticks"] > 0
    assert server.control("GET", "/state")["deployments"]["m"]["assignment_state"] == "started"


@pytest.mark.parametrize(("when", "status"), [("before", 404), ("after", 200)])
def test_race(server: Process, when: str, status: int) -> None:
    effect = {"do": "remove_deployment", "deployment_id": "m"}
    plant(server, "update", {"type": "effect", "effect": effect}, when=when)
    assert server.api("POST", UPDATE, {"number_of_allocations": 2})[0] == status
    assert server.control("GET", "/state")["deployments"] == {}


# --- which requests are hit; in this process, it makes no difference ---


def statuses(api: Api, count: int) -> list[int]:
    return [api.send("GET", "/_ml/trained_models/_stats").status for _request in range(count)]


def test_after_and_times() -> None:
    api = Api()
    api.fault("stats", {"type": "answer", "status": 503}, after=1, times=2)
    assert statuses(api, 5) == [200, 503, 503, 200, 200]
    assert api.double.control("GET", "/faults") == []


def test_for_ever_until_cleared() -> None:
    api = Api()
    api.fault("stats", {"type": "answer", "status": 503}, times=-1)
    assert statuses(api, 3) == [503, 503, 503]
    assert api.double.control("GET", "/faults")[0]["fired"] == 3
    api.double.control("DELETE", "/faults")
    assert statuses(api, 1) == [200]


@pytest.mark.parametrize(
    ("operation", "method", "path"),
    [
        ("start", "POST", START),
        ("update", "POST", UPDATE),
        ("stop", "POST", "/_ml/trained_models/m/deployment/_stop"),
        ("stats", "GET", STATS),
        ("cluster_state", "GET", "/_cluster/state"),
        ("info", "GET", "/"),
        ("info", "GET", "/_ml/info"),
        ("model", "GET", "/_ml/trained_models/m"),
        ("model", "DELETE", "/_ml/trained_models/m"),
        ("any", "GET", "/no/such/path"),
        ("any_write", "POST", START),
        ("any_read", "GET", STATS),
    ],
)
def test_operations(operation: str, method: str, path: str) -> None:
    api = Api()
    api.fault(operation, {"type": "answer", "status": 599})
    other = "/_cluster/settings" if operation.startswith("any") else "/_cluster/health"
    if operation == "any_write" or operation != "any" and operation != "any_read":
        assert api.send("GET", other).status == 200
    assert api.send(method, path).status == 599


def test_effect_and_answer_fire_together() -> None:
    api = Api()
    api.started()
    api.fault("update", {"type": "effect", "effect": {"do": "stop_deployment", "deployment_id": "m"}})
    api.fault("update", {"type": "answer", "status": 504}, when="after")
    assert api.update(number_of_allocations=2).status == 504
    assert api.assignment()["assignment_state"] == "stopping"
    assert not api.writes()[-1]["committed"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "start"},
        {"operation": "start", "do": {"type": "nothing"}},
        {"operation": "nothing", "do": {"type": "drop"}},
        {"operation": "stop", "do": {"type": "timeout"}},
        {"operation": "stop", "when": "later", "do": {"type": "drop"}},
        {"operation": "stop", "do": {"type": "answer"}},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="/faults"):
        Api().double.control("POST", "/faults", wrong)

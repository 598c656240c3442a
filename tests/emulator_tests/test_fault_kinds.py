# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test each kind of fault in this process and over a real socket, and elasticsearch-py's view of it there."""

from __future__ import annotations

import email.utils
import http.client
import json
import socket
import warnings
from typing import Any
from urllib.parse import urlsplit

import elastic_transport
import elasticsearch
import pytest

from emulator.inprocess import ConnectionDropped
from emulator_tests.api import Api
from emulator_tests.process import Process

START = "/_ml/trained_models/m/deployment/_start"
UPDATE = "/_ml/trained_models/m/deployment/_update"
STATS = "/_ml/trained_models/m/_stats"
Json = dict[str, Any]

# Kind, and what elasticsearch-py raises when it hits an update; None is no exception.
LOST = elastic_transport.ConnectionError
REFUSED = elasticsearch.ApiError
SEEN: list[tuple[Json, type[Exception] | None]] = [
    ({"type": "drop"}, LOST),
    ({"type": "reset"}, LOST),
    ({"type": "hang"}, elastic_transport.ConnectionTimeout),
    ({"type": "garbage"}, LOST),
    ({"type": "garbage", "text": "SSH-2.0-x\r\n"}, LOST),
    ({"type": "empty"}, None),
    ({"type": "redirect", "location": "https://es.example/"}, REFUSED),
    ({"type": "redirect", "location": "https://es.example/", "status": 302}, REFUSED),
    ({"type": "bad_gateway"}, REFUSED),
    ({"type": "service_unavailable", "by": "haproxy"}, REFUSED),
    ({"type": "gateway_timeout", "by": "envoy"}, REFUSED),
    ({"type": "too_many_requests", "by": "awselb", "retry_after": 3}, REFUSED),
    ({"type": "conflict"}, elasticsearch.ConflictError),
    ({"type": "capacity"}, REFUSED),
    ({"type": "master_timeout"}, REFUSED),
    ({"type": "no_master"}, REFUSED),
    ({"type": "answer", "status": 418, "body": {"error": "tea"}}, REFUSED),
]
SPOILT: list[tuple[Json, type[Exception] | None]] = [
    ({"type": "truncate"}, elastic_transport.SerializationError),
    ({"type": "truncate", "cut": True}, LOST),
    ({"type": "overrun"}, elastic_transport.SerializationError),
    ({"type": "slow_body", "seconds": 0.01}, None),
    ({"type": "slow_body", "seconds": 0.01, "pieces": 3, "chunked": True}, None),
    ({"type": "content_type"}, None),
    ({"type": "content_type", "value": "application/octet-stream"}, elastic_transport.SerializationError),
    ({"type": "no_product"}, elasticsearch.UnsupportedProductError),
    ({"type": "broken_gzip"}, LOST),
]
STATUSES = {
    "bad_gateway": 502,
    "service_unavailable": 503,
    "gateway_timeout": 504,
    "too_many_requests": 429,
    "conflict": 409,
    "capacity": 429,
    "master_timeout": 429,
    "no_master": 503,
}


def label(value: Any) -> str:
    return " ".join(str(each) for each in value.values()) if isinstance(value, dict) else ""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("do", "raised"), SEEN, ids=label)
def test_instead_of_the_answer_with_a_client(
    server: Process, do: Json, raised: type[Exception] | None, when: str
) -> None:
    assert _seen_by_a_client(server, do, when) == raised
    assert server.allocations() == (1 if when == "before" else 2)


@pytest.mark.parametrize(("do", "raised"), SPOILT, ids=label)
def test_the_real_answer_spoilt_with_a_client(server: Process, do: Json, raised: type[Exception] | None) -> None:
    assert _seen_by_a_client(server, do, "before") == raised
    assert server.allocations() == 2


def _seen_by_a_client(server: Process, do: Json, when: str) -> type[Exception] | None:
    """Return the exception of one update, and read with the same client afterwards."""
    server.control("POST", "/faults", {"method": "POST", "path": "/_ml/**/_update", "when": when, "do": do})
    timeout = 0.5 if do["type"] == "hang" else 30
    with (
        warnings.catch_warnings(),
        elasticsearch.Elasticsearch(server.first["url"], max_retries=0, request_timeout=timeout) as client,
    ):
        raised: type[Exception] | None = None
        try:
            client.ml.update_trained_model_deployment(model_id="m", number_of_allocations=2)
        except Exception as error:
            raised = type(error)
        if do["type"] != "overrun":  # its rest may hit the next request of the same connection, or come too late
            assert client.options(request_timeout=30).ml.get_trained_models_stats(model_id="m")["count"] == 1
    assert server.control("GET", "/faults")[0]["fired"] == 1
    return raised


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("do", "raised"), SEEN, ids=label)
def test_instead_of_the_answer_in_this_process(do: Json, raised: type[Exception] | None, when: str) -> None:
    api = Api()
    api.started()
    api.fault("update", do, when=when)
    if do["type"] in ("drop", "reset", "hang", "garbage"):
        with pytest.raises(ConnectionDropped):
            api.update(number_of_allocations=2)
    else:
        status, headers, raw = api.emulator.request("POST", UPDATE, JSON_TYPE, b'{"number_of_allocations": 2}')
        named = {name.lower(): value for name, value in headers}
        assert status == do.get("status", STATUSES.get(do["type"], {"empty": 200, "redirect": 307}.get(do["type"])))
        assert named["content-length"] == str(len(raw))
    assert api.assignment()["task_parameters"]["number_of_allocations"] == (1 if when == "before" else 2)


JSON_TYPE = {"Content-Type": "application/json"}


@pytest.mark.parametrize(("do", "raised"), SPOILT, ids=label)
def test_the_real_answer_spoilt_in_this_process(do: Json, raised: type[Exception] | None) -> None:
    api = Api()
    _status, _headers, whole = api.emulator.request("GET", "/")
    api.fault("info", do)
    if do.get("cut"):
        with pytest.raises(ConnectionDropped, match="in the middle"):
            api.emulator.request("GET", "/")
        return
    status, headers, raw = api.emulator.request("GET", "/")
    named = {name.lower(): value for name, value in headers}
    assert status == 200
    if do["type"] in ("truncate", "overrun"):
        assert raw == whole[: len(whole) // 2]
        assert named["content-length"] == str(len(raw))
    else:
        assert raw == whole
        assert named.get("content-length") == (None if do.get("chunked") else str(len(whole)))
    assert ("x-elastic-product" in named) == (do["type"] != "no_product")
    expected = do.get("value", "text/html") if do["type"] == "content_type" else "application/json"
    assert named["content-type"] == expected
    assert named.get("content-encoding") == ("gzip" if do["type"] == "broken_gzip" else None)


# --- byte by byte ---


def raw_exchange(server: Process, request: bytes) -> bytes:
    """Return all that comes back until the connection ends."""
    address = urlsplit(server.first["url"])
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=30) as found:
        found.sendall(request)
        pieces = []
        while piece := found.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


def plant(server: Process, do: Json, **more: Any) -> None:
    server.control("POST", "/faults", {"operation": "info", "do": do, **more})


def test_a_drop_is_an_orderly_end(server: Process) -> None:
    plant(server, {"type": "drop"})
    assert raw_exchange(server, GET) == b""


def test_a_reset_is_none(server: Process) -> None:
    plant(server, {"type": "reset"})
    with pytest.raises(ConnectionResetError):
        raw_exchange(server, GET)


def test_garbage_is_what_was_given(server: Process) -> None:
    plant(server, {"type": "garbage", "text": "ABC"})
    assert raw_exchange(server, GET) == b"ABC"


def test_a_cut_answer_promises_more_than_comes(server: Process) -> None:
    plant(server, {"type": "truncate", "cut": True})
    head, _blank, body = raw_exchange(server, GET).partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length"))
    assert len(body) == length // 2


def test_an_overrun_comes_where_the_next_answer_should_be(server: Process) -> None:
    whole = server.api("GET", "/")[2]
    plant(server, {"type": "overrun"})
    both = raw_exchange(server, GET + GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    first, _blank, rest = both.partition(b"\r\n\r\n")
    assert f"content-length: {len(whole) // 2}\r\n".encode() in first + b"\r\n"
    assert rest.startswith(whole + b"HTTP/1.1 200 OK\r\n")


def test_a_slow_body_comes_in_pieces_with_a_length(server: Process) -> None:
    whole = server.api("GET", "/")[2]
    plant(server, {"type": "slow_body", "seconds": 0.05, "pieces": 2})
    connection = server.connection()
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert answer.getheader("content-length") == str(len(whole))
    assert answer.read1() == whole[: -(-len(whole) // 2)]
    assert answer.read() == whole[-(-len(whole) // 2) :]
    connection.close()


def test_a_slow_body_in_chunks(server: Process) -> None:
    whole = server.api("GET", "/")[2]
    plant(server, {"type": "slow_body", "seconds": 0, "chunked": True})
    status, headers, raw = server.api("GET", "/")
    assert (status, headers["transfer-encoding"], raw) == (200, "chunked", whole)


def test_a_head_request_has_no_body_to_spoil(server: Process) -> None:
    for kind in ("truncate", "overrun", "slow_body"):
        plant(server, {"type": kind}, method="HEAD")
        assert server.api("HEAD", "/")[2] == b""
    assert [each["fired"] for each in server.control("GET", "/faults")] == [1, 1, 1]


# --- what is in them ---


@pytest.mark.parametrize("by", ["nginx", "haproxy", "envoy", "awselb"])
@pytest.mark.parametrize("kind", ["bad_gateway", "service_unavailable", "gateway_timeout", "too_many_requests"])
def test_gateways(by: str, kind: str) -> None:
    api = Api()
    api.fault("info", {"type": kind, "by": by})
    status, headers, raw = api.emulator.request("GET", "/")
    named = {name.lower(): value for name, value in headers}
    assert status == STATUSES[kind]
    assert "x-elastic-product" not in named
    assert named["content-type"] == ("text/plain" if by == "envoy" else "text/html")
    assert named.get("server") == {"haproxy": None, "awselb": "awselb/2.0"}.get(by, by)
    assert (b"<html>" in raw) == (by != "envoy")
    assert (str(status).encode() in raw) == (by != "envoy")
    assert "retry-after" not in named


def test_retry_after_in_seconds_and_as_a_date() -> None:
    api = Api()
    api.fault("info", {"type": "too_many_requests", "retry_after": 7})
    api.fault("info", {"type": "too_many_requests", "retry_after": 7, "as_date": True})
    values = [dict(api.emulator.request("GET", "/")[1])["Retry-After"] for _request in range(2)]
    assert values[0] == "7"
    assert email.utils.parsedate_to_datetime(values[1]).tzinfo is not None


@pytest.mark.parametrize(
    ("version", "status", "extra"),
    [
        ("8.19.21", 503, {}),
        ("9.0.1", 429, {"timed_out": True, "header": {"X-Timed-Out": "?1"}}),
        ("9.1.10", 429, {"timed_out": True, "header": {"X-Timed-Out": "?1"}}),
        ("9.5.3", 429, {"timed_out": True}),
    ],
)
def test_a_full_queue_of_the_master(version: str, status: int, extra: Json) -> None:
    """Test server-behaviour.md 3.2 row 14; the forms are those of the time-outs in the errors records."""
    api = Api(version)
    api.fault("update", {"type": "master_timeout"})
    answer = api.update(number_of_allocations=2)
    assert (answer.status, answer.type) == (status, "process_cluster_event_timeout_exception")
    assert {key: answer.body["error"][key] for key in ("timed_out", "header") if key in answer.body["error"]} == extra
    assert answer.headers.get("X-Timed-Out") == ("?1" if "header" in extra else None)


def test_no_master() -> None:
    """Test server-behaviour.md 0: 503 without a reason."""
    api = Api()
    api.fault("any", {"type": "no_master"})
    answer = api.send("GET", STATS)
    no_reason = {"type": "master_not_discovered_exception", "reason": None}
    assert answer.body == {"error": {"root_cause": [no_reason], **no_reason}, "status": 503}
    assert answer.headers["X-elastic-product"] == "Elasticsearch"


def test_the_servers_own_conflicts() -> None:
    """Test server-behaviour.md 3.1 row 17, 3.2 row 10, 3.3."""
    api = Api()
    api.fault("any", {"type": "conflict"}, times=3)
    assert api.send("GET", "/").status == 200
    begun = api.start(deployment_id="d")
    assert (begun.status, begun.reason) == (409, "Cannot start deployment [d] because it has already been started")
    assert api.update().reason == "cannot update deployment that is not in [started] state"
    assert api.stop().reason.startswith("Cannot stop deployment [m] as it is referenced by ingest processors;")


def test_the_servers_own_refusals_for_want_of_room_are_the_real_ones() -> None:
    """Test server-behaviour.md 3.1 row 18, 3.1 row 19, 3.2 row 12: the same bodies as a full cluster gives."""
    real, planted = Api(nodes={"n1": 2}), Api(nodes={"n1": 2})
    for some_fit, number, threads in ((True, 3, 1), (False, 1, 4)):
        planted.fault("start", {"type": "capacity", "some_fit": some_fit})
        query: Json = {"number_of_allocations": number, "threads_per_allocation": threads}
        desired, got = (api.start(**query).body["error"] for api in (real, planted))
        assert got["root_cause"] == desired["root_cause"]
        assert got.get("caused_by", {}).get("type") == desired.get("caused_by", {}).get("type")
    for api in (real, planted):
        api.started()
    planted.fault("update", {"type": "capacity"})
    assert planted.update(number_of_allocations=9).body == real.update(number_of_allocations=9).body


# --- the server itself fails ---


def test_a_route_fails_while_the_start_waits(server: Process) -> None:
    """Test server-behaviour.md 3.1 row 20: 500, and the assignment is deleted."""
    server.api("POST", "/_ml/trained_models/m/deployment/_stop")
    server.control("POST", "/clock", {"mode": "manual"})
    server.control("POST", "/faults", {"do": {"type": "route_failed", "reason": "no memory"}})
    status, _headers, raw = server.api("POST", START)
    reason = "Could not start trained model deployment, the following nodes failed with errors [{id-n1=no memory}]"
    assert (status, json.loads(raw)["error"]["reason"]) == (500, reason)
    assert server.control("GET", "/state")["deployments"] == {}
    assert server.control("GET", "/journal")[-1]["committed"]


def test_a_named_route_fails_in_this_process() -> None:
    """Test server-behaviour.md 3.1 row 20."""
    api = Api()
    api.fault("start", {"type": "route_failed", "node_id": "n2"})
    answer = api.start(number_of_allocations=8, wait_for="fully_allocated")
    assert (answer.status, api.emulator.cluster.assignments) == (500, {})
    assert "[{n2=failed by a fault}]" in answer.reason


@pytest.mark.parametrize(
    "kind", [{"type": "delay", "seconds": 3600}, {"type": "hang"}, {"type": "slow_body", "seconds": 3600}]
)
def test_a_reset_ends_what_a_fault_holds_up(server: Process, kind: dict[str, Any]) -> None:
    """Test that a waiting request gets no answer, and that a late one changes nothing of what follows."""
    server.control("POST", "/effects", {"do": "remove_deployment", "deployment_id": "m"})
    server.control("POST", "/faults", {"operation": "start", "do": kind})
    connection = server.connection()
    connection.request("POST", START)
    while not server.control("GET", "/faults")[0]["fired"]:
        pass
    server.control("POST", "/reset")
    with pytest.raises((OSError, http.client.HTTPException)):
        connection.getresponse().read()
    connection.close()
    assert server.control("GET", "/state")["deployments"] == {}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test faults over a real socket: what the client sees, and what became of the work."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import pytest

from emulator_tests.api import Api
from emulator_tests.process import Process

START = "/_ml/trained_models/m/deployment/_start"
UPDATE = "/_ml/trained_models/m/deployment/_update"
STATS = "/_ml/trained_models/m/_stats"


def plant(server: Process, operation: str, do: dict[str, Any], **arguments: Any) -> None:
    server.control("POST", "/faults", {"operation": operation, "do": do, **arguments})


@pytest.mark.parametrize(("when", "expected"), [("before", 1), ("after", 2)])
def test_drop(server: Process, when: str, expected: int) -> None:
    plant(server, "update", {"type": "drop"}, when=when)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        server.api("POST", UPDATE, {"number_of_allocations": 2})
    assert server.allocations() == expected
    (entry,) = server.control("GET", "/journal")
    assert (entry["status"], entry["committed"]) == (None, when == "after")
    assert server.api("GET", STATS)[0] == 200


def test_answer_of_a_gateway(server: Process) -> None:
    do = {"type": "answer", "status": 503, "headers": {"Retry-After": "1"}, "body": "<html>", "product": False}
    plant(server, "update", do)
    status, headers, raw = server.api("POST", UPDATE, {"number_of_allocations": 2})
    assert (status, headers["retry-after"], headers["content-type"], raw) == (503, "1", "text/html", b"<html>")
    assert "x-elastic-product" not in headers
    assert server.allocations() == 1


def test_answer_instead_of_the_real_one(server: Process) -> None:
    plant(server, "update", {"type": "answer", "status": 502, "body": {"error": "x"}}, when="after")
    status, headers, raw = server.api("POST", UPDATE, {"number_of_allocations": 2})
    assert (status, headers["content-type"], json.loads(raw)) == (502, "application/json", {"error": "x"})
    assert server.allocations() == 2
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
    (listed,) = api.emulator.control("GET", "/faults")
    assert (listed["seen"], listed["fired"], listed["after"], listed["times"]) == (3, 2, 1, 2)


def test_for_ever_until_cleared() -> None:
    api = Api()
    api.fault("stats", {"type": "answer", "status": 503}, times=-1)
    assert statuses(api, 3) == [503, 503, 503]
    assert api.emulator.control("GET", "/faults")[0]["fired"] == 3
    api.emulator.control("DELETE", "/faults")
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


# --- the n-th request that matches a method and a path ---


@pytest.mark.parametrize(
    ("aim", "hit"),
    [
        ({"path": STATS}, [STATS]),
        ({"path": "/_ml/trained_models/*/_stats"}, [STATS]),
        ({"path": "/_ml/**"}, ["/_ml/info", STATS, "/_ml/trained_models/m", "/_ml/trained_models/m "]),
        ({"path": "/_ml/*"}, ["/_ml/info"]),
        ({"path": "/_ml/trained_models/m*"}, ["/_ml/trained_models/m", "/_ml/trained_models/m "]),
        ({"path": "/_ml/info/"}, ["/_ml/info"]),
        ({"path": "/"}, ["/"]),
        ({"path": "/**", "method": "DELETE"}, ["/_ml/trained_models/m "]),
        ({"method": "GET", "path": "/_ml/trained_models/m", "operation": "model"}, ["/_ml/trained_models/m"]),
        ({"path": "/_ml/trained_models/m", "operation": "stats"}, []),
    ],
)
def test_method_and_path(aim: dict[str, Any], hit: list[str]) -> None:
    api = Api()
    api.emulator.control("POST", "/faults", {**aim, "times": -1, "do": {"type": "answer", "status": 599}})
    # The one with a blank is the DELETE.
    paths = ["/", "/_ml/info", "/_cluster/health", STATS, "/_ml/trained_models/m", "/_ml/trained_models/m "]
    found = [path for path in paths if api.send("DELETE" if path[-1] == " " else "GET", path.strip()).status == 599]
    assert sorted(found) == sorted(hit)


def test_the_nth_request() -> None:
    api = Api()
    body = {"method": "GET", "path": "/_ml/**", "nth": 3, "do": {"type": "answer", "status": 503}}
    api.emulator.control("POST", "/faults", body)
    api.send("GET", "/")
    assert statuses(api, 4) == [200, 200, 503, 200]


def test_faults_fire_in_the_order_they_were_planted() -> None:
    api = Api()
    for status in (501, 502, 503):
        api.fault("stats", {"type": "answer", "status": status})
    assert statuses(api, 4) == [501, 502, 503, 200]


# --- what happens besides ---


def test_another_client_writes_between_two_requests() -> None:
    api = Api()
    api.started()
    other = {"type": "request", "method": "POST", "path": UPDATE, "body": {"number_of_allocations": 3}}
    api.fault("stats", other, when="after")
    assert api.deployment_stats()["number_of_allocations"] == 1
    assert api.deployment_stats()["number_of_allocations"] == 3
    assert [entry["path"] for entry in api.writes()] == [START]
    assert api.emulator.control("GET", "/faults")[0]["results"] == [{"status": 200, "committed": True}]


def test_another_client_loses_the_race() -> None:
    """Test server-behaviour.md 3.1 row 6: who comes second is refused."""
    api = Api()
    api.fault("start", {"type": "request", "method": "POST", "path": f"{START}?wait_for=starting"}, times=2)
    answer = api.start()
    assert (answer.status, answer.reason.endswith("an existing deployment with the same id [m] exist")) == (400, True)
    api.start()
    results = api.emulator.control("GET", "/faults")[0]["results"]
    assert results == [{"status": 200, "committed": True}, {"status": 400, "committed": False}]


def test_another_client_need_not_get_its_answer_first(server: Process) -> None:
    server.control("POST", "/clock", {"mode": "manual"})
    stop = "/_ml/trained_models/m/deployment/_stop"
    plant(server, "stats", {"type": "request", "method": "POST", "path": stop})
    rows = json.loads(server.api("GET", STATS)[2])["trained_model_stats"]
    assert rows[0]["deployment_stats"]["state"] == "stopping"
    assert server.control("GET", "/faults")[0]["results"] == [{"status": None, "committed": True}]
    server.control("POST", "/settle")
    assert server.control("GET", "/state")["deployments"] == {}


def test_a_wrong_request_of_another_client_does_no_harm() -> None:
    api = Api()
    api.fault("stats", {"type": "request", "method": "GET", "path": "/%zz"})
    assert statuses(api, 1) == [200]
    assert api.emulator.control("GET", "/faults")[0]["results"] == [{"status": 400}]


@pytest.mark.parametrize(("when", "seen"), [("before", [1, 1, 0]), ("after", [0, 1, 1, 0])])
def test_a_node_is_lost_for_two_requests(when: str, seen: list[int]) -> None:
    """Test server-behaviour.md 4.7."""
    api = Api(nodes={"n1": 4, "n2": 4})
    nodes = int(api.send("GET", "/_cluster/health").body["number_of_nodes"])
    api.fault("any", {"type": "node_lost", "node_id": "n2", "requests": 2}, when=when)
    lost = [nodes - api.send("GET", "/_cluster/health").body["number_of_nodes"] for _request in seen]
    assert lost == seen


def test_a_node_is_lost_for_two_rounds() -> None:
    """Test server-behaviour.md 4.7: its allocations go elsewhere; the join alone brings nothing back."""
    api = Api(nodes={"n1": 4, "n2": 4})
    api.started(number=2)
    api.fault("stats", {"type": "node_lost", "node_id": "n1", "ticks": 2})
    api.stats()
    assert (api.targets(), list(api.emulator.cluster.nodes)) == ({"n2": 2}, ["n2"])
    api.tick()
    assert list(api.emulator.cluster.nodes) == ["n2"]
    api.tick(2)
    assert (api.targets(), sorted(api.emulator.cluster.nodes)) == ({"n2": 2}, ["n1", "n2"])


def test_settling_waits_for_what_comes_back() -> None:
    api = Api(nodes={"n1": 1, "n2": 1})
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=3)
    api.fault("start", {"type": "node_lost", "node_id": "n2", "ticks": 5})
    assert list(api.start(number_of_allocations=2).assignment["routing_table"]) == ["n1"]
    api.settle()
    assert api.counts() == {"n1": 1, "n2": 1}


def test_a_node_that_is_not_there_cannot_be_lost() -> None:
    with pytest.raises(ValueError, match=r"no node \[n9\]; there are n1, n2"):
        Api().fault("stats", {"type": "node_lost", "node_id": "n9"})


def test_a_node_that_has_gone_is_not_lost_again() -> None:
    """Test that the request is answered as if nothing had fired; the reason is in the fault's results."""
    api = Api()
    api.fault("stats", {"type": "node_lost", "node_id": "n1"})
    api.effect("remove_node", node_id="n1")
    assert api.send("GET", "/_ml/trained_models/m/_stats").status == 200
    assert api.emulator.control("GET", "/faults")[0]["results"] == [
        {"applied": False, "reason": "no node [n1]; there are n2"}
    ]


@pytest.mark.parametrize(
    "effect",
    [
        {"do": "remove_deployment", "deployment_id": "gone"},
        {"do": "set_number"},
        {"do": "pass_time", "seconds": 1e30},
        {"do": "pass_time", "seconds": None},
    ],
)
def test_an_impossible_effect_spoils_no_answer(server: Process, effect: dict[str, Any]) -> None:
    plant(server, "any", {"type": "effect", "effect": effect})
    assert server.api("GET", "/_ml/trained_models/_stats")[0] == 200
    (result,) = server.control("GET", "/faults")[0]["results"]
    assert result["applied"] is False
    assert result["reason"]


def test_what_cannot_be_undone_stands_in_the_results() -> None:
    api = Api()
    effect = {"do": "hold", "deployment_id": "m"}
    back = {"do": "remove_deployment", "deployment_id": "gone"}
    api.fault("stats", {"type": "effect", "effect": effect, "back": back, "requests": 1})
    assert api.send("GET", "/_ml/trained_models/m/_stats").status == 200
    results = api.emulator.control("GET", "/faults")[0]["results"]
    assert results == [{"applied": True}, {"applied": False, "reason": "no deployment [gone]"}]


def test_a_full_queue_of_the_master_delays_no_reads() -> None:
    api = Api()
    api.started()
    api.fault("any", {"type": "master_timeout"})
    assert api.send("GET", "/_ml/trained_models/m/_stats").status == 200
    assert api.send("POST", "/_ml/trained_models/m/deployment/_stop").type == "process_cluster_event_timeout_exception"


def test_a_frozen_clock() -> None:
    api = Api(clock="eager")
    api.fault("start", {"type": "frozen_clock", "requests": 2})
    assert api.start(wait_for="started").status == 408
    assert api.clock()["frozen"]
    now = api.clock()["now"]
    assert (api.deployment_stats()["state"], api.clock()["mode"]) == ("starting", "eager")
    assert not api.clock()["frozen"]
    assert api.clock()["now"] - now < 60_000


def test_two_freezes_of_the_clock_end_with_the_last() -> None:
    api = Api(clock="eager")
    for requests in (2, 3):
        api.fault("stats", {"type": "frozen_clock", "requests": requests})
    seen = []
    for _request in range(3):
        api.stats()
        seen.append((api.clock()["mode"], api.clock()["frozen"]))
    assert seen == [("manual", True), ("manual", True), ("eager", False)]


def test_the_master_is_lost_for_two_requests() -> None:
    """Test server-behaviour.md 0: 503; what any node knows is still answered, and counts as a request."""
    api = Api()
    api.started()
    api.fault("update", {"type": "master_lost", "requests": 2})
    refused = api.update(number_of_allocations=2)
    assert (refused.status, refused.type) == (503, "master_not_discovered_exception")
    assert api.deployment_stats()["number_of_allocations"] == 1
    assert api.update(number_of_allocations=2).status == 200


def test_the_master_is_lost_for_two_rounds(server: Process) -> None:
    server.control("POST", "/clock", {"mode": "manual"})
    plant(server, "health", {"type": "master_lost", "ticks": 2})
    health = "/_cluster/health?master_timeout=1ms"
    assert [server.api("GET", health)[0] for _request in range(2)] == [503, 503]
    server.control("POST", "/tick", {"steps": 3})
    assert server.api("GET", health)[0] == 200


def test_the_scaler_looks_between_two_requests() -> None:
    """Test server-behaviour.md 6: the second look is the first that may scale."""
    api = Api(nodes={"n1": 16})
    settings = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 8}
    api.send("POST", START, {"adaptive_allocations": settings}, wait_for="starting")
    api.settle()
    api.effect("set_load", deployment_id="m", requests_per_second=100, inference_time_ms=50)
    api.fault("stats", {"type": "scaler_tick"}, when="after", times=2)
    numbers = [api.deployment_stats()["number_of_allocations"] for _request in range(3)]
    assert numbers[:2] == [1, 1]
    assert numbers[2] > 1


def test_time_passes_between_two_requests() -> None:
    """Test server-behaviour.md 3.1 row 13: a download that ends before the start."""
    api = Api()
    api.effect("set_download_time", seconds=60)
    path = "/_ml/trained_models/.elser_model_2"
    assert api.send("PUT", path, {"input": {"field_names": ["input"]}}).status == 200
    api.fault("model", {"type": "effect", "effect": {"do": "pass_time", "seconds": 60}}, when="after")
    fully = [
        api.send("GET", path, None, include="definition_status").body["trained_model_configs"][0]["fully_defined"]
        for _request in range(2)
    ]
    assert fully == [False, True]


def test_an_effect_that_passes() -> None:
    api = Api()
    api.started()
    effect, back = ({"do": do, "deployment_id": "m"} for do in ("hold", "release"))
    api.fault("update", {"type": "effect", "effect": effect, "back": back, "requests": 2})
    api.update(number_of_allocations=2)
    assert (api.tick(), api.counts()) == (False, {"n1": 1})
    api.stats()
    assert (api.tick(), api.counts()) == (True, {"n1": 2})


def test_what_an_effect_is_refused_is_shown() -> None:
    api = Api()
    api.started()
    effect = {"do": "set_number", "deployment_id": "m", "number_of_allocations": 99}
    api.fault("stats", {"type": "effect", "effect": effect})
    api.stats()
    assert api.emulator.control("GET", "/faults")[0]["results"][0]["refused"]["status"] == 429


# --- what makes no sense ---


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"operation": "start"}, r"\[do\] is missing"),
        ({"operation": "start", "do": {}}, "do must be an object with a key type"),
        ({"operation": "start", "do": "drop"}, r"\[do\] must be an object"),
        ({"operation": "start", "do": {"type": "drop2"}}, r"unknown do.type \[drop2\] did you mean \[drop\]\?"),
        ({"operation": "nothing", "do": {"type": "drop"}}, "operation must be one of .*cluster_state.*any_read"),
        ({"operation": "stop", "do": {"type": "timeout"}}, "timeout can hit only start, endpoint, not stop"),
        ({"operation": "stats", "do": {"type": "master_timeout"}}, "master's queue: writes, not reads"),
        ({"operation": "any_read", "do": {"type": "master_timeout"}}, "master's queue: writes, not reads"),
        ({"method": "GET", "do": {"type": "master_timeout"}}, "master's queue: writes, not reads"),
        ({"operation": "any_read", "do": {"type": "conflict"}}, "can hit only start, update, stop"),
        ({"operation": "stop", "when": "later", "do": {"type": "drop"}}, r"\[when\] must be one of before, after"),
        ({"operation": "stop", "do": {"type": "answer"}}, r"\[status\] is missing"),
        ({"operation": "stop", "do": {"type": "answer", "status": "503"}}, r"\[status\] must be an HTTP status"),
        ({"operation": "stop", "do": {"type": "answer", "status": 100}}, r"\[status\] must be an HTTP status"),
        ({"opration": "stop", "do": {"type": "drop"}}, r"no key \[opration\] did you mean \[operation\]\?"),
        ({"do": {"type": "drop", "how": "hard"}}, r"do of type \[drop\] has no key \[how\]; its keys are none"),
        ({"do": {"type": "drop"}, "nth": 0}, r"\[nth\] must be a whole number, 1 or more, not 0"),
        ({"do": {"type": "drop"}, "nth": 1, "after": 0}, "nth and after exclude each other"),
        ({"do": {"type": "drop"}, "times": 0}, r"\[times\] must be 1 or more, or -1"),
        ({"do": {"type": "drop"}, "times": True}, r"\[times\]"),
        ({"do": {"type": "drop"}, "after": -1}, r"\[after\]"),
        ({"do": {"type": "drop"}, "method": "post"}, r"\[method\] must be a method: POST"),
        ({"do": {"type": "drop"}, "path": "_ml"}, r"\[path\] must be a path that begins with /"),
        ({"do": {"type": "drop"}, "path": "/a?b"}, r"\[path\] must be a path"),
        ({"do": {"type": "delay", "seconds": -1}}, r"\[seconds\] must be a number of seconds"),
        ({"do": {"type": "bad_gateway", "by": "squid"}}, r"\[by\] must be one of nginx, haproxy, envoy, awselb"),
        ({"do": {"type": "effect", "effect": {"do": "remov_node"}}}, r"unknown effect: 'remov_node' did you mean"),
        ({"do": {"type": "effect", "effect": {}}}, r"\[effect\] must be an object with a key do"),
        ({"do": {"type": "effect", "effect": {"do": "hold"}, "back": {"do": "x"}}}, "back needs requests or ticks"),
        ({"do": {"type": "node_lost", "node_id": "n1", "requests": 1, "ticks": 1}}, "exclude each other"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Api().emulator.control("POST", "/faults", wrong)

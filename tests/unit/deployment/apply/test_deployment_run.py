# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test waits that end otherwise, and the client itself."""

from __future__ import annotations

import socket
import sys
import time
import types
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.client import Client
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.transport import preload
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.clock import SystemClock
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run as deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run_info as info
from support.emulated_cluster import Emulator, TurnedClock
from support.scenario_helpers import written

LAZY = {"name": "xpack.ml.max_lazy_ml_nodes", "value": 5}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        yield made


def test_what_could_not_be_read_is_not_reported_as_stopped(emulator: Emulator) -> None:
    emulator.fault("stats", {"type": "answer", "status": 500, "body": {"error": "planted"}}, times=-1)
    result = emulator.run(deployment_id="d")
    assert (result["failed"], result["deployment"], result["allocations"]) == (True, None, None)


def test_a_cluster_that_may_grow_waits_and_says_what_is_missing(emulator: Emulator) -> None:
    emulator.effect("set_setting", **LAZY)
    result = emulator.run(model_id="m", number_of_allocations=10, wait_timeout=6)
    assert result["failed"]
    assert "is not fully_allocated after 6 seconds: 8 of 10 allocations run" in result["msg"]
    assert "insufficient allocated processors" in result["msg"]
    assert result["waited"] == {"seconds": 6.0, "polls": 7, "reached": False}
    assert result["allocations"] == {"wanted": 10, "assigned": 8, "running": 8, "missing": 2}
    assert result["changed"]


def test_a_node_that_cannot_load_ends_the_wait_at_once(emulator: Emulator) -> None:
    emulator.effect("fail_next_load", reason="no memory for it", times=1)
    result = emulator.run(model_id="m", number_of_allocations=2)
    assert "will not become fully_allocated: node n1 failed (no memory for it)" in result["msg"]
    assert result["waited"]["seconds"] < 5
    assert result["routing_table"] != {}


def test_an_update_that_cannot_be_sent_in_time(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="m", number_of_allocations=1)
    emulator.effect("hold", deployment_id="m")
    result = emulator.run(model_id="m", number_of_allocations=2, wait_timeout=4)
    assert "is not ready for an update after 4 seconds: 0 of 1 allocations run" in result["msg"]
    assert (result["changed"], emulator.journal()) == (False, [])


def test_a_stop_that_hangs_fails_after_wait_timeout(emulator: Emulator) -> None:
    emulator.run(model_id="m")
    emulator.effect("stop_deployment", deployment_id="m")
    emulator.effect("hold", deployment_id="m")
    result = emulator.run(model_id="m", state="stopped", wait_timeout=4)
    assert "is not gone after 4 seconds: it is still stopping (client API call)" in result["msg"]


def test_a_stop_is_believed_when_nothing_is_there_any_more(emulator: Emulator) -> None:
    emulator.run(model_id="m")
    emulator.fault("stop", {"type": "answer", "status": 200, "body": {"stopped": True}})
    result = emulator.run(model_id="m", state="stopped", wait_timeout=4)
    assert "is not gone after 4 seconds: it is still started" in result["msg"]
    assert result["deployment"] is not None


def test_a_start_is_not_sent_before_the_old_one_is_gone(emulator: Emulator) -> None:
    emulator.run(model_id="m")
    emulator.fault("stop", {"type": "answer", "status": 200, "body": {"stopped": True}})
    emulator.forget()
    result = emulator.run(model_id="m", state="restarted", wait_timeout=4)
    assert "is not gone after 4 seconds" in result["msg"]
    assert written(emulator) == ["_stop"]


def test_polls_with_transient_errors_are_repeated(emulator: Emulator) -> None:
    emulator.fault("stats", {"type": "drop"}, after=1, times=4)
    result = emulator.run(model_id="m", request_retries=0)
    assert result["operation"] == "start"
    assert not result.get("failed")


def test_polls_that_fail_to_the_end_fail(emulator: Emulator) -> None:
    emulator.fault("stats", {"type": "drop"}, after=1, times=-1)
    result = emulator.run(model_id="m", request_retries=0, wait_timeout=4)
    assert result["error"]["kind"] == "connection"
    assert result["changed"]


def test_an_uncertain_write_on_a_cluster_that_is_gone(emulator: Emulator) -> None:
    emulator.fault("start", {"type": "drop"}, "after")
    emulator.fault("stats", {"type": "drop"}, after=1, times=-1)
    result = emulator.run(model_id="m", request_retries=0)
    assert "Whether the request took effect is not known" in result["msg"]


def test_a_refused_write_on_a_cluster_that_is_gone(emulator: Emulator) -> None:
    emulator.fault("start", {"type": "answer", "status": 403, "body": {"error": {"type": "t", "reason": "no"}}})
    emulator.fault("stats", {"type": "drop"}, after=1, times=-1)
    assert "answered 403: no" in emulator.run(model_id="m", request_retries=0)["msg"]


def test_another_client_writes_while_waiting(emulator: Emulator) -> None:
    emulator.run(model_id="m", number_of_allocations=1)
    effect = {"do": "set_number", "deployment_id": "m", "number_of_allocations": 4}
    emulator.fault("stats", {"type": "effect", "effect": effect}, after=1)
    result = emulator.run(model_id="m", number_of_allocations=2)
    assert result["failure"] == {"code": "conflict"}
    assert "number_of_allocations is 4, not 2" in result["msg"]
    assert result["deployment"]["number_of_allocations"] == 4


def test_a_full_reading_that_fails_leaves_the_poll(emulator: Emulator) -> None:
    refusal = {"type": "answer", "status": 500, "body": {"error": {"type": "t", "reason": "no"}}}
    emulator.fault("cluster_state", refusal, after=1, times=-1)
    result = emulator.run(model_id="m")
    assert not result.get("failed")
    assert result["routing_source"] == "stats"


def test_an_unready_deployment_is_waited_for_without_a_write(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="m", number_of_allocations=2)
    result = emulator.run(model_id="m", number_of_allocations=2)
    assert (result["changed"], result["waited"]["reached"], emulator.journal()) == (False, True, [])
    assert result["waited"]["polls"] > 1


def test_steady_is_confirmed_by_the_cluster_state(emulator: Emulator) -> None:
    emulator.run(model_id="m", number_of_allocations=4)
    result = emulator.run(model_id="m", number_of_allocations=5, wait_for="steady")
    assert result["routing_source"] == "cluster_state"
    assert all(
        route["current_allocations"] == route["target_allocations"] for route in result["routing_table"].values()
    )


def test_a_node_lost_between_poll_and_reading_is_waited_for(emulator: Emulator) -> None:
    lost = {"type": "effect", "effect": {"do": "remove_node", "node_id": "id-n1"}}
    emulator.fault("cluster_state", lost, after=1)  # the reading before the plan; the next one confirms a poll
    result = emulator.run(model_id="m")
    assert list(result["routing_table"]) == ["id-n2"]
    assert result["waited"]["reached"]


def test_a_result_has_all_keys_before_anything_is_read(emulator: Emulator) -> None:
    reported = emulator.run(model_id="m")
    assert deployment.empty_result().keys() == reported.keys() - {"warnings", "ansible_facts"}
    assert info.empty_result().keys() == emulator.info().keys() - {"warnings"}


@pytest.mark.parametrize("options", [{"model_id": "m"}, {"deployment_id": "nope"}], ids=["not read", "read"])
def test_a_task_that_fails_has_no_facts(emulator: Emulator, options: dict[str, t.Any]) -> None:
    if "model_id" in options:
        emulator.fault("any_read", {"type": "drop"}, times=-1)
    for result in (emulator.run(**options), emulator.run_many([options])):
        assert result["failed"]
        assert "ansible_facts" not in result


def test_a_hidden_cluster_state_is_done_without(emulator: Emulator) -> None:
    gone = {"type": "answer", "status": 410, "body": {"error": {"type": "t", "reason": "not available"}}}
    emulator.fault("cluster_state", gone, times=-1)
    assert emulator.run(model_id="m")["routing_source"] == "stats"


def test_what_is_failed_is_reported_at_once_and_in_check_mode(emulator: Emulator) -> None:
    asleep = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 2}
    emulator.run(model_id="m", adaptive_allocations=asleep)
    emulator.effect("set_number", deployment_id="m", number_of_allocations=0)
    emulator.settle()
    checked, real = emulator.run(check_mode=True, model_id="m"), emulator.run(model_id="m")
    assert "it is scaled to zero" in checked["msg"]
    assert checked["msg"] == real["msg"]
    assert real["waited"]["polls"] == 0
    assert not emulator.run(model_id="m", allow_zero=True).get("failed")


def test_a_stop_that_is_already_on_its_way_is_left_without_waiting(emulator: Emulator) -> None:
    emulator.run(model_id="m")
    emulator.effect("stop_deployment", deployment_id="m")
    result = emulator.run(model_id="m", state="stopped", wait=False)
    assert not result.get("failed")
    assert result["waited"] == {"seconds": 0.0, "polls": 0, "reached": None}


def test_a_stop_the_server_wants_again_is_sent_again(emulator: Emulator) -> None:
    emulator.run(model_id="m")
    again = {"type": "status_exception", "reason": "failed to delete model assignment. Attempt to stop again"}
    emulator.fault("stop", {"type": "answer", "status": 500, "body": {"error": again}})
    emulator.fault("stop", {"type": "effect", "effect": {"do": "stop_deployment", "deployment_id": "m"}})
    result = emulator.run(model_id="m", state="stopped")
    assert not result.get("failed"), result.get("msg")
    assert emulator.deployments() == {}


def test_a_start_of_another_client_is_no_change_of_this_task(emulator: Emulator) -> None:
    stranger = {"do": "start_deployment", "model_id": "m", "deployment_id": "m"}
    emulator.fault("start", {"type": "effect", "effect": stranger})
    result = emulator.run(model_id="m")
    assert not result.get("failed"), result.get("msg")
    assert (result["changed"], result["operation"], result["api_calls"]) == (False, "none", [])


def test_a_start_of_another_client_during_a_restart_is_reported(emulator: Emulator) -> None:
    emulator.run(model_id="m", threads_per_allocation=2, queue_capacity=500)
    stranger = {"do": "start_deployment", "model_id": "m", "deployment_id": "m"}
    emulator.fault("start", {"type": "effect", "effect": stranger})
    result = emulator.run(model_id="m", state="restarted")
    assert "it was started meanwhile with other settings: threads_per_allocation is 1, not 2" in result["msg"]
    assert result["after"]["threads_per_allocation"] == 1
    assert [call["path"].rpartition("/")[2] for call in result["api_calls"]] == ["_stop"]


def test_a_wait_keeps_to_its_time(emulator: Emulator) -> None:
    slow = {"type": "answer", "status": 503, "headers": {"retry-after": "30"}, "body": {}}
    emulator.fault("stats", slow, after=1, times=-1)
    before = emulator.clock.monotonic()
    assert emulator.run(model_id="m", wait_timeout=5)["failed"]
    assert emulator.clock.monotonic() - before <= 5


def test_a_secret_that_http_cannot_carry_is_not_shown() -> None:
    client = Client(Connection(("http://127.0.0.1:9",), bearer_token="canary\n4711"))
    with pytest.raises(ApiError) as caught:
        client.read("look", "/")
    assert "canary" not in repr(caught.value) + repr(caught.value.__cause__)


def test_the_system_clock_runs() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.001)
    assert clock.monotonic() > before


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_dead_host() -> None:
    clock = TurnedClock(lambda: None)
    client = Client(Connection((f"http://127.0.0.1:{closed_port()}",), request_retries=2), clock.sleep)
    with pytest.raises(
        ApiError, match="Cannot look: no connection to .*: connection refused. Check the port in hosts"
    ) as caught:
        client.read("look", "/")
    client.close()
    assert caught.value.kind == "connection"
    assert clock.monotonic() > 0


def test_the_next_host_is_tried(emulator: Emulator) -> None:
    hosts = ["http://dead:9200", "http://double:9200"]
    assert emulator.run(model_id="m", hosts=hosts, request_retries=0)["operation"] == "start"
    assert emulator.run(model_id="m", hosts=hosts[:1], request_retries=0)["error"]["kind"] == "connection"


def test_a_host_that_does_not_answer() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = Client(Connection((address,), request_timeout=0.2, request_retries=0))
        with pytest.raises(
            ApiError, match=r"no answer from http://127.0.0.1:\d+ within 0.2 seconds. The cluster may be busy"
        ) as caught:
            client.read("look", "/")
        client.close()
    assert caught.value.kind == "timeout"


def test_a_host_that_does_not_answer_when_the_time_is_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = Client(Connection((f"http://127.0.0.1:{silent.getsockname()[1]}",), request_retries=5))
        began = time.monotonic()
        with client.within(lambda: 0.0), pytest.raises(ApiError, match="within 1 seconds. .* no more of wait_timeout"):
            client.read("look", "/")
        assert time.monotonic() - began < 10
        client.close()


def test_a_server_that_speaks_no_tls() -> None:
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()
        address = f"https://127.0.0.1:{plain.getsockname()[1]}"
        client = Client(Connection((address,), request_timeout=0.2, request_retries=0))
        with pytest.raises(ApiError) as caught:
            client.read("look", "/")
        client.close()
    assert caught.value.kind in ("tls", "timeout")


def test_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "elasticsearch", None)
    assert not preload()
    with pytest.raises(ApiError, match=f"version 8 or newer, is needed by {sys.executable}") as caught:
        Client(Connection(("http://a:1",)))
    assert caught.value.kind == "library"


def test_a_library_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    old = types.ModuleType("elasticsearch")
    old.__version__ = (7, 17, 9)  # type: ignore[attr-defined]
    old.__file__ = "/usr/lib/elasticsearch/__init__.py"
    monkeypatch.setitem(sys.modules, "elasticsearch", old)
    assert not preload()
    with pytest.raises(ApiError, match="found version 7.17.9 in /usr/lib/elasticsearch/__init__.py"):
        Client(Connection(("http://a:1",)))


def test_an_address_the_client_does_not_take() -> None:
    with pytest.raises(ApiError, match="Cannot set up the connection to nonsense: "):
        Client(Connection(("nonsense",)))


@pytest.mark.parametrize(("deployment_id", "asked"), [("d", "trained_model_assignment.d,"), ("d.1", "assignment,")])
def test_only_what_is_needed_travels(emulator: Emulator, deployment_id: str, asked: str) -> None:
    """Test that only the first read is of all. A dot in a filter is a step down: then the whole table is asked for."""
    assert emulator.run(model_id="m", deployment_id=deployment_id)["routing_source"] == "cluster_state"
    first, *polls = [each for each in emulator.control("GET", "/requests") if "_cluster/state" in each["path"]]
    assert first["path"].endswith("/metadata,nodes")
    assert "nodes.*.attributes" in first["query"]["filter_path"]
    assert {each["path"].rpartition("/")[2] for each in polls} == {"metadata"}
    assert all(asked in each["query"]["filter_path"] for each in polls)


def test_deployments_behind_an_alias_are_named() -> None:
    with Emulator("9.5.3") as emulator:
        for name in ("m", "d"):
            emulator.effect("start_deployment", model_id="m", deployment_id=name)
        emulator.send({"method": "PUT", "path": "/_ml/trained_models/m/model_aliases/a", "query": {}, "body": None})
        emulator.settle()
        result = emulator.run(model_id="a", state="stopped")
    assert result["failure"] == {"code": "ambiguous_model"}
    assert "runs as 'd', 'm'" in result["msg"]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test waits from beginning to end: what ends them, what they say then, and what was observed last."""

from __future__ import annotations

import itertools
import time
import typing as t

import pytest
from elastic_transport import ConnectionTimeout
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import ReadTimeoutError

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.clock import SystemClock
from laws.truth import same_as_there
from support.emulated_cluster import Emulator
from support.scenario_helpers import verbs

Json = dict[str, t.Any]
PREDICATES = ("started", "fully_allocated", "steady")


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        yield made


def may_grow(emulator: Emulator) -> None:
    emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=5)


def with_memory_for_one(emulator: Emulator) -> None:
    """Leave each node memory for one copy of the model: on the way from four to five, the four move."""
    for node_id in ("id-n1", "id-n2"):
        emulator.effect("set_node", node_id=node_id, jobs_memory=(16 << 30) - (300 << 20))


def slow_second_node(emulator: Emulator) -> None:
    """Fill n1 with four of five; n2 is to take the four and does not finish loading them."""
    with_memory_for_one(emulator)
    emulator.run(model_id="m", number_of_allocations=4)
    emulator.effect("hold", deployment_id="m")


@pytest.mark.parametrize(("wait_for", "reached"), [("started", True), ("fully_allocated", False), ("steady", False)])
def test_what_is_waited_for_makes_the_difference(emulator: Emulator, wait_for: str, reached: bool) -> None:
    slow_second_node(emulator)
    result = emulator.run(model_id="m", number_of_allocations=5, wait_for=wait_for, wait_timeout=10)
    assert result["waited"]["reached"] is reached
    assert bool(result.get("failed")) is not reached
    if not reached:
        assert (
            f"is not {wait_for} after 10 seconds: 4 of 5 allocations run, and it is started; node n1 runs 4 and is to "
            "run 1; on node n2 it is starting. The update was accepted."
        ) in result["msg"]


def test_who_may_not_read_the_targets_reads_what_each_node_runs(emulator: Emulator) -> None:
    slow_second_node(emulator)
    emulator.allow("manage_ml")
    result = emulator.run(model_id="m", number_of_allocations=5, wait_timeout=10)
    assert (
        "; node n1 runs 4; what each node is to run cannot be read without the cluster privilege monitor."
    ) in result["msg"]


@pytest.mark.parametrize(
    ("wait_sleep", "times"), [(2.0, [0, 0.2, 0.7, 1.7, 3.7, 5.7, 6]), (0.3, [0, 0.2, 0.5, 0.8, 1.1])]
)
def test_the_first_polls_come_early(emulator: Emulator, wait_sleep: float, times: list[float]) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="m", number_of_allocations=1)
    emulator.effect("hold", deployment_id="m")
    request, began, seen = emulator.request, emulator.clock.monotonic(), list[float]()

    def timed(*given: t.Any) -> t.Any:
        if "_stats" in given[1]:
            seen.append(round(emulator.clock.monotonic() - began, 3))
        return request(*given)

    emulator.request = t.cast("t.Any", timed)  # type: ignore[method-assign]
    emulator.run(model_id="m", wait_timeout=6, wait_sleep=wait_sleep)
    assert seen[1 : len(times) + 1] == times


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_change_that_cannot_help_is_said_not_to_be_sent(emulator: Emulator, check_mode: bool) -> None:
    asleep(emulator)
    bounds: Json = {"enabled": True, "max_number_of_allocations": 3}
    assert emulator.run(check_mode, model_id="m", adaptive_allocations=bounds)["msg"].endswith(". Nothing was sent.")
    assert "Nothing was sent" not in emulator.run(check_mode, model_id="m")["msg"]


def test_an_update_that_could_not_be_sent_in_time_is_said(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="m", number_of_allocations=1)
    emulator.effect("hold", deployment_id="m")
    result = emulator.run(model_id="m", number_of_allocations=2, wait_timeout=4)
    assert result["failure"] == {"code": "not_ready_in_time"}
    assert result["msg"].endswith(". Nothing was sent.")


def test_all_of_them_is_not_yet_steady(emulator: Emulator) -> None:
    """Test the way from four to five: the old node runs all four until the new one has loaded, so eight, then five."""
    with_memory_for_one(emulator)
    emulator.run(model_id="m", number_of_allocations=4)
    task: Json = {"model_id": "m", "number_of_allocations": 5, "wait_sleep": 1}
    full = emulator.run(**task, wait_for="fully_allocated")
    assert full["deployment"]["allocation_status"]["allocation_count"] == 8
    steady = emulator.run(**task, wait_for="steady")
    assert steady["changed"] is False
    assert steady["deployment"]["allocation_status"]["allocation_count"] == 5


def asleep(emulator: Emulator) -> None:
    bounds = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 2}
    emulator.run(model_id="m", adaptive_allocations=bounds)
    emulator.effect("set_number", deployment_id="m", number_of_allocations=0)
    emulator.settle()
    emulator.forget()


@pytest.mark.parametrize("wait_for", PREDICATES)
def test_none_of_none_is_not_ready_unless_allowed(emulator: Emulator, wait_for: str) -> None:
    asleep(emulator)
    task: Json = {"model_id": "m", "wait_for": wait_for}
    for check_mode in (True, False):
        assert "allow_zero accepts that" in emulator.run(check_mode, **task)["msg"]
        assert emulator.run(check_mode, **task, allow_zero=True).get("failed") is None


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_task_that_allows_zero_allocations_by_its_minimum_accepts_them(emulator: Emulator, check_mode: bool) -> None:
    asleep(emulator)
    bounds: Json = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 2}
    again = emulator.run(check_mode, model_id="m", adaptive_allocations=bounds)
    assert (again.get("failed", False), again["changed"], again["warnings"]) == (False, False, [])
    raised = emulator.run(check_mode, model_id="m", adaptive_allocations=bounds | {"max_number_of_allocations": 8})
    assert (raised.get("failed", False), raised["operation"]) == (False, "update")
    assert len(emulator.journal()) == (0 if check_mode else 1)
    off = emulator.run(check_mode, model_id="m", adaptive_allocations=bounds | {"enabled": False})
    assert off["failure"] == {"code": "zero_allocations"}


@pytest.mark.parametrize("adaptive", ["raised", "stays"])
def test_a_minimum_raised_above_zero_waits_for_adaptive_allocations(emulator: Emulator, adaptive: str) -> None:
    """Test a number of zero, which adaptive allocations may not raise; no request wakes it (server-behaviour.md 6)."""
    emulator.control("POST", "/unknowns", {"scaler_from_zero": adaptive})
    asleep(emulator)
    tick = emulator.clock._tick

    def look() -> None:
        emulator.effect("scaler_tick")
        tick()

    emulator.clock._tick = look
    desired: Json = {"enabled": True, "min_number_of_allocations": 1}
    result = emulator.run(model_id="m", adaptive_allocations=desired, wait_timeout=100)
    assert verbs(result) == ["_update"]
    assert result.get("failed", False) == (adaptive == "stays")
    if adaptive == "stays":
        assert result["failure"] == {"code": "not_ready_in_time"}
        assert "wakes it" not in result["msg"]


def test_who_changes_what_sleeps_hears_before_that_it_will_not_run(emulator: Emulator) -> None:
    asleep(emulator)
    task: Json = {"model_id": "m", "adaptive_allocations": {"enabled": True, "max_number_of_allocations": 3}}
    for check_mode in (True, False):
        result = emulator.run(check_mode, **task)
        assert "the next inference request wakes it; allow_zero accepts that" in result["msg"]
        assert (result["changed"], emulator.journal()) == (False, [])
        assert emulator.run(check_mode, **task, on_unsatisfied="keep").get("failed") is None
        assert emulator.run(check_mode, **task, allow_zero=True).get("failed") is None
        emulator.run(model_id="m", adaptive_allocations={"max_number_of_allocations": 2}, wait=False)
        emulator.forget()


def test_a_node_that_fails_ends_the_wait_of_an_update(emulator: Emulator) -> None:
    emulator.run(model_id="m", number_of_allocations=4)
    emulator.effect("fail_next_load", reason="no memory for it", times=1)
    result = emulator.run(model_id="m", number_of_allocations=6, wait_timeout=100)
    assert "'m' will not become fully_allocated: node n2 failed (no memory for it)." in result["msg"]
    assert result["waited"]["seconds"] < 10
    assert {route["routing_state"] for route in result["routing_table"].values()} == {"started", "failed"}


def test_a_cluster_that_may_grow_is_waited_for_and_what_is_missing_named(emulator: Emulator) -> None:
    may_grow(emulator)
    result = emulator.run(model_id="m", number_of_allocations=10, wait_timeout=60)
    assert result["waited"]["seconds"] == 60
    for said in (
        "is not fully_allocated after 60 seconds: 8 of 10 allocations run, and it is started",
        "Could not assign (more) allocations on node [id-n1]",
        "Could not assign (more) allocations on node [id-n2]",
        "Available processors [4], free processors [0]",
    ):
        assert said in result["msg"]
    assert result["allocations"] == {"wanted": 10, "assigned": 8, "running": 8, "missing": 2}


def test_a_cluster_that_grows_in_time_ends_the_wait(emulator: Emulator) -> None:
    may_grow(emulator)
    grown = {"do": "add_node", "node_id": "id-n3", "name": "n3", "processors": 4, "memory": "16gb"}
    emulator.fault("stats", {"type": "effect", "effect": grown}, after=5)
    result = emulator.run(model_id="m", number_of_allocations=10, wait_timeout=60)
    assert not result.get("failed"), result.get("msg")
    assert result["allocations"]["running"] == 10


@pytest.mark.parametrize("wait_for", PREDICATES)
def test_what_was_seen_last_is_what_is_there(emulator: Emulator, wait_for: str) -> None:
    may_grow(emulator)
    slow_second_node(emulator)
    result = emulator.run(model_id="m", number_of_allocations=12, wait_for=wait_for, wait_timeout=7)
    assert same_as_there(emulator, {**result, "deployment_id": "m"}) == []
    assert {route["node_name"] for route in result["routing_table"].values()} == {"n1", "n2"}


# --- polls that fail ---

PASSING: dict[str, Json] = {
    "dropped": {"type": "drop"},
    "busy": {"type": "answer", "status": 503, "body": {"error": {"type": "t", "reason": "no master"}}},
    "a gateway": {"type": "answer", "status": 502, "body": "<html></html>"},
    "a gateway's time": {"type": "answer", "status": 504, "body": "<html></html>"},
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_poll_with_a_transient_error_is_repeated(emulator: Emulator, fault: str) -> None:
    emulator.fault("stats", PASSING[fault], after=1, times=3)
    result = emulator.run(model_id="m", request_retries=0)
    assert not result.get("failed"), result.get("msg")
    assert result["waited"]["polls"] > 3


def test_a_poll_that_takes_too_long_is_repeated(emulator: Emulator) -> None:
    request, polls = emulator.request, itertools.count()

    def slow(method: str, target: str, *rest: t.Any) -> t.Any:
        if "/_stats" in target and next(polls) in (1, 2):
            raise ConnectionTimeout("timed out") from ReadTimeoutError(HTTPConnectionPool("double"), target, "slow")
        return request(method, target, *rest)

    emulator.request = slow  # type: ignore[method-assign,assignment]
    result = emulator.run(model_id="m", request_retries=0)
    assert (result.get("msg"), result["waited"]["reached"]) == (None, True)


@pytest.mark.parametrize("fault", PASSING)
def test_repeating_ends_with_the_time(emulator: Emulator, fault: str) -> None:
    emulator.fault("stats", PASSING[fault], after=1, times=-1)
    before = emulator.clock.monotonic()
    result = emulator.run(model_id="m", request_retries=3, wait_timeout=9)
    assert result["failed"]
    assert emulator.clock.monotonic() - before == result["waited"]["seconds"] == 9
    # The answer to the start is what was seen last.
    assert (result["changed"], result["routing_source"], result["waited"]["reached"]) == (True, "assignment", False)


def test_a_poll_that_is_forbidden_ends_the_wait_at_once(emulator: Emulator) -> None:
    forbidden = {"type": "answer", "status": 403, "body": {"error": {"type": "security_exception", "reason": "no"}}}
    emulator.fault("stats", forbidden, after=1, times=-1)
    result = emulator.run(model_id="m")
    assert (result["error"]["status"], result["waited"]["seconds"]) == (403, 0)


def test_a_clock_that_is_set_moves_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    before = clock.monotonic()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert 0 <= clock.monotonic() - before < 60

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test a server that accepts requests and never answers: the task ends in time, and says what was accepted."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.scenario_helpers import started

Json = dict[str, t.Any]
HANG = {"type": "hang"}
SHORT = 1.0
"""Seconds that a read gets when the time is up."""


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        started(made, d=1)
        yield made


def hang_after(emulator: Emulator, part: str, *hanging: str) -> None:
    """Let requests whose path has one of *hanging* never be answered, once one with *part* was."""
    request = emulator.request
    seen: list[str] = []

    def partly(*given: t.Any) -> t.Any:
        path = given[1].partition("?")[0]
        if seen and any(each in path for each in hanging):
            emulator.fault("any", HANG)
        answer = request(*given)
        seen.extend([path] if part in path else [])
        return answer

    emulator.request = t.cast("t.Any", partly)  # type: ignore[method-assign]


def timed(emulator: Emulator, **options: t.Any) -> tuple[Json, float]:
    """Return the result of a task, and the seconds that it took."""
    before = emulator.clock.monotonic()
    result = emulator.run(**{"deployment_id": "d", "wait_timeout": 5, "request_retries": 3, **options})
    return result, emulator.clock.monotonic() - before


@pytest.mark.parametrize("waiting", [{}, {"wait_for": "steady"}, {"on_unsatisfied": "keep"}, {"wait_timeout": 90}])
def test_an_update_that_was_accepted_is_said_when_no_poll_is_answered(emulator: Emulator, waiting: Json) -> None:
    hang_after(emulator, "_update", "/")
    result, seconds = timed(emulator, number_of_allocations=2, **waiting)
    assert (result["failure"], result["changed"]) == ({"code": "request_timeout"}, True)
    assert result["msg"].startswith("Cannot read deployment 'd': no answer from ")
    assert result["msg"].endswith(
        "within 1 seconds. The cluster may be busy; no more of wait_timeout was left, which limits the task. "
        "The update was accepted."
    )
    assert seconds == pytest.approx(waiting.get("wait_timeout", 5) + SHORT)


def test_a_lost_answer_does_not_end_a_wait(emulator: Emulator) -> None:
    emulator.fault("stats", HANG, after=1)
    result, seconds = timed(emulator, number_of_allocations=2)
    assert (result.get("failed", False), seconds) == (False, 5)


def test_the_routing_table_is_given_up_when_the_time_is_up(emulator: Emulator) -> None:
    emulator.effect("hold", deployment_id="d")
    hang_after(emulator, "_update", "_cluster/state")
    result, seconds = timed(emulator, number_of_allocations=6)
    assert result["failure"] == {"code": "not_ready_in_time"}
    assert "of 6 allocations run" in result["msg"]
    assert result["msg"].endswith(". The update was accepted.")
    assert seconds == pytest.approx(5 + SHORT)


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("_update", {"number_of_allocations": 2}),
        ("_stop", {"state": "stopped"}),
        ("_stop", {"state": "restarted"}),
        ("_start", {"state": "restarted"}),
        ("_start", {"deployment_id": "e", "model_id": "m"}),
    ],
)
def test_a_write_without_an_answer_ends_in_time(emulator: Emulator, verb: str, options: Json, wait: bool) -> None:
    hang_after(emulator, "_has_privileges", verb)
    result, seconds = timed(emulator, wait=wait, **options)
    assert result["failed"]
    assert seconds <= 5 + 5 + SHORT


def test_a_server_that_hangs_from_the_first_write_on_ends_in_time(emulator: Emulator) -> None:
    hang_after(emulator, "_has_privileges", "/")
    result, seconds = timed(emulator, number_of_allocations=2)
    assert result["failure"] == {"code": "unknown_outcome"}
    assert "Whether the request took effect is not known" in result["msg"]
    assert seconds == pytest.approx(5 + SHORT)


def test_nothing_was_sent_is_said_if_a_read_before_the_first_write_hangs(emulator: Emulator) -> None:
    hang_after(emulator, "_has_privileges", "/")
    result, seconds = timed(emulator, state="stopped")
    assert (result["failure"], result["changed"]) == ({"code": "request_timeout"}, False)
    assert result["msg"].startswith("Cannot read deployment 'd'")
    assert result["msg"].endswith("Nothing was sent.")
    assert seconds == pytest.approx(5)


def test_a_stop_whose_start_was_not_sent_says_both(emulator: Emulator) -> None:
    hang_after(emulator, "_stop", "/")
    result, _seconds = timed(emulator, state="restarted")
    assert "The stop was accepted. The start was not sent. Rolling it back failed, too" in result["msg"]


def test_each_deployment_of_a_list_has_a_time_of_its_own(emulator: Emulator) -> None:
    started(emulator, e=1)
    hang_after(emulator, "e/deployment/_update", "/")
    items: list[Json] = [
        {"deployment_id": "d", "number_of_allocations": 2, "wait_timeout": 4},
        {"deployment_id": "e", "number_of_allocations": 2, "wait_timeout": 9},
    ]
    before = emulator.clock.monotonic()
    result = emulator.run_many(items)
    assert emulator.clock.monotonic() - before <= 9 + 2 * SHORT
    assert [item["changed"] for item in result["deployments"]] == [True, True]
    assert all(item["msg"].endswith(" The update was accepted.") for item in result["deployments"])


@pytest.mark.parametrize("operation", ["any", "stats", "cluster_state"])
@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(("waiting", "bound"), [({"wait_timeout": 0}, 5), ({}, 5), ({"wait_timeout": 100}, 100)])
def test_the_reads_before_the_first_write_have_the_time_of_the_task(
    emulator: Emulator, waiting: Json, bound: float, check_mode: bool, operation: str
) -> None:
    emulator.fault(operation, HANG, times=-1)
    result, seconds = timed(emulator, number_of_allocations=2, check_mode=check_mode, **waiting)
    assert (result["failure"], result["changed"]) == ({"code": "request_timeout"}, False)
    assert bound - 1 <= seconds <= bound
    assert result["msg"].endswith("no more of wait_timeout was left, which limits the task.")


def test_without_a_wait_the_reads_before_the_first_write_have_the_time_of_a_request(emulator: Emulator) -> None:
    emulator.fault("stats", HANG, times=-1)
    result, seconds = timed(emulator, number_of_allocations=2, request_timeout=40, request_retries=0, wait=False)
    assert (result["failure"], seconds) == ({"code": "request_timeout"}, 40)
    assert result["msg"].endswith("request_timeout sets how long one request may take.")


@pytest.mark.parametrize("wait_timeout", [0, 3])
def test_a_short_wait_suits_a_slow_server(emulator: Emulator, wait_timeout: int) -> None:
    request = emulator.request

    def slow(*given: t.Any) -> t.Any:
        emulator.clock.sleep(4)
        return request(*given)

    emulator.request = t.cast("t.Any", slow)  # type: ignore[method-assign]
    result, _seconds = timed(emulator, wait_timeout=wait_timeout)
    assert (result.get("failed", False), result["changed"]) == (False, False)


def test_many_reads_do_not_add_up_when_the_time_of_a_list_is_over(emulator: Emulator) -> None:
    emulator.fault("model", HANG, times=-1)
    items: list[Json] = [{"deployment_id": f"d{number}", "model_id": "m"} for number in range(9)]
    before = emulator.clock.monotonic()
    result = emulator.run_many(items, wait_timeout=4)
    assert emulator.clock.monotonic() - before == 5
    assert [item["failure"] for item in result["deployments"]] == [{"code": "request_timeout"}] * 9
    assert result["deployments"][8]["msg"].startswith("Cannot read model 'm': The cluster may be busy; no more of wait")


@pytest.mark.parametrize(
    ("items", "given", "seconds"),
    [
        ([{"wait_timeout": 7}], {}, 7),
        ([{"wait": False}], {"request_timeout": 40, "request_retries": 0}, 40),
        ([{"wait_timeout": 7}], {"stop_unlisted": True, "unlisted_except": []}, 9),
        ([], {}, 9),
    ],
)
def test_a_list_may_read_as_long_as_its_longest_item_may_wait(
    emulator: Emulator, items: list[Json], given: Json, seconds: int
) -> None:
    emulator.fault("stats", HANG, times=-1)
    before = emulator.clock.monotonic()
    result = emulator.run_many([{"deployment_id": "d", **item} for item in items], wait_timeout=9, **given)
    assert (result["failure"], emulator.clock.monotonic() - before) == ({"code": "request_timeout"}, seconds)


def test_what_the_reads_took_is_no_longer_left_to_wait(emulator: Emulator) -> None:
    emulator.effect("hold", deployment_id="d")
    emulator.fault("stats", HANG)
    result, seconds = timed(emulator, number_of_allocations=6, wait_timeout=90, request_timeout=60)
    assert result["failure"] == {"code": "not_ready_in_time"}
    assert seconds == pytest.approx(90)
    assert result["waited"]["seconds"] == pytest.approx(30, abs=0.2)

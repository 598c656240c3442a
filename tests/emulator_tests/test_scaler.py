# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the adaptive allocations scaler (server-behaviour.md 6)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.state import scaler
from emulator.state.estimators import Estimator
from emulator_tests.api import Api

LAST = "adaptive allocations scaler: scal{} [m] to [{}] allocations{}."


def adaptive(version: str = "9.5.3", number: int = 1, cores: int = 16, **bounds: Any) -> Api:
    """Return a deployment under the scaler, started longer ago than the cooldown."""
    api = Api(version, nodes={"n1": cores, "n2": cores})
    api.emulator.control("POST", "/clock", {"frozen": True})
    api.started(number=number)
    assert api.update(adaptive_allocations={"enabled": True, **bounds}).status == 200
    api.clock(advance=301)
    return api


def look(api: Api, times: int = 1, **given: Any) -> int:
    """Run the scaler; nodes follow after each run. Return the number afterwards."""
    for _time in range(times):
        api.emulator.control("POST", "/scaler", {"ticks": 1, **given})
        api.settle()
    return number(api)


def number(api: Api) -> int:
    found = api.assignment()["task_parameters"]["number_of_allocations"]
    assert isinstance(found, int)
    return found


def load(api: Api, rate: float, time_ms: float) -> None:
    api.effect("set_load", deployment_id="m", requests_per_second=rate, inference_time_ms=time_ms)


def test_one_sample_is_not_enough() -> None:
    """Test server-behaviour.md 6: two samples are needed."""
    api = adaptive()
    load(api, 100, 50)
    assert look(api) == 1
    assert look(api) > 1


def test_up_while_the_load_is_above_nine_tenths() -> None:
    """Test server-behaviour.md 6: several at once; the lower bound of the load decides."""
    api = adaptive()
    load(api, 100, 50)
    # A load of 5: a rate of 100 +- 3.2 (the square root of 1000 requests in ten seconds), 50 ms +- 1.6 ms.
    lower = (100 - (100 * 10) ** 0.5 / 10) * (0.05 - 0.05 / 1000**0.5)
    assert look(api, 2) == next(count for count in range(1, 99) if lower / count <= 0.9) == 6


def test_down_while_one_less_is_enough() -> None:
    """Test server-behaviour.md 6: below 0.85 of one allocation less, but not below one."""
    api = adaptive(number=8)
    load(api, 20, 100)
    assert look(api, 2) == 3
    load(api, 0, 100)
    assert look(api, 400) == 1


def test_steady_load_settles() -> None:
    """Test server-behaviour.md 6: smoothed measurements; a number that is right stays."""
    api = adaptive(number=3)
    load(api, 20, 100)
    assert look(api, 40) == 3
    assert [line for line in api.audit() if line.startswith("adaptive")] == []


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, 32),
        ({"min_number_of_allocations": 2, "max_number_of_allocations": 5}, 5),
        ({"max_number_of_allocations": 40}, 40),
        ({"max_number_of_allocations": -1}, 32),
    ],
)
def test_most(bounds: dict[str, Any], expected: int) -> None:
    """Test server-behaviour.md 6: at most 32 where no maximum is set."""
    api = adaptive(cores=64, **bounds)
    load(api, 1000, 1000)
    assert look(api, 2) == expected


def test_least() -> None:
    """Test server-behaviour.md 4.5 and 6: a number outside of new bounds is changed at a later look."""
    api = adaptive(number=4)
    api.update(adaptive_allocations={"min_number_of_allocations": 3})
    assert number(api) == 4
    assert look(api, 2) == 3
    api.update(adaptive_allocations={"min_number_of_allocations": 6})
    assert number(api) == 3
    assert look(api) == 6


def test_only_what_is_enabled_is_scaled() -> None:
    """Test server-behaviour.md 6: disabling freezes the number where it is."""
    api = adaptive(number=4)
    api.update(adaptive_allocations={"enabled": False})
    load(api, 100, 50)
    assert look(api, 5) == 4
    api.update(adaptive_allocations=None)
    assert look(api, 5) == 4


def test_no_way_down_soon_after_the_way_up() -> None:
    """Test server-behaviour.md 6: the cooldown, which can be set."""
    api = adaptive()
    load(api, 100, 50)
    assert look(api, 2) == 6
    load(api, 1, 50)
    assert look(api, 28) == 6
    assert look(api, 4) < 6
    name = "xpack.ml.trained_models.adaptive_allocations.scale_up_cooldown_time"
    assert api.send("PUT", "/_cluster/settings", {"persistent": {name: "1h"}}).status == 200
    load(api, 100, 50)
    most = look(api, 40)
    load(api, 0, 50)
    assert look(api, 300) == most


def test_no_way_down_soon_after_a_start() -> None:
    """Test server-behaviour.md 6.

    A node that has just loaded the model counts as a way up, and so does a route that starts.
    """
    api = Api()
    api.emulator.control("POST", "/clock", {"frozen": True})
    api.started(number=3)
    api.update(adaptive_allocations={"enabled": True})
    assert look(api, 29) == 3
    assert look(api, 3) == 1
    moved = adaptive(number=5, cores=4)
    moved.effect("remove_node", node_id="n1")
    moved.effect("add_node", node_id="n3", processors=4)
    moved.effect("hold", deployment_id="m")
    assert look(moved, 40) == 5


def test_nothing_unless_started() -> None:
    """Test server-behaviour.md 6: no scaling unless the state is started."""
    api = adaptive(number=2)
    load(api, 100, 50)
    api.effect("fail_route", deployment_id="m")
    assert api.assignment()["assignment_state"] == "starting"
    assert look(api, 5) == 2


@pytest.mark.parametrize(("version", "hours"), [("9.5.3", 24), ("8.19.21", 24), ("8.18.0", 0.25), ("9.0.1", 0.25)])
def test_to_zero(version: str, hours: float) -> None:
    """Test server-behaviour.md 6: without requests for a day (a quarter of an hour at first) and without a minimum."""
    api = adaptive(version)
    look(api)
    assert look(api, seconds=hours * 3600) == 1
    assert look(api) == 0
    assert api.assignment()["routing_table"] == {}
    assert api.deployment_stats()["allocation_status"]["state"] == "fully_allocated"
    assert api.audit()[-2:] == ["Updated number_of_allocations to [0]", LAST.format("ed", 0, "")]


@pytest.mark.parametrize(("least", "expected"), [(0, 0), (1, 1)])
def test_to_zero_after_a_time_that_was_set(least: int, expected: int) -> None:
    """Test server-behaviour.md 6: the setting and its least value; a minimum keeps one."""
    api = adaptive(min_number_of_allocations=least)
    name = "xpack.ml.trained_models.adaptive_allocations.scale_to_zero_time"
    refused = api.send("PUT", "/_cluster/settings", {"persistent": {name: "59s"}})
    assert refused.reason == f"failed to parse value [59s] for setting [{name}], must be >= [1m]"
    assert api.send("PUT", "/_cluster/settings", {"persistent": {name: "1m"}}).status == 200
    assert look(api, 7) == 1
    assert look(api) == expected


def test_requests_keep_it_up() -> None:
    """Test server-behaviour.md 6: each request begins the time again."""
    api = adaptive("8.18.0")
    look(api)
    look(api, seconds=800)
    api.effect("infer", deployment_id="m")
    assert look(api, seconds=800) == 1
    assert look(api, seconds=901) == 0


def test_wake() -> None:
    """Test server-behaviour.md 6: the first request at zero asks for one allocation."""
    api = adaptive("8.18.0")
    look(api)
    assert look(api, seconds=1000) == 0
    assert scaler.wake(api.emulator.cluster, "m")
    api.settle()
    assert api.counts() == {"n1": 1}
    assert look(api, 3) == 1


def test_load_wakes() -> None:
    """Test server-behaviour.md 6: so does the load that the control port plays."""
    api = adaptive("8.18.0")
    look(api)
    assert look(api, seconds=1000) == 0
    load(api, 2, 10)
    assert look(api) == 1


@pytest.mark.parametrize("settings", [{"enabled": False}, {"min_number_of_allocations": 1}])
def test_no_wake(settings: dict[str, Any]) -> None:
    """Test server-behaviour.md 6: a frozen zero does not wake up."""
    api = adaptive()
    api.effect("set_number", deployment_id="m", number_of_allocations=0)
    api.update(adaptive_allocations=settings)
    assert not scaler.wake(api.emulator.cluster, "m")
    assert number(api) == 0


@pytest.mark.parametrize(("choice", "expected"), [("stays", 0), ("raised", 2)])
def test_minimum_that_is_set_at_zero(choice: str, expected: int) -> None:
    """Test server-behaviour.md 6: [U]; without nodes there are no statistics."""
    api = adaptive()
    api.emulator.control("POST", "/unknowns", {"scaler_from_zero": choice})
    api.effect("set_number", deployment_id="m", number_of_allocations=0)
    api.update(adaptive_allocations={"min_number_of_allocations": 2})
    assert look(api, 5) == expected


@pytest.mark.parametrize(("choice", "expected"), [("unused", 6), ("scaler_bounds", 4)])
def test_default_bounds(choice: str, expected: int) -> None:
    """Test server-behaviour.md 6: where the default bounds apply is [U]."""
    api = adaptive()
    api.emulator.control("POST", "/unknowns", {"default_allocations": choice})
    settings = {"xpack.ml.models.default_allocations.max": 4}
    assert api.send("PUT", "/_cluster/settings", {"persistent": settings}).status == 200
    load(api, 100, 50)
    assert look(api, 2) == expected


def test_too_little_room_is_tried_again() -> None:
    """Test server-behaviour.md 6: a 429 leaves one line in the audit log, and the next look tries again."""
    api = adaptive(cores=2)
    load(api, 100, 50)
    assert look(api, 4) == 1
    assert api.audit().count(LAST.format("ing", 6, " failed")) == 1
    api.effect("add_node", node_id="n3", processors=8)
    assert look(api) > 1
    assert api.audit()[-1].startswith("adaptive allocations scaler: scaled [m] to [")


def test_the_scaler_is_no_client() -> None:
    """Test server-behaviour.md 6: it sets a number while adaptive allocations are enabled, and writes no journal."""
    api = adaptive()
    writes = len(api.writes())
    load(api, 100, 50)
    assert look(api, 2) == 6
    assert len(api.writes()) == writes
    assert api.update(number_of_allocations=7).status == 400


def test_load_is_counted_in_the_statistics() -> None:
    api = adaptive()
    load(api, 2.5, 40)
    look(api, 3)
    node = api.deployment_stats()["nodes"][0]
    assert node["inference_count"] == 50
    assert node["average_inference_time_ms"] == 40


def test_rests_without_a_request_where_the_clock_is_not_automatic() -> None:
    api = adaptive()
    load(api, 100, 50)
    api.tick(5)
    api.clock(advance=3600)
    assert number(api) == 1
    assert api.emulator.cluster.scaler.last_look is None


def test_looks_when_it_is_due() -> None:
    api = adaptive()
    load(api, 100, 50)
    cluster = api.emulator.cluster
    for _time in range(5):
        scaler.look_if_due(cluster, 10)
    assert number(api) == 1
    api.clock(advance=10)
    scaler.look_if_due(cluster, 0)
    assert number(api) == 1
    scaler.look_if_due(cluster, 10)
    assert number(api) == 6


def test_effect_for_a_race() -> None:
    """Test a run of the scaler between two requests of a client."""
    api = adaptive()
    load(api, 100, 50)
    api.effect("scaler_tick")
    api.fault("stats", {"type": "effect", "effect": {"do": "scaler_tick"}}, when="after")
    assert api.deployment_stats()["number_of_allocations"] == 1
    assert api.deployment_stats()["number_of_allocations"] == 6


def test_estimator_follows_a_jump_and_smooths_noise() -> None:
    """Test server-behaviour.md 6: over about a hundred samples, but ten deviations away is a jump."""
    steady = Estimator(detects_jumps=True)
    for index in range(300):
        steady.add(10 + (-1) ** index, 1.0)
    assert steady.value == pytest.approx(10, abs=0.2)
    assert steady.upper - steady.lower < 1
    steady.add(100, 1.0)
    assert steady.value == pytest.approx(100, abs=5)
    slow = Estimator(detects_jumps=False)
    for value in (10.0, 10.0, 10.0, 100.0):
        slow.add(value, 1.0)
    assert slow.value is not None
    assert slow.value < 60

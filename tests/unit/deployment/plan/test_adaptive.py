# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the task or adaptive allocations own the number of allocations, and how it changes hands."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
BOUNDS: Json = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
OFF: Json = {**BOUNDS, "enabled": False}
FREEZE: Json = {"adaptive_allocations": {"enabled": False}}


@pytest.fixture(params=["8.16.0", "8.19.21", "9.5.3"])
def emulator(request: pytest.FixtureRequest) -> t.Iterator[Emulator]:
    """Start each release of note: all that have adaptive allocations enabled by default behave the same here."""
    with Emulator(request.param) as made:
        yield made


def deployed(emulator: Emulator, number: int, adaptive: Json | None = None) -> None:
    given = {} if adaptive is None else {"adaptive_allocations": adaptive}
    emulator.effect("start_deployment", model_id="m", deployment_id="m", **given)
    emulator.settle()
    set_number(emulator, number)
    emulator.forget()


def set_number(emulator: Emulator, number: int) -> None:
    """Set the number as adaptive allocations do, or another client."""
    emulator.effect("set_number", deployment_id="m", number_of_allocations=number)
    emulator.settle()


def adaptive(emulator: Emulator) -> Json:
    """Return the settings that are stored, without the ones that mean "no bound"."""
    stored = emulator.deployments()["m"].get("adaptive_allocations") or {}
    return {name: value for name, value in stored.items() if value not in (None, -1)}


def number(emulator: Emulator) -> int:
    return int(emulator.deployments()["m"]["task_parameters"]["number_of_allocations"])


def both(emulator: Emulator, **given: t.Any) -> Json:
    """Return the result of a real run, after check mode has predicted the same."""
    checked, real = emulator.run(check_mode=True, model_id="m", **given), emulator.run(model_id="m", **given)
    for name in ("changed", "operation", "skipped_because", "before", "after", "api_calls", "warnings"):
        assert checked[name] == real[name]
    assert checked.get("msg") == real.get("msg")
    return real


# --- a plain number while adaptive allocations own it ---


@pytest.mark.parametrize("asked", [2, 3])
def test_fail_leaves_even_the_same_number_to_adaptive_allocations(emulator: Emulator, asked: int) -> None:
    deployed(emulator, 3, BOUNDS)
    result = both(emulator, number_of_allocations=asked)
    assert result["failure"] == {"code": "adaptive_allocations_enabled"}
    assert (result["changed"], emulator.journal(), number(emulator)) == (False, [], 3)


def test_skip_says_so_and_does_not_wait(emulator: Emulator) -> None:
    deployed(emulator, 3, BOUNDS)
    result = both(emulator, number_of_allocations=2, on_adaptive="skip")
    assert result["skipped_because"] == "adaptive allocations are enabled and on_adaptive is skip"
    assert (result["changed"], emulator.journal(), number(emulator), result["waited"]["polls"]) == (False, [], 3, 0)


@pytest.mark.parametrize("asked", [2, 3])
@pytest.mark.parametrize("given", [{"on_adaptive": "override"}, FREEZE])
def test_leaving_and_setting_are_one_request(emulator: Emulator, given: Json, asked: int) -> None:
    """Test that no two requests are sent: between them the number would be uncertain; a number alone is refused."""
    deployed(emulator, 3, BOUNDS)
    result = both(emulator, number_of_allocations=asked, **given)
    [write] = emulator.journal()
    assert write["body"] == {"adaptive_allocations": {"enabled": False}, "number_of_allocations": asked}
    assert (result["operation"], number(emulator), adaptive(emulator)) == ("update", asked, OFF)
    assert not both(emulator, number_of_allocations=asked, **given)["changed"]


def test_adaptive_allocations_change_the_number_between_read_and_write(emulator: Emulator) -> None:
    deployed(emulator, 3, BOUNDS)
    effect = {"do": "set_number", "deployment_id": "m", "number_of_allocations": 4}
    emulator.fault("update", {"type": "effect", "effect": effect})
    result = emulator.run(model_id="m", number_of_allocations=3, on_adaptive="override")
    assert not result.get("failed"), result.get("msg")
    assert (result["deployment"]["number_of_allocations"], number(emulator)) == (3, 3)


@pytest.mark.parametrize("state", ["started", "restarted"])
def test_a_number_that_adaptive_allocations_own_is_never_a_difference(emulator: Emulator, state: str) -> None:
    deployed(emulator, 3, BOUNDS)
    result = emulator.run(model_id="m", state=state, adaptive_allocations=BOUNDS)
    assert result["before"]["number_of_allocations"] is None
    assert result["after"]["number_of_allocations"] is None
    assert result["changed"] == (state == "restarted")


# --- the bounds ---


@pytest.mark.parametrize(
    ("stored", "desired", "then"),
    [
        (None, BOUNDS, BOUNDS),
        (OFF, {"enabled": True}, BOUNDS),
        (OFF, {"enabled": True, "max_number_of_allocations": 6}, {**BOUNDS, "max_number_of_allocations": 6}),
        (OFF, {"enabled": True, "min_number_of_allocations": 2}, {**BOUNDS, "min_number_of_allocations": 2}),
        (BOUNDS, {"max_number_of_allocations": 6}, {**BOUNDS, "max_number_of_allocations": 6}),
        (None, {"enabled": True, "max_number_of_allocations": 6}, {"enabled": True, "max_number_of_allocations": 6}),
        (
            BOUNDS,
            {"min_number_of_allocations": -1},
            {"enabled": True, "max_number_of_allocations": 4},
        ),
    ],
)
@pytest.mark.parametrize("how", [{}, {"state": "restarted"}, {"replace": "stop_start", "threads_per_allocation": 2}])
def test_entering_keeps_every_bound_given_now_or_before(
    emulator: Emulator, stored: Json | None, desired: Json, then: Json, how: Json
) -> None:
    deployed(emulator, 2, stored)
    result = both(emulator, adaptive_allocations=desired, **how)
    assert not result.get("failed"), result.get("msg")
    assert adaptive(emulator) == then
    assert result["deployment"]["adaptive_allocations"] == {
        "min_number_of_allocations": None,
        "max_number_of_allocations": None,
        **then,
    }


def test_bounds_survive_leaving_and_entering_again(emulator: Emulator) -> None:
    deployed(emulator, 3, BOUNDS)
    both(emulator, number_of_allocations=2, on_adaptive="override")
    both(emulator, state="restarted")
    both(emulator, adaptive_allocations={"enabled": True})
    assert adaptive(emulator) == BOUNDS


# --- leaving without a number ---


def test_leaving_without_a_number_freezes_it(emulator: Emulator) -> None:
    deployed(emulator, 3, BOUNDS)
    result = both(emulator, **FREEZE)
    [write] = emulator.journal()
    assert write["body"] == FREEZE
    assert (number(emulator), result["after"]["number_of_allocations"], adaptive(emulator)) == (3, 3, OFF)
    assert not both(emulator, **FREEZE)["changed"]


ASLEEP: Json = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 4}


@pytest.mark.parametrize("how", [{}, {"wait": False}])
def test_a_zero_is_not_frozen(emulator: Emulator, how: Json) -> None:
    deployed(emulator, 0, ASLEEP)
    result = both(emulator, **FREEZE, **how)
    assert result["failure"] == {"code": "zero_allocations"}
    assert (emulator.journal(), adaptive(emulator)["enabled"]) == ([], True)


def test_a_zero_is_frozen_if_that_is_meant(emulator: Emulator) -> None:
    deployed(emulator, 0, ASLEEP)
    assert both(emulator, **FREEZE, allow_zero=True)["operation"] == "update"
    assert (number(emulator), adaptive(emulator)["enabled"]) == (0, False)
    assert not both(emulator, **FREEZE, allow_zero=True)["changed"]
    assert both(emulator, **FREEZE)["failure"] == {"code": "zero_allocations"}


def test_a_number_wakes_what_sleeps_while_it_leaves(emulator: Emulator) -> None:
    deployed(emulator, 0, ASLEEP)
    result = both(emulator, **FREEZE, number_of_allocations=2)
    assert (number(emulator), result["waited"]["reached"]) == (2, True)


def test_a_zero_that_adaptive_allocations_set_meanwhile_is_reported(emulator: Emulator) -> None:
    """Test a number that is one when read, then zero, and then frozen: no message may say that this is ready."""
    deployed(emulator, 1, ASLEEP)
    effect = {"do": "set_number", "deployment_id": "m", "number_of_allocations": 0}
    emulator.fault("update", {"type": "effect", "effect": effect})
    result = emulator.run(model_id="m", **FREEZE)
    assert result["failure"] == {"code": "not_ready"}
    assert (result["changed"], result["deployment"]["number_of_allocations"]) == (True, 0)

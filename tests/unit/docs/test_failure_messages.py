# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the message and the code of failures, each in a situation that causes it."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
ASLEEP: Json = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 4}
STRANGERS_STOP: Json = {"do": "stop_deployment", "deployment_id": "d"}


def started(emulator: Emulator, number: int = 2, adaptive: Json | None = None) -> None:
    given: Json = {"number_of_allocations": number} if adaptive is None else {"adaptive_allocations": adaptive}
    emulator.effect("start_deployment", model_id="m", deployment_id="d", **given)
    emulator.settle()
    emulator.effect("set_number", deployment_id="d", number_of_allocations=number)
    emulator.settle()


def held(emulator: Emulator) -> None:
    started(emulator)
    emulator.effect("hold", deployment_id="d")


def starting(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
    emulator.effect("hold", deployment_id="d")


def failing(emulator: Emulator) -> None:
    emulator.effect("fail_next_load", reason="no memory", times=1)


def between(operation: str, effect: Json, after: int = 0) -> t.Callable[[Emulator], None]:
    def make(emulator: Emulator) -> None:
        started(emulator)
        emulator.fault(operation, {"type": "effect", "effect": effect}, after=after)

    return make


def restarted_by_another(emulator: Emulator) -> None:
    started(emulator)
    again = {"do": "start_deployment", "model_id": "m", "deployment_id": "d"}
    emulator.fault("stop", {"type": "effect", "effect": {"do": "remove_deployment", "deployment_id": "d"}})
    emulator.fault("stats", {"type": "effect", "effect": again}, after=2)


def lost_answer(emulator: Emulator) -> None:
    started(emulator)
    moved = {"do": "set_number", "deployment_id": "d", "number_of_allocations": 6}
    emulator.fault("update", {"type": "drop"})
    emulator.fault("update", {"type": "effect", "effect": moved})


MOVED: Json = {"do": "set_number", "deployment_id": "d", "number_of_allocations": 6}
THREE: Json = {"number_of_allocations": 3}
SITUATIONS: dict[str, tuple[t.Callable[[Emulator], object], Json, str, str | None]] = {
    "not the expected": (
        started,
        {**THREE, "guard": {"number_of_allocations": 1}},
        "was expected before",
        "guard_violated",
    ),
    "too low": (started, {"state": "stopped", "guard": {"min": 1}}, "is below min", "guard_violated"),
    "too high": (started, {**THREE, "guard": {"max": 2}}, "is above max", "guard_violated"),
    "too far": (started, {**THREE, "guard": {"max_step": 0}}, "is above max_step", "guard_violated"),
    "guarded, skipping": (
        started,
        {**THREE, "guard": {"max": 2, "on_violation": "skip"}},
        "guard.on_violation is skip",
        None,
    ),
    "lost answer": (lost_answer, {**THREE, "guard": {"max_step": 1}}, "its guard forbids sending it again", "conflict"),
    "guard upside down": (started, {"guard": {"min": 2, "max": 1}}, "is above guard.max", "invalid_value"),
    "guard below 0": (started, {"guard": {"max": -1}}, "must be 0 or more, not", "invalid_value"),
    "adaptive": (
        lambda emulator: started(emulator, 2, ASLEEP),
        THREE,
        "has adaptive allocations enabled: they set its",
        "adaptive_allocations_enabled",
    ),
    "adaptive, skipping": (
        lambda emulator: started(emulator, 2, ASLEEP),
        {**THREE, "on_adaptive": "skip"},
        "on_adaptive is skip",
        None,
    ),
    "both": (
        started,
        {**THREE, "adaptive_allocations": ASLEEP},
        "cannot be given beside adaptive_allocations",
        "conflicting_options",
    ),
    "frozen": (
        lambda emulator: started(emulator, 0, ASLEEP),
        {"adaptive_allocations": {"enabled": False}},
        "would be frozen at 0 allocations",
        "zero_allocations",
    ),
    "bounds": (
        lambda emulator: started(emulator, 2, ASLEEP),
        {"adaptive_allocations": {"min_number_of_allocations": 5}},
        "above max_number_of_allocations",
        "conflicting_settings",
    ),
    "time is over": (held, {"number_of_allocations": 6}, "allocations run, and it is", "not_ready_in_time"),
    "failed node": (failing, {}, "will not become", "not_ready"),
    "asleep": (lambda emulator: started(emulator, 0, ASLEEP), {}, "no allocation runs", "not_ready"),
    "stopped": (
        between("stats", {"do": "remove_deployment", "deployment_id": "d"}, after=1),
        THREE,
        "the deployment is gone: it was stopped while waiting",
        "not_ready",
    ),
    "being stopped": (between("stats", STRANGERS_STOP, after=1), THREE, "the deployment is being stopped", "not_ready"),
    "another's start": (
        restarted_by_another,
        {"state": "stopped"},
        "it was stopped and started again meanwhile",
        "conflict",
    ),
    "another's number": (
        between("stats", MOVED, after=1),
        THREE,
        "was changed by another client meanwhile",
        "conflict",
    ),
    "hanging stop": (held, {"state": "stopped"}, "it is still", "not_ready_in_time"),
    "never started": (starting, THREE, "ready for an update", "not_ready_in_time"),
    "wait_timeout": (started, {"wait_timeout": -1}, "wait_timeout is '-1', not a time", "invalid_value"),
    "wait_sleep": (started, {"wait_sleep": 0}, "wait_sleep must be above 0 seconds", "invalid_value"),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_message_and_code(situation: str) -> None:
    make, task, message, code = SITUATIONS[situation]
    with Emulator("9.5.3") as emulator:
        make(emulator)
        result = emulator.run(**{"deployment_id": "d", "model_id": "m", "wait_timeout": 6, **task})
    assert message in (result["msg"] if result.get("failed") else result["skipped_because"])
    assert result["failure"] == (code and {"code": code})


def test_a_guarded_list() -> None:
    with Emulator("9.5.3") as emulator:
        result = emulator.run_many([{"model_id": "m"}], guard={"max_total_step": 0})
    assert "The list is guarded" in result["msg"]
    assert result["failure"] == {"code": "guard_violated"}


def test_serverless() -> None:
    with Emulator("8.11.0", flavor="serverless") as emulator:
        result = emulator.run(model_id="m", number_of_allocations=2, on_adaptive="override")
    assert "always scales deployments itself" in result["msg"]
    assert result["failure"] == {"code": "unsupported_on_serverless"}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the guide about failures and the failures they explain: each has the other."""

from __future__ import annotations

import re
import typing as t

import pytest

from support.documents import ROOT
from support.double import Double

Json = dict[str, t.Any]
GUIDE = (ROOT / "docs/docsite/rst/failures.rst").read_text()
QUOTED = re.findall(r"^   \* - ``(.+)``$", GUIDE, re.MULTILINE)
ASLEEP: Json = {"enabled": True, "min_number_of_allocations": 0, "max_number_of_allocations": 4}
STRANGERS_STOP: Json = {"do": "stop_deployment", "deployment_id": "d"}


def test_what_the_tables_quote_is_said_by_the_code() -> None:
    code = "".join(path.read_text() for path in (ROOT / "plugins").rglob("*.py"))
    assert len(QUOTED) > 20
    assert [sentence for sentence in QUOTED if sentence not in code] == []
    assert sorted(set(QUOTED)) == sorted(QUOTED)


def started(double: Double, number: int = 2, adaptive: Json | None = None) -> None:
    given: Json = {"number_of_allocations": number} if adaptive is None else {"adaptive_allocations": adaptive}
    double.effect("start_deployment", model_id="m", deployment_id="d", **given)
    double.settle()
    double.effect("set_number", deployment_id="d", number_of_allocations=number)
    double.settle()


def held(double: Double) -> None:
    started(double)
    double.effect("hold", deployment_id="d")


def starting(double: Double) -> None:
    double.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
    double.effect("hold", deployment_id="d")


def failing(double: Double) -> None:
    double.effect("fail_next_load", reason="no memory", times=1)


def between(operation: str, effect: Json, after: int = 0) -> t.Callable[[Double], None]:
    def make(double: Double) -> None:
        started(double)
        double.fault(operation, {"type": "effect", "effect": effect}, after=after)

    return make


def restarted_by_another(double: Double) -> None:
    started(double)
    again = {"do": "start_deployment", "model_id": "m", "deployment_id": "d"}
    double.fault("stop", {"type": "effect", "effect": {"do": "remove_deployment", "deployment_id": "d"}})
    double.fault("stats", {"type": "effect", "effect": again}, after=2)


def lost_answer(double: Double) -> None:
    started(double)
    moved = {"do": "set_number", "deployment_id": "d", "number_of_allocations": 6}
    double.fault("update", {"type": "drop"})
    double.fault("update", {"type": "effect", "effect": moved})


MOVED: Json = {"do": "set_number", "deployment_id": "d", "number_of_allocations": 6}
THREE: Json = {"number_of_allocations": 3}
SITUATIONS: dict[str, tuple[t.Callable[[Double], object], Json, str]] = {
    "not the expected": (started, {**THREE, "guard": {"number_of_allocations": 1}}, "was expected before"),
    "too low": (started, {"state": "stopped", "guard": {"min": 1}}, "is below min"),
    "too high": (started, {**THREE, "guard": {"max": 2}}, "is above max"),
    "too far": (started, {**THREE, "guard": {"max_step": 0}}, "is above max_step"),
    "guarded, skipping": (started, {**THREE, "guard": {"max": 2}, "on_guarded": "skip"}, "on_guarded is skip"),
    "lost answer": (lost_answer, {**THREE, "guard": {"max_step": 1}}, "its guard forbids to send it again"),
    "guard upside down": (started, {"guard": {"min": 2, "max": 1}}, "is above guard.max"),
    "guard below 0": (started, {"guard": {"max": -1}}, "must be 0 or more, not"),
    "scaler's": (lambda double: started(double, 2, ASLEEP), THREE, "belongs to the scaler"),
    "scaler's, skipping": (
        lambda double: started(double, 2, ASLEEP),
        {**THREE, "on_adaptive": "skip"},
        "on_adaptive is skip",
    ),
    "both": (started, {**THREE, "adaptive_allocations": ASLEEP}, "cannot be given beside adaptive_allocations"),
    "frozen": (
        lambda double: started(double, 0, ASLEEP),
        {"adaptive_allocations": {"enabled": False}},
        "would be frozen at 0 allocations",
    ),
    "bounds": (
        lambda double: started(double, 2, ASLEEP),
        {"adaptive_allocations": {"min_number_of_allocations": 5}},
        "above max_number_of_allocations",
    ),
    "time is over": (held, {"number_of_allocations": 6}, "allocations run, and it is"),
    "failed node": (failing, {}, "will not become"),
    "asleep": (lambda double: started(double, 0, ASLEEP), {}, "no allocation runs"),
    "stopped": (
        between("stats", {"do": "remove_deployment", "deployment_id": "d"}, after=1),
        THREE,
        "the deployment is gone: it was stopped while waiting",
    ),
    "being stopped": (between("stats", STRANGERS_STOP, after=1), THREE, "the deployment is being stopped"),
    "another's start": (
        restarted_by_another,
        {"state": "stopped"},
        "it was stopped and started again meanwhile",
    ),
    "another's number": (between("stats", MOVED, after=1), THREE, "was changed by somebody else meanwhile"),
    "hanging stop": (held, {"state": "stopped"}, "it is still"),
    "never started": (starting, THREE, "ready for an update"),
    "wait_timeout": (started, {"wait_timeout": -1}, "wait_timeout must be 0 seconds or more"),
    "wait_sleep": (started, {"wait_sleep": 0}, "wait_sleep must be above 0 seconds"),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_the_code_says_is_in_a_table(situation: str) -> None:
    make, task, quoted = SITUATIONS[situation]
    assert quoted in QUOTED
    with Double("9.5.3") as double:
        make(double)
        result = double.run(**{"deployment_id": "d", "model_id": "m", "wait_timeout": 6, **task})
        assert quoted in (result["msg"] if result.get("failed") else result["skipped_because"])


def test_what_only_lists_and_serverless_say_is_in_a_table() -> None:
    with Double("9.5.3") as double:
        said = double.run_many([{"model_id": "m"}], guard={"max_total_step": 0})["msg"]
    assert [quoted for quoted in QUOTED if quoted in said] == ["The list is guarded"]
    with Double("8.11.0", flavor="serverless") as double:
        said = double.run(model_id="m", number_of_allocations=2, on_adaptive="override")["msg"]
    assert [quoted for quoted in QUOTED if quoted in said] == ["always scales deployments itself"]

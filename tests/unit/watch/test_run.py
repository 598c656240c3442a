# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the run of a task that watches deployments."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator, TurnedClock
from support.inference import ADAPTIVE, inferences, refusal, started

Json = dict[str, t.Any]
NONE = {"inferences": 0, "rejected": 0, "timed_out": 0, "failed": 0}
QUEUED: Json = {"do": "queue_inferences", "deployment_id": "d", "count": 1, "timeout_ms": 1}
"""An effect that lets an inference time out."""


def at_sleep(emulator: Emulator, number: int, *effects: Json) -> None:
    """Let *effects* happen while the task sleeps the time with this *number*."""
    slept = iter(range(1, 10_000))

    def acting() -> None:
        emulator.pass_time()
        if next(slept) == number:
            for effect in effects:
                emulator.control("POST", "/effects", effect)

    emulator.clock = TurnedClock(acting)


def failures(**counters: int) -> Json:
    """Return the effect that inferences of deployment d have no answer."""
    return {"do": "count_failures", "deployment_id": "d", **counters}


def test_a_quiet_watch() -> None:
    with started() as emulator:
        emulator.effect("infer", deployment_id="d", count=4)
        emulator.control("POST", "/effects", failures(errors=2))
        at_sleep(emulator, 3, {"do": "infer", "deployment_id": "d", "count": 5})
        result = emulator.watch("d", watch_seconds=20)
        assert not result.get("failed"), result["msg"]
        assert (result["changed"], result["failure"], result["skipped_because"]) == (False, None, None)
        assert result["first"] == {**NONE, "inferences": 4, "failed": 2}
        assert result["last"] == {**NONE, "inferences": 9, "failed": 2}
        assert result["risen"] == {**NONE, "inferences": 5}
        assert (result["seconds"], result["reads"]) == (20.0, 5)
        [item] = result["deployments"]
        assert item == {
            "deployment_id": "d",
            "model_id": "m",
            **{name: result[name] for name in ("first", "last", "risen")},
        }
        assert emulator.reported == [
            "d: watched: 0 inferences answered, none without an answer",
            "d: watched: 5 inferences answered, none without an answer",
        ]
        assert emulator.journal() == []
        assert inferences(emulator) == 0


@pytest.mark.parametrize("counter", ["rejected", "timeouts", "errors"])
@pytest.mark.parametrize("more", [0, 1])
def test_a_counter_that_rises(counter: str, more: int) -> None:
    name = {"rejected": "rejected", "timeouts": "timed_out", "errors": "failed"}[counter]
    with started() as emulator:
        emulator.control("POST", "/effects", failures(**{counter: 7}))
        at_sleep(emulator, 2, failures(**{counter: 2 + more}))
        result = emulator.watch("d", allow={name: 2})
        assert result["risen"] == {**NONE, name: 2 + more}
        assert (result.get("failure") or {}).get("code") == ("inferences_failed" if more else None)
        # It fails as soon as it is seen, not when the time is over.
        assert result["seconds"] == (10.0 if more else 60.0)
        if more:
            shown = name.replace("_", " ")
            assert result["msg"].startswith(
                f"Inferences have had no answer within 10 seconds: {shown} 3 of 'd', allowed 2. "
            )


def test_an_inference_that_times_out() -> None:
    with started() as emulator:
        emulator.effect("set_inference_time", deployment_id="d", time_ms=60_000)
        at_sleep(emulator, 1, QUEUED)
        result = emulator.watch("d")
        assert result["failure"] == {"code": "inferences_failed"}
        assert result["risen"] == {**NONE, "timed_out": 1}
        assert "timed out 1 of 'd', allowed 0. Timed out means" in result["msg"]


def test_a_process_that_starts_again_counts_from_zero() -> None:
    with started() as emulator:
        emulator.effect("infer", deployment_id="d", count=50)
        emulator.control("POST", "/effects", failures(errors=7))
        crash = {"do": "crash_process", "deployment_id": "d", "restart": True}
        at_sleep(emulator, 2, crash, {"do": "infer", "deployment_id": "d", "count": 2})
        result = emulator.watch("d", watch_seconds=15)
        assert not result.get("failed"), result["msg"]
        assert result["last"] == {**NONE, "inferences": 2}
        assert result["risen"] == {**NONE, "inferences": 2}


@pytest.mark.parametrize(
    ("effect", "code", "text"),
    [
        ({"do": "stop_deployment", "deployment_id": "d"}, "conflict", "Deployment 'd' is being stopped"),
        ({"do": "remove_deployment", "deployment_id": "d"}, "conflict", "Deployment 'd' is gone"),
        ({"do": "crash_process", "deployment_id": "d"}, "deployment_failed", "Deployment 'd' has failed on all its "),
    ],
    ids=["stopped", "gone", "failed"],
)
def test_a_deployment_that_ends(effect: Json, code: str, text: str) -> None:
    with started() as emulator:
        at_sleep(emulator, 2, effect)
        result = emulator.watch("d")
        assert result["failure"] == {"code": code}
        assert result["msg"].startswith(text)
        assert (result["seconds"], result["reads"]) == (10.0, 3)


def test_one_read() -> None:
    with started() as emulator:
        result = emulator.watch("d", watch_seconds=0)
        assert (result["failure"], result["reads"], result["seconds"]) == (None, 1, 0.0)
        emulator.api("POST", "/_ml/trained_models/d/deployment/_stop")
        emulator.settle()
        result = emulator.watch("d", "x", watch_seconds=0)
        assert result["failure"] == {"code": "deployment_missing"}
        assert result["msg"] == "The cluster has no deployments 'd', 'x'. There are no deployments."
        assert (result["first"], result["deployments"], result["reads"]) == (None, [], 0)


def test_an_id_that_does_not_exist() -> None:
    with started() as emulator:
        result = emulator.watch("dd")
        assert result["msg"] == "The cluster has no deployment 'dd'. The only deployment is 'd'. Did you mean 'd'?"


def test_scaled_to_zero() -> None:
    with started(adaptive_allocations=ADAPTIVE) as emulator:
        emulator.effect("set_number", deployment_id="d", number_of_allocations=0)
        emulator.settle()
        result = emulator.watch("d", watch_seconds=10)
        assert (result["failure"], result["risen"], result["reads"]) == (None, NONE, 3)


def test_several() -> None:
    with started() as emulator:
        emulator.effect("start_deployment", model_id="other", deployment_id="e", number_of_allocations=1)
        emulator.settle()
        at_sleep(emulator, 1, {"do": "infer", "deployment_id": "e", "count": 3})
        result = emulator.watch("e", "d", "e", watch_seconds=5)
        assert [item["deployment_id"] for item in result["deployments"]] == ["d", "e"]
        assert [item["risen"]["inferences"] for item in result["deployments"]] == [0, 3]
        assert result["risen"]["inferences"] == 3
        assert emulator.reported == ["e, d: watched: 3 inferences answered, none without an answer"]


@pytest.mark.parametrize("kind", ["drop", "bad_gateway", "hang"])
def test_reads_that_fail_for_a_while(kind: str) -> None:
    with started() as emulator:
        emulator.fault("stats", {"type": kind}, times=4, after=1)
        result = emulator.watch("d", watch_seconds=300)
        assert not result.get("failed"), result["msg"]
        assert result["seconds"] >= 300
        emulator.fault("stats", {"type": kind}, times=1000, after=1)
        result = emulator.watch("d", watch_seconds=20)
        assert result["failure"]["code"] in ("connection_failed", "cluster_unavailable", "request_timeout")
        assert result["reads"] == 1
        # One read that began in time may take some seconds longer.
        assert emulator.clock.monotonic() < 400


def test_a_read_that_will_never_succeed() -> None:
    with started() as emulator:
        emulator.fault("stats", refusal(403, "action [x] is unauthorized for user [y]"), times=1000, after=1)
        result = emulator.watch("d")
        assert result["failure"] == {"code": "missing_privilege"}


def test_check_mode_reads_once() -> None:
    with started() as emulator:
        result = emulator.watch("d", check_mode=True)
        assert result["skipped_because"] == "check mode reads once; a real run watches 'd' for 60 seconds"
        assert (result["reads"], result["first"]) == (1, NONE)
        assert emulator.watch("x", check_mode=True)["failure"] == {"code": "deployment_missing"}


def test_a_dry_run() -> None:
    with Emulator("9.5.3") as emulator:
        planned = emulator.run(check_mode=True, model_id="m")
        entry = planned["ansible_facts"]["elasticsearch_ml_deployments"]["m"]
        made = {"deployments": {"m": [{**entry, "run": "r", "order": 1}]}}
        assert emulator.watch(check_mode=True, predictions=made)["failure"] is None
        # A real run never plans from a prediction.
        assert emulator.watch(predictions=made)["failure"] == {"code": "deployment_missing"}
        emulator.run(model_id="m")
        gone = {"deployments": {"m": [{**entry, "deployment": None, "run": "r", "order": 1}]}}
        assert emulator.watch(check_mode=True, predictions=gone)["failure"] == {"code": "deployment_missing"}


@pytest.mark.parametrize("version", ["8.0.1", "8.1.3", "8.7.1", "9.5.3"])
def test_versions(version: str) -> None:
    with started(version) as emulator:
        result = emulator.watch("d" if emulator.has(8, 8) else "m", watch_seconds=0)
        code = None if emulator.has(8, 1) else {"code": "unsupported_version"}
        assert result["failure"] == code


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        ({"deployment_id": []}, "incomplete_options", "deployment_id has no value. A variable may be empty."),
        ({"deployment_id": ["d*"]}, "invalid_value", "deployment_id 'd*' is not the id of one deployment or model."),
        ({"allow": {"timed_out": -1}}, "invalid_value", "allow.timed_out must be 0 or more, not -1."),
        ({"watch_seconds": -1}, "invalid_value", "watch_seconds is '-1', not a time."),
        ({"watch_sleep": 0}, "invalid_value", "watch_sleep must be above 0 seconds and at most 168h, not 0."),
    ],
)
def test_wrong_options(given: Json, code: str, text: str) -> None:
    with started() as emulator:
        result = emulator.watch("d", **given)
        assert result["failure"] == {"code": code}
        assert result["msg"].startswith(text)


def test_an_internal_error() -> None:
    with started() as emulator:
        emulator.unsound = True
        emulator.clock = TurnedClock(lambda: 1 / 0)
        assert emulator.watch("d")["failure"] == {"code": "internal_error"}

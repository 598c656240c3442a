# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test by tables what follows a failed plan, and the error of one write: without a cluster, without a request."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import (
    ApiError,
    Failure,
    NotReached,
    Refusal,
    Unsatisfied,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.after_failure import (
    answer_to,
    left_stopped,
    rollback_plans,
    with_writes,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.after_write import (
    ATTEMPTS,
    after_error,
    after_unread_error,
    before_stop,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.plan import Plan
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.rollback import AppliedSteps
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.run_state import RunState
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.start_step import restart_of
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.desired import Desired, WaitPolicy
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.step import Step
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import AllocationStatus, Deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.routing import Route

BEFORE = Deployment(
    "d",
    "m",
    number_of_allocations=2,
    assignment_state="started",
    start_time="then",
    allocation_status=AllocationStatus(2, 2, "started"),
)
LOADING = dataclasses.replace(
    BEFORE, assignment_state="starting", allocation_status=None, routes=(Route("n", "n", "starting", None, None, 2),)
)
STOPPING = dataclasses.replace(BEFORE, assignment_state="stopping")
AFTER = dataclasses.replace(BEFORE, number_of_allocations=4)
RESTARTED = dataclasses.replace(BEFORE, start_time="later")
UPDATE = Step("update", "d", {"number_of_allocations": 4})
STOP, START = Step("stop", "d"), Step("start", "d", {"model_id": "m", "number_of_allocations": 4})
UPDATING = Plan(BEFORE, AFTER, "update", (UPDATE,))
REPLACING = Plan(BEFORE, AFTER, "replace", (STOP, START))
NOTHING = Plan(LOADING, LOADING)
LATE = NotReached("not_ready_in_time", "Late.")
REFUSED = ApiError("server", "No.", status=400)
LOST = ApiError("connection", "It was lost.")


def state_of(
    plan: Plan, *applied: t.Any, observed: Deployment | None = BEFORE, keep: t.Any = "fail", **desired: t.Any
) -> RunState:
    policy = WaitPolicy(on_unsatisfied=keep)
    state = RunState(Desired("d", **desired), policy, current=plan.before, observed=observed).begun("task", plan)
    return state.progressed(applied=AppliedSteps(frozenset(applied)), sent_kinds=frozenset(applied), settling=True)


STUCK = state_of(NOTHING, observed=LOADING, on_failed="recover")


@pytest.mark.parametrize(
    ("state", "error", "answer"),
    [
        (STUCK, LATE, "restart"),
        (STUCK.progressed(purpose="stuck"), LATE, "fail"),
        (state_of(NOTHING, observed=LOADING), LATE, "fail"),
        (state_of(NOTHING, observed=BEFORE, on_failed="recover"), LATE, "fail"),
        (STUCK, REFUSED, "fail"),
        (state_of(UPDATING, "update", keep="keep"), LATE, "keep"),
        (state_of(UPDATING, "update", keep="keep").progressed(settling=False), LATE, "fail"),
        (state_of(UPDATING, "update", keep="keep", observed=STOPPING), LATE, "fail"),
        (state_of(UPDATING, "update", keep="keep", observed=None), LATE, "fail"),
        (state_of(UPDATING, "update", keep="keep"), REFUSED, "fail"),
        (state_of(UPDATING, "update", keep="rollback"), LATE, "roll_back"),
        (state_of(UPDATING, keep="rollback"), LATE, "fail"),
        (state_of(REPLACING, "stop"), REFUSED, "roll_back"),
        (state_of(REPLACING, "stop", keep="keep"), REFUSED, "roll_back"),
        (state_of(REPLACING, "stop", "start"), REFUSED, "fail"),
        (state_of(REPLACING, "stop"), LATE, "fail"),
        (state_of(REPLACING), REFUSED, "fail"),
    ],
)
def test_what_follows_a_failed_plan(state: RunState, error: Failure, answer: str) -> None:
    assert answer_to(state, error, only_waited=True) == answer


def test_a_deployment_is_not_stuck_before_its_time_is_up() -> None:
    assert answer_to(STUCK, LATE, only_waited=False) == "fail"


@pytest.mark.parametrize(
    ("state", "error", "said"),
    [
        (state_of(UPDATING), REFUSED, "No. Nothing was sent."),
        (state_of(UPDATING, "update").accepted(UPDATE), LATE, "Late. The update was accepted."),
        (
            state_of(REPLACING, "stop").accepted(STOP),
            LATE,
            "Late. The stop was accepted. The start was not sent.",
        ),
        (state_of(UPDATING), Unsatisfied("conflict", "It was changed."), "It was changed."),
        (state_of(UPDATING), Unsatisfied("unknown_outcome", "Unknown."), "Unknown."),
        (state_of(UPDATING), Refusal("conflict", "Changed"), "Changed."),
    ],
)
def test_a_failure_says_which_writes_count(state: RunState, error: Failure, said: str) -> None:
    assert str(with_writes(state.under_way, error)) == said


def test_a_rollback_repeats_no_start_that_was_refused() -> None:
    again, after, _warnings = restart_of(Desired("d"), BEFORE, None)
    state = state_of(Plan(BEFORE, after, "restart", (STOP, again)), "stop", observed=None).sent(again)
    with pytest.raises(Refusal, match="refused to start it with its previous settings"):
        rollback_plans(state, REFUSED)
    with pytest.raises(Refusal, match="refuses every start now"):
        rollback_plans(state_of(REPLACING, "stop", observed=None).sent(START), ApiError("upgrade_mode", "no"))


@pytest.mark.parametrize(
    ("state", "left"),
    [
        (state_of(REPLACING, "stop", observed=None), BEFORE),
        (state_of(REPLACING, "stop", observed=STOPPING), BEFORE),
        (state_of(REPLACING, "stop", observed=BEFORE), None),
        (state_of(UPDATING, observed=None), None),
    ],
)
def test_what_is_left_stopped(state: RunState, left: Deployment | None) -> None:
    assert left_stopped(state) == left


@pytest.mark.parametrize(
    ("step", "error", "observed", "kind", "code", "may_be_applied"),
    [
        (UPDATE, REFUSED, BEFORE, "failed", "request_rejected", False),
        (UPDATE, LOST, AFTER, "applied", None, False),
        (UPDATE, LOST, BEFORE, "retry", "connection_failed", False),
        (UPDATE, LOST, RESTARTED, "failed", "conflict", True),
        (UPDATE, ApiError("server", "No.", status=500), BEFORE, "failed", "request_rejected", False),
        (UPDATE, ApiError("server", "No.", status=404), None, "failed", "conflict", False),
        (STOP, ApiError("server", "No.", status=404), None, "needless", None, False),
        (STOP, ApiError("product", "No.", status=404), None, "applied", None, False),
        (STOP, LOST, None, "applied", None, False),
        (START, LOST, None, "retry", "connection_failed", False),
    ],
)
def test_what_follows_the_error_of_a_write(
    step: Step, error: ApiError, observed: Deployment | None, kind: str, code: str | None, may_be_applied: bool
) -> None:
    progress = state_of(UPDATING if step is UPDATE else REPLACING, number_of_allocations=4).sent(step).under_way
    after = after_error(progress, step, error, observed)
    assert (after.kind, after.failure and after.failure.code, after.may_be_applied) == (kind, code, may_be_applied)


def test_only_the_first_of_several_stops_can_be_needless() -> None:
    gone = ApiError("server", "No.", status=404)
    assert after_error(state_of(REPLACING).sent(STOP).sent(STOP).under_way, STOP, gone, None).kind == "applied"


def test_a_write_is_not_sent_for_ever() -> None:
    state, kinds = state_of(REPLACING), []
    for _attempt in range(ATTEMPTS):
        state = state.sent(STOP)
        kinds.append(after_error(state.under_way, STOP, LOST, BEFORE).kind)
    assert kinds == ["retry", "retry", "retry", "failed"]


def test_a_write_that_cannot_be_judged_may_be_applied() -> None:
    assert after_unread_error(STOP, REFUSED, LOST).failure is REFUSED
    after = after_unread_error(STOP, LOST, LOST)
    assert (after.failure and after.failure.code, after.may_be_applied) == ("unknown_outcome", True)


@pytest.mark.parametrize(
    ("observed", "first", "on_missing", "decision"),
    [
        (BEFORE, True, "start", "replan"),
        (BEFORE, False, "start", "send"),
        (STOPPING, False, "start", "send"),
        (None, False, "start", "applied"),
        (None, True, "start", "needless"),
        (STOPPING, True, "start", "needless"),
        (None, True, "fail", "replan"),
    ],
)
def test_what_to_do_with_a_stop(observed: Deployment | None, first: bool, on_missing: str, decision: str) -> None:
    state = state_of(REPLACING, on_missing=on_missing)
    assert before_stop((state if first else state.sent(STOP)).under_way, observed) == decision


def test_what_another_client_has_started_is_not_stopped() -> None:
    with pytest.raises(Unsatisfied, match="it was stopped and started again meanwhile"):
        before_stop(state_of(REPLACING).under_way, RESTARTED)


def test_a_state_is_a_value_that_can_be_printed() -> None:
    state = state_of(REPLACING, "stop").warned()
    assert "applied=AppliedSteps(kinds=frozenset({'stop'})" in repr(state)
    assert state == dataclasses.replace(state)
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.changed = True  # type: ignore[misc]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision what to do after a plan failed: keep what runs, roll it back, restart it, or fail. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import CODES, ApiError, Failure, NotReached, Refusal, Unsatisfied, shown
from ..._core.obstacles import OBSTACLE_CODES, OBSTACLES
from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..records.desired import WaitPolicy
from ..records.step import Step
from .plan import Plan
from .readiness import continues_warning, is_running
from .rollback import RollbackPlan, plan_rollback, wait_for_on_rollback
from .run_state import PlanProgress, RunState
from .start_step import start_like
from .stuck import is_stuck, restarts_stuck
from .write_outcome import describe_writes

Answer = t.Literal["restart", "keep", "roll_back", "fail"]


def answer_to(state: RunState, error: Failure, *, only_waited: bool) -> Answer:
    """Return what follows *error*. *only_waited*: the time is up, and waits took most of it."""
    progress = state.under_way
    if progress.purpose == "task" and only_waited and _found_stuck(state, progress, error):
        return "restart"
    if _only_wait_failed(state, progress, error) and state.policy.on_unsatisfied == "keep":
        return "keep"
    if _start_refused(progress, error) or (progress.applied.kinds and state.policy.on_unsatisfied == "rollback"):
        return "roll_back"
    return "fail"


def _found_stuck(state: RunState, progress: PlanProgress, error: Failure) -> bool:
    """Return whether for the whole wait only nodes kept the deployment from starting, and the task restarts it then.

    One that was missing at the first read, and that this task did not start, belongs to another client.
    """
    before = progress.plan.before
    untouched = isinstance(error, NotReached) and before is not None and not progress.applied.kinds
    return untouched and restarts_stuck(state.desired, state.policy) and is_stuck(state.observed, before)


def _only_wait_failed(state: RunState, progress: PlanProgress, error: Failure) -> bool:
    observed = state.observed
    stopped = observed is None or (observed.assignment_state == "stopping" and progress.plan.after is not None)
    return isinstance(error, NotReached) and progress.settling and not stopped


def _start_refused(progress: PlanProgress, error: Failure) -> bool:
    """Return whether *error* left the deployment stopped, because it refused the start after the stop."""
    kinds, plan = progress.applied.kinds, progress.plan
    was_stopped = "stop" in kinds or plan.resumed_from is not None
    return isinstance(error, ApiError) and was_stopped and "start" not in kinds and plan.start is not None


def kept_warning(state: RunState) -> WarningText:
    """Return the warning in place of a failure that only ended the last wait."""
    observed, plan = t.cast("Deployment", state.observed), state.under_way.plan
    awaited = state.policy.wait_for if plan.after else "gone"
    return continues_warning(observed, awaited, accepts_zero=state.desired.accepts_zero)


def with_writes(progress: PlanProgress, error: Failure) -> Failure:
    """Return *error*; if it does not say it, with the writes that were accepted, or that nothing was sent."""
    accepted = list(dict.fromkeys(progress.accepted_kinds))
    said = describe_writes(accepted, progress.unsent_kinds, any_sent=bool(progress.sent_kinds))
    if not said or progress.applied.halfway or not isinstance(error, (ApiError, Unsatisfied)):
        return error
    if error.code == "unknown_outcome":
        return error
    if not accepted and not isinstance(error, (ApiError, NotReached)):
        return error  # it says what was not done
    return _with_cause_of(error, error.code, f"{error} {said}")


def _with_cause_of(error: Failure, code: str, message: str) -> Failure:
    """Return a failure that tells more than *error*, and has the same error of Elasticsearch as its cause."""
    failure = Unsatisfied(code, message)
    failure.__cause__ = error if isinstance(error, ApiError) else error.__cause__
    return failure


def rollback_plans(state: RunState, error: Failure) -> list[RollbackPlan]:
    """Return the plans that restore the previous state after *error*, in their order; none if that is there.

    :raises Refusal: it cannot be restored, or Elasticsearch is known to refuse it.
    """
    plan = t.cast("Plan", state.plan)
    plans = plan_rollback(state.desired, state.model_id, plan, state.under_way.applied, state.observed)
    for each in plans:
        _refuse_known_refusal(state.under_way, error, each.plan.start)
    return plans


def _refuse_known_refusal(progress: PlanProgress, error: Failure, start: Step | None) -> None:
    """Refuse the *start* of a rollback if *error* has shown that Elasticsearch refuses it."""
    start_failed = "start" in progress.sent_kinds and "start" not in progress.applied.kinds
    if start is None or not (start_failed and isinstance(error, ApiError)):
        return
    if start == progress.plan.start:
        raise Refusal(
            "rollback_failed", "it is stopped, and Elasticsearch refused to start it with its previous settings"
        )
    if error.code in OBSTACLE_CODES:
        raise Refusal("rollback_failed", "it is stopped, and Elasticsearch refuses every start now")


def policy_of_rollback(state: RunState, plan: Plan) -> WaitPolicy:
    """Return how to wait for *plan*, one of a rollback: for no more than ran before."""
    # A recovery record does not say how much ran before.
    task = t.cast("Plan", state.plan)
    before = None if task.resumed_from else task.before
    wait_for = wait_for_on_rollback(before, state.policy.wait_for) if plan.after else state.policy.wait_for
    if wait_for is None:
        return dataclasses.replace(state.policy, wait=False)
    return dataclasses.replace(state.policy, wait_for=t.cast("t.Any", wait_for))


def after_rollback(
    state: RunState, error: Failure, outcome: Failure | None, *, sent: bool, recovery_file: str | None
) -> Failure:
    """Return the failure of a task that was to roll back because of *error*.

    *outcome*: why it did not. *sent*: the rollback sent a write. *recovery_file*: the path of the file, if it is there.
    """
    code, advice = "rollback_failed", _how_to_start(state, error, recovery_file)
    if isinstance(outcome, Refusal):
        # The advice says what such an obstacle needs.
        why = f"{outcome.reason}." if outcome.code in OBSTACLE_CODES and advice else str(outcome)
        message = f"It was not rolled back: {why}"
    elif outcome is not None:
        message = f"Rolling it back failed, too: {outcome}"
    else:
        code, message = error.code, _rolled_back(state, sent)
    return _with_cause_of(error, code, f"{error} {message}{advice}")


def _rolled_back(state: RunState, sent: bool) -> str:
    """Return what a rollback did; if it sent nothing, fewer allocations may run after a failed restart."""
    if sent:
        return "It was rolled back to its previous state."
    observed, before = state.observed, t.cast("Plan", state.plan).before
    if observed is None or before is None or observed.running >= before.running:
        return "It is as it was before."
    return f"Its settings are as before, and {observed.running} of {observed.number_of_allocations} allocations run."


def _how_to_start(state: RunState, error: Failure, recovery_file: str | None) -> str:
    """Return what to do, and when, if nothing runs because *error* refused the start after the stop."""
    before = left_stopped(state)
    if before is None:
        return ""
    until = next(
        (each.until for kind, each in OBSTACLES.items() if CODES[kind] == error.code), "what refuses the start is gone"
    )
    if recovery_file:
        return (
            f" The deployment does not run. When {until}, the next run of the task starts it with its settings from "
            f"recovery_file {recovery_file}."
        )
    ran = shown(dict(start_like(before).settings)).strip("{}")
    return (
        f" The deployment does not run. It ran with {ran}. When {until}, start it with these settings. "
        "With recovery_file the task keeps them itself."
    )


def left_stopped(state: RunState) -> Deployment | None:
    """Return what ran before the plan, if it was to start again, and nothing runs now."""
    plan, observed = t.cast("Plan", state.plan), state.observed
    before = plan.resumed_from.stopped if plan.resumed_from else plan.before
    return None if plan.start is None or is_running(observed) else before

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roll out one plan: send its writes, wait, and do what follows if that fails."""

from __future__ import annotations

import typing as t

from ..._core.errors import Failure, NotReached
from ..._ml.deployment import Deployment
from ..plan.after_failure import (
    after_rollback,
    answer_to,
    kept_warning,
    policy_of_rollback,
    rollback_plans,
    with_writes,
)
from ..plan.after_write import failure_of_unread_stop
from ..plan.endpoint_updates import halfway_warning
from ..plan.readiness import ANSWERING, Readiness, judge_readiness
from ..plan.rollback import RollbackPlan
from ..plan.settled import refuse_conflict
from . import stuck
from .consumers import check_consumers_again
from .deployment_run import DeploymentRun
from .start_look import look_again
from .waits import observe, wait_for_stop, wait_until
from .writes import send_writes


async def roll_out(run: DeploymentRun) -> None:
    """Send the writes of the plan, and wait. A failure that nothing mends is noted, and not raised."""
    try:
        await _apply_or_answer(run)
    except Failure as error:
        run.note(error=error)
    run.end()


async def _apply_or_answer(run: DeploymentRun) -> None:
    """Apply the plan; if that fails, keep what runs, restart it, or roll it back, as the task asks.

    :raises Failure: the desired state is not reached; the message says what was done about it.
    """
    try:
        await _apply(run)
    except Failure as error:
        budget = run.budget
        answer = answer_to(run.state, error, only_waited=budget.is_mostly_waited and not budget.left)
        if answer == "restart":
            stuck.plan_restart(run, t.cast("NotReached", error))
            await _apply_or_answer(run)
        elif answer == "keep":
            run.warn(kept_warning(run.state), detail=str(error))
        elif answer == "roll_back":
            await _roll_back(run, error)
        else:
            halfway = run.progress.applied.halfway
            run.warn(*([halfway_warning(halfway)] if halfway else []))
            reported = with_writes(run.progress, error)
            raise reported from reported.__cause__


async def _apply(run: DeploymentRun) -> None:
    """Send the writes of the plan that is under way, and wait for their effect.

    :raises Failure: a write was refused, or its outcome is not known, or the desired state is not reached.
    """
    reached: bool | None = None
    try:
        await send_writes(run)
        run.state = run.state.progressed(settling=True)
        plan = run.progress.plan
        if run.progress.policy.wait and not plan.skipped_because:
            await _settle(run)
            reached = True
        elif plan.changed and plan.after is None:
            await observe(run)
    except Failure as error:
        reached = False if run.budget.polls else None
        failure = failure_of_unread_stop(run.progress, run.state.observed, error)
        raise failure from failure.__cause__
    finally:
        run.note(reached=reached, seconds=run.budget.seconds, polls=run.budget.polls)


async def _settle(run: DeploymentRun) -> None:
    """Wait for ``wait_for``, or for the end of a stop, unless it is reached already."""
    plan, wait_for = run.progress.plan, run.progress.policy.wait_for
    if plan.after is None:
        await wait_for_stop(run)
        return

    def judge(observed: Deployment | None) -> Readiness:
        return judge_readiness(observed, wait_for, accepts_zero=run.progress.desired.accepts_zero)

    if plan.changed or wait_for == ANSWERING or judge(run.state.observed).state != "ready":
        try:
            await wait_until(run, wait_for, judge)
        except NotReached:
            refuse_conflict(run.progress, run.state.observed)  # another client may have asked for more
            raise
    refuse_conflict(run.progress, run.state.observed)


async def _roll_back(run: DeploymentRun, error: Failure) -> None:
    """Restore the previous state.

    :raises Unsatisfied: always, with *error* and the outcome of the rollback.
    """
    sent_before, failed = len(run.state.requests), with_writes(run.progress, error)
    outcome: Failure | None = None
    run.budget.extend()
    try:
        await observe(run)
        for rollback in _rollback_plans(run, error):
            policy = policy_of_rollback(run.state, rollback.plan)
            run.state = run.state.begun_rollback(rollback.desired, policy, rollback.plan)
            await _apply(run)
    except Failure as later_error:
        outcome = later_error
    sent = len(run.state.requests) > sent_before
    run.note(rolled_back=sent, reached=False if run.budget.polls else None)
    path = run.recovery.read_path_left()
    failure = after_rollback(run.state, failed, outcome, sent=sent, recovery_file=path)
    raise failure from failure.__cause__


def _rollback_plans(run: DeploymentRun, error: Failure) -> list[RollbackPlan]:
    """Return the plans that restore the previous state, checked for consumers.

    :raises Refusal: it cannot be restored, or consumers forbid it.
    """
    run.note(before_rollback=run.progress.applied)
    plans = [each._replace(plan=check_consumers_again(run, each.plan)) for each in rollback_plans(run.state, error)]
    for each in plans:
        if each.plan.stops:  # what is stopped already loses nothing by a start that is refused
            look_again(run.on_trial(), each.plan)  # the result keeps what was seen before the first write
    run.warn(*(text for each in plans for text in each.plan.warnings + each.plan.consumer_warnings))
    return plans

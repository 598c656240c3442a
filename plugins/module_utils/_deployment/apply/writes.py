# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send the writes of a plan in their order.

A write is sent again only after a read has shown that it took no effect.
"""

from __future__ import annotations

from ..._core.errors import ApiError
from ..._ml.deployment import Deployment
from ..api.version_checks import refuse_unsendable
from ..plan.after_write import AfterError, after_error, after_unread_error, before_stop, unknown_stop
from ..plan.endpoint_updates import desired_by, is_followed, refuse_not_passed_on, refuse_second_update
from ..plan.order import send_order
from ..plan.owner import with_owner_hint
from ..plan.plan import Plan
from ..plan.readiness import Readiness, update_readiness
from ..plan.replan import became_update, conform, decide_again, next_step, with_known_start_settings
from ..plan.rollback import refuse_if_changed
from ..plan.write_outcome import is_uncertain
from ..records.step import Step
from .consumers import check_consumers, check_owner, read_chunking_warnings
from .deployment_run import DeploymentRun
from .scheduler import Pause, ReadyToSend
from .waits import observe, observe_stats, require_ready, wait_for_stop, wait_until

UPDATABLE = "ready for an update"


async def send_writes(run: DeploymentRun) -> None:
    """Send the writes of the plan that the deployment still needs.

    :raises ApiError: Elasticsearch refused a write; nothing is sent after it.
    :raises Refusal: a change by another client forbids the next write.
    :raises Unsatisfied: a write could not be sent in time, or another client changed the deployment.
    """
    run.keep_record(run.progress.plan)
    while run.progress.steps_left:
        await _send_next(run)


async def _send_next(run: DeploymentRun) -> None:
    """Send the next write until its outcome is known, if the deployment still needs it."""
    run.state = run.state.progressed(attempts=0)
    while (step := await _next_step(run)) is not None:
        after = await _send(run, step)
        if after.kind == "retry" and await Pause():
            continue
        if after.failure:
            raise after.failure
        run.state = run.state.without_next()
        return


async def _send(run: DeploymentRun, step: Step) -> AfterError:
    """Send *step* once, and return what follows."""
    try:
        answer = run.send(step)
    except ApiError as error:
        after = await _after_error(run, step, with_owner_hint(error, run.progress.plan, run.cluster.server))
    else:
        # A stop is answered when it is complete, which the next read has to confirm (server-behaviour.md 1.3).
        run.note(observed=None if step.kind == "stop" else answer or run.state.observed)
        after = AfterError("applied")
    if after.kind == "retry":
        run.state = run.state.progressed(may_still_stop=step.kind == "stop")
    if after.kind == "applied" or after.may_be_applied:
        run.note_applied(step)
    if after.kind == "applied":
        run.state = run.state.accepted(step)
        if step.endpoint_type:
            await _check_endpoint_update(run, step)
    return after


async def _after_error(run: DeploymentRun, step: Step, error: ApiError) -> AfterError:
    """Read the deployment, and return what follows *error*."""
    try:
        await observe(run, repeat=is_uncertain(step, error))
    except ApiError as read_error:
        return after_unread_error(step, error, read_error)
    return after_error(run.progress, step, error, run.state.observed)


async def _next_step(run: DeploymentRun) -> Step | None:
    """Return the next write when it is its turn; ``None`` if no write of its kind is needed any more."""
    step = run.progress.steps_left[0]
    if step.kind == "update":
        return await _next_update(run, step)
    if step.kind == "start":  # Elasticsearch accepts it only when the old one is gone
        await wait_for_stop(run)
    await ReadyToSend(send_order(run.progress.plan, step))
    return await _next_stop(run, step) if step.kind == "stop" else step


async def _next_update(run: DeploymentRun, step: Step) -> Step | None:
    """Return the update when the deployment can take it, planned again if time has passed.

    Elasticsearch updates only a started deployment.
    """

    def judge(observed: Deployment | None) -> Readiness:
        return update_readiness(observed, run.progress.plan.before)

    while True:
        observed = run.state.observed
        waits = observed is None or observed.assignment_state != "started"
        if waits:
            await wait_until(run, UPDATABLE, judge)
        unblocked = await ReadyToSend(send_order(run.progress.plan, step))
        if not (waits or unblocked):
            return step
        if unblocked and unblocked.snapshot:
            run.state = run.state.observed_as(unblocked.snapshot.deployment(run.deployment_id))
        elif unblocked:
            await observe_stats(run)
        readiness = judge(run.state.observed)
        if readiness.state != "progressing":
            require_ready(run, UPDATABLE, readiness)
            return _replan(run)


async def _next_stop(run: DeploymentRun, step: Step) -> Step | None:
    """Return the stop if a read right before it shows the deployment that the plan is for.

    :raises Unsatisfied: another client has started it again, or what became of an earlier stop cannot be read.
    """
    try:
        await observe_stats(run)
    except ApiError as error:
        if not run.progress.attempts:
            raise
        run.note_applied(step)  # it may have been
        raise unknown_stop(step, error) from error
    decision = before_stop(run.progress, run.state.observed)
    if decision == "send":
        return step
    if decision == "replan":
        return _replan(run)
    if decision == "applied":
        run.note_applied(step)
    run.state = run.state.without_next()
    return None


def _replan(run: DeploymentRun) -> Step | None:
    """Plan again from the last read, and return the first write if it is of the kind that was due.

    :raises Refusal: there is no plan, or it needs a write that was not planned before.
    """
    progress = run.progress
    if progress.applied.halfway:
        desired = desired_by(progress.plan, progress.plan.steps[0], progress.desired)
        refuse_second_update(progress.plan, desired, run.state.observed)
        return progress.steps_left[0]
    if progress.purpose == "rollback":
        plan = refuse_if_changed(progress.plan, run.state.observed)
    else:
        plan = _plan_again(run, progress.plan)
    run.state = run.state.replanned(plan)
    run.keep_record(plan)
    return next_step(progress, plan)


def _plan_again(run: DeploymentRun, plan: Plan) -> Plan:
    """Return the plan that takes the place of *plan*, if inference endpoints and the version allow it.

    :raises Refusal: they do not, or there is none.
    """
    observed = with_known_start_settings(run.state.observed, plan.before)
    run.note(current=observed, observed=observed)
    new_plan = decide_again(run.progress, observed)
    if became_update(plan, new_plan):
        refuse_unsendable(run.cluster.server, new_plan.steps)
        return conform(plan, check_consumers(run, new_plan))
    return conform(plan, check_owner(run, new_plan))


async def _check_endpoint_update(run: DeploymentRun, step: Step) -> None:
    """Check by a read that an inference endpoint passed an update on; its answer does not say so.

    :raises Unsatisfied: the deployment is unchanged, or must not get the update that follows.
    """
    before, plan = run.progress.applied.halfway or run.progress.plan.before, run.progress.plan
    run.state = run.state.halfway(None)
    run.warn(*read_chunking_warnings(run.cluster, step))
    await observe(run)
    desired, observed = desired_by(plan, step, run.progress.desired), run.state.observed
    refuse_not_passed_on(before, desired, observed)
    if is_followed(plan, step):
        refuse_second_update(plan, desired, observed)
        run.state = run.state.halfway(observed)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The waits of a run, and its reads between writes."""

from __future__ import annotations

import typing as t

from ..._core.errors import ApiError, NotReached
from ..._ml.deployment import Deployment
from ..plan.readiness import ANSWERING, Readiness, failed_message, nodes_without_targets, stop_readiness
from .answering import confirm_answer
from .deployment_run import DeploymentRun
from .scheduler import TRANSIENT, Judge, Observation, Pause, WaitFor


async def observe(run: DeploymentRun, *, repeat: bool = True) -> None:
    """Read the deployment with the targets of its routes. *repeat*: read again after a transient error."""
    await _note(run, run.read_with_targets, repeat)


async def observe_stats(run: DeploymentRun) -> None:
    """Read the statistics alone: right before a write it has to be quick."""
    await _note(run, run.read, repeat=True)


async def _note(run: DeploymentRun, read: t.Callable[[], Deployment | None], repeat: bool) -> None:
    """Note the result of *read*. With *repeat*, read again after transient errors while there is time to wait."""
    while True:
        try:
            run.state = run.state.observed_as(read())
            return
        except ApiError as error:
            may_repeat = repeat and run.progress.policy.wait and error.kind in TRANSIENT
            if not (may_repeat and await Pause()):
                raise


async def wait_until(run: DeploymentRun, awaited: str, judge: Judge) -> None:
    """Wait until *judge* says ready; *awaited* names that in the message.

    The last readiness is confirmed by the cluster state, which alone shows the targets of the routes, and if the task
    waits for an answer, by an inference.

    :raises NotReached: it does not.
    """

    def confirmed(observation: Observation) -> Readiness:
        found = _judge_with_targets(run, observation, judge)
        return confirm_answer(run, found) if awaited == ANSWERING else found

    readiness = confirmed(await WaitFor(judge, at_once=True))
    while readiness.state == "progressing" and run.budget.left:
        readiness = confirmed(await WaitFor(judge, at_once=False, why=readiness.why))
    require_ready(run, awaited, readiness)


def require_ready(run: DeploymentRun, awaited: str, readiness: Readiness) -> None:
    """Fail unless *readiness* is ready; *awaited* names what was waited for.

    :raises NotReached: it is not.
    """
    if readiness.state == "failed":
        raise NotReached("not_ready", failed_message(run.deployment_id, awaited, readiness))
    if readiness.state == "progressing":
        raise NotReached(
            "not_ready_in_time",
            f"Deployment '{run.deployment_id}' is not {awaited} after {run.budget.timeout:g} seconds: {readiness.why}.",
        )


async def wait_for_stop(run: DeploymentRun) -> None:
    """Wait until a stop that is under way is complete.

    :raises NotReached: it is not.
    """
    if run.progress.awaits_stop:
        await wait_until(run, "gone", lambda observed: stop_readiness(observed, run.progress.plan.before))
    run.state = run.state.progressed(awaits_stop=False)


def _judge_with_targets(run: DeploymentRun, observation: Observation, judge: Judge) -> Readiness:
    """Note the deployment of a poll, and return its readiness."""
    observed = observation.snapshot.deployment(run.deployment_id)
    run.note(observed=observed)
    readiness = observation.readiness
    if observation.poll_error:
        return Readiness("progressing", f"{readiness.why}, and the last poll failed: {observation.poll_error}")
    if readiness.state != "failed":
        readiness = judge(observed)
    if readiness.state == "progressing" and observed and run.cluster.hides_targets:
        readiness = readiness._replace(why=readiness.why + nodes_without_targets(observed))
    return readiness

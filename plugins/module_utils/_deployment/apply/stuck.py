# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments that hang while they start: restart them at the end of the wait, and warn of that before."""

from __future__ import annotations

from ..._core.errors import ApiError, NotReached, Refusal, Unsatisfied
from ..api.privileges import writes_of
from ..plan.decide import Situation, recover
from ..plan.stuck import may_restart_stuck, stuck_warning
from .consumers import check_consumers, check_consumers_again
from .deployment_run import DeploymentRun
from .start_look import check_start, look_again


def plan_restart(run: DeploymentRun, error: NotReached) -> None:
    """Begin to stop the stuck deployment, and to start it again, after *error* ended the wait for it.

    :raises Unsatisfied: that is not allowed.
    """
    state = run.state
    try:
        plan = check_consumers_again(run, recover(state.desired, Situation(state.observed, state.model_id)))
        run.cluster.refuse_unprivileged(writes_of(plan.steps))
        look_again(run, plan)
    except (Refusal, ApiError) as refusal:
        raise Unsatisfied("not_recovered", f"{error} It cannot be recovered: {refusal}") from refusal
    if plan.skipped_because:
        raise Unsatisfied("not_recovered", f"{error} It is not recovered: {plan.skipped_because}.") from error
    run.state = run.state.begun("stuck", plan)
    run.budget.extend()


def warn_if_stuck(run: DeploymentRun) -> None:
    """Warn in advance if the end of the wait decides whether the deployment is restarted."""
    if may_restart_stuck(run.state.desired, run.state.policy, run.plan):
        obstacle = _obstacle(run.on_trial())
        run.warn(stuck_warning(run.deployment_id, restarts=obstacle is None), detail=obstacle or "")


def _obstacle(run: DeploymentRun) -> str | None:
    """Return the reason that forbids a restart, as far as it can be read now. *run*: one on trial."""
    state = run.state
    try:
        plan = check_consumers(run, recover(state.desired, Situation(run.plan.before, state.model_id)))
        run.note(plan=plan)
        check_start(run)
    except Refusal as refusal:
        return str(refusal)
    except ApiError:
        return None
    return plan.skipped_because and f"{plan.skipped_because}."

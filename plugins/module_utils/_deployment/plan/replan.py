# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan made again right before its writes, from a later snapshot. Pure."""

from __future__ import annotations

import dataclasses

from ..._core.errors import Refusal
from ..._ml.deployment import Deployment
from ..._ml.settings import START_SETTINGS
from ..records.step import Step
from .decide import Situation, decide, recover
from .endpoint_updates import through_endpoint
from .plan import Plan
from .run_state import PlanProgress
from .stuck import needs_restart


def decide_again(progress: PlanProgress, observed: Deployment | None) -> Plan:
    """Return the plan from what is *observed* now.

    A deployment that was stuck, and has come up late, is not stopped any more.

    :raises Refusal: there is none, or a guard forbids it.
    """
    situation = Situation(observed, progress.model_id)
    if progress.purpose == "stuck" and needs_restart(observed):
        return recover(progress.desired, situation)
    return decide(progress.desired, situation)


def next_step(progress: PlanProgress, plan: Plan) -> Step | None:
    """Return the first step of *plan*, made again, if it is of the kind that is due in *progress*."""
    first = next(iter(plan.steps), None)
    return first if first and first.kind == progress.steps_left[0].kind else None


def became_update(plan: Plan, new_plan: Plan) -> bool:
    """Return whether the deployment that *plan* was to recover runs again, and needs only the update *new_plan*.

    Elasticsearch retries failed routes whenever it plans again, as after the stop of another item of a list.
    """
    return plan.operation == "recover" and new_plan.operation == "update"


def conform(plan: Plan, new_plan: Plan) -> Plan:
    """Return *new_plan*, made from a later snapshot, with what the check of consumers allowed *plan*.

    It has the stop of *plan*, and its updates go the same way. An update that replaces a recovery is returned as it is:
    it stops nothing, and its owner is checked already.

    :raises Refusal: *new_plan* needs a write of another kind.
    """
    planned = {step.kind: step for step in plan.steps}
    if became_update(plan, new_plan):
        return new_plan
    if any(step.kind not in planned for step in new_plan.steps):
        raise Refusal(
            "conflict",
            f"Deployment '{new_plan.steps[0].deployment_id}' was changed by another client meanwhile, "
            f"and needs another change now: {new_plan.operation} instead of {plan.operation}",
            hint="Run the task again: it reads the deployment first, and makes a new plan.",
        )
    steps = tuple(planned["stop"] if step.kind == "stop" else step for step in new_plan.steps)
    found = dataclasses.replace(
        new_plan, steps=steps, consumer_warnings=plan.consumer_warnings if new_plan.stops else ()
    )
    return through_endpoint(found, plan.endpoint_type) if plan.endpoint_type else found


def with_known_start_settings(observed: Deployment | None, known: Deployment | None) -> Deployment | None:
    """Return *observed*, read from statistics alone, with the settings of its start that were *known* before.

    Statistics cut the cache size to one decimal, and in 8.4 and 8.5 they may show no threads that can be relied on.
    """
    if observed is None or known is None or observed.cache_size_exact or observed.start_time != known.start_time:
        return observed
    fixed = {name: getattr(known, name) for name in START_SETTINGS}
    return dataclasses.replace(
        observed, **fixed, cache_size_exact=known.cache_size_exact, misreported=known.misreported
    )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Updates that go through an inference endpoint: one setting at a time, each checked by a read. Pure.

What each of them sends: ``_ml/endpoint_updates.py``.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import Unsatisfied
from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..._ml.endpoint_updates import endpoint_parts
from ..records.desired import Desired
from ..records.step import Step
from .diff import adaptive_patch, allocation_changes, missing_settings
from .guard import violation
from .plan import Plan
from .readiness import is_new_instance


def through_endpoint(plan: Plan, task_type: str) -> Plan:
    """Return *plan*, which has only updates, with these sent to the inference endpoint that has the deployment's id."""
    before, after = (t.cast("Deployment", each) for each in (plan.before, plan.after))
    parts = [(step, part) for step in plan.steps for part in endpoint_parts(step.settings, before, after)]
    steps = (dataclasses.replace(step, settings=part, endpoint_type=task_type) for step, part in parts)
    return dataclasses.replace(plan, steps=tuple(steps))


def desired_by(plan: Plan, step: Step, desired: Desired) -> Desired:
    """Return what of *desired* is there once *step* took effect: all but the number, if a second update sets that."""
    if step.kind != "update" or not is_followed(plan, step):
        return desired
    patch = adaptive_patch(desired, t.cast("Deployment", plan.before))
    return dataclasses.replace(desired, number_of_allocations=None, adaptive_allocations=patch)


def is_followed(plan: Plan, step: Step) -> bool:
    """Return whether another update of *plan* comes after *step*."""
    return step.endpoint_type is not None and step != plan.steps[-1]


def refuse_not_passed_on(before: Deployment | None, desired: Desired, observed: Deployment | None) -> None:
    """Fail if *observed* lacks some of what is *desired*, and is just as it was *before* the update of the endpoint.

    :raises Unsatisfied: it is.
    """
    if observed is None or before is None or is_new_instance(observed, before) or allocation_changes(before, observed):
        return
    differences = missing_settings(desired, observed, None)
    if differences:
        listed = "; ".join(map(str, differences))
        raise Unsatisfied(
            "unknown_outcome",
            f"Deployment '{observed.deployment_id}' still has its old settings after the update: {listed}. Either its "
            "inference endpoint already had the new ones, and passes on only what differs, or another client has "
            "reverted the change. Set other values first, then these.",
        )


def refuse_second_update(plan: Plan, desired: Desired, observed: Deployment | None) -> None:
    """Fail if *observed*, read after the first of two updates, must not get the second one.

    *desired*: what the first one should have made of it.

    :raises Unsatisfied: another client changed the deployment, or the guard forbids to change the number from here.
    """
    if observed is None or is_new_instance(observed, plan.before):
        why = "was stopped by another client meanwhile"
    elif differences := missing_settings(desired, observed, None):
        why = f"was changed by another client meanwhile: {'; '.join(map(str, differences))}"
    elif broken := violation(desired.guard, observed, plan.after):
        raise Unsatisfied("guard_violated", f"Deployment '{observed.deployment_id}' is guarded: {broken}.")
    else:
        return
    raise Unsatisfied("conflict", f"Deployment '{desired.deployment_id}' {why}.")


def halfway_warning(deployment: Deployment) -> WarningText:
    """Return the warning that only the first of two updates took effect."""
    return WarningText(
        f"The adaptive allocations of deployment '{deployment.deployment_id}' were changed, its number of allocations "
        f"was not: it is {deployment.number_of_allocations}. Run the task again to set it."
    )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guards: limits that a task sets on its own changes of numbers of allocations. Pure.

A deployment that does not exist, or is being stopped, has 0 allocations: so a start, a stop, and a stop and start with
another number change it as an update does. A start that resumes an earlier run begins at the number in the recovery
file. A plan that does not change the number is never guarded.
"""

from __future__ import annotations

import typing as t

from ..._core.errors import Refusal
from ..._core.words import first_of
from ..._ml.deployment import Deployment
from ..records.desired import Desired
from ..records.guard import Guard, OnViolation
from .plan import Plan


def guard_plan(desired: Desired, plan: Plan) -> Plan:
    """Return *plan* as it is, or without any step if it breaks the guard and its ``on_violation`` is ``skip``.

    :raises Refusal: it breaks the guard, whose ``on_violation`` is ``fail``.
    """
    why = violation(desired.guard, plan.before, plan.after) if plan.changed else ""
    if not why:
        return plan
    if desired.guard.on_violation == "skip":
        return _skipped(plan, why)
    raise Refusal(
        "guard_violated",
        f"Deployment '{desired.deployment_id}' is guarded: {why}",
        hint="This deployment was not changed. Ask for a number that the guard allows, or change the guard.",
    )


def violation(guard: Guard, before: Deployment | None, after: Deployment | None) -> str:
    """Return every part of *guard* that the change from *before* to *after* breaks; empty if there is none."""
    old, new = _number(before), _number(after)
    if old == new or new is None:
        return ""
    change = None if old is None else abs(new - old)
    broken = []
    if guard.expected not in (None, old):
        broken.append(f"number_of_allocations {guard.expected} was expected before")
    if guard.low is not None and new < guard.low:
        broken.append(f"{new} is below min {guard.low}")
    if guard.high is not None and new > guard.high:
        broken.append(f"{new} is above max {guard.high}")
    if guard.max_step is not None and (change is None or change > guard.max_step):
        unseen = f"how large that step is cannot be seen, and max_step is {guard.max_step}"
        broken.append(unseen if change is None else f"a step of {change} is above max_step {guard.max_step}")
    return f"number_of_allocations would go {_from_to(before, after)}, and {'; '.join(broken)}" if broken else ""


def guard_plans(plans: t.Sequence[Plan], max_total_step: int | None, on_violation: OnViolation) -> t.Sequence[Plan]:
    """Return *plans* as they are, or without any step if together they break the guard and *on_violation* is ``skip``.

    :raises Refusal: they break it and *on_violation* is ``fail``.
    """
    moving = [plan for plan in plans if plan.changed and _number(plan.baseline) != _number(plan.after)]
    total = sum(_change_size(plan) for plan in moving)
    if max_total_step is None or total <= max_total_step:
        return plans
    moving.sort(key=_change_size, reverse=True)
    listed = [f"'{plan.steps[0].deployment_id}' {_from_to(plan.baseline, plan.after)}" for plan in moving]
    why = (
        f"the list would move numbers of allocations by {total} in all, and max_total_step is {max_total_step} "
        f"({first_of(listed)})"
    )
    if on_violation == "skip":
        return [_skipped(plan, why) if plan.changed else plan for plan in plans]
    raise Refusal(
        "guard_violated",
        f"The list is guarded: {why}",
        hint="Nothing was changed. Ask for less at once, or change the guard.",
    )


def _skipped(plan: Plan, why: str) -> Plan:
    return Plan(plan.before, plan.before, skipped_because=f"guard.on_violation is skip: {why}")


def _number(deployment: Deployment | None) -> int | None:
    """Return how many allocations are to run; ``None`` if the cluster does not show it."""
    if deployment is None or deployment.assignment_state == "stopping":
        return 0
    return deployment.number_of_allocations


def _change_size(plan: Plan) -> int:
    """Return how far *plan* moves the number of allocations. A number that the cluster does not show counts as 0."""
    return abs((_number(plan.after) or 0) - (_number(plan.baseline) or 0))


def _from_to(before: Deployment | None, after: Deployment | None) -> str:
    old, new = _number(before), _number(after)
    return f"from {'an unknown number' if old is None else old} to {new}"

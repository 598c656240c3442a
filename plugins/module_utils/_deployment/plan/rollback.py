# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rollback: from a plan that failed, and what is observed now, to plans that restore what was before. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import Refusal
from ..._ml.adaptive import OFF, UNSET, AdaptivePatch
from ..._ml.deployment import Deployment
from ..._ml.settings import START_SETTINGS
from ..records.desired import Desired
from ..records.step import Step, StepKind
from . import start_step
from .decide import Situation, decide
from .diff import allocation_changes
from .endpoint_updates import through_endpoint
from .plan import Plan
from .readiness import ANSWERING, PREDICATES, is_new_instance, restarted_message
from .write_outcome import start_mismatch


class AppliedSteps(t.NamedTuple):
    """The writes of a plan that took effect, or may have. ``start_time``: of the deployment that its start made.

    ``halfway``: the deployment as it was read after the first of two updates.
    """

    kinds: frozenset[StepKind] = frozenset()
    start_time: str | None = None
    halfway: Deployment | None = None


class RollbackPlan(t.NamedTuple):
    """One plan of a rollback, and what it restores."""

    desired: Desired
    plan: Plan


def plan_rollback(
    desired: Desired, model_id: str | None, plan: Plan, applied: AppliedSteps, observed: Deployment | None
) -> list[RollbackPlan]:
    """Return the plans that restore what was before *plan*, in their order; none if that is there.

    If *plan* resumes an earlier run, they restore what that run stopped.

    :raises Refusal: another client changed what *plan* left, or no request can restore what was before.
    """
    _refuse_foreign_changes(desired, model_id, plan, applied, observed)
    before = plan.resumed_from.stopped if plan.resumed_from else plan.before
    if before is None or before.assignment_state == "stopping":
        return _plan_stopped(desired.deployment_id, plan, observed)
    if observed is None or observed.assignment_state == "stopping":
        return [_recreate(before, observed, ())]
    recreates = "start" in applied.kinds and _start_settings(plan.start) != _start_settings(
        start_step.start_like(before)
    )
    if not recreates and not allocation_changes(before, observed):
        return []
    if recreates or observed.assignment_state != "started":
        return [_recreate(before, observed, (_stop_step(desired.deployment_id, plan),))]
    return _updates(before, observed, plan)


def refuse_if_changed(plan: Plan, observed: Deployment | None) -> Plan:
    """Return *plan*, one of a rollback, if *observed* is still what it was made for.

    :raises Refusal: another client changed it.
    """
    differences = allocation_changes(t.cast("Deployment", plan.before), observed) if observed else ()
    if differences:
        raise Refusal("conflict", "it was changed by another client meanwhile", differences)
    return plan


def wait_for_on_rollback(before: Deployment | None, wait_for: str) -> str | None:
    """Return what a rollback waits for: *wait_for*, or less if *before* was less; ``None`` if no allocation ran.

    Enabled adaptive allocations may ask for more allocations than there is capacity for. Whether a deployment answered
    before is not known.
    """
    wait_for = "fully_allocated" if wait_for == ANSWERING else wait_for
    if before is None or (PREDICATES[wait_for](before) and not before.adaptive):
        return wait_for
    return "started" if before.running else None


def _refuse_foreign_changes(
    desired: Desired, model_id: str | None, plan: Plan, applied: AppliedSteps, observed: Deployment | None
) -> None:
    """Refuse to undo what another client did meanwhile."""
    if "start" in applied.kinds:
        _refuse_unlike_start(desired, model_id, plan, applied, observed)
    elif observed is not None and (is_new_instance(observed, plan.before) or _comes_after_stop(plan, observed)):
        raise Refusal("conflict", restarted_message(observed))
    elif "update" in applied.kinds:
        if observed is None or observed.assignment_state == "stopping":
            raise Refusal("conflict", "it was stopped by another client meanwhile")
        after, before = t.cast("Deployment", plan.after), t.cast("Deployment", plan.before)
        differences = allocation_changes(after, observed)
        if differences and allocation_changes(before, observed) and not _is_halfway(plan, applied, observed):
            raise Refusal("conflict", "it was changed by another client meanwhile", differences)


def _is_halfway(plan: Plan, applied: AppliedSteps, observed: Deployment) -> bool:
    """Return whether *observed* is what the first of two updates left; that one does not set the number."""
    if len(plan.steps) < 2:
        return False
    after = t.cast("Deployment", plan.after)
    left = applied.halfway or dataclasses.replace(after, number_of_allocations=observed.number_of_allocations)
    return not allocation_changes(left, observed)


def _comes_after_stop(plan: Plan, observed: Deployment) -> bool:
    """Return whether *plan* resumes an earlier run, and *observed* is not what was still being stopped then."""
    return plan.resumed_from is not None and (plan.before is None or observed.assignment_state != "stopping")


def _refuse_unlike_start(
    desired: Desired, model_id: str | None, plan: Plan, applied: AppliedSteps, observed: Deployment | None
) -> None:
    if applied.start_time is None and observed is None:
        return  # the outcome of the start was not known; it did not take effect
    if observed is None or observed.assignment_state == "stopping":
        raise Refusal("conflict", "it was stopped by another client meanwhile")
    if applied.start_time not in (None, observed.start_time):
        raise Refusal("conflict", restarted_message(observed))
    differences = start_mismatch(plan, t.cast("Step", plan.start), desired, model_id, observed)
    if differences:
        raise Refusal("conflict", "it was changed by another client meanwhile", differences)


def _plan_stopped(deployment_id: str, plan: Plan, observed: Deployment | None) -> list[RollbackPlan]:
    if observed is None:
        return []
    stopping = observed.assignment_state == "stopping"
    steps = () if stopping else (_stop_step(deployment_id, plan),)
    return [
        RollbackPlan(
            Desired(deployment_id, state="stopped"),
            Plan(observed, None, "rollback", steps, (), waits_for_stop=stopping),
        )
    ]


def _recreate(before: Deployment, observed: Deployment | None, stop: tuple[Step, ...]) -> RollbackPlan:
    start_step.refuse_misreported(before)
    step, after, warnings = start_step.restart_of(Desired(before.deployment_id), before, None)
    stopping = observed is not None and not stop
    plan = Plan(observed, after, "rollback", (*stop, step), warnings, waits_for_stop=stopping)
    return RollbackPlan(Desired(before.deployment_id, allow_zero=True), plan)


def _updates(before: Deployment, observed: Deployment, plan: Plan) -> list[RollbackPlan]:
    """Plan one update; or two, if the number has to be set before adaptive allocations are enabled again."""
    task_type = plan.endpoint_type
    stored, number = before.adaptive_allocations or OFF, before.number_of_allocations or None
    patch = None
    if before.adaptive_allocations or observed.adaptive_allocations:
        low, high = (
            UNSET if bound is None else bound
            for bound in (stored.min_number_of_allocations, stored.max_number_of_allocations)
        )
        patch = AdaptivePatch(stored.enabled, low, high)
    if not before.adaptive:
        if number is None:
            raise Refusal("rollback_failed", "its number of allocations was 0, which no request can set")
        desired = Desired(before.deployment_id, number_of_allocations=number, adaptive_allocations=patch)
        return [_update(desired, observed, task_type)]
    plans = []
    if not observed.adaptive and number not in (None, observed.number_of_allocations):
        plans.append(_update(Desired(before.deployment_id, number_of_allocations=number), observed, task_type))
        observed = t.cast("Deployment", plans[0].plan.after)
    return [
        *plans,
        _update(Desired(before.deployment_id, adaptive_allocations=patch, allow_zero=True), observed, task_type),
    ]


def _update(desired: Desired, observed: Deployment, task_type: str | None) -> RollbackPlan:
    """Plan one update; with *task_type* it is sent to the deployment's inference endpoint."""
    plan = dataclasses.replace(decide(desired, Situation(observed)), operation="rollback")
    return RollbackPlan(desired, through_endpoint(plan, task_type) if task_type else plan)


def _start_settings(step: Step | None) -> dict[str, t.Any]:
    settings = step.settings if step else {}
    return {name: settings.get(name) for name in ("model_id", *START_SETTINGS)}


def _stop_step(deployment_id: str, plan: Plan) -> Step:
    """Return a stop like that of *plan*, if it had one."""
    alike = next((step for step in plan.steps if step.kind == "stop"), None)
    return Step("stop", deployment_id, alike.settings if alike else {})

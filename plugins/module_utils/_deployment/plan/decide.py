# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision: desired and current in, plan out. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import Refusal
from ..._core.warning import WarningText
from ..._core.words import quoted_ids
from ..._ml.adaptive import OFF
from ..._ml.deployment import Deployment
from ..._ml.endpoint_updates import allocation_settings
from ..._ml.settings import MISREPORTED
from ..records.desired import Desired
from ..records.recovery_record import RecoveryRecord
from ..records.step import Step
from . import start_step
from .diff import adaptive_after, adaptive_patch, allocation_differences, immutable_differences
from .guard import guard_plan
from .plan import Operation, Plan
from .validation import refuse_contradictions, refuse_fixed


class Situation(t.NamedTuple):
    """The state that was read before planning.

    ``model_id``: the desired model with its alias resolved, ``None`` if not given and nothing to take it from.
    ``other_deployments``: ids of the model's other deployments, when the task named only the model and nothing runs
    under the model's own id. ``recovery``: the record of a run that ended between a stop and a start.
    """

    current: Deployment | None
    model_id: str | None = None
    other_deployments: tuple[str, ...] = ()
    recovery: RecoveryRecord | None = None


def decide(desired: Desired, situation: Situation) -> Plan:
    """Return the plan that turns *situation* into what is *desired*.

    :raises Refusal: there is none, or a guard forbids it.
    """
    plan = _plan_guarded(desired, situation)
    return dataclasses.replace(plan, warnings=(*plan.warnings, *_idle_bounds(desired, plan)))


def _plan_guarded(desired: Desired, situation: Situation) -> Plan:
    current, recovery = situation.current, situation.recovery
    absent = current is None or current.assignment_state == "stopping"
    if recovery is not None and absent and recovery.matches(current) and desired.state != "stopped":
        return _plan_resumed(desired, situation, recovery)
    return guard_plan(desired, _plan_unguarded(desired, situation))


def _plan_resumed(desired: Desired, situation: Situation, recovery: RecoveryRecord) -> Plan:
    """Plan to start what an earlier run stopped and did not start again, overlaid with what the task names."""
    current = situation.current
    _refuse_taking_over(desired, recovery.deployment)
    named = situation._replace(model_id=situation.model_id if desired.model_id else None)
    plan = guard_plan(desired, _recreate(desired, named, recovery.deployment, "start"))
    if not plan.steps:
        return dataclasses.replace(plan, before=current, after=current)
    resumed = WarningText(
        f"An earlier run stopped deployment '{desired.deployment_id}' and ended before it started it again. "
        "Settings that the task does not name come from the recovery file."
    )
    return Plan(
        current,
        plan.after,
        "start",
        plan.steps[-1:],
        (resumed, *plan.warnings),
        waits_for_stop=current is not None,
        resumed_from=recovery,
    )


def _plan_unguarded(desired: Desired, situation: Situation) -> Plan:
    current = situation.current
    if desired.state == "stopped":
        return _plan_stopped(desired, situation)
    if current is None or current.assignment_state == "stopping":
        return _plan_missing(desired, situation)
    _refuse_taking_over(desired, current)
    if desired.state == "restarted":
        return _recreate(desired, situation, current, "restart")
    return _plan_started(desired, situation, current)


def recover(desired: Desired, situation: Situation) -> Plan:
    """Return the plan that stops a deployment that does not come up, and starts it again.

    :raises Refusal: there is none, or a guard forbids it.
    """
    current = t.cast("Deployment", situation.current)
    _refuse_taking_over(desired, current)
    return guard_plan(desired, _recreate(desired, situation, current, "recover"))


def _plan_stopped(desired: Desired, situation: Situation) -> Plan:
    current = situation.current
    if current is None:
        _refuse_other_deployments(desired, situation, "stop")
        if desired.on_missing == "fail":
            raise _missing_refusal(desired, current)
        return Plan(None, None)
    if current.assignment_state == "stopping":
        return Plan(current, None, waits_for_stop=True)
    return Plan(current, None, "stop", (_stop_step(desired),))


def _plan_missing(desired: Desired, situation: Situation) -> Plan:
    """Plan for a deployment that does not exist, or is being stopped."""
    current = situation.current
    if desired.on_missing == "fail":
        raise _missing_refusal(desired, current)
    if desired.on_missing == "skip":
        because = f"deployment '{desired.deployment_id}' {_absence(current)} and on_missing is skip"
        return Plan(current, current, skipped_because=because)
    if desired.state == "restarted":
        if current is not None:
            _refuse_taking_over(desired, current)
            return _recreate(desired, situation, current, "restart")
        _refuse_other_deployments(desired, situation, "restart")
    warnings: tuple[WarningText, ...] = ()
    if situation.other_deployments:
        text = (
            f"Model '{desired.model_id}' already runs as {quoted_ids(sorted(situation.other_deployments))}; "
            f"the task starts a further deployment '{desired.deployment_id}'. Set deployment_id if that is not meant."
        )
        warnings = (WarningText(text),)
    model_id = situation.model_id or (current.model_id if current else desired.deployment_id)
    step, after = start_step.new_start(desired, model_id)
    refuse_contradictions(after)
    warnings += _unkept_number(desired)
    return Plan(current, after, "start", (step,), warnings, waits_for_stop=current is not None)


def _plan_started(desired: Desired, situation: Situation, current: Deployment) -> Plan:
    fixed = immutable_differences(desired, current, situation.model_id)
    if desired.replace == "stop_start" and not desired.can_update:
        fixed += allocation_differences(desired, current)
    if fixed and desired.replace == "never":
        refuse_fixed(current.deployment_id, fixed)
    if fixed:
        return _recreate(desired, situation, current, "replace")
    if current.assignment_state == "failed":
        return _plan_failed(desired, situation, current)
    plan = _plan_in_place(desired, current)
    return dataclasses.replace(plan, warnings=plan.warnings + _not_compared(desired, current))


def _not_compared(desired: Desired, current: Deployment) -> tuple[WarningText, ...]:
    """Return a warning if the task names settings that are not known."""
    named = [name for name in MISREPORTED if current.misreported and getattr(desired, name) is not None]
    if not named:
        return ()
    settings = " and the ".join(named)
    return (
        WarningText(
            f"The {settings} of deployment '{current.deployment_id}' could not be compared: when "
            "Elasticsearch 8.4 or 8.5 has moved allocations, its statistics show them wrongly. With the cluster "
            "privilege monitor the task reads them from the cluster state."
        ),
    )


def _plan_failed(desired: Desired, situation: Situation, current: Deployment) -> Plan:
    if desired.on_failed == "recover":
        return _recreate(desired, situation, current, "recover")
    raise Refusal(
        "deployment_failed",
        f"Deployment '{current.deployment_id}' has failed on all its nodes",
        hint=f"{_reasons(current)}With on_failed: recover the task stops it and starts it again.",
    )


def _plan_in_place(desired: Desired, current: Deployment) -> Plan:
    differences = allocation_differences(desired, current)
    after = _updated(desired, current)
    _refuse_frozen_zero(desired, after)
    if not differences:
        return Plan(current, current, skipped_because=_left_to_adaptive(desired, current))
    refuse_contradictions(after)
    settings = allocation_settings(desired.number_of_allocations, adaptive_patch(desired, current), current)
    step = Step("update", current.deployment_id, settings)
    return Plan(current, after, "update", (step,))


def _recreate(desired: Desired, situation: Situation, current: Deployment, operation: Operation) -> Plan:
    """Plan a stop and a start that keeps every setting that the task does not name."""
    start_step.refuse_misreported(current)
    merged = _updated(desired, current)
    _refuse_frozen_zero(desired, merged)
    step, after, warnings = start_step.restart_of(desired, merged, situation.model_id)
    refuse_contradictions(after)
    skipped = _left_to_adaptive(desired, current)
    if skipped:
        warnings += (WarningText(f"The task does not set the number of allocations: {skipped}."),)
    if current.assignment_state == "stopping":
        return Plan(current, after, operation, (step,), warnings, waits_for_stop=True)
    return Plan(current, after, operation, (_stop_step(desired), step), warnings)


def _updated(desired: Desired, current: Deployment) -> Deployment:
    """Return the deployment after an update; how far its nodes have come is not predicted."""
    if not allocation_differences(desired, current):
        return current
    adaptive = adaptive_after(desired, current)
    number = current.number_of_allocations
    if desired.number_of_allocations is not None and not (adaptive or OFF).enabled:
        number = desired.number_of_allocations
    routes = tuple(
        dataclasses.replace(route, target_allocations=None) if number != current.number_of_allocations else route
        for route in current.routes
    )
    return dataclasses.replace(
        current,
        adaptive_allocations=adaptive,
        number_of_allocations=number,
        allocation_status=None,
        routes=routes,
        routing_source="prediction",
    )


def _refuse_taking_over(desired: Desired, current: Deployment) -> None:
    if current.adaptive and desired.asks_fixed_number and desired.on_adaptive == "fail":
        raise Refusal(
            "adaptive_allocations_enabled",
            f"Deployment '{current.deployment_id}' has adaptive allocations enabled: they set its number_of_allocations"
            f" (now {current.number_of_allocations}), and the task asks for {desired.number_of_allocations}",
            hint="Set on_adaptive to override (turns them off) or skip, or give adaptive_allocations.",
        )


def _left_to_adaptive(desired: Desired, current: Deployment) -> str | None:
    if desired.asks_fixed_number and current.adaptive and desired.on_adaptive == "skip":
        if desired.always_adaptive:
            return "Elasticsearch Serverless scales every deployment itself"
        return "adaptive allocations are enabled and on_adaptive is skip"
    return None


def _unkept_number(desired: Desired) -> tuple[WarningText, ...]:
    """Return the warning about the number of a start that Serverless does not keep (around-deployments.md 5.6)."""
    number = desired.number_of_allocations or desired.initial_number_of_allocations
    if number is None or not desired.always_adaptive:
        return ()
    text = (
        "Elasticsearch Serverless scales every deployment itself: it may run another number of allocations of "
        f"'{desired.deployment_id}' than {number}."
    )
    return (WarningText(text),)


def _idle_bounds(desired: Desired, plan: Plan) -> tuple[WarningText, ...]:
    """Return the warning about bounds that have no effect, because adaptive allocations are off and stay off."""
    patch, after = desired.adaptive_allocations, plan.after
    if patch is None or patch.enabled is not None or plan.skipped_because or after is None or after.adaptive:
        return ()
    if after.adaptive_allocations in (None, OFF):
        return ()
    text = (
        f"The adaptive allocations of deployment '{after.deployment_id}' are off, so their bounds have no effect. "
        "Set enabled to true in adaptive_allocations to turn them on."
    )
    return (WarningText(text),)


def _refuse_frozen_zero(desired: Desired, after: Deployment) -> None:
    asked_off = desired.adaptive_allocations is not None and desired.adaptive_allocations.enabled is False
    if asked_off and after.number_of_allocations == 0 and not desired.allow_zero:
        raise Refusal(
            "zero_allocations",
            f"Deployment '{after.deployment_id}' would be frozen at 0 allocations, and no request would wake it",
            hint="Give number_of_allocations as well, or set allow_zero.",
        )


def _refuse_other_deployments(desired: Desired, situation: Situation, verb: str) -> None:
    if situation.other_deployments:
        raise Refusal(
            "ambiguous_model",
            f"Cannot {verb} deployment '{desired.deployment_id}': it does not exist, and model '{desired.model_id}' "
            f"runs as {quoted_ids(sorted(situation.other_deployments))}",
            hint="Set deployment_id to the one that is meant.",
        )


def _missing_refusal(desired: Desired, current: Deployment | None) -> Refusal:
    return Refusal(
        "deployment_missing",
        f"Deployment '{desired.deployment_id}' {_absence(current)}",
        hint="Check the id and the cluster, or choose another value of on_missing.",
    )


def _absence(current: Deployment | None) -> str:
    return "does not exist" if current is None else "is being stopped"


def _stop_step(desired: Desired) -> Step:
    pending = desired.finish_pending_work
    return Step("stop", desired.deployment_id, {} if pending is None else {"finish_pending_work": pending})


def _reasons(current: Deployment) -> str:
    reasons = [f"Node {route.node}: {route.reason.rstrip('.')}." for route in current.failed_routes if route.reason]
    return " ".join(reasons) + " " if reasons else ""

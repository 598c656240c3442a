# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision: wanted and current in, plan out. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import Difference, Refusal
from ..._ml.adaptive import OFF
from ..._ml.deployment import Deployment
from ..records.desired import Wanted
from ..records.recovery_record import Recovery
from ..records.step import Action
from . import start_step
from .diff import adaptive_after, adaptive_wish, count_differences, fixed_differences
from .guard import guarded
from .plan import Operation, Plan
from .validation import refuse_contradictions, refuse_fixed


class Situation(t.NamedTuple):
    """What was read.

    ``model_id``: the wanted model with its alias resolved, ``None`` if not given and nothing to take it from.
    ``siblings``: ids of the model's other deployments, when the task named only the model and nothing runs under
    the model's own id. ``lost``: what a run left that ended between a stop and a start_step.
    """

    current: Deployment | None
    model_id: str | None = None
    siblings: tuple[str, ...] = ()
    lost: Recovery | None = None


def decide(wanted: Wanted, situation: Situation) -> Plan:
    """The plan that turns *situation* into what is *wanted*.

    :raises Refusal: if there is none, or a guard forbids it.
    """
    going, lost = situation.current, situation.lost
    gone = going is None or going.assignment_state == "stopping"
    if lost is not None and gone and lost.precedes(going) and wanted.state != "stopped":
        return _resumed(wanted, situation, lost)
    return guarded(wanted, _unguarded(wanted, situation))


def _resumed(wanted: Wanted, situation: Situation, lost: Recovery) -> Plan:
    """Start what an earlier run stopped and did not start again, overlaid with what the task names."""
    going = situation.current
    _refuse_taking_over(wanted, lost.deployment)
    named = situation._replace(model_id=situation.model_id if wanted.model_id else None)
    plan = guarded(wanted, _anew(wanted, named, lost.deployment, "start"))
    if not plan.actions:
        return dataclasses.replace(plan, before=going, after=going)
    told = (
        f"Deployment '{wanted.deployment_id}' was stopped by a run that ended before it started it again. "
        "What the task does not name is taken from the recovery file.",
    )
    awaits = going is not None
    return Plan(going, plan.after, "start", plan.actions[-1:], told + plan.warnings, awaits_gone=awaits, resumes=lost)


def _unguarded(wanted: Wanted, situation: Situation) -> Plan:
    current = situation.current
    if wanted.state == "stopped":
        return _stopped(wanted, situation)
    if current is None or current.assignment_state == "stopping":
        return _missing(wanted, situation)
    _refuse_taking_over(wanted, current)
    if wanted.state == "restarted":
        return _anew(wanted, situation, current, "restart")
    return _started(wanted, situation, current)


def recover(wanted: Wanted, situation: Situation) -> Plan:
    """The plan that stops what does not come up, and starts it again.

    :raises Refusal: if there is none, or a guard forbids it.
    """
    current = t.cast("Deployment", situation.current)
    _refuse_taking_over(wanted, current)
    return guarded(wanted, _anew(wanted, situation, current, "recover"))


def _stopped(wanted: Wanted, situation: Situation) -> Plan:
    current = situation.current
    if current is None:
        _refuse_siblings(wanted, situation, "stop")
        if wanted.on_missing == "fail":
            raise _not_there(wanted, current)
        return Plan(None, None)
    if current.assignment_state == "stopping":
        return Plan(current, None, awaits_gone=True)
    return Plan(current, None, "stop", (_stop(wanted),))


def _missing(wanted: Wanted, situation: Situation) -> Plan:
    """Nothing is deployed, or what was is on its way out."""
    going = situation.current
    if wanted.on_missing == "fail":
        raise _not_there(wanted, going)
    if wanted.on_missing == "skip":
        because = f"deployment '{wanted.deployment_id}' {_gone(going)} and on_missing is skip"
        return Plan(going, going, skipped_because=because)
    if wanted.state == "restarted":
        if going is not None:
            _refuse_taking_over(wanted, going)
            return _anew(wanted, situation, going, "restart")
        _refuse_siblings(wanted, situation, "restart")
    warnings: tuple[str, ...] = ()
    if situation.siblings:
        warnings = (
            f"Model '{wanted.model_id}' already runs as {_listed(situation.siblings)}; a further deployment "
            f"'{wanted.deployment_id}' is started. Set deployment_id if that is not meant.",
        )
    model_id = situation.model_id or (going.model_id if going else wanted.deployment_id)
    action, after = start_step.fresh(wanted, model_id)
    refuse_contradictions(after)
    return Plan(going, after, "start", (action,), warnings, awaits_gone=going is not None)


def _started(wanted: Wanted, situation: Situation, current: Deployment) -> Plan:
    fixed = fixed_differences(wanted, current, situation.model_id)
    if fixed and wanted.replace == "never":
        refuse_fixed(current.deployment_id, fixed)
    if fixed:
        return _anew(wanted, situation, current, "replace")
    if current.assignment_state == "failed":
        return _failed(wanted, situation, current)
    return _in_place(wanted, current)


def _failed(wanted: Wanted, situation: Situation, current: Deployment) -> Plan:
    if wanted.on_failed == "recover":
        return _anew(wanted, situation, current, "recover")
    raise Refusal(
        f"Deployment '{current.deployment_id}' has failed on all its nodes",
        count_differences(wanted, current),
        hint=f"{_reasons(current)}Set on_failed to recover to stop it and start it anew.",
    )


def _in_place(wanted: Wanted, current: Deployment) -> Plan:
    differences = count_differences(wanted, current)
    after = _updated(wanted, current)
    _refuse_frozen_zero(wanted, after)
    if not differences:
        return Plan(current, current, skipped_because=_left_to_scaler(wanted, current))
    refuse_contradictions(after)
    action = Action("update", current.deployment_id, _update_settings(wanted, current, differences))
    return Plan(current, after, "update", (action,))


def _anew(wanted: Wanted, situation: Situation, current: Deployment, operation: Operation) -> Plan:
    """Stop and start, with every setting carried over that the task does not name."""
    merged = _updated(wanted, current)
    _refuse_frozen_zero(wanted, merged)
    action, after, warnings = start_step.carried(wanted, merged, situation.model_id)
    refuse_contradictions(after)
    skipped = _left_to_scaler(wanted, current)
    if skipped:
        warnings += (f"The count is not set: {skipped}.",)
    if current.assignment_state == "stopping":
        return Plan(current, after, operation, (action,), warnings, awaits_gone=True)
    return Plan(current, after, operation, (_stop(wanted), action), warnings)


def _updated(wanted: Wanted, current: Deployment) -> Deployment:
    """The deployment after an update; how far its nodes have come is not predicted."""
    if not count_differences(wanted, current):
        return current
    adaptive = adaptive_after(wanted, current)
    number = current.number_of_allocations
    if wanted.number_of_allocations is not None and not (adaptive or OFF).enabled:
        number = wanted.number_of_allocations
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


def _update_settings(wanted: Wanted, current: Deployment, differences: tuple[Difference, ...]) -> dict[str, t.Any]:
    """What the request says: only what differs, and both parts in one when the scaler is to let go of the count."""
    differing = {difference.name for difference in differences}
    settings: dict[str, t.Any] = {}
    wish = adaptive_wish(wanted, current)
    if wish is not None and "adaptive_allocations" in differing:
        settings["adaptive_allocations"] = wish.to_send(current.adaptive_allocations)
    count = wanted.number_of_allocations
    if count is not None and ("number_of_allocations" in differing or current.adaptive):
        settings["number_of_allocations"] = count
    return settings


def _refuse_taking_over(wanted: Wanted, current: Deployment) -> None:
    if current.adaptive and wanted.plain_count and wanted.on_adaptive == "fail":
        raise Refusal(
            f"Deployment '{current.deployment_id}' has adaptive allocations enabled: its number_of_allocations "
            f"(now {current.number_of_allocations}) belongs to the scaler, "
            f"and {wanted.number_of_allocations} is asked for",
            hint="Set on_adaptive to override (turns the scaler off) or skip, or give adaptive_allocations.",
        )


def _left_to_scaler(wanted: Wanted, current: Deployment) -> str | None:
    if wanted.plain_count and current.adaptive and wanted.on_adaptive == "skip":
        if wanted.always_scaled:
            return "Elasticsearch Serverless scales every deployment itself"
        return "adaptive allocations are enabled and on_adaptive is skip"
    return None


def _refuse_frozen_zero(wanted: Wanted, after: Deployment) -> None:
    asked_off = wanted.adaptive_allocations is not None and wanted.adaptive_allocations.enabled is False
    if asked_off and after.number_of_allocations == 0 and not wanted.allow_zero:
        raise Refusal(
            f"Deployment '{after.deployment_id}' would be frozen at 0 allocations, and no request would wake it",
            hint="Give number_of_allocations as well, or set allow_zero.",
        )


def _refuse_siblings(wanted: Wanted, situation: Situation, verb: str) -> None:
    if situation.siblings:
        raise Refusal(
            f"Cannot {verb} deployment '{wanted.deployment_id}': it does not exist, and model '{wanted.model_id}' "
            f"runs as {_listed(situation.siblings)}",
            hint="Set deployment_id to the one that is meant.",
        )


def _not_there(wanted: Wanted, going: Deployment | None) -> Refusal:
    return Refusal(
        f"Deployment '{wanted.deployment_id}' {_gone(going)} and on_missing is fail",
        hint="Check deployment_id and hosts, or set on_missing to what is to happen then.",
    )


def _gone(going: Deployment | None) -> str:
    return "does not exist" if going is None else "is being stopped"


def _stop(wanted: Wanted) -> Action:
    pending = wanted.finish_pending_work
    return Action("stop", wanted.deployment_id, {} if pending is None else {"finish_pending_work": pending})


def _listed(ids: t.Sequence[str]) -> str:
    return ", ".join(f"'{each}'" for each in sorted(ids))


def _reasons(current: Deployment) -> str:
    told = [
        f"Node {route.node_name or route.node_id}: {route.reason}." for route in current.failed_routes if route.reason
    ]
    return " ".join(told) + " " if told else ""

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back: from a plan that ended badly, and what is seen now, to plans that restore what was before. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import Refusal
from ..._ml.adaptive import OFF, UNSET, AdaptiveWish
from ..._ml.deployment import Deployment
from ..records.desired import Wanted
from ..records.step import Action, Kind
from . import start_step
from .consumers import by_endpoint
from .decide import Situation, decide
from .diff import moved
from .plan import Plan
from .readiness import PREDICATES, another, is_another
from .write_outcome import strange


class Written(t.NamedTuple):
    """Which writes of a plan took effect, or may have. ``start_time``: of the deployment that its start made."""

    kinds: frozenset[Kind] = frozenset()
    start_time: str | None = None


class Undo(t.NamedTuple):
    """One plan of the way back, and what it restores."""

    wanted: Wanted
    plan: Plan


def undo(wanted: Wanted, model_id: str | None, plan: Plan, written: Written, seen: Deployment | None) -> list[Undo]:
    """The plans that restore what was before *plan*, in their order; none if that is there.

    What was before a plan that resumes is what the earlier run has stopped.

    :raises Refusal: what is there is not what *plan* left: somebody else has been there. Or no request can restore it.
    """
    _refuse_anothers(wanted, model_id, plan, written, seen)
    before = plan.resumes.stopped if plan.resumes else plan.before
    if before is None or before.assignment_state == "stopping":
        return _stopped(wanted.deployment_id, plan, seen)
    if seen is None or seen.assignment_state == "stopping":
        return [_anew(before, seen, ())]
    fixed = "start" in written.kinds and _fixed(plan.start) != _fixed(start_step.own(before))
    if not fixed and not moved(before, seen):
        return []
    if fixed or seen.assignment_state != "started":
        return [_anew(before, seen, (_stop(wanted.deployment_id, plan),))]
    return _updates(before, seen, plan)


def untouched(plan: Plan, seen: Deployment | None) -> Plan:
    """*plan*, one of the way back, if what it was made for is still what is *seen*.

    :raises Refusal: somebody else has been there.
    """
    differences = moved(t.cast("Deployment", plan.before), seen) if seen else ()
    if differences:
        raise Refusal("it was changed by somebody else meanwhile", differences)
    return plan


def as_before(before: Deployment | None, wait_for: str) -> str | None:
    """What to wait for on the way back: *wait_for*, or less if *before* was less; nothing if nothing of it ran.

    How many are to run is the scaler's where it owns the count, and may be more than there is room for.
    """
    if before is None or (PREDICATES[wait_for](before) and not before.adaptive):
        return wait_for
    return "started" if before.running else None


def _refuse_anothers(
    wanted: Wanted, model_id: str | None, plan: Plan, written: Written, seen: Deployment | None
) -> None:
    """Refuse to touch what somebody else has done meanwhile."""
    if "start" in written.kinds:
        _refuse_unlike_start(wanted, model_id, plan, written, seen)
    elif seen is not None and (is_another(seen, plan.before) or _comes_after_stop(plan, seen)):
        raise Refusal(another(seen))
    elif "update" in written.kinds:
        if seen is None or seen.assignment_state == "stopping":
            raise Refusal("it was stopped by somebody else meanwhile")
        after, before = t.cast("Deployment", plan.after), t.cast("Deployment", plan.before)
        differences = moved(after, seen)
        if differences and moved(before, seen):
            raise Refusal("it was changed by somebody else meanwhile", differences)


def _comes_after_stop(plan: Plan, seen: Deployment) -> bool:
    """Whether *plan* resumes, so that nothing was there any more, and *seen* is not what was still going then."""
    return plan.resumes is not None and (plan.before is None or seen.assignment_state != "stopping")


def _refuse_unlike_start(
    wanted: Wanted, model_id: str | None, plan: Plan, written: Written, seen: Deployment | None
) -> None:
    if written.start_time is None and seen is None:
        return  # nobody knows whether it took effect; it did not
    if seen is None or seen.assignment_state == "stopping":
        raise Refusal("it was stopped by somebody else meanwhile")
    if written.start_time not in (None, seen.start_time):
        raise Refusal(another(seen))
    differences = strange(plan, t.cast("Action", plan.start), wanted, model_id, seen)
    if differences:
        raise Refusal("it was changed by somebody else meanwhile", differences)


def _stopped(deployment_id: str, plan: Plan, seen: Deployment | None) -> list[Undo]:
    if seen is None:
        return []
    going = seen.assignment_state == "stopping"
    actions = () if going else (_stop(deployment_id, plan),)
    return [Undo(Wanted(deployment_id, state="stopped"), Plan(seen, None, "rollback", actions, (), awaits_gone=going))]


def _anew(before: Deployment, seen: Deployment | None, stop: tuple[Action, ...]) -> Undo:
    action, after, warnings = start_step.carried(Wanted(before.deployment_id), before, None)
    going = seen is not None and not stop
    plan = Plan(seen, after, "rollback", (*stop, action), warnings, awaits_gone=going)
    return Undo(Wanted(before.deployment_id, allow_zero=True), plan)


def _updates(before: Deployment, seen: Deployment, plan: Plan) -> list[Undo]:
    """One update; or two, where the count has to be set before the scaler gets it back."""
    task_type = plan.endpoint_type
    stored, count = before.adaptive_allocations or OFF, before.number_of_allocations or None
    wish = None
    if before.adaptive_allocations or seen.adaptive_allocations:
        low, high = (
            UNSET if bound is None else bound
            for bound in (stored.min_number_of_allocations, stored.max_number_of_allocations)
        )
        wish = AdaptiveWish(stored.enabled, low, high)
    if not before.adaptive:
        if count is None:
            raise Refusal("its count was 0, which no request can set")
        wanted = Wanted(before.deployment_id, number_of_allocations=count, adaptive_allocations=wish)
        return [_update(wanted, seen, task_type)]
    found = []
    if not seen.adaptive and count not in (None, seen.number_of_allocations):
        found.append(_update(Wanted(before.deployment_id, number_of_allocations=count), seen, task_type))
        seen = t.cast("Deployment", found[0].plan.after)
    return [*found, _update(Wanted(before.deployment_id, adaptive_allocations=wish, allow_zero=True), seen, task_type)]


def _update(wanted: Wanted, seen: Deployment, task_type: str | None) -> Undo:
    """By way of the deployment's inference endpoint, if that is how it was changed."""
    plan = dataclasses.replace(decide(wanted, Situation(seen)), operation="rollback")
    return Undo(wanted, by_endpoint(plan, task_type) if task_type else plan)


def _fixed(action: Action | None) -> dict[str, t.Any]:
    settings = action.settings if action else {}
    return {name: settings.get(name) for name in ("model_id", *start_step.FIXED)}


def _stop(deployment_id: str, plan: Plan) -> Action:
    """A stop like that of *plan*, if it had one."""
    alike = next((action for action in plan.actions if action.kind == "stop"), None)
    return Action("stop", deployment_id, alike.settings if alike else {})

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on the room for the plans of a task, before the first write. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._capacity.doubts import SENT_LATER
from ..._capacity.inputs import planner_deployment
from ..._core.errors import Refusal
from ..._core.reasons import Reason, each_once
from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..._planner.memory import needed
from ..._planner.outcomes import ORDER
from ..._planner.records import Deployment as Placed
from ..._planner.routes import SERVING
from ..records.desired import Preflight
from ..records.step import Step
from .fleet import in_send_order
from .forecast import Attempt, Forecast
from .order import SendOrder, send_order
from .plan import Plan
from .room import Room, takes_room
from .shortage import Shortage
from .start_conditions import Check


@dataclasses.dataclass(frozen=True)
class Planned:
    """A plan of the task. ``after``: what it makes, as Elasticsearch shows it. ``policy``: what a lack of room does."""

    plan: Plan
    after: Deployment | None
    policy: Preflight = "fail"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The verdict on one plan. ``check``: as the result shows it. ``text``: what is short, if that is said."""

    check: Check
    text: WarningText | None = None
    code: str = "no_capacity"


@dataclasses.dataclass(frozen=True)
class Outlook:
    """The outcome of all plans of a task.

    ``verdicts``: by deployment, of those that take room. ``forecast``: ``None`` if the places are not known.
    """

    room: Room
    verdicts: t.Mapping[str, Verdict]
    forecast: Forecast | None


def look(room: Room, planned: t.Sequence[Planned]) -> Outlook:
    """Return what becomes of the plans *planned*, all of them sent in their order."""
    forecast = _forecast(room, planned)
    verdicts = {
        each.after.deployment_id: _verdict(room, each, each.after, forecast, planned)
        for each in planned
        if each.after and each.policy != "off" and takes_room(each.plan)
    }
    return Outlook(room, verdicts, forecast)


def refuse_without_room(verdicts: t.Mapping[str, Verdict]) -> None:
    """Refuse the task if one of the *verdicts* is certain.

    :raises Refusal: it is, with the arithmetic for each node.
    """
    refused = {name: verdict for name, verdict in verdicts.items() if verdict.check == "refused"}
    if refused:
        codes = {verdict.code for verdict in refused.values()}
        raise Refusal(
            codes.pop() if len(codes) == 1 else "no_capacity",
            each_once(Reason(name, str(verdict.text)) for name, verdict in refused.items()),
            hint="Ask for fewer allocations or threads, stop other deployments, or add ML nodes. "
            "With preflight: warn the task tries it nevertheless.",
        )


def _forecast(room: Room, planned: t.Sequence[Planned]) -> Forecast | None:
    """Return the places after all plans; ``None`` if they are not known."""
    if room.places is None:
        return None
    forecast = Forecast(room, room.places)
    for each in planned:
        if each.plan.waits_for_stop and each.plan.before:
            forecast.stop(each.plan.before.deployment_id)
    if _order_is_open([each.plan for each in planned]):
        forecast.doubts.add(SENT_LATER)
    for place, step in in_send_order([each.plan for each in planned]):
        if not _add(forecast, planned[place], step):
            return None
    return forecast


def _add(forecast: Forecast, planned: Planned, step: Step) -> bool:
    """Add one write to the *forecast*; return false if too little is known of what it makes."""
    kind, number = send_order(planned.plan, step), step.settings.get("number_of_allocations")
    if kind is SendOrder.STOP:
        forecast.stop(step.deployment_id)
    elif kind is SendOrder.DECREASE:
        forecast.decrease(step.deployment_id, t.cast("int", number))
    elif kind is SendOrder.INCREASE:
        forecast.increase(step.deployment_id, t.cast("int", number))
    elif kind.takes:
        placed = without_places(planned.after)
        if placed is None:
            return False
        forecast.start(placed)
    return True


def _order_is_open(plans: t.Sequence[Plan]) -> bool:
    """Return whether an update that takes room has to wait for its deployment, and others may come first."""
    taking = [plan for plan in plans if takes_room(plan)]
    return len(taking) > 1 and any(
        plan.start is None and plan.before is not None and plan.before.assignment_state != "started" for plan in taking
    )


def without_places(deployment: Deployment | None) -> Placed | None:
    """Return *deployment* as it is asked for, ``None`` if something is not known of it."""
    return None if deployment is None else planner_deployment(dataclasses.replace(deployment, routes=()))


def _verdict(
    room: Room, planned: Planned, after: Deployment, forecast: Forecast | None, every: t.Sequence[Planned]
) -> Verdict:
    attempts = forecast.attempts[after.deployment_id] if forecast else []
    asked = without_places(dataclasses.replace(after, model_bytes=after.model_bytes or 0))
    if asked is None or not (room.nodes or room.capacity.settings):
        return Verdict("not_read")
    others = attempts[0].others if attempts else _unchanged(room, every)
    most = _most(room, asked, _held(room, others))
    impossible = sum(most.values()) < asked.allocations
    unplaced = [Attempt(asked, others, most, accepted=False)] if impossible else []
    short = next((each for each in attempts or unplaced if each.missing), None)
    if short is None:
        return Verdict("ok" if attempts and room.is_known else "not_read")
    tried = forecast is not None and room.is_known and not forecast.doubts and ORDER not in forecast.reasons
    certain = impossible or (tried and not any(each.accepted for each in attempts))
    return _short(room, short, certain=certain and not _has_fallback(room, planned))


def _has_fallback(room: Room, planned: Planned) -> bool:
    """Return whether a refused start is followed by another one: that of what an earlier run has stopped."""
    record = planned.plan.resumed_from
    stopped = without_places(dataclasses.replace(record.stopped, model_bytes=0)) if record else None
    return stopped is not None and sum(at_most(room, stopped).values()) >= stopped.allocations


def _short(room: Room, attempt: Attempt, *, certain: bool) -> Verdict:
    """Return the verdict about an *attempt* that leaves something without a place."""
    shortage = Shortage(room, attempt.deployment, attempt.others, attempt.placed)
    if certain and room.capacity.may_grow is False:
        text = shortage.says("have room for")
        if shortage.is_of_processors:
            return Verdict("refused", text, code="not_enough_processors")
        return Verdict("refused", text)
    if room.capacity.may_grow:  # Elasticsearch takes it, and the wait says what is missing
        return Verdict("short")
    return Verdict("short", shortage.says("may have room for only" if attempt.placed else "may have room for"))


def _most(room: Room, asked: Placed, held: int) -> dict[str, int]:
    """Return the most that each node can get, whatever else moves. *held*: the processors that others keep for sure."""
    found = {}
    free = sum(node.cores for node in room.nodes) - held
    for node_id, number in at_most(room, asked).items():
        found[node_id] = number if asked.low else max(0, min(number, free // asked.threads))
        free -= found[node_id] * asked.threads
    return {node_id: number for node_id, number in found.items() if number > 0}


def at_most(room: Room, asked: Placed) -> dict[str, int]:
    """Return the most that each node can get if it has nothing else."""
    found = {}
    for node in room.nodes:
        number = asked.allocations if asked.low else min(asked.allocations, node.cores // asked.threads)
        while number and min(needed(asked, number, rules) for rules in (room.rules, *room.rules.others)) > node.memory:
            number -= 1
        found[node.id] = number
    return found


def _held(room: Room, others: t.Iterable[Placed]) -> int:
    """Return the processors of other deployments: those of normal priority lose no allocation (planner.md 4)."""
    nodes = {node.id for node in room.nodes}
    held = 0
    for each in others:
        kept = sum(route.target for node, route in each.routes.items() if node in nodes and route.state in SERVING)
        held += 0 if each.low else min(each.allocations, kept) * each.threads
    return held


def _unchanged(room: Room, every: t.Iterable[Planned]) -> tuple[Placed, ...]:
    """Return the deployments that no plan changes, as far as they are known."""
    changed = {step.deployment_id for each in every for step in each.plan.steps}
    kept = [each for each in room.existing or () if each.deployment_id not in changed]
    return tuple(placed for each in kept if (placed := planner_deployment(each)))

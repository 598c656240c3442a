# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on the room for the plans of a task, before the first write. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._capacity.doubts import SENT_LATER, STOPPING
from ..._capacity.inputs import planner_deployment
from ..._core.errors import Refusal
from ..._core.reasons import Reason, each_once
from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..._planner.bounds import most_on
from ..._planner.outcomes import ORDER
from ..._planner.records import Deployment as Placed
from ..._planner.records import DoesNotFit
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

    ``verdicts``: by deployment, of those that take room. ``forecast``: ``None`` if the places are not known; if
    ``has_fault``, because working them out failed.
    """

    room: Room
    verdicts: t.Mapping[str, Verdict]
    forecast: Forecast | None
    has_fault: bool = False


def look(room: Room, planned: t.Sequence[Planned], doubts: t.Iterable[str] = ()) -> Outlook:
    """Return what becomes of the plans *planned*, all of them sent in their order.

    *doubts*: why that is not certain whatever the room.
    """
    forecast, has_fault = None, False
    try:
        forecast = _forecast(room, planned, doubts)
    except (ArithmeticError, LookupError, ValueError):  # a fault of this program must stop no task
        has_fault = True
    verdicts = {
        each.after.deployment_id: _verdict(room, each, each.after, forecast, planned)
        for each in planned
        if each.after and each.policy != "off" and takes_room(each.plan)
    }
    return Outlook(room, verdicts, forecast, has_fault)


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


def _forecast(room: Room, planned: t.Sequence[Planned], doubts: t.Iterable[str]) -> Forecast | None:
    """Return the places after all plans; ``None`` if they are not known."""
    if room.places is None:
        return None
    forecast = Forecast(room, room.places)
    forecast.doubts.update(doubts)
    awaited = [each.plan.before.deployment_id for each in planned if each.plan.waits_for_stop and each.plan.before]
    for deployment_id in awaited:
        forecast.stop(deployment_id)
    if room.stopping - {*awaited}:
        forecast.doubts.add(STOPPING)
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
    """Return whether an update of the number has to wait for its deployment, and other changes may come first."""
    changing = [
        plan for plan in plans if plan.waits_for_stop or any(_changes_places(plan, step) for step in plan.steps)
    ]
    return len(changing) > 1 and any(
        not plan.stops_or_waits_for_stop and plan.before is not None and plan.before.assignment_state != "started"
        for plan in changing
    )


def _changes_places(plan: Plan, step: Step) -> bool:
    return send_order(plan, step) is not SendOrder.ADAPTIVE


def without_places(deployment: Deployment | None) -> Placed | None:
    """Return *deployment* as it is asked for, ``None`` if something is not known of it."""
    return None if deployment is None else planner_deployment(dataclasses.replace(deployment, routes=()))


def _verdict(
    room: Room, planned: Planned, after: Deployment, forecast: Forecast | None, every: t.Sequence[Planned]
) -> Verdict:
    asked = without_places(dataclasses.replace(after, model_bytes=after.model_bytes or 0))
    if asked is None or not (room.candidates or room.capacity.settings):
        return Verdict("not_read")
    attempts = forecast.attempts[after.deployment_id] if forecast else []
    impossible = _impossible(room, asked, forecast, attempts, _unchanged(room, every))
    short = next((each for each in (*attempts, *impossible) if each.missing), None)
    if short is None:
        return Verdict("ok" if attempts and room.is_known else "not_read")
    certain = all(each.missing for each in attempts) and (bool(impossible) or is_followed(room, forecast))
    certain = certain and not _has_fallback(room, planned)
    fails = room.capacity.may_grow is False or short.failure is not None
    return _short(
        room, short, certain=certain, refused=certain and fails and not any(each.accepted for each in attempts)
    )


def _impossible(
    room: Room,
    asked: Placed,
    forecast: Forecast | None,
    attempts: t.Sequence[Attempt],
    unchanged: tuple[Placed, ...],
) -> list[Attempt]:
    """Return the attempt with the most places there can be, if even those are too few; else none."""
    neighbours = [each.others for each in attempts]
    if forecast is None or forecast.doubts or not attempts:
        neighbours.append(unchanged)
    others = min(neighbours, key=lambda each: _held(room, each))
    most = _most(room, asked, _held(room, others))
    return [Attempt(asked, others, most, accepted=False)] if sum(most.values()) < asked.allocations else []


def is_followed(room: Room, forecast: Forecast | None) -> bool:
    """Return whether every way was followed in which Elasticsearch may take the writes."""
    return forecast is not None and room.is_known and not forecast.doubts and ORDER not in forecast.reasons


def _has_fallback(room: Room, planned: Planned) -> bool:
    """Return whether a refused start is followed by another one: that of what an earlier run has stopped."""
    record = planned.plan.resumed_from
    stopped = without_places(dataclasses.replace(record.stopped, model_bytes=0)) if record else None
    return stopped is not None and sum(at_most(room, stopped).values()) >= stopped.allocations


def _short(room: Room, attempt: Attempt, *, certain: bool, refused: bool) -> Verdict:
    """Return the verdict about an *attempt* that leaves something without a place."""
    check: Check = "refused" if refused else "short"
    if isinstance(attempt.failure, DoesNotFit):
        consequence = "refuses" if refused else "may refuse"
        return Verdict(check, _does_not_fit(room, attempt.deployment.id, attempt.failure, consequence))
    shortage = Shortage(room, attempt.deployment, attempt.others, attempt.placed)
    if refused:
        text = shortage.says(certain=True)
        return Verdict(check, text, code="not_enough_processors") if shortage.is_of_processors else Verdict(check, text)
    if room.capacity.may_grow:  # Elasticsearch takes it
        return Verdict(check, shortage.says_until_it_grows() if certain else None)
    return Verdict(check, shortage.says(certain=False))


def _does_not_fit(room: Room, deployment_id: str, failure: DoesNotFit, consequence: str) -> WarningText:
    """Return why Elasticsearch makes no plan, and the *consequence*."""
    node = room.names.get(failure.node_id, failure.node_id)
    return WarningText(
        f"Elasticsearch {consequence} the change of deployment '{deployment_id}', because its plan puts more of "
        f"deployment '{failure.deployment_id}' on node {node} than has room there."
    )


def _most(room: Room, asked: Placed, held: int) -> dict[str, int]:
    """Return the most that each node can get, whatever else moves. *held*: the processors that others keep for sure."""
    found = {}
    free = sum(node.cores for node in room.candidates) - held
    for node_id, number in at_most(room, asked).items():
        found[node_id] = number if asked.low else max(0, min(number, free // asked.threads))
        free -= found[node_id] * asked.threads
    return {node_id: number for node_id, number in found.items() if number > 0}


def at_most(room: Room, asked: Placed) -> dict[str, int]:
    """Return the most that each node can get if it has nothing else."""
    return {node.id: most_on(node, asked, room.rules) for node in room.candidates}


def _held(room: Room, others: t.Iterable[Placed]) -> int:
    """Return the processors of other deployments: those of normal priority lose no allocation (planner.md 4).

    Those that are being stopped may be gone by then.
    """
    nodes = {node.id for node in room.nodes}
    held = 0
    for each in others:
        if each.id in room.stopping:
            continue
        kept = sum(route.target for node, route in each.routes.items() if node in nodes and route.state in SERVING)
        held += 0 if each.low else min(each.allocations, kept) * each.threads
    return held


def _unchanged(room: Room, every: t.Iterable[Planned]) -> tuple[Placed, ...]:
    """Return the deployments that no plan changes, as far as they are known."""
    changed = {step.deployment_id for each in every for step in each.plan.steps}
    kept = [each for each in room.existing or () if each.deployment_id not in changed]
    return tuple(placed for each in kept if (placed := planner_deployment(each)))

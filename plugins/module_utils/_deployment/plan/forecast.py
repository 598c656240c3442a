# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places of all deployments while the plans of a task are sent in their order. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._capacity.doubts import LEAVING, NO_ZONE, NOT_RECORDED, STOPPING
from ..._planner.events import Event, Replan, Situation, Start, Step, Stop, Update, distinct, step, task_of
from ..._planner.outcomes import CLOSE, VERSION, Outcome
from ..._planner.predict import EARLIER, MEMORY_OBSERVED
from ..._planner.records import Deployment as Placed
from ..._planner.records import RequestFails
from .room import Room

MOST_SITUATIONS = 8
"""How many possible situations are followed."""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One way in which Elasticsearch may take a write that needs room.

    ``deployment``: as it is asked for. ``others``: the other deployments, with the places that they then have.
    ``placed``: what each node gets of it. ``accepted``: whether Elasticsearch takes the write. ``failure``: why there
    is no plan.
    """

    deployment: Placed
    others: tuple[Placed, ...]
    placed: t.Mapping[str, int]
    accepted: bool
    failure: RequestFails | None = None

    @property
    def missing(self) -> int:
        """Return how many allocations have no place."""
        return self.deployment.allocations - sum(self.placed.values())


class Forecast:
    """The situations that may be there after the writes so far. It changes with each write that is added.

    ``situations``: those that may be there, the most likely first; ``reasons``: why there are several. ``doubts``: why
    there may be others. ``attempts``: of the last write of each deployment that needs room, every way in which
    Elasticsearch may take it.
    """

    def __init__(self, room: Room, places: Situation) -> None:
        self.situations = [places]
        self.doubts: set[str] = _doubts_about(room)
        self.reasons: set[str] = set()
        self.attempts: dict[str, list[Attempt]] = {}
        self._room = room
        self._stops = 0
        self._replans_later = False

    def stop(self, deployment_id: str) -> None:
        """Add a stop that is complete. Elasticsearch plans what is short soon after, at a moment that is not known."""
        stopped = [task_of(self._room.nodes, each, Stop(deployment_id)) for each in self.situations]
        self._stops += 1
        self._replans_later |= not all(each.fixed for each in stopped)
        if self._stops > 1 and self._replans_later:  # a plan for one may see the other as it is being stopped
            self.doubts.add(STOPPING)
        self._follow(each.situation for each in stopped)

    def decrease(self, deployment_id: str, number: int) -> None:
        """Add an update to fewer allocations, for which Elasticsearch makes no plan."""
        if len(self._room.capacity.assignable) < len(self._room.capacity.nodes):
            self.doubts.add(LEAVING)
        self._follow(found for each in self._steps(Update(deployment_id, number)) for found in each.reached)

    def increase(self, deployment_id: str, number: int) -> None:
        """Add an update to more allocations."""
        self._attempt(deployment_id, Update(deployment_id, number))

    def start(self, deployment: Placed) -> None:
        """Add a start."""
        self._attempt(deployment.id, Start(deployment))

    def _attempt(self, deployment_id: str, event: Event) -> None:
        after: list[Situation] = []
        attempts = self.attempts[deployment_id] = []
        for each in self._steps(event):
            for outcome, reached in zip(each.outcomes.found, each.reached, strict=True):
                attempt = self._judged(each, deployment_id, outcome, reached)
                attempts.append(attempt)
                after.append(reached if attempt.accepted else each.task.before)
        self._follow(after)

    def _judged(self, taken: Step, deployment_id: str, outcome: Outcome, reached: Situation) -> Attempt:
        [deployment] = [each for each in taken.task.situation if each.id == deployment_id]
        others = tuple(each for each in reached if each.id != deployment_id)
        failure = outcome if isinstance(outcome, RequestFails) else None
        placed = {} if isinstance(outcome, RequestFails) else dict(outcome.allocations[deployment_id])
        fits = sum(placed.values()) >= deployment.allocations
        may_grow = self._room.capacity.may_grow is not False
        return Attempt(deployment, others, placed, failure is None and (fits or may_grow), failure)

    def _steps(self, event: Event) -> list[Step]:
        """Return what becomes of each situation that has the deployment to update."""
        room = self._room
        situations = [
            each for each in self.situations if not isinstance(event, Update) or any(one.id == event.id for one in each)
        ]
        if len(situations) < len(self.situations):
            self.doubts.add(EARLIER)
        steps = [step(room.nodes, situation, event, room.rules) for situation in situations]
        for each in steps:
            self.doubts |= set() if each.outcomes.complete else {CLOSE}
            self.reasons |= each.outcomes.reasons
            if room.rules.observes_memory and not each.task.fixed and any(one.routes for one in each.task.situation):
                self.doubts.add(MEMORY_OBSERVED)
        return steps

    def _follow(self, situations: t.Iterable[Situation]) -> None:
        """Go on with different *situations*, and not with too many. The plan after a stop may come after any write."""
        self.situations = self._few(situations) or self.situations
        if self._replans_later:
            replanned = [found for each in self._steps(Replan()) for found in each.reached]
            self.situations = self._few([*replanned, *self.situations])
            if len(self.situations) > 1:
                self.reasons.add(STOPPING)

    def _few(self, situations: t.Iterable[Situation]) -> list[Situation]:
        different = distinct(situations)
        if len(different) > MOST_SITUATIONS:
            self.doubts.add(EARLIER)
        return different[:MOST_SITUATIONS]


def _doubts_about(room: Room) -> set[str]:
    """Return why the places are not certain whatever is sent."""
    doubts = {
        NOT_RECORDED: not room.is_recorded,
        VERSION: len(room.capacity.versions) > 1,
        NO_ZONE: room.capacity.has_node_without_zone,
    }
    return {doubt for doubt, holds in doubts.items() if holds}

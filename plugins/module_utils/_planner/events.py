# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Follow what requests do to the deployments of the cluster state (planner.md 2 and 9)."""

from __future__ import annotations

import dataclasses
import typing as t

from .outcomes import Outcome, Outcomes, outcomes_of
from .rebalance import present
from .records import Allocations, Deployment, Node, RequestFails, Route
from .reduce import reduce_allocations
from .routes import is_settled, routes_after
from .rules import Rules

Situation = tuple[Deployment, ...]
"""All deployments, in the order of the cluster state."""


@dataclasses.dataclass(frozen=True)
class Replan:
    """Something after which everything is planned again. ``new``: the deployment that this creates, the last one."""

    new: str | None = None


@dataclasses.dataclass(frozen=True)
class Start:
    """A request that creates a deployment."""

    deployment: Deployment


@dataclasses.dataclass(frozen=True)
class Update:
    """A request for another number of allocations."""

    id: str
    allocations: int


@dataclasses.dataclass(frozen=True)
class Stop:
    """A request that removes a deployment, with what Elasticsearch plans for the others soon after."""

    id: str


Event: t.TypeAlias = "Replan | Start | Update | Stop"


@dataclasses.dataclass(frozen=True)
class Task:
    """The work that an event means: from the situation *before* it to the *situation* to plan.

    What was *before* stays if the plan fails: a stop has removed its deployment by then. ``fixed``: its targets are
    certain without a plan; ``reduces``: because a scale-down takes targets away.
    """

    before: Situation
    situation: Situation
    new: str | None = None
    fixed: bool = False
    reduces: bool = False


def task_of(nodes: t.Sequence[Node], before: Situation, event: Event) -> Task:
    """Return what an event asks for; raise ``RequestFails`` if it is a scale-down that has nothing to take away."""
    situation, new = before, None
    if isinstance(event, Start):
        situation, new = (*_without(before, event.deployment.id), event.deployment), event.deployment.id
    elif isinstance(event, Stop):
        before = situation = _without(before, event.id)
    elif isinstance(event, Update):
        [deployment] = [each for each in before if each.id == event.id]
        changed = dataclasses.replace(deployment, allocations=event.allocations)
        if sum(deployment.targets.values()) <= event.allocations < deployment.allocations:
            return Task(before, _with(before, changed), fixed=True)
        if event.allocations < deployment.allocations:
            reduced = _reduced(nodes, deployment, event.allocations)
            return Task(before, _with(before, reduced), fixed=True, reduces=True)
        situation = _with(before, changed)
    else:
        new = event.new
    return Task(before, situation, new, fixed=new is None and is_settled(nodes, situation))


@dataclasses.dataclass(frozen=True)
class Step:
    """The outcomes of one situation."""

    task: Task
    outcomes: Outcomes

    @property
    def reached(self) -> list[Situation]:
        """Return the situations that may follow, the most likely first."""
        return [self._after(outcome) for outcome in self.outcomes.found]

    @property
    def possible(self) -> list[Allocations]:
        """Return the targets that may follow; those from before if the request fails."""
        present = {each.id: {} if each.id == self.task.new else each.targets for each in self.task.situation}
        return [present if isinstance(each, RequestFails) else each.allocations for each in self.outcomes.found]

    def _after(self, outcome: Outcome) -> Situation:
        if isinstance(outcome, RequestFails):
            return self.task.before
        if self.task.fixed:
            return self.task.situation
        return tuple(
            _placed(each, outcome.allocations[each.id], each.id == self.task.new)
            for each in self.task.situation
            if each.id not in outcome.lost
        )


def step(nodes: t.Sequence[Node], situation: Situation, event: Event, rules: Rules) -> Step:
    """Return what an event may lead to."""
    try:
        task = task_of(nodes, situation, event)
    except RequestFails as failure:
        return Step(Task(situation, situation, fixed=True), Outcomes([failure]))
    if task.fixed:
        return Step(task, Outcomes([present(nodes, task.situation, rules)]))
    return Step(task, outcomes_of(nodes, task.situation, rules, task.new))


def distinct(situations: t.Iterable[Situation]) -> list[Situation]:
    """Return each situation once, in order; they hold dictionaries, so a set cannot."""
    found: list[Situation] = []
    for situation in situations:
        if situation not in found:
            found.append(situation)
    return found


def _placed(deployment: Deployment, allocations: t.Mapping[str, int], is_new: bool) -> Deployment:
    """Return a deployment after a plan."""
    before = dataclasses.replace(deployment, routes={}, max_assigned=0) if is_new else deployment
    routes = routes_after(before, allocations)
    ever = max(before.max_assigned, sum(route.current for route in routes.values()))
    return dataclasses.replace(before, routes=routes, max_assigned=ever)


def _without(situation: Situation, deployment_id: str) -> Situation:
    return tuple(each for each in situation if each.id != deployment_id)


def _with(situation: Situation, deployment: Deployment) -> Situation:
    return tuple(deployment if each.id == deployment.id else each for each in situation)


def _reduced(nodes: t.Iterable[Node], deployment: Deployment, allocations: int) -> Deployment:
    """Return a deployment after a scale-down."""
    zones: dict[tuple[str, ...], list[str]] = {}
    for node in nodes:
        zones.setdefault(node.zone, []).append(node.id)
    zones = zones if len(zones) > 1 else {(): [node for nodes_of_zone in zones.values() for node in nodes_of_zone]}
    targets = reduce_allocations(deployment.targets, zones, allocations)
    routes = {
        node: Route(route.current, targets[node], route.state)
        for node, route in deployment.routes.items()
        if node in targets
    }
    return dataclasses.replace(deployment, allocations=allocations, routes=routes)

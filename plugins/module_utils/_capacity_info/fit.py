# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The number of allocations that fit, found by asking the planner for more until it refuses. Pure."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .._planner.bounds import most_on
from .._planner.events import Start
from .._planner.memory import needed
from .._planner.predict import Forecast, Prediction
from .._planner.records import Allocations, Deployment, Node, RequestFails
from .._planner.rules import Rules

LIMIT = 128
"""Numbers that are tried one by one. That a large one fits does not prove it of all smaller ones: Elasticsearch shares
among zones, and keeps what runs where it is."""
LOW_LIMIT = 64
"""Deployments of low priority that are tried, one after another."""


@dataclasses.dataclass(frozen=True)
class Room:
    """The situation that the planner is asked about: all nodes and all deployments, in the order of the cluster state.

    ``unknown``: parts of it that could not be read.
    """

    nodes: tuple[Node, ...]
    deployments: tuple[Deployment, ...]
    rules: Rules
    unknown: tuple[str, ...] = ()

    def forecast(self) -> Forecast:
        """Return what tells what becomes of starts, one after another."""
        return Forecast(self.nodes, self.deployments, self.rules, self.unknown)

    def targets(self) -> Allocations:
        """Return the targets on the nodes that get allocations, by deployment and node."""
        ids = {node.id for node in self.nodes}
        return {
            each.id: {node_id: route.target for node_id, route in each.routes.items() if node_id in ids}
            for each in self.deployments
        }


@dataclasses.dataclass(frozen=True)
class Fit:
    """Each number up to ``least`` fits, and none above ``most``.

    ``new``: the deployments that run then; ``allocations``: of all deployments, by a plan that is likely.
    ``prediction``: of that plan, ``None`` if nothing new runs. ``doubts``: what makes the numbers differ, in the
    planner's words.
    """

    least: int
    most: int
    allocations: Allocations
    new: tuple[Deployment, ...] = ()
    prediction: Prediction | None = None
    doubts: tuple[str, ...] = ()

    @property
    def is_certain(self) -> bool:
        """Return whether ``allocations`` is the only plan."""
        return self.prediction is None or self.prediction.kind == "exact"

    @property
    def places(self) -> dict[str, int | None]:
        """Return the allocations of the new deployments by node, ``None`` where their number is not certain."""
        least: collections.Counter[str] = collections.Counter()
        most: collections.Counter[str] = collections.Counter()
        if self.prediction is not None:
            for each in self.new:
                least.update(self.prediction.least.get(each.id, {}))
                most.update(self.prediction.most.get(each.id, {}))
        return {node_id: number if least[node_id] == number else None for node_id, number in most.items() if number}

    def most_of(self, deployment_id: str) -> int:
        """Return the most allocations that a deployment may have then."""
        if self.prediction is None:
            return sum(self.allocations.get(deployment_id, {}).values())
        return self.prediction.totals.get(deployment_id, (0, 0))[1]

    def with_most(self, most: int) -> Fit:
        return dataclasses.replace(self, most=most)

    def with_one_more(self, number: int, new: tuple[Deployment, ...], outcome: _Outcome) -> Fit:
        """Return what is known after *number* more, of which it is not certain that they fit if *new* is empty."""
        if new and outcome.prediction:
            return Fit(number, self.most, outcome.prediction.allocations, new, outcome.prediction)
        return self if self.doubts else dataclasses.replace(self, doubts=outcome.doubts)


def how_many(room: Room, new: Deployment, most_deployments: int) -> Fit:
    """Return how many allocations of a *new* deployment fit; of low priority, how many deployments of one each.

    *most_deployments*: as many more as the cluster takes.
    """
    if most_deployments < 1:
        return Fit(0, 0, room.targets())
    return _of_low_priority(room, new, most_deployments) if new.low else _of_normal_priority(room, new)


def ceiling(nodes: t.Iterable[Node], rules: Rules, new: Deployment) -> int:
    """Return how many allocations of a *new* deployment *nodes* that had nothing else would have room for.

    Of low priority: how many deployments of one each.
    """
    if new.low:
        least = min(needed(new, 1, each) for each in (rules, *rules.others))
        return sum(node.memory // least for node in nodes)
    return sum(most_on(node, dataclasses.replace(new, allocations=node.cores), rules) for node in nodes)


def _of_normal_priority(room: Room, new: Deployment) -> Fit:
    most = ceiling(room.nodes, room.rules, new)
    found, certain = Fit(0, most, room.targets()), True
    for number in range(1, min(most, LIMIT) + 1):
        asked = dataclasses.replace(new, allocations=number)
        outcome = _started(room.forecast(), asked)
        if outcome.most < number:
            return found.with_most(number - 1)
        certain = certain and outcome.least == number
        found = found.with_one_more(number, (asked,) if certain else (), outcome)
    return found if most <= LIMIT else found.with_most(_most_by_halves(room, new, most))


def _most_by_halves(room: Room, new: Deployment, most: int) -> int:
    """Return a number whose successor is refused, between :data:`LIMIT` and *most*."""
    accepted, refused = LIMIT, most + 1
    while refused - accepted > 1:
        middle = (accepted + refused) // 2
        if _started(room.forecast(), dataclasses.replace(new, allocations=middle)).most < middle:
            refused = middle
        else:
            accepted = middle
    return accepted


def _of_low_priority(room: Room, new: Deployment, most_deployments: int) -> Fit:
    most = min(most_deployments, ceiling(room.nodes, room.rules, new))
    found, certain, forecast = Fit(0, most, room.targets()), True, room.forecast()
    for number in range(min(most, LOW_LIMIT)):
        asked = dataclasses.replace(new, id=f"{new.id}-{number + 1}" if number else new.id, allocations=1)
        outcome = _started(forecast, asked)
        if outcome.most < 1:
            return found.with_most(number)
        certain = certain and outcome.least == 1
        found = found.with_one_more(number + 1, (*found.new, asked) if certain else (), outcome)
    return found


class _Outcome(t.NamedTuple):
    """The allocations that a new deployment gets. ``prediction``: ``None`` if the request is certain to fail."""

    least: int
    most: int
    prediction: Prediction | None = None

    @property
    def doubts(self) -> tuple[str, ...]:
        return self.prediction.reasons if self.prediction else ()


def _started(forecast: Forecast, new: Deployment) -> _Outcome:
    try:
        found: Prediction = forecast.after(Start(new))
    except RequestFails:
        return _Outcome(0, 0)
    least, most = found.totals[new.id]
    return _Outcome(0 if found.may_fail else least, most, found)

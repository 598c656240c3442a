# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The number of allocations that fit, found by asking the planner for more until it refuses. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from .._planner.events import Start
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

    ``new``: the deployments that run then; ``allocations``: of all deployments, ``None`` if that is not certain.
    ``doubts``: what makes the numbers differ, in the planner's words.
    """

    least: int
    most: int
    new: tuple[Deployment, ...] = ()
    allocations: Allocations | None = None
    doubts: tuple[str, ...] = ()


def how_many(room: Room, new: Deployment, most_deployments: int) -> Fit:
    """Return how many allocations of a *new* deployment fit; of low priority, how many deployments of one each.

    *most_deployments*: as many more as the cluster takes.
    """
    if most_deployments < 1:
        return Fit(0, 0, (), room.targets())
    return _of_low_priority(room, new, most_deployments) if new.low else _of_normal_priority(room, new)


def _of_normal_priority(room: Room, new: Deployment) -> Fit:
    ceiling = sum(node.cores // new.threads for node in room.nodes)
    found, certain = Fit(0, ceiling, (), room.targets()), True
    for number in range(1, min(ceiling, LIMIT) + 1):
        asked = dataclasses.replace(new, allocations=number)
        outcome = _started(room.forecast(), asked)
        if outcome.most < number:
            return dataclasses.replace(found, most=number - 1)
        certain = certain and outcome.least == number
        if certain:
            found = Fit(number, ceiling, (asked,), outcome.allocations)
        elif not found.doubts:
            found = dataclasses.replace(found, doubts=outcome.doubts)
    return found if ceiling <= LIMIT else dataclasses.replace(found, most=_most_by_halves(room, new, ceiling))


def _most_by_halves(room: Room, new: Deployment, ceiling: int) -> int:
    """Return a number whose successor is refused, between :data:`LIMIT` and *ceiling*."""
    accepted, refused = LIMIT, ceiling + 1
    while refused - accepted > 1:
        middle = (accepted + refused) // 2
        if _started(room.forecast(), dataclasses.replace(new, allocations=middle)).most < middle:
            refused = middle
        else:
            accepted = middle
    return accepted


def _of_low_priority(room: Room, new: Deployment, most_deployments: int) -> Fit:
    found, certain, forecast = Fit(0, most_deployments, (), room.targets()), True, room.forecast()
    for number in range(min(most_deployments, LOW_LIMIT)):
        asked = dataclasses.replace(new, id=f"{new.id}-{number + 1}" if number else new.id, allocations=1)
        outcome = _started(forecast, asked)
        if outcome.most < 1:
            return dataclasses.replace(found, most=number)
        certain = certain and outcome.least == 1
        if certain:
            found = Fit(number + 1, most_deployments, (*found.new, asked), outcome.allocations)
        elif not found.doubts:
            found = dataclasses.replace(found, doubts=outcome.doubts)
    return found


class _Outcome(t.NamedTuple):
    """The allocations that a new deployment gets, and those of all deployments, if they are certain."""

    least: int
    most: int
    allocations: Allocations | None = None
    doubts: tuple[str, ...] = ()


def _started(forecast: Forecast, new: Deployment) -> _Outcome:
    try:
        found: Prediction = forecast.after(Start(new))
    except RequestFails:
        return _Outcome(0, 0)
    least, most = found.totals[new.id]
    certain = found.allocations if found.kind == "exact" else None
    return _Outcome(0 if found.may_fail else least, most, certain, found.reasons)

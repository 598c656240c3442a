# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Predict the routing tables that requests leave, and say how certain that is (planner.md 13.2)."""

from __future__ import annotations

import dataclasses
import typing as t

from .bounds import around, loosened, widest
from .events import Event, Replan, Situation, Step, distinct, step
from .outcomes import CLOSE, ORDER, Outcomes
from .records import Allocations, Deployment, Node, RequestFails
from .rules import Rules

MEMORY = "memory"
CORES = "cores"
ZONES = "zones"
"""What could not be read of the nodes."""
MEMORY_OBSERVED = "memory_observed"
"""The version counts memory that it has observed, which is not known here."""
EARLIER = "earlier"
"""It is not known what an earlier request of the list leaves."""


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The targets by deployment and node that a request leaves.

    ``exact``: there is one plan, and ``least`` and ``most`` are that plan. ``bounds``: ``allocations`` is likely only.
    ``totals``: the fewest and the most allocations of each deployment. ``reasons``: what makes it uncertain, by the
    constants of this file and of outcomes.py, and what the caller did not know. ``may_fail``: Elasticsearch may refuse
    the request, and change nothing. ``lost``: deployments that vanish from the cluster state (planner.md 2).
    """

    kind: t.Literal["exact", "bounds"]
    allocations: Allocations
    least: Allocations
    most: Allocations
    totals: t.Mapping[str, tuple[int, int]]
    reasons: tuple[str, ...] = ()
    lost: frozenset[str] = frozenset()
    may_fail: bool = False


def predict(
    nodes: t.Sequence[Node],
    deployments: t.Sequence[Deployment],
    rules: Rules,
    new: str | None = None,
    unknown: t.Iterable[str] = (),
) -> Prediction:
    """Return what becomes of a request after which everything is planned again.

    ``nodes``, ``deployments`` and ``new`` are those of ``rebalance``. ``unknown`` names what could not be read of them,
    such as ``memory``, ``cores`` or ``zones``: then each node has the most that it may have. Raise ``RequestFails`` if
    that is certain.
    """
    [prediction] = predict_all(nodes, deployments, rules, [Replan(new)], unknown)
    return prediction


def predict_all(
    nodes: t.Sequence[Node],
    deployments: t.Sequence[Deployment],
    rules: Rules,
    events: t.Iterable[Event],
    unknown: t.Iterable[str] = (),
) -> list[Prediction]:
    """Return what becomes of each request of a list that is sent in this order."""
    forecast = Forecast(nodes, deployments, rules, unknown)
    return [forecast.after(event) for event in events]


class Forecast:
    """The situations that may be there after the requests so far."""

    def __init__(
        self,
        nodes: t.Sequence[Node],
        deployments: t.Iterable[Deployment],
        rules: Rules,
        unknown: t.Iterable[str] = (),
        most: int = 8,
    ) -> None:
        """Begin with the present situation. ``most``: how many situations are followed at once."""
        self._nodes = nodes
        self._rules = rules
        self._unknown = frozenset(unknown)
        self._situations: list[Situation] = [tuple(deployments)]
        self._most = most
        self._lost_track = False

    def after(self, event: Event) -> Prediction:
        """Return the prediction for one more request; raise ``RequestFails`` if that is certain."""
        steps = [step(self._nodes, situation, event, self._rules) for situation in self._situations]
        reached = [situation for each in steps for situation in each.reached]
        outcomes = steps[0].outcomes
        for each in steps[1:]:
            outcomes.add_all(each.outcomes, EARLIER)
        doubts = {doubt for each in steps for doubt in self._doubts(each)}
        if not doubts and not outcomes.plans:
            raise t.cast(RequestFails, outcomes.found[0])
        self._move_on(reached, doubts)
        return self._prediction(steps, outcomes, doubts)

    def _doubts(self, each: Step) -> set[str]:
        """Return why not all that may happen is among the outcomes of a step."""
        task = each.task
        needed = self._unknown & {ZONES} if task.reduces else self._unknown
        has_run = any(deployment.routes for deployment in task.situation)
        doubts = {
            EARLIER: self._lost_track,
            CLOSE: not each.outcomes.complete,
            MEMORY_OBSERVED: self._rules.observes_memory and has_run and not task.fixed,
            **dict.fromkeys(needed, task.reduces or not task.fixed),
        }
        return {doubt for doubt, holds in doubts.items() if holds}

    def _move_on(self, reached: t.Iterable[Situation], doubts: t.Collection[str]) -> None:
        """Keep the situations that may be there now, or the most likely one if others are unknown."""
        self._situations = distinct(reached)
        if doubts or len(self._situations) > self._most:
            self._lost_track = True
            del self._situations[1:]

    def _prediction(self, steps: t.Sequence[Step], outcomes: Outcomes, doubts: t.Collection[str]) -> Prediction:
        possible = [allocations for each in steps for allocations in each.possible]
        bounds = around(possible)
        if doubts or ORDER in outcomes.reasons:
            limits = widest(
                self._nodes, steps[0].task.situation, self._rules, memory_counts=MEMORY_OBSERVED not in doubts
            )
            bounds = limits if doubts else loosened(bounds, limits)
        is_exact = not doubts and len(outcomes.found) == 1
        return Prediction(
            "exact" if is_exact else "bounds",
            possible[0],
            bounds.least,
            bounds.most,
            bounds.totals,
            () if is_exact else tuple(sorted({*doubts, *outcomes.reasons})),
            outcomes.plans[0].lost if outcomes.plans else frozenset(),
            len(outcomes.plans) < len(outcomes.found),
        )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find every plan that Elasticsearch may make of the same request (planner.md 13.2)."""

from __future__ import annotations

import dataclasses
import typing as t

from .planning import Planning
from .rebalance import plan_all
from .records import Deployment, Node, Plan, RequestFails
from .rules import Rules

CLOSE = "close"
"""Plans are equally good but for the last bits of a sum."""
ORDER = "order"
"""The order decides in which Elasticsearch takes nodes and deployments."""
VERSION = "version"
"""By which rules the version plans is not certain."""

_MOST_BRANCHES = 24

Outcome = Plan | RequestFails


@dataclasses.dataclass
class Outcomes:
    """The possible ends of a request, the most likely first. ``reasons``: why there is more than one.

    ``complete``: whether all were found.
    """

    found: list[Outcome] = dataclasses.field(default_factory=list)
    reasons: set[str] = dataclasses.field(default_factory=set)
    complete: bool = True

    @property
    def plans(self) -> list[Plan]:
        """Return those in which the request does not fail."""
        return [outcome for outcome in self.found if isinstance(outcome, Plan)]

    def add(self, outcome: Outcome, reason: str) -> None:
        """Add what may happen for a reason, if it is new."""
        if any(_are_alike(outcome, other) for other in self.found):
            return
        if self.found:
            self.reasons.add(reason)
        self.found.append(outcome)

    def add_all(self, others: Outcomes, reason: str) -> None:
        """Add those of another situation, which may be there for a reason."""
        for outcome in others.found:
            self.add(outcome, reason)
        self.reasons |= others.reasons
        self.complete &= others.complete


def outcomes_of(
    nodes: t.Sequence[Node], deployments: t.Sequence[Deployment], rules: Rules, new: str | None = None
) -> Outcomes:
    """Return what may become of a request, by the rules and orders that are possible."""
    outcomes = Outcomes()
    for variant in _possible_rules(rules, deployments):
        for reverse in (False, True) if _order_counts(nodes, deployments) else (False,):
            reason = ORDER if reverse else VERSION
            _branch(_listed(nodes, deployments, reverse), variant, new, reason, outcomes)
    return outcomes


def _branch(
    situation: tuple[t.Sequence[Node], t.Sequence[Deployment]],
    rules: Rules,
    new: str | None,
    reason: str,
    outcomes: Outcomes,
) -> None:
    """Add the plan, and those that follow if close calls are decided otherwise."""
    waiting: list[tuple[int, ...]] = [()]
    for _branch_number in range(_MOST_BRANCHES):
        forced = waiting.pop()
        planning = Planning(rules, forced)
        outcomes.add(_outcome(*situation, planning, new), CLOSE if forced else reason)
        if planning.ambiguous:
            outcomes.complete = False
        signs = tuple(call.sign for call in planning.calls)
        for place, call in list(enumerate(planning.calls))[len(forced) :]:
            waiting += [(*signs[:place], sign) for sign in call.others]
        if not waiting:
            return
    outcomes.complete = False


def _outcome(
    nodes: t.Sequence[Node], deployments: t.Sequence[Deployment], planning: Planning, new: str | None
) -> Outcome:
    try:
        return plan_all(nodes, deployments, planning, new)
    except RequestFails as failure:
        return failure


def _possible_rules(rules: Rules, deployments: t.Iterable[Deployment]) -> t.Iterator[Rules]:
    """Yield the rules that the version may plan by. From when on it looks at the right id is not certain."""
    ids_disagree = any(each.id.startswith(rules.elser) != each.model_id.startswith(rules.elser) for each in deployments)
    for variant in (rules, *rules.others):
        yield variant
        if variant.elser_by_deployment and ids_disagree:
            yield dataclasses.replace(variant, elser_by_deployment=False)


def _order_counts(nodes: t.Iterable[Node], deployments: t.Iterable[Deployment]) -> bool:
    """Return whether anything is not sorted before it is planned."""
    return len({node.zone for node in nodes}) > 1 or sum(each.low for each in deployments) > 1


def _listed(
    nodes: t.Sequence[Node], deployments: t.Sequence[Deployment], reverse: bool
) -> tuple[t.Sequence[Node], t.Sequence[Deployment]]:
    return (nodes[::-1], deployments[::-1]) if reverse else (nodes, deployments)


def _are_alike(one: Outcome, other: Outcome) -> bool:
    if isinstance(one, RequestFails) or isinstance(other, RequestFails):
        return isinstance(one, RequestFails) and isinstance(other, RequestFails)
    return one.allocations == other.allocations and one.lost == other.lost

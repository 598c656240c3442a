# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find every plan that Elasticsearch may make of the same request (planner.md 13.2)."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from .java import Random
from .memory import memory_of
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

_RANDOM_ORDERS = 6

Outcome: t.TypeAlias = "Plan | RequestFails"


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
    nodes: t.Sequence[Node],
    deployments: t.Sequence[Deployment],
    rules: Rules,
    new: str | None = None,
    most: int = 24,
) -> Outcomes:
    """Return what may become of a request, by the rules and orders that are possible, at *most* so many of each."""
    outcomes = Outcomes()
    for variant in _possible_rules(rules, nodes, deployments):
        if _try_all(outcomes, _ends(nodes, deployments, variant, new), VERSION, most):
            for other_nodes, others in _other_orders(nodes, deployments):
                _try_all(outcomes, _ends(other_nodes, others, variant, new), ORDER, most)
    return outcomes


def _try_all(outcomes: Outcomes, ends: t.Iterator[tuple[Planning, Outcome]], reason: str, most: int) -> bool:
    """Add what may happen by the same rules and in the same order; return whether another order may matter."""
    order_counts = False
    for planning, outcome in itertools.islice(ends, most):
        outcomes.add(outcome, CLOSE if planning.forced else reason)
        outcomes.complete &= not planning.ambiguous
        order_counts |= planning.order_counts
    outcomes.complete &= next(ends, None) is None
    return order_counts


def _ends(
    nodes: t.Sequence[Node], deployments: t.Sequence[Deployment], rules: Rules, new: str | None
) -> t.Iterator[tuple[Planning, Outcome]]:
    """Yield the plan, and those that follow if close calls are decided otherwise."""
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        planning = Planning(rules, waiting.pop())
        yield planning, _outcome(nodes, deployments, planning, new)
        signs = tuple(call.sign for call in planning.calls)
        for place, call in enumerate(planning.calls):
            if place >= len(planning.forced):
                waiting += [(*signs[:place], sign) for sign in call.others]


def _other_orders(
    nodes: t.Sequence[Node], deployments: t.Sequence[Deployment]
) -> t.Iterator[tuple[t.Sequence[Node], t.Sequence[Deployment]]]:
    """Yield the reverse and some random orders, always the same."""
    yield nodes[::-1], deployments[::-1]
    random = Random()
    for _number in range(_RANDOM_ORDERS):
        yield tuple(sorted(nodes, key=lambda _: random.draw())), tuple(sorted(deployments, key=lambda _: random.draw()))


def _outcome(
    nodes: t.Sequence[Node], deployments: t.Sequence[Deployment], planning: Planning, new: str | None
) -> Outcome:
    try:
        return plan_all(nodes, deployments, planning, new)
    except RequestFails as failure:
        return failure


def _possible_rules(rules: Rules, nodes: t.Sequence[Node], deployments: t.Sequence[Deployment]) -> t.Iterator[Rules]:
    """Yield the rules that the version may plan by. From when on it looks at the right id is not certain."""
    if rules.others and all(_plan_alike(rules, other, nodes, deployments) for other in rules.others):
        yield rules
        return
    ids_disagree = any(each.id.startswith(rules.elser) != each.model_id.startswith(rules.elser) for each in deployments)
    for variant in (rules, *rules.others):
        yield variant
        if variant.elser_by_deployment and ids_disagree:
            yield dataclasses.replace(variant, elser_by_deployment=False)


def _plan_alike(one: Rules, other: Rules, nodes: t.Iterable[Node], deployments: t.Collection[Deployment]) -> bool:
    """Return whether two rules cannot differ: every node has memory for all that either of them may charge it."""
    if one.one_figure or other.one_figure or any(each.low for each in deployments):
        return False
    charged = 0
    for each in deployments:
        memory = memory_of(each, one)
        if memory != memory_of(each, other):
            return False
        # What runs on a node may be kept, charged where more comes, and charged again at the end.
        charged += 3 * memory.need(max(each.allocations, sum(each.targets.values())))
    return all(node.memory >= charged for node in nodes)


def _are_alike(one: Outcome, other: Outcome) -> bool:
    if isinstance(one, RequestFails) or isinstance(other, RequestFails):
        return isinstance(one, RequestFails) and isinstance(other, RequestFails)
    return one.allocations == other.allocations and one.lost == other.lost

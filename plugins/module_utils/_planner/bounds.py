# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say how few and how many allocations each node may get."""

from __future__ import annotations

import dataclasses
import typing as t

from .low_priority import CORES
from .memory import needed
from .records import Allocations, Deployment, Node
from .rules import Rules


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The fewest and the most allocations, by deployment and node. ``totals``: of each deployment on all nodes."""

    least: Allocations
    most: Allocations
    totals: t.Mapping[str, tuple[int, int]]


def around(possible: t.Sequence[Allocations]) -> Bounds:
    """Return the bounds of plans of which one is right."""
    ids = dict.fromkeys(name for plan in possible for name in plan)
    nodes = dict.fromkeys(node for plan in possible for of_nodes in plan.values() for node in of_nodes)

    def picked(pick: t.Callable[[t.Iterable[int]], int]) -> dict[str, dict[str, int]]:
        return {
            name: {
                node: number
                for node in nodes
                if (number := pick(plan.get(name, {}).get(node, 0) for plan in possible)) > 0
            }
            for name in ids
        }

    sums = {name: [sum(plan.get(name, {}).values()) for plan in possible] for name in ids}
    return Bounds(picked(min), picked(max), {name: (min(found), max(found)) for name, found in sums.items()})


def loosened(bounds: Bounds, limits: Bounds) -> Bounds:
    """Return bounds that leave open which nodes a deployment gets, where that differs among the plans at hand."""
    open_ones = [name for name in bounds.most if bounds.least.get(name) != bounds.most[name]]
    return dataclasses.replace(bounds, most={**bounds.most, **{name: limits.most[name] for name in open_ones}})


def widest(
    nodes: t.Sequence[Node], deployments: t.Sequence[Deployment], rules: Rules, *, memory_counts: bool = True
) -> Bounds:
    """Return what no plan can exceed: each node holds what it has the cores and the memory for, or has now."""
    most = {}
    for each in deployments:
        numbers = {
            node.id: max(most_on(node, each, rules, memory_counts=memory_counts), each.targets.get(node.id, 0))
            for node in nodes
        }
        most[each.id] = {node: number for node, number in numbers.items() if number > 0}
    totals = {each.id: (0, _at_most(each, most[each.id])) for each in deployments}
    return Bounds({name: {} for name in most}, most, totals)


def _at_most(deployment: Deployment, most: t.Mapping[str, int]) -> int:
    return min(sum(most.values()), max(deployment.allocations, sum(deployment.targets.values())))


def most_on(node: Node, deployment: Deployment, rules: Rules, *, memory_counts: bool = True) -> int:
    """Return how many allocations of a deployment a node has the cores and the memory for, if it has nothing else."""
    number = min(deployment.allocations, (CORES if deployment.low else node.cores) // deployment.threads)
    if not memory_counts:
        return number
    variants = (rules, *rules.others)
    return next(
        (
            fewer
            for fewer in range(number, 0, -1)
            if min(needed(deployment, fewer, each) for each in variants) <= node.memory
        ),
        0,
    )

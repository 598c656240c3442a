# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan the nodes of one zone (planner.md 3)."""

from __future__ import annotations

import typing as t

from .demand import Demand
from .greedy_fill import greedy_fill
from .java import text_order
from .keep import keep_all, keep_one
from .ledger import Ledger
from .planning import Planning
from .quality import quality_of
from .records import Node
from .solve import could_fit


def plan_zone(
    nodes: t.Iterable[Node], demands: t.Iterable[Demand], planning: Planning, *, previous_first: bool = True
) -> Ledger:
    """Return the plan. ``previous_first``: whether what had allocations once gets one before others get more."""
    nodes = sorted(nodes, key=lambda node: text_order(node.id))
    demands = sorted((each for each in demands if each.allocations > 0), key=lambda each: text_order(each.id))
    best = _keep_best(nodes, demands, planning)
    if previous_first and best.forgotten():
        other = _one_for_each_previous(nodes, demands, planning)
        if other.forgotten() < best.forgotten():
            return other
    return best


def _keep_best(nodes: t.Sequence[Node], demands: t.Sequence[Demand], planning: Planning) -> Ledger:
    """Return the plan that keeps one allocation on each node, or all, whichever is better."""
    one = keep_one(nodes, demands, planning)
    if not one.keeps_current():
        return keep_all(nodes, demands, planning)
    if not any(one.missing.values()):
        return one
    everything = keep_all(nodes, demands, planning)
    return everything if planning.is_as_good(quality_of(everything), quality_of(one)) else one


def _one_for_each_previous(nodes: t.Sequence[Node], demands: t.Sequence[Demand], planning: Planning) -> Ledger:
    """Place one allocation of each deployment that had any, then plan around these."""
    previous = [each.part(1, {}) for each in demands if each.max_assigned > 0]
    placeable = could_fit(nodes, previous)
    placed = greedy_fill(nodes, placeable, planning.rules)[0].placed if placeable else {}
    again = [each.part(each.allocations, placed.get(each.id, {})) for each in demands]
    return plan_zone(nodes, again, planning, previous_first=False)

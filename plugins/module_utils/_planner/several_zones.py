# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Spread deployments over zones (planner.md 7)."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .demand import Demand
from .java import text_order
from .keep import keep_all
from .ledger import Ledger
from .one_zone import plan_zone
from .planning import Planning
from .records import Node


def plan_zones(nodes: t.Iterable[Node], demands: t.Sequence[Demand], planning: Planning) -> Ledger:
    """Return the plan for deployments of normal priority."""
    by_zone: dict[str, list[Node]] = collections.defaultdict(list)
    for node in nodes:
        by_zone["".join(node.zone)].append(node)
    zones = [by_zone[key] for key in sorted(by_zone, key=text_order)]
    if len(zones) == 1:
        return plan_zone(zones[0], demands, planning)
    plan = _across(zones, demands, planning, previous_first=False)
    return _across(zones, demands, planning, previous_first=True) if plan.forgotten() else plan


def _across(
    zones: t.Sequence[t.Sequence[Node]], demands: t.Sequence[Demand], planning: Planning, *, previous_first: bool
) -> Ledger:
    """Plan zone by zone, then place what is left over anywhere."""
    remaining = {demand.id: demand.allocations for demand in demands}
    placed: dict[str, dict[str, int]] = {demand.id: {} for demand in demands}
    for done, zone in enumerate(zones):
        shares = [
            _share(demand, remaining[demand.id], len(zones) - done, previous_first)
            for demand in demands
            if remaining[demand.id] > 0
        ]
        for demand_id, there in plan_zone(zone, shares, planning, previous_first=previous_first).placed.items():
            placed[demand_id].update(there)
            remaining[demand_id] -= sum(there.values())
    nodes = [node for zone in zones for node in zone]
    around = [dataclasses.replace(demand, current=placed[demand.id]) for demand in demands]
    with_left_overs = keep_all(nodes, around, planning).placed
    planning.order_counts |= with_left_overs != placed
    plan = Ledger(nodes, demands, planning.rules)
    plan.put_all_and_charge_hosts(with_left_overs)
    return plan


def _share(demand: Demand, remaining: int, zones: int, previous_first: bool) -> Demand:
    """Return the part of a deployment that a zone gets, with ``zones`` to go. Its nodes elsewhere count as its own."""
    is_whole = previous_first and remaining == demand.allocations
    return dataclasses.replace(
        demand,
        allocations=1 + (remaining - 1) // zones,
        max_assigned=demand.max_assigned if is_whole else 0,
        low=False,
    )

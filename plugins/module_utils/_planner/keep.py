# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan around what runs (planner.md 4)."""

from __future__ import annotations

import dataclasses
import typing as t

from .demand import Demand
from .ledger import Ledger
from .planning import Planning
from .records import Node
from .solve import solve


def keep_all(nodes: t.Sequence[Node], demands: t.Sequence[Demand], planning: Planning) -> Ledger:
    """Return a plan that leaves all allocations where they are, and places the others."""
    return _keep(nodes, demands, lambda allocations: allocations, planning)


def keep_one(nodes: t.Sequence[Node], demands: t.Sequence[Demand], planning: Planning) -> Ledger:
    """Return a plan that leaves one allocation on each node of a deployment, and places the others."""
    return _keep(nodes, demands, lambda allocations: 1, planning)


def _keep(
    nodes: t.Sequence[Node], demands: t.Sequence[Demand], kept: t.Callable[[int], int], planning: Planning
) -> Ledger:
    free = solve(
        [_without_kept(node, demands, kept) for node in nodes],
        [_beyond_kept(demand, kept) for demand in demands],
        planning,
    )
    merge = _merge_older if planning.rules.one_figure else _merge
    return merge(Ledger(nodes, demands, planning.rules), free, kept)


def _without_kept(node: Node, demands: t.Iterable[Demand], kept: t.Callable[[int], int]) -> Node:
    """Return what a node has left beside what is kept there; that may be below zero."""
    here = [demand for demand in demands if node.id in demand.current]
    memory = sum(demand.memory.need(demand.current[node.id]) for demand in here)
    cores = sum(demand.threads * kept(demand.current[node.id]) for demand in here)
    return dataclasses.replace(node, memory=node.memory - memory, cores=node.cores - cores)


def _beyond_kept(demand: Demand, kept: t.Callable[[int], int]) -> Demand:
    """Return what is to be placed beside what is kept; that may be below zero, too."""
    if not demand.hosted:
        return demand
    current = {node: allocations - kept(allocations) for node, allocations in demand.current.items()}
    return demand.part(demand.allocations - demand.kept + sum(current.values()), current)


def _merge(ledger: Ledger, free: Ledger, kept: t.Callable[[int], int]) -> Ledger:
    """Put what is kept and what was placed together; leave out what does not fit."""
    for node in ledger.nodes:
        for demand in ledger.demands:
            if node.id in demand.current:
                allocations = kept(demand.current[node.id])
                cost = demand.memory.need(allocations)
                if ledger.fits(demand, node.id, allocations, cost):
                    ledger.put(demand, node.id, allocations, cost)
        for demand in ledger.demands:
            allocations = free.placed.get(demand.id, {}).get(node.id, 0)
            if allocations and ledger.fits(demand, node.id, allocations):
                ledger.put(demand, node.id, allocations)
    return ledger


def _merge_older(ledger: Ledger, free: Ledger, kept: t.Callable[[int], int]) -> Ledger:
    """Put them together as 8.8 to 8.11 do, which refuse the whole request if something does not fit."""
    for demand in ledger.demands:
        for node in ledger.nodes:
            allocations = free.placed.get(demand.id, {}).get(node.id, 0)
            if node.id in demand.current:
                ledger.free_memory[node.id] -= demand.memory.least
                allocations += kept(demand.current[node.id])
            ledger.put(demand, node.id, allocations)
    return ledger

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Place deployments of low priority on what the others leave (planner.md 8)."""

from __future__ import annotations

import dataclasses
import typing as t

from .demand import Demand
from .ledger import Ledger
from .memory import held
from .one_zone import plan_zone
from .planning import Planning
from .records import Deployment, Node
from .routes import as_demand

CORES = 100
"""Cores are not looked at, but the fills divide a number of them."""


def plan_low(
    nodes: t.Iterable[Node], deployments: t.Sequence[Deployment], normal: Ledger, planning: Planning
) -> Ledger:
    """Return the plan for deployments of low priority; the nodes are one zone to them."""
    left = [dataclasses.replace(node, memory=normal.free_memory[node.id], cores=CORES) for node in nodes]
    return plan_zone(left, _with_their_places(left, deployments, planning), planning)


def _with_their_places(
    nodes: t.Sequence[Node], deployments: t.Sequence[Deployment], planning: Planning
) -> t.Iterator[Demand]:
    """Yield the deployments, each with the nodes that still hold it: those that need least come first."""
    free = {node.id: node.memory for node in nodes}
    for deployment in sorted(deployments, key=lambda each: held(each, planning.rules)):
        demand = as_demand(deployment, nodes, planning.rules)
        holds = {}
        for node, allocations in demand.current.items():
            if free[node] >= held(deployment, planning.rules):
                free[node] -= held(deployment, planning.rules)
                holds[node] = allocations
        planning.order_counts |= holds != demand.current
        yield dataclasses.replace(demand, current=holds)

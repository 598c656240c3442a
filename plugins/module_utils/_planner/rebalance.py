# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan everything again, as a start, an update to more allocations or a stop does (planner.md 2)."""

from __future__ import annotations

import dataclasses
import typing as t

from .ledger import Ledger
from .low_priority import plan_low
from .memory import needed
from .planning import Planning
from .records import Deployment, DoesNotFit, Node, Plan
from .routes import as_demand, is_settled
from .rules import Rules
from .several_zones import plan_zones


def rebalance(
    nodes: t.Iterable[Node], deployments: t.Iterable[Deployment], rules: Rules, new: str | None = None
) -> Plan:
    """Return the plan for *nodes*: those that may take allocations, and are in a zone if there are zones.

    The deployments are in the order of the cluster state, the *new* one last. Raise ``DoesNotFit`` where the request
    fails.
    """
    return plan_all(list(nodes), list(deployments), Planning(rules), new)


def plan_all(nodes: t.Sequence[Node], deployments: t.Sequence[Deployment], planning: Planning, new: str | None) -> Plan:
    """Return the plan for all deployments."""
    if new is None and is_settled(nodes, deployments):
        return present(nodes, deployments, planning.rules)
    deployments = [
        dataclasses.replace(each, routes={}, max_assigned=0) if each.id == new else each for each in deployments
    ]
    normal = plan_zones(
        nodes, [as_demand(each, nodes, planning.rules) for each in deployments if not each.low], planning
    )
    low = plan_low(nodes, [each for each in deployments if each.low], normal, planning)
    together = Ledger(nodes, [*normal.demands, *low.demands], planning.rules)
    together.put_all_and_charge_hosts({**normal.placed, **low.placed})
    if planning.rules.one_figure:
        _explain(together)
    return _as_plan(together, deployments)


def present(nodes: t.Collection[Node], deployments: t.Collection[Deployment], rules: Rules) -> Plan:
    """Return the targets of the routing table as a plan."""
    memory, cores = {node.id: node.memory for node in nodes}, {node.id: node.cores for node in nodes}
    targets = {each.id: each.targets for each in deployments}
    for each in deployments:
        for node, target in each.targets.items():
            if node in memory:
                memory[node] -= needed(each, target, rules)
                cores[node] -= 0 if each.low else target * each.threads
    return Plan(targets, memory, cores)


def _explain(ledger: Ledger) -> None:
    """Refuse where 8.8 to 8.11 cannot say why a deployment is short: a node's memory is below zero (planner.md 10)."""
    for demand in ledger.demands:
        for node, free in ledger.free_memory.items():
            if ledger.missing[demand.id] > 0 and free < -1:
                raise DoesNotFit(demand.id, node)


def _as_plan(ledger: Ledger, deployments: t.Sequence[Deployment]) -> Plan:
    return Plan(
        {each.id: ledger.placed.get(each.id, {}) for each in deployments},
        ledger.free_memory,
        ledger.free_cores,
        frozenset(each.id for each in deployments if each.id not in ledger.placed),
    )

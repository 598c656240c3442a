# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reasons why a node takes no more allocations of a deployment, with the numbers. Pure."""

from __future__ import annotations

import typing as t

from .._capacity.lacks import lack_of_memory, lack_of_processors
from .._planner.memory import needed
from .._planner.records import Allocations, Deployment, Node
from .._planner.rules import Rules


def shortages(
    nodes: t.Iterable[Node],
    deployments: t.Sequence[Deployment],
    allocations: Allocations,
    rules: Rules,
    new: Deployment,
) -> dict[str, str]:
    """Return by node what it lacks for one more allocation of *new* beside the *allocations* of all *deployments*.

    A node that lacks nothing has room that Elasticsearch does not use: it shares among zones, or keeps what runs.
    """
    return {node.id: _shortage(node, deployments, allocations, rules, new) for node in nodes}


def _shortage(
    node: Node, deployments: t.Sequence[Deployment], allocations: Allocations, rules: Rules, new: Deployment
) -> str:
    cores, memory = node.cores, node.memory
    for each in deployments:
        target = allocations.get(each.id, {}).get(node.id, 0)
        cores -= 0 if each.low else target * each.threads
        memory -= needed(each, target, rules)
    # Each of low priority is a deployment of its own.
    there = 0 if new.low else allocations.get(new.id, {}).get(node.id, 0)
    lacking = [
        *lack_of_processors(node, cores, new),
        *lack_of_memory(node, max(0, memory), new, there, rules),
    ]
    return "; ".join(lacking) or "has room, and Elasticsearch places no more there"

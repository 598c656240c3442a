# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The room that a node lacks for one more allocation of a deployment, in words with the numbers. Pure.

What is free is free beside everything that has a place on the node, allocations of the deployment itself, too.
"""

from __future__ import annotations

from .._core.sizes import human_size
from .._planner.memory import needed
from .._planner.records import Deployment, Node
from .._planner.rules import Rules


def lack_of_processors(node: Node, free: int, deployment: Deployment) -> list[str]:
    """Return that the *free* processors of a node are too few; low priority needs none."""
    if deployment.low or free >= deployment.threads:
        return []
    return [f"{max(0, free)} of {node.cores} processors free, {deployment.threads} needed"]


def lack_of_memory(node: Node, free: int, deployment: Deployment, there: int, rules: Rules) -> list[str]:
    """Return that the *free* memory of a node is too little beside the allocations of *deployment* that are *there*."""
    amount = f"{human_size(max(0, free))} of {human_size(node.memory)} of memory free"
    more = needed(deployment, there + 1, rules) - (needed(deployment, there, rules) if there else 0)
    if free < more:
        return [f"{amount}, {human_size(more)} needed"]
    whole = needed(deployment, 1, rules)
    if there and free < whole and not rules.one_figure:  # then a host is no candidate for more (planner.md 4)
        return [f"{amount}, {human_size(whole)} needed to hold the model once more"]
    return []

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure how good a plan is (planner.md 1.2)."""

from __future__ import annotations

import dataclasses
import typing as t

from .java import hash_of_node, map_order
from .ledger import Ledger
from .records import Node

_HOST_BONUS = 0.1

Shares = tuple[tuple[float, ...], ...]


@dataclasses.dataclass(frozen=True)
class Quality:
    """The worth of a plan. ``shares``: what each deployment adds, node by node; ``tenths``: their exact sum."""

    keeps_current: bool
    shares: Shares
    tenths: int
    size: int


def running_sum(shares: t.Iterable[tuple[float, ...]]) -> float:
    """Return the sum as Java computes it: its last bits depend on the order."""
    total = 0.0
    for of_deployment in shares:
        for share in of_deployment:
            total += share
    return total


def _listed(by_hash: t.Iterable[Node], placed: t.Collection[str]) -> t.Sequence[Node]:
    """Return the nodes of one deployment as Java lists them."""
    nodes = [node for node in by_hash if node.id in placed] if placed else []
    return map_order(nodes, hash_of_node) if len(nodes) > 1 else nodes


def quality_of(ledger: Ledger) -> Quality:
    """Return how good the plan in a ledger is."""
    by_hash = map_order(ledger.nodes, hash_of_node)
    shares: list[tuple[float, ...]] = []
    tenths = size = 0
    for demand in ledger.demands:
        placed = ledger.placed[demand.id]
        size += demand.memory.size * len(placed)
        of_deployment = []
        for node in _listed(by_hash, placed):
            hosted = node.id in demand.current
            of_deployment.append((1 + _HOST_BONUS if hosted else 1.0) * placed[node.id])
            tenths += (11 if hosted else 10) * placed[node.id]
        shares.append(tuple(of_deployment))
    return Quality(ledger.keeps_current(), tuple(shares), tenths, size)

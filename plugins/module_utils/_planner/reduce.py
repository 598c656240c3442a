# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take allocations away without a plan (planner.md 9)."""

from __future__ import annotations

import typing as t

from .java import hash_of_text, hash_of_texts, map_order
from .records import RequestFails

Zone = tuple[str, ...]


class NothingToReduce(RequestFails):
    """The nodes in zones have no more than what is desired (planner.md 9)."""


def reduce_allocations(
    targets: t.Mapping[str, int], zones: t.Mapping[Zone, t.Collection[str]], desired: int
) -> dict[str, int]:
    """Return the targets by node that are left; together they are as many as *desired*.

    ``zones``: the nodes by the values of the awareness attributes. Targets on nodes in no zone do not count, and stay.
    """
    of_nodes = {node: targets[node] for node in map_order(targets, hash_of_text)}
    in_zones = {zone: {node: n for node, n in of_nodes.items() if node in zones[zone]} for zone in _listed(zones)}
    surplus = sum(sum(counts.values()) for counts in in_zones.values()) - desired
    if surplus <= 0:
        raise NothingToReduce
    while surplus > 0:
        by_size = sorted(in_zones.values(), key=lambda counts: sum(counts.values()))
        fewest = sum(by_size[0].values()) if len(by_size) > 1 else 0
        surplus -= _take(by_size[-1], surplus, fewest)
    left = {node: n for counts in in_zones.values() for node, n in counts.items()}
    within = {node for nodes in zones.values() for node in nodes}
    return {node: left.get(node, n) for node, n in targets.items() if node in left or node not in within}


def _listed(zones: t.Iterable[Zone]) -> list[Zone]:
    return map_order(zones, hash_of_texts)


def _take(counts: dict[str, int], surplus: int, fewest: int) -> int:
    """Take one node or one allocation off the largest zone, and return how many allocations that are."""
    node = min(counts, key=lambda each: counts[each])
    number = counts[node]
    stays_balanced = fewest == 0 or sum(counts.values()) - number >= fewest
    if number == 1 or (number <= surplus and stays_balanced):
        del counts[node]
        return number
    counts[node] -= 1
    return 1

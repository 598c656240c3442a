# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take allocations away without a new plan.

Source: server-behaviour.md 4.4. Ties between zones follow the order of a Java map (planner.md 9); here ``reducer_tie``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..wire import errors

Zones = Mapping[str, Sequence[str]]


class NothingToReduce(errors.ApiError):  # noqa: N818
    """The nodes in zones have too little already (server-behaviour.md 3.2 row 15)."""

    def __init__(self) -> None:
        reason = "request to reduce allocations is greater than or equal to the existing target number of allocations"
        super().__init__(400, "illegal_argument_exception", reason)


def reduce_allocations(
    targets: Mapping[str, int], zones: Zones, desired: int, *, last_zone: bool = False
) -> dict[str, int]:
    """Return targets by node; those in zones add up to ``wanted``. Nodes that lose everything are left out.

    Allocations on nodes that are in no zone are not looked at.
    """
    somewhere = {node for nodes in zones.values() for node in nodes}
    result = {node: number for node, number in targets.items() if number > 0 and node in somewhere}
    if sum(result.values()) <= desired:
        raise NothingToReduce
    while (surplus := sum(result.values()) - desired) > 0:
        by_zone = {key: [node for node in nodes if node in result] for key, nodes in zones.items()}
        totals = {key: sum(result[node] for node in nodes) for key, nodes in by_zone.items()}
        zone = max(sorted(totals, reverse=last_zone), key=lambda key: totals[key])
        node = min(by_zone[zone], key=lambda each: (result[each], each))
        if result[node] == 1 or (result[node] <= surplus and _zone_can_lose(zone, result[node], totals)):
            del result[node]
        else:
            result[node] -= 1
    return result | {node: number for node, number in targets.items() if node not in somewhere}


def _zone_can_lose(zone: str, amount: int, totals: Mapping[str, int]) -> bool:
    """Return whether a node may lose all at once, which keeps the balance."""
    others = [total for key, total in totals.items() if key != zone]
    return not others or min(others) == 0 or totals[zone] - amount >= min(others)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare two plans in every order in which Java may add up what the deployments are worth (planner.md 13.2)."""

from __future__ import annotations

import collections
import math
import typing as t

from .quality import Shares

ANY_SIGN = frozenset((-1, 0, 1))
_MOST_STATES = 1024

Pair = tuple[tuple[float, ...], tuple[float, ...]]
"""What one deployment adds to the sums of two plans."""


def possible_signs(one: Shares, other: Shares) -> frozenset[int]:
    """Return which of two sums may be larger, by order: 1 if *one*, -1 if the *other*, 0 if neither.

    Their exact sums are equal. Any may be larger where there are too many orders to try.
    """
    pairs = collections.Counter(pair for pair in zip(one, other, strict=True) if any(pair))
    if all(first == second for first, second in pairs) or _are_whole(pairs):
        return frozenset((0,))
    if math.prod(number + 1 for number in pairs.values()) > _MOST_STATES:
        return ANY_SIGN
    return frozenset((first > second) - (first < second) for first, second in _reachable_sums(pairs))


def _are_whole(pairs: t.Iterable[Pair]) -> bool:
    """Return whether order makes no difference: whole numbers are added without rounding."""
    return all(share.is_integer() for pair in pairs for shares in pair for share in shares)


def _reachable_sums(pairs: t.Mapping[Pair, int]) -> set[tuple[float, float]]:
    """Return both sums in every order. Deployments that add the same are one, as often as there are of them."""
    kinds = list(pairs)
    layer = {(0,) * len(kinds): {(0.0, 0.0)}}
    for _added in range(sum(pairs.values())):
        following: dict[tuple[int, ...], set[tuple[float, float]]] = collections.defaultdict(set)
        for used, sums in layer.items():
            for place, pair in enumerate(kinds):
                if used[place] < pairs[pair]:
                    using = (*used[:place], used[place] + 1, *used[place + 1 :])
                    following[using].update(_plus(both, pair) for both in sums)
        layer = dict(following)
    [final] = layer.values()
    return final


def _plus(sums: tuple[float, float], pair: Pair) -> tuple[float, float]:
    first, second = sums
    for share in pair[0]:
        first += share
    for share in pair[1]:
        second += share
    return first, second

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test which plans may be the better one, by the order in which Java adds what they are worth."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.close_calls import (
    ANY_SIGN,
    possible_signs,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.planning import Planning
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.quality import Quality, Shares
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import SETTLED

# planner.md 1.2: 1.1 x 2 + 1.1 x 7 + 2 > 1.1 x 5 + 1.1 x 4 + 2.
LARGER: Shares = ((1.1 * 2, 1.1 * 7, 2.0), ())
SMALLER: Shares = ((1.1 * 5, 1.1 * 4, 2.0), ())
OPEN: tuple[Shares, Shares] = (((8.0,), (2.2,), (1.1,)), ((2.2,), (1.1,), (8.0,)))


def signs_by_trying(one: Shares, other: Shares) -> set[int]:
    """Return the same as ``possible_signs``, order by order."""
    signs = set()
    for pairs in itertools.permutations(zip(one, other, strict=True)):
        sums = [0.0, 0.0]
        for pair in pairs:
            for place in (0, 1):
                for share in pair[place]:
                    sums[place] += share
        signs.add((sums[0] > sums[1]) - (sums[0] < sums[1]))
    return signs


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LARGER, SMALLER),
        (SMALLER, LARGER),
        OPEN,
        (((1.0,), (2.0,)), ((2.0,), (1.0,))),
        (((1.1,), (1.1 * 2,)), ((1.1,), (1.1 * 2,))),
        (((1.1 * 4,), (1.1 * 3,), (1.0,), (1.1 * 4,)), ((1.1 * 3,), (1.1 * 4,), (1.0,), (1.1 * 4,))),
        ((*itertools.repeat((1.1,), 4), (1.1 * 7,)), (*itertools.repeat((1.1 * 2,), 4), (1.1 * 3,))),
    ],
)
def test_signs_in_every_order(one: Shares, other: Shares) -> None:
    assert possible_signs(one, other) == signs_by_trying(one, other)


def test_any_sign_is_possible_where_there_are_too_many_orders() -> None:
    one: Shares = tuple((1.1 * number,) for number in range(1, 20))
    assert possible_signs(one, one[::-1]) == ANY_SIGN


def test_close_calls_are_noted_and_may_be_forced() -> None:
    one, other = (Quality(True, shares, 113, 100) for shares in OPEN)
    planning = Planning(SETTLED)
    given = planning.is_better(one, other), planning.is_better(other, one)
    assert len(planning.calls) == 1, "the same comparison is one call"
    [call] = planning.calls
    assert given == (call.sign > 0, call.sign < 0)
    assert {call.sign, *call.others} == set(signs_by_trying(*OPEN)), "the sizes are equal, and decide nothing"
    for sign in call.others:
        forced = Planning(SETTLED, [sign])
        assert (forced.is_better(one, other), forced.is_as_good(one, other)) == (sign > 0, sign >= 0)


def test_size_decides_between_equal_shares() -> None:
    small, large = (Quality(True, ((1.0,), (2.0,)), 30, size) for size in (100, 200))
    planning = Planning(SETTLED)
    assert planning.is_better(small, large)
    assert not planning.is_as_good(large, small)
    assert planning.calls == []


def test_more_comes_first_and_what_runs_before_that() -> None:
    planning = Planning(SETTLED)
    most, kept = Quality(False, ((5.0,),), 50, 1), Quality(True, ((4.0,),), 40, 9)
    assert planning.is_better(kept, most)
    assert not planning.is_better(most, kept)
    assert planning.is_better(Quality(True, ((5.0,),), 50, 9), kept)
    assert not planning.is_as_good(kept, Quality(True, ((5.0,),), 50, 9))

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the linear program: its solver beyond what plans need, and its limits."""

from __future__ import annotations

import math

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.demand import Demand
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.greedy_fill import greedy_fill
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.java import Random
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.linear_program import (
    draw_weights,
    solve_program,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.memory import Estimate
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.planning import Planning
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.records import Node
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import SETTLED
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.simplex import (
    GaveUp,
    NoSolution,
    Row,
    Simplex,
)

SMALL = Estimate(1, 0, 0, False)


def test_rows_that_share_columns() -> None:
    """Test 3x + 2y with x + y <= 4, x + 3y <= 6 and x <= 3: x = 3, y = 1."""
    rows = [Row({0: 1, 1: 1}, -math.inf, 4), Row({0: 1, 1: 3}, -math.inf, 6), Row({0: 1}, -math.inf, 3)]
    program = Simplex([3, 2], rows)
    program.fill(0, 0)
    assert program.solve() == pytest.approx([3, 1])
    assert not program.is_ambiguous


def test_a_lowest_value_is_reached_at_the_least_loss() -> None:
    program = Simplex([-3, -2], [Row({0: 1, 1: 1}, 5, 9)])
    assert program.solve() == [0, 5]


def test_equal_gains_are_ambiguous() -> None:
    program = Simplex([1, 1], [Row({0: 1, 1: 1}, 0, 4)])
    program.fill(0, 0)
    assert program.solve() == [4, 0]
    assert program.is_ambiguous


@pytest.mark.parametrize(
    "rows",
    [
        [Row({0: 1}, 3, 2)],
        [Row({0: 1}, 3, 9), Row({0: 1}, -math.inf, 2)],
        [Row({}, -math.inf, -1)],
    ],
)
def test_rows_that_exclude_each_other(rows: list[Row]) -> None:
    with pytest.raises(NoSolution):
        Simplex([-1], rows).solve()


def test_too_many_steps() -> None:
    with pytest.raises(GaveUp):
        Simplex([-1], [Row({0: 1}, 1, 2)]).solve(most_steps=1)


def test_programs_that_are_too_large_are_not_solved() -> None:
    """Test planner.md 5.3: (N + D) x N x D is more than 10,000,000."""
    nodes = [Node(f"n{number}", 1 << 40, 1) for number in range(100)]
    demands = [Demand(f"d{number:03}", 1, 1, SMALL) for number in range(280)]
    planning = Planning(SETTLED)
    _plan, weights = greedy_fill(nodes, demands[:1], SETTLED)
    draw_weights(nodes, demands, weights, Random())
    assert solve_program(nodes, demands, weights, planning) is None
    assert solve_program(nodes, demands[:50], weights, planning)
    assert not planning.ambiguous

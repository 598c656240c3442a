# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test which rules a version plans by, and the memory that these count."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.memory import (
    ELSER,
    MIB,
    held,
    memory_of,
    needed,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.records import Deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.rules import NEWER, OLDER, SETTLED, Rules

PLAIN = Deployment("d", "m", 100 * MIB, 2, 1)
BOTH = dataclasses.replace(PLAIN, per_deployment_bytes=300 * MIB, per_allocation_bytes=200 * MIB)


@pytest.mark.parametrize(
    ("version", "rules", "others"),
    [
        ((8, 8, 0), OLDER, ()),
        ((8, 11, 4), OLDER, ()),
        ((8, 12, 0), SETTLED, (OLDER, NEWER)),
        ((8, 15, 5), SETTLED, (OLDER, NEWER)),
        ((8, 16), SETTLED, ()),
        ((8, 19, 0), SETTLED, ()),
        ((8, 19, 1), NEWER, (SETTLED,)),
        ((9, 0, 4), SETTLED, ()),
        ((9, 1, 0), SETTLED, ()),
        ((9, 1, 1), NEWER, (SETTLED,)),
        ((9, 6, 0), NEWER, (SETTLED,)),
        (None, NEWER, (SETTLED, OLDER)),
    ],
)
def test_rules_of_a_version(version: tuple[int, ...] | None, rules: Rules, others: tuple[Rules, ...]) -> None:
    found = Rules.of(version)
    assert (found.one_figure, found.counts_current) == (rules.one_figure, rules.counts_current)
    assert found.others == others
    assert found.certain == (not others)
    assert found.observes_memory == (version == (9, 6, 0))


@pytest.mark.parametrize(
    ("deployment", "needs"),
    [
        (PLAIN, [0, 440, 440, 440]),
        (BOTH, [0, 600, 800, 1000]),
        (dataclasses.replace(PLAIN, per_allocation_bytes=200 * MIB), [0, 440, 500, 700]),
        (dataclasses.replace(PLAIN, cache_bytes=900 * MIB), [0, 440, 440, 440]),
        (dataclasses.replace(BOTH, id=".elser_model_2_linux"), [0, 2004, 2004, 2004]),
    ],
)
def test_memory_by_number_of_allocations(deployment: Deployment, needs: list[int]) -> None:
    assert [needed(deployment, number) // MIB for number in range(4)] == needs


def test_one_figure_counts_the_cache_and_all_allocations() -> None:
    deployment = dataclasses.replace(PLAIN, cache_bytes=900 * MIB)
    assert [needed(deployment, number, OLDER) // MIB for number in (1, 7)] == [440 + 800] * 2
    figure = memory_of(deployment, OLDER)
    assert figure.need(1) == figure.least == figure.size == figure.per_allocation == 1240 * MIB
    assert figure.grow(5, 0) == figure.more(5, -1) == 5


def test_elser_is_seen_by_the_id_that_the_version_looks_at() -> None:
    other_id = dataclasses.replace(PLAIN, model_id=".elser_model_2")
    assert needed(other_id, 1, NEWER) == ELSER
    assert needed(other_id, 1, SETTLED) == 440 * MIB
    assert needed(other_id, 1, Rules.of((8, 10, 0))) == 440 * MIB
    assert held(other_id, SETTLED) == ELSER


def test_both_figures_limit_what_a_node_takes() -> None:
    estimate = memory_of(BOTH, SETTLED)
    assert [estimate.grow(5, free * MIB) for free in (-1, 100, 500, 2000)] == [0, 0, 2, 5]
    assert estimate.more(5, -1) == -1
    assert memory_of(PLAIN, SETTLED).grow(5, 0) == 5


def test_figures_of_low_priority_count_only_for_what_it_holds() -> None:
    low = dataclasses.replace(BOTH, priority="low")
    assert memory_of(low, SETTLED).need(2) == 440 * MIB
    assert held(low, SETTLED) == 800 * MIB
    assert held(dataclasses.replace(low, allocations=0), SETTLED) == 0

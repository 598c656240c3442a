# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the scale-down beyond the recorded ones."""

from __future__ import annotations

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.reduce import (
    NothingToReduce,
    Zone,
    reduce_allocations,
)


def test_targets_outside_of_the_zones_stay() -> None:
    zones: dict[Zone, list[str]] = {("a",): ["n1"], ("b",): ["n2"]}
    assert reduce_allocations({"n1": 3, "n2": 1, "left": 2}, zones, 3) == {"n1": 2, "n2": 1, "left": 2}


def test_nothing_to_reduce() -> None:
    with pytest.raises(NothingToReduce):
        reduce_allocations({"n1": 3, "left": 2}, {(): ["n1"]}, 3)

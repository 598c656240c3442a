# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what Java decides: the order of maps, hashes and random numbers."""

from __future__ import annotations

from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.java import (
    Random,
    hash_of_node,
    hash_of_text,
    hash_of_texts,
    map_order,
    text_order,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._planner.records import Node


def test_random_numbers() -> None:
    random = Random()
    assert [random.draw(), random.draw()] == [0.9992615578843886, 0.7118503890391928]
    assert 1 <= Random().between(1, 3) < 3
    assert Random().between(1, 1.0000000000000002) == 1, "the highest is never drawn"


def test_hashes() -> None:
    assert hash_of_text("") == 0
    assert hash_of_text("eu-west-1a") == 2965256977
    assert hash_of_texts(["eu-west-1a"]) == 2965257008
    assert hash_of_text("\U0001f600") == 31 * 0xD83D + 0xDE00, "two units"
    assert hash_of_node(Node("", 1 << 32, 5)) == 31 + 5
    assert hash_of_node(Node("", -1, 5)) == 5, "negative memory has the bits of a long"


def test_maps_list_keys_by_bucket() -> None:
    """Test that keys of one bucket stay as inserted, and that a larger table parts them."""
    assert map_order([17, 2, 1], int) == [17, 1, 2]
    assert map_order([17, *range(13)], int) == [*range(13), 17]


def test_texts_sort_by_utf_16_units() -> None:
    assert sorted(["\uffff", "\U0001f600"], key=text_order) == ["\U0001f600", "\uffff"]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test enumerations in messages."""

from __future__ import annotations

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.words import first_of, joined


def test_the_first_of_many() -> None:
    assert first_of(["a"]) == "a"
    assert first_of(["a", "b"], 2) == "a, b"
    assert first_of(["a", "b", "c", "d"], 2) == "a, b and 2 more"


def test_all_names_in_one_phrase() -> None:
    assert [joined(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]

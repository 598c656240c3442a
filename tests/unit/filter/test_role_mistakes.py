# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what is said of the variable of a role."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.filter.role_mistakes import FilterModule

role_mistakes = FilterModule().filters()["role_mistakes"]
OPTIONS = {"id": {"required": True}, "size": {}, "part": {"options": {"one": {}, "two": {"required": True}}}}
NEEDED = "The role needs the variable r. It is not given, or is empty, or contains a variable that is not defined."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"id": "a"}, []),
        ({"id": "a", "size": "", "part": ""}, []),
        ({"id": "a", "part": None}, []),
        ({"id": "a", "part": {"one": "", "two": 0}}, []),
        (None, [f"{NEEDED} Check its spelling."]),
        ("", [f"{NEEDED} Check its spelling."]),
        ({}, ["r.id has no value."]),
        ({"id": ""}, ["r.id has no value."]),
        (["a"], ["r takes a dictionary with id, size and part."]),
        ({"id": "a", "part": "a secret"}, ["r.part takes a dictionary with one and two."]),
        ({"id": "a", "part": {}}, ["r.part.two has no value."]),
        (
            {"id": "a", "sise": 1, "more": 2, "part": {"two": 1, "three": "a secret"}},
            [
                "r has no key sise, more. Its keys are id, size and part.",
                "r.part has no key three. Its keys are one and two.",
            ],
        ),
        ({"id": "a", "part": {"one": "omitted", "two": "omitted"}}, ["r.part.two has no value."]),
    ],
)
def test_mistakes(given: t.Any, said: list[str]) -> None:
    assert role_mistakes(given, "r", OPTIONS, "omitted") == said

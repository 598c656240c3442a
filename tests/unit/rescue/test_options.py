# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the variable of the role rescue."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.filter.rescue_options import FilterModule

OMITTED = "__omit_place_holder__0123"
"""What ``omit`` is on ansible-core 2.18."""
rescue_options = FilterModule().filters()["rescue_options"]
DEFAULTS = rescue_options({})


def test_defaults() -> None:
    assert DEFAULTS == {
        "deployments": ["*"],
        "except": [],
        "kinds": ["lost", "failed", "stuck", "endpoints"],
        "stuck_after": 600.0,
        "limit": 5,
        "record": "",
        "recovery_folder": "",
        "dry_run": False,
        "guard": None,
        "refused": [],
    }


@pytest.mark.parametrize("empty", [None, "", OMITTED])
@pytest.mark.parametrize("name", sorted({*DEFAULTS, "wait_timeout", "guard_of_list"} - {"refused"}))
def test_null_empty_text_and_omit_count_as_not_given(name: str, empty: t.Any) -> None:
    assert rescue_options({name: empty}, OMITTED) == DEFAULTS
    assert rescue_options(empty if empty != OMITTED else {}) == DEFAULTS


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"deployments": "a*, b\nc "}, {"deployments": ["a*", "b", "c"]}),
        ({"deployments": " "}, {}),
        ({"except": []}, {}),
        ({"kinds": ["stuck"]}, {"kinds": ["stuck"]}),
        ({"limit": " 3 "}, {"limit": 3}),
        ({"limit": 0}, {"limit": 0}),
        ({"dry_run": "yes"}, {"dry_run": True}),
        ({"stuck_after": "5m"}, {"stuck_after": 300.0}),
        ({"record": " /r.json "}, {"record": "/r.json"}),
        ({"guard": {"max": 2}}, {"guard": {"max": 2}}),
    ],
)
def test_values(given: dict[str, t.Any], found: dict[str, t.Any]) -> None:
    assert rescue_options(given) == {**DEFAULTS, **found}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["a"], "rescue_options takes a dictionary."),
        ({"limits": 1, "kind": 2}, "rescue_options has no key limits, kind. Its keys are deployments, except, kinds, "),
        ({"deployments": []}, "rescue_options.deployments takes a list of texts, none of them empty."),
        ({"deployments": [7]}, "rescue_options.deployments takes a list of texts, none of them empty."),
        ({"deployments": 7}, "rescue_options.deployments takes a list of texts, none of them empty."),
        ({"except": [""]}, "rescue_options.except takes a list of texts, none of them empty."),
        ({"kinds": "lost, found"}, "rescue_options.kinds lists lost, failed, stuck and endpoints, not found."),
        ({"stuck_after": "soon"}, "rescue_options: stuck_after is 'soon', not a time."),
        ({"limit": True}, "rescue_options.limit is a whole number of 0 or more."),
        ({"limit": -1}, "rescue_options.limit is a whole number of 0 or more."),
        ({"limit": "many"}, "rescue_options.limit is a whole number of 0 or more."),
        ({"dry_run": "maybe"}, "rescue_options.dry_run is true or false."),
        ({"record": 7}, "rescue_options.record is a path, and so a text."),
    ],
)
def test_what_is_refused(given: t.Any, sentence: str) -> None:
    [refused] = rescue_options(given)["refused"]
    assert refused.startswith(sentence)

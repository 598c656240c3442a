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
    assert {
        "deployments": ["*"],
        "except": [],
        "kinds": ["lost", "failed", "stuck", "endpoints"],
        "stuck_after": 600.0,
        "limit": 5,
        "record": "",
        "recovery_folder": "",
        "dry_run": False,
        **dict.fromkeys(["guard", "guard_of_list", "wait_timeout", "wait_sleep", "server_timeout"]),
        "refused": [],
    } == DEFAULTS


@pytest.mark.parametrize("empty", [None, "", " ", OMITTED])
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
        ({"dry_run": "Off"}, {"dry_run": False}),
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
        (["a"], "rescue_options takes a dictionary with deployments, "),
        ({"limits": 1, "kind": 2}, "rescue_options has no key limits, kind. Its keys are deployments, except, kinds, "),
        ({"deployments": []}, "rescue_options.deployments has no value."),
        ({"deployments": [7]}, "rescue_options.deployments[0] is 7, not a text. The id that was meant is lost"),
        ({"deployments": 7}, "rescue_options.deployments is 7, not a text. "),
        ({"deployments": ["a", " "]}, "rescue_options.deployments[1] has no value. Give it one, or leave it out."),
        ({"except": [""]}, "rescue_options.except[0] has no value. Give it one, or leave it out."),
        ({"except": {"a": 1}}, "rescue_options.except takes a list, not a dictionary."),
        ({"kinds": "lost, found"}, "rescue_options.kinds takes lost, failed, stuck, endpoints, not found."),
        ({"kinds": []}, "rescue_options.kinds has no value."),
        ({"stuck_after": "soon"}, "rescue_options.stuck_after is 'soon', not a time."),
        ({"limit": True}, "rescue_options.limit takes a whole number, not true."),
        ({"limit": -1}, "rescue_options.limit must be 0 or more, not -1."),
        ({"limit": "many"}, "rescue_options.limit takes a whole number, not 'many'."),
        (
            {"dry_run": "maybe", "record": 7},
            "rescue_options.dry_run takes true or false, not 'maybe'. rescue_options.record",
        ),
        ({"record": 7}, "rescue_options.record takes a path as text, not 7."),
    ],
)
def test_what_is_refused(given: t.Any, sentence: str) -> None:
    [refused] = rescue_options(given)["refused"]
    assert refused.startswith(sentence)


def test_choices_and_times_that_are_wrong_are_named_at_once() -> None:
    first, second = rescue_options({"stuck_after": "soon", "kinds": "found"})["refused"]
    assert first.startswith("rescue_options.kinds takes ")
    assert second.startswith("rescue_options.stuck_after is 'soon'")

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test times that options take."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.durations import elasticsearch_time, seconds
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (30, 30.0),
        (0.25, 0.25),
        ("30", 30.0),
        (" 30 ", 30.0),
        ("500ms", 0.5),
        ("90s", 90.0),
        ("5m", 300.0),
        ("1.5m", 90.0),
        ("1h", 3600.0),
        ("168h", 604800.0),
    ],
)
def test_times(value: t.Any, expected: float) -> None:
    assert seconds("wait", value) == expected


def test_zero_is_a_time_for_a_wait_only() -> None:
    assert seconds("wait", 0, zero=True) == seconds("wait", "0ms", zero=True) == 0
    with pytest.raises(Refusal, match="wait must be above 0 seconds and at most 168h, not 0\\."):
        seconds("wait", 0)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (-1, "wait is '-1', not a time. It takes a number of seconds, or a time such as 500ms, 90s, 5m or 1h."),
        (float("nan"), "wait is 'nan', not a time."),
        (float("inf"), "wait is 'inf', not a time."),
        (True, "wait is not a time."),
        ([], "wait is not a time."),
        ("1e3", "wait is '1e3', not a time."),
        ("5 minutes", "wait is '5 minutes', not a time."),
        ("1d", "wait is '1d', not a time."),
        ("\u0665m", "wait is '\u0665m', not a time."),
        ("169h", "wait must be 0 seconds or more and at most 168h, not 169h."),
        (10**400, "wait must be 0 seconds or more and at most 168h, not 1000000000000."),
        (-(10**400), "wait is '-1000000000000', not a time."),
        ("9" * 500, f"wait must be 0 seconds or more and at most 168h, not {'9' * 40}."),
    ],
)
def test_what_is_no_time(value: t.Any, said: str) -> None:
    with pytest.raises(Refusal) as caught:
        seconds("wait", value, zero=True)
    assert str(caught.value).startswith(said)
    assert caught.value.code == "invalid_value"


def test_elasticsearch_takes_whole_numbers() -> None:
    assert [elasticsearch_time(length) for length in (30.0, 0.5, 59.999, 90.0)] == ["30s", "500ms", "59999ms", "90s"]
    assert elasticsearch_time(0.0004) == "1ms"

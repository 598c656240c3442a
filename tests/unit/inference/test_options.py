# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what the options of an inference take."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference.options import desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference.records import Expectations

Json = dict[str, t.Any]
GIVEN: Json = {
    "deployment_id": "m",
    "docs": None,
    "inference_config": None,
    "expect": None,
    "repeat": 1,
    "wait_timeout": "5m",
    "wait_sleep": 2,
    "request_timeout": 60,
}


def test_defaults() -> None:
    found = desired(GIVEN)
    assert (found.docs, found.inference_config, found.expect) == (None, None, Expectations())
    assert (found.wait_timeout, found.request_timeout) == (300, 60)


@pytest.mark.parametrize(
    ("docs", "found"),
    [
        ([{"a": 1}, {}], ({"a": 1}, {})),
        ({"a": None, "b": ""}, ({"a": None, "b": ""},)),
        ('[{"a": ["x"]}]', ({"a": ["x"]},)),
        ([{"a": {"b": datetime.date(2026, 1, 2)}, 1: [True]}], ({"a": {"b": "2026-01-02"}, "1": [True]},)),
    ],
)
def test_documents(docs: t.Any, found: t.Any) -> None:
    assert desired({**GIVEN, "docs": docs}).docs == found


@pytest.mark.parametrize("docs", ["canary", [], ["canary"], 7, '"canary"', [["canary"]]])
def test_what_is_no_document_is_not_shown(docs: t.Any) -> None:
    with pytest.raises(Refusal, match="docs has no documents") as caught:
        desired({**GIVEN, "docs": docs})
    assert "canary" not in str(caught.value)


def test_expectations() -> None:
    expect = {"max_latency": "500ms", "vector_length": 3, "label": "a", "min_score": "0.5"}
    assert desired({**GIVEN, "expect": expect}).expect == Expectations(0.5, 3, "a", 0.5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"deployment_id": ""}, "deployment_id has no value"),
        ({"deployment_id": "a*"}, "deployment_id 'a*' is not the id"),
        ({"repeat": 0}, "repeat must be 1 to 10000, not 0"),
        ({"repeat": 10001}, "repeat must be 1 to 10000, not 10001"),
        ({"wait_timeout": "x"}, "wait_timeout is 'x', not a time"),
        ({"expect": {"vector_length": 0}}, "expect.vector_length must be 1 or more"),
        ({"expect": {"max_latency": "soon"}}, "expect.max_latency is 'soon', not a time"),
        ({"expect": {"min_score": "much"}}, "expect.min_score is not a number"),
        ({"expect": {"min_score": True}}, "expect.min_score is not a number"),
        ({"expect": {"min_score": "nan"}}, "expect.min_score is not a number"),
    ],
)
def test_wrong_values(given: Json, said: str) -> None:
    with pytest.raises(Refusal) as caught:
        desired({**GIVEN, **given})
    assert said in str(caught.value)

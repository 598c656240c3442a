# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what answers say of consumers, beside tests/unit/deployment/plan/test_consumers.py."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._consumers import records

Json = dict[str, t.Any]


def inference(name: str) -> Json:
    return {"inference": {"model_id": name}}


def nested(depth: int, processor: Json) -> Json:
    return nested(depth - 1, {"foreach": {"processor": processor}}) if depth else processor


CHECKED: list[tuple[t.Any, set[str]]] = [
    (None, set()),
    ([inference("a"), "no", {"script": "inference"}, {"inference": {}}], {"a", ""}),
    ([{"set": {"on_failure": [inference("a")]}}], {"a"}),
    # Where Elasticsearch does not look: handlers of an inference and of a loop.
    ([{"inference": {"model_id": "a", "on_failure": [inference("b")]}}], {"a"}),
    ([{"foreach": {"processor": inference("a"), "on_failure": [inference("b")]}}], {"a"}),
    ([nested(10, inference("a"))], {"a"}),
    ([nested(11, inference("a"))], set()),
]


@pytest.mark.parametrize(("processors", "named"), CHECKED)
def test_names_that_elasticsearch_finds_before_it_deletes_an_alias(processors: t.Any, named: set[str]) -> None:
    """Test around-deployments.md 3."""
    assert records.checked_pipelines({"p": {"processors": processors}}) == {"p": frozenset(named)}


def test_aliases_as_a_dry_run_would_leave_them() -> None:
    known = {"m": ("a", "b"), "n": ("c",)}
    assert records.with_predicted(known, {}) == known
    assert records.with_predicted(known, {"a": None, "b": "n", "d": "o"}) == {"n": ("b", "c"), "o": ("d",)}

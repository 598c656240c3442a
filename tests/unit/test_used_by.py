# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who uses a deployment is told of what is stopped in the end."""

from __future__ import annotations

import typing as t

import pytest

from support.double import Double
from support.scene import started

Json = dict[str, t.Any]
USED: Json = {"inference_endpoints": [], "ingest_pipelines": ["p"], "model_aliases": []}


@pytest.fixture
def double() -> t.Iterator[Double]:
    with Double("9.5.3") as made:
        yield made


def items(result: Json) -> dict[str, Json]:
    return {item["deployment_id"]: item for item in result["deployments"]}


# --- what is not stopped after all ---


@pytest.mark.parametrize("on_guarded", ["skip", "fail"])
def test_a_list_that_is_guarded_stops_nothing(double: Double, on_guarded: str) -> None:
    started(double, a=2, b=1)
    double.effect("put_pipeline_reference", pipeline="p", model_id="b")
    tasks = [{"deployment_id": "a", "state": "stopped"}, {"deployment_id": "b", "state": "stopped"}]
    guard: Json = {"guard": {"max_total_step": 1}, "on_guarded": on_guarded}
    for mode in (True, False):
        found = items(double.run_many(tasks, mode, **guard))
        # b is refused before the list is looked at, so that one item alone moves too far.
        assert (found["a"]["operation"], found["a"]["used_by"]) == ("none", None)
        assert found["b"]["used_by"] == USED
        assert "is used by ingest pipeline 'p'" in found["b"]["msg"]


def test_a_stop_that_a_guard_forbids_at_last(double: Double) -> None:
    """The number moves between the first look and the one right before the stop."""
    started(double, d=2)
    moved = {"do": "set_number", "deployment_id": "d", "number_of_allocations": 3}
    double.fault("stats", {"type": "effect", "effect": moved}, after=1)
    guard: Json = {"guard": {"number_of_allocations": 2}, "on_guarded": "skip"}
    result = double.run(deployment_id="d", state="stopped", **guard)
    assert "2 was expected before" in result["skipped_because"]
    assert (result["changed"], result["used_by"]) == (False, None)
    again = double.run(deployment_id="d", state="stopped")
    assert again["used_by"] == {kind: [] for kind in USED}

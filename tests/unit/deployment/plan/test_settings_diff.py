# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the diff that a person reviews."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.settings_diff import settings_diff
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
RUNS: Json = {
    "adaptive_allocations": None,
    "cache_size": "1048576b",
    "deployment_id": "d",
    "model_id": "m",
    "number_of_allocations": 2,
    "priority": "normal",
    "queue_capacity": 1024,
    "state": "started",
    "threads_per_allocation": 1,
}
STOPPED: Json = {**dict.fromkeys(RUNS), "state": "stopped"}
SET = {name: value for name, value in RUNS.items() if value is not None}


def adaptive(**given: t.Any) -> Json:
    bounds = {"enabled": True, "min_number_of_allocations": None, "max_number_of_allocations": None}
    return {**RUNS, "number_of_allocations": None, "adaptive_allocations": {**bounds, **given}}


@pytest.mark.parametrize(
    ("before", "after", "removed", "added"),
    [
        (None, None, {}, {}),
        (RUNS, None, {}, {}),
        (RUNS, RUNS, {}, {}),
        (STOPPED, STOPPED, {}, {}),
        (STOPPED, RUNS, {"state": "stopped"}, SET),
        (RUNS, STOPPED, SET, {"state": "stopped"}),
        (RUNS, {**RUNS, "number_of_allocations": 4}, {"number_of_allocations": 2}, {"number_of_allocations": 4}),
        (RUNS, {**RUNS, "state": "restarted"}, {"state": "started"}, {"state": "restarted"}),
        (
            RUNS,
            {**RUNS, "threads_per_allocation": 2, "cache_size": None, "queue_capacity": None},
            {"threads_per_allocation": 1},
            {"threads_per_allocation": 2},
        ),
        ({**RUNS, "cache_size": None}, RUNS, {}, {"cache_size": "1048576b"}),
        (RUNS, adaptive(), {"number_of_allocations": 2}, {"adaptive_allocations": {"enabled": True}}),
        (adaptive(), RUNS, {"adaptive_allocations": {"enabled": True}}, {"number_of_allocations": 2}),
        (adaptive(enabled=False), RUNS, {}, {"number_of_allocations": 2}),
        (
            adaptive(max_number_of_allocations=4),
            adaptive(),
            {"adaptive_allocations": {"enabled": True, "max_number_of_allocations": 4}},
            {"adaptive_allocations": {"enabled": True}},
        ),
    ],
)
def test_a_diff_has_what_differs(before: Json | None, after: Json | None, removed: Json, added: Json) -> None:
    assert settings_diff(before, after) == {"before": removed, "after": added}


def test_a_list_shows_what_changes_by_id() -> None:
    with Emulator("9.5.3") as emulator:
        for name in ("same", "grows", "goes"):
            emulator.effect("start_deployment", model_id="m", deployment_id=name)
        emulator.settle()
        items: list[Json] = [
            {"deployment_id": "same"},
            {"deployment_id": "grows", "number_of_allocations": 2},
            {"deployment_id": "goes", "state": "stopped"},
            {"deployment_id": "new", "model_id": "m"},
        ]
        diff = emulator.run_many(items)["diff"]
    before, after = diff["before"], diff["after"]
    assert before["grows"] == {"number_of_allocations": 1}
    assert after["grows"] == {"number_of_allocations": 2}
    assert before["new"] == after["goes"] == {"state": "stopped"}
    assert sorted(before) == sorted(after) == ["goes", "grows", "new"]


def test_a_change_that_was_rolled_back_is_no_difference() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d")
        emulator.settle()
        item = {"deployment_id": "d", "number_of_allocations": 20, "on_unsatisfied": "rollback", "wait_timeout": 5}
        emulator.fault("update", {"type": "drop"}, when="after")
        result = emulator.run_many([item])
    assert result["failed"]
    assert result["diff"] == {"before": {}, "after": {}}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan that is made again from a later reading tells the same of what no reading can have changed."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._plan.renewal import exactly
from ansible_collections.mlops.elasticsearch.plugins.module_utils._records.deployment import Deployment
from support.double import Double
from support.scene import meanwhile, started, verbs

KNOWN = Deployment("d", "m", 1, cache_size="1572864b", cache_size_exact=True, assignment_state="started")
KNOWN = dataclasses.replace(KNOWN, start_time="2024-05-01T10:00:00.000Z")
SEEN = dataclasses.replace(KNOWN, cache_size="1.5mb", cache_size_exact=False)


def test_the_settings_of_the_start_stay_exact() -> None:
    assert exactly(SEEN, KNOWN) == KNOWN
    assert exactly(KNOWN, SEEN) == KNOWN
    assert exactly(SEEN, SEEN) == SEEN


def test_another_deployment_has_its_own() -> None:
    another = dataclasses.replace(SEEN, start_time="2024-05-01T11:00:00.000Z")
    assert exactly(another, KNOWN) == another


def test_what_was_not_there_says_nothing_of_it() -> None:
    assert exactly(None, KNOWN) is None
    assert exactly(SEEN, None) == SEEN


def test_check_mode_foretells_an_update_that_waits_for_a_stop() -> None:
    with Double("9.5.3") as checked, Double("9.5.3") as real:
        told = []
        for double in (checked, real):
            for name in ("d", "e"):
                double.effect("start_deployment", model_id="m", deployment_id=name, cache_size="1536kb")
            double.settle()
            items: list[dict[str, t.Any]] = [
                {"deployment_id": "d", "number_of_allocations": 2},
                {"deployment_id": "e", "state": "stopped"},
            ]
            told.append(double.run_many(items, check_mode=double is checked)["diff"])
        assert told[0] == told[1]


def test_what_was_said_of_the_first_plan_is_not_said_of_the_next() -> None:
    """The scaler has the count when the plan is made, and not any more when it is carried out."""
    with Double("9.5.3") as double:
        adaptive = {"enabled": True, "min_number_of_allocations": 1}
        double.effect("start_deployment", model_id="m", deployment_id="d", adaptive_allocations=adaptive)
        double.settle()
        off = {"enabled": False}
        meanwhile(
            double,
            "_has_privileges",
            lambda: double.effect("set_adaptive", deployment_id="d", adaptive_allocations=off),
        )
        result = double.run(deployment_id="d", state="restarted", number_of_allocations=2, on_adaptive="skip")
        assert (result["after"]["number_of_allocations"], result["warnings"]) == (2, [])


def test_whom_a_stop_would_hit_is_not_said_where_nothing_is_stopped() -> None:
    with Double("9.5.3") as double:
        started(double, d=2)
        double.effect("put_pipeline_reference", pipeline="p", model_id="d")
        meanwhile(
            double,
            "_has_privileges",
            lambda: double.effect("set_number", deployment_id="d", number_of_allocations=3),
        )
        guarded: dict[str, t.Any] = {"guard": {"number_of_allocations": 2}, "on_guarded": "skip"}
        result = double.run(deployment_id="d", state="stopped", on_referenced="force", **guarded)
        assert (verbs(result), result["warnings"]) == ([], [])
        assert "on_guarded is skip" in result["skipped_because"]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that a routing table that check mode calls exact is the one that the real run leaves."""

from __future__ import annotations

import typing as t

import pytest

from laws.pairs import VERSIONS, desired_states, named, prepared, states
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
PAIRS = [(version, state) for version in VERSIONS for state in states(version)]
ZONES = ("n1=4,2gb,a", "n2=4,2gb,b", "n3=2,1gb,b", "n4=2,1gb,c")
UNCOUNTED = ("8.0.1", "8.3.3")
"""Versions whose assignments have no numbers of allocations."""
AFTER: list[Json] = [
    {"number_of_allocations": 1},
    {"number_of_allocations": 2},
    {"number_of_allocations": 5},
    {"number_of_allocations": 7},
    {"threads_per_allocation": 2, "number_of_allocations": 3, "replace": "stop_start"},
    {"priority": "low", "number_of_allocations": 1, "replace": "stop_start"},
    {"state": "restarted"},
    {"state": "stopped"},
]


def targets(table: Json) -> Json:
    return {node: route["target_allocations"] for node, route in table.items()}


def agrees(predicted: Json, real: Json) -> bool:
    """Return whether check mode said where the deployment runs; fail the test if it was wrong."""
    if real.get("failed") or not predicted["changed"]:
        return False
    prediction = predicted["prediction"]
    if prediction["kind"] != "exact":
        assert prediction["reasons"], predicted
        return False
    assert prediction == {"kind": "exact", "missing": [], "reasons": []}
    assert targets(predicted["routing_table"]) == targets(real["routing_table"])
    for node, route in real["routing_table"].items():  # the answer to a write has no names
        assert route["node_name"] in (None, predicted["routing_table"][node]["node_name"])
    if predicted["deployment"]:
        assert predicted["allocations"]["assigned"] == real["allocations"]["assigned"]
    return True


@pytest.mark.parametrize(("version", "state"), PAIRS)
def test_an_exact_routing_table_is_the_one_that_follows(version: str, state: str) -> None:
    changes = 0
    for desired in desired_states(version, state, 5):
        with prepared(version, state, "full", desired) as checked, prepared(version, state, "full", desired) as real:
            options = named(real, desired)
            predicted, happened = checked.run(check_mode=True, **options), real.run(**options)
            agrees(predicted, happened)
            if predicted["changed"] and not predicted.get("failed"):
                changes += 1
                kind = predicted["prediction"]["kind"]
                allowed = [None] if version in UNCOUNTED else ["exact"] if real.has(8, 8) else ["exact", "bounds"]
                assert kind in allowed, (desired, predicted["prediction"])
    assert changes


@pytest.mark.parametrize("version", [version for version in VERSIONS if version >= "8.9"])
def test_whole_lists_over_several_zones(version: str) -> None:
    exact = 0
    for index, options in enumerate(AFTER):
        items = [
            {"deployment_id": "a", **options},
            {"deployment_id": "b", **AFTER[(index + 3) % len(AFTER)]},
            {"deployment_id": "new", "model_id": "other", "number_of_allocations": 2},
        ]
        with fleet(version) as checked, fleet(version) as real:
            predicted, happened = checked.run_many(items, check_mode=True), real.run_many(items)
            assert predicted.get("msg") == happened.get("msg") or happened.get("failed")
            if predicted.get("failed") or happened.get("failed"):
                continue
            pairs = zip(predicted["deployments"], happened["deployments"], strict=True)
            exact += sum(agrees(one, other) for one, other in pairs)
    assert exact


def fleet(version: str) -> Emulator:
    emulator = Emulator(version, ZONES)
    for place, name in enumerate("abc"):
        emulator.effect("start_deployment", model_id="m", deployment_id=name, number_of_allocations=place + 1)
        emulator.settle()
    return emulator

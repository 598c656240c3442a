# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test updates through the inference endpoint that owns a deployment, and its settings for a missing deployment."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator
from support.scenario_helpers import owned

Json = dict[str, t.Any]
BOUNDS: Json = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
THROUGH: Json = {"deployment_id": "ep", "on_endpoint_owned": "update_endpoint"}


def test_an_endpoint_gets_all_adaptive_allocations_because_it_replaces_the_object() -> None:
    with Emulator("9.5.3") as emulator:
        owned(emulator)
        assert emulator.run(**THROUGH, adaptive_allocations=BOUNDS)["changed"]
        result = emulator.run(**THROUGH, adaptive_allocations={"max_number_of_allocations": 6})
    [request] = result["api_calls"]
    assert request["path"] == "/_inference/sparse_embedding/ep/_update"
    adaptive = {**BOUNDS, "max_number_of_allocations": 6}
    assert request["body"] == {"service_settings": {"adaptive_allocations": adaptive}}


@pytest.mark.parametrize(
    ("version", "change", "message"),
    [
        ("8.18.8", {"number_of_allocations": 3}, "cannot change the allocations of inference endpoint 'ep'"),
        ("9.1.10", {"adaptive_allocations": BOUNDS}, "cannot change the adaptive allocations of inference endpoint"),
    ],
)
def test_an_update_through_the_endpoint_needs_a_version_that_has_it(version: str, change: Json, message: str) -> None:
    with Emulator(version) as emulator:
        owned(emulator)
        result = emulator.run(**THROUGH, **change)
        assert emulator.journal() == []
    assert result["failure"] == {"code": "unsupported_version"}
    assert message in result["msg"]


@pytest.mark.parametrize("given", [{}, {"number_of_allocations": 3}])
def test_a_missing_deployment_is_started_as_its_endpoint_says_unless_the_task_does(given: Json) -> None:
    with Emulator("9.5.3") as emulator:
        owned(emulator)
        emulator.effect("remove_deployment", deployment_id="ep")
        result = emulator.run(deployment_id="ep", **given)
    assert (result["operation"], result["deployment"]["model_id"]) == ("start", "m")
    assert result["deployment"]["number_of_allocations"] == given.get("number_of_allocations", 1)

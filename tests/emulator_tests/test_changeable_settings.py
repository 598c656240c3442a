# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what an update can change in place, and what it cannot (server-behaviour.md 1.6)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Api

MODELS = "/_ml/trained_models"
ADAPTIVE = {"enabled": True, "min_number_of_allocations": 2, "max_number_of_allocations": 4}


@pytest.fixture
def api() -> Api:
    """Start a deployment of ``m``; ``other`` has none."""
    found = Api()
    found.started("d1")
    return found


def test_number_and_adaptive_settings_change_in_place(api: Api) -> None:
    """Test server-behaviour.md 1.6: the number if started and not adaptive; the settings at any time it is started."""
    assert api.update("d1", number_of_allocations=2).status == 200
    assert api.update("d1", adaptive_allocations=ADAPTIVE).status == 200
    assert api.update("d1", number_of_allocations=3).status == 400
    assert api.update("d1", adaptive_allocations={"max_number_of_allocations": 5}).status == 200
    assert api.update("d1", adaptive_allocations=None).assignment["adaptive_allocations"] is None
    api.start("other", deployment_id="late")
    assert api.update("late", number_of_allocations=2).status == 409


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threads_per_allocation", 2),
        ("queue_capacity", 5),
        ("cache_size", "1mb"),
        ("priority", "low"),
        ("wait_for", "started"),
    ],
)
def test_other_settings_need_a_new_start(api: Api, name: str, value: Any) -> None:
    """Test server-behaviour.md 1.6 and 10: an update does not know them."""
    before = api.assignment("d1")
    answer = api.update("d1", number_of_allocations=2, **{name: value})
    assert (answer.status, answer.type) == (400, "x_content_parse_exception")
    assert f"unknown field [{name}]" in answer.reason
    assert api.assignment("d1") == before


def test_ids_of_a_deployment_cannot_change(api: Api) -> None:
    """Test server-behaviour.md 1.6 and 10: another model is refused, and deployment_id is no key of an update."""
    path = f"{MODELS}/d1/deployment/_update"
    assert api.send("POST", path, {"model_id": "other", "number_of_allocations": 2}).status == 400
    named = api.send("POST", path, {"deployment_id": "d1", "number_of_allocations": 2})
    assert "unknown field [deployment_id]" in named.reason


def test_wait_for_and_time_out_are_not_kept() -> None:
    """Test server-behaviour.md 1.6."""
    api = Api(clock="eager")
    answer = api.start(wait_for="fully_allocated", timeout="7s")
    assert not {"wait_for", "timeout"} & set(answer.assignment["task_parameters"])
    assert "7s" not in str(api.emulator.control("GET", "/state")["deployments"])

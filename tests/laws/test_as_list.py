# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that what runs, read as a list and applied, changes nothing, and makes the same on an empty cluster."""

from __future__ import annotations

import typing as t

import pytest

from laws.pairs import ACCESS, VERSIONS, deployment_id, prepared, states
from laws.truth import failure_code
from support.emulated_cluster import Emulator
from support.random_search import has_turn

Json = dict[str, t.Any]
PAIRS = [(version, state) for version in VERSIONS for state in states(version)]
NOT_WELL = ("failed", "half failed", "starting")
"""States in which a list cannot become true without a change, or without time."""
MADE_OTHERWISE = ("nothing", "stopping", "frozen")
"""States without an item, or with a number of allocations that no start can set."""


GATHERED: tuple[list[str], ...] = (["routing"], [])


def read() -> list[tuple[str, str, str, list[str]]]:
    """Return version, state, access and what is gathered, of the cases that have their turn."""
    return [
        (version, state, access, gather)
        for number, (version, state) in enumerate(PAIRS)
        for turn, gather in enumerate(GATHERED)
        for access in ACCESS
        if has_turn(number + turn, share=2)
    ]


@pytest.mark.parametrize(("version", "state", "access", "gather"), read())
def test_what_runs_applied_as_a_list_changes_nothing(version: str, state: str, access: str, gather: list[str]) -> None:
    with prepared(version, state, access) as emulator:
        items = emulator.info(gather=gather)["as_list"]
        assert [item["deployment_id"] for item in items] == (
            [] if state in ("nothing", "stopping") else [deployment_id(emulator)]
        )
        for check_mode in (True, False):
            result = emulator.run_many(items, check_mode)
            assert (result["changed"], emulator.journal()) == (False, []), f"{version}, {state}: {result['diff']}"
            assert state in NOT_WELL or not result.get("failed"), result.get("msg")
            assert failure_code(result) in ("", "deployments_failed")


@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize(("version", "state"), [pair for pair in PAIRS if pair[1] not in MADE_OTHERWISE])
def test_a_list_makes_on_an_empty_cluster_what_it_was_read_from(version: str, state: str, access: str) -> None:
    with prepared(version, state, access) as old, prepared(version, "nothing", access) as new:
        items = old.info()["as_list"]
        assert not new.run_many(items, wait=False).get("failed")
        new.settle()
        assert new.info()["as_list"] == items


def test_on_serverless_a_list_leaves_the_number_to_adaptive_allocations() -> None:
    with Emulator("8.11.0", flavor="serverless") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=2)
        emulator.settle()
        emulator.forget()
        [item] = emulator.info()["as_list"]
        assert "number_of_allocations" not in item
        result = emulator.run_many([item])
        assert (result["changed"], result.get("msg"), result["warnings"]) == (False, None, [])

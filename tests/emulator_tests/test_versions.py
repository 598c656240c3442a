# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the versions against server-behaviour.md 7.1 and what the thirteen recorded versions show."""

from __future__ import annotations

import dataclasses

import pytest

from emulator.inprocess import InProcess
from emulator.state.versions import Features, features
from emulator_tests.recordings import files, rows

RECORDED = sorted(
    {version for file in files() for row in rows(file) for version in row.versions},
    key=lambda each: features(each).triple,
)
GATES = {
    # gate: (the last version without, the first with it)
    "assignment_names": ("8.2.3", "8.3.0"),
    "cache_size": ("8.3.3", "8.4.0"),
    "route_allocations": ("8.3.3", "8.4.0"),
    "update": ("8.5.3", "8.6.0"),
    "priority": ("8.5.3", "8.6.0"),
    "deployment_id": ("8.7.1", "8.8.0"),
    "per_memory": ("8.10.4", "8.13.4"),
    "finish_pending_work": ("8.10.4", "8.13.4"),
    "manage_inference": ("8.13.4", "8.15.3"),
    "update_query_parameter": ("8.13.4", "8.15.0"),
    "adaptive": ("8.15.3", "8.16.0"),
    "zero_is_started": ("8.15.3", "8.16.0"),
    "timeouts_are_429": ("8.19.21", "9.0.0"),
}
"""The table of server-behaviour.md 7.1; where it says about, the recorded versions on both sides."""
BACKPORTED = {
    "low_priority_adaptive": ({"8.19.0", "9.0.1", "9.1.10"}, {"8.19.14", "8.19.21", "9.5.3"}),
    "end_of_file_type": ({"8.17.10", "8.19.0", "9.0.1"}, {"8.19.14", "8.19.21", "9.1.10", "9.5.3"}),
    "timed_out_header": ({"8.19.21", "9.5.3"}, {"9.0.1", "9.1.10"}),
}
"""Gates that came with patches: recorded versions without and with them."""


def _on(number: str, gate: str) -> bool:
    return bool(getattr(features(number), gate))


@pytest.mark.parametrize("gate", GATES)
def test_gate_of_a_minor(gate: str) -> None:
    """Test server-behaviour.md 7.1: off before, on from then on."""
    before, after = GATES[gate]
    assert not _on(before, gate)
    assert _on(after, gate)
    assert all(
        _on(each, gate) == (features(each).triple >= features(after).triple)
        for each in RECORDED
        if not features(before).triple < features(each).triple < features(after).triple
    )


@pytest.mark.parametrize("gate", BACKPORTED)
def test_gate_of_patches(gate: str) -> None:
    """Test server-behaviour.md 3.1 and 3.2: as recorded on each line of releases."""
    without, having = BACKPORTED[gate]
    assert not any(_on(each, gate) for each in without)
    assert all(_on(each, gate) for each in having)


@pytest.mark.parametrize(
    ("number", "default", "largest"), [("8.16.0", 1024, 1000000), ("8.17.0", 10000, 100000), ("9.5.3", 10000, 100000)]
)
def test_queue_capacity(number: str, default: int, largest: int) -> None:
    """Test server-behaviour.md 1.1 and 7.1: changed with 8.17.0."""
    known = features(number)
    assert (known.default_queue_capacity, known.max_queue_capacity) == (default, largest)


@pytest.mark.parametrize("number", ["8.20.0", "9.6.0", "9.9.9", "10.0.0"])
def test_minors_that_are_not_known(number: str) -> None:
    """Test server-behaviour.md 7.1.

    What comes after is not played under a name of its own; patches of known minors are.
    """
    with pytest.raises(ValueError, match="not a version that is known"):
        InProcess(number)
    assert features("8.19.99").at_least((8, 19, 21))
    assert features("9.5.99").at_least((9, 5, 3))


def test_gates_exist() -> None:
    assert set(GATES) | set(BACKPORTED) <= {field.name for field in dataclasses.fields(Features)}
    assert len(RECORDED) == 16

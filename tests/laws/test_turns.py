# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that cases which take turns still bring each value of one axis together with each value of another."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from laws import (
    pairs,
    test_aliases,
    test_as_list,
    test_laws,
    test_owned_deployments,
    test_races,
    test_references,
    test_start_conditions,
    test_warnings,
)
from support import random_search

Case = tuple[object, ...]


def _laws() -> list[Case]:
    """Return state, access and desired state."""
    return [
        (state, access, desired)
        for version, state in test_laws.PAIRS
        for access in pairs.ACCESS
        for desired in pairs.desired_states(version, state, test_laws.share(version, access))
    ]


def _aliases() -> list[Case]:
    """Return situation, access and desired state."""
    return [
        (situation, access, desired)
        for version, situation in test_aliases.pairs()
        for access in test_aliases.ACCESS
        for desired in test_aliases.desired_states(version, situation, access)
    ]


def _references() -> list[Case]:
    """Return use, access and desired state."""
    return [
        (use, access, desired)
        for version, use, access in test_references.CASES
        for desired in test_references.desired_states(version, use, access)
    ]


def _owned() -> list[Case]:
    """Return what is unknown of the server, and the change."""
    return [
        (switches, change)
        for version, switches in test_owned_deployments.CASES
        for change in test_owned_deployments.changes(version, switches)
    ]


def _races() -> list[Case]:
    """Return the act of another client, and its moment."""
    return [(case[-1], when) for case in test_races.CASES for when in test_races.moments(*case)]


def _warnings() -> list[Case]:
    """Return state, access and task."""
    versions = [(version, state) for version in test_warnings.VERSIONS for state in pairs.states(version)]
    return [
        (state, access, task)
        for version, state in versions
        for access in test_warnings.ACCESS
        for task in test_warnings.tasks(version, state, access)
    ]


# The version is no axis here: it takes turns with the others.
SEARCHES: dict[str, t.Callable[[], list[Case]]] = {
    "laws": _laws,
    "aliases": _aliases,
    "what is read as a list": lambda: [case[1:] for case in test_as_list.read()],
    "start conditions": lambda: [case[1:] for case in test_start_conditions.shaped(test_start_conditions.CASES)],
    "references": _references,
    "owned deployments": _owned,
    "races": _races,
    "warnings": _warnings,
}


def _pairs(cases: list[Case]) -> set[tuple[int, int, str, str]]:
    """Return each pair of values of two axes that *cases* have."""
    axes = range(len(cases[0]))
    return {
        (first, second, repr(case[first]), repr(case[second]))
        for case in cases
        for first, second in itertools.combinations(axes, 2)
    }


@pytest.mark.parametrize("search", SEARCHES)
def test_each_pair_of_values_has_its_turn(search: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_search, "FULL", True)
    every = SEARCHES[search]()
    monkeypatch.setattr(random_search, "FULL", False)
    tried = SEARCHES[search]()
    assert len(tried) < 0.6 * len(every)
    assert _pairs(every) - _pairs(tried) == set()

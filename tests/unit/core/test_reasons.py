# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test messages about many deployments: each reason once, in bounded length."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.reasons import LONGEST, Reason, each_once
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
MOST = 1500
HUNDRED = [f"search-{number:03}" for number in range(100)]
TEN = ", ".join(f"'{name}'" for name in HUNDRED[:10])


def test_reasons_that_differ_in_the_id_alone_are_one() -> None:
    quoted = [Reason(name, f"Deployment '{name}' is full.") for name in ("a", "b")]
    assert each_once(quoted) == "Deployment 'a' is full. The same holds for 'b'."
    assert each_once([Reason("a", "Cannot start [a]."), Reason("b", "Cannot start [b].")]).startswith(
        "'a', 'b': Cannot"
    )
    labelled = [
        Reason("a", "It is empty.", "deployments[0] ('a')"),
        Reason("b", "It is empty.", "deployments[1] ('b')"),
    ]
    assert each_once(labelled) == "deployments[0] ('a'), deployments[1] ('b'): It is empty."
    numbers = [Reason("a", "'a' has 1."), Reason("b", "'b' has 2.")]
    assert each_once(numbers) == "'a' has 1. 'b' has 2."


def test_ten_ids_are_named_and_the_others_are_counted() -> None:
    shared = [Reason(name, "No room.") for name in HUNDRED]
    assert each_once(shared) == f"{TEN} and 90 more: No room."
    own = [Reason(name, f"'{name}' has no room.") for name in HUNDRED]
    assert each_once(own) == f"'search-000' has no room. The same holds for {TEN[14:]} and 90 more."


def test_what_does_not_fit_is_counted() -> None:
    long = [Reason(name, f"{name} " * 50) for name in HUNDRED]
    assert each_once(long).endswith(" more have other reasons: see deployments.")
    four = [Reason(str(number), f"'{number}' " + f"{number}" * 393) for number in range(4)]
    assert each_once(four).endswith(" 1 more has another reason: see deployments.")
    assert each_once([Reason("a", "x" * 5000)]) == "'a': " + "x" * 400 + " ..."


@given(st.lists(st.builds(Reason, st.text(max_size=200), st.text(max_size=3000), st.text(max_size=250)), max_size=120))
def test_no_message_is_longer_than_its_bound(reasons: list[Reason]) -> None:
    assert len(each_once(reasons)) <= LONGEST + 100


def big_fleet(number: int = 100) -> Emulator:
    emulator = Emulator("9.5.3", nodes=["n1=400,64gb"])
    for name in HUNDRED[:number]:
        emulator.effect("start_deployment", model_id="m", deployment_id=name)
    emulator.settle()
    return emulator


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_fleet_of_a_hundred_in_which_most_fail(check_mode: bool) -> None:
    items: list[Json] = [{"deployment_id": name, "number_of_allocations": 2} for name in HUNDRED]
    for item in items[:56]:
        item["threads_per_allocation"] = 2
    with big_fleet() as emulator:
        result = emulator.run_many(items, check_mode)
    assert result["msg"].startswith("56 of 100 deployments failed, 44 were changed. Deployment 'search-000' cannot be")
    assert result["msg"].count("threads_per_allocation is 1, not 2") == 1
    assert result["msg"].endswith(f"The same holds for {TEN[14:]} and 46 more.")
    assert len(result["msg"]) < MOST
    assert "'search-055' cannot be changed in place" in result["deployments"][55]["msg"]


@pytest.mark.parametrize(
    "change",
    [
        lambda number: {"number_of_allocations": 0},
        lambda number: {"number_of_allocations": -number},
        lambda number: {"cache_size": "much" * number},
        lambda number: {"deployment_id": HUNDRED[number // 2]},
        lambda number: {"guard": {"max": 1}, "number_of_allocations": 2 + number},
        lambda number: {"model_id": f"missing-{number}", "replace": "stop_start"},
        lambda number: {"deployment_id": f"missing-{number}"},
        lambda number: {"threads_per_allocation": 2 ** (1 + number % 5)},
    ],
)
def test_no_list_has_a_message_that_is_too_long(change: t.Callable[[int], Json]) -> None:
    with big_fleet() as emulator:
        result = emulator.run_many([{"deployment_id": name, **change(place)} for place, name in enumerate(HUNDRED)])
    assert result["failed"]
    assert 50 < len(result["msg"]) < MOST

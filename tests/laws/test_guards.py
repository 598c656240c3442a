# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the law of the guard: a task does what it does without a guard, or nothing at all.

The same task without a guard, on an equal cluster, shows which of the two: by the change of its allocations.
"""

from __future__ import annotations

import dataclasses
import typing as t

from hypothesis import given
from hypothesis import strategies as st

from support.emulated_cluster import Emulator
from support.random_search import search

Json = dict[str, t.Any]
SAME = ("changed", "operation", "skipped_because", "before", "after", "diff", "api_calls")
laws = search(50, 500)
NODES = ("n1=64,64gb", "n2=64,64gb")

numbers = st.integers(1, 6)
bounds = st.builds(
    lambda low, more: {"enabled": True, "min_number_of_allocations": low, "max_number_of_allocations": low + more},
    numbers,
    st.integers(0, 3),
)
RUNNING: st.SearchStrategy[Json | None] = st.one_of(
    st.none(),
    st.builds(lambda number: {"number_of_allocations": number}, numbers),
    st.builds(lambda adaptive: {"adaptive_allocations": adaptive}, bounds),
)
DESIRED_STATES: st.SearchStrategy[Json] = st.one_of(
    st.just({"state": "stopped"}),
    st.just({}),
    st.builds(lambda number: {"number_of_allocations": number, "on_adaptive": "override"}, numbers),
    st.builds(lambda number: {"number_of_allocations": number, "on_adaptive": "skip"}, numbers),
    st.builds(
        lambda number: {"state": "restarted", "number_of_allocations": number, "on_adaptive": "override"}, numbers
    ),
    st.builds(lambda number: {"initial_number_of_allocations": number}, numbers),
    st.builds(lambda threads: {"threads_per_allocation": threads, "replace": "stop_start"}, st.sampled_from((1, 2, 4))),
    st.builds(lambda adaptive: {"adaptive_allocations": adaptive}, bounds),
    st.just({"adaptive_allocations": {"enabled": False}}),
    st.just({"state": "restarted"}),
)
limits = st.none() | st.integers(0, 7)


@st.composite
def guards(draw: st.DrawFn) -> Json:
    low, high = draw(limits), draw(limits)
    if low is not None and high is not None:
        low, high = sorted((low, high))
    given = {"number_of_allocations": draw(limits), "min": low, "max": high, "max_step": draw(limits)}
    return {name: value for name, value in given.items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A cluster: the options of each running deployment, by its id."""

    running: t.Mapping[str, Json | None]

    def build(self) -> Emulator:
        emulator = Emulator("9.5.3", NODES)
        for name, options in self.running.items():
            if options is not None:
                emulator.effect("start_deployment", model_id="m", deployment_id=name, **options)
        emulator.settle()
        emulator.forget()
        return emulator


def counts(emulator: Emulator) -> dict[str, int]:
    there = emulator.deployments().items()
    return {name: int(each["task_parameters"]["number_of_allocations"]) for name, each in there}


def broken(guard: Json, before: int, after: int) -> list[str]:
    """Return the parts of *guard* that forbid the change."""
    passes = {
        "number_of_allocations": lambda value: before == value,
        "min": lambda value: after >= value,
        "max": lambda value: after <= value,
        "max_step": lambda value: before - value <= after <= before + value,
    }
    return [] if before == after else [name for name, value in guard.items() if not passes[name](value)]


@laws
@given(RUNNING, DESIRED_STATES, guards(), st.sampled_from(("fail", "skip")))
def test_a_guard_forbids_all_of_a_change_or_none(
    running: Json | None, desired: Json, guard: Json, on_violation: str
) -> None:
    cluster = Cluster({"d": running})
    task: Json = {"deployment_id": "d", "model_id": "m", **desired}
    with cluster.build() as free, cluster.build() as checked, cluster.build() as real:
        before = counts(free)
        unguarded = free.run(**task)
        assert not unguarded.get("failed"), unguarded["msg"]
        checked.read_only()
        reported = checked.run(check_mode=True, guard={**guard, "on_violation": on_violation}, **task)
        done = real.run(guard={**guard, "on_violation": on_violation}, **task)
        parts = broken(guard, before.get("d", 0), counts(free).get("d", 0))
        if not parts:
            assert not done.get("failed"), done["msg"]
            assert [{key: each[key] for key in SAME} for each in (reported, done)] == [_same(unguarded)] * 2
            assert counts(real) == counts(free)
            return
        assert (real.journal(), counts(real), done["changed"], done["operation"]) == ([], before, False, "none")
        assert reported.get("msg") == done.get("msg")
        assert reported["skipped_because"] == done["skipped_because"]
        message = done["msg"] if on_violation == "fail" else done["skipped_because"]
        texts = {
            "number_of_allocations": "was expected before",
            "min": "below min",
            "max": "above max ",
            "max_step": "max_step",
        }
        assert [name for name in guard if texts[name] in message] == parts, message


@laws
@given(
    st.dictionaries(st.sampled_from("abcdef"), RUNNING, max_size=6),
    st.dictionaries(st.sampled_from("abcdef"), DESIRED_STATES, max_size=5),
    st.booleans(),
    st.integers(0, 12),
    st.sampled_from(("fail", "skip")),
)
def test_a_total_step_forbids_all_of_a_list_or_none(
    running: dict[str, Json | None], desired_states: dict[str, Json], alone: bool, limit: int, on_violation: str
) -> None:
    cluster = Cluster(running)
    items = [{"deployment_id": name, "model_id": "m", **desired} for name, desired in desired_states.items()]
    rest: Json = {"stop_unlisted": True, "unlisted_except": []} if alone else {}
    guard: Json = {"guard": {"max_total_step": limit, "on_violation": on_violation}}
    with cluster.build() as free, cluster.build() as checked, cluster.build() as real:
        before = counts(free)
        unguarded = free.run_many(items, **rest)
        assert not unguarded.get("failed"), unguarded["msg"]
        after = counts(free)
        total = sum(abs(after.get(name, 0) - before.get(name, 0)) for name in before.keys() | after.keys())
        checked.read_only()
        reported, done = (
            checked.run_many(items, check_mode=True, **rest, **guard),
            real.run_many(items, **rest, **guard),
        )
        assert reported.get("msg") == done.get("msg")
        if total <= limit:
            assert not done.get("failed"), done["msg"]
            assert [_same(item) for item in done["deployments"]] == [_same(item) for item in unguarded["deployments"]]
            assert counts(real) == after
            return
        assert (real.journal(), counts(real), done["changed"]) == ([], before, False)
        assert f"by {total} in all" in (done["msg"] if on_violation == "fail" else str(done["deployments"]))
        skipped = [bool(item["skipped_because"]) for item in done["deployments"]]
        moved = [item["changed"] and on_violation == "skip" for item in unguarded["deployments"]]
        alike = [bool(item["skipped_because"]) for item in unguarded["deployments"]]
        assert skipped == [one or other for one, other in zip(moved, alike, strict=True)]
        assert [item["after"] for item in done["deployments"]] == [item["before"] for item in done["deployments"]]


def _same(result: Json) -> Json:
    return {key: result[key] for key in SAME}

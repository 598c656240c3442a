# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the laws for many deployments at once: random fleets, random desired states, tight and ample clusters."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import typing as t

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.client import Client
from laws.truth import reached, refused_as_a_whole, same_as_there, unforeseen
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
PREDICTED = ("changed", "operation", "skipped_because", "diff", "before", "after", "api_calls")
MODELS = (("m", 100 << 20), ("large", 1500 << 20))
REFUSED = ("msg", "deployments", "summary", "changed", "diff", "api_calls", "warnings")
RELEASES = ("8.9.2", "8.16.0", "9.5.3")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
laws = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=SLOW)


@dataclasses.dataclass(frozen=True)
class Fleet:
    """A cluster, the deployments that run on it, and the items of the task."""

    version: str
    nodes: tuple[str, ...]
    running: tuple[Json, ...]
    items: tuple[Json, ...]
    stop_unlisted: bool

    def build(self) -> Emulator:
        emulator = Emulator(self.version, self.nodes, MODELS)
        for each in self.running:
            emulator.control("POST", "/effects", {"do": "start_deployment", **each})
        emulator.settle()
        emulator.forget()
        return emulator

    def run(self, emulator: Emulator, check_mode: bool = False) -> Json:
        unlisted: Json = {"stop_unlisted": True, "unlisted_except": ["d9"]} if self.stop_unlisted else {}
        return emulator.run_many(self.items, check_mode, **unlisted)


numbers = st.integers(1, 6)
threads = st.sampled_from((1, 1, 2, 4))


@st.composite
def fleets(draw: st.DrawFn, most: int = 30, stopping: bool = True) -> Fleet:
    version = draw(st.sampled_from(RELEASES))
    zones = draw(st.sampled_from((("",), (",a", ",b"), (",a", ",b", ",c"))))
    nodes = [
        f"n{place}={draw(st.sampled_from((2, 4, 8, 16)))},{draw(st.sampled_from(('2gb', '8gb', '64gb')))}"
        f"{zones[place % len(zones)]}"
        for place in range(draw(st.integers(1, 8)))
    ]
    ids = st.integers(0, most - 1).map("d{}".format)
    running = [_running(draw, name) for name in draw(st.lists(ids, unique=True, max_size=most))]
    items = [_item(draw, name, version, stopping) for name in draw(st.lists(ids, unique=True, max_size=most))]
    return Fleet(version, tuple(nodes), tuple(running), tuple(items), draw(st.booleans()))


def _running(draw: st.DrawFn, name: str) -> Json:
    low = draw(st.integers(0, 5)) == 0
    return {
        "model_id": draw(st.sampled_from(("m", "large"))),
        "deployment_id": name,
        **(
            {"priority": "low"}
            if low
            else {"number_of_allocations": draw(numbers), "threads_per_allocation": draw(threads)}
        ),
    }


def _item(draw: st.DrawFn, name: str, version: str, stopping: bool) -> Json:
    kind = draw(st.integers(0, 9))
    if kind <= 1 and stopping:
        return {"deployment_id": name, "state": "stopped"}
    item: Json = {"deployment_id": name, "model_id": draw(st.sampled_from(("m", "large")))}
    if kind == 2:
        return {**item, "priority": "low", "replace": "stop_start", "number_of_allocations": 1}
    if kind == 3 and version != "8.9.2":
        return {**item, "adaptive_allocations": {"enabled": True, "max_number_of_allocations": 3}}
    if kind == 4:
        return {"deployment_id": name, "on_missing": "skip", "number_of_allocations": draw(numbers)}
    if kind >= 8:
        item |= {"replace": "stop_start", "threads_per_allocation": draw(threads)}
    return {**item, "number_of_allocations": draw(numbers)}


@laws
@given(fleets())
def test_check_mode_predicts_and_a_second_run_writes_nothing(fleet: Fleet) -> None:
    with fleet.build() as checked, fleet.build() as real:
        checked.read_only()
        predicted = fleet.run(checked, check_mode=True)
        assert checked.journal() == []
        happened = fleet.run(real)
        if refused_as_a_whole(happened):
            assert {key: predicted[key] for key in REFUSED} == {key: happened[key] for key in REFUSED}
            assert real.journal() == []
            _is_true(real, happened)
            return
        _predicts(predicted, happened)
        _is_true(real, happened)
        _frees_before_it_takes(happened, fleet)
        if not happened.get("failed"):
            real.forget()
            again = fleet.run(real)
            assert not again.get("failed"), again["msg"]
            assert (again["changed"], real.journal(), real.control("GET", "/audit")) == (False, [], [])


def _predicts(predicted: Json, happened: Json) -> None:
    assert len(predicted["deployments"]) == len(happened["deployments"])
    for reported, done in zip(predicted["deployments"], happened["deployments"], strict=True):
        if reported.get("failed"):
            assert reported["msg"] == done.get("msg")
        elif done.get("failed"):
            assert unforeseen(done), done["msg"]
        else:
            assert {key: reported[key] for key in PREDICTED} == {key: done[key] for key in PREDICTED}
    if not happened.get("failed"):
        assert predicted["api_calls"] == happened["api_calls"]
        assert predicted["diff"] == happened["diff"]
        assert predicted["summary"] == happened["summary"]


def _is_true(emulator: Emulator, happened: Json) -> None:
    for item in happened["deployments"]:
        assert same_as_there(emulator, item) == []
    committed = [entry for entry in emulator.journal() if entry["status"] == 200]
    reported = [(call["method"], call["path"], call["query"], call["body"]) for call in happened["api_calls"]]
    assert reported == [(entry["method"], entry["path"], entry["query"], entry["body"]) for entry in committed]


def _frees_before_it_takes(happened: Json, fleet: Fleet) -> None:
    """Require that writes which free capacity come before writes which take it."""
    before = {each["deployment_id"]: each.get("number_of_allocations", 1) for each in fleet.running}
    taking = False
    for call in happened["api_calls"]:
        verb = call["path"].rpartition("/")[2]
        name = call["path"].split("/")[3]
        count = (call["body"] or {}).get("number_of_allocations") if verb == "_update" else None
        frees = verb == "_stop" or (count is not None and count < before.get(name, 1))
        assert not (frees and taking), happened["api_calls"]
        taking = taking or verb == "_start" or (count is not None and count > before.get(name, 1))


@laws
@given(fleets(most=4))
def test_no_order_would_have_fit_more(fleet: Fleet) -> None:
    """If Elasticsearch refuses a write for lack of capacity, it refuses one in every order of the same writes."""
    with fleet.build() as real:
        happened = fleet.run(real)
    refused = "processors" in happened.get("msg", "")
    if not refused and "capacity" not in {(item.get("error") or {}).get("kind") for item in happened["deployments"]}:
        return
    with fleet.build() as checked:
        checked.allow("manage_ml")  # without the processors of the nodes, check mode lists all writes
        calls = fleet.run(checked, check_mode=True)["api_calls"]
    for order in itertools.permutations(range(len(calls))):
        with fleet.build() as other:
            assert not _all_fit(other, [calls[place] for place in order]), [calls[place] for place in order]


def _all_fit(emulator: Emulator, calls: t.Sequence[Json]) -> bool:
    for call in calls:
        if emulator.send(call) != 200:
            return False
        emulator.settle()
    return True


class Killed(BaseException):
    """The process is gone."""


@laws
@given(fleets(most=8), st.integers(0, 12), st.booleans())
def test_a_run_after_a_kill_reaches_the_desired_state(fleet: Fleet, survived: int, sent: bool) -> None:
    """The process dies at any write, before or after it took effect."""
    with fleet.build() as whole:
        if fleet.run(whole).get("failed"):
            return
    with fleet.build() as emulator:
        writes = itertools.count()
        write = Client.write

        def dying(self: Client, *reported: t.Any, **more: t.Any) -> t.Any:
            number = next(writes)
            if number == survived and not sent:
                raise Killed
            answer = write(self, *reported, **more)
            if number == survived:
                raise Killed
            return answer

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Client, "write", dying)
            with contextlib.suppress(Killed):
                fleet.run(emulator)
        emulator.settle()
        again = fleet.run(emulator)
        assert not again.get("failed"), again["msg"]
        for item, result in zip(fleet.items, again["deployments"], strict=False):
            assert reached(emulator, item, result), item


FAULTS: dict[str, Json] = {
    "dropped before": {"operation": "any_write", "do": {"type": "drop"}},
    "dropped after": {"operation": "any_write", "when": "after", "do": {"type": "drop"}},
    "gateway": {"operation": "any_write", "do": {"type": "answer", "status": 502, "body": "<html></html>"}},
    "busy": {"operation": "any_write", "do": {"type": "answer", "status": 503, "body": {"error": "busy"}}},
    "poll lost": {"operation": "stats", "after": 1, "do": {"type": "drop"}},
    "node lost": {
        "operation": "any_write",
        "do": {"type": "effect", "effect": {"do": "remove_node", "node_id": "id-n0"}},
    },
}


@laws
@given(fleets(most=8), st.sampled_from(sorted(FAULTS)), st.integers(0, 6))
def test_a_result_after_a_fault_is_true_and_a_second_run_repairs(fleet: Fleet, fault: str, after: int) -> None:
    with fleet.build() as checked:
        refused = {item.get("msg") for item in fleet.run(checked, check_mode=True)["deployments"]}
    with fleet.build() as emulator:
        emulator.control("POST", "/faults", {"after": after, "times": 1, "when": "before", **FAULTS[fault]})
        happened = fleet.run(emulator)
        for item in happened["deployments"]:
            if not item.get("failed"):
                assert same_as_there(emulator, item) == []
        emulator.control("DELETE", "/faults")
        emulator.settle()
        again = fleet.run(emulator)
        if refused_as_a_whole(again):
            return
        for item, result in zip(fleet.items, again["deployments"], strict=False):
            if not result.get("failed"):
                assert reached(emulator, item, result), item
            else:
                assert result["msg"] in refused or unforeseen(result), result["msg"]

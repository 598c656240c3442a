# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test a run with another client that acts on the same deployment at any moment, and two runs whose requests alternate.

Each run reaches the desired state, or fails and reports the deployment as it is. No run starts a deployment twice, or
stops one that another client has started meanwhile.
"""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.concurrency_rules import stops_of_others, took_effect, unreached, untrue
from laws.pairs import DESIRED_STATES, STATES, deployment_id, named
from laws.truth import reached, unforeseen
from support.interleaving import Moment, ObservedRequest, Relay, SharedEmulator
from support.random_search import has_turn, search

Json = dict[str, t.Any]
VERSIONS = ("8.9.2", "8.16.0", "9.5.3")
ALIKE: Json = {"on_referenced": "force", "wait_timeout": 8}
"""The model has an alias."""
MOMENTS = 60
"""No run of these tests has more of them."""


def prepared(version: str, state: str) -> SharedEmulator:
    emulator = SharedEmulator(version)
    assert emulator.api("PUT", "/_ml/trained_models/m/model_aliases/alias") == 200
    STATES[state].make(emulator)
    emulator.forget()
    return emulator


def _lawful(emulator: SharedEmulator, requests: list[ObservedRequest], options: Json, result: Json) -> None:
    name = deployment_id(emulator)
    assert stops_of_others(requests, name) == []
    assert untrue(emulator, requests, name, result) == [], result.get("msg")
    assert unreached(emulator, requests, options, result) == []
    starts = [request for request in requests if request.verb == "_start" and took_effect(request, name)]
    assert len(starts) <= (2 if options.get("on_unsatisfied") == "rollback" else 1), "started twice"


def _act(emulator: SharedEmulator, *effects: Json) -> None:
    for effect in effects:
        with contextlib.suppress(ValueError):  # there may be no deployment
            emulator.control("POST", "/effects", {"deployment_id": deployment_id(emulator), **effect})


SAME_SETTINGS: Json = {"do": "start_deployment", "model_id": "m", "number_of_allocations": 2}
OTHER_SETTINGS: Json = {**SAME_SETTINGS, "queue_capacity": 77, "threads_per_allocation": 4}
STOPPED: Json = {"do": "remove_deployment"}
ACTS: dict[str, tuple[Json, ...]] = {
    "stopped": (STOPPED,),
    "being stopped": ({"do": "stop_deployment"},),
    "started": (SAME_SETTINGS,),
    "started with other settings": (OTHER_SETTINGS,),
    "replaced": (STOPPED, SAME_SETTINGS),
    "replaced with other settings": (STOPPED, OTHER_SETTINGS),
    "number moved": ({"do": "set_number", "number_of_allocations": 3},),
    "node lost": ({"do": "remove_node", "node_id": "id-n1"},),
    "a route fails": ({"do": "fail_route", "reason": "planted"},),
    "no master": ({"do": "lose_master"},),
}
BACK: dict[str, tuple[Json, ...]] = {
    "no master": ({"do": "elect_master"},),
    "node lost": ({"do": "add_node", "node_id": "id-n1", "processors": 4, "memory": "16gb"},),
}
LASTING = ("started with other settings", "replaced with other settings", "a route fails")
"""Acts after which a task may fail, unless it may replace the deployment."""
PAIRS = [
    ("nothing", "two", {}),
    ("one", "two", {}),
    ("five on two nodes", "steady", {}),
    ("two", "stopped", {}),
    ("two threads", "restarted", {}),
    ("two", "two threads, replacing", {}),
    ("two", "two threads, replacing", {"on_unsatisfied": "rollback"}),
    ("one", "five", {"on_unsatisfied": "rollback"}),
    ("two", "five", {"on_unsatisfied": "keep"}),
    ("starting", "five", {}),
    ("stopping", "two", {}),
    ("adaptive", "two, overriding", {}),
    ("adaptive", "adaptive to six", {}),
]
CASES = [(state, desired, more, act) for state, desired, more in PAIRS for act in ACTS]


def moments(state: str, desired: str, more: Json, act: str) -> list[int]:
    """Return the moments that have their turn."""
    turn = PAIRS.index((state, desired, more)) + list(ACTS).index(act)
    return [when for when in range(MOMENTS) if has_turn(turn + when, share=5)]


@pytest.mark.parametrize(("state", "desired", "more", "act"), CASES)
def test_the_laws_hold_while_another_client_acts(state: str, desired: str, more: Json, act: str) -> None:
    for when in moments(state, desired, more, act):
        with prepared("9.5.3", state) as emulator:
            options: Json = {**named(emulator, desired), **more, **ALIKE}
            if not _acted(emulator, options, ACTS[act], BACK.get(act, ()), when):
                return
            emulator.between = lambda moment: None
            _act(emulator, *BACK.get(act, ()))
            emulator.settle()
            again = emulator.run(**options)
            assert again.get("failed") or reached(emulator, options, again)
            if again.get("failed"):
                assert act in LASTING or unforeseen(again), again["msg"]
    raise AssertionError("a run had more moments than are tried")


def _acted(emulator: SharedEmulator, options: Json, acts: tuple[Json, ...], back: tuple[Json, ...], when: int) -> bool:
    """Run the task while another client acts at moment *when*; return false if the run ended before that."""
    moments = 0

    def between(moment: Moment) -> None:
        nonlocal moments
        if moments == when:
            _act(emulator, *acts)
        if moments == when + 4:
            _act(emulator, *back)
        moments += 1

    emulator.between = between
    result = emulator.run(**options)
    _lawful(emulator, emulator.requests, options, result)
    return moments > when


@search(100, 1000)
@given(
    st.sampled_from(VERSIONS),
    st.sampled_from(sorted(STATES)),
    st.lists(st.sampled_from(sorted(DESIRED_STATES)), min_size=2, max_size=2),
    st.lists(st.booleans(), max_size=MOMENTS),
    st.sampled_from(("fail", "rollback")),
)
def test_the_laws_hold_for_two_runs_at_once(
    version: str, state: str, desired_states: list[str], switches: list[bool], unsatisfied: str
) -> None:
    if version == "8.9.2" and STATES[state].since > (8, 9):
        return
    with prepared(version, state) as emulator:
        tasks: dict[str, Json] = {
            run: {**named(emulator, desired), "on_unsatisfied": unsatisfied, **ALIKE}
            for run, desired in zip(("one", "another"), desired_states, strict=True)
        }
        results = Relay(emulator, switches).race({run: _running(emulator, options) for run, options in tasks.items()})
        for run, options in tasks.items():
            _lawful(emulator, emulator.of_run(run), options, results[run])


def _running(emulator: SharedEmulator, options: Json) -> t.Callable[[], Json]:
    return lambda: emulator.run(**options)

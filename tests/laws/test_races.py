# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody else acts on the same deployment at every moment of a run; or two runs do, request by request in turns.

Each run ends in the wanted state, or in a failure with a true picture. Nothing is started twice, and nothing is stopped
that another has started meanwhile.
"""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laws.among_others import stops_of_others, took_effect, unreached, untrue
from laws.pairs import DESIRED_STATES, STATES, deployment_id, named
from laws.truth import reached, unforeseen
from support.stage import Look, Moment, Relay, Stage

Json = dict[str, t.Any]
VERSIONS = ("8.9.2", "8.16.0", "9.5.3")
ALIKE: Json = {"on_referenced": "force", "wait_timeout": 8}
"""The model has an alias."""
MOMENTS = 60
"""No run of these tests has more of them."""


def prepared(version: str, state: str) -> Stage:
    stage = Stage(version)
    assert stage.api("PUT", "/_ml/trained_models/m/model_aliases/alias") == 200
    STATES[state].make(stage)
    stage.forget()
    return stage


def _lawful(stage: Stage, looks: list[Look], options: Json, result: Json) -> None:
    name = deployment_id(stage)
    assert stops_of_others(looks, name) == []
    assert untrue(stage, looks, name, result) == [], result.get("msg")
    assert unreached(stage, looks, options, result) == []
    starts = [look for look in looks if look.verb == "_start" and took_effect(look, name)]
    assert len(starts) <= (2 if options.get("on_unsatisfied") == "rollback" else 1), "started twice"


def _act(stage: Stage, *effects: Json) -> None:
    for effect in effects:
        with contextlib.suppress(ValueError):  # there may be nothing to act on
            stage.control("POST", "/effects", {"deployment_id": deployment_id(stage), **effect})


LIKE_OURS: Json = {"do": "start_deployment", "model_id": "m", "number_of_allocations": 2}
OTHERWISE: Json = {**LIKE_OURS, "queue_capacity": 77, "threads_per_allocation": 4}
STOPPED: Json = {"do": "remove_deployment"}
ACTS: dict[str, tuple[Json, ...]] = {
    "stopped": (STOPPED,),
    "being stopped": ({"do": "stop_deployment"},),
    "started": (LIKE_OURS,),
    "started otherwise": (OTHERWISE,),
    "replaced": (STOPPED, LIKE_OURS),
    "replaced otherwise": (STOPPED, OTHERWISE),
    "number moved": ({"do": "set_number", "number_of_allocations": 3},),
    "node lost": ({"do": "remove_node", "node_id": "id-n1"},),
    "a route fails": ({"do": "fail_route", "reason": "planted"},),
    "no master": ({"do": "lose_master"},),
}
BACK: dict[str, tuple[Json, ...]] = {
    "no master": ({"do": "elect_master"},),
    "node lost": ({"do": "add_node", "node_id": "id-n1", "processors": 4, "memory": "16gb"},),
}
LASTING = ("started otherwise", "replaced otherwise", "a route fails")
"""What a task is right to refuse, unless it is allowed to replace it."""
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


@pytest.mark.parametrize(("state", "desired", "more", "act"), CASES)
def test_another_client_acts_in_the_middle(state: str, desired: str, more: Json, act: str) -> None:
    for when in range(MOMENTS):
        with prepared("9.5.3", state) as stage:
            options: Json = {**named(stage, desired), **more, **ALIKE}
            if not _acted(stage, options, ACTS[act], BACK.get(act, ()), when):
                return
            stage.between = lambda moment: None
            _act(stage, *BACK.get(act, ()))
            stage.settle()
            again = stage.run(**options)
            assert again.get("failed") or reached(stage, options, again)
            if again.get("failed"):
                assert act in LASTING or unforeseen(again["msg"]), again["msg"]
    raise AssertionError("a run had more moments than are tried")


def _acted(stage: Stage, options: Json, acts: tuple[Json, ...], back: tuple[Json, ...], when: int) -> bool:
    """Run the task, while somebody acts at moment *when*, and takes it back soon after; false if it was over before."""
    moments = 0

    def between(moment: Moment) -> None:
        nonlocal moments
        if moments == when:
            _act(stage, *acts)
        if moments == when + 4:
            _act(stage, *back)
        moments += 1

    stage.between = between
    result = stage.run(**options)
    _lawful(stage, stage.looks, options, result)
    return moments > when


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(VERSIONS),
    st.sampled_from(sorted(STATES)),
    st.lists(st.sampled_from(sorted(DESIRED_STATES)), min_size=2, max_size=2),
    st.lists(st.booleans(), max_size=MOMENTS),
    st.sampled_from(("fail", "rollback")),
)
def test_two_runs_at_once(
    version: str, state: str, desired_states: list[str], switches: list[bool], unsatisfied: str
) -> None:
    if version == "8.9.2" and STATES[state].since > (8, 9):
        return
    with prepared(version, state) as stage:
        tasks: dict[str, Json] = {
            run: {**named(stage, desired), "on_unsatisfied": unsatisfied, **ALIKE}
            for run, desired in zip(("one", "another"), desired_states, strict=True)
        }
        results = Relay(stage, switches).race({run: _running(stage, options) for run, options in tasks.items()})
        for run, options in tasks.items():
            _lawful(stage, stage.of_run(run), options, results[run])


def _running(stage: Stage, options: Json) -> t.Callable[[], Json]:
    return lambda: stage.run(**options)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the program that plays random faults: it finds a law that breaks, and knows every option."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.apply import writes
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import fleet as deployments
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.deployment import DEPLOYMENT, WAIT
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.fleet import ITEM
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.guard import GUARD, LIST_GUARD
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan import consumers as rules
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan import decide, owner
from faults.play import Tally, play
from faults.schedules import ALWAYS, NOT_VARIED, schedules, values
from support.random_search import search

Json = dict[str, t.Any]
SPECS = (DEPLOYMENT, WAIT, GUARD, LIST_GUARD, ITEM)

RUNNING: Json = {"do": "start_deployment", "deployment_id": "d", "model_id": "m", "number_of_allocations": 2}
GONE: Json = {"do": "remove_deployment", "deployment_id": "d"}


def schedule(at: int, *what: Json, **task: t.Any) -> Json:
    return {
        "version": "9.5.3",
        "flavor": "default",
        "nodes": ["n1=4,16gb", "n2=4,16gb"],
        "privileges": ["all"],
        "running": [RUNNING, {"do": "settle"}],
        "consumers": [],
        "task": {"deployments": None, "options": {"deployment_id": "d", **task}},
        "second": None,
        "switches": [],
        "events": [{"at": at + place, "what": each} for place, each in enumerate(what)],
        "killed": None,
    }


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_option_has_values(spec: t.Any) -> None:
    for name, option in spec.argument_spec.items():
        if name not in ALWAYS + NOT_VARIED:
            values(name, option)


@search(fixed=10, full=500)
@given(schedules())
def test_a_schedule_is_json(drawn: Json) -> None:
    assert json.loads(json.dumps(drawn)) == drawn


def _laws_broken(*what: Json, **task: t.Any) -> set[str]:
    tally = Tally()
    found = {law for at in range(30) for law in play(schedule(at, *what, **task), tally)}
    assert tally.schedules == 30
    return found


def test_a_stop_of_what_another_client_started_breaks_a_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant a stop without a read before it, which stops what another client has started."""
    assert _laws_broken(GONE, RUNNING, state="stopped") == set()

    async def without_reading(_run: t.Any, step: t.Any) -> t.Any:
        return step

    monkeypatch.setattr(writes, "_next_stop", without_reading)
    printed = " ".join(_laws_broken(GONE, RUNNING, state="stopped"))
    assert "started at" in printed
    assert "deployment 'd': RunState(desired=Desired(deployment_id='d'" in printed
    assert "applied=AppliedSteps(kinds=frozenset({'stop'})" in printed


USED: Json = {
    "method": "PUT",
    "path": "/_inference/sparse_embedding/at-d",
    "body": {"service": "elasticsearch", "service_settings": {"deployment_id": "d"}},
}
ADAPTIVE = {**RUNNING, "adaptive_allocations": {"enabled": True}, "number_of_allocations": None}
OWNED: Json = {
    "method": "PUT",
    "path": "/_inference/sparse_embedding/d",
    "body": {
        "service": "elasticsearch",
        "service_settings": {"model_id": "m", "num_threads": 1, "num_allocations": 2},
    },
}
UNLISTED: Json = {
    "deployments": [{"deployment_id": "e", "model_id": "m"}],
    "options": {"stop_unlisted": True, "unlisted_except": ["d"]},
}


class Slip(t.NamedTuple):
    """A function that replaces another, the schedule that it breaks a law in, and the sentence of the judge."""

    where: t.Any
    name: str
    does: t.Callable[..., t.Any]
    drawn: Json
    sentence: str


def _task(**options: t.Any) -> Json:
    return {"deployments": None, "options": {"deployment_id": "d", **options}}


SLIPS = {
    "used": Slip(
        rules,
        "allow_stop",
        lambda desired, plan, consumers, server: plan,
        {"version": "8.16.0", "consumers": [USED], "task": _task(state="stopped")},
        "the task stopped 'd' without force, although it has consumers",
    ),
    "forced": Slip(
        rules,
        "allow_stop",
        lambda desired, plan, consumers, server: rules._forced(plan, "an alias", (), "on_referenced"),
        {"task": _task(state="stopped")},
        "the task sent force with a stop of 'd', although none of its options asks for force",
    ),
    "forced without consumers": Slip(
        rules,
        "allow_stop",
        lambda desired, plan, consumers, server: rules._forced(plan, "an alias", (), "on_referenced"),
        {"task": _task(state="stopped", on_referenced="force")},
        "the task sent force with a stop of 'd', although it has no consumers",
    ),
    "owned": Slip(
        owner,
        "allow_update",
        lambda desired, plan, endpoints, server: plan,
        {"version": "8.16.0", "running": [OWNED], "task": _task(number_of_allocations=3)},
        "the task updated 'd' directly, although an inference endpoint owns it",
    ),
    "guarded": Slip(
        decide,
        "guard_plan",
        lambda desired, plan: plan,
        {"task": _task(number_of_allocations=5, guard={"max_step": 1})},
        "the task changed 'd' from 2 to 5 allocations, although its guard has max_step 1",
    ),
    "adaptive": Slip(
        decide,
        "_refuse_taking_over",
        lambda desired, current: None,
        {"running": [ADAPTIVE, {"do": "settle"}], "task": _task(number_of_allocations=3)},
        "the task disabled the adaptive allocations of 'd', although none of its options asks for it",
    ),
    "unlisted": Slip(
        deployments,
        "keep_filter",
        lambda params: lambda deployment_id: False,
        {"task": UNLISTED},
        "the task changed 'd' by _stop, which none of its options asks for",
    ),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_breaks_a_law(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    slip = SLIPS[name]
    planned = {**schedule(0), **slip.drawn}
    assert play(planned, Tally()) == []
    monkeypatch.setattr(slip.where, slip.name, slip.does)
    assert slip.sentence in " ".join(play(planned, Tally()))


def test_a_number_that_on_adaptive_skips_breaks_no_law() -> None:
    task = _task(state="restarted", number_of_allocations=3, on_adaptive="skip")
    planned = {**schedule(0), "running": [ADAPTIVE, {"do": "settle"}], "task": task}
    assert play(planned, Tally()) == []


@pytest.mark.parametrize("operation", ["any_write", "stats"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_request_without_an_answer_breaks_no_law(operation: str, when: str) -> None:
    hang: Json = {"operation": operation, "do": {"type": "hang"}, "when": when, "times": 1}
    assert _laws_broken(hang, {"do": "delay", "seconds": 5.0}, number_of_allocations=3) == set()


def test_a_kill_breaks_no_law() -> None:
    tally = Tally()
    for moment in range(30):
        planned = {**schedule(0, threads_per_allocation=2, replace="stop_start"), "killed": moment}
        assert play(planned, tally) == []
    assert tally.kills > 10

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that plays random faults sees a law that breaks, and knows every option."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import find, settings

from ansible_collections.mlops.elasticsearch.plugins.module_utils._options.deployment import DEPLOYMENT, WAIT
from ansible_collections.mlops.elasticsearch.plugins.module_utils._options.deployments import ITEM
from ansible_collections.mlops.elasticsearch.plugins.module_utils._options.guard import GUARD, LIST_GUARD
from ansible_collections.mlops.elasticsearch.plugins.module_utils._run.change import Change
from faults.play import Tally, play
from faults.schedules import ALWAYS, NOT_VARIED, schedules, values

Json = dict[str, t.Any]
SPECS = (DEPLOYMENT, WAIT, GUARD, LIST_GUARD, ITEM)

RUNNING: Json = {"do": "start_deployment", "deployment_id": "d", "model_id": "m", "number_of_allocations": 2}
GONE: Json = {"do": "remove_deployment", "deployment_id": "d"}


def schedule(at: int, *what: Json, **task: t.Any) -> Json:
    return {
        "version": "9.5.3",
        "nodes": ["n1=4,16gb", "n2=4,16gb"],
        "privileges": ["all"],
        "running": [RUNNING, {"do": "settle"}],
        "users": [],
        "task": {"deployments": None, "options": {"deployment_id": "d", **task}},
        "second": None,
        "switches": [],
        "happenings": [{"at": at + place, "what": each} for place, each in enumerate(what)],
        "killed": None,
    }


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_option_has_values(spec: t.Any) -> None:
    for name, option in spec.argument_spec.items():
        if name not in ALWAYS + NOT_VARIED:
            values(name, option)


def test_a_schedule_is_json() -> None:
    drawn = find(schedules(), lambda each: bool(each["happenings"]), settings=settings(database=None))
    assert json.loads(json.dumps(drawn)) == drawn


def _laws_broken(*what: Json, **task: t.Any) -> set[str]:
    tally = Tally()
    found = {law for at in range(30) for law in play(schedule(at, *what, **task), tally)}
    assert tally.schedules == 30
    return found


def test_a_law_that_breaks_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever does not look before a stop stops what another has started."""
    assert _laws_broken(GONE, RUNNING, state="stopped") == set()
    monkeypatch.setattr(Change, "_due_stop", lambda self, action, sent: action)
    assert "which had been started at" in " ".join(_laws_broken(GONE, RUNNING, state="stopped"))


def test_a_kill_is_survived() -> None:
    tally = Tally()
    for moment in range(30):
        planned = {**schedule(0, threads_per_allocation=2, replace="stop_start"), "killed": moment}
        assert play(planned, tally) == []
    assert tally.kills > 10

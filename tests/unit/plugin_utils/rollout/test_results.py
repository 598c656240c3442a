# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what the role model_rollout leaves for later tasks and for a person."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.filter.rollout_plan import FilterModule as PlanFilter
from ansible_collections.mlops.elasticsearch.plugins.filter.rollout_results import FilterModule as ResultsFilter

Json = dict[str, t.Any]
rollout_plan = PlanFilter().filters()["rollout_plan"]
rollout_results = ResultsFilter().filters()["rollout_results"]
CALL: Json = {"method": "PUT", "path": "/p", "query": {"reassign": "true"}, "body": {"a": 1}}
STOP: Json = {"method": "POST", "path": "/s", "query": {}, "body": None}
STEPS = [
    {"number": 0, "do": "note", "title": "Note it"},
    {"number": 1, "do": "alias", "title": "Move it"},
    {"number": 2, "do": "stop", "title": "Stop it"},
]
PLAN: Json = {
    "action": "rollout",
    "route": "alias",
    "name": "a",
    "refused": [],
    "notices": ["It takes a while."],
    "steps": STEPS,
    "state": {"new": {"deployment_id": "n"}, "old": [{"deployment_id": "o"}]},
}
# ansible-core 2.18 makes a text of the number.
DONE = [{"number": "1", "title": "Move it", "changed": True, "api_calls": [CALL]}]


def outcome(plan: Json, done: t.Sequence[Json] = (), failed: Json | None = None, dry_run: bool = False) -> str:
    found = rollout_results(plan, done=list(done), undone=[], failed=failed or {}, dry_run=dry_run)
    return str(found["outcome"])


def test_a_dry_run_says_what_would_be_done() -> None:
    found = rollout_results(PLAN, done=DONE, undone=[], failed={}, dry_run=True)
    assert found["summary"] == [
        "Rollout of model alias 'a': planned (dry run, nothing was sent)",
        "New deployment: n. Old: o.",
        "Note: It takes a while.",
        "would: Note it",
        "would: Move it",
        '    PUT /p?reassign=true {"a": 1}',
        "would: Stop it",
    ]
    assert found["api_calls"] == [CALL]
    assert found["changed"]


def test_what_was_taken_back() -> None:
    undone = [{"number": 0, "title": "Stop the new one", "changed": True, "api_calls": [STOP]}]
    failed = {"msg": "Try it failed: no.", "rolled_back": True}
    plan = {**PLAN, "notices": [], "state": None}
    found = rollout_results(plan, done=[], undone=undone, failed=failed, dry_run=False)
    assert found["summary"] == [
        "Rollout of model alias 'a': rolled back",
        "Try it failed: no.",
        "open: Note it",
        "open: Move it",
        "open: Stop it",
        "done: Stop the new one",
        "    POST /s",
    ]
    assert found["rollback"] == undone
    assert [each.get("open") for each in found["steps"]] == [True] * 3


def test_a_step_that_failed_after_its_requests_shows_them() -> None:
    found = rollout_results(PLAN, done=[{**DONE[0], "failed": True}], undone=[], failed={"msg": "no"}, dry_run=False)
    assert "failed: Move it" in found["summary"]
    assert found["api_calls"] == [CALL]


def test_a_refusal_of_the_rehearsal_is_said_once() -> None:
    failed = {"msg": "No room. Nothing was changed.", "refused": True}
    found = rollout_results({**PLAN, "notices": []}, done=[], undone=[], failed=failed, dry_run=False)
    assert found["refused"] == [failed["msg"]]
    assert found["summary"].count(failed["msg"]) == 1


def test_a_refusal_names_the_action_that_was_asked_for() -> None:
    plan = rollout_plan({"action": "rollback", "model_alias": "a", "deployment_id": "d", "dry_run": "yes"}, {})
    assert (plan["action"], plan["dry_run"]) == ("rollback", True)
    found = rollout_results(plan, done=[], undone=[], failed={"msg": "no"}, dry_run=False)
    assert found["summary"][0] == "Rollback: refused (dry run, nothing was sent)"


@pytest.mark.parametrize("folder", [{"exists": False}, {"isdir": True, "writeable": False}])
def test_a_file_that_cannot_be_written_is_refused_before(folder: Json) -> None:
    plan = rollout_plan({"model_alias": "a", "state_file": "/f"}, {"folder": folder})
    assert plan["refused"][0].startswith("The folder of state_file does not exist, or nothing can be written there.")


def test_outcomes() -> None:
    assert outcome(PLAN, DONE) == "finished"
    assert outcome(PLAN, [{**DONE[0], "changed": False}]) == "unchanged"
    assert outcome({**PLAN, "action": "rollback"}, DONE) == "rolled_back"
    assert outcome(PLAN, failed={"msg": "no"}) == "failed"
    assert outcome({**PLAN, "refused": ["no"]}, failed={"msg": "no"}) == "refused"
    assert outcome(PLAN, failed={"msg": "no", "refused": True}) == "refused"
    assert outcome({}, failed={"msg": "no"}) == "failed"
    found = rollout_results({}, done=[], undone=[], failed={"msg": "no"}, dry_run=False)
    assert found["summary"] == ["Rollout: failed", "no"]


@pytest.mark.parametrize("given", [{}, None])
def test_a_plan_of_nothing_is_refused(given: t.Any) -> None:
    seen = {
        "deployments": {"deployments": [], "as_list": None, "server": {"version": "9.5.3", "flavor": "default"}},
        "models": {"models": []},
        "state": "",
        "now": "",
    }
    plan = rollout_plan(given, seen)
    assert plan["refused"][0].startswith("model_rollout needs exactly one of")
    found = rollout_results(plan, done=[], undone=[], failed={"msg": "no"}, dry_run=True)
    assert found["summary"] == ["Rollout: refused (dry run, nothing was sent)", *plan["refused"]]

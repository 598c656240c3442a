# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what the role upgrade_guard says of its work."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.filter.upgrade_guard_results import FilterModule
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.words import request_line
from support.emulated_cluster import Emulator
from support.upgrade_guard import NIGHT, NO_RUNS, RESTORE, Guard, options_of, plan_of

Json = dict[str, t.Any]
results = FilterModule().filters()["upgrade_guard_results"]


def options(**given: t.Any) -> Json:
    found: Json = options_of({"file": "f", **given})
    return found


def with_two_deployments(emulator: Emulator) -> Guard:
    """Start the deployments a and b, and let an alias refer to their model. Return the role on *emulator*."""
    for name in ("a", "b"):
        emulator.effect("start_deployment", model_id="m", deployment_id=name)
    emulator.settle()
    emulator.run_alias(model_alias="x", model_id="m")
    return Guard(emulator)


def test_a_person_reads_it_in_ten_seconds() -> None:
    with Emulator("9.5.3") as emulator:
        guard = with_two_deployments(emulator)
        night = guard.use(**{**NIGHT, "quiesce": {"mode": "stop_all", "upgrade_mode": True}})
        assert night["summary"] == [
            "Cluster: recorded and 2 deployments stopped",
            "Record of t1, Elasticsearch 9.5.3: 2 deployments, 0 inference endpoints and 1 model alias in f",
            "Stopped: a, b",
            "Upgrade mode: on",
        ]
        # In the mode Elasticsearch deletes no alias.
        for on in (False, True):
            emulator.effect("set_setting", name="upgrade_mode", value=on)
            emulator.run_alias(model_alias="x", model_id="m", state="absent")
        dry = results(options(**RESTORE), guard.plan(**RESTORE), _dry_runs(guard), True)
        assert dry["table"] == [
            "what          setting   recorded  now",
            "------------  --------  --------  ---------",
            "deployment a  state     started   not there",
            "deployment b  state     started   not there",
            "alias x       model_id  m         not there",
            "upgrade mode  enabled   False     True",
        ]
        assert dry["summary"] == [
            "Restore: 4 differences from the record (dry run, nothing was sent)",
            "Record of t1, Elasticsearch 9.5.3: 2 deployments, 0 inference endpoints and 1 model alias in f",
            "Started or changed: a, b",
            "Aliases put back: x",
            "Upgrade mode: off",
            "Request: POST /_ml/set_upgrade_mode?enabled=false",
            *(f"Request: {request_line(call)}" for call in dry["api_calls"][1:]),
        ]
        assert len(dry["api_calls"]) == 4
        # What a real run rehearses before it turns the mode off is refused in the mode, which is no reason to fail.
        early = emulator.run_many(guard.plan(**RESTORE)["items"], check_mode=True)
        assert {each["failure"]["code"] for each in early["deployments"]} == {"upgrade_mode"}
        assert (
            results(options(**RESTORE), guard.plan(**RESTORE), {**NO_RUNS, "rehearsal": early}, False)["failed"] == []
        )
        # A real run turns it off before it starts something.
        assert (dry["failed"], dry["record"]["state"]) == ([], "restored")
        done = guard.use(**RESTORE)
        assert done["summary"][0] == "Restore: 0 differences from the record"
        assert done["summary"][2:] == ["Started or changed: a, b", "Aliases put back: x", "Upgrade mode: off"]
        assert (done["table"], done["record"]["state"]) == ([], "restored")


def _dry_runs(guard: Guard) -> Json:
    """Return what the tasks of a dry run return: each one sees what those before it would have done."""
    planned, seen = guard.plan(**RESTORE), Json()
    mode = guard.emulator.upgrade_mode(False, check_mode=True) if planned["mode_off"] else {}
    if mode:
        [seen["upgrade_mode"]] = mode["ansible_facts"].values()
    deployments = guard.emulator.run_many(planned["items"], check_mode=True, predictions=seen)
    given: Json = {"check_mode": True, "predictions": {**seen, "deployments": _fact(deployments)}}
    aliases = [{**guard.emulator.run_alias(**given, **each), "item": each} for each in planned["aliases"]]
    return {**NO_RUNS, "deployments": deployments, "aliases": {"results": aliases}, "mode": mode}


def _fact(run: Json) -> Json:
    """Return what a list of deployments has predicted. A list that fails has none."""
    return {name: entry for fact in (run.get("ansible_facts") or {}).values() for name, entry in fact.items()}


def test_each_failure_is_said_once() -> None:
    with Emulator("9.5.3") as emulator:
        guard = Guard(emulator)
        guard.use(action="record")
        planned = guard.plan(**RESTORE)
        item: Json = {
            "deployment_id": "a",
            "changed": False,
            "failed": True,
            "failure": {"code": "c"},
            "msg": "No room.",
        }
        runs: Json = {
            **NO_RUNS,
            "rehearsal": {"deployments": [item], "failure": {"code": "items_failed"}},
            "deployments": {"deployments": [{**item, "operation": "none"}], "failure": {"code": "items_failed"}},
            "aliases": {
                "results": [{"failure": {"code": "c"}, "msg": "Not deployed.", "item": {"model_alias": "x"}}, {}]
            },
            "mode": {"failed": True, "msg": "Not in time."},
            "file": {"failed": True, "msg": "No space."},
            "own_file": {"failed": True, "msg": "Written over."},
        }
        found = results(options(**RESTORE), planned, runs, False)
        assert found["failed"] == ["No room.", "Not deployed.", "Not in time.", "No space.", "Written over."]
        assert found["summary"][0] == "Restore: failed"
        lost = {**NO_RUNS, "deployments": {"deployments": [], "failure": {"code": "connection_failed"}, "msg": "Lost."}}
        assert results(options(**RESTORE), planned, lost, True)["failed"] == ["Lost."]


def test_only_what_happens_is_shown() -> None:
    """Test it with a restore that is refused: nothing is put back, by a real run or by one that shows it before."""
    with Emulator("9.5.3") as emulator:
        guard = with_two_deployments(emulator)
        guard.use(**NIGHT)
        emulator.run_alias(model_alias="x", model_id="m", state="absent")
        emulator.effect("start_deployment", model_id="m", deployment_id="a", queue_capacity=7)
        emulator.settle()
        dry = _dry_runs(guard)
        shown = ("restored", "aliases", "upgrade_mode", "api_calls", "changed")
        refused = results(options(**RESTORE), guard.plan(**RESTORE), dry, True)
        assert "queue_capacity" in refused["msg"]
        assert [refused[name] for name in shown] == [[], [], None, [], False]
        rehearsed: Json = {**NO_RUNS, "rehearsal": dry["deployments"], "alias_rehearsal": dry["aliases"]}
        real = results(options(**RESTORE), guard.plan(**RESTORE), rehearsed, False)
        assert ([real[name] for name in shown], real["failed"]) == ([[], [], None, [], False], refused["failed"])
        rest = results(options(**RESTORE, on_refused="skip"), guard.plan(**RESTORE), dry, True)
        assert (rest["restored"], rest["aliases"], len(rest["api_calls"])) == (["b"], ["x"], 2)
        assert rest["summary"][-3].startswith("Request: POST /_ml/trained_models/m/deployment/_start?cache_size=")
        many = {"deployments": [each for each in dry["deployments"]["deployments"] if each["changed"]] * 13}
        shown_first = results(options(**RESTORE), guard.plan(**RESTORE), {**NO_RUNS, "deployments": many}, True)
        assert shown_first["summary"][-1] == "and 1 more in api_calls"
        night = results(options(**NIGHT), guard.plan(**NIGHT), {**NO_RUNS, **dry, "file": {"changed": True}}, True)
        assert (night["record"]["written"], night["changed"]) == (False, False)


def test_an_audit_may_fail() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.run_alias(model_alias="x", model_id="m")
        guard = Guard(emulator)
        guard.use(action="record")
        audit: Json = {**RESTORE, "fail_on_drift": True, "dry_run": True}
        assert results(options(**audit), guard.plan(**audit), NO_RUNS, True)["failed"] == []
        emulator.run_alias(model_alias="x", model_id="other", reassign=True)
        found = results(options(**audit), guard.plan(**audit), NO_RUNS, True)
        assert found["msg"] == "1 difference from the record remains: alias x: model_id m, now other."
        assert (found["changed"], found["record"]["state"]) == (False, "recorded")
        calm = results(options(**RESTORE), guard.plan(**RESTORE), NO_RUNS, True)
        assert calm["msg"] == "Restore: 1 difference from the record (dry run, nothing was sent)"


def test_a_cluster_that_cannot_be_read_at_the_end_is_not_restored() -> None:
    with Emulator("9.5.3") as emulator:
        guard = Guard(emulator)
        assert guard.use(action="record")["differences"] is None
        gone: Json = {**guard.reads(), "deployments": {"failure": {"code": "no_connection"}, "msg": "Lost."}}
        after = plan_of(options(**RESTORE), gone, guard.text, "t")
        found = results(options(**RESTORE), guard.plan(**RESTORE), {**NO_RUNS, "after": after}, False)
        assert found["msg"] == "The deployments cannot be read: Lost."
        assert (found["record"]["state"], found["differences"]) == ("recorded", None)


def test_nothing_was_planned() -> None:
    """Test it with options that make no sense, and with a task that failed before the plan."""
    refused = results(options(action="what"), {}, NO_RUNS, False)
    assert (len(refused["failed"]), refused["summary"][0]) == (1, "The role: failed")
    early = results(options(**RESTORE), {}, NO_RUNS, False)
    assert (early["drift"], early["record"]["state"]) == ([], None)
    assert early["failed"] == ["The cluster or its record could not be read."]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the laws on all pairs of states and desired states, on several versions, with and without the cluster state.

Each pair runs three times on clusters in the same state: in check mode on an emulator that refuses every write, for
real, and for real once more.
"""

from __future__ import annotations

import typing as t

import pytest

from laws.pairs import ACCESS, VERSIONS, deployment_id, desired_states, named, prepared, states
from laws.truth import failure_code, reached, same_as_there, unforeseen
from support.emulated_cluster import Emulator
from support.scenario_helpers import written

Json = dict[str, t.Any]
PREDICTED = ("changed", "operation", "skipped_because", "diff", "before", "after", "api_calls", "server")
PAIRS = [(version, state) for version in VERSIONS for state in states(version)]


@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize(("version", "state"), PAIRS)
def test_every_law_holds(version: str, state: str, access: str) -> None:
    for desired in desired_states(version, state, share(version, access)):
        with prepared(version, state, access, desired) as checked, prepared(version, state, access, desired) as real:
            options = named(real, desired)
            where = f"{version}, {state}, {access}, {desired}"
            predicted = _check_mode(checked, options, where)
            happened = real.run(**options)
            _predicts(predicted, happened, where)
            _is_true(real, happened, where)
            _shows_what_differs(happened, where)
            if happened.get("failed"):
                _loses_nothing(real, happened, where)
                continue
            assert reached(real, options, happened), f"{where}: the desired state is not there"
            _second_run(real, options, where)


def share(version: str, access: str) -> int:
    """Return one of how many pairs is tried: most on the newest version, if the cluster state can be read."""
    if access != "full":
        return 10
    return 2 if version == "9.5.3" else 4


def _check_mode(emulator: t.Any, options: Json, where: str) -> Json:
    """Apply law 1: check mode sends no write."""
    emulator.read_only()
    before = emulator.deployments()
    result: Json = emulator.run(check_mode=True, **options)
    assert emulator.journal() == [], f"{where}: check mode wrote"
    assert emulator.deployments() == before
    return result


def _predicts(predicted: Json, happened: Json, where: str) -> None:
    """Apply law 2: check mode predicts exactly what a run that succeeds does, and refuses with the same message."""
    if predicted.get("failed"):
        assert predicted["msg"] == happened.get("msg"), f"{where}: refused only in check mode"
        return
    if happened.get("failed"):
        assert unforeseen(happened), f"{where}: check mode did not predict: {happened['msg']}"
        in_time = failure_code(happened) not in ("not_ready_in_time", "not_recovered")
        assert predicted["changed"] or not in_time, f"{where}: {happened['msg']}"
        return
    assert {key: predicted[key] for key in PREDICTED} == {key: happened[key] for key in PREDICTED}, where
    assert predicted["warnings"] == happened["warnings"], where
    if predicted["changed"]:
        _predicts_deployment(predicted, happened["deployment"], where)


def _predicts_deployment(predicted: Json, deployment: Json | None, where: str) -> None:
    """Require that check mode shows the deployment that will be there, and marks it as predicted."""
    expected = predicted["deployment"]
    assert predicted["routing_source"] == "prediction", where
    facts = predicted["ansible_facts"]["elasticsearch_ml_deployments"]
    [entry] = facts.values()
    assert (entry["predicted"], entry["deployment"]) == (True, expected), where
    if expected is None or deployment is None:
        # Without a wait, the deployment may still be stopping.
        assert expected is None, where
        assert deployment is None or deployment["assignment_state"] == "stopping", where
        return
    owned = ["model_id", "threads_per_allocation", "priority", "adaptive_allocations", "queue_capacity"]
    if not (expected["adaptive_allocations"] or {}).get("enabled"):
        owned.append("number_of_allocations")
    wrong = [name for name in owned if expected[name] not in (None, deployment[name])]
    assert wrong == [], f"{where}: {expected} is not {deployment}"


def _is_true(emulator: t.Any, result: Json, where: str) -> None:
    """Apply law 4: the result shows the deployment as it is, and the writes that arrived."""
    assert same_as_there(emulator, result) == [], where
    committed = [entry for entry in emulator.journal() if entry["status"] == 200]
    reported = [(call["method"], call["path"], call["query"], call["body"]) for call in result["api_calls"]]
    assert reported == [(entry["method"], entry["path"], entry["query"], entry["body"]) for entry in committed], where


def _shows_what_differs(result: Json, where: str) -> None:
    """Require that a diff has no nulls, and shows as lost only what the deployment does not have any more."""
    before, after = result["diff"]["before"], result["diff"]["after"]
    assert None not in (*before.values(), *after.values()), where
    assert all(side.get("state") != "stopped" or side == {"state": "stopped"} for side in (before, after)), where
    assert {name: value for name, value in before.items() if name in after and value == after[name]} == {}, where
    if after and after != {"state": "stopped"}:
        lost = before.keys() - after.keys() - {"number_of_allocations"}
        assert [name for name in lost if before[name] == result["deployment"][name]] == [], where


def _loses_nothing(emulator: t.Any, result: Json, where: str) -> None:
    """Require that a refusal comes before any write, and that a run which wrote reports it."""
    committed = [entry for entry in emulator.journal() if entry["committed"]]
    assert bool(committed) == result["changed"], f"{where}: a write is not reported, or is reported and was not sent"
    if "error" not in result and result["operation"] == "none":
        assert emulator.journal() == [], f"{where}: refused after a write"


def _second_run(emulator: t.Any, options: Json, where: str) -> None:
    """Apply law 5: a second run changes nothing and writes nothing, not even an audit line."""
    if options.get("state") == "restarted":
        return
    emulator.forget()
    again = emulator.run(**options)
    gone_is_failure = options.get("on_missing") == "fail" and options.get("state") == "stopped"
    # The change of a first run that did not wait may still fail.
    if not gone_is_failure and options.get("wait", True):
        assert not again.get("failed"), f"{where}: {again.get('msg')}"
    assert again["waited"]["polls"] == 0 or options.get("wait", True), f"{where}: it waited"
    assert again["changed"] is False, f"{where}: {again['diff']}"
    assert emulator.journal() == [], f"{where}: the second run wrote"
    assert emulator.control("GET", "/audit") == [], f"{where}: the second run left an audit line"


def test_a_restart_restarts_each_time() -> None:
    with prepared("9.5.3", "two", "full") as emulator:
        for times in (1, 2):
            assert emulator.run(deployment_id=deployment_id(emulator), state="restarted")["operation"] == "restart"
            assert written(emulator) == ["_stop", "_start"] * times


@pytest.mark.parametrize("version", ["8.5.3", "9.5.3"])
@pytest.mark.parametrize("named", [{"model_id": "alias"}, {"deployment_id": "alias"}])
def test_a_task_that_names_an_alias_leaves_the_deployment_with_the_models_id(version: str, named: Json) -> None:
    """It neither stops that deployment, nor starts a second one without a warning."""
    with (
        prepared(version, "nothing", "full", "by alias") as checked,
        prepared(version, "nothing", "full", "by alias") as emulator,
    ):
        for each in (checked, emulator):
            each.effect("start_deployment", model_id="m", deployment_id="m")
            each.settle()
        for state in ("stopped", "restarted", "started"):
            predicted = checked.run(check_mode=True, state=state, **named)
            happened = emulator.run(state=state, **named)
            assert predicted.get("msg") == happened.get("msg")
            if "model_id" in named and state != "started":
                assert "runs as 'm'" in happened["msg"]
            if version == "8.5.3" and state != "stopped":
                assert happened["failed"]
            if version == "9.5.3" and state == "started" and "model_id" in named:
                assert "already runs as 'm'" in happened["warnings"][0]
        assert "m" in emulator.deployments()


def test_on_serverless_a_task_leaves_the_number_to_adaptive_allocations() -> None:
    with Emulator("8.11.0", flavor="serverless") as emulator:
        for check_mode in (True, False):
            refused = emulator.run(check_mode, model_id="m", number_of_allocations=2)
            assert refused["failure"] == {"code": "unsupported_on_serverless"}
            assert "min_number_of_allocations" in refused["msg"]
        leaves: Json = {"model_id": "m", "number_of_allocations": 2, "on_adaptive": "skip"}
        first = emulator.run(**leaves)
        assert "may run another number of allocations of 'm' than 2" in first["warnings"][0]
        assert not first.get("failed"), first.get("msg")
        assert first["operation"] == "start"
        second = emulator.run(**leaves)
        assert second["warnings"] == [f"Deployment 'm' was skipped: {second['skipped_because']}."]
        assert (second["operation"], second["changed"]) == ("none", False)
        assert second["skipped_because"] is not None
        assert first["routing_source"] == "stats"
        assert emulator.run(model_id="m", number_of_allocations=2, on_adaptive="override")["failed"]
        assert not emulator.run(model_id="m", state="stopped").get("failed")

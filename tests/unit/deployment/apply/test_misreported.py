# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that threads and cache sizes which Elasticsearch 8.4 and 8.5 report wrongly decide nothing.

Source: server-behaviour.md 7 item 22. After a rebalance the statistics show the node's own number of allocations as
threads, and no cache size. The cluster state is right, and needs the privilege monitor.
"""

from __future__ import annotations

import json
import typing as t

import pytest

from support.emulated_cluster import Answer, Emulator

Json = dict[str, t.Any]
VERSIONS = ("8.4.3", "8.5.3")
WITHOUT_MONITOR, WITH_MONITOR = ("manage_ml", "read_pipeline"), ("manage_ml", "read_pipeline", "monitor")


def prepared(version: str, privileges: t.Sequence[str], *, wrong: bool = True) -> Emulator:
    """Return a cluster with four allocations of one thread and a cache of its own; *wrong*: it misreports them."""
    emulator = Emulator(version)
    emulator.effect("start_deployment", model_id="m", number_of_allocations=4, cache_size="3mb", queue_capacity=77)
    emulator.settle()
    emulator.forget()
    emulator.allow(*privileges)
    if wrong:
        misreport(emulator)
    return emulator


def misreport(emulator: Emulator) -> None:
    forward = emulator.request

    def misreporting(method: str, target: str, *rest: t.Any) -> Answer:
        status, headers, body = forward(method, target, *rest)
        if not target.startswith("/_ml/trained_models") or "/_stats" not in target or status != 200:
            return status, headers, body
        answer = json.loads(body)
        for row in answer["trained_model_stats"]:
            stats = row.get("deployment_stats", {})
            stats.pop("cache_size", None)
            stats.update({"threads_per_allocation": 4} if stats else {})
        content = json.dumps(answer).encode()
        return status, [pair for pair in headers if pair[0].lower() != "content-length"], content

    emulator.request = misreporting  # type: ignore[method-assign,assignment]


def parameters(emulator: Emulator) -> Json:
    task: Json = emulator.deployments()["m"]["task_parameters"]
    return {name: task[name] for name in ("number_of_allocations", "threads_per_allocation", "cache_size")}


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("named", [{"threads_per_allocation": 1}, {"threads_per_allocation": 2}, {"cache_size": "3mb"}])
@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_replaced_because_of_them(version: str, named: Json, check_mode: bool) -> None:
    with prepared(version, WITHOUT_MONITOR) as emulator:
        result = emulator.run(check_mode, model_id="m", number_of_allocations=4, replace="stop_start", **named)
        assert (result["changed"], emulator.journal()) == (False, [])
        [warning] = result["warnings"]
        assert next(iter(named)) in warning
        assert "could not be compared" in warning
        assert "privilege monitor" in warning
        assert result["deployment"]["threads_per_allocation"] is None
        assert emulator.run(check_mode, model_id="m", number_of_allocations=4)["warnings"] == []


RECREATING: dict[str, Json] = {
    "restart": {"state": "restarted"},
    "restart with threads": {"state": "restarted", "threads_per_allocation": 1},
    "restart with both": {"state": "restarted", "threads_per_allocation": 1, "cache_size": "3mb"},
    "replace for another reason": {"queue_capacity": 5, "replace": "stop_start"},
}


@pytest.mark.parametrize("name", RECREATING)
@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_stopped_whose_settings_are_not_known(version: str, name: str) -> None:
    with prepared(version, WITHOUT_MONITOR) as emulator:
        was = parameters(emulator)
        planned, real = (emulator.run(check_mode, model_id="m", **RECREATING[name]) for check_mode in (True, False))
        assert planned["msg"] == real["msg"]
        assert real["failure"] == {"code": "missing_privilege"}
        assert "Grant the cluster privilege monitor" in real["msg"]
        assert "could not be started again as it was" in real["msg"]
        assert (emulator.journal(), parameters(emulator)) == ([], was)


@pytest.mark.parametrize("wrong", [True, False])
@pytest.mark.parametrize("version", [*VERSIONS, "8.3.3"])
def test_the_cluster_state_or_right_statistics_are_enough(version: str, wrong: bool) -> None:
    if version == "8.3.3":
        with Emulator(version) as emulator:
            emulator.effect("start_deployment", model_id="m", number_of_allocations=4)
            emulator.settle()
            emulator.allow(*WITHOUT_MONITOR)
            assert emulator.run(model_id="m", state="restarted")["operation"] == "restart"
        return
    with prepared(version, WITH_MONITOR if wrong else WITHOUT_MONITOR, wrong=wrong) as emulator:
        was = parameters(emulator)
        same = emulator.run(model_id="m", threads_per_allocation=1, cache_size="3mb")
        assert (same["changed"], same["warnings"]) == (False, [])
        assert emulator.run(model_id="m", state="restarted")["operation"] == "restart"
        assert parameters(emulator) == {**was, "cache_size": parameters(emulator)["cache_size"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_start_of_ones_own_is_no_conflict(version: str) -> None:
    with Emulator(version) as emulator:
        emulator.allow(*WITHOUT_MONITOR)
        misreport(emulator)
        options: Json = {"number_of_allocations": 4, "threads_per_allocation": 1, "cache_size": "3mb"}
        result = emulator.run(model_id="m", **options)
        assert (result["operation"], result.get("failed", False)) == ("start", False), result.get("msg")


def test_the_stop_of_such_a_deployment_is_not_rolled_back_with_other_settings() -> None:
    with prepared("8.5.3", WITHOUT_MONITOR) as emulator:
        emulator.effect("hold", deployment_id="m")
        result = emulator.run(model_id="m", state="stopped", on_unsatisfied="rollback", wait_timeout=4)
        assert result["failure"] == {"code": "rollback_failed"}
        assert "are not known" in result["msg"]
        assert [call["path"].rpartition("/")[2] for call in emulator.journal()][0] == "_stop"
        assert not any("_start" in call["path"] for call in emulator.journal())


@pytest.mark.parametrize("gather", [["routing"], []])
@pytest.mark.parametrize("version", VERSIONS)
def test_reading_leaves_them_out(version: str, gather: list[str]) -> None:
    with prepared(version, WITHOUT_MONITOR) as emulator:
        result = emulator.info(gather=gather)
        assert not result.get("failed"), result.get("msg")
        assert result["deployments"][0]["threads_per_allocation"] is None
        [item] = result["as_list"]
        assert item.keys().isdisjoint({"threads_per_allocation", "cache_size"})
        applied = emulator.run_many([item])
        assert (applied["changed"], applied.get("failed", False), applied["warnings"]) == (False, False, [])


@pytest.mark.parametrize("version", [*VERSIONS, "8.3.3"])
def test_right_statistics_stand_in_the_list(version: str) -> None:
    with Emulator(version) as emulator:
        emulator.effect("start_deployment", model_id="m", threads_per_allocation=2)
        emulator.settle()
        emulator.allow(*WITHOUT_MONITOR)
        assert emulator.info()["as_list"][0]["threads_per_allocation"] == 2

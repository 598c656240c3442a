# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what other clients do during a task, and what the task leaves alone then."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.endpoint import endpoints_in
from support.emulated_cluster import Emulator
from support.scenario_helpers import at_tick, owned

Json = dict[str, t.Any]
ENDPOINT: Json = {"service": "elasticsearch", "service_settings": {"deployment_id": "d", "model_id": "m"}}


def verbs(emulator: Emulator) -> list[str]:
    paths = [entry["path"] for entry in emulator.journal()]
    return [path.rpartition("/")[2] for path in paths if "/deployment/" in path]


def test_a_start_is_not_rolled_back_that_another_client_has_come_to_use() -> None:
    """Test Elasticsearch 8.16, which stops a deployment without looking for endpoints."""
    with Emulator("8.16.0", ("n1=2,64gb",)) as emulator:
        growing = {"persistent": {"xpack.ml.max_lazy_ml_nodes": 2}}
        emulator.send({"method": "PUT", "path": "/_cluster/settings", "query": {}, "body": growing})
        emulator.forget()
        attach = {"method": "PUT", "path": "/_inference/sparse_embedding/reviews", "query": {}, "body": ENDPOINT}
        at_tick(emulator, 3, lambda: emulator.send(attach))
        result = emulator.run(deployment_id="d", model_id="m", number_of_allocations=3, on_unsatisfied="rollback")
        assert "It was not rolled back: Deployment 'd' is used by inference endpoint 'reviews'" in result["msg"]
        assert verbs(emulator) == ["_start"]
        assert "d" in emulator.deployments()


def test_an_update_that_waited_is_not_sent_to_what_another_has_started() -> None:
    with Emulator("9.5.3", ("n1=32,64gb",), (("m", 1 << 20), ("other", 1 << 20))) as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
        emulator.effect("hold", deployment_id="d")

        def replace() -> None:
            emulator.effect("remove_deployment", deployment_id="d")
            emulator.effect("start_deployment", model_id="other", deployment_id="d", number_of_allocations=6)
            emulator.settle()

        at_tick(emulator, 2, replace)
        result = emulator.run(deployment_id="d", number_of_allocations=2)
        assert "stopped and started again meanwhile" in result["msg"]
        assert emulator.deployments()["d"]["task_parameters"]["number_of_allocations"] == 6
        assert verbs(emulator) == []


def test_what_the_file_holds_counts_more_than_what_an_endpoint_says(tmp_path: Path) -> None:
    path = str(tmp_path / "d.json")
    with Emulator("9.5.3") as emulator:
        settings = {"model_id": "m", "num_threads": 1, "num_allocations": 1}
        body = {"service": "elasticsearch", "service_settings": settings}
        emulator.send({"method": "PUT", "path": "/_inference/sparse_embedding/ep", "query": {}, "body": body})
        emulator.settle()
        restarted: Json = {"deployment_id": "ep", "on_referenced": "force"}
        assert emulator.run(**restarted, threads_per_allocation=2, replace="stop_start")["changed"]
        with emulator.kill(what="_start"):
            emulator.run(**restarted, state="restarted", recovery_file=path)
        assert emulator.deployments() == {}
        again = emulator.run(**restarted, state="restarted", recovery_file=path)
        assert not again.get("failed"), again["msg"]
        assert emulator.deployments()["ep"]["task_parameters"]["threads_per_allocation"] == 2


def test_a_refused_stop_leaves_no_file_and_no_false_word(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
        emulator.settle()
        refusal = {"type": "answer", "status": 409, "body": {"error": {"type": "status_exception", "reason": "used"}}}
        emulator.control("POST", "/faults", {"operation": "stop", "when": "before", "do": refusal})
        result = emulator.run(deployment_id="d", queue_capacity=77, replace="stop_start", recovery_file=str(path))
        assert result["failed"]
        assert "d" in emulator.deployments()
        assert not path.exists()
        assert "Run the task again to start it" not in str(result)


def test_one_file_by_two_names_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    items = [
        {"deployment_id": name, "model_id": "m", "recovery_file": str(tmp_path / folder / "x.json")}
        for name, folder in (("a", "real"), ("b", "link"))
    ]
    with Emulator("9.5.3") as emulator:
        result = emulator.run_many(items)
    assert "have the same recovery_file" in result["msg"]


@pytest.mark.parametrize("service", ["elasticsearch", "elser", "text_embedding"])
def test_endpoints_of_each_age_are_seen(service: str) -> None:
    listed = {"model_id": "e", "task_type": "text_embedding", "service": service, "service_settings": {"model_id": "m"}}
    assert [each.inference_id for each in endpoints_in({"models": [listed]})] == ["e"]
    assert [each.in_cluster for each in endpoints_in({"models": [listed]})] == [True]


@pytest.mark.parametrize(("version", "passed_on"), [("8.19.21", True), ("9.1.10", True), ("9.5.3", False)])
@pytest.mark.parametrize("waiting", [{}, {"wait": False}, {"on_unsatisfied": "rollback"}])
def test_an_endpoint_that_has_the_settings_already_passes_nothing_on(
    version: str, passed_on: bool, waiting: Json
) -> None:
    """Test a deployment that another client changed behind its endpoint, as releases before 9.2 allow."""
    with Emulator(version) as emulator:
        owned(emulator)
        emulator.effect("set_number", deployment_id="ep", number_of_allocations=2)
        emulator.settle()
        asked: Json = {"deployment_id": "ep", "on_endpoint_owned": "update_endpoint", **waiting}
        result = emulator.run(**asked, number_of_allocations=1)
        assert result["changed"]  # as far as anybody knows
        if not passed_on:
            assert result["failure"] == {"code": "unknown_outcome"}
            assert (
                "'ep' still has its old settings after the update: number_of_allocations is 2, not 1" in result["msg"]
            )
            assert result["after"] == result["before"]
            assert not emulator.run(**asked, number_of_allocations=3).get("failed")  # what the message advises
            result = emulator.run(**asked, number_of_allocations=1)
        assert "msg" not in result
        assert emulator.deployments()["ep"]["task_parameters"]["number_of_allocations"] == 1

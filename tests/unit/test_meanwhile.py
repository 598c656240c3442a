# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others do while a task goes on, and what it leaves alone then."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._consumers import records as references
from support.double import Double
from support.scene import at_tick, owned

Json = dict[str, t.Any]
ENDPOINT: Json = {"service": "elasticsearch", "service_settings": {"deployment_id": "d", "model_id": "m"}}


def verbs(double: Double) -> list[str]:
    paths = [entry["path"] for entry in double.journal()]
    return [path.rpartition("/")[2] for path in paths if "/deployment/" in path]


def test_a_start_is_not_rolled_back_that_somebody_has_come_to_use() -> None:
    """Elasticsearch 8.16 stops a deployment without looking for endpoints."""
    with Double("8.16.0", ("n1=2,64gb",)) as double:
        growing = {"persistent": {"xpack.ml.max_lazy_ml_nodes": 2}}
        double.send({"method": "PUT", "path": "/_cluster/settings", "query": {}, "body": growing})
        double.forget()
        attach = {"method": "PUT", "path": "/_inference/sparse_embedding/reviews", "query": {}, "body": ENDPOINT}
        at_tick(double, 3, lambda: double.send(attach))
        result = double.run(deployment_id="d", model_id="m", number_of_allocations=3, on_unsatisfied="rollback")
        assert "It was not rolled back: Deployment 'd' is used by inference endpoint 'reviews'" in result["msg"]
        assert verbs(double) == ["_start"]
        assert "d" in double.deployments()


def test_an_update_that_waited_is_not_sent_to_what_another_has_started() -> None:
    with Double("9.5.3", ("n1=32,64gb",), (("m", 1 << 20), ("other", 1 << 20))) as double:
        double.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
        double.effect("hold", deployment_id="d")

        def replace() -> None:
            double.effect("remove_deployment", deployment_id="d")
            double.effect("start_deployment", model_id="other", deployment_id="d", number_of_allocations=6)
            double.settle()

        at_tick(double, 2, replace)
        result = double.run(deployment_id="d", number_of_allocations=2)
        assert "stopped and started again meanwhile" in result["msg"]
        assert double.deployments()["d"]["task_parameters"]["number_of_allocations"] == 6
        assert verbs(double) == []


def test_what_the_file_holds_counts_more_than_what_an_endpoint_says(tmp_path: Path) -> None:
    path = str(tmp_path / "d.json")
    with Double("9.5.3") as double:
        settings = {"model_id": "m", "num_threads": 1, "num_allocations": 1}
        body = {"service": "elasticsearch", "service_settings": settings}
        double.send({"method": "PUT", "path": "/_inference/sparse_embedding/ep", "query": {}, "body": body})
        double.settle()
        anew: Json = {"deployment_id": "ep", "on_referenced": "force"}
        assert double.run(**anew, threads_per_allocation=2, replace="stop_start")["changed"]
        with double.kill(what="_start"):
            double.run(**anew, state="restarted", recovery_file=path)
        assert double.deployments() == {}
        again = double.run(**anew, state="restarted", recovery_file=path)
        assert not again.get("failed"), again["msg"]
        assert double.deployments()["ep"]["task_parameters"]["threads_per_allocation"] == 2


def test_a_refused_stop_leaves_no_file_and_no_false_word(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    with Double("9.5.3") as double:
        double.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
        double.settle()
        refusal = {"type": "answer", "status": 409, "body": {"error": {"type": "status_exception", "reason": "used"}}}
        double.control("POST", "/faults", {"operation": "stop", "when": "before", "do": refusal})
        result = double.run(deployment_id="d", queue_capacity=77, replace="stop_start", recovery_file=str(path))
        assert result["failed"]
        assert "d" in double.deployments()
        assert not path.exists()
        assert "Run the task again to start it" not in str(result)


def test_one_file_by_two_names_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    items = [
        {"deployment_id": name, "model_id": "m", "recovery_file": str(tmp_path / folder / "x.json")}
        for name, folder in (("a", "real"), ("b", "link"))
    ]
    with Double("9.5.3") as double:
        result = double.run_many(items)
    assert "have the same recovery_file" in result["msg"]


@pytest.mark.parametrize("service", ["elasticsearch", "elser", "text_embedding"])
def test_endpoints_of_each_age_are_seen(service: str) -> None:
    listed = {"model_id": "e", "task_type": "text_embedding", "service": service, "service_settings": {"model_id": "m"}}
    assert [each.inference_id for each in references.endpoints({"models": [listed]})] == ["e"]


@pytest.mark.parametrize(("version", "passed_on"), [("8.19.21", True), ("9.1.10", True), ("9.5.3", False)])
@pytest.mark.parametrize("waiting", [{}, {"wait": False}, {"on_unsatisfied": "rollback"}])
def test_an_endpoint_that_has_the_settings_already_passes_nothing_on(
    version: str, passed_on: bool, waiting: Json
) -> None:
    """Somebody has changed the deployment behind its endpoint, as releases before 9.2 allow."""
    with Double(version) as double:
        owned(double)
        double.effect("set_number", deployment_id="ep", number_of_allocations=2)
        double.settle()
        asked: Json = {"deployment_id": "ep", "on_endpoint_owned": "update_endpoint", **waiting}
        result = double.run(**asked, number_of_allocations=1)
        assert result["changed"]  # as far as anybody knows
        if not passed_on:
            assert result["failure"] == {"code": "unknown_outcome"}
            assert "'ep' is unchanged after the update: number_of_allocations is 2, not 1" in result["msg"]
            assert result["after"] == result["before"]
            assert not double.run(**asked, number_of_allocations=3).get("failed")  # what the message advises
            result = double.run(**asked, number_of_allocations=1)
        assert "msg" not in result
        assert double.deployments()["ep"]["task_parameters"]["number_of_allocations"] == 1

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the table of the guide on privileges is true: what it names is enough for a task, and less is not."""

from __future__ import annotations

import re
import typing as t

import pytest

from support.documents import ROOT
from support.emulated_cluster import MODELS, NODES, Emulator

Json = dict[str, t.Any]
PAGE = (ROOT / "docs/docsite/rst/privileges.rst").read_text()
ROW = re.compile(r"   \* - (.*)\n     - (.*)\n")
ROWS = dict(ROW.findall(PAGE)[1:])


def reads(emulator: Emulator) -> bool:
    checked = [emulator.run(check_mode=True, model_id="m"), emulator.run(check_mode=True, model_id="other")]
    return bool(emulator.info()["deployments"]) and not any(each.get("failed") for each in checked)


def sees_targets(emulator: Emulator) -> bool:
    seen = emulator.info()["deployments"]
    return bool(seen) and seen[0]["routing_source"] == "cluster_state"


def sees_models(emulator: Emulator) -> bool:
    return [each["fully_defined"] for each in emulator.models("other", gather=["definition"])["models"]] == [True]


def sees_endpoints(emulator: Emulator) -> bool:
    return [each["health"] for each in emulator.endpoints("e")["inference_endpoints"]] == ["ok"]


def sees_room(emulator: Emulator) -> bool:
    nodes = emulator.capacity()["nodes"]
    return bool(nodes) and nodes[0]["memory"]["total"] is not None


def sees_what_fits(emulator: Emulator) -> bool:
    return [each["kind"] for each in emulator.capacity(fit=[{"model_id": "m"}])["fit"]] == ["exact"]


def predicts_nodes(emulator: Emulator) -> bool:
    prediction = emulator.run(check_mode=True, model_id="other")["prediction"]
    return bool(prediction and prediction["kind"] == "exact")


def sees_memory_that_refuses_a_start(emulator: Emulator) -> bool:
    failure = emulator.run(check_mode=True, model_id="large")["failure"]
    return bool(failure == {"code": "no_capacity"})


def sees_what_refuses_a_start(emulator: Emulator) -> bool:
    """Return whether too few processors, a licence and versions are seen, each alone."""
    full = emulator.run_many([{"model_id": "other", "number_of_allocations": 50}], check_mode=True)
    seen = [full["failure"]["code"] if full["failure"] else None]
    for name, value in (("license", "basic"), ("mixed_versions", True)):
        emulator.effect("set_setting", name=name, value=value)
        failure = emulator.run(check_mode=True, model_id="other")["failure"]
        seen.append(failure["code"] if failure else None)
        emulator.effect("set_setting", name=name, value=None)
    return seen == ["not_enough_processors", "missing_licence", "mixed_versions"]


def sees_upgrade_mode(emulator: Emulator) -> bool:
    emulator.effect("set_setting", name="upgrade_mode", value=True)
    failure = emulator.run(check_mode=True, model_id="other")["failure"]
    return bool(failure == {"code": "upgrade_mode"})


def starts_and_stops(emulator: Emulator) -> bool:
    tasks: list[Json] = [
        {"model_id": "other"},
        {"model_id": "other", "state": "restarted"},
        {"model_id": "other", "threads_per_allocation": 2, "replace": "stop_start"},
        {"model_id": "other", "state": "stopped"},
    ]
    return all(emulator.run(**task)["changed"] for task in tasks)


def sees_users(kind: str) -> t.Callable[[Emulator], bool]:
    def sees(emulator: Emulator) -> bool:
        return emulator.run(check_mode=True, model_id="m", state="stopped")["used_by"][kind] is not None

    return sees


def sees_indices(emulator: Emulator) -> bool:
    used_by = emulator.run(check_mode=True, deployment_id="e", state="stopped")["used_by"]
    return bool(used_by["semantic_text_indices"] == ["i"])


def sees_the_maker(emulator: Emulator) -> bool:
    """Return whether the owner is read for what is to be updated, and for what was lost."""
    updated = emulator.run(check_mode=True, deployment_id="e", number_of_allocations=2)
    emulator.effect("remove_deployment", deployment_id="e")
    found = emulator.run(check_mode=True, deployment_id="e")
    return "belongs to the inference endpoint" in updated.get("msg", "") and not found.get("failed")


def changes_by_endpoint(emulator: Emulator) -> bool:
    return bool(
        emulator.run(deployment_id="e", number_of_allocations=2, on_endpoint_owned="update_endpoint")["changed"]
    )


def manages_endpoints(emulator: Emulator) -> bool:
    own = {"task_type": "sparse_embedding", "service": "elasticsearch"}
    one = {"model_id": "m", "num_threads": 1, "num_allocations": 1}
    tasks: list[Json] = [
        {**own, "service_settings": one},
        {"service_settings": {"num_allocations": 2}},
        {"state": "absent"},
    ]
    return all(emulator.run_endpoint(inference_id="new", **task)["changed"] for task in tasks)


def starts_for_endpoints(emulator: Emulator) -> bool:
    emulator.effect("remove_deployment", deployment_id="e")
    return bool(emulator.run_endpoint(inference_id="e")["changed"])


def changes(emulator: Emulator) -> bool:
    return bool(emulator.run(model_id="m", number_of_allocations=2)["changed"])


def changes_alias(emulator: Emulator) -> bool:
    tasks: list[Json] = [{"model_id": "other"}, {"model_id": "m", "reassign": True}, {"state": "absent"}]
    return all(emulator.run_alias(model_alias="a", **task)["changed"] for task in tasks)


def changes_mode(emulator: Emulator) -> bool:
    return all(emulator.upgrade_mode(enabled)["changed"] for enabled in (True, False))


def sees_field(emulator: Emulator) -> bool:
    return emulator.field(index="i", field="field_0", inference_id="e")["failure"] is None


def reads_regions(emulator: Emulator) -> bool:
    return emulator.region_policy()["failure"] is None


def changes_regions(emulator: Emulator) -> bool:
    return all(emulator.region_policy(**task)["changed"] for task in ({"allowed_geos": ["eu"]}, {"state": "absent"}))


def infers(emulator: Emulator) -> bool:
    return emulator.infer("m")["failure"] is None


def brings_models(emulator: Emulator) -> bool:
    emulator.effect("set_download_time", seconds=0)
    tasks: list[Json] = [{}, {"state": "absent"}]
    return all(emulator.run_model(model_id=".rerank-v1", **task)["changed"] for task in tasks)


def sees_downloads(emulator: Emulator) -> bool:
    emulator.control("POST", "/models", {"model_id": ".rerank-v1", "fully_defined": False, "downloading": True})
    return emulator.run_model(check_mode=True, model_id=".rerank-v1")["download"] is not None


TASKS: dict[str, t.Callable[[Emulator], bool]] = {
    "read deployments, and run any task in check mode": reads,
    "read on which node each allocation should run": sees_targets,
    "read models, and whether their definitions are complete": sees_models,
    "read processors and memory of the nodes": sees_room,
    "find out how many more allocations fit": sees_what_fits,
    "predict in check mode on which nodes allocations will run": predicts_nodes,
    "see before a start that licence, versions of the nodes or processors do not allow it": sees_what_refuses_a_start,
    "see before a start that memory does not allow it": sees_memory_that_refuses_a_start,
    "see before a start that the upgrade mode of machine learning does not allow it": sees_upgrade_mode,
    "read which inference endpoints use a deployment before a stop": sees_users("inference_endpoints"),
    "read whether an inference endpoint owns a deployment to update or a missing deployment": sees_the_maker,
    "read which ingest pipelines use a deployment before a stop": sees_users("ingest_pipelines"),
    "read which indices use a deployment before a stop": sees_indices,
    "read inference endpoints, their deployments and their health": sees_endpoints,
    "start, stop, restart or replace a deployment": starts_and_stops,
    "change a running deployment": changes,
    "try a model with an inference": infers,
    "watch deployments": lambda emulator: not emulator.watch("m", watch_seconds=0).get("failed"),
    "download, upload or delete a model": brings_models,
    "see the progress of a download, and that one has failed": sees_downloads,
    "clear the cache of a deployment": lambda emulator: bool(emulator.clear_cache("m")["changed"]),
    "turn the upgrade mode of machine learning on or off": changes_mode,
    "set, move or delete a model alias": changes_alias,
    "change the deployment of an inference endpoint through the endpoint": changes_by_endpoint,
    "create, change or delete an inference endpoint": manages_endpoints,
    "start the deployment of an inference endpoint again": starts_for_endpoints,
    "read which endpoint a field of an index uses": sees_field,
    "read where the Elastic Inference Service may run inferences": reads_regions,
    "change where the Elastic Inference Service may run inferences": changes_regions,
}
BESIDE = [name for name in TASKS if any(word in name for word in ("inference endpoint", "ingest pipeline", "indices"))]
"""What needs the privilege to read, too, without saying so in each row."""
ON_INDICES = "view_index_metadata"
WAYS = [(task, way.split("``")[1::2]) for task, needs in ROWS.items() for way in needs.split(", or ")]


def works(task: str, privileges: t.Sequence[str]) -> bool:
    with Emulator("9.5.3", NODES, (*MODELS, ("large", 64 << 30))) as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="m", number_of_allocations=1)
        settings = {"model_id": "m", "num_allocations": 1, "num_threads": 1}
        endpoint = {"service": "elasticsearch", "service_settings": settings}
        path = "/_inference/sparse_embedding/e"
        assert emulator.send({"method": "PUT", "path": path, "query": {}, "body": endpoint}) == 200
        emulator.settle()
        emulator.effect("put_semantic_text_reference", index="i", inference_id="e")
        on_cluster = [each for each in privileges if each != ON_INDICES]
        indices = {"*": ON_INDICES} if ON_INDICES in privileges else {}
        emulator.allow(*on_cluster, *(["monitor_ml"] if task in BESIDE else []), indices=indices)
        return TASKS[task](emulator)


def test_the_table_is_whole() -> None:
    assert list(ROWS) == list(TASKS)


@pytest.mark.parametrize(("task", "privileges"), WAYS)
def test_what_is_named_is_enough(task: str, privileges: list[str]) -> None:
    assert works(task, privileges)


@pytest.mark.parametrize(("task", "privileges"), WAYS)
def test_less_is_not(task: str, privileges: list[str]) -> None:
    for left_out in privileges:
        assert not works(task, [each for each in privileges if each != left_out]), left_out


def test_the_sentence_is_the_one_that_is_said() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.allow("monitor_ml")
        said = emulator.run(model_id="m")["msg"].replace("'runner'", "'reviewer'")
    assert said in " ".join(PAGE.split())

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the role semantic_search, and the life of an endpoint that an index and a pipeline use.

The playbooks of the guide, which use the role from nothing, are in ``test_examples.py``.
"""

from __future__ import annotations

import importlib
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.emulator_process import Emulator, emulator
from support.playbook import Json, run_playbook

ROLE = Path(__file__).resolve().parent.parent.parent / "roles/semantic_search"
UTILS = "ansible_collections.mlops.elasticsearch.plugins.module_utils."
HANDED_ON = {
    "trained_model": ("_model.options", "model"),
    "trained_model_deployment": ("_deployment.options.deployment", "deployment"),
    "inference_endpoint": ("_endpoint.options", "endpoint"),
    "trained_model_infer": ("_inference.options", "smoke_test"),
    "semantic_text_field": ("_semantic_text.options", "index"),
}
"""Module to its options, and the key of the role's variable that has them."""
FIXED = {
    "trained_model": {"state", "force", "wait"},
    "trained_model_deployment": {"state", "on_missing", "wait"},
    "inference_endpoint": {"state", "force", "wait"},
}
"""Options that would make something else of the role."""
SET = {"trained_model_infer": {"deployment_id"}, "semantic_text_field": {"inference_id"}}
"""Options that the role sets itself."""
COMPLETED = {"trained_model_deployment": {"model_id"}, "inference_endpoint": {"service_settings"}}
"""Options that it completes."""
ENDPOINT = "mlops.elasticsearch.inference_endpoint"
E5 = ".multilingual-e5-small_linux-x86_64"
SETTINGS: Json = {"num_threads": 1, "num_allocations": 1}
NEW: Json = {"inference_id": "search", "task_type": "text_embedding", "service": "elasticsearch"}
ADAPTIVE: Json = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}


@pytest.fixture
def cluster() -> Iterator[Emulator]:
    with emulator("--node", "ml-1=8,16gb", "--model", "m", "--interval", "0.002") as server:
        server.control("POST", "/effects", {"do": "set_download_time", "seconds": 0.01})
        yield server


def read(path: str) -> t.Any:
    return yaml.safe_load((ROLE / path).read_text())


@pytest.mark.parametrize("module", HANDED_ON)
def test_every_option_is_documented_and_handed_on(module: str) -> None:
    where, key = HANDED_ON[module]
    of_module = set(importlib.import_module(f"{UTILS}{where}").SPEC.argument_spec)
    connection = importlib.import_module(f"{UTILS}_core.options.connection").CONNECTION.argument_spec
    offered = of_module - set(connection) - {"predictions"} - FIXED.get(module, set()) - SET.get(module, set())
    documented = read("meta/argument_specs.yml")["argument_specs"]["main"]["options"]["semantic_search"]["options"]
    assert set(documented[key]["options"]) - {"enabled"} == offered
    [block] = [task["block"] for task in read("tasks/main.yml") if "block" in task]
    [arguments] = [task[f"mlops.elasticsearch.{module}"] for task in block if f"mlops.elasticsearch.{module}" in task]
    assert set(arguments) == offered | SET.get(module, set())
    plain = offered - COMPLETED.get(module, set())
    assert [name for name in plain if f" __{key}.{name}" not in arguments[name]] == []


def use(**given: t.Any) -> Json:
    return {
        "ansible.builtin.include_role": {"name": "mlops.elasticsearch.semantic_search"},
        "vars": {"semantic_search": given},
    }


def play(url: str, uses: list[Json]) -> str:
    """Return a play that uses the role several times, and shows after each what it left."""
    tasks: list[Json] = []
    for number, each in enumerate(uses):
        why = {"name": f"Why {number}", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result }}"}}
        left = {
            "name": f"Left {number}",
            "ansible.builtin.debug": {"msg": "{{ semantic_search_results | default({}) }}"},
        }
        tasks += [{"block": [each], "rescue": [why]}, left]
    return playbook(url, tasks)


def playbook(url: str, tasks: list[Json]) -> str:
    group = {"group/mlops.elasticsearch.ml": {"hosts": url}}
    local = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    return yaml.safe_dump([{"name": "Use it", **local, "module_defaults": group, "tasks": tasks}], sort_keys=False)


def test_steps_are_taken_as_asked_and_in_turn(cluster: Emulator) -> None:
    model = {"model_id": ".multilingual-e5-small", "wait_sleep": 0.05}
    own = {**NEW, "service_settings": SETTINGS}
    attached = {**NEW, "inference_id": "attached"}
    index = {"index": "articles", "field": "content"}
    empty: Json = {"deployment_id": "", "number_of_allocations": None}
    surveyed: Json = {**own, "task_settings": "", "secrets": None, "replace": "", "chunking_settings": None}
    remote: Json = {
        "inference_id": "chat",
        "task_type": "completion",
        "service": "openai",
        "service_settings": {"model_id": "gpt-4o"},
        "secrets": {"api_key": "a-key-that-no-result-has"},
    }
    uses = [
        use(model=model, endpoint=own, smoke_test={"expect": {"vector_length": 3}}, index={**index, "create": True}),
        use(model=model, endpoint=own, smoke_test={"expect": {"vector_length": 384}}, index=index),
        use(
            model=None,
            endpoint=surveyed,
            deployment=empty,
            smoke_test={"enabled": "false"},
            index={**index, "create": True},
        ),
        use(model=model, deployment={"deployment_id": "d"}, endpoint=attached),
        use(endpoint={**attached, "service_settings": {"num_threads": 2}}),
        use(endpoint=own, indexes={}),
        use(model=model),
        use(endpoint=remote),
    ]
    played = run_playbook(play(cluster.url, uses)).must_pass()
    left = [played.result(f"Left {number}")["msg"] for number in range(len(uses))]
    why = {number: played.result(f"Why {number}")["msg"] for number in (0, 1, 4, 5, 6)}
    # The endpoint is there, does not answer as expected, and no index uses it.
    assert left[0]["endpoint"]["operation"] == "create"
    assert left[0]["endpoint"]["endpoint"]["service_settings"]["model_id"] == E5
    assert (why[0]["failure"]["code"], left[0]["index"]) == ("unexpected_answer", {})
    # It answers, and the index is missing.
    assert (left[1]["endpoint"]["operation"], left[1]["smoke_test"]["failure"]) == ("none", None)
    assert why[1]["failure"]["code"] == left[1]["index"]["failure"]["code"] == "index_missing"
    # Empty answers of a survey are none, and what is there is not made again.
    assert (left[2]["model"], left[2]["deployment"], left[2]["smoke_test"]) == ({}, {}, {})
    assert (left[2]["endpoint"]["operation"], left[2]["index"]["operation"]) == ("none", "create")
    # The endpoint is attached to a deployment of its own.
    assert left[3]["deployment"]["operation"] == "start"
    assert left[3]["endpoint"]["endpoint"]["deployment"]["owned"] is False
    assert (left[3]["smoke_test"]["deployment_id"], left[3]["index"]) == ("d", {})
    assert why[4]["failed"]
    assert "indexes" in str(why[5])
    assert "endpoint" in str(why[6])
    # One outside of the cluster has no deployment to try.
    assert (left[7]["endpoint"]["operation"], left[7]["smoke_test"]) == ("create", {})
    assert "a-key-that-no-result-has" not in played.output
    assert set(cluster.control("GET", "/state")["deployments"]) == {"search", "d"}


def step(name: str, **options: t.Any) -> Json:
    return {"name": name, ENDPOINT: {"inference_id": "search", "wait_sleep": 0.05, **options}, "ignore_errors": True}


SAID = ("changed", "operation", "api_calls", "diff", "used_by", "failure", "msg")
PIPELINE: Json = {"processors": [{"inference": {"model_id": "search"}}]}
STEPS: list[Json] = [
    step("Make it", task_type="text_embedding", service="elasticsearch", service_settings={"model_id": E5, **SETTINGS}),
    step("Scale it", service_settings={"num_allocations": 2}),
    step("Let the load decide", service_settings={"adaptive_allocations": ADAPTIVE}),
    step("Fix the number", service_settings={"num_allocations": 3, "adaptive_allocations": {"enabled": False}}),
    {"mlops.elasticsearch.semantic_text_field": {"index": "i", "field": "f", "inference_id": "search", "create": True}},
    step("Delete it", state="absent"),
    step("Delete it all the same", state="absent", force=True),
]


def test_the_life_of_an_endpoint_as_check_mode_predicts_it(cluster: Emulator) -> None:
    pipeline = {"url": f"{cluster.url}/_ingest/pipeline/p", "method": "PUT", "body_format": "json", "body": PIPELINE}
    tasks: list[Json] = [{"mlops.elasticsearch.trained_model": {"model_id": ".multilingual-e5-small"}}]
    for each in STEPS:
        tasks += [{**each, "check_mode": True}, each]
    tasks.insert(len(tasks) - 4, {"ansible.builtin.uri": pipeline})
    played = run_playbook(playbook(cluster.url, tasks)).must_pass()
    ours = [task.result for task in played.tasks if task.action.startswith("mlops.elasticsearch.")][1:]
    predicted, real = ours[::2], ours[1::2]
    for before, after, each in zip(predicted, real, STEPS, strict=True):
        assert {name: before.get(name) for name in SAID} == {name: after.get(name) for name in SAID}, each
    assert [each["operation"] for each in real] == [
        *("create", "update", "update", "update"),
        *("create", "none", "delete"),
    ]
    assert [len(each["api_calls"]) for each in real] == [1, 1, 1, 2, 1, 0, 1]
    users = {"inference_endpoints": [], "ingest_pipelines": ["p"], "model_aliases": [], "semantic_text_indices": ["i"]}
    refused, forced = real[5:]
    assert (refused["failure"]["code"], refused["used_by"]) == ("endpoint_in_use", users)
    assert "'p'" in refused["msg"]
    assert "'i'" in refused["msg"]
    assert any("'p'" in warning and "'i'" in warning for warning in forced["warnings"])
    assert cluster.control("GET", "/state")["deployments"] == {}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that RETURN is true: what it documents is returned, and what is returned it documents."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest
import yaml

from support import model_files
from support.documents import MODULES, block
from support.emulator_process import emulator
from support.playbook import Json, run_playbook

CAPACITY = "mlops.elasticsearch.ml_capacity_info"
CACHE, MODE = "mlops.elasticsearch.trained_model_cache", "mlops.elasticsearch.ml_upgrade_mode"
ENDPOINTS = "mlops.elasticsearch.inference_endpoint_info"
REGIONS = "mlops.elasticsearch.inference_region_policy"
FIELD = "mlops.elasticsearch.semantic_text_field"
INFER = "mlops.elasticsearch.trained_model_infer"
WATCH = "mlops.elasticsearch.trained_model_deployment_watch"
MODEL = "mlops.elasticsearch.trained_model"
ENDPOINT = "mlops.elasticsearch.inference_endpoint"
ALIAS = "mlops.elasticsearch.trained_model_alias"
MODELS = "mlops.elasticsearch.trained_model_info"
ONE, INFO, MANY = (f"mlops.elasticsearch.trained_model_deployment{suffix}" for suffix in ("", "_info", "s"))
SEARCH = {"model_id": "sentiment", "deployment_id": "search", "number_of_allocations": 1}
ADAPTIVE = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
CREATED = {
    "inference_id": "e",
    "task_type": "sparse_embedding",
    "service": "elasticsearch",
    "service_settings": {"model_id": "sentiment", "num_threads": 1, "num_allocations": 1},
}
SLEEPY = {"enabled": True, "min_number_of_allocations": 0}
TASKS: list[Json] = [
    {ONE: SEARCH, "check_mode": True},
    {ONE: {**SEARCH, "wait": False}},
    {ONE: {"deployment_id": "search", "number_of_allocations": 2}},
    {ONE: {"deployment_id": "search", "adaptive_allocations": ADAPTIVE}},
    {ONE: {"deployment_id": "search", "state": "restarted"}},
    {ONE: {"deployment_id": "search", "number_of_allocations": 2, "on_adaptive": "skip"}},
    {ONE: {**SEARCH, "deployment_id": "ingest", "number_of_allocations": 500}, "ignore_errors": True},
    {ONE: {"model_id": "sentiment", "deployment_id": "asleep", "adaptive_allocations": SLEEPY, "cache_size": "5mb"}},
    {INFO: {"gather": ["routing", "nodes", "usage", "references"]}},
    {ONE: {**SEARCH, "on_adaptive": "override"}},
    {CAPACITY: {"fit": [{"model_id": "sentiment", "threads_per_allocation": 2}, {"model_bytes": "64gb"}]}},
    {CAPACITY: {"deployments": [SEARCH, {**SEARCH, "deployment_id": "ingest", "number_of_allocations": 500}]}},
    {CAPACITY: {"hosts": "http://127.0.0.1:9", "request_retries": 0}, "ignore_errors": True},
    {INFO: {"gather": ["usage"]}},
    {INFO: {"hosts": "http://127.0.0.1:9", "request_retries": 0}, "ignore_errors": True},
    {ONE: {**SEARCH, "hosts": "http://127.0.0.1:9", "request_retries": 0}, "ignore_errors": True},
    {ONE: {"deployment_id": "search", "threads_per_allocation": 32, "replace": "stop_start"}, "ignore_errors": True},
    {ONE: {"deployment_id": "search", "state": "stopped"}},
    {MANY: {"deployments": [SEARCH, {**SEARCH, "deployment_id": "ingest"}]}, "check_mode": True},
    {MANY: {"deployments": [SEARCH, {**SEARCH, "deployment_id": "ingest"}]}},
    {MANY: {"deployments": [SEARCH, {"deployment_id": "ingest", "adaptive_allocations": ADAPTIVE}]}},
    {
        MANY: {"deployments": [SEARCH, {"deployment_id": "ingest", "number_of_allocations": 9}], "detail": "changed"},
        "ignore_errors": True,
    },
    {MANY: {"deployments": [{"deployment_id": "search", "number_of_allocations": 500}]}, "ignore_errors": True},
    {MANY: {"deployments": [SEARCH], "hosts": "http://127.0.0.1:9", "request_retries": 0}, "ignore_errors": True},
    {MANY: {"deployments": [], "stop_unlisted": True, "unlisted_except": []}},
    {INFER: {"deployment_id": "sentiment"}, "ignore_errors": True},
    {ONE: SEARCH},
    {INFER: {"deployment_id": "search"}, "check_mode": True},
    {INFER: {"deployment_id": "search", "repeat": 2}},
    {WATCH: {"deployment_id": "search"}, "check_mode": True},
    {WATCH: {"deployment_id": "search", "watch_seconds": 0.2, "watch_sleep": 0.1}},
    {WATCH: {"deployment_id": "nope"}, "ignore_errors": True},
    {WATCH: {"deployment_id": "search", "hosts": "http://127.0.0.1:9", "request_retries": 0}, "ignore_errors": True},
    {CACHE: {"deployment_id": "search"}, "check_mode": True},
    {CACHE: {"deployment_id": "search"}},
    {CACHE: {"deployment_id": "nope"}, "ignore_errors": True},
    {CACHE: {"deployment_id": "search", "hosts": "http://127.0.0.1:9", "request_retries": 0}, "ignore_errors": True},
    {MODE: {"enabled": True}, "check_mode": True},
    {MODE: {"enabled": True}},
    {MODE: {"enabled": False}},
    {MODE: {"enabled": False}},
    {MODE: {"enabled": True, "hosts": "http://127.0.0.1:9", "request_retries": 0}, "ignore_errors": True},
    {FIELD: {"index": "i", "field": "f", "inference_id": "search", "create": True}, "check_mode": True},
    {FIELD: {"index": "i", "field": "f", "inference_id": "search", "create": True}},
    {FIELD: {"index": "i", "field": "f", "inference_id": "search"}},
    {FIELD: {"index": "i", "field": "f", "inference_id": "other"}, "ignore_errors": True},
    {REGIONS: {"allowed_geos": ["eu"]}, "check_mode": True},
    {REGIONS: {"allowed_regions": [{"csp": "aws", "region": "eu-west-1"}]}},
    {REGIONS: {"allowed_geos": ["eu", "us"], "force": True}},
    {REGIONS: {"allowed_geos": ["eu", "us"]}},
    {REGIONS: {"hosts": "http://127.0.0.1:9", "request_retries": 0}, "ignore_errors": True},
    {REGIONS: {"state": "absent"}},
    {ONE: {"deployment_id": "search", "state": "stopped"}},
    {INFER: {"deployment_id": "search", "hosts": "http://127.0.0.1:9", "request_retries": 0}, "ignore_errors": True},
    {ALIAS: {"model_alias": "search-model", "model_id": "sentiment"}, "check_mode": True},
    {ALIAS: {"model_alias": "search-model", "model_id": "sentiment"}},
    {MODELS: {"gather": ["definition", "references", "config"]}},
    {ENDPOINTS: {"gather": ["deployment", "users"]}},
    {ENDPOINTS: {"gather": []}},
    {ENDPOINTS: {"hosts": "http://127.0.0.1:9", "request_retries": 0}, "ignore_errors": True},
    {MODELS: {"model_id": "search-model", "gather": []}},
    {MODELS: {"hosts": "http://127.0.0.1:9", "request_retries": 0}, "ignore_errors": True},
    {ALIAS: {"model_alias": "search-model", "model_id": ".multilingual-e5-small", "reassign": True}},
    {ALIAS: {"model_alias": "search-model", "model_id": "sentiment"}, "ignore_errors": True},
    {ALIAS: {"model_alias": "search-model", "model_id": "nope", "hosts": "http://127.0.0.1:9"}, "ignore_errors": True},
    {ALIAS: {"model_alias": "search-model", "state": "absent"}},
    {MODEL: {"model_id": "own", **model_files.OPTIONS, "upload_part_size": "1kb"}, "check_mode": True},
    {MODEL: {"model_id": "own", **model_files.OPTIONS, "upload_part_size": "1kb"}},
    {MODEL: {"model_id": "own", **model_files.OPTIONS}},
    {MODEL: {"model_id": "own", **model_files.OPTIONS, "checksum": "0" * 64}, "ignore_errors": True},
    {MODEL: {"model_id": ".rerank-v1", "wait": False}},
    {ALIAS: {"model_alias": "own-model", "model_id": "own"}},
    {MODEL: {"model_id": "own", "state": "absent"}, "ignore_errors": True},
    {MODEL: {"model_id": "own", "state": "absent", "force": True}},
    {ENDPOINT: CREATED, "check_mode": True},
    {ENDPOINT: CREATED},
    {ENDPOINT: {"inference_id": "e", "service_settings": {"adaptive_allocations": ADAPTIVE, "unknown": 1}}},
    {ENDPOINT: {"inference_id": "e", "service_settings": {"num_allocations": 3}, "on_adaptive": "skip"}},
    {ENDPOINT: {"inference_id": "e", "service_settings": {"num_threads": 2}}, "ignore_errors": True},
    {ENDPOINT: {"inference_id": "e", "state": "absent"}},
    {ENDPOINT: {**CREATED, "hosts": "http://127.0.0.1:9"}, "ignore_errors": True},
    {MODEL: {"model_id": "nope", "hosts": "http://127.0.0.1:9", "state": "absent"}, "ignore_errors": True},
]
# What Ansible itself has in results, or documents for all modules.
ANSIBLES = {"changed", "failed", "msg", "invocation", "exception", "warnings", "deprecations"}
# Dictionaries whose keys are ids: what counts is below them.
BY_ID = {"routing_table", "routing_table_before", "elasticsearch_ml_deployments", "elasticsearch_ml_aliases"}
BY_ID |= {"elasticsearch_ml_models", "elasticsearch_ml_endpoints", "elasticsearch_ml_upgrade_mode"}
TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "dict": (dict,),
    "list": (list,),
    "raw": (object,),
}


@pytest.fixture(scope="module")
def results() -> dict[str, list[Json]]:
    """Return results of the modules in all kinds of situations, by the short name of the module."""
    model_files.write(model_files.FOLDER)
    with emulator(
        "--node", "ml-1=8,16gb", "--model", "sentiment", "--model", ".multilingual-e5-small", "--interval", "0.002"
    ) as cluster:
        group = {"group/mlops.elasticsearch.ml": {"hosts": cluster.url}}
        play = {"hosts": "localhost", "gather_facts": False, "module_defaults": group, "tasks": TASKS}
        played = run_playbook(yaml.safe_dump([play])).must_pass()
    found: dict[str, list[Json]] = {}
    for task in played.tasks:
        real = {name: value for name, value in task.result.items() if not name.startswith("_ansible_")}
        found.setdefault(task.action.rpartition(".")[2], []).append(real)
    return found


def differences(documented: Json, real: Json, where: str = "") -> Iterator[str]:
    """Yield a line for each key that only one side has, and each value that is not of its type."""
    for name in sorted(documented.keys() ^ real.keys()):
        if name in real or documented[name]["returned"] in ("always", "success"):
            yield f"{where}{name} is {'documented, but not returned' if name in documented else 'not documented'}"
    for name in sorted(documented.keys() & real.keys()):
        value, reported = real[name], documented[name]
        if value is None:
            continue
        if not isinstance(value, TYPES[reported["type"]]):
            yield f"{where}{name} should be {reported['type']}, is {value!r}"
        elif "contains" in reported:
            for item in t.cast("list[Json]", value if isinstance(value, list) else [value]):
                yield from differences(reported["contains"], item, f"{where}{name}.")
        elif isinstance(reported.get("sample"), (dict, list)):
            yield from unlike(reported["sample"], value, f"{where}{name}", by_id=name in BY_ID)


def unlike(sample: t.Any, value: t.Any, where: str, *, by_id: bool) -> Iterator[str]:
    """Yield where a sample lacks keys of the real value; deeper down it may leave some out for shortness."""
    if by_id:
        sample, value = list(sample.values()), list(value.values())
    if isinstance(sample, list):
        for item in value:
            yield from unlike(sample[0], item, f"{where}[]", by_id=False)
    elif isinstance(sample, dict) and sample.keys() != value.keys():
        yield f"{where}: the sample has {sorted(sample)}, real is {sorted(value)}"


@pytest.mark.parametrize("module", MODULES)
def test_results_are_as_documented(module: str, results: dict[str, list[Json]]) -> None:
    documented = block(module, "RETURN")
    for real in results[module]:
        own = {name: value for name, value in real.items() if name not in ANSIBLES}
        assert list(differences(documented, own)) == []


def filled(documented: Json, reals: list[Json], where: str = "") -> Iterator[str]:
    """Yield names that were never returned with a value: the test above would have seen nothing of them."""
    for name, reported in documented.items():
        values = [real[name] for real in reals if real.get(name) not in (None, {}, [])]
        if not values:
            yield f"{where}{name}"
        elif "contains" in reported:
            items = [item for value in values for item in (value if isinstance(value, list) else [value])]
            yield from filled(reported["contains"], items, f"{where}{name}.")


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("trained_model_deployment", {"deployment.reason", "details"}),
        ("inference_endpoint", {"endpoint.task_settings", "endpoint.deployment.reason", "api_calls.query"}),
        ("ml_capacity_info", {"nodes.zone", "fit.displaced", "missing"}),
        ("trained_model_deployment_info", {"deployments.reason", "deployments.health_reason"}),
    ],
)
def test_situations_cover_what_is_documented(module: str, never: set[str], results: dict[str, list[Json]]) -> None:
    assert set(filled(block(module, "RETURN"), results[module])) == never


def test_every_module_is_tried(results: dict[str, list[Json]]) -> None:
    assert sorted(results) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_samples_are_of_their_type(module: str) -> None:
    def wrong(documented: Json) -> Iterator[str]:
        for name, reported in documented.items():
            sample = reported.get("sample")
            if sample is not None and not isinstance(sample, TYPES[reported["type"]]):
                yield name
            yield from wrong(reported.get("contains") or {})

    assert list(wrong(block(module, "RETURN"))) == []


def test_a_false_document_is_noticed(results: dict[str, list[Json]]) -> None:
    documented = block("trained_model_deployment", "RETURN")
    real = results["trained_model_deployment"][0]
    own = {name: value for name, value in real.items() if name not in ANSIBLES}
    documented["allocations"]["sample"]["lost"] = 1
    documented["deployment"]["contains"]["node"] = {"type": "str", "returned": "success"}
    documented["operation"]["type"] = "int"
    del documented["waited"]
    assert len(list(differences(documented, own))) == 4

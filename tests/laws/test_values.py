# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the laws of values: null and empty text are not given, and no value of any type is worse than refused."""

from __future__ import annotations

import copy
import datetime
import typing as t
from collections.abc import Iterator

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias import options as alias
from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias import run as run_alias
from ansible_collections.mlops.elasticsearch.plugins.module_utils._cache import options as cache
from ansible_collections.mlops.elasticsearch.plugins.module_utils._cache import run as run_cache
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info import options as capacity
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info import run as run_capacity
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.environment import with_environment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.given import checked
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.spec import Spec
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run, run_fleet, run_info
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import deployment, fleet, info
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint import options as endpoint
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint import run as run_endpoint
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint_info import options as endpoint_info
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint_info import run as run_endpoint_info
from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference import options as inference
from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference import run as run_inference
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model import options as model
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model import run as run_model
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model_info import options as model_info
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model_info import run as run_model_info
from ansible_collections.mlops.elasticsearch.plugins.module_utils._region_policy import options as region_policy
from ansible_collections.mlops.elasticsearch.plugins.module_utils._region_policy import run as run_region_policy
from ansible_collections.mlops.elasticsearch.plugins.module_utils._semantic_text import options as semantic_text
from ansible_collections.mlops.elasticsearch.plugins.module_utils._semantic_text import run as run_semantic_text
from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_mode import options as upgrade_mode
from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_mode import run as run_upgrade_mode
from ansible_collections.mlops.elasticsearch.plugins.module_utils._watch import options as watch
from ansible_collections.mlops.elasticsearch.plugins.module_utils._watch import run as run_watch
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
Place = tuple[str, ...]

HOSTS: Json = {"hosts": ["http://double:9200"]}
MODULES: dict[str, tuple[Spec, t.Any, Json]] = {
    "inference_endpoint": (
        endpoint.SPEC,
        run_endpoint,
        {
            **HOSTS,
            "inference_id": "e",
            "task_type": "sparse_embedding",
            "service": "elasticsearch",
            "service_settings": {"model_id": "m", "num_threads": 1, "num_allocations": 1},
        },
    ),
    "ml_capacity_info": (
        capacity.SPEC,
        run_capacity,
        {**HOSTS, "fit": [{"model_id": "m"}], "deployments": [{"model_id": "m"}]},
    ),
    "trained_model": (model.SPEC, run_model, {**HOSTS, "model_id": ".elser_model_2"}),
    "trained_model_alias": (alias.SPEC, run_alias, {**HOSTS, "model_alias": "a", "model_id": "m"}),
    "trained_model_deployment": (deployment.SPEC, run, {**HOSTS, "model_id": "m"}),
    "trained_model_deployments": (fleet.SPEC, run_fleet, {**HOSTS, "deployments": [{"model_id": "m"}]}),
    "inference_region_policy": (
        region_policy.SPEC,
        run_region_policy,
        {**HOSTS, "allowed_regions": [{"csp": "aws", "region": "us-east-1"}]},
    ),
    "semantic_text_field": (
        semantic_text.SPEC,
        run_semantic_text,
        {**HOSTS, "index": "i", "field": "f", "inference_id": "e", "create": True},
    ),
    "ml_upgrade_mode": (upgrade_mode.SPEC, run_upgrade_mode, {**HOSTS, "enabled": True}),
    "trained_model_cache": (cache.SPEC, run_cache, {**HOSTS, "deployment_id": "m"}),
    "trained_model_infer": (inference.SPEC, run_inference, {**HOSTS, "deployment_id": "m"}),
    "trained_model_deployment_watch": (watch.SPEC, run_watch, {**HOSTS, "deployment_id": ["m"]}),
    "inference_endpoint_info": (endpoint_info.SPEC, run_endpoint_info, HOSTS),
    "trained_model_deployment_info": (info.SPEC, run_info, HOSTS),
    "trained_model_info": (model_info.SPEC, run_model_info, HOSTS),
}
VALUES: dict[str, t.Any] = {
    "blank": " ",
    "true": True,
    "zero": 0,
    "one": 1,
    "fraction": 1.5,
    "negative": -1,
    "text": "text",
    "list": ["a", 1],
    "nested": [[None], {}],
    "dictionary": {"a": 1, 2: None},
    "date": datetime.date(2026, 1, 2),
    "huge": 10**30,
    "infinite": float("inf"),
    "not a number": float("nan"),
    "empty list": [],
    "empty dictionary": {},
    "null in a list": [None, "a"],
}
OF_OPTIONS = ("invalid_arguments", "invalid_value", "invalid_list", "incomplete_options", "conflicting_options")


def places(options: Json, within: Place = ()) -> Iterator[Place]:
    """Yield the path of each option, with those within dictionaries and items."""
    for name, option in options.items():
        yield (*within, name)
        yield from places(option.get("options") or {}, (*within, name))


ALL = [(module, place) for module, (spec, _code, _base) in MODULES.items() for place in places(spec.argument_spec)]


def put(given: Json, place: Place, value: t.Any) -> Json:
    """Return *given* with *value* at *place*; items are those of the first item. ``...`` takes it away."""
    changed = copy.deepcopy(given)
    inner = changed
    for name in place[:-1]:
        inner = inner.setdefault(name, {})
        inner = inner[0] if isinstance(inner, list) else inner
    if value is ...:
        inner.pop(place[-1], None)
    else:
        inner[place[-1]] = value
    return changed


def label(option: str, index: int, item: Json) -> str:
    return fleet.item_label(index, item) if option == "deployments" else f"{option}[{index}]"


def outcome(module: str, given: Json) -> Json:
    """Return what a task in check mode says, with any types of arguments, as it comes out of the action plugin."""
    spec, code, _base = MODULES[module]
    try:
        arguments = with_environment(checked(spec, given, label), {})
    except Refusal as exc:
        return {"msg": str(exc), "failure": {"code": exc.code}}
    validated = ArgumentSpecValidator(**spec.to_kwargs()).validate(arguments)
    if validated.error_messages:
        return {"msg": " ".join(validated.error_messages), "failure": {"code": "invalid_arguments"}}
    connections: dict[t.Any, t.Any] = {
        run_alias: CLUSTER.connect_aliases,
        run_capacity: CLUSTER.connect_capacity,
        run_cache: CLUSTER.connect_caches,
        run_inference: CLUSTER.connect_inference,
        run_endpoint_info: CLUSTER.connect_endpoint_info,
        run_region_policy: CLUSTER.connect_region_policy,
        run_semantic_text: CLUSTER.connect_fields,
        run_upgrade_mode: CLUSTER.connect_upgrade_mode,
        run_model: CLUSTER.connect_models,
        run_endpoint: CLUSTER.connect_endpoints,
        run_model_info: CLUSTER.connect_model_info,
        run_watch: CLUSTER.connect_watch,
    }
    connect = connections.get(code, CLUSTER.connect)
    done = code.run(validated.validated_parameters, True, connect=connect, clock=CLUSTER.clock)
    return t.cast(Json, {**done.result, "warnings": done.warnings})


CLUSTER: Emulator


@pytest.fixture(autouse=True, scope="module")
def cluster() -> Iterator[None]:
    global CLUSTER  # noqa: PLW0603
    with Emulator("9.5.3") as CLUSTER:
        yield


def is_dictionary(module: str, place: Place) -> bool:
    options: Json = MODULES[module][0].argument_spec
    for name in place[:-1]:
        options = options[name]["options"]
    return "options" in options[place[-1]]


def test_there_are_many_places() -> None:
    assert len(ALL) > 140


@pytest.mark.parametrize("empty", [None, ""], ids=["null", "empty"])
@pytest.mark.parametrize(("module", "place"), ALL, ids=str)
def test_null_and_empty_text_are_not_given(module: str, place: Place, empty: str | None) -> None:
    base = MODULES[module][2]
    bare, result = outcome(module, put(base, place, ...)), outcome(module, put(base, place, empty))
    beside = "model_id" in MODULES[module][0].argument_spec or len(place) > 1
    if place[-1] == "deployment_id" and beside:
        assert "deployment_id has no value, and model_id alone may name another deployment" in result["msg"]
    elif empty == "" and is_dictionary(module, place):
        assert f"{place[-1]} takes a " in result["msg"]
    elif empty == "" and place == ("fact_name",):
        assert result == {**bare, "ansible_facts": {}}
    else:
        assert result == bare


@pytest.mark.parametrize(("module", "place"), ALL, ids=str)
def test_any_value_is_taken_or_refused_by_name(module: str, place: Place) -> None:
    wrong = []
    for name, value in VALUES.items():
        result = outcome(module, put(MODULES[module][2], place, value))
        code = (result["failure"] or {}).get("code")
        if code == "internal_error" or (code in OF_OPTIONS and place[-1] not in result["msg"]):
            wrong.append((name, result["msg"]))
    assert wrong == []

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Model configurations, aliases, ids and privileges, as recorded, in every version."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.inprocess import InProcess
from emulator.security import accounts as security
from emulator.state import model_config, models
from emulator.state.models import Model
from emulator.state.versions import features
from emulator.wire import errors
from emulator_tests.recordings import Row, cases, check

Json = dict[str, Any]
SIZE = 265632637
CREATED = 1730548200000
JSON_BODY = {"Content-Type": "application/json"}


def _model(config: Json, version: str) -> Model:
    shown = model_config.shown(config, features(version))
    return Model("mod", SIZE, str(config.get("model_type")), create_time=CREATED, config=shown)


def _refused(complaints: list[str]) -> Json | None:
    return errors.validation(complaints).body() if complaints else None


@pytest.mark.parametrize(("row", "version"), cases("model_config", lambda row: "body" in row.data))
def test_configuration(row: Row, version: str) -> None:
    data = row.data
    try:
        config = model_config.parse(data["body"].encode(), features(version))
    except errors.ApiError as error:
        check(row, data["json"], error.body())
        return
    model = _model(config, version)
    shown = model.as_json(features(version), definition_status=False)
    if "model_type" not in config:
        del shown["model_type"]
    played = {"json": shown, "refused": _refused(model_config.complaints(config))}
    recorded = {"json": data["json"], "refused": data.get("validate_error", {}).get("json")}
    for name, options in (("json_exclude_generated", {"exclude_generated": True}), ("json_fully_defined", {})):
        if name in data:
            recorded[name] = data[name]
            defined = name == "json_fully_defined"
            played[name] = model.as_json(features(version), definition_status=defined, **options)
    check(row, recorded, played)


@pytest.mark.parametrize(("row", "version"), cases("model_config", lambda row: "get_response" in row.data))
def test_get_answer(row: Row, version: str) -> None:
    double = InProcess(version)
    double.cluster.models["mod"] = _model(model_config.parse(row.data["body"].encode(), features(version)), version)
    status, _headers, raw = double.request("GET", "/_ml/trained_models/mod")
    assert status == 200
    check(row, row.data["get_response"], json.loads(raw))


@pytest.mark.parametrize(("row", "version"), cases("model_config", lambda row: "put_model_id" in row.data))
def test_model_id(row: Row, version: str) -> None:
    check(row, row.data.get("json"), _refused(models.id_complaints(row.data["put_model_id"])))


@pytest.mark.parametrize(("row", "version"), cases("model_config", lambda row: "model_types" in row.data))
def test_known_fields(row: Row, version: str) -> None:
    """Every field that a record names is known, unless it only ever comes out of the server."""
    generated = {"created_by", "version", "create_time", "model_size_bytes", "estimated_operations", "license_level"}
    generated |= {"estimated_heap_memory_usage_bytes", "compressed_definition", "model_package"}
    generated |= {"per_deployment_memory_bytes", "per_allocation_memory_bytes"}
    wanted = set(row.data["fields"].values()) - generated
    check(row, wanted, {name for name in wanted if _is_known(name, version)})


def _is_known(name: str, version: str) -> bool:
    try:
        model_config.parse(json.dumps({name: {}}).encode(), features(version))
    except errors.ApiError as error:
        return "unknown field" not in str(error.reason)
    return True


@pytest.mark.parametrize(("row", "version"), cases("ids"))
def test_ids(row: Row, version: str) -> None:
    if row.data["key"] == "len_limit":
        check(row, row.data["value"], models.ID_LIMIT)
        return
    played = [
        {"id": each["id"], "valid": models.is_valid_id(each["id"]), "length_ok": models.is_short_enough(each["id"])}
        for each in row.data["value"]
    ]
    check(row, row.data["value"], played)


# --- aliases ---


@pytest.mark.parametrize(("row", "version"), cases("aliases", lambda row: "put_alias" in row.data))
def test_put_alias(row: Row, version: str) -> None:
    alias, model_id = row.data["put_alias"], row.data["model_id"]
    if alias is None or model_id is None:
        check(row, row.data["json"], None)
        return
    check(row, row.data["validation"], models.alias_complaints(alias, model_id, features(version)) or None)


@pytest.mark.parametrize(("row", "version"), cases("aliases", lambda row: "delete_alias" in row.data))
def test_delete_alias(row: Row, version: str) -> None:
    alias, model_id = row.data["delete_alias"], row.data["model_id"]
    if alias is None or model_id is None:
        check(row, row.data["json"], None)
        return
    double = InProcess(version, models=[(model_id, 1)])
    double.cluster.aliases[alias] = model_id
    status, _headers, raw = double.request("DELETE", f"/_ml/trained_models/{model_id}/model_aliases/{alias}")
    check(row, row.data["validation"], None if status == 200 else json.loads(raw))


@pytest.mark.parametrize(("row", "version"), cases("aliases", lambda row: "put_fields" in row.data))
def test_alias_parameters(row: Row, version: str) -> None:
    """The alias is part of the path, ``reassign`` of the query."""
    double = InProcess(version, models=[("old", 1), ("new", 1)])
    double.cluster.aliases["alias"] = "old"
    path = "/_ml/trained_models/new/model_aliases/alias"
    assert double.request("PUT", path)[0] == 400
    known = ["model_alias"] if double.request("PUT", f"{path}?reassign=true")[0] == 200 else []
    check(row, row.data["put_fields"], known + ["reassign"])


# --- privileges ---

_ACTIONS = {
    "cluster:monitor/state",
    "cluster:monitor/main",
    "cluster:monitor/health",
    "cluster:monitor/xpack/ml/info/get",
    "cluster:monitor/xpack/ml/inference/get",
    "cluster:monitor/xpack/ml/inference/stats/get",
    "cluster:admin/xpack/ml/inference/put",
    "cluster:admin/xpack/ml/inference/delete",
    "cluster:admin/xpack/ml/inference/model_aliases/put",
    "cluster:admin/xpack/ml/inference/model_aliases/delete",
    "cluster:admin/xpack/ml/trained_models/part/put",
    "cluster:admin/xpack/ml/trained_models/vocabulary/put",
    "cluster:admin/xpack/ml/trained_models/deployment/start",
    "cluster:admin/xpack/ml/trained_models/deployment/stop",
    "cluster:admin/xpack/ml/trained_models/deployment/update",
}
"""The actions of everything the double plays."""


@pytest.mark.parametrize(("row", "version"), cases("privileges", lambda row: row.data["key"] == "privileges"))
def test_which_privilege_grants_what(row: Row, version: str) -> None:
    recorded, played = {}, {}
    for privilege, actions in row.data["value"].items():
        recorded[privilege] = None if actions is None else _ACTIONS & set(actions)
        granted = {action for action in _ACTIONS if privilege in security.granting(action, features(version))}
        played[privilege] = granted if granted or recorded[privilege] is not None else None
    check(row, recorded, played)


@pytest.mark.parametrize(("row", "version"), cases("privileges", lambda row: row.data["key"] == "action_names"))
def test_action_names(row: Row, version: str) -> None:
    ours = {name for name in _ACTIONS if "/ml/" in name}
    check(row, ours, ours & set(row.data["value"].values()))

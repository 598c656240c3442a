# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay model configurations, aliases and ids."""

from __future__ import annotations

import json
from typing import Any

from emulator.inprocess import InProcess
from emulator.state import model_config as parser_of_models
from emulator.state import models
from emulator.state.models import Model
from emulator.state.versions import features
from emulator.wire import errors
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome

Json = dict[str, Any]
SIZE = 265632637
CREATED = 1730548200000


def _model(config: Json, version: str) -> Model:
    # The recorder gave each model without an input this one, even those that cannot have any.
    config = {"input": {"field_names": ["text_field"]}, **config}
    shown = parser_of_models.shown(config, features(version))
    return Model("mod", SIZE, str(config.get("model_type")), create_time=CREATED, config=shown)


def model_config(row: Row, version: str) -> Outcome:
    """Replay a model's configuration: parsed, refused, shown."""
    data = row.data
    if "get_response" in data:
        return _get_answer(row, version)
    if "body" in data:
        return _configuration(row, version)
    if "put_model_id" in data:
        return data.get("json"), _refused(models.id_complaints(data["put_model_id"], features(version)))
    return _known_fields(row, version)


def _refused(complaints: list[str]) -> Json | None:
    return errors.validation(complaints).body() if complaints else None


def _configuration(row: Row, version: str) -> Outcome:
    data = row.data
    try:
        config = parser_of_models.parse(data["body"].encode(), features(version))
    except errors.ApiError as error:
        return [data["status"], data["json"]], [error.status, error.body()]
    model = _model(config, version)
    shown = model.as_json(features(version), definition_status=False)
    if "model_type" not in config:
        del shown["model_type"]
    played = {"json": shown, "refused": _refused(parser_of_models.complaints(config))}
    recorded = {"json": data["json"], "refused": data.get("validate_error", {}).get("json")}
    for name in ("json_exclude_generated", "json_fully_defined"):
        if name in data:
            recorded[name] = data[name]
            defined = name == "json_fully_defined"
            played[name] = model.as_json(features(version), definition_status=defined, exclude_generated=not defined)
    return recorded, played


def _get_answer(row: Row, version: str) -> Outcome:
    emulator = InProcess(version)
    emulator.cluster.models["mod"] = _model(
        parser_of_models.parse(row.data["body"].encode(), features(version)), version
    )
    status, _headers, raw = emulator.request("GET", "/_ml/trained_models/mod")
    return [200, row.data["get_response"]], [status, json.loads(raw)]


def _known_fields(row: Row, version: str) -> Outcome:
    """Check that every field of a record is known, unless only the server ever writes it."""
    generated = {"created_by", "version", "create_time", "model_size_bytes", "estimated_operations", "license_level"}
    generated |= {"estimated_heap_memory_usage_bytes", "compressed_definition", "model_package"}
    generated |= {"per_deployment_memory_bytes", "per_allocation_memory_bytes"}
    desired = set(row.data["fields"].values()) - generated
    return desired, {name for name in desired if _is_known(name, version)}


def _is_known(name: str, version: str) -> bool:
    try:
        parser_of_models.parse(json.dumps({name: {}}).encode(), features(version))
    except errors.ApiError as error:
        return "unknown field" not in str(error.reason)
    return True


def ids(row: Row, version: str) -> Outcome:
    """Replay which ids are valid."""
    if row.data["key"] == "len_limit":
        return row.data["value"], models.ID_LIMIT
    played = [
        {"id": each["id"], "valid": models.is_valid_id(each["id"]), "length_ok": models.is_short_enough(each["id"])}
        for each in row.data["value"]
    ]
    return row.data["value"], played


def aliases(row: Row, version: str) -> Outcome:
    """Replay an alias put or deleted."""
    data = row.data
    if "put_fields" in data:
        return data["put_fields"], _alias_parameters(version)
    alias, model_id = data.get("put_alias", data.get("delete_alias")), data["model_id"]
    if alias is None or model_id is None:
        # No path can leave one out: the nearest is an empty part.
        path = f"/_ml/trained_models/{model_id or ''}/model_aliases/{alias or ''}"
        emulator = InProcess(version, models=[("model", 1)])
        return data["json"], json.loads(emulator.request("PUT" if "put_alias" in data else "DELETE", path)[2])
    if "put_alias" in data:
        complaints = models.alias_complaints(alias, model_id, features(version))
        refused = errors.validation(complaints) if complaints else None
        recorded = [data["validation"], data.get("status"), data.get("json")]
        return recorded, [complaints or None, refused and refused.status, refused and refused.body()]
    emulator = InProcess(version, models=[(model_id, 1)])
    emulator.cluster.aliases[alias] = model_id
    status, _headers, raw = emulator.request("DELETE", f"/_ml/trained_models/{model_id}/model_aliases/{alias}")
    return data["validation"], None if status == 200 else json.loads(raw)


def _alias_parameters(version: str) -> list[str]:
    """Return the parameters of an alias: the alias is part of the path, ``reassign`` of the query."""
    emulator = InProcess(version, models=[("old", 1), ("new", 1)])
    emulator.cluster.aliases["alias"] = "old"
    path = "/_ml/trained_models/new/model_aliases/alias"
    refused = emulator.request("PUT", path)[0] == 400
    known = emulator.request("PUT", f"{path}?reassign=true")[0] == 200
    return ["model_alias", "reassign"] if refused and known else []

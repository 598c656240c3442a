# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay requests about models that exist: reading, deleting, aliases, and how a stored configuration is shown."""

from __future__ import annotations

import json
from typing import Any

from emulator.api import aliases as alias_api
from emulator.api import models as model_api
from emulator.inprocess import InProcess
from emulator.state import model_config as configurations
from emulator.state.models import Model
from emulator.state.versions import features
from emulator.wire import errors
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome
from emulator_tests.replay.uploads import asked, refusal, refused

Json = dict[str, Any]
_FLAGS = ("definition", "total_feature_importance", "feature_importance_baseline", "hyperparameters")


# --- aliases ---


def model_alias_request(row: Row, version: str) -> Outcome:
    """Replay an alias put or deleted, or the aliases in the cluster state."""
    data = row.data
    if "ask" in data:
        return _cluster_state(row, version)
    if None in (data["model_alias"], data["model_id"]):
        return refused(row), None
    handler = alias_api.put_alias if "reassign" in data else alias_api.delete_alias
    query = "reassign=true" if data.get("reassign") else ""
    try:
        asked(version, handler, "", query, model_id=data["model_id"], model_alias=data["model_alias"])
    except errors.ApiError as error:
        return refused(row), refusal(error)
    return data["status"], 200


def _cluster_state(row: Row, version: str) -> Outcome:
    emulator = InProcess(version)
    emulator.cluster.aliases.update(row.data["aliases"])
    metadata = json.loads(emulator.request("GET", "/_cluster/state/metadata")[2])["metadata"]
    resolved = emulator.cluster.aliases.get(row.data["ask"])
    return [row.data["json"], row.data["resolved"]], [metadata.get(row.data["type"]), resolved]


# --- reading and deleting ---


def models_request(row: Row, version: str) -> Outcome:
    """Replay a read or a delete: ids, parameters and their defaults."""
    data = row.data
    if data["model_id"] is None and data["call"] == "delete":
        return refused(row), None
    return _delete(row, version) if data["call"] == "delete" else _get(row, version)


def _delete(row: Row, version: str) -> Outcome:
    query = "force=true" if row.data.get("force") else ""
    found = asked(version, model_api.delete_model, "", query, model_id=row.data["model_id"])
    request = model_api.delete_request(found.call, features(version))
    shown = {"model_id": request.model_id, "force": request.force, "timeout": request.timeout.text}
    return {name: row.data["parsed"][name] for name in shown}, shown


def _get(row: Row, version: str) -> Outcome:
    data = row.data
    query: Json = {name: data[name] for name in ("from", "size") if name in data}
    query |= {name: ",".join(data[name]) for name in ("include", "tags") if data[name]}
    target = "&".join(f"{name}={value}" for name, value in query.items())
    named = {} if data["model_id"] is None else {"model_id": data["model_id"]}
    try:
        found = asked(version, model_api.get_models, "", target, **named)
    except errors.ApiError as error:
        return refused(row), refusal(error)
    request = model_api.get_request(found.call, features(version))
    shown = {
        "resource_id": named and request.expression or None,
        "from": request.first,
        "size": request.size,
        "allow_no_match": request.allow_no_match,
        "tags": request.tags,
        **{name: name in request.includes for name in (*_FLAGS, "definition_status")},
    }
    return data.get("parsed"), shown


# --- rendering ---


def model_config_render(row: Row, version: str) -> Outcome:
    """Replay how a stored configuration is shown; what packages say in their own files is not read."""
    data = row.data
    if "note" in data or "lenient" in data:
        return data["status"], None
    try:
        model = _stored(data, version)
    except errors.ApiError as error:
        return refused(row), refusal(error)
    parameters = data.get("params", {})
    if "for_internal_storage" in parameters:
        return data["status"], None
    body = model.as_json(
        features(version),
        definition_status=False,  # it is not shown where it was not asked for, known or not
        exclude_generated=parameters.get("exclude_generated") == "true",
        human=parameters.get("human") == "true",
        aliases=sorted(data["set"].get("model_aliases", ())),
    )
    if '"definition"' in data["body"]:
        body = _with_definition(body)
    played = {"count": data["count"], "trained_model_configs": [body]} if "count" in data else body
    return _in_order(data["json"]), _in_order(played)


def _stored(data: Json, version: str) -> Model:
    """Return the model as the recorder made it: the body, and what the server generates."""
    config, given = configurations.parse(data["body"].encode(), features(version)), data["set"]
    names = ("license_level", "estimated_operations")
    configurations.complete(config | {name: given[name] for name in names}, features(version))
    if "input" not in config:
        config["input"] = {"field_names": ["input"]}
    if "platform_architecture" in given:
        config["platform_architecture"] = given["platform_architecture"]
    if "prefix_strings" in given:
        ingest, search = given["prefix_strings"]
        config["prefix_strings"] = {
            name: value for name, value in (("ingest", ingest), ("search", search)) if value is not None
        }
    made_in = {} if given["version"] == "current" else {"made_in": given["version"]}
    return Model(
        config.get("model_id", "mod"),
        given["model_size_bytes"],
        config.get("model_type", ""),
        has_location="location" in given,
        complete=bool(data.get("fully_defined")),
        create_time=given["create_time"],
        config=configurations.shown(config, features(version)),
        package=given.get("package"),
        operations=given["estimated_operations"],
        license_level=given["license_level"],
        created_by=given["created_by"],
        **made_in,
    )


def _with_definition(body: Json) -> Json:
    """Return the configuration of a tree with its definition, as the class shows it: compressed, behind the licence."""
    listed = list(body.items())
    at = next((n for n, (name, _value) in enumerate(listed) if name in ("description", "tags")), len(listed))
    return dict([*listed[:at], ("compressed_definition", _PACKED), *listed[at:]])


_PACKED = "<compressed by Java>"


def _in_order(body: Any) -> str:
    """Return JSON as a text, since the order of keys counts here, but for those of metadata."""
    if isinstance(body, dict) and "trained_model_configs" in body:
        body = {**body, "trained_model_configs": [_plain(each) for each in body["trained_model_configs"]]}
    elif isinstance(body, dict):
        body = _plain(body)
    return json.dumps(body, indent=1)


def _plain(config: Json) -> Json:
    found: Json = {name: _PACKED if name == "compressed_definition" else value for name, value in config.items()}
    if not found.get("model_type", True):
        del found["model_type"]
    if "metadata" in found:
        found["metadata"] = json.loads(json.dumps(found["metadata"], sort_keys=True))
    for task in found.get("inference_config", {}).values():
        if "vocabulary" in task:
            task["vocabulary"]["index"] = "<native index>"
    return found

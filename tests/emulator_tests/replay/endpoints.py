# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay requests about inference endpoints and how they are shown, chunking settings, and the region policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from emulator.api import inference_endpoints as endpoint_api
from emulator.api import region_policy as region_api
from emulator.inprocess import InProcess
from emulator.state import (
    chunking,
    endpoint_config,
    endpoint_update,
    endpoints,
    inference_input,
    inference_parsers,
    inference_services,
    model_config,
    region_policies,
    task_types,
)
from emulator.state.versions import Features, features
from emulator.wire import errors
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome
from emulator_tests.replay.uploads import asked, refusal, refused

Json = dict[str, Any]
_ENUMS: dict[str, Callable[[Features], tuple[str, ...]]] = {
    "TrainedModelType": lambda version: model_config.TYPES,
    "Tokenization$Truncate": inference_parsers.truncations,
    "TextSimilarityConfig$SpanScoreFunction": lambda version: inference_parsers.COMBINATIONS,
    "TaskType": task_types.known,
    "InputType": inference_input.input_types,
    "SimilarityMeasure": lambda version: endpoint_config.SIMILARITIES,
    "ChunkingStrategy": chunking.strategies,
    "SeparatorGroup": lambda version: tuple(name.upper() for name in chunking.SEPARATOR_GROUPS),
}


def inference_endpoint(row: Row, version: str) -> Outcome:
    """Replay a request about endpoints, or what is shown of them."""
    if "enum" in row.data:
        listed = _ENUMS.get(row.data["enum"])
        return row.data["value"], None if listed is None else list(listed(features(version)))
    play = _PLAYED.get(row.data["call"])
    if play is None:
        return row.data["status"], None
    try:
        return play(row.data, version)
    except errors.ApiError as error:
        return refused(row), refusal(error)


# --- requests ---


def _path(data: Json) -> Json:
    return {"task_type_or_id": data["task_type"], "inference_id": data["inference_id"]}


def _put(data: Json, version: str) -> Outcome:
    """Replay a put up to its work: the class does not look into the body."""
    found = asked(version, endpoint_api.put, data["body"], **_path(data))
    return data["parsed"], _target(found.emulator, found.call)


def _get(data: Json, version: str) -> Outcome:
    found = asked(version, endpoint_api.get, "", **_path(data))
    return data["parsed"], _target(found.emulator, found.call)


def _target(emulator: Any, call: Any) -> Json:
    task_type, endpoint_id = endpoint_api.target(emulator, call)
    return {"inference_id": endpoint_id, "task_type": task_type}


def _update(data: Json, version: str) -> Outcome:
    """Replay how the body of an update is split; settings that are empty count as not given."""
    asked(version, endpoint_api.update, data["body"], **_path(data))
    given = endpoint_update.read(data["body"].encode(), features(version))
    shown: Json = {
        "service_settings": given.service_settings,
        "task_settings": given.task_settings,
        "task_type": given.task_type,
    }
    if given.chunking_settings is not None:
        shown["chunking_settings"] = given.chunking_settings
    return data["parsed"], shown


def _delete(data: Json, version: str) -> Outcome:
    if "json" in data:
        lists = (data["pipelines"], data["indexes"])
        return data["json"], endpoints.deletion(data["acknowledged"], *lists, data["message"], features(version))
    flags = {name: str(data[name]).lower() for name in ("force", "dry_run")}
    found = asked(version, endpoint_api.delete, "", "&".join(f"{k}={v}" for k, v in flags.items()), **_path(data))
    force, dry_run = endpoint_api.flags_of_delete(found.call, features(version))
    shown = {**_target(found.emulator, found.call), "force": force, "dry_run": dry_run}
    return {name: data["parsed"][name] for name in shown}, shown


# --- answers ---


def _endpoint(config: Json, version: str) -> Json:
    """Return an endpoint as answers show it; chunking settings were stand-ins before 9.5.3."""
    chunks = config.get("chunking_settings")
    if chunks is not None and features(version).endpoint_update_chunking:
        chunks = chunking.read(chunks, features(version))
    endpoint = endpoints.Endpoint(
        config["id"],
        config["task_type"],
        config["service"],
        config["service_settings"],
        config.get("task_settings", {}),
        chunks,
        {},
        config.get("metadata", {}),
    )
    return endpoint.as_json(features(version))


def _one(data: Json, version: str) -> Outcome:
    return _in_order(data["json"]), _in_order(_endpoint(data["config"], version))


def _all(data: Json, version: str) -> Outcome:
    played = endpoint_api.listing([_endpoint(each, version) for each in data["configs"]], features(version))
    return _in_order(data["json"]), _in_order(played)


def _in_order(body: Any) -> str:
    """Return JSON as a text, since the order of keys counts."""
    return json.dumps(body, indent=1)


def _services(data: Json, version: str) -> Outcome:
    """Replay descriptions of services; the order of keys in them is that of a Java map."""
    played = [
        inference_services.shown(
            each["service"], each["name"], tuple(each["task_types"]), each["configurations"], features(version)
        )
        for each in data["services"]
    ]
    return data["json"], played


_PLAYED: dict[str, Callable[[Json, str], Outcome]] = {
    "put": _put,
    "get": _get,
    "update": _update,
    "delete": _delete,
    "answer of put and update": _one,
    "answer of get": _all,
    "_services": _services,
}


# --- chunking settings, region policy ---


def chunking_settings(row: Row, version: str) -> Outcome:
    """Replay chunking settings as they are given and shown."""
    given = row.data["settings"]
    if row.data.get("default_if_null") is False and not given:
        # An update that gives none leaves those that are there.
        body = json.dumps({chunking.SETTINGS: given}).encode()
        return row.data["json"], endpoint_update.read(body, features(version)).chunking_settings
    try:
        return row.data.get("json"), chunking.read(given, features(version))
    except errors.ApiError as error:
        return refused(row), refusal(error)


def region_policy(row: Row, version: str) -> Outcome:
    """Replay bodies and answers of the region policy; Cloud Connect (``_ccm``) is not played."""
    call = row.data["call"]
    if call.startswith("_ccm"):
        return row.data["status"], None
    if call == "delete":
        emulator = InProcess(version)
        emulator.cluster.region_policy = region_policies.Policy({}, "")
        return row.data["status"], emulator.request("DELETE", "/_inference/_region_policy")[0]
    if call == "answer of put and get":
        return row.data["json"], region_policies.Policy(**json.loads(row.data["document"])).as_json()
    try:
        asked(version, region_api.put, row.data["body"])
        return row.data["parsed"], {"region_policy": region_policies.read(row.data["body"].encode(), features(version))}
    except errors.ApiError as error:
        return refused(row), refusal(error)

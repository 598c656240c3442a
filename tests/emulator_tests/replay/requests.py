# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay bodies of start, update and stop: parsed, refused and complained about as recorded, in every version."""

from __future__ import annotations

from typing import Any

from emulator.state import requests
from emulator.state.adaptive import RESET
from emulator.state.versions import Features, features
from emulator.wire import errors, values
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome

_DEPLOYMENT_IN_QUERY = "deployment_id (query) = "
Triple = tuple[dict[str, Any] | None, dict[str, Any] | None, list[str]]
"""The parsed values, the refusal, and warnings."""
Answer = tuple[int, Triple]
"""The status, too: 200 for what is neither refused by the parser nor by validation."""


def _recorded(row: Row) -> Answer:
    warnings = [text.strip('"').replace("\\", "") for text in row.data.get("warnings", [])]
    return row.data["status"], (row.data["parsed"], row.data["error"], warnings)


def _body(row: Row) -> bytes:
    return (row.data["body"] or "").encode()


def _validated(parsed: dict[str, Any], complaints: list[str], warnings: list[str]) -> Answer:
    if not complaints:
        return 200, (parsed, None, warnings)
    refused = errors.validation(complaints)
    return refused.status, (parsed, refused.error_object(), warnings)


def update_request(row: Row, version: str) -> Outcome:
    """Replay a body of update, or a query parameter."""
    if "body" not in row.data:
        return _query_parameter(row)
    try:
        request = requests.parse_update(_body(row), "dep", features(version))
    except errors.ApiError as error:
        played: Answer = error.status, (None, error.error_object(), [])
    else:
        parsed: dict[str, Any] = {
            "deployment_id": request.deployment_id,
            "number_of_allocations": request.number_of_allocations,
            "ack_timeout": request.timeout.text,
        }
        if features(version).adaptive:
            parsed["adaptive_allocations"] = None if request.adaptive is None else request.adaptive.as_json()
            parsed["is_reset_placeholder"] = request.adaptive is RESET
        played = _validated(parsed, request.complaints(), [])
    return _recorded(row), played


def start_request(row: Row, version: str) -> Outcome:
    """Replay a body of start, or a detail of its class."""
    if "body" not in row.data:
        recorded = {key: row.data[key] for key in ("parsed", "error", "validation") if key in row.data}
        return recorded, _detail(row.data, features(version))
    model_id, deployment_id = _ids(row)
    try:
        request = requests.parse_start(_body(row), model_id, deployment_id, features(version))
    except errors.ApiError as error:
        played: Answer = error.status, (None, error.error_object(), [])
    else:
        fractional = requests.fractional_warning(request)
        warnings = request.warnings + ([] if fractional is None else [fractional])
        played = _validated(_start_json(request, features(version)), request.complaints(), warnings)
    return _recorded(row), played


def _ids(row: Row) -> tuple[str | None, str | None]:
    note = row.data.get("note", "")
    if note.startswith(_DEPLOYMENT_IN_QUERY):
        return "mod", note[len(_DEPLOYMENT_IN_QUERY) :]
    if note.startswith("deployment_id argument null"):
        return "mod", None
    return (None, "d") if note == "model id argument null" else ("mod", "mod")


def _start_json(request: requests.StartRequest, version: Features) -> dict[str, Any]:
    cache = request.cache_size
    body: dict[str, Any] = {"model_id": request.model_id, "deployment_id": request.deployment_id}
    if version.adaptive:
        body["number_of_allocations"] = request.number_of_allocations
        body["computed_number_of_allocations"] = request.computed_number
        body["adaptive_allocations"] = None if request.adaptive is None else request.adaptive.as_json()
    else:
        body["number_of_allocations"] = request.computed_number
    return body | {
        "threads_per_allocation": request.threads_per_allocation,
        "queue_capacity": request.queue_capacity,
        "cache_size": None if cache is None else cache.text,
        "cache_size_display": None if cache is None else cache.human(),
        "cache_size_bytes": None if cache is None else cache.bytes,
        "priority": request.priority,
        "wait_for": request.wait_for,
        "timeout": request.timeout.text,
    }


def stop_request(row: Row, version: str) -> Outcome:
    """Replay a body of stop, or its answer."""
    if "response" in row.data:
        return row.data["json"], {"stopped": row.data["response"]}
    try:
        request = requests.parse_stop(_body(row), "dep", features(version))
    except errors.ApiError as error:
        played: Answer = error.status, (None, error.error_object(), [])
    else:
        parsed: dict[str, Any] = {"id": request.deployment_id, "allow_no_match": request.allow_no_match}
        parsed |= {"force": request.force, "timeout": None}
        if features(version).finish_pending_work:
            parsed["finish_pending_work"] = request.finish_pending_work
        played = 200, (parsed, None, [])
    return _recorded(row), played


def _query_parameter(row: Row) -> Outcome:
    name, _equals, value = row.data["query"].partition("=")
    recorded = {
        key: row.data[key] for key in ("paramAsInt", "paramAsTime", "paramAsBoolean", "error") if key in row.data
    }
    return recorded, _read_parameter(name, value)


def _read_parameter(name: str, value: str) -> dict[str, Any]:
    try:
        if name == "number_of_allocations":
            return {"paramAsInt": values.parse_int_parameter(value, name)}
        if name == "timeout":
            return {"paramAsTime": values.parse_time(value, name).text}
        return {"paramAsBoolean": True if value == "" else values.parse_boolean(value)}
    except errors.ApiError as error:
        return {"error": error.error_object()}


def _detail(data: dict[str, Any], version: Features) -> dict[str, Any]:
    try:
        if "wait_for_fromString" in data:
            return {"parsed": requests.wait_state(data["wait_for_fromString"])}
        if "priority_fromString" in data:
            return {"parsed": requests.priority(data["priority_fromString"])}
        if "cache_size_query" in data:
            size = values.parse_bytes(data["cache_size_query"], "cache_size")
            return {"parsed": {"string_rep": size.text, "display": size.human(), "bytes": size.bytes}}
        if "set_timeout" in data and data["set_timeout"] is not None:
            request = requests.new_start("m", "d", version)
            request.timeout = values.parse_time(data["set_timeout"], "timeout")
            return {"validation": request.complaints() or None}
    except errors.ApiError as error:
        return {"error": error.error_object()}
    if "constructor" in data and None not in data["constructor"]:
        model_id, deployment_id = data["constructor"]
        return {"parsed": _start_json(requests.new_start(model_id, deployment_id, version), version)}
    return {}

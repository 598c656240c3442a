# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay bodies that create a model or upload it.

The recorded classes look at no other model, so a handler is asked up to its validation, and not for its work.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

from emulator.api import models as model_api
from emulator.api import uploads as upload_api
from emulator.emulator import Emulator
from emulator.inprocess import InProcess
from emulator.state import model_config as configurations
from emulator.state.models import Model
from emulator.state.versions import features
from emulator.wire import errors
from emulator.wire.call import Call, Reply
from emulator.wire.router import Prepared
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome

Json = dict[str, Any]
_PATH = "/_ml/trained_models/mod"
_SOURCE = re.compile(r"\[Source: .*?; line: ")


@dataclasses.dataclass
class Asked:
    """A request that is about to do its work."""

    emulator: Emulator
    call: Call
    prepared: Prepared

    def run(self) -> Any:
        """Do the work, and return the body of the answer."""
        reply: Reply = asyncio.run(self.prepared.run())  # type: ignore[arg-type]
        return reply.body


def asked(
    version: str,
    handler: Callable[[Any, Call], Prepared],
    body: str,
    query: str = "",
    **path_parameters: str,
) -> Asked:
    """Return what a handler makes of a request; raise its refusal, that of validation included."""
    emulator = InProcess(version).emulator
    call = Call("PUT", _PATH, query, {}, body.encode())
    call.path_parameters = path_parameters
    call.decode_query()
    prepared = handler(emulator, call)
    call.check_unused()
    if prepared.complaints:
        raise errors.validation(prepared.complaints)
    return Asked(emulator, call, prepared)


def refused(row: Row) -> list[Any]:
    """Return a recorded refusal."""
    return [row.data["status"], without_source(row.data.get("error"))]


def refusal(error: errors.ApiError) -> list[Any]:
    """Return a refusal of the emulator."""
    return [error.status, without_source(error.error_object())]


def without_source(error: Any) -> Any:
    """Return an error without what stands behind ``at [Source:``, which is not to be compared."""
    return json.loads(_SOURCE.sub("[Source", json.dumps(error)))


# --- models ---


def put_model(row: Row, version: str) -> Outcome:
    """Replay the body of a new model."""
    if "note" in row.data:
        return _package_check(row, version)
    _parsed, played = _created(row, version)
    if row.data["status"] != 200:
        return refused(row), played
    return [200, _packed(row), row.data.get("warnings", [])], played


def inference_config(row: Row, version: str) -> Outcome:
    """Replay the inference configuration of a new model."""
    parsed, played = _created(row, version)
    if row.data["status"] != 200:
        return refused(row), played
    recorded = _packed(row)
    return recorded, parsed and {name: parsed[name] for name in recorded if name in parsed}


def _packed(row: Row) -> Json:
    """Return what was recorded; of a definition that the class compressed only that it is there."""
    compressed = {"compressed_definition": True} if '"definition"' in row.data["body"] else {}
    return {**row.data["parsed"], **compressed}


def _created(row: Row, version: str) -> tuple[Json | None, list[Any]]:
    data, model_id = row.data, row.data.get("model_id", "mod")
    query = "&".join(
        f"{name}=true" for name in ("defer_definition_decompression", "wait_for_completion") if data.get(name)
    )
    try:
        call = asked(version, model_api.put_model, data["body"], query, model_id=model_id).call
    except errors.ApiError as error:
        return None, refusal(error)
    config = configurations.parse(data["body"].encode(), features(version))
    configurations.complete(config, features(version))
    size = int(config.get("model_size_bytes", 0))
    return _shown(config, model_id, size, version), [200, _shown_parsed(config, model_id, size, version), call.warnings]


def _shown(config: Json, model_id: str, size: int, version: str) -> Json:
    shown = configurations.shown(config, features(version))
    model = Model(model_id, size, str(config.get("model_type")), config=shown, has_location=False)
    body = model.as_json(features(version), definition_status=False, exclude_generated=True)
    if "definition" in config:
        body["compressed_definition"] = True
    if "inference_config" in body and "vocabulary" in (task := next(iter(body["inference_config"].values()))):
        task["vocabulary"]["index"] = "<native index>"
    return body


def _shown_parsed(config: Json, model_id: str, size: int, version: str) -> Json:
    """Return what the recorder wrote of a new model."""
    body = _shown(config, model_id, size, version)
    body.pop("inference_config", None)
    if "model_type" not in config:
        del body["model_type"]
    if "compressed_definition" in config:
        body["compressed_definition"] = config["compressed_definition"]
    packaged = configurations.is_packaged(model_id, features(version))
    return body | {"model_size_bytes": size, "packaged": packaged}


def _package_check(row: Row, version: str) -> Outcome:
    """Replay the check of a packaged model, which comes after the one of every request."""
    try:
        config = configurations.parse(row.data["body"].encode(), features(version))
        if complaints := configurations.package_complaints(config):
            raise errors.validation(complaints)
    except errors.ApiError as error:
        return refused(row), refusal(error)
    return row.data["accepted"], True


# --- uploads ---


def definition_part(row: Row, version: str) -> Outcome:
    """Replay a part of a definition."""
    data = row.data
    try:
        part = {"model_id": data["model_id"], "part": str(data["part"])}
        found = asked(version, upload_api.put_part, data["body"], **part)
    except errors.ApiError as error:
        return refused(row), refusal(error)
    model = found.emulator.cluster.models[data["model_id"]] = Model(data["model_id"], 0, complete=False)
    found.run()
    played = {
        "model_id": model.id,
        "part": data["part"],
        "total_parts": model.total_parts,
        "total_definition_length": model.bytes,
        "definition_bytes": model.parts[data["part"]].bytes,
        "overwrite": False,
    }
    return data["parsed"], played


def vocabulary(row: Row, version: str) -> Outcome:
    """Replay a vocabulary, by itself or for a model with some tokenization."""
    data, model_id = row.data, row.data.get("model_id", "mod")
    try:
        found = asked(version, upload_api.put_vocabulary, data["body"], model_id=model_id)
        if "config" not in data:
            given = upload_api.vocabulary_of(data["body"].encode(), features(version))
            return data["parsed"], {"merges": [], "scores": [], **given}
        stored = configurations.parse(data["config"].encode(), features(version))
        shown = configurations.shown(stored, features(version))
        found.emulator.cluster.models[model_id] = Model(model_id, 0, has_vocabulary=False, config=shown)
        found.run()
    except errors.ApiError as error:
        return refused(row), refusal(error)
    return data["accepted"], True

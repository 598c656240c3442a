# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay bodies of inferences through endpoints, class by class."""

from __future__ import annotations

from typing import Any

from emulator.api import endpoint_inference as infer_api
from emulator.state import inference_input, task_types
from emulator.state.inference_input import Asked
from emulator.state.task_types import EMBEDDING
from emulator.state.versions import Features, features
from emulator.wire import errors
from emulator.wire.values import TimeValue
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome
from emulator_tests.replay.uploads import refusal, refused


def inference_request(row: Row, version: str) -> Outcome:
    """Replay a body: what is read of it, or its refusal."""
    try:
        found = _read(row, features(version))
        if found.complaints:
            raise errors.validation(found.complaints)
    except errors.ApiError as error:
        return refused(row), refusal(error)
    return row.data.get("parsed"), _shown(row, found, features(version))


def _read(row: Row, version: Features) -> Asked:
    data, body = row.data, row.data["body"].encode()
    if data["call"].startswith("rerank"):
        return inference_input.rerank(body, version)
    if data["call"].startswith("embedding"):
        return inference_input.embedding(body, version, data.get("task_type", EMBEDDING))
    return inference_input.general(body, task_types.read(data["task_type"], version), version)


def _shown(row: Row, found: Asked, version: Features) -> dict[str, Any]:
    values = {name: value.text if isinstance(value, TimeValue) else value for name, value in found.values.items()}
    if "note" in row.data:
        values.setdefault("input_type", inference_input.UNSPECIFIED)
        if (timeout := infer_api.default_timeout(version)) is not None:
            values.setdefault("timeout", timeout.text)
    return values

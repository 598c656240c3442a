# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay recorded rows: each replayer turns (row, version) into (what was recorded, what the emulator says)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

from emulator_tests.recordings import Row

Outcome = tuple[Any, Any]
Replayer = Callable[[Row, str], Outcome]
UNPLAYED: Final = "the emulator has nothing that could be compared"
"""The outcome of a row that is about something the emulator lacks; equal to nothing that was recorded."""

MODULES: Final = {
    "adaptive": "adaptive",
    "aliases": "models",
    "assignment": "assignments",
    "assignment_metadata": "assignments",
    "assignment_service": "plans",
    "assignment_stats": "stats",
    "chunking_settings": "endpoints",
    "cluster_ml": "cluster_ml",
    "constants": "constants",
    "definition_part": "uploads",
    "errors": "errors",
    "fresh": "plans",
    "http": "http",
    "ids": "models",
    "infer_request": "inference",
    "infer_response": "inference",
    "inference_config": "uploads",
    "inference_endpoint": "endpoints",
    "inference_request": "endpoint_inference",
    "low": "plans",
    "memory": "plans",
    "messages": "messages",
    "messages_more": "messages",
    "misc": "misc",
    "model_alias_request": "model_requests",
    "model_config": "models",
    "model_config_render": "model_requests",
    "models_request": "model_requests",
    "models_stats": "stats",
    "privileges": "privileges",
    "privileges_more": "privileges",
    "put_model": "uploads",
    "reduce": "plans",
    "region_policy": "endpoints",
    "rest_layer": "rest_layer",
    "running": "plans",
    "sequences": "plans",
    "start_request": "requests",
    "states": "states",
    "stop_request": "requests",
    "stopping": "plans",
    "task_params": "assignments",
    "update_request": "requests",
    "vocabulary": "uploads",
    "zones": "plans",
}
"""The module that replays a recording; its function has the recording's name."""


def replayer(file: str) -> Replayer:
    """Return the function that replays the rows of a recording; raise ``KeyError`` if there is none."""
    found: Replayer = getattr(importlib.import_module(f"emulator_tests.replay.{MODULES[file]}"), file)
    return found


def replay(row: Row, version: str) -> Outcome:
    """Return what was recorded, and what the emulator says."""
    return replayer(row.file)(row, version)

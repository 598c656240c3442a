# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay the REST layer's own refusals."""

from __future__ import annotations

import json
from typing import Any

from emulator.inprocess import InProcess
from emulator.state.models import Model
from emulator.state.nodes import Node
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome
from emulator_tests.replay.situation import deploy


def rest_layer(row: Row, version: str) -> Outcome:
    """Replay direct calls of REST classes. Where a stand-in said ok, only the status counts."""
    data = row.data
    method, _space, target = data["request"].partition(" ")
    given = {"Content-Type": ["application/json"]} if data["headers"] is None and data["body"] else data["headers"]
    sent = {name: values[0] for name, values in (given or {}).items()}
    emulator = InProcess(version, [Node("n1", 64)])
    deploy(emulator, "dep", "update")
    emulator.cluster.models["a"] = Model("a")
    body = None if data["body"] is None else data["body"].encode()
    status, headers, raw = emulator.request(method, target, sent, body)
    recorded: list[Any] = [data["status"], (data["response_headers"] or {}).get("Allow", [None])[0]]
    played: list[Any] = [status, dict(headers).get("Allow")]
    if "json" in data and method != "HEAD":
        recorded += [data["json"], data["content_type"]]
        played += [json.loads(raw), dict(headers)["content-type"]]
    recorded.append(data["thread_context_headers"]["X-elastic-product"][0])
    played.append(dict(headers).get("X-elastic-product"))
    return recorded, played

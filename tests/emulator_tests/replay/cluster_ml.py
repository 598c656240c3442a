# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay what concerns machine learning as a whole: cache, upgrade mode, memory, architectures."""

from __future__ import annotations

import json
from typing import Any

from emulator.api import infer as infer_api
from emulator.api import memory as memory_api
from emulator.inprocess import InProcess
from emulator.state import architectures, upgrade_mode
from emulator.state.nodes import Node
from emulator.wire import errors
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome
from emulator_tests.replay.uploads import asked, refusal, refused

Json = dict[str, Any]


def cluster_ml(row: Row, version: str) -> Outcome:
    """Replay one row by its call."""
    played = _CALLS.get(row.data["call"])
    return (row.data["status"], None) if played is None else played(row, version)


def _cache(row: Row, version: str) -> Outcome:
    """Replay the answer of a cleared cache; the emulator always clears."""
    if "json" not in row.data:
        if row.data["deployment_id"] is None:
            return refused(row), None
        found = asked(version, infer_api.clear_cache, "", model_id=row.data["deployment_id"])
        return row.data["parsed"], found.call.path_parameters["model_id"]
    emulator = InProcess(version, models=[("m", 1)])
    emulator.request("POST", "/_ml/trained_models/m/deployment/_start")
    return row.data["json"], json.loads(emulator.request("POST", "/_ml/trained_models/m/deployment/cache/_clear")[2])


def _switched(row: Row, version: str) -> Outcome:
    emulator = InProcess(version)
    emulator.cluster.settings["upgrade_mode"] = not row.data["enabled"]
    emulator.request("POST", f"/_ml/set_upgrade_mode?enabled={str(row.data['enabled']).lower()}")
    return row.data["json"], {"enabled": upgrade_mode.enabled(emulator.cluster)}


def _acknowledged(row: Row, version: str) -> Outcome:
    emulator = InProcess(version)
    return row.data["json"], json.loads(emulator.request("POST", "/_ml/set_upgrade_mode?enabled=true")[2])


def _state_of_ml(row: Row, version: str) -> Outcome:
    emulator = InProcess(version)
    for name, setting in (("upgrade_mode", "upgrade_mode"), ("reset_mode", "feature_reset")):
        emulator.cluster.settings[setting] = row.data[name]
    metadata = json.loads(emulator.request("GET", "/_cluster/state/metadata")[2])["metadata"]
    return row.data["json"], metadata.get("ml")


def _on_the_master(row: Row, version: str) -> Outcome:
    """Replay a change of the upgrade mode while another is under way, or of what is set already."""
    data, emulator = row.data, InProcess(version)
    emulator.cluster.settings["upgrade_mode"] = data["current"]
    if data["running"]:
        emulator.control("POST", "/effects", {"do": "set_setting", "name": upgrade_mode.BUSY, "value": True})
    target = f"/_ml/set_upgrade_mode?enabled={str(data['enabled']).lower()}"
    status, _headers, raw = emulator.request("POST", target)
    body = json.loads(raw)
    recorded = [data["status"], data.get("error") or data.get("json")]
    return recorded, [status, body.get("error", body)]


def _memory(row: Row, version: str) -> Outcome:
    """Replay the names of the memory of nodes; the sizes are those of the emulator's nodes."""
    if "nodes" not in row.data:
        return row.data.get("parsed", row.data.get("error")), _memory_request(row, version)
    given = row.data["nodes"]
    nodes = [Node(each["id"], roles=tuple(each["roles"])) for each in given]
    emulator = InProcess(version, nodes=nodes or [])
    human = "?human=true" if row.data["human"] else ""
    body = json.loads(emulator.request("GET", f"/_ml/memory/_stats{human}")[2])
    return _names(row.data["json"]), _names(body)


def _memory_request(row: Row, version: str) -> Any:
    if row.data["node_id"] is None:
        return None
    found = asked(version, memory_api.memory_stats, "", node_id=row.data["node_id"])
    timeouts = {name: memory_api.TIMEOUT.text for name in ("timeout", "master_timeout")}
    return {"node_id": found.call.path_parameters["node_id"], **timeouts}


def _names(body: Any) -> Any:
    """Return the names in a body, in their order; attributes of nodes are the recorder's."""
    if isinstance(body, dict):
        return [(name, None if name == "attributes" else _names(value)) for name, value in body.items()]
    return None


def _architecture(row: Row, version: str) -> Outcome:
    """Replay the check of a model's architecture."""
    del version
    data = row.data
    try:
        architectures.check(set(data["nodes"]), data["model_architecture"], data["model_id"])
    except errors.ApiError as error:
        return refused(row), refusal(error)
    return data.get("accepted"), True


def _variant(row: Row, version: str) -> Outcome:
    nodes = [Node(f"n{number}", architecture=name) for number, name in enumerate(row.data["nodes"])]
    emulator = InProcess(version, nodes=nodes)
    emulator.cluster.settings.update(row.data["settings"])
    body = json.loads(emulator.request("GET", "/_ml/info")[2])
    return row.data["variant"], body["defaults"].get("model_platform_variant")


def _info(row: Row, version: str) -> Outcome:
    """Replay the parts of the answer: only its rendering is recorded."""
    body = json.loads(InProcess(version).request("GET", "/_ml/info")[2])
    recorded = row.data["json"]
    return sorted(recorded), sorted(name for name in body if name in recorded)


_CALLS = {
    "cache/_clear": _cache,
    "set_upgrade_mode": _switched,
    "acknowledged answer": _acknowledged,
    "cluster state of ml": _state_of_ml,
    "set_upgrade_mode on the master": _on_the_master,
    "_ml/memory/_stats": _memory,
    "architecture check at start and PUT": _architecture,
    "model_platform_variant": _variant,
    "_ml/info": _info,
}

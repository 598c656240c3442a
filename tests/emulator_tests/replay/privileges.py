# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay which privilege grants which action."""

from __future__ import annotations

import base64
import json
import re
from typing import Final

from emulator.inprocess import InProcess
from emulator.security import privileges as security
from emulator.security.builtin_roles import builtin
from emulator.security.permission import Permission
from emulator.state.versions import features
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome

_MODEL: Final = "/_ml/trained_models/m"
ASKED: Final[dict[str, tuple[str, str, object]]] = {
    "ClearDeploymentCacheAction": ("POST", f"{_MODEL}/deployment/cache/_clear", None),
    "DeleteInferenceEndpointAction": ("DELETE", "/_inference/sparse_embedding/e", None),
    "MlMemoryAction": ("GET", "/_ml/memory/_stats", None),
    "SetUpgradeModeAction": ("POST", "/_ml/set_upgrade_mode?enabled=true", None),
    "DeleteTrainedModelAction": ("DELETE", _MODEL, None),
    "DeleteTrainedModelAliasAction": ("DELETE", f"{_MODEL}/model_aliases/a", None),
    "DeleteRegionPolicyAction": ("DELETE", "/_inference/_region_policy", None),
    "GetInferenceServicesAction": ("GET", "/_inference/_services", None),
    "GetRegionPolicyAction": ("GET", "/_inference/_region_policy", None),
    "PutRegionPolicyAction": ("PUT", "/_inference/_region_policy", {"region_policy": {}}),
    "UpdateInferenceModelAction": ("PUT", "/_inference/sparse_embedding/e/_update", {"task_settings": {}}),
    "GetInferenceModelAction": ("GET", "/_inference/_all", None),
    "GetTrainedModelsAction": ("GET", _MODEL, None),
    "GetTrainedModelsStatsAction": ("GET", f"{_MODEL}/_stats", None),
    "MlInfoAction": ("GET", "/_ml/info", None),
    "PutInferenceModelAction": ("PUT", "/_inference/sparse_embedding/e", {"service": "elser"}),
    "PutTrainedModelAction": (
        "PUT",
        "/_ml/trained_models/new",
        {"model_type": "pytorch", "inference_config": {"ner": {}}},
    ),
    "PutTrainedModelAliasAction": ("PUT", f"{_MODEL}/model_aliases/a", None),
    "PutTrainedModelDefinitionPartAction": (
        "PUT",
        f"{_MODEL}/definition/0",
        {"definition": "AA==", "total_definition_length": 1, "total_parts": 1},
    ),
    "PutTrainedModelVocabularyAction": ("PUT", f"{_MODEL}/vocabulary", {"vocabulary": ["a"]}),
    "StartTrainedModelDeploymentAction": ("POST", f"{_MODEL}/deployment/_start", None),
    "StopTrainedModelDeploymentAction": ("POST", f"{_MODEL}/deployment/_stop", None),
    "UpdateTrainedModelDeploymentAction": ("POST", f"{_MODEL}/deployment/_update", {"number_of_allocations": 2}),
}
"""A request that needs each of the actions that the emulator plays."""
_REFUSED: Final = re.compile(r"action \[([^]]+)\] is unauthorized")


def privileges(row: Row, version: str) -> Outcome:
    """Replay what cluster privileges grant, the names of actions, and the built-in roles."""
    if row.data["key"] == "privileges":
        return row.data["value"], _granted(row, version)
    if row.data["key"] == "action_names":
        recorded = {name: action for name, action in row.data["value"].items() if name in ASKED}
        return recorded, {name: needed(name, version) for name in recorded}
    return row.data["value"], _roles(row, version)


def privileges_more(row: Row, version: str) -> Outcome:
    """Replay the second set, which has more privileges and actions."""
    return privileges(row, version)


def needed(name: str, version: str) -> str:
    """Return the action that a user without any privilege lacks."""
    emulator = InProcess(version, models=[("m", 1000)])
    emulator.control("POST", "/privileges", {"username": "u", "password": "p", "privileges": []})
    method, path, body = ASKED[name]
    headers = {"Authorization": "Basic " + base64.b64encode(b"u:p").decode(), "Content-Type": "application/json"}
    answer = emulator.request(method, path, headers, None if body is None else json.dumps(body).encode())[2].decode()
    found = _REFUSED.search(answer)
    return answer if found is None else found[1]


def _granted(row: Row, version: str) -> dict[str, list[str] | None]:
    """Return every recorded action, and no other, under every recorded privilege."""
    named = security.named(features(version))
    actions = sorted({action for listed in row.data["value"].values() for action in listed or ()})
    return {
        name: [action for action in actions if named[name].actions.has(action)] if name in named else None
        for name in row.data["value"]
    }


def _roles(row: Row, version: str) -> dict[str, object]:
    """Return the built-in roles that grant some of the recorded actions, and their privileges that have a name."""
    known = features(version)
    actions = row.data["value"]["superuser"]["granted"]
    found: dict[str, object] = {}
    for role in builtin(known).values():
        granted = [action for action in actions if Permission([role], known).allows(action)]
        if granted:
            named = [each for each in role.cluster if each in security.named(known)]
            found[role.name] = {"cluster_privileges": named, "granted": granted}
    return found

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which privilege grants which action."""

from __future__ import annotations

from emulator.security import accounts as security
from emulator.state.versions import features
from emulator_tests.recordings import Row
from emulator_tests.replay import UNPLAYED, Outcome

_ACTIONS = {
    "cluster:monitor/state",
    "cluster:monitor/main",
    "cluster:monitor/health",
    "cluster:monitor/xpack/ml/info/get",
    "cluster:monitor/xpack/ml/inference/get",
    "cluster:monitor/xpack/ml/inference/stats/get",
    "cluster:admin/xpack/ml/inference/put",
    "cluster:admin/xpack/ml/inference/delete",
    "cluster:admin/xpack/ml/inference/model_aliases/put",
    "cluster:admin/xpack/ml/inference/model_aliases/delete",
    "cluster:admin/xpack/ml/trained_models/part/put",
    "cluster:admin/xpack/ml/trained_models/vocabulary/put",
    "cluster:admin/xpack/ml/trained_models/deployment/start",
    "cluster:admin/xpack/ml/trained_models/deployment/stop",
    "cluster:admin/xpack/ml/trained_models/deployment/update",
}
"""The actions of everything the double plays."""


def privileges(row: Row, version: str) -> Outcome:
    """What cluster privileges grant, what actions are called, and the roles that come along."""
    if row.data["key"] == "privileges":
        return _granted(row, version)
    if row.data["key"] == "action_names":
        ours = {name for name in _ACTIONS if "/ml/" in name}
        return ours, ours & set(row.data["value"].values())
    return row.data["value"], UNPLAYED


def _granted(row: Row, version: str) -> Outcome:
    recorded, played = {}, {}
    for privilege, actions in row.data["value"].items():
        recorded[privilege] = None if actions is None else _ACTIONS & set(actions)
        granted = {action for action in _ACTIONS if privilege in security.granting(action, features(version))}
        played[privilege] = granted if granted or recorded[privilege] is not None else None
    return recorded, played

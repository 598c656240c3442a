# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which privilege grants which action."""

from __future__ import annotations

from emulator.security import privileges as security
from emulator.security.builtin_roles import builtin
from emulator.security.permission import Permission
from emulator.state.versions import features
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome

_PLAYED_ACTIONS = {
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
"""The actions of machine learning that the double plays."""


def privileges(row: Row, version: str) -> Outcome:
    """What cluster privileges grant, what actions are called, and the roles that come along."""
    if row.data["key"] == "privileges":
        return row.data["value"], _granted(row, version)
    if row.data["key"] == "action_names":
        return _PLAYED_ACTIONS, _PLAYED_ACTIONS & set(row.data["value"].values())
    return row.data["value"], _roles(row, version)


def _granted(row: Row, version: str) -> dict[str, list[str] | None]:
    """Every recorded action, and no other, under every recorded privilege."""
    named = security.named(features(version))
    actions = sorted({action for listed in row.data["value"].values() for action in listed or ()})
    return {
        name: [action for action in actions if named[name].actions.has(action)] if name in named else None
        for name in row.data["value"]
    }


def _roles(row: Row, version: str) -> dict[str, object]:
    """The built-in roles that grant some of the recorded actions, and their privileges that have a name."""
    known = features(version)
    actions = row.data["value"]["superuser"]["granted"]
    found: dict[str, object] = {}
    for role in builtin(known).values():
        granted = [action for action in actions if Permission([role], known).allows(action)]
        if granted:
            named = [each for each in role.cluster if each in security.named(known)]
            found[role.name] = {"cluster_privileges": named, "granted": granted}
    return found

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of the region policy. Pure."""

from __future__ import annotations

import dataclasses

from .._core.plan import Plan, Step
from .._core.server import Server
from .records import Desired, RegionPolicy, Situation

_KEPT = ("created_at", "created_by")
"""What a change of the policy leaves as it is."""


def decide(desired: Desired, current: Situation, _server: Server) -> Plan[RegionPolicy]:
    """Return the plan that brings the region policy into its desired state."""
    before = current.policy
    if desired.state == "absent":
        return Plan(before, None, "delete", (Step("delete"),)) if before else Plan(None, None)
    if desired.policy in (None, before):
        return Plan(before, before)
    kept = {name: value for name, value in (before.stamps if before else {}).items() if name in _KEPT}
    after = dataclasses.replace(desired.policy, stamps=kept)
    step = Step("set", {"policy": after.as_json(), "force": desired.force})
    return Plan(before, after, "update" if before else "create", (step,))

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run leaves behind for the case that it dies, and what to say of it when nobody needs it any more. Pure."""

from __future__ import annotations

import typing as t

from ..._core.errors import Difference
from ..._core.server import Server
from ..._ml.deployment import Deployment
from ..records.desired import Wanted
from ..records.recovery_record import Recovery
from .diff import fixed_differences, moved
from .plan import Plan
from .start_step import FIXED, own


def to_keep(plan: Plan, server: Server) -> Recovery | None:
    """What is to be kept before *plan* stops something, if it starts it again."""
    action = plan.start
    if action is None or not plan.keeps_start:
        return None
    going = t.cast("Deployment", plan.before)  # keeps_start says so
    before = action if plan.operation == "rollback" else own(going)
    cluster = (server.cluster_uuid, server.cluster_name)
    return Recovery(action.deployment_id, *cluster, going.start_time, dict(action.settings), dict(before.settings))


def superseded(lost: Recovery | None, current: Deployment | None) -> tuple[str, ...]:
    """A warning if *current* was started after *lost* was written, and with other settings than those in there."""
    if lost is None or current is None or lost.start_time == current.start_time:
        return ()
    differences = _differences(lost.deployment, current)
    if not differences:
        return ()
    named = "; ".join(f"{each.name} {each.wanted} instead of {each.current}" for each in differences)
    return (
        f"The recovery file of deployment '{current.deployment_id}' is not used: the deployment was started after the "
        f"file was written (at {current.start_time}). The file has {named}.",
    )


def _differences(lost: Deployment, current: Deployment) -> tuple[Difference, ...]:
    settings = {name: getattr(lost, name) for name in FIXED}
    found = fixed_differences(Wanted(lost.deployment_id, **settings), current, lost.model_id)
    return found + moved(lost, current)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recovery record that a run keeps in case it is killed, and the warning about one that is out of date. Pure."""

from __future__ import annotations

import typing as t

from ..._core.errors import CODES, Difference, Failure, shown
from ..._core.obstacles import OBSTACLES
from ..._core.server import Server
from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..._ml.settings import START_SETTINGS
from ..records.desired import Desired
from ..records.recovery_record import RecoveryRecord
from .diff import allocation_changes, immutable_differences
from .plan import Plan
from .start_step import start_like


def record_for(plan: Plan, server: Server) -> RecoveryRecord | None:
    """Return the record to keep before *plan* stops a deployment, if it starts it again."""
    step = plan.start
    if step is None or not plan.needs_recovery_record:
        return None
    current = t.cast("Deployment", plan.before)  # needs_recovery_record says so
    before = step if plan.operation == "rollback" else start_like(current)
    cluster = (server.cluster_uuid, server.cluster_name)
    return RecoveryRecord(step.deployment_id, *cluster, current.start_time, dict(step.settings), dict(before.settings))


def superseded_warning(recovery: RecoveryRecord | None, current: Deployment | None) -> tuple[WarningText, ...]:
    """Return a warning if *current* was started after *recovery* was written, with other settings than those in it."""
    if recovery is None or current is None or recovery.start_time == current.start_time:
        return ()
    differences = _differences(recovery.deployment, current)
    if not differences:
        return ()
    named = "; ".join(
        f"{setting.name} {shown(setting.desired)} instead of {shown(setting.current)}" for setting in differences
    )
    at = f" (at {current.start_time})" if current.start_time else ""
    text = (
        f"The recovery file of deployment '{current.deployment_id}' is not used: the deployment was started{at} after "
        f"the file was written. The file has {named}."
    )
    return (WarningText(text),)


def how_to_start(before: Deployment, error: Failure, recovery_file: str | None) -> str:
    """Return what to do after *error* has refused the start of *before*, which was stopped, and when to do it.

    *recovery_file*: the path of the file with its settings, if there is one.
    """
    until = next(
        (each.until for kind, each in OBSTACLES.items() if CODES[kind] == error.code), "what refuses the start is gone"
    )
    if recovery_file:
        return (
            f"The deployment does not run. When {until}, the next run of the task starts it with its settings from "
            f"recovery_file {recovery_file}."
        )
    ran = shown(dict(start_like(before).settings)).strip("{}")
    return (
        f"The deployment does not run. It ran with {ran}. When {until}, start it with these settings. "
        "With recovery_file the task keeps them itself."
    )


def _differences(recovery: Deployment, current: Deployment) -> tuple[Difference, ...]:
    settings = {name: getattr(recovery, name) for name in START_SETTINGS}
    found = immutable_differences(Desired(recovery.deployment_id, **settings), current, recovery.model_id)
    return found + allocation_changes(recovery, current)

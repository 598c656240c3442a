# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the recovery record: what it holds, when it is no longer needed, what to say of it. Pure."""

from __future__ import annotations

import typing as t

from ..._core.errors import ApiError, Difference, shown
from ..._core.server import Server
from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..._ml.settings import START_SETTINGS
from ..plan.diff import allocation_changes, immutable_differences
from ..plan.plan import Plan
from ..plan.readiness import is_running
from ..plan.run_state import PlanProgress, RunState
from ..plan.start_step import start_like
from ..records.desired import Desired
from ..records.recovery_record import RecoveryRecord


def record_for(plan: Plan, server: Server) -> RecoveryRecord | None:
    """Return the record to keep before *plan* stops a deployment, if it starts it again."""
    step = plan.start
    if step is None or not plan.needs_recovery_record:
        return None
    current = t.cast("Deployment", plan.before)  # needs_recovery_record says so
    before = step if plan.operation == "rollback" else start_like(current)
    cluster = (server.cluster_uuid, server.cluster_name)
    return RecoveryRecord(step.deployment_id, *cluster, current.start_time, dict(step.settings), dict(before.settings))


def end_of_record(state: RunState) -> t.Literal["remove", "superseded", "leave", "keep", "look"]:
    """Return what becomes of the recovery file at the end of a run.

    It is not needed when its deployment, or a newer one, runs, and after a complete stop that the task asked for.
    ``superseded``: a newer one runs. ``leave``: the task warns that the file is there; ``keep``: it does not. ``look``:
    the file is needed if the deployment does not run at one more read.
    """
    record, observed = state.record, state.observed
    if record is None:
        return "keep"
    if _excludes_start(state):
        return "leave"
    if state.progress is None:
        return "keep"
    if state.progress.may_still_stop:
        return "leave"
    if state.desired.state == "stopped":
        return "keep" if state.error or observed else "remove"
    if _was_started(state, state.progress):
        return "remove"
    if observed is None or not is_running(observed):
        return "leave"
    if "stop" in state.before_rollback.kinds | state.progress.applied.kinds:
        return "superseded" if record.start_time != observed.start_time else "leave"
    # No stop took effect, so a record of this run still runs. If another run wrote it, its stop may be under way.
    return "remove" if state.record_written else "look"


def _excludes_start(state: RunState) -> bool:
    """Return whether the task starts nothing although nothing runs, and it does not ask for that."""
    starts = state.plan is not None and state.plan.start is not None
    return state.desired.state != "stopped" and not starts and not is_running(state.current)


def _was_started(state: RunState, progress: PlanProgress) -> bool:
    """Return whether this run started the deployment, whatever other clients did since."""
    applied = progress.applied
    return bool(applied.start_time or ("stop" not in applied.kinds and state.before_rollback.start_time))


def left_warning(state: RunState) -> WarningText:
    """Return the warning that the file is there, and the deployment does not run."""
    deployment_id = state.deployment_id
    matches = state.record is not None and state.record.matches(state.current)
    if not _excludes_start(state) or isinstance(state.error, ApiError) or not matches:
        return WarningText(
            f"The settings of deployment '{deployment_id}' are in its recovery file. Run the task again to start it."
        )
    return WarningText(
        f"The settings of deployment '{deployment_id}' are still in its recovery file. "
        "This task does not start it: change the task, or remove what blocks the start."
    )


def superseded_warning(state: RunState) -> tuple[WarningText, ...]:
    """Return a warning if what runs was started after the record was written, with other settings than those in it."""
    recovery, current = state.record, state.observed
    if state.desired.state == "stopped" or recovery is None or current is None:
        return ()
    if recovery.start_time == current.start_time:
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


def _differences(recovery: Deployment, current: Deployment) -> tuple[Difference, ...]:
    settings = {name: getattr(recovery, name) for name in START_SETTINGS}
    found = immutable_differences(Desired(recovery.deployment_id, **settings), current, recovery.model_id)
    return found + allocation_changes(recovery, current)

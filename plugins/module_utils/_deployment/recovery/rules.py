# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the recovery record: what it holds, when it is no longer needed, what to say of it. Pure."""

from __future__ import annotations

import typing as t

from ..._core.errors import CODES, ApiError, Difference, Failure, shown
from ..._core.obstacles import OBSTACLES
from ..._core.server import Server
from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..._ml.settings import START_SETTINGS
from ..plan.diff import allocation_changes, immutable_differences
from ..plan.plan import Plan
from ..plan.run_state import RunState
from ..plan.start_step import start_like
from ..records.desired import Desired
from ..records.recovery_record import RecoveryRecord
from ..records.step import StepKind


def record_for(plan: Plan, server: Server) -> RecoveryRecord | None:
    """Return the record to keep before *plan* stops a deployment, if it starts it again."""
    step = plan.start
    if step is None or not plan.needs_recovery_record:
        return None
    current = t.cast("Deployment", plan.before)  # needs_recovery_record says so
    before = step if plan.operation == "rollback" else start_like(current)
    cluster = (server.cluster_uuid, server.cluster_name)
    return RecoveryRecord(step.deployment_id, *cluster, current.start_time, dict(step.settings), dict(before.settings))


def is_running(deployment: Deployment | None) -> bool:
    """Return whether there is a deployment, and it is not being stopped."""
    return deployment is not None and deployment.assignment_state != "stopping"


def _applied_kinds(state: RunState) -> frozenset[StepKind]:
    """Return the kinds of all writes that took effect, or may have, also before a rollback."""
    return state.before_rollback.kinds | state.under_way.applied.kinds


def end_of_record(
    state: RunState, record: RecoveryRecord, *, written: bool
) -> t.Literal["remove", "superseded", "leave", "keep", "look"]:
    """Return what becomes of the file of *record* at the end of a run. *written*: this run wrote it.

    It is not needed when its deployment, or a newer one, runs, and after a complete stop that the task asked for.
    ``superseded``: a newer one runs. ``leave``: the task warns that the file is there; ``keep``: it does not. ``look``:
    the file is needed if the deployment does not run at one more read.
    """
    progress, observed = state.under_way, state.observed
    if progress.may_still_stop:
        return "leave"
    if state.desired.state == "stopped":
        return "keep" if state.error or observed else "remove"
    if _was_started(state):
        return "remove"
    if observed is None or not is_running(observed):
        return "leave"
    if "stop" in _applied_kinds(state):
        return "superseded" if record.start_time != observed.start_time else "leave"
    # No stop took effect, so a record of this run still runs. If another run wrote it, its stop may be under way.
    return "remove" if written else "look"


def _was_started(state: RunState) -> bool:
    """Return whether this run started the deployment, whatever other clients did since."""
    applied = state.under_way.applied
    return bool(applied.start_time or ("stop" not in applied.kinds and state.before_rollback.start_time))


def left_warning(deployment_id: str) -> WarningText:
    """Return the warning that the file is there, and the deployment does not run."""
    return WarningText(
        f"The settings of deployment '{deployment_id}' are in its recovery file. Run the task again to start it."
    )


def unused_warning(state: RunState, record: RecoveryRecord) -> WarningText:
    """Return the warning that the deployment of *record* does not run, and this task will not start it."""
    if isinstance(state.error, ApiError) or not record.matches(state.current):
        return left_warning(state.deployment_id)
    return WarningText(
        f"The settings of deployment '{state.deployment_id}' are still in its recovery file. "
        "This task does not start it: change the task, or remove what blocks the start."
    )


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

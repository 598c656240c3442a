# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task on one deployment: a list of one, with a result of its own."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.run.clock import Clock
from .._core.run.cluster import Connect
from .._core.run.progress import ProgressCallback, no_progress
from .._core.run.result import Json, Outcome, without_facts
from .._core.warning import WarningText
from .api.cluster import Cluster
from .options.task import one
from .plan.run_state import RunState
from .records.desired import Desired, WaitPolicy
from .result import as_item, fact
from .task_run import TaskRun

Params = t.Mapping[str, t.Any]


def run(
    params: Params,
    check_mode: bool,
    *,
    connect: Connect[Cluster] = Cluster.connected,
    clock: Clock | None = None,
    show_progress: ProgressCallback = no_progress,
    begun: t.Callable[[TaskRun], object] = id,
) -> Outcome:
    """Bring one deployment into the state that validated *params* ask for. Return errors as a failed result.

    *show_progress* gets the progress of a long wait, *begun* the run before it does anything.
    """
    task_run = TaskRun(check_mode, clock, show_progress)
    begun(task_run)
    task_run.execute(lambda: one(params), connect)
    return _outcome(params, task_run)


def _outcome(params: Params, task_run: TaskRun) -> Outcome:
    """Return the outcome of *task_run*, the run of a task with *params*."""
    state = next(iter(task_run.states), None) or _unread(params.get("deployment_id") or params.get("model_id") or "")
    if task_run.error:
        state = dataclasses.replace(state, server=task_run.server, error=task_run.error)
    skipped = state.skipped_because
    text = WarningText(f"Deployment '{state.deployment_id}' was skipped: {skipped}.")
    return Outcome(_result(state, params["fact_name"]), (*([text] if skipped else ()), *state.warnings))


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return without_facts(_result(_unread(""), ""))


def _unread(deployment_id: str) -> RunState:
    return RunState(Desired(deployment_id), WaitPolicy())


def _result(state: RunState, fact_name: str) -> Json:
    item = as_item(state)
    result = {
        **item,
        "server": state.server and state.server.as_result(),
        "ansible_facts": {fact_name: fact(state, item)} if fact_name and state.read else {},
    }
    return without_facts(result) if state.error else result

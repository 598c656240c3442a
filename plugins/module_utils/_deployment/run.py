# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task on one deployment."""

from __future__ import annotations

import contextlib
import functools
import typing as t

from .._core.errors import Failure
from .._core.options.connection import connection
from .._core.options.facts import fact_name
from .._core.run.clock import Clock, SystemClock
from .._core.run.cluster import Connect
from .._core.run.internal_error import InternalError
from .._core.run.progress import ProgressCallback, no_progress
from .._core.run.result import Json, Outcome, without_facts
from .._core.run.wait import TaskTime
from .api.cluster import Cluster
from .api.version_checks import refuse_old_server, refuse_unsupported
from .apply.deployment_run import DeploymentRun, apply_all
from .apply.run_state import RunState
from .options import deployment as options
from .options.predictions import not_followed, predictions
from .records.desired import longest_time
from .records.prediction import NO_PREDICTIONS


def run(
    params: t.Mapping[str, t.Any],
    check_mode: bool,
    *,
    connect: Connect[Cluster] = Cluster.connected,
    clock: Clock | None = None,
    show_progress: ProgressCallback = no_progress,
) -> Outcome:
    """Bring one deployment into the state that validated *params* ask for. Return errors as a failed result.

    *show_progress* gets the progress of a long wait.
    """
    clock = clock or SystemClock()
    task_time = TaskTime(clock)
    state = RunState(params.get("deployment_id") or params.get("model_id") or "", params["fact_name"])
    try:
        deployment_run = DeploymentRun(options.desired(params), options.wait_policy(params), state)
        server_timeout = options.server_timeout(params)
        state.fact_name = fact_name(params)
        with (
            contextlib.closing(connect(connection(params), clock.sleep)) as cluster,
            cluster.planning(task_time, longest_time([deployment_run.policy])),
        ):
            state.server = cluster.read_server()
            refuse_old_server(cluster.server)
            refuse_unsupported(cluster.server, deployment_run.desired)
            cluster.predictions = predictions(params, cluster.server) if check_mode else NO_PREDICTIONS
            if check_mode:
                state.warn(*not_followed(params, cluster.server, state.deployment_id))
            read = functools.partial(cluster.read, deployment_run.desired.deployment_id)
            snapshot = read()
            deployment_run.decide(cluster, snapshot)
            deployment_run.check_start(cluster)
            deployment_run.check_room(cluster)
            deployment_run.warn_of_recovery_file()
            if check_mode and not deployment_run.error:
                deployment_run.predict(cluster, snapshot, server_timeout)
            elif not deployment_run.error:
                apply_all(cluster, [deployment_run], read, server_timeout, task_time, show_progress)
    except Failure as exc:
        return state.failed(exc)
    except Exception as exc:
        return state.failed(InternalError(exc))
    return state.failed(deployment_run.error) if deployment_run.error else state.succeeded()


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return without_facts(RunState("", "").as_result())

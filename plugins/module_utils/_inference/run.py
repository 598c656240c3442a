# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task that asks for inferences, and never changes anything of its own."""

from __future__ import annotations

import contextlib
import typing as t

from .._core.errors import Unsatisfied
from .._core.options.connection import connection
from .._core.run.clock import Clock, SystemClock
from .._core.run.cluster import Connect
from .._core.run.frame import note_server, noting_failures
from .._core.run.progress import ProgressCallback, no_progress
from .._core.run.result import Json, Outcome
from .._core.run.wait import TaskTime
from .._core.words import first_of
from .api import InferenceCluster
from .asking import Asking
from .expect import unmet
from .latency import latency
from .options import desired
from .plan import input_of, refuse_unanswerable, skipped_because
from .records import Desired, Target

Params = t.Mapping[str, t.Any]


def run(
    params: Params,
    check_mode: bool,
    *,
    connect: Connect[InferenceCluster] = InferenceCluster.connected,
    clock: Clock | None = None,
    show_progress: ProgressCallback = no_progress,
) -> Outcome:
    """Ask for the inferences that validated *params* name. Check mode asks for none.

    *show_progress* gets a line now and then while there is no answer.
    """
    result, task_time = empty_result(), TaskTime(clock or SystemClock())
    with noting_failures(result):
        asked = desired(params)
        with contextlib.closing(connect(connection(params), task_time.clock.sleep)) as cluster:
            with cluster.planning(task_time, asked.wait_timeout):
                target = _target(cluster, asked, params if check_mode else {**params, "predictions": None}, result)
            if check_mode:
                result["skipped_because"] = skipped_because(target)
            else:
                _ask(cluster, asked, target, task_time, show_progress, result)
    return Outcome(_shown(result, params))


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return {
        "changed": False,
        "skipped_because": None,
        "failure": None,
        "deployment_id": None,
        "model_id": None,
        "task": None,
        "inference_results": None,
        "latency": None,
        "attempts": 0,
        "waited": {"seconds": 0.0, "polls": 0, "reached": False},
        "server": None,
    }


def _shown(result: Json, params: Params) -> Json:
    """Return *result* without what Elasticsearch has inferred, if the task does not ask for it."""
    return result if params["return_results"] else {**result, "inference_results": None}


def _target(cluster: InferenceCluster, asked: Desired, params: Params, result: Json) -> Target:
    """Read what the task names, and note it in *result*.

    :raises Failure: it does not answer for certain.
    """
    note_server(cluster, result)
    cluster.follow(params)
    target = cluster.read_target(asked.name)
    result["deployment_id"] = target.deployment_id
    if target.model:
        result |= {"model_id": target.model.model_id, "task": target.model.task}
    refuse_unanswerable(asked, target, cluster.server)
    return target


def _ask(
    cluster: InferenceCluster,
    asked: Desired,
    target: Target,
    task_time: TaskTime,
    show_progress: ProgressCallback,
    result: Json,
) -> None:
    """Ask until there are as many answers as the task wants, note them in *result*, and judge them.

    :raises Failure: one is missing, or not as expected.
    """
    model = t.cast(t.Any, target.model)
    given = input_of(asked, model)
    asking = Asking(cluster, target, given, asked, task_time, show_progress)
    try:
        asking.ask(asked.repeat)
    finally:
        result |= {
            "inference_results": asking.results,
            "latency": latency(asking.milliseconds),
            "attempts": asking.attempts,
            "waited": asking.waited,
        }
    slowest = max(asking.milliseconds)
    if wrong := unmet(asked.expect, asking.results or (), round(slowest, 3), model, given.config):
        text = f"'{asked.name}' answers, but not as expected: {first_of(wrong, between='; ')}."
        raise Unsatisfied("unexpected_answer", text)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The look, before the first write, at what is certain to refuse a start: nothing stops that could not start again."""

from __future__ import annotations

import contextlib
import typing as t

from ..._capacity.cluster_state import ClusterState
from ..._core.errors import ApiError, Refusal
from ..._ml.deployment import Deployment
from ..api.cluster import Cluster
from ..api.snapshot import existing_in
from ..plan.capacity import refuse_too_few_processors, takes_capacity
from ..plan.fleet import refuse_too_many
from ..plan.plan import Plan
from ..plan.start_conditions import NO_CHECKS, Check, judge, refuse_start
from .deployment_run import DeploymentRun


def check_start(run: DeploymentRun) -> None:
    """Look at the conditions that hold for each start on this cluster; read nothing if there is no start.

    :raises Refusal: Elasticsearch would refuse the start.
    :raises ApiError: they could not be read, and not because of a missing privilege.
    """
    start = run.plan.start
    if start is not None:
        conditions = run.cluster.start_conditions.read()
        run.note(start_checks={**NO_CHECKS, **judge(conditions, run.cluster.server)})
        refuse_start(start, run.state.start_checks)


def check_room(
    cluster: Cluster, runs: t.Sequence[DeploymentRun], existing: t.Sequence[Deployment] | None, hint: str
) -> None:
    """Look at the room for the starts of all *runs* together beside the *existing* deployments.

    *existing*: ``None`` if they cannot be read. *hint*: how to make room for more.

    :raises Refusal: there is not enough.
    """
    plans = [run.plan for run in runs]
    if existing is not None:
        refuse_too_many([deployment.deployment_id for deployment in existing], plans, hint)
    if not (takes_capacity(plans) and cluster.start_conditions.has_processors):
        return
    processors = cluster.start_conditions.read_processors() if existing is not None else None
    _note(runs, "ok" if processors else "not_read")
    if processors and existing is not None:
        try:
            refuse_too_few_processors(processors, existing, plans)
        except Refusal:
            _note(runs, "refused")
            raise


def _note(runs: t.Iterable[DeploymentRun], capacity: Check) -> None:
    """Note the check of the *capacity* for each run that starts something."""
    for run in runs:
        if run.plan.start:
            run.note(start_checks={**run.state.start_checks, "capacity": capacity})


def existing_deployments(cluster: Cluster, state: ClusterState | None) -> list[Deployment] | None:
    """Return all deployments of the cluster *state*, ``None`` if it was not read.

    In a dry run they are as its earlier tasks would have left them.
    """
    return None if state is None else existing_in(state, cluster.predictions.deployments)


def check_room_for_one(run: DeploymentRun, state: ClusterState | None) -> None:
    """Look at the room for a start beside all deployments of the cluster *state*; read nothing if there is no start.

    :raises Refusal: there is not enough.
    """
    if run.plan.start and not run.cluster.server.serverless:
        check_room(run.cluster, [run], existing_deployments(run.cluster, state), "Stop some first.")


def look_again(run: DeploymentRun, plan: Plan) -> None:
    """Look at the start of *plan*, because a recovery or a rollback begins after writes and waits.

    :raises Refusal: Elasticsearch would refuse the start.
    :raises ApiError: something could not be read.
    """
    run.cluster.start_conditions.forget()
    candidate = run.on_trial()
    candidate.note(plan=plan)
    try:
        check_start(candidate)
        check_room_for_one(candidate, _read_state(candidate))
    finally:
        run.note(start_checks=candidate.state.start_checks)


def _read_state(run: DeploymentRun) -> ClusterState | None:
    """Return the cluster state as it is now, ``None`` if it cannot be read, or if *run* starts nothing."""
    with contextlib.suppress(ApiError):
        return run.cluster.read_state() if run.plan.start else None
    return None

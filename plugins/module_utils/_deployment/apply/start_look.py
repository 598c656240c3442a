# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The look, before the first write, at what is certain to refuse it: nothing stops that could not start again."""

from __future__ import annotations

import contextlib
import typing as t

from ..._capacity.doubts import ARCHITECTURES
from ..._core.errors import ApiError, Refusal
from ..._ml.deployment import Deployment
from ..api.cluster import Cluster
from ..api.snapshot import Snapshot, existing_in
from ..plan.fleet import too_many
from ..plan.plan import Plan
from ..plan.preflight import Outlook, Planned, Verdict, look, refuse_without_room
from ..plan.room import Room, has_room, takes_room, unread_room
from ..plan.start_conditions import NO_CHECKS, judge, refuse_start
from .deployment_run import DeploymentRun
from .expected import expect


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


def check_number(runs: t.Sequence[DeploymentRun], existing: t.Sequence[Deployment] | None, hint: str) -> None:
    """Look at the number of deployments that the cluster would have with those of all *runs*.

    *existing*: ``None`` if they are not known. *hint*: how to make room for more.

    :raises Refusal: there would be too many.
    """
    starting = [run for run in runs if run.plan.start and run.state.desired.preflight != "off"]
    text = too_many([each.deployment_id for each in existing or ()], [run.plan for run in runs])
    if existing is None or text is None:
        return
    if any(run.state.desired.preflight == "fail" for run in starting):
        raise Refusal("too_many_deployments", text, hint=hint)
    for run in starting:
        run.warn(text)


def check_room(
    cluster: Cluster, runs: t.Sequence[DeploymentRun], snapshot: Snapshot, *, predict: bool
) -> Outlook | None:
    """Look at the room for the plans of all *runs* together.

    Nothing is read if no plan takes room, unless *predict* asks for the places of all that changes.

    :raises Refusal: there is certainly too little.
    """
    asked = any(takes_room(run.plan) and run.state.desired.preflight != "off" for run in runs)
    moves = predict and any(run.plan.steps or run.plan.waits_for_stop for run in runs)
    if not (asked or moves) or not has_room(cluster.server):
        return None
    outlook = _outlook(cluster, runs, snapshot)
    for run in runs:
        _note(run, outlook.verdicts.get(run.deployment_id))
    refuse_without_room(
        {
            run.deployment_id: outlook.verdicts[run.deployment_id]
            for run in runs
            if run.deployment_id in outlook.verdicts and run.state.desired.preflight == "fail"
        }
    )
    return outlook


def _outlook(cluster: Cluster, runs: t.Sequence[DeploymentRun], snapshot: Snapshot) -> Outlook:
    existing = known_deployments(cluster, snapshot)
    planned = [Planned(run.plan, expect(run, snapshot, existing or ()), run.state.desired.preflight) for run in runs]
    # The look only spares requests that would fail: an odd answer must stop no task.
    capacity = cluster.capacity.read(snapshot.state and snapshot.state.raw, strict=False)
    for run in runs:
        run.warn(*unread_room(capacity.missing))
    doubts: tuple[str, ...] = ()
    if any(run.plan.start for run in runs) and len(cluster.start_conditions.read().architectures) > 1:
        doubts = (ARCHITECTURES,)
    return look(Room.of(capacity, existing, cluster.server), planned, doubts)


def _note(run: DeploymentRun, verdict: Verdict | None) -> None:
    """Note the *verdict* about the room for the plan of *run*."""
    if verdict is None:
        return
    run.note(start_checks={**run.state.start_checks, "capacity": verdict.check})
    if verdict.text and (verdict.check == "short" or run.state.desired.preflight == "warn"):
        run.warn(verdict.text)


def known_deployments(cluster: Cluster, snapshot: Snapshot) -> list[Deployment] | None:
    """Return all deployments of the cluster, ``None`` if they were not read.

    In a dry run they are as its earlier tasks would have left them.
    """
    if snapshot.state is not None:
        return existing_in(snapshot.state, cluster.predictions)
    return snapshot.deployments if snapshot.is_complete else None


def look_again(run: DeploymentRun, plan: Plan) -> None:
    """Look at the start of *plan*, because a recovery or a rollback begins after writes and waits.

    :raises Refusal: Elasticsearch would refuse the start.
    :raises ApiError: something could not be read.
    """
    run.cluster.start_conditions.forget()
    run.cluster.capacity.forget()
    candidate = run.on_trial()
    candidate.note(plan=plan, expected=None)
    try:
        check_start(candidate)
        if plan.start:
            _check_room_again(candidate)
    finally:
        run.note(start_checks=candidate.state.start_checks)


def _check_room_again(run: DeploymentRun) -> None:
    """Look at the room for the start of *run* as it is now.

    :raises Refusal: there is certainly none.
    """
    snapshot = Snapshot((), run.deployment_id, misreports=False)
    with contextlib.suppress(ApiError):
        snapshot = snapshot.with_state(run.cluster.read_state())
    check_number([run], known_deployments(run.cluster, snapshot), STOP_SOME)
    check_room(run.cluster, [run], snapshot, predict=False)


STOP_SOME = "Stop some first."
"""How to make room for one more deployment."""

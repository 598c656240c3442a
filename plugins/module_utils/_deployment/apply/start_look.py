# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The look, before the first write, at what is certain to refuse a start: nothing stops that could not start again."""

from __future__ import annotations

import typing as t

from ..._core.errors import ApiError, Refusal
from ..._ml.deployment import Deployment
from ..api.cluster import Cluster
from ..plan.capacity import refuse_too_few_processors, takes_capacity
from ..plan.fleet import refuse_too_many
from ..plan.plan import Plan
from ..plan.start_conditions import NO_CHECKS, Check, judge, refuse_start
from .run_state import RunState


class Start(t.NamedTuple):
    """A plan, and the state of its deployment, which notes what was looked at."""

    plan: Plan
    state: RunState

    def note(self, **checks: Check | None) -> None:
        """Note *checks*, if the plan starts something."""
        if self.plan.start:
            self.state.start_checks = {**self.state.start_checks, **checks}


def check_start(cluster: Cluster, start: Start) -> None:
    """Look at the conditions that hold for each start on this cluster; read nothing if there is no start.

    :raises Refusal: Elasticsearch would refuse the start.
    :raises ApiError: they could not be read, and not because of a missing privilege.
    """
    step = start.plan.start
    if step is not None:
        start.state.start_checks = NO_CHECKS
        start.note(**judge(cluster.start_conditions.conditions, cluster.server))
        refuse_start(step, start.state.start_checks)


def check_room(
    cluster: Cluster,
    starts: t.Sequence[Start],
    existing_ids: t.Sequence[str],
    existing: t.Iterable[Deployment],
    hint: str = "Stop some first.",
) -> None:
    """Look at the room for all *starts* together beside the *existing* deployments. *hint*: how to make room for more.

    :raises Refusal: there is not enough.
    """
    plans = [start.plan for start in starts]
    refuse_too_many(existing_ids, plans, hint)
    if not _counts_processors(cluster, plans):
        return
    processors = cluster.start_conditions.processors()
    _note(starts, "ok" if processors else "not_read")
    if processors:
        try:
            refuse_too_few_processors(processors, existing, plans)
        except Refusal:
            _note(starts, "refused")
            raise


def _note(starts: t.Iterable[Start], capacity: Check) -> None:
    for start in starts:
        start.note(capacity=capacity)


def check_room_for_one(cluster: Cluster, start: Start) -> None:
    """Look at the room for a start beside all deployments of the cluster; read nothing if there is no start.

    :raises Refusal: there is not enough.
    """
    if start.plan.start is None or cluster.server.serverless:
        return
    existing = _all_deployments(cluster)
    if existing is not None:
        check_room(cluster, [start], [deployment.deployment_id for deployment in existing], existing)
    elif _counts_processors(cluster, [start.plan]):
        start.note(capacity="not_read")


def _counts_processors(cluster: Cluster, plans: t.Sequence[Plan]) -> bool:
    """Return whether the server asks for processors for one of the *plans*."""
    return takes_capacity(plans) and cluster.start_conditions.has_processors


def _all_deployments(cluster: Cluster) -> list[Deployment] | None:
    """Return all deployments of the cluster state, or ``None`` if it cannot be read.

    In a dry run they are as its earlier tasks would have left them.
    """
    try:
        if cluster.predictions:
            snapshot = cluster.read()
            found = [deployment for name in snapshot if (deployment := snapshot.with_targets(name))]
        else:
            states = cluster.assignments().values()
            found = [Deployment.from_assignment(each, "cluster_state", {}) for each in states]
    except ApiError:
        return None
    return found if cluster.shows_cluster_state else None


def look_again(cluster: Cluster, start: Start) -> None:
    """Look once more, because a recovery or a rollback begins after writes and waits.

    :raises Refusal: Elasticsearch would refuse the start.
    :raises ApiError: something could not be read.
    """
    cluster.start_conditions.forget()
    check_start(cluster, start)
    check_room_for_one(cluster, start)

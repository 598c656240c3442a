# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task that reads deployments, and never changes any."""

from __future__ import annotations

import collections
import typing as t

from .._consumers.records import UsedBy
from .._consumers.words import unreadable
from .._core.features import Feature
from .._core.patterns import matches
from .._core.run.clock import Clock, SystemClock
from .._core.run.cluster import Connect
from .._core.run.frame import connected, noting_failures
from .._core.run.result import Json, Outcome
from .._core.server import Server
from .._core.warning import WarningText
from .._ml.deployment import Deployment
from .._ml.existing import absent_warning, ids_among
from .._ml.health import health
from .api.cluster import Cluster
from .api.snapshot import Snapshot
from .plan import consumers as consumer_rules
from .plan.as_list import as_list
from .plan.readiness import is_running
from .records.usage import Trust, nodes, usage

HEALTH = ("ok", "degraded", "starting", "zero", "failed")


class Users(t.NamedTuple):
    """The consumers of a deployment, and those among them that name it, and not its model."""

    used_by: UsedBy
    named_by: UsedBy


UsersOf = dict[str, Users]
"""Deployment id to its consumers."""


def run(
    params: t.Mapping[str, t.Any],
    check_mode: bool,
    *,
    connect: Connect[Cluster] = Cluster.connected,
    clock: Clock | None = None,
) -> Outcome:
    """Return the deployments that match, with what *params* ask for. *check_mode* makes no difference."""
    result, sleep = empty_result(), (clock or SystemClock()).sleep
    users: UsersOf = {}
    with noting_failures(result) as warnings, connected(params, connect, sleep, result) as cluster:
        snapshot = cluster.read(usage=True)
        if params["gather"]:
            snapshot = cluster.read_targets(snapshot)
        found = list(_matching(snapshot, params["deployment_id"]))
        if "references" in params["gather"]:
            users = _users(cluster, snapshot, [deployment for deployment, _row in found])
        result |= _shown(found, users, cluster.server, params["gather"])
        ids = ids_among(params["deployment_id"])
        warnings += [*absent_warning(ids, list(snapshot), snapshot.model_ids), *_unread(users)]
    return Outcome(result, tuple(warnings))


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return {
        "changed": False,
        "failure": None,
        "deployments": [],
        "as_list": None,
        "summary": None,
        "server": None,
    }


def _matching(snapshot: Snapshot, patterns: t.Sequence[str]) -> t.Iterator[tuple[Deployment, Json]]:
    """Yield each deployment that matches, with its row of the statistics."""
    for deployment in snapshot.deployments:
        deployment_id = deployment.deployment_id
        if matches(deployment_id, patterns):
            yield deployment, snapshot.rows[deployment_id]


def _users(cluster: Cluster, snapshot: Snapshot, found: t.Sequence[Deployment]) -> UsersOf:
    """Return the consumers of the deployments that were *found*: one read of each kind, whatever their number."""
    ids = {deployment.deployment_id for deployment in found}
    consumers = cluster.consumers.read(lambda endpoint: endpoint.deployment_id in ids)
    users = {}
    for deployment in found:
        has_model_id = deployment.deployment_id == deployment.model_id
        other_has_model_id = not has_model_id and is_running(snapshot.deployment(deployment.model_id))
        used_by, named_by = (
            consumer_rules.used_by(deployment, consumers, other_has_model_id=each)
            for each in (other_has_model_id, True)
        )
        users[deployment.deployment_id] = Users(used_by, named_by)
    return users


def _unread(users: UsersOf) -> tuple[WarningText, ...]:
    """Return a warning for each kind of consumers that the user may not read."""
    kinds = dict.fromkeys(kind for each in users.values() for kind in each.used_by.unread)
    return tuple(WarningText(unreadable(kind)) for kind in kinds)


def _shown(found: t.Sequence[tuple[Deployment, Json]], users: UsersOf, server: Server, gather: t.Sequence[str]) -> Json:
    """Return the result keys about what was *found*."""
    trust = Trust(server.supports(Feature.PENDING_REQUESTS), not server.supports(Feature.MISREPORTED_THREADS))
    items = [_item(deployment, row, users.get(deployment.deployment_id), gather, trust) for deployment, row in found]
    listed = as_list((deployment for deployment, _row in found), server)
    return {"deployments": items, "as_list": listed, "summary": _summary(items)}


def _item(deployment: Deployment, row: Json, users: Users | None, gather: t.Sequence[str], trust: Trust) -> Json:
    state, reason = health(deployment)
    routing = bool(gather)
    return {
        **deployment.as_result(),
        "allocations": deployment.allocations(),
        "routing_table": deployment.routing_table() if routing else None,
        "routing_source": deployment.routing_source if routing else None,
        "health": state,
        "health_reason": reason,
        "nodes": nodes(row, trust) if "nodes" in gather else None,
        "usage": usage(row, trust) if "usage" in gather else None,
        "used_by": users.used_by.as_result() if users else None,
        "named_by": users.named_by.as_result() if users else None,
    }


def _summary(items: t.Sequence[Json]) -> Json:
    """Return the number of deployments in each state of health, and the sums of their allocations."""
    states = collections.Counter(item["health"] for item in items)
    allocations = [item["allocations"] for item in items]
    return {
        "deployments": len(items),
        **{state: states[state] for state in HEALTH},
        "allocations": {
            name: sum(counts[name] or 0 for counts in allocations) for name in ("wanted", "running", "missing")
        },
    }

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of consumers, made only where they matter: before a stop, and before a change that an endpoint may own."""

from __future__ import annotations

import typing as t

from ..._consumers.records import Consumers, UsedBy
from ..._ml.deployment import Deployment
from ..api.cluster import Cluster
from ..api.snapshot import Snapshot
from ..plan import consumers as consumer_rules
from ..plan import owner as owner_rules
from ..plan.plan import Plan
from ..records.desired import Desired
from .run_state import RunState


def check_consumers(
    cluster: Cluster,
    snapshot: Snapshot | None,
    desired: Desired,
    plan: Plan,
    state: RunState,
    removed_ids: t.Container[str] = (),
) -> Plan:
    """Return the *plan* as the consumers of the deployment allow it, and note them in the *state*.

    *snapshot*: of all deployments, if there is one. *removed_ids*: ids of deployments that the same list removes.

    :raises Refusal: the consumers do not allow it.
    :raises ApiError: they could not be read, and not because of a missing privilege.
    """
    if plan.before is not None and plan.stops:
        used_by = _consumers_of(cluster, snapshot, plan.before, removed_ids)
        state.used_by = used_by.as_result()
        plan = consumer_rules.allow_stop(desired, plan, used_by, cluster.server)
    elif owner_rules.may_update_owned(plan, cluster.server):
        plan = owner_rules.update_through_owner(desired, plan, cluster.consumers.endpoints, cluster.server)
    return check_owner(cluster, desired, plan)


def check_owner(cluster: Cluster, desired: Desired, plan: Plan) -> Plan:
    """Return the *plan*, with a warning if an endpoint that the user may not read may own the updated deployment.

    :raises Refusal: it starts a deployment that an inference endpoint owns with other allocations than before.
    """
    if owner_rules.may_restart_owned(plan, cluster.server):
        return owner_rules.check_owner(desired, plan, cluster.consumers.endpoints or ())
    if owner_rules.may_update_owned(plan, cluster.server) and cluster.consumers.endpoints is None:
        return owner_rules.warn_of_unread_owner(plan, cluster.server)
    return plan


def _consumers_of(
    cluster: Cluster, snapshot: Snapshot | None, deployment: Deployment, removed_ids: t.Container[str]
) -> UsedBy:
    reader = cluster.consumers
    consumers = Consumers(reader.endpoints, reader.pipelines, reader.aliases)
    model_id, other_has_model_id = deployment.model_id, False
    if consumer_rules.names_the_model(deployment, consumers):
        other = (snapshot if snapshot and snapshot.is_complete else cluster.read(model_id)).from_stats(model_id)
        # A deployment that stops serves no consumer any more.
        other_has_model_id = other is not None and other.assignment_state != "stopping" and model_id not in removed_ids
    return consumer_rules.used_by(deployment, consumers, other_has_model_id=other_has_model_id)


def fill_from_endpoint(cluster: Cluster, desired: Desired) -> Desired:
    """Return *desired* with the settings of the inference endpoint that needs the missing deployment.

    Without such an endpoint, or where the user may not read endpoints, return *desired* unchanged.
    """
    endpoint = owner_rules.endpoint_of_lost(desired, cluster.consumers.endpoints or ())
    return owner_rules.with_endpoint_settings(desired, endpoint) if endpoint else desired

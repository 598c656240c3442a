# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of consumers, made only where they matter: before a stop, and before a change that an endpoint may own."""

from __future__ import annotations

import typing as t

from ..._consumers.records import UsedBy
from ..._core.errors import ApiError
from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..._ml.endpoint_updates import chunking_warning, may_reset_chunking, unread_chunking_warning
from ..api.cluster import Cluster
from ..api.snapshot import Snapshot
from ..plan import consumers as consumer_rules
from ..plan import owner as owner_rules
from ..plan.plan import Plan
from ..plan.readiness import is_running
from ..records.step import Step
from .deployment_run import DeploymentRun


def check_consumers(
    run: DeploymentRun, plan: Plan, snapshot: Snapshot | None = None, removed_ids: t.Container[str] = ()
) -> Plan:
    """Return the *plan* as the consumers of the deployment allow it, and note them.

    *snapshot*: of all deployments, if there is one. *removed_ids*: ids of deployments that the same list removes.

    :raises Refusal: the consumers do not allow it.
    :raises ApiError: they could not be read, and not because of a missing privilege.
    """
    desired, server = run.state.desired, run.cluster.server
    if plan.before is not None and plan.stops:
        used_by = _consumers_of(run.cluster, snapshot, plan.before, removed_ids)
        run.note(used_by=used_by)
        plan = consumer_rules.allow_stop(desired, plan, used_by, server)
    elif owner_rules.may_update_owned(plan, server):
        plan = owner_rules.allow_update(desired, plan, run.cluster.consumers.read_endpoints(), server)
    return check_owner(run, plan)


def check_consumers_again(run: DeploymentRun, plan: Plan) -> Plan:
    """Return the *plan* as the consumers allow it that there are now."""
    if not plan.stops:
        return plan
    run.cluster.consumers.forget()
    return check_consumers(run, plan)


def check_owner(run: DeploymentRun, plan: Plan) -> Plan:
    """Return the *plan*, with a warning if an endpoint owns the deployment, or may own it, and keeps other settings.

    :raises Refusal: it starts a deployment that an inference endpoint owns with other allocations than before.
    """
    desired, server, consumers = run.state.desired, run.cluster.server, run.cluster.consumers
    if owner_rules.may_restart_owned(plan, server):
        return owner_rules.check_owner(desired, plan, consumers.read_endpoints() or ())
    updates = owner_rules.may_update_owned(plan, server)
    if updates and consumers.read_endpoints() is None:
        return owner_rules.warn_of_unread_owner(plan, server)
    if (updates and desired.on_endpoint_owned == "update_deployment") or owner_rules.may_start_owned(plan, server):
        return owner_rules.warn_of_stale_owner(desired, plan, consumers.read_endpoints() or ())
    return plan


def _consumers_of(
    cluster: Cluster, snapshot: Snapshot | None, deployment: Deployment, removed_ids: t.Container[str]
) -> UsedBy:
    consumers = cluster.consumers.read(lambda endpoint: consumer_rules.uses(endpoint, deployment))
    model_id, other_has_model_id = deployment.model_id, False
    if consumer_rules.names_the_model(deployment, consumers):
        other = (snapshot if snapshot and snapshot.is_complete else cluster.read(model_id)).deployment(model_id)
        # A deployment that stops serves no consumer any more.
        other_has_model_id = is_running(other) and model_id not in removed_ids
    return consumer_rules.used_by(deployment, consumers, other_has_model_id=other_has_model_id)


def read_chunking_warnings(cluster: Cluster, step: Step) -> list[WarningText]:
    """Read the chunking settings after *step*, the update of an endpoint; return a warning if it changed them, too."""
    if not may_reset_chunking(cluster.server):
        return []
    inference_id = step.deployment_id
    try:
        known = [each for each in cluster.consumers.read_endpoints() or () if each.inference_id == inference_id]
        now = cluster.consumers.read_endpoint_again(inference_id)
    except ApiError:
        now = None
    if now is None:
        return [unread_chunking_warning(inference_id)]
    changed = any(each.chunking_settings != now.chunking_settings for each in known)
    return [chunking_warning(inference_id)] if changed else []

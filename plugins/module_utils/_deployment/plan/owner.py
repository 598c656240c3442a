# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inference endpoint that owns a deployment, and what a task may change of that deployment. Pure."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._consumers.words import KIND_NAMES, unreadable
from ..._core.errors import ApiError, Difference, Refusal, shown
from ..._core.features import Feature
from ..._core.server import Server
from ..._core.warning import WarningText
from ..._ml.adaptive import OFF
from ..._ml.deployment import Deployment
from ..._ml.endpoint import Endpoint
from ..._ml.endpoint_versions import (
    CHANGE_NAMES,
    NOWHERE,
    Change,
    Ways,
    change_between,
    endpoint_since,
    is_preset,
    ways,
)
from ..records.desired import Desired
from .diff import allocation_changes, immutable_differences
from .endpoint_updates import through_endpoint
from .plan import Plan

_OWNED = re.compile(r"Cannot update deployment \[.*\] as it was created by inference endpoint")
_ONLY_THE_DEPLOYMENT = "update_deployment, which changes only the deployment"
_ENDPOINT_READERS = KIND_NAMES["inference_endpoints"].privilege


def may_update_owned(plan: Plan, server: Server) -> bool:
    """Return whether an inference endpoint may own the deployment that *plan* updates."""
    return any(step.kind == "update" for step in plan.steps) and _can_be_owned(plan.before, server)


def may_restart_owned(plan: Plan, server: Server) -> bool:
    """Return whether *plan* starts a deployment again that an inference endpoint may own."""
    again = plan.operation in ("restart", "replace", "recover") or plan.resumed_from is not None
    return again and plan.start is not None and _can_be_owned(plan.baseline, server)


def may_start_owned(plan: Plan, server: Server) -> bool:
    """Return whether *plan* starts a missing deployment that an inference endpoint may own."""
    return plan.operation == "start" and plan.resumed_from is None and _can_be_owned(plan.after, server)


def _can_be_owned(deployment: Deployment | None, server: Server) -> bool:
    """Return whether an inference endpoint may own *deployment*.

    Their ids are no ids of models.
    """
    if deployment is None or not server.supports(Feature.INFERENCE_ENDPOINTS):
        return False
    return deployment.deployment_id != deployment.model_id


def allow_update(desired: Desired, plan: Plan, endpoints: tuple[Endpoint, ...] | None, server: Server) -> Plan:
    """Return *plan*, which updates a deployment; its updates go to the inference endpoint if the task asks for that.

    :raises Refusal: the task or the version of Elasticsearch does not allow it.
    """
    asked = desired.on_endpoint_owned
    if endpoints is None:
        if asked == "update_endpoint":
            raise Refusal(
                "consumers_unreadable",
                f"Whether deployment '{desired.deployment_id}' belongs to an inference endpoint cannot be read",
                hint=f"Grant the cluster privilege {_ENDPOINT_READERS}.",
            )
        return plan
    owner = _owner_of(desired, endpoints)
    if owner is None:
        return plan
    change = _change_of(plan)
    possible = ways(server, owner.inference_id, change)
    if asked == "update_endpoint" and possible.endpoint:
        return through_endpoint(plan, owner.task_type)
    if asked == "update_deployment" and possible.deployment:
        return plan
    if asked == "fail" and possible != NOWHERE:
        raise _bypasses_owner(desired, _remedy(owner, change, possible))
    raise _impossible(desired, owner, change, possible, server)


def _change_of(plan: Plan) -> Change:
    return change_between(t.cast("Deployment", plan.before), t.cast("Deployment", plan.after))


def _impossible(desired: Desired, owner: Endpoint, change: Change, possible: Ways, server: Server) -> Refusal:
    """Return the refusal of a change that this version does not make in the way that the task asks for."""
    if desired.on_endpoint_owned == "update_endpoint":
        where = f"through inference endpoint '{owner.inference_id}'"
    else:
        where = f"of deployment '{owner.deployment_id}', which belongs to the inference endpoint of that name"
    version = "Serverless" if server.serverless else server.shown_version
    return Refusal(
        "unsupported_version",
        f"Elasticsearch {version} cannot change {CHANGE_NAMES[change]} {where}",
        hint=_remedy(owner, change, possible),
    )


def _remedy(owner: Endpoint, change: Change, possible: Ways) -> str:
    """Return what a task can do about *change*, of what is *possible* in this version."""
    if possible.endpoint:
        rest = f", or to {_ONLY_THE_DEPLOYMENT}" if possible.deployment else ""
        return f"Set on_endpoint_owned to update_endpoint, which changes both{rest}."
    if not possible.deployment:
        return "It comes with Elasticsearch, and no request changes it: make an inference endpoint of your own."
    remedy = f"Set on_endpoint_owned to {_ONLY_THE_DEPLOYMENT}."
    if is_preset(owner.inference_id):
        return remedy
    return f"{remedy} Through the endpoint this needs Elasticsearch {endpoint_since(change)} or newer."


def _hint_if_refused(plan: Plan, server: Server) -> str:
    """Return what to do if Elasticsearch refuses to update the deployment of an endpoint that the task did not see."""
    deployment_id, change = plan.steps[0].deployment_id, _change_of(plan)
    if ways(server, deployment_id, change).endpoint:
        return (
            "Set on_endpoint_owned to update_endpoint, which changes the endpoint, too: that needs the cluster "
            f"privileges manage_inference, and {_ENDPOINT_READERS}."
        )
    return f"This version cannot change {CHANGE_NAMES[change]} through that endpoint either."


def with_owner_hint(error: ApiError, plan: Plan, server: Server) -> ApiError:
    """Return *error*, with what to do if Elasticsearch refused *plan* because an endpoint owns the deployment."""
    if error.status != 409 or not _OWNED.match(error.reason or ""):
        return error
    return error.with_hint(_hint_if_refused(plan, server))


def warn_of_unread_owner(plan: Plan, server: Server) -> Plan:
    """Return *plan* with the warning that an inference endpoint may own the deployment that it updates.

    It is not refused: a user who may manage only deployments must be able to scale those that no endpoint owns.
    """
    condition = f"If an inference endpoint made deployment '{plan.steps[0].deployment_id}'"
    # Elasticsearch checks this since 9.2 (server-behaviour.md 3.2 row 5).
    if server.supports(Feature.OWNED_ONLY_BY_ENDPOINT):
        consequence = "Elasticsearch refuses this update"
    else:
        consequence = "that endpoint keeps its old settings, which then differ from those of the deployment"
    text = WarningText(f"{unreadable('inference_endpoints')} {condition}, {consequence}.")
    return dataclasses.replace(plan, warnings=(*plan.warnings, text))


def warn_of_stale_owner(desired: Desired, plan: Plan, endpoints: tuple[Endpoint, ...]) -> Plan:
    """Return *plan*, which updates or starts a deployment, with the warning how its inference endpoint differs then."""
    owner = _owner_of(desired, endpoints)
    if owner is None or plan.endpoint_type is not None:
        return plan
    after = t.cast("Deployment", plan.after)
    found = _stale_allocations(owner, after) + (_stale_at_start(owner, after) if plan.start else ())
    return _with_stale(plan, owner, found)


def check_owner(desired: Desired, plan: Plan, endpoints: tuple[Endpoint, ...]) -> Plan:
    """Return *plan*, which starts a deployment again, if its inference endpoint keeps the right allocations.

    An endpoint learns about another number of allocations, or other bounds, only by an update; it never learns about
    settings that are fixed at the start. *plan* warns of those, and of all if the task changes only the deployment.

    :raises Refusal: the endpoint would keep another number, or other bounds.
    """
    owner = _owner_of(desired, endpoints)
    if owner is None:
        return plan
    before, after = t.cast("Deployment", plan.baseline), t.cast("Deployment", plan.after)
    stale = immutable_differences(desired, before, after.model_id)
    if allocation_changes(after, before):
        if desired.on_endpoint_owned != "update_deployment":
            raise _bypasses_owner(
                desired,
                "Change the allocations in a separate task that does not stop the deployment, or set "
                f"on_endpoint_owned to {_ONLY_THE_DEPLOYMENT}.",
            )
        stale = _stale_allocations(owner, after) + stale
    return _with_stale(plan, owner, stale)


def _stale_allocations(owner: Endpoint, after: Deployment) -> tuple[Difference, ...]:
    """Return in which allocations *owner*, as it was read, differs from its deployment *after* the change."""
    found = []
    kept, new = owner.adaptive_allocations or OFF, after.adaptive_allocations or OFF
    if kept != new and (kept.enabled or new.enabled):
        found.append(Difference("adaptive_allocations", kept.as_result(), new.as_result()))
    number = owner.number_of_allocations
    if not after.adaptive and number not in (None, after.number_of_allocations):
        found.append(Difference("num_allocations", number, after.number_of_allocations))
    return tuple(found)


def _stale_at_start(owner: Endpoint, after: Deployment) -> tuple[Difference, ...]:
    """Return in which settings that only a start can set *owner* differs from the start that makes *after*."""
    pairs = (
        ("model_id", owner.model_id, after.model_id),
        ("num_threads", owner.threads_per_allocation, after.threads_per_allocation),
    )
    return tuple(Difference(name, kept, new) for name, kept, new in pairs if kept not in (None, new))


def _with_stale(plan: Plan, owner: Endpoint, stale: tuple[Difference, ...]) -> Plan:
    if not stale:
        return plan
    named = "; ".join(
        f"{setting.name} {shown(setting.current)} instead of {shown(setting.desired)}" for setting in stale
    )
    text = WarningText(f"Inference endpoint '{owner.deployment_id}' keeps the old settings: {named}.")
    return dataclasses.replace(plan, warnings=(*plan.warnings, text))


def _owner_of(desired: Desired, endpoints: tuple[Endpoint, ...]) -> Endpoint | None:
    owners = (endpoint for endpoint in endpoints if endpoint.owns_deployment)
    return next((owner for owner in owners if owner.deployment_id == desired.deployment_id), None)


def _bypasses_owner(desired: Desired, hint: str) -> Refusal:
    return Refusal(
        "owned_by_endpoint",
        f"Deployment '{desired.deployment_id}' belongs to the inference endpoint of that name, "
        "and the endpoint would keep its old settings",
        hint=hint,
    )

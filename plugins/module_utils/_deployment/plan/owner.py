# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inference endpoint that owns a deployment, and the settings that a lost deployment takes from it. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._consumers.records import Endpoint
from ..._core.errors import Refusal, shown
from ..._core.server import Server
from ..._core.warning import WarningText
from ..._ml.adaptive import OFF, AdaptivePatch
from ..._ml.deployment import Deployment
from ..records.desired import Desired
from ..records.step import Step
from .consumers import KIND_NAMES, unreadable
from .diff import allocation_changes, immutable_differences
from .plan import Plan


def may_update_owned(plan: Plan, server: Server) -> bool:
    """Return whether an inference endpoint may own the deployment that *plan* updates."""
    return any(step.kind == "update" for step in plan.steps) and _can_be_owned(plan.before, server)


def may_restart_owned(plan: Plan, server: Server) -> bool:
    """Return whether *plan* starts a deployment again that an inference endpoint may own."""
    again = plan.operation in ("restart", "replace", "recover") or plan.resumed_from is not None
    return again and plan.start is not None and _can_be_owned(plan.baseline, server)


def _can_be_owned(deployment: Deployment | None, server: Server) -> bool:
    """Return whether an inference endpoint may own *deployment*.

    Endpoints came with 8.11, and their ids are no ids of models.
    """
    return deployment is not None and deployment.deployment_id != deployment.model_id and server.has(8, 11)


def update_through_owner(desired: Desired, plan: Plan, endpoints: tuple[Endpoint, ...] | None, server: Server) -> Plan:
    """Return *plan*, which updates a deployment, with the update sent to its inference endpoint if it has one.

    :raises Refusal: the task or the version of Elasticsearch does not allow it.
    """
    asked = desired.on_endpoint_owned == "update_endpoint"
    if endpoints is None:
        if asked:
            raise Refusal(
                "consumers_unreadable",
                f"Whether deployment '{desired.deployment_id}' belongs to an inference endpoint cannot be read",
                hint=f"Grant the cluster privilege {KIND_NAMES['inference_endpoints'].privilege}.",
            )
        return plan
    owner = _owner_of(desired, endpoints)
    if owner is None:
        return plan
    if not asked:
        raise _bypasses_owner(desired, "Set on_endpoint_owned to update_endpoint, which changes both.")
    _refuse_before(server, (9, 2) if _sets_adaptive(plan) else (8, 19), owner)
    return through_endpoint(plan, owner.task_type)


def warn_of_unread_owner(plan: Plan, server: Server) -> Plan:
    """Return *plan* with the warning that an inference endpoint may own the deployment that it updates.

    It is not refused: a user who may manage only deployments must be able to scale those that no endpoint owns.
    """
    condition = f"If an inference endpoint made deployment '{plan.steps[0].deployment_id}'"
    # Elasticsearch checks this since 9.2 (server-behaviour.md 3.2 row 5).
    if server.has(9, 2):
        consequence = "Elasticsearch refuses this update"
    else:
        consequence = "that endpoint keeps its old settings, which then differ from those of the deployment"
    text = WarningText(f"{unreadable('inference_endpoints')} {condition}, {consequence}.")
    return dataclasses.replace(plan, warnings=(*plan.warnings, text))


def check_owner(desired: Desired, plan: Plan, endpoints: tuple[Endpoint, ...]) -> Plan:
    """Return *plan*, which starts a deployment again, if its inference endpoint keeps the right allocations.

    An endpoint learns about another number of allocations, or other bounds, only by an update; it never learns about
    settings that are fixed at the start. *plan* warns of those.

    :raises Refusal: the endpoint would keep another number, or other bounds.
    """
    if _owner_of(desired, endpoints) is None:
        return plan
    before, after = t.cast("Deployment", plan.baseline), t.cast("Deployment", plan.after)
    if allocation_changes(after, before):
        raise _bypasses_owner(
            desired,
            "Change the allocations in a separate task that does not stop the deployment: see on_endpoint_owned.",
        )
    stale = immutable_differences(desired, before, after.model_id)
    if not stale:
        return plan
    named = "; ".join(
        f"{setting.name} {shown(setting.current)} instead of {shown(setting.desired)}" for setting in stale
    )
    text = WarningText(f"Inference endpoint '{desired.deployment_id}' keeps the old settings: {named}.")
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


def through_endpoint(plan: Plan, task_type: str) -> Plan:
    """Return *plan*, which has only updates, with these sent to the inference endpoint that has the deployment's id."""
    steps = tuple(
        dataclasses.replace(step, settings=_whole_adaptive(plan, step), endpoint_type=task_type) for step in plan.steps
    )
    return dataclasses.replace(plan, steps=steps)


def _whole_adaptive(plan: Plan, step: Step) -> t.Mapping[str, t.Any]:
    """Return the settings of *step* with all adaptive allocations: an endpoint replaces the object."""
    sent = step.settings.get("adaptive_allocations")
    if sent is None:
        return step.settings
    after = t.cast("Deployment", plan.after).adaptive_allocations or OFF
    kept = {name: value for name, value in after.as_result().items() if value is not None}
    return {**step.settings, "adaptive_allocations": {**sent, **kept}}


def _sets_adaptive(plan: Plan) -> bool:
    return any("adaptive_allocations" in step.settings for step in plan.steps)


def _refuse_before(server: Server, since: tuple[int, int], owner: Endpoint) -> None:
    if not server.has(*since):
        changes = "the adaptive allocations" if since == (9, 2) else "the allocations"
        raise Refusal(
            "unsupported_version",
            f"Elasticsearch {server.version} cannot change {changes} of inference endpoint '{owner.inference_id}'",
            hint=f"This needs Elasticsearch {'.'.join(map(str, since))} or newer.",
        )


def endpoint_of_lost(desired: Desired, endpoints: t.Iterable[Endpoint]) -> Endpoint | None:
    """Return the endpoint of the missing deployment that the task names: its owner first, else one attached to it."""
    found = [
        endpoint for endpoint in endpoints if endpoint.deployment_id == desired.deployment_id and endpoint.model_id
    ]
    return min(found, key=lambda endpoint: (not endpoint.owns_deployment, endpoint.inference_id), default=None)


def with_endpoint_settings(desired: Desired, endpoint: Endpoint) -> Desired:
    """Return *desired*, filled up with what *endpoint* says of its deployment."""
    scaled = desired.number_of_allocations or desired.initial_number_of_allocations or desired.adaptive_allocations
    adaptive, number = endpoint.adaptive_allocations, endpoint.number_of_allocations
    if scaled:
        adaptive, number = None, None
    return dataclasses.replace(
        desired,
        model_id=endpoint.model_id,
        threads_per_allocation=desired.threads_per_allocation or endpoint.threads_per_allocation,
        adaptive_allocations=AdaptivePatch(**adaptive.as_result()) if adaptive else desired.adaptive_allocations,
        initial_number_of_allocations=desired.initial_number_of_allocations
        if adaptive and adaptive.enabled
        else desired.initial_number_of_allocations or number,
    )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings that a lost deployment takes from its inference endpoint. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.features import Feature
from ..._core.server import Server
from ..._ml.adaptive import AdaptivePatch
from ..._ml.deployment import Deployment
from ..._ml.endpoint import Endpoint
from ..._ml.model import Model
from ..records.desired import Desired
from ..records.recovery_record import RecoveryRecord


def endpoint_of_lost(desired: Desired, model_id: str | None, endpoints: t.Iterable[Endpoint]) -> Endpoint | None:
    """Return the endpoint of the missing deployment that the task names: its owner first, else one attached to it.

    *model_id*: the model that the task names, its alias resolved. Then only an owner with this model counts: a
    deployment that an endpoint is only attached to is the user's own.
    """
    found = [
        endpoint
        for endpoint in endpoints
        if endpoint.deployment_id == desired.deployment_id
        and endpoint.model_id
        and (model_id is None or (endpoint.owns_deployment and endpoint.model_id == model_id))
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


def may_be_lost(
    desired: Desired,
    current: Deployment | None,
    recovery: RecoveryRecord | None,
    model: Model | None,
    server: Server,
    *,
    is_model_id: bool,
) -> bool:
    """Return whether an inference endpoint may tell how to start the deployment, because it made one that is missing.

    Such an id is not that of the *model* to start. A deployment that stops counts as missing, unless a restart or the
    *recovery* record tells its settings. *is_model_id*: a model has the deployment's id.
    """
    if desired.state == "stopped" or desired.on_missing != "start" or not server.supports(Feature.INFERENCE_ENDPOINTS):
        return False
    if model is not None and desired.deployment_id in (desired.model_id, model.model_id):
        return False
    if recovery is not None and recovery.matches(current):
        return False
    if current is None:
        return model is not None or desired.model_id is None
    return current.assignment_state == "stopping" and desired.state == "started" and not is_model_id

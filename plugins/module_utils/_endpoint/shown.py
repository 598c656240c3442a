# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An endpoint as results show it. Pure."""

from __future__ import annotations

from .._ml.adaptive import OFF
from .._ml.deployment import Deployment
from .._ml.endpoint import Endpoint
from .._ml.endpoint_result import endpoint_result
from .changes import beside_allocations, service_settings_of
from .compare import compared, same_service
from .live import as_deployment
from .records import Desired, EndpointState, Json, Situation

_SETTINGS = ("inference_id", "task_type", "service", "service_settings", "task_settings", "chunking_settings")
_ALL = (*_SETTINGS, "secrets_version")


def settings(state: EndpointState | None) -> Json:
    """Return an endpoint as ``before`` and ``after`` show it."""
    return dict(state.settings) if state else {**dict.fromkeys(_ALL), "state": "absent"}


def shown(state: EndpointState) -> Json:
    """Return the result key ``endpoint``."""
    return endpoint_result(state.endpoint, state.deployment)


def state_of(desired: Desired, current: Situation) -> EndpointState | None:
    """Return the endpoint with the settings that the task manages; what differs in nothing but its type is as given."""
    stored = current.stored
    if stored is None:
        return None
    return EndpointState(_settings(desired, current, stored), stored, current.deployment)


def _settings(desired: Desired, current: Situation, stored: Endpoint) -> Json:
    scales = as_deployment(stored, current.deployment) if stored.in_cluster else None
    return {
        "inference_id": stored.inference_id,
        "task_type": stored.task_type,
        "service": desired.service if desired.service and same_service(desired.service, stored) else stored.service,
        **_managed(desired, stored),
        "secrets_version": current.kept_version,
        "state": "lost" if current.is_lost else "present",
    } | ({} if scales is None else {"service_settings": _with_allocations(desired, stored, scales)})


def _managed(desired: Desired, stored: Endpoint) -> Json:
    """Return the settings that the task gives, as they are: what Elasticsearch fills in is not known before."""
    parts = ("service_settings", "task_settings", "chunking_settings")
    found = {part: compared(getattr(desired, part), getattr(stored, part) or {}, part).settled for part in parts}
    return {part: value or None for part, value in found.items()}


def _with_allocations(desired: Desired, stored: Endpoint, scales: Deployment) -> Json:
    given = beside_allocations(desired.service_settings)
    own = compared(given, service_settings_of(stored), "service_settings").settled
    return {**own, **allocations_shown(scales)}


def allocations_shown(deployment: Deployment) -> Json:
    """Return the allocations of a deployment as ``service_settings`` show them; an adaptive number is not set."""
    number, adaptive = deployment.number_of_allocations, deployment.adaptive_allocations or OFF
    return {
        "num_allocations": None if deployment.adaptive else number,
        "adaptive_allocations": None if adaptive == OFF else adaptive.as_result(),
        "num_threads": deployment.threads_per_allocation,
    }

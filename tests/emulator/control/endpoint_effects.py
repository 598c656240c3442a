# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply effects on inference endpoints: what other clients made, and failures of services, starts and stops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..state import endpoints
from ..state.cluster import Cluster
from ..state.endpoints import Endpoint
from ..state.inferences import ANY_ENDPOINT, EndpointFailure
from .effect_targets import BadEffect, Effect


def _map(effect: Effect, name: str) -> dict[str, Any]:
    found = effect.get(name) or {}
    if not isinstance(found, Mapping):
        raise BadEffect(f"{name} must be an object")
    return dict(found)


def _put_endpoint(cluster: Cluster, effect: Effect) -> None:
    """Store an endpoint as it is given: nothing is checked, and no deployment is started."""
    settings, secrets = endpoints.without_secrets(_map(effect, "service_settings"))
    endpoint_id = str(effect["inference_id"])
    cluster.endpoints[endpoint_id] = Endpoint(
        endpoint_id,
        str(effect["task_type"]),
        str(effect["service"]),
        settings,
        _map(effect, "task_settings"),
        _map(effect, "chunking_settings") or None,
        secrets,
        _map(effect, "metadata"),
    )
    cluster.no_defaults.discard(endpoint_id)
    cluster.publish()


def _remove_endpoint(cluster: Cluster, effect: Effect) -> None:
    """Remove an endpoint; the deployment that it made stays."""
    del cluster.endpoints[str(effect["inference_id"])]
    cluster.publish()


def _fail(cluster: Cluster, what: str, effect: Effect) -> None:
    endpoint_id = str(effect.get("inference_id") or ANY_ENDPOINT)
    status, times = int(effect.get("status", 500)), int(effect.get("times", 1))
    failure = EndpointFailure(what, endpoint_id, effect.get("reason"), status, times)
    cluster.inferences.endpoint_failures.append(failure)


def _fail_start(cluster: Cluster, effect: Effect) -> None:
    """Let the next starts of deployments by endpoints fail."""
    _fail(cluster, "start", effect)


def _fail_stop(cluster: Cluster, effect: Effect) -> None:
    """Let the next stops of deployments by endpoints fail."""
    _fail(cluster, "stop", effect)


def _fail_service(cluster: Cluster, effect: Effect) -> None:
    """Let services refuse what they check next."""
    _fail(cluster, "service", effect)


ACTIONS: Final[Mapping[str, Callable[[Cluster, Effect], None]]] = {
    "put_endpoint": _put_endpoint,
    "remove_endpoint": _remove_endpoint,
    "fail_endpoint_start": _fail_start,
    "fail_endpoint_stop": _fail_stop,
    "fail_endpoint_service": _fail_service,
}

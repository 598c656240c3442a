# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inference endpoint as the result shows it: with its deployment, its health and its users. Pure."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .._consumers.records import UsedBy
from .._core.patterns import matches
from .._ml.deployment import Deployment
from .._ml.endpoint import Endpoint
from .._ml.endpoint_result import endpoint_result
from .._ml.endpoint_versions import is_preset
from .._ml.health import Health, health

Json = dict[str, t.Any]
Deployments = t.Mapping[str, Deployment]
HEALTH = ("ok", "degraded", "starting", "zero", "failed", "idle", "lost", "unknown")


@dataclasses.dataclass(frozen=True)
class Seen:
    """The endpoints that were read.

    ``deployments``, ``users``: ``None`` if they were not asked for, or the user may not read them.
    """

    endpoints: tuple[Endpoint, ...]
    deployments: Deployments | None = None
    users: t.Mapping[str, UsedBy] | None = None


def is_meant(endpoint: Endpoint, params: t.Mapping[str, t.Any]) -> bool:
    """Return whether *params* ask for *endpoint*; an empty list of task types or services asks for all."""
    named = matches(endpoint.inference_id, params["inference_id"])
    kinds = (("task_type", endpoint.task_type), ("service", endpoint.service))
    return named and all(not params[name] or value in params[name] for name, value in kinds)


def items(seen: Seen) -> list[Json]:
    """Return one item for each endpoint, the same keys whatever was asked for."""
    return [_item(endpoint, seen) for endpoint in seen.endpoints]


def _item(endpoint: Endpoint, seen: Seen) -> Json:
    deployment = (seen.deployments or {}).get(str(endpoint.deployment_id)) if endpoint.in_cluster else None
    state = _health(endpoint, deployment, known=seen.deployments is not None)
    return {
        **endpoint_result(endpoint, deployment),
        "health": state.state,
        "health_reason": state.reason,
        "used_by": seen.users[endpoint.inference_id].as_result() if seen.users is not None else None,
    }


def _health(endpoint: Endpoint, deployment: Deployment | None, *, known: bool) -> Health:
    """Return the health of an endpoint. *known*: whether deployments were read."""
    if deployment:
        return health(deployment)
    if not endpoint.in_cluster:
        return Health("unknown", f"Elasticsearch does not show whether the service {endpoint.service} answers")
    if not known:
        return Health("unknown", "its deployment was not read")
    if not endpoint.owns_deployment:
        return Health("lost", f"deployment '{endpoint.deployment_id}', to which it is attached, does not exist")
    if is_preset(endpoint.inference_id):
        return Health("idle", "it has no deployment, and the first inference request starts one")
    return Health("lost", "its deployment is gone, and inference requests fail")


def summary(shown: t.Sequence[Json]) -> Json:
    """Return the number of endpoints, and of those in each state of health."""
    states = collections.Counter(each["health"] for each in shown)
    return {"inference_endpoints": len(shown), **{state: states[state] for state in HEALTH}}

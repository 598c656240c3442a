# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Update inference endpoints: settings of the endpoint, and through it of the deployment that it made.

Elasticsearch's public inference sources and tests; server-behaviour.md 7 item 21.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from ..wire import errors
from . import endpoint_config, endpoints, operations
from .endpoint_config import SETTINGS, java_text
from .endpoints import Endpoint
from .unknowns import BY_VERSION

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]


def update(cluster: Cluster, endpoint_id: str, in_path: str, raw: bytes, body: Json) -> Endpoint:
    """Return the endpoint after the update, which is committed."""
    given = _read(body)
    resolved = endpoint_config.resolved_type(in_path, given.pop("task_type", None), cluster)
    current = endpoints.known(cluster).get(endpoint_id)
    if current is None:
        raise errors.status(404, f"The inference endpoint [{endpoint_id}] does not exist and cannot be updated")
    if resolved != current.task_type:
        raise errors.status(400, "Task type must match the task type of the existing endpoint")
    settings, tasks = given.get(SETTINGS, {}), given.get("task_settings", {})
    new = dataclasses.replace(current, task_settings={**current.task_settings, **tasks})
    if not current.in_cluster:
        new.service_settings = {**current.service_settings, **settings}
    else:
        new.service_settings = _in_cluster(cluster, current, settings, raw)
    if new != current or (current.in_cluster and not cluster.version.endpoint_update_check):
        if current.in_cluster:
            _update_deployment(cluster, current, new)
        cluster.endpoints[endpoint_id] = new
        cluster.publish(by_api=True)
    return new


def _read(body: Json) -> Json:
    """Read the body: only settings of the service and the task can change; the task type may be repeated."""
    rest = dict(body)
    if not rest:
        raise errors.status(400, "Request body is empty")
    found: Json = {}
    if "task_type" in rest:
        if not isinstance(rest["task_type"], str):
            raise errors.status(500, f"Failed to parse [task_type] in update request [{java_text(rest)}]")
        found["task_type"] = rest.pop("task_type")
    for name, word in ((SETTINGS, "service"), ("task_settings", "task")):
        if name in rest:
            if not isinstance(rest[name], dict):
                raise errors.status(400, f"Unable to parse {word} settings in the request [{java_text(rest)}]")
            found[name] = rest.pop(name)
    if rest:
        what = "Request contained fields which cannot be updated, remove these fields and try again"
        raise errors.status(400, f"{what} [{java_text(rest)}]")
    return found


def _in_cluster(cluster: Cluster, current: Endpoint, given: Json, raw: bytes) -> Json:
    """Return the merged settings; settings other than the two are ignored without a word (issue 137129)."""
    rest, complaints = dict(given), list[str]()
    number = endpoint_config.positive_integer(rest, "num_allocations", complaints)
    adaptive = None
    if _changes_adaptive(cluster):
        adaptive = endpoint_config.read_adaptive(rest, complaints)
    elif number is None:
        text = f"Failed to parse [num_allocations] of update request [{raw.decode('utf-8', 'replace')}]"
        raise errors.status(400, text)
    if complaints:
        raise errors.validation(complaints, "validation_exception")
    merged = dict(current.service_settings)
    if number is not None:
        merged["num_allocations"] = number
    if adaptive is not None:
        merged["adaptive_allocations"] = adaptive.as_json()
    return merged


def _changes_adaptive(cluster: Cluster) -> bool:
    chosen = cluster.choices["endpoint_update_adaptive"]
    return cluster.version.endpoint_update_check if chosen == BY_VERSION else chosen == "accept"


def _update_deployment(cluster: Cluster, current: Endpoint, new: Endpoint) -> None:
    """Update through the same action that updates deployments."""
    deployment_id = current.deployment_id
    if not _is_deployed(cluster, deployment_id):
        # The wording is [U].
        what = f"Requested model ID [{current.id}] does not have a matching trained model"
        raise errors.status(404, f"{what} and thus cannot be updated.")
    if deployment_id != current.id and cluster.version.endpoint_update_check:
        _refuse_other(cluster, current.id, deployment_id)
    operations.update_by_endpoint(
        cluster, deployment_id, new.service_settings.get("num_allocations"), _adaptive_to_send(cluster, new)
    )


def _adaptive_to_send(cluster: Cluster, new: Endpoint) -> Any:
    return new.adaptive if _changes_adaptive(cluster) else None


def _is_deployed(cluster: Cluster, name: str) -> bool:
    concrete = cluster.aliases.get(name, name)
    return concrete in cluster.assignments or any(
        each.params.model_id == concrete for each in cluster.assignments.values()
    )


def _refuse_other(cluster: Cluster, endpoint_id: str, deployment_id: str) -> None:
    """Refuse a deployment of another endpoint or of the trained models API, which the endpoint did not make."""
    what = f"Cannot update inference endpoint [{endpoint_id}]"
    if deployment_id in endpoints.known(cluster):
        raise errors.status(
            409,
            f"{what} for model deployment [{deployment_id}] as it was created by another inference endpoint. "
            f"The model can only be updated using inference endpoint id [{deployment_id}].",
        )
    advice = "The model deployment must be updated through the trained models API."
    raise errors.status(409, f"{what} using model deployment [{deployment_id}]. {advice}")

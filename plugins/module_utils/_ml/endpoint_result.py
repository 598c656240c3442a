# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inference endpoint as results show it, with the deployment that does its work. Pure."""

from __future__ import annotations

import typing as t

from .._core.options.secrets import is_secret_name
from .deployment import Deployment
from .endpoint import Endpoint

Json = dict[str, t.Any]


def endpoint_result(endpoint: Endpoint, deployment: Deployment | None) -> Json:
    """Return the result key ``endpoint``. *deployment*: ``None`` if there is none, or it was not read."""
    return {
        "inference_id": endpoint.inference_id,
        "task_type": endpoint.task_type,
        "service": endpoint.service,
        "service_settings": without_secrets(endpoint.service_settings),
        "task_settings": without_secrets(endpoint.task_settings),
        "chunking_settings": None if endpoint.chunking_settings is None else dict(endpoint.chunking_settings),
        "deployment": deployment and _deployment(endpoint, deployment),
    }


def _deployment(endpoint: Endpoint, deployment: Deployment) -> Json:
    adaptive, status = deployment.adaptive_allocations, deployment.allocation_status
    return {
        "deployment_id": deployment.deployment_id,
        "model_id": deployment.model_id,
        "owned": endpoint.owns_deployment,
        "number_of_allocations": deployment.number_of_allocations,
        "adaptive_allocations": adaptive and adaptive.as_result(),
        "threads_per_allocation": deployment.threads_per_allocation,
        "assignment_state": deployment.assignment_state,
        "reason": deployment.reason,
        "start_time": deployment.start_time,
        "allocation_status": dict(vars(status)) if status else None,
    }


def without_secrets(settings: t.Any) -> t.Any:
    """Return *settings* without what its name tells to be a secret: Elasticsearch shows none, and must not begin to."""
    if isinstance(settings, t.Mapping):
        return {name: without_secrets(value) for name, value in settings.items() if not is_secret_name(name)}
    return [without_secrets(each) for each in settings] if isinstance(settings, list) else settings

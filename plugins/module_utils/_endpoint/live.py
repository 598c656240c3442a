# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The deployment of an endpoint, and the endpoint with the allocations that this has now. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from .._ml.deployment import Deployment
from .._ml.endpoint import Endpoint

SCALING = ("num_allocations", "adaptive_allocations")


def as_deployment(stored: Endpoint, live: Deployment | None) -> Deployment:
    """Return the deployment of an endpoint: as it is, or without it as the endpoint shows it."""
    return live or Deployment(
        deployment_id=str(stored.deployment_id),
        model_id=str(stored.model_id or ""),
        number_of_allocations=stored.number_of_allocations,
        threads_per_allocation=stored.threads_per_allocation,
        adaptive_allocations=stored.adaptive_allocations,
    )


def with_live_allocations(stored: Endpoint, live: Deployment | None) -> Endpoint:
    """Return *stored* with the allocations of the deployment that it made, of which it may show older ones."""
    if not stored.owns_deployment:
        return stored
    now = as_deployment(stored, live)
    adaptive = now.adaptive_allocations and now.adaptive_allocations.as_result()
    scaling = zip(SCALING, (now.number_of_allocations, adaptive), strict=True)
    return dataclasses.replace(stored, service_settings={**stored.service_settings, **dict(scaling)})


def allocations_of(deployment: Deployment) -> dict[str, t.Any]:
    """Return the allocations of *deployment* as an endpoint is created with them: adaptive ones, or a number."""
    number, adaptive = deployment.number_of_allocations, deployment.adaptive_allocations
    if adaptive is not None and adaptive.enabled:
        return {"adaptive_allocations": adaptive.as_request()}
    return {} if number is None else {"num_allocations": max(1, number)}

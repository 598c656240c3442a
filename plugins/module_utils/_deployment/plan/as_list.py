# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Current deployments as the list that would make them: the items of ``trained_model_deployments``. Pure."""

from __future__ import annotations

import typing as t

from ..._core.server import Server
from ..._ml.deployment import Deployment
from .start_step import start_like

Json = dict[str, t.Any]


def as_list(deployments: t.Iterable[Deployment], server: Server) -> list[Json]:
    """Return an item for each of *deployments*: applied as it is, the list changes nothing.

    One that is being stopped is left out: a list that names it would start it again.
    """
    return [_item(each, server) for each in deployments if each.assignment_state != "stopping"]


def _item(deployment: Deployment, server: Server) -> Json:
    settings = dict(start_like(deployment).settings)
    if not deployment.cache_size_exact:
        settings.pop("cache_size", None)
    if server.serverless or deployment.number_of_allocations is None:
        settings.pop("number_of_allocations", None)
    if deployment.number_of_allocations == 0 or _may_sleep(deployment):
        settings.pop("number_of_allocations", None)
        settings["allow_zero"] = True
    return {"deployment_id": deployment.deployment_id, **settings}


def _may_sleep(deployment: Deployment) -> bool:
    """Return whether adaptive allocations may take the deployment to 0 allocations, where the task must not wait."""
    adaptive = deployment.adaptive_allocations
    return adaptive is not None and adaptive.enabled and adaptive.min_number_of_allocations == 0

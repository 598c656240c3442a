# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Updates of the allocations of a deployment: of the deployment itself, or of the endpoint that owns it. Pure.

From 9.2 on every version takes these requests; the newest refuse both settings in one (around-deployments.md 4.3).
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.features import Feature
from .._core.http.client import Request, quote
from .._core.server import Server
from .._core.warning import WarningText
from .adaptive import OFF, UNSET, AdaptiveAllocations, AdaptivePatch
from .deployment import Deployment
from .endpoint import in_endpoint

Json = dict[str, t.Any]


def allocation_settings(number: int | None, patch: AdaptivePatch | None, current: Deployment) -> Json:
    """Return what an update of the *current* deployment sends for this *number* and *patch*: only what differs.

    With adaptive allocations turned off, the number as well: Elasticsearch may set another one meanwhile.
    """
    stored = current.adaptive_allocations or OFF
    after = stored if patch is None else patch.merged_into(stored)
    settings: Json = {}
    if patch is not None and after != stored:
        settings["adaptive_allocations"] = patch.body(stored)
    if number is not None and not after.enabled and (number != current.number_of_allocations or current.adaptive):
        settings["number_of_allocations"] = number
    return settings


def endpoint_parts(settings: t.Mapping[str, t.Any], before: Deployment, after: Deployment) -> tuple[Json, ...]:
    """Return the settings of each update of an endpoint, in their order: one setting in each.

    *settings*: what an update of its deployment would send. Adaptive allocations come first: while they are enabled,
    they set the number.
    """
    parts: list[Json] = []
    if "adaptive_allocations" in settings:
        whole = _whole(before.adaptive_allocations or OFF, after.adaptive_allocations or OFF)
        parts.append({"adaptive_allocations": whole})
    if "number_of_allocations" in settings:
        parts.append({"number_of_allocations": settings["number_of_allocations"]})
    return tuple(parts)


def _whole(before: AdaptiveAllocations, after: AdaptiveAllocations) -> Json:
    """Return all adaptive allocations, because an endpoint replaces the object; to turn them off needs no bounds."""
    if after == dataclasses.replace(before, enabled=False):
        return {"enabled": False}
    stored, desired = before.as_result(), after.as_result()
    return {
        name: UNSET if value is None else value
        for name, value in desired.items()
        if value is not None or stored[name] is not None
    }


def endpoint_update(task_type: str, inference_id: str, body: Json) -> Request:
    """Return the update of an endpoint."""
    return Request("PUT", f"/_inference/{quote(task_type)}/{quote(inference_id)}/_update", {}, body)


def allocations_of_endpoint(task_type: str, inference_id: str, settings: t.Mapping[str, t.Any]) -> Request:
    """Return the update of an endpoint that has these *settings* of its deployment."""
    return endpoint_update(task_type, inference_id, {"service_settings": in_endpoint(settings)})


def deployment_update(deployment_id: str, settings: Json, server_timeout: str) -> Request:
    """Return the update of a deployment. *server_timeout*: an Elasticsearch time such as ``30s``."""
    return Request("POST", deployment_path(deployment_id, "_update"), {"timeout": server_timeout}, settings)


def deployment_path(deployment_id: str, verb: str) -> str:
    """Return the path of an action on a deployment, such as ``_start``."""
    return f"/_ml/trained_models/{quote(deployment_id)}/deployment/{verb}"


def may_reset_chunking(server: Server) -> bool:
    """Return whether any update of an endpoint may change its chunking settings, too: then they are read again."""
    return server.supports(Feature.CHUNKING_RESET)


def chunking_warning(inference_id: str) -> WarningText:
    """Return the warning that an update has changed the chunking settings, too."""
    return WarningText(
        f"The update also changed the chunking settings of inference endpoint '{inference_id}', as some versions "
        "of Elasticsearch do with any update of an endpoint. No request puts them back before Elasticsearch 9.5."
    )


def unread_chunking_warning(inference_id: str) -> WarningText:
    """Return the warning that it is not known whether an update has changed the chunking settings, too."""
    return WarningText(
        f"The chunking settings of inference endpoint '{inference_id}' could not be read after the update, "
        "which may have changed them."
    )

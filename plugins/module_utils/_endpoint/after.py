# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The endpoint as it would be after a plan, as far as that is known before. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.features import Feature
from .._core.server import Server
from .._ml.adaptive import OFF
from .._ml.deployment import Deployment
from .._ml.endpoint import Endpoint, in_endpoint
from .._ml.endpoint_versions import change_between, ways
from .allocations import Scaling, as_lost, asked
from .changes import Changes, Json
from .compare import is_in_cluster
from .records import Desired, EndpointState, Situation
from .shown import state_of
from .steps import FILLED_IN, creation_body

_LIVE = Feature.ADAPTIVE_ALLOCATIONS
"""The version from which an endpoint shows the number of its deployment came with this."""
_CHUNKED = ("sparse_embedding", "text_embedding")
"""The tasks of endpoints for which Elasticsearch fills in chunking settings (around-deployments.md 4.1)."""


def after_creation(desired: Desired, current: Situation, earlier: Endpoint | None, server: Server) -> EndpointState:
    """Return the endpoint that a creation makes, with what Elasticsearch is known to fill in."""
    body = creation_body(desired, earlier)
    task_type = desired.task_type or (earlier.task_type if earlier else "")
    settings = body["service_settings"]
    parts: Json = {
        "task_settings": body.get("task_settings") or {},
        "chunking_settings": body.get("chunking_settings"),
    }
    is_chunked = is_in_cluster(body["service"]) and task_type in _CHUNKED and server.supports(Feature.CHUNKING_SETTINGS)
    if is_chunked and not parts["chunking_settings"]:
        parts["chunking_settings"] = FILLED_IN["chunking_settings"]
    attached = current.obstacles.attached
    known = {"model_id": attached.model_id} if attached else {}
    new = Endpoint(desired.inference_id, task_type, body["service"], {**settings, **known}, **parts)
    deployment = (attached or _new_deployment(new, settings)) if new.in_cluster else None
    version = desired.secrets_version or current.kept_version
    return t.cast("EndpointState", state_of(desired, Situation(new, deployment=deployment, kept_version=version)))


def _new_deployment(new: Endpoint, settings: Json) -> Deployment:
    given = asked(Desired(new.inference_id, service_settings=settings))
    return Deployment(
        deployment_id=str(new.deployment_id),
        model_id=str(new.model_id or ""),
        number_of_allocations=given.number or (None if given.adaptive and given.adaptive.enabled else 1),
        threads_per_allocation=given.threads,
        adaptive_allocations=None if given.adaptive is None else given.adaptive.merged_into(None),
    )


def after_update(
    desired: Desired, current: Situation, stored: Endpoint, found: Changes, server: Server
) -> EndpointState | None:
    """Return the endpoint *stored* after the update and the start that *found* asks for."""
    parts: Json = {part: {**(getattr(stored, part) or {}), **settings} for part, settings in found.parts.items()}
    if "chunking_settings" in parts:
        parts["chunking_settings"] = found.parts["chunking_settings"]
    after = dataclasses.replace(stored, **parts)
    deployment = as_lost(stored, server) if current.is_lost else current.deployment
    if found.scaling and found.scaling.settings:
        deployment = dataclasses.replace(found.scaling.after, allocation_status=None, reason=None, routes=())
        after = dataclasses.replace(after, service_settings=_scaled(after, found.scaling, server))
    version = desired.secrets_version if found.sends_secrets else current.kept_version
    return state_of(desired, dataclasses.replace(current, stored=after, deployment=deployment, kept_version=version))


def _scaled(endpoint: Endpoint, scaling: Scaling, server: Server) -> Json:
    """Return the settings of the service with the allocations after a change, as a later read may show them.

    A change of the deployment alone leaves them as they are, but for the number: since 8.16 that of the deployment is
    shown (around-deployments.md 4.1).
    """
    after = scaling.after
    if not ways(server, endpoint.inference_id, change_between(scaling.before, after)).endpoint:
        live = {"number_of_allocations": after.number_of_allocations} if server.supports(_LIVE) else {}
        return {**endpoint.service_settings, **in_endpoint(live)}
    allocations = in_endpoint({"number_of_allocations": after.number_of_allocations})
    settings = after.adaptive_allocations or OFF
    adaptive = {} if settings == OFF else {"adaptive_allocations": settings.as_request()}
    kept = {name: value for name, value in endpoint.service_settings.items() if name != "adaptive_allocations"}
    return {**kept, **allocations, **adaptive}

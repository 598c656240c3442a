# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of plans, and their requests. No step has a secret: those are added where a request is sent. Pure."""

from __future__ import annotations

import typing as t

from .._core.errors import ApiError
from .._core.http.client import Request, query_value, quote
from .._core.plan import Step
from .._core.run.masking import MASK
from .._core.server import Server
from .._ml.adaptive import UNSET
from .._ml.deployment import Deployment
from .._ml.endpoint import Endpoint
from .._ml.endpoint_updates import allocations_of_endpoint, deployment_path, deployment_update, endpoint_update
from .allocations import scaled
from .changes import Json, Part
from .compare import CHUNKING, is_in_cluster, merged, same_service, whole_chunking
from .live import SCALING, allocations_of, as_deployment
from .records import Desired

SECRETS = "update the secrets of"
SCALE = "update the deployment of"
START = "start the deployment of"
"""Kinds of steps: each completes "... inference endpoint 'id'"."""
SERVER_TIMEOUT = "30s"
"""How long Elasticsearch may take to acknowledge a change of a deployment."""
_CARRIED = ("model_id", "num_threads")
"""Settings in the cluster that a creation takes; the others are filled in by Elasticsearch."""
FILLED_IN: t.Mapping[str, Json] = {
    "task_settings": {"return_documents": True},
    "chunking_settings": {"strategy": "sentence", "max_chunk_size": 250, "sentence_overlap": 1},
}
"""The settings that Elasticsearch gives an endpoint by itself, and would give it again (around-deployments.md 4.1)."""
_OPTIONAL: t.Sequence[Part] = ("task_settings", "chunking_settings")


def create_step(desired: Desired, earlier: Endpoint | None) -> Step:
    """Return the step that creates the endpoint. *earlier*: the one that it replaces."""
    task_type = desired.task_type or (earlier.task_type if earlier else "")
    body = with_secrets(creation_body(desired, earlier), masked(desired.secrets))
    return Step("create", {"task_type": task_type, "inference_id": desired.inference_id, "body": body})


def creation_body(desired: Desired, earlier: Endpoint | None) -> Json:
    """Return what creates the endpoint: what the task does not name stays as it was in *earlier*."""
    service = desired.service or (earlier.service if earlier else None)
    kept = earlier if earlier and desired.task_type in (None, earlier.task_type) else None
    kept = kept if kept and same_service(desired.service, kept) else None
    settings = _carried(desired, kept) if kept else dict(desired.service_settings)
    body: Json = {
        "service": service,
        "service_settings": without_unset(settings) if is_in_cluster(service) else settings,
    }
    for part in _OPTIONAL:
        given, before = getattr(desired, part), (getattr(kept, part) if kept else None) or {}
        if not given and before == FILLED_IN[part]:
            continue
        if given or before:
            body[part] = whole_chunking(given, before) if part == CHUNKING else merged(before, given)
    return body


def _carried(desired: Desired, earlier: Endpoint) -> Json:
    """Return the given settings of a service, with those of *earlier* that they do not replace."""
    given, kept = desired.service_settings, earlier.service_settings
    if not earlier.in_cluster:
        return dict(merged(kept, given))
    if given.get("deployment_id") or not earlier.owns_deployment:
        return {**{name: kept[name] for name in ("deployment_id",) if name in kept}, **given}
    after = scaled(desired, as_deployment(earlier, None)).after
    found = {name: value for name, value in kept.items() if name in _CARRIED} | allocations_of(after)
    given = {name: value for name, value in given.items() if name not in SCALING or not after.adaptive}
    return {**found, **given}


def without_unset(settings: Json) -> Json:
    """Return *settings* without bounds that say "no bound": an endpoint that is new has none."""
    adaptive = settings.get("adaptive_allocations")
    if not isinstance(adaptive, dict):
        return settings
    bounds = {name: value for name, value in adaptive.items() if value != UNSET}
    return {**settings, "adaptive_allocations": bounds}


def restoring_body(earlier: Endpoint) -> Json:
    """Return what creates the endpoint as it was."""
    return creation_body(Desired(earlier.inference_id), earlier)


def update_step(stored: Endpoint, parts: t.Mapping[Part, Json], secrets: Json) -> Step:
    """Return the update of *parts* of an endpoint, together with new *secrets*."""
    body: Json = {part: dict(settings) for part, settings in parts.items()}
    if secrets:
        body = with_secrets({"service_settings": {}, **body}, masked(secrets))
    names = {"task_type": stored.task_type, "inference_id": stored.inference_id}
    return Step(SECRETS if secrets else "update", {**names, "body": body})


def scale_steps(stored: Endpoint, parts: t.Iterable[Json]) -> tuple[Step, ...]:
    """Return an update of the endpoint for each of the *parts* that a change of its allocations takes."""
    names = {"task_type": stored.task_type, "inference_id": stored.inference_id}
    return tuple(Step("update", {**names, "allocations": settings}) for settings in parts)


def start_step(lost: Deployment) -> Step:
    """Return the start of a deployment that is gone, with the settings that its endpoint shows."""
    adaptive = lost.adaptive_allocations
    is_adaptive = adaptive is not None and adaptive.enabled
    settings: Json = {
        "number_of_allocations": None if is_adaptive else lost.number_of_allocations,
        "threads_per_allocation": lost.threads_per_allocation,
    }
    body = adaptive and adaptive.as_request()
    return Step(
        START,
        {
            "deployment_id": lost.deployment_id,
            "model_id": lost.model_id,
            "query": {name: value for name, value in settings.items() if value is not None},
            "adaptive_allocations": body,
        },
    )


def to_request(step: Step, server: Server) -> Request:
    """Return the request of *step*, with secrets masked."""
    settings = step.settings
    if step.kind == START:
        return _start(settings)
    if step.kind == SCALE:
        return deployment_update(settings["deployment_id"], dict(settings["settings"]), SERVER_TIMEOUT)
    task_type, inference_id = settings["task_type"], settings["inference_id"]
    if "allocations" in settings:
        return allocations_of_endpoint(task_type, inference_id, settings["allocations"])
    if step.kind in ("update", SECRETS):
        return endpoint_update(task_type, inference_id, settings["body"])
    path = endpoint_path(task_type, inference_id)
    if step.kind == "delete":
        return Request("DELETE", path, {"force": "true"} if settings.get("force") else {})
    return Request("PUT", path, {}, settings["body"])


def _start(settings: t.Mapping[str, t.Any]) -> Request:
    query = {name: query_value(value) for name, value in settings["query"].items()}
    query |= {"deployment_id": settings["deployment_id"], "timeout": SERVER_TIMEOUT, "wait_for": "starting"}
    adaptive = settings["adaptive_allocations"]
    body = None if adaptive is None else {"adaptive_allocations": adaptive}
    return Request("POST", deployment_path(settings["model_id"], "_start"), dict(sorted(query.items())), body)


def endpoint_path(task_type: str, inference_id: str) -> str:
    """Return the path of an endpoint, which every version knows."""
    return f"/_inference/{quote(task_type)}/{quote(inference_id)}"


def with_secrets(body: Json, secrets: Json) -> Json:
    """Return *body* with *secrets*, which Elasticsearch takes among the settings of the service."""
    return {**body, "service_settings": _laid_over(body["service_settings"], secrets)} if secrets else body


def _laid_over(settings: Json, secrets: Json) -> Json:
    found = dict(settings)
    for name, value in secrets.items():
        there = found.get(name)
        found[name] = _laid_over(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return found


def masked(secrets: t.Any) -> t.Any:
    """Return *secrets* with each text masked; their names stay."""
    if isinstance(secrets, dict):
        return {name: masked(value) for name, value in secrets.items()}
    return MASK


def may_pass(step: Step, error: ApiError) -> bool:
    """Return whether *step* was refused because the deployment is starting: Elasticsearch updates none until then."""
    updates = step.kind == SCALE or "allocations" in step.settings
    return updates and error.status == 409 and "not in [started] state" in (error.reason or "")


def explain(desired: Desired, step: Step, error: ApiError) -> ApiError:
    """Return *error*, with what to do if the service lets nothing change that the task asks for."""
    if step.kind != "update" or "allocations" in step.settings or error.status not in (400, 404):
        return error
    return error.with_hint("If the service cannot change this, set replace to recreate.")

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve inference endpoints: put, get, update, delete.

Elasticsearch's public rest-api-spec and inference sources; server-behaviour.md 3.1 to 3.3. An endpoint is
stored first and its deployment is started then, so that a start that fails leaves the endpoint behind.
"""

from __future__ import annotations

from typing import Any, Final

from ..emulator import Emulator
from ..state import creation, endpoint_config, endpoint_update, endpoints, models
from ..state.endpoints import ANY, Endpoint
from ..state.requests import StartRequest, StopRequest
from ..state.versions import Features
from ..wire import errors, xcontent
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue
from ..wire.xcontent import Parser
from . import deployments

Json = dict[str, Any]
_ACTION: Final = "cluster:admin/xpack/inference/{}"
_ID: Final = "inference_id"
_TYPE_OR_ID: Final = "task_type_or_id"
_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_WILDCARDS: Final = ("_all", "*")


def target(emulator: Emulator, call: Call) -> tuple[str, str]:
    """Return task type (``any`` if the path has none) and id."""
    parameters = call.path_parameters
    if _ID in parameters:
        return endpoint_config.task_type(parameters[_TYPE_OR_ID], emulator.cluster), parameters[_ID]
    return ANY, parameters.get(_TYPE_OR_ID, "_all")


def _body(emulator: Emulator, call: Call) -> tuple[bytes, Json]:
    body = call.take_body()
    if not body:
        raise errors.parse_failure("request body is required")
    return body, xcontent.read_map(Parser(body, emulator.cluster.version))


def _id_complaints(endpoint_id: str) -> list[str]:
    if models.is_valid_id(endpoint_id):
        return []
    text = f"Invalid inference_id; '{endpoint_id}' can contain lowercase alphanumeric (a-z and 0-9), hyphens or "
    return [text + "underscores; must start and end with alphanumeric"]


# --- put ---


def put(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT _inference/[{task_type}/]{id}``."""
    cluster = emulator.cluster
    in_path, endpoint_id = target(emulator, call)
    _raw, body = _body(emulator, call)
    timeout = call.time("timeout", _TIMEOUT) if cluster.version.at_least((8, 18, 0)) else _TIMEOUT

    async def run() -> Reply:
        created = endpoint_config.parse(cluster, endpoint_id, in_path, body)
        if endpoint_id in cluster.endpoints:
            reason = f"Inference endpoint [{endpoint_id}] already exists"
            raise errors.ApiError(400, "resource_already_exists_exception", reason)
        if not created.in_cluster:
            cluster.inferences.check_endpoint("service", endpoint_id)
        cluster.endpoints[endpoint_id] = created
        cluster.publish(by_api=True)
        call.committed = True
        if created.in_cluster and not created.attached:
            try:
                await deploy(emulator, call, created, timeout)
            except errors.ApiError:
                if cluster.choices["endpoint_after_failed_start"] == "removed":
                    cluster.endpoints.pop(endpoint_id, None)
                    cluster.publish(by_api=True)
                raise
        return Reply(200, created.as_json(cluster.version))

    return Prepared(_ACTION.format("put"), run, _id_complaints(endpoint_id))


async def deploy(emulator: Emulator, call: Call, endpoint: Endpoint, timeout: TimeValue) -> None:
    """Start the deployment of an endpoint; a missing packaged model is downloaded first."""
    cluster = emulator.cluster
    cluster.inferences.check_endpoint("start", endpoint.id)
    if endpoint.model_id in endpoints.PACKAGED and endpoint.model_id not in cluster.models:
        await _fetch(emulator, endpoint.model_id)
    request = StartRequest(endpoint.model_id, endpoint.id, cluster.version)
    request.queue_capacity = cluster.version.default_queue_capacity
    request.number_of_allocations = endpoint.service_settings.get("num_allocations")
    request.threads_per_allocation = endpoint.service_settings["num_threads"]
    request.adaptive = endpoint.adaptive
    request.timeout = timeout
    if complaints := request.complaints():
        raise errors.validation(complaints)
    try:
        await deployments.started(emulator, call, request)
    except errors.ApiError as error:
        if error.type != "resource_not_found_exception":
            raise
        raise errors.not_found(_not_found_text(endpoint)) from None


async def _fetch(emulator: Emulator, model_id: str) -> None:
    """Create a packaged model as the public service does: wait for the download, and name the field as ever."""
    created = creation.create(emulator.cluster, model_id, {"input": {"field_names": ["text_field"]}})
    if created.download_ends is not None:
        await emulator.clock.wait_until(created.download_ends)


def _not_found_text(endpoint: Endpoint) -> str:
    text = f"Could not deploy model [{endpoint.model_id}] as the model cannot be found."
    if endpoint.model_id in endpoints.PACKAGED:
        return text
    return f"{text} Custom models need to be loaded into the cluster with Eland before they can be started."


# --- get ---


def get(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _inference[/{id}]``, ``GET _inference/{task_type}/{id}``; ``_all`` and ``*`` are all of them."""
    cluster = emulator.cluster
    task_type, endpoint_id = target(emulator, call)

    async def run() -> Reply:
        if endpoint_id in _WILDCARDS:
            found = [each for each in endpoints.known(cluster).values() if task_type in (ANY, each.task_type)]
        else:
            found = [endpoints.of_type(endpoints.existing(cluster, endpoint_id), task_type)]
        key = "endpoints" if cluster.version.endpoint_names else "models"
        return Reply(200, {key: [endpoints.shown(cluster, each) for each in found]})

    monitor = cluster.version.at_least((8, 13, 0))
    return Prepared("cluster:monitor/xpack/inference/get" if monitor else _ACTION.format("get"), run)


# --- update ---


def update(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT _inference/[{task_type}/]{id}/_update``: change the allocations of the endpoint's own deployment."""
    cluster = emulator.cluster
    if _ID not in call.path_parameters and not cluster.version.endpoint_update_without_type:
        raise errors.status(400, "Inference ID must be provided in the path")
    in_path, endpoint_id = target(emulator, call)
    raw, body = _body(emulator, call)
    call.time("master_timeout", _TIMEOUT)
    if cluster.version.at_least((9, 2, 0)):
        call.time("timeout", _TIMEOUT)

    async def run() -> Reply:
        before = cluster.writes
        updated = endpoint_update.update(cluster, endpoint_id, in_path, raw, body)
        call.committed = cluster.writes != before
        return Reply(200, updated.as_json(cluster.version))

    complaints = [] if cluster.version.endpoint_update_any_id else _id_complaints(endpoint_id)
    return Prepared(_ACTION.format("update"), run, complaints)


# --- delete ---


def delete(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``DELETE _inference/[{task_type}/]{id}``: stop the deployment that the endpoint made, too."""
    cluster = emulator.cluster
    task_type, endpoint_id = target(emulator, call)
    knows = cluster.version.endpoint_references
    dry_run = call.boolean("dry_run", False) if knows else False
    force = call.boolean("force", False) if knows else False

    async def run() -> Reply:
        found = endpoints.of_type(endpoints.existing(cluster, endpoint_id), task_type)
        if not knows:
            await _delete(emulator, call, found)
            return Reply(200, {"acknowledged": True})
        pipelines = cluster.references(endpoint_id)
        indexes = sorted(index for index, names in cluster.semantic_text.items() if endpoint_id in names)
        text = endpoints.references_text(endpoint_id, pipelines, indexes, cluster.version)
        if dry_run:
            listed = {"pipelines": pipelines, "indexes": indexes, "error_message": text}
            return Reply(200, {"acknowledged": False, **listed})
        if not force:
            _check_deletable(found, text)
        await _delete(emulator, call, found, force=force)
        return Reply(200, {"acknowledged": True, "pipelines": [], "indexes": []})

    return Prepared(_ACTION.format("delete"), run)


def _check_deletable(endpoint: Endpoint, references: str) -> None:
    if endpoint.id in endpoints.DEFAULT_IDS:
        # Since when is [U].
        what = f"[{endpoint.id}] is a reserved inference endpoint."
        raise errors.status(400, f"{what} Use the force=true query parameter to delete the inference endpoint.")
    if references:
        raise errors.status(409, references)


async def _delete(emulator: Emulator, call: Call, endpoint: Endpoint, *, force: bool = False) -> None:
    """Stop the deployment that the endpoint made, then delete it; forced, newer versions delete it in any case."""
    cluster = emulator.cluster
    if endpoint.in_cluster and not endpoint.attached:
        try:
            cluster.inferences.check_endpoint("stop", endpoint.id, f"Failed to stop inference endpoint {endpoint.id}")
            await deployments.stopped(emulator, call, StopRequest(endpoint.deployment_id, force=True))
        except errors.ApiError:
            if not (force and cluster.version.endpoint_force_leaves_deployment):
                raise
    cluster.endpoints.pop(endpoint.id, None)
    if endpoint.id in endpoints.DEFAULT_IDS:
        cluster.no_defaults.add(endpoint.id)
    cluster.publish(by_api=True)
    call.committed = True


def _plain(version: Features) -> bool:
    return version.endpoint_paths_without_type


_BASE: Final = "/_inference"
ONE: Final = f"{_BASE}/{{{_TYPE_OR_ID}}}"
TWO: Final = f"{ONE}/{{{_ID}}}"
ROUTES: Final = (
    Route("GET", _BASE, "endpoint", get, lambda version: version.chunking),
    Route("GET", ONE, "endpoint", get, _plain),
    Route("GET", TWO, "endpoint", get, lambda version: version.endpoints),
    Route("PUT", ONE, "endpoint", put, _plain),
    Route("PUT", TWO, "endpoint", put, lambda version: version.endpoints),
    Route("DELETE", ONE, "endpoint", delete, _plain),
    Route("DELETE", TWO, "endpoint", delete, lambda version: version.endpoints),
    Route("PUT", f"{ONE}/_update", "endpoint", update, lambda version: version.endpoint_update),
    Route("PUT", f"{TWO}/_update", "endpoint", update, lambda version: version.endpoint_update),
)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve inference endpoints: put, get, update, delete.

Elasticsearch's public rest-api-spec and inference sources; server-behaviour.md 3.1 to 3.3. An endpoint is
stored first and its deployment is started then, so that a start that fails leaves the endpoint behind; from 9.5 on
those for text embeddings are deployed first (around-deployments.md 4.1).
"""

from __future__ import annotations

from typing import Any, Final

from ..emulator import Emulator
from ..state import creation, endpoint_config, endpoint_update, endpoints, models, requests, task_types, upgrade_mode
from ..state.cluster import Cluster
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
        return task_types.read(parameters[_TYPE_OR_ID], emulator.cluster.version), parameters[_ID]
    return ANY, parameters.get(_TYPE_OR_ID, "_all")


def _body(call: Call) -> bytes:
    body = call.take_body()
    if not body:
        raise errors.parse_failure("request body is required")
    return body


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
    raw = _body(call)
    timeout = call.time("timeout", _TIMEOUT) if cluster.version.at_least((8, 18, 0)) else _TIMEOUT

    async def run() -> Reply:
        body = xcontent.read_map(Parser(raw, cluster.version))
        created = endpoint_config.parse(cluster, endpoint_id, in_path, body)
        if endpoint_id in cluster.endpoints:
            reason = f"Inference endpoint [{endpoint_id}] already exists"
            raise errors.ApiError(400, "resource_already_exists_exception", reason)
        if created.in_cluster and not created.attached:
            await _create_with_deployment(emulator, call, created, timeout)
        else:
            if not created.in_cluster:
                cluster.inferences.check_endpoint("service", endpoint_id)
            _store(cluster, call, created)
        return Reply(200, created.as_json(cluster.version))

    return Prepared(_ACTION.format("put"), run, _id_complaints(endpoint_id))


def _store(cluster: Cluster, call: Call, endpoint: Endpoint) -> None:
    cluster.endpoints[endpoint.id] = endpoint
    cluster.publish(by_api=True)
    call.committed = True


async def _create_with_deployment(emulator: Emulator, call: Call, endpoint: Endpoint, timeout: TimeValue) -> None:
    """Store an endpoint and start its deployment, in the order of the version; clean up as far as it does."""
    cluster = emulator.cluster
    stored_last = creation.deploys_first(cluster, endpoint) and cluster.choices["endpoint_after_failed_start"] != "kept"
    if not stored_last:
        _store(cluster, call, endpoint)
    try:
        await deploy(emulator, call, endpoint, timeout)
    except errors.ApiError:
        if cluster.choices["endpoint_after_failed_start"] == "removed":
            cluster.endpoints.pop(endpoint.id, None)
            cluster.publish(by_api=True)
        if creation.stops_what_it_started(cluster, endpoint):
            await deployments.stopped(emulator, call, StopRequest(endpoint.id, force=True))
        raise
    if stored_last:
        _store(cluster, call, endpoint)


async def deploy(emulator: Emulator, call: Call, endpoint: Endpoint, timeout: TimeValue) -> None:
    """Start the deployment of an endpoint; a missing packaged model is downloaded first."""
    cluster = emulator.cluster
    cluster.inferences.check_endpoint("start", endpoint.id)
    if endpoint.model_id in endpoints.PACKAGED and endpoint.model_id not in cluster.models:
        upgrade_mode.check(cluster, "cluster:admin/xpack/ml/inference/put")
        await _fetch(emulator, endpoint.model_id)
    request = StartRequest(endpoint.model_id, endpoint.id, cluster.version)
    request.queue_capacity = cluster.version.default_queue_capacity
    request.number_of_allocations = endpoint.service_settings.get("num_allocations")
    request.threads_per_allocation = endpoint.service_settings["num_threads"]
    request.adaptive = endpoint.adaptive
    request.timeout = timeout
    if complaints := request.complaints():
        raise errors.validation(complaints)
    upgrade_mode.check(cluster, requests.START)
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
        return Reply(200, listing([endpoints.shown(cluster, each) for each in found], cluster.version))

    monitor = cluster.version.at_least((8, 13, 0))
    return Prepared("cluster:monitor/xpack/inference/get" if monitor else _ACTION.format("get"), run)


def listing(shown: list[Json], version: Features) -> Json:
    """Return endpoints as ``GET`` lists them."""
    return {"endpoints" if version.endpoint_names else "models": shown}


# --- update ---


def update(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT _inference/[{task_type}/]{id}/_update``: change the allocations of the endpoint's own deployment."""
    cluster = emulator.cluster
    if _ID not in call.path_parameters and not cluster.version.endpoint_update_without_type:
        raise errors.status(400, "Inference ID must be provided in the path")
    in_path, endpoint_id = target(emulator, call)
    raw = _body(call)
    call.time("master_timeout", _TIMEOUT)
    if cluster.version.at_least((9, 2, 0)):
        call.time("timeout", _TIMEOUT)

    async def run() -> Reply:
        given, before = endpoint_update.read(raw, cluster.version), cluster.writes
        updated = endpoint_update.update(cluster, endpoint_id, in_path, raw, given)
        call.committed = cluster.writes != before
        return Reply(200, updated.as_json(cluster.version))

    complaints = [] if cluster.version.endpoint_update_any_id else _id_complaints(endpoint_id)
    return Prepared(_ACTION.format("update"), run, complaints)


# --- delete ---


def delete(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``DELETE _inference/[{task_type}/]{id}``: stop the deployment that the endpoint made, too."""
    cluster = emulator.cluster
    version = cluster.version
    task_type, endpoint_id = target(emulator, call)
    force, dry_run = flags_of_delete(call, version)

    async def run() -> Reply:
        found = endpoints.of_type(endpoints.existing(cluster, endpoint_id), task_type)
        if not version.endpoint_references:
            await _delete(emulator, call, found)
            return Reply(200, {"acknowledged": True})
        pipelines = cluster.references(endpoint_id)
        indexes = cluster.indices_using(endpoint_id) if version.endpoint_references_indexes else []
        text = endpoints.references_text(endpoint_id, pipelines, indexes, version)
        if dry_run:
            return Reply(200, endpoints.deletion(False, pipelines, indexes, text, version))
        _check_deletable(cluster, found, text, force=force)
        await _delete(emulator, call, found, force=force)
        return Reply(200, endpoints.deletion(True, [], [], None, version))

    return Prepared(_ACTION.format("delete"), run)


def flags_of_delete(call: Call, version: Features) -> tuple[bool, bool]:
    """Return ``force`` and ``dry_run``, as far as the version knows them."""
    if not version.endpoint_references:
        return False, False
    return call.boolean("force", False), call.boolean("dry_run", False)


def _check_deletable(cluster: Cluster, endpoint: Endpoint, references: str, *, force: bool) -> None:
    """Refuse presets before references; in which versions force deletes a preset is [U]."""
    if endpoint.id in endpoints.DEFAULT_IDS:
        what = f"[{endpoint.id}] is a reserved inference endpoint."
        if cluster.choices["preset_delete"] == "never":
            raise errors.status(400, f"{what} Cannot delete a reserved inference endpoint.")
        if not force:
            raise errors.status(400, f"{what} Use the force=true query parameter to delete the inference endpoint.")
    if references and not force:
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
    Route("GET", _BASE, "endpoint", get, lambda version: version.live_allocations),
    Route("GET", ONE, "endpoint", get, _plain),
    Route("GET", TWO, "endpoint", get, lambda version: version.endpoints),
    Route("PUT", ONE, "endpoint", put, _plain),
    Route("PUT", TWO, "endpoint", put, lambda version: version.endpoints),
    Route("DELETE", ONE, "endpoint", delete, _plain),
    Route("DELETE", TWO, "endpoint", delete, lambda version: version.endpoints),
    Route("PUT", f"{ONE}/_update", "endpoint", update, lambda version: version.endpoint_update),
    Route("PUT", f"{TWO}/_update", "endpoint", update, lambda version: version.endpoint_update),
)

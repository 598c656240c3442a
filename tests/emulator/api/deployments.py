# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, update, stop and ``_stats`` over HTTP: what is read from where, in the server's order.

Source: server-behaviour.md 1.1 to 1.4 and 3.
"""

from __future__ import annotations

import functools
from typing import Final

from ..emulator import Emulator
from ..state import assignment, operations, requests
from ..state.assignment import Assignment
from ..state.cluster import Cluster
from ..state.models import Model
from ..state.operations import NothingToReduce
from ..state.requests import StartRequest, StopRequest, UpdateRequest
from ..wire import errors, values
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from . import stats

_STATS_ACTION: Final = "cluster:monitor/xpack/ml/inference/stats/get"
_PAGE_SIZE: Final = 100


# --- start ---


def start(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _ml/trained_models/{model_id}/deployment/_start``."""
    version = emulator.cluster.version
    model_id = call.path_parameters["model_id"]
    given = call.text("deployment_id") if version.deployment_id else None
    deployment_id = model_id if given is None else given
    body = call.take_body()
    request = (
        requests.parse_start(body, model_id, deployment_id, version)
        if body
        else requests.new_start(model_id, deployment_id, version)
    )
    call.warnings += request.warnings
    shorter = not version.start_waits_30s and emulator.cluster.choices["start_timeout_before_8_10"] == "20s"
    if shorter and request.timeout is requests.DEFAULT_TIMEOUT:
        request.timeout = values.TimeValue(20 * 10**9, "20s")
    _lay_query_over(request, call)
    if (warning := requests.fractional_warning(request)) is not None:
        call.warnings.append(warning)

    async def run() -> Reply:
        return await _start(emulator, call, request)

    return Prepared(requests.START, run, request.complaints())


def _lay_query_over(request: StartRequest, call: Call) -> None:
    """Let query parameters win over the body.

    Each is read only if it is given, so the order of complaints is this one.
    """
    version = request.version
    request.timeout = call.time("timeout", request.timeout)
    if (text := call.text("wait_for")) is not None:
        request.wait_for = requests.wait_state(text)
    request.number_of_allocations = _renamed(
        call, version.assignment_names, "number_of_allocations", "model_threads", request.number_of_allocations
    )
    threads = _renamed(
        call, version.assignment_names, "threads_per_allocation", "inference_threads", request.threads_per_allocation
    )
    request.threads_per_allocation = threads if threads is not None else 1
    request.queue_capacity = call.integer("queue_capacity", request.queue_capacity)
    if version.cache_size and (text := call.text("cache_size")) is not None:
        request.cache_size = values.parse_bytes(text, "cache_size")
    if version.priority and (text := call.text("priority")) is not None:
        request.priority = requests.priority(text)


def _renamed(call: Call, new_names: bool, name: str, old: str, default: int | None) -> int | None:
    """Return a parameter that was renamed in 8.3.

    The old name is known as long as the client speaks REST API version 8 (server-behaviour.md 1.1).
    """
    if new_names and call.text(name) is not None:
        return call.integer(name, 0)
    speaks_8 = call.media is not None and call.media.rest_api_version <= 8
    if (not new_names or speaks_8) and call.text(old) is not None:
        if new_names:
            call.warnings.append(f"Deprecated field [{old}] used, expected [{name}] instead")
        return call.integer(old, 0)
    return default


async def _start(emulator: Emulator, call: Call, request: StartRequest) -> Reply:
    return Reply(200, assignment.envelope(await started(emulator, call, request)))


async def started(emulator: Emulator, call: Call, request: StartRequest) -> Assignment:
    """Start a deployment and wait as the request says; endpoints use it, too."""
    cluster = emulator.cluster
    begun = await _begin(emulator, request)
    call.committed = True
    deployment_id = begun.params.deployment_id
    if call.failing_route is not None:
        operations.fail_route(cluster, begun, *call.failing_route)
    try:
        in_time = not call.time_out_at_once and await emulator.clock.wait(
            lambda: operations.started_enough(cluster, deployment_id, request.wait_for), request.timeout.seconds
        )
    except operations.StartFailed:
        if cluster.assignments.get(deployment_id) is begun:
            cluster.drop_assignment(deployment_id)
            cluster.publish(by_api=True)
        raise
    if not in_time:
        raise operations.start_timed_out(deployment_id, request.timeout, cluster.choices)
    cluster.audit_line(begun.params.model_id, "Started deployment")
    return cluster.assignments[deployment_id]


async def _begin(emulator: Emulator, request: StartRequest) -> assignment.Assignment:
    """Commit a start; it waits for the download of its model, at most as long as for its nodes."""
    cluster = emulator.cluster
    deadline = cluster.now() + request.timeout.nanos
    while True:
        try:
            return operations.start(cluster, request)
        except operations.StillDownloading as busy:
            if cluster.now() >= deadline:
                raise
            ends = min(deadline, busy.model.download_ends or deadline)
            await emulator.clock.wait_until(ends, functools.partial(_is_replaced, cluster, busy.model))


def _is_replaced(cluster: Cluster, model: Model) -> bool:
    return cluster.models.get(model.id) is not model


# --- update ---


def update(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _ml/trained_models/{deployment_id}/deployment/_update``.

    With the query parameter the body is not looked at.
    """
    version = emulator.cluster.version
    deployment_id = call.path_parameters["model_id"]
    if _reads_number_from_query(emulator) and call.text("number_of_allocations") is not None:
        request = UpdateRequest(deployment_id, call.integer("number_of_allocations", 0))
    else:
        request = requests.parse_update(call.take_body(), deployment_id, version)
    # A time-out in the body is parsed and then overwritten.
    request.timeout = call.time("timeout", requests.DEFAULT_TIMEOUT)
    call.time("master_timeout", requests.DEFAULT_TIMEOUT)

    async def run() -> Reply:
        before = emulator.cluster.writes
        try:
            updated = operations.update(emulator.cluster, request)
        except NothingToReduce:
            if emulator.cluster.choices["reducer_refusal"] == "hangs":
                await emulator.clock.wait(lambda: False, None)
            raise
        call.committed = emulator.cluster.writes != before
        return Reply(200, assignment.envelope(updated))

    return Prepared(requests.UPDATE, run, request.complaints())


def _reads_number_from_query(emulator: Emulator) -> bool:
    """Return whether the number is read from the query.

    From 8.15; late patches of 8.14 are [U] (server-behaviour.md 1.2).
    """
    version = emulator.cluster.version
    late = version.triple[:2] == (8, 14) and emulator.cluster.choices["update_query_parameter_in_8_14"] == "accept"
    return version.update_query_parameter or late


# --- stop ---


def stop(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _ml/trained_models/{deployment_id}/deployment/_stop``; with a body the query is ignored."""
    deployment_id = call.path_parameters["model_id"]
    body = call.take_body()
    if body:
        request = requests.parse_stop(body, deployment_id, emulator.cluster.version)
    else:
        request = StopRequest(deployment_id, call.boolean("allow_no_match", True))
        if emulator.cluster.version.triple >= (8, 1, 0) or emulator.cluster.choices["stop_force_in_8_0"] == "accept":
            request.force = call.boolean("force", False)
        if emulator.cluster.choices["stop_query_finish_pending_work"] == "accept":
            request.finish_pending_work = call.boolean("finish_pending_work", False)

    async def run() -> Reply:
        return await _stop(emulator, call, request)

    return Prepared(requests.STOP, run)


async def _stop(emulator: Emulator, call: Call, request: StopRequest) -> Reply:
    await stopped(emulator, call, request)
    return Reply(200, {"stopped": True})


async def stopped(emulator: Emulator, call: Call, request: StopRequest) -> None:
    """Stop a deployment and wait until it is gone; endpoints use it, too."""
    cluster = emulator.cluster
    before = cluster.writes
    found = operations.stop(cluster, request)
    call.committed = call.committed or cluster.writes != before
    if found:
        stopping = cluster.assignments[request.deployment_id]
        await emulator.clock.wait(lambda: _is_stopped(cluster, request.deployment_id, stopping), None)


def _is_stopped(cluster: Cluster, deployment_id: str, stopping: assignment.Assignment) -> bool:
    """Return whether the assignment is gone; blocked metadata keeps it (server-behaviour.md 3.3)."""
    if cluster.assignments.get(deployment_id) is not stopping:
        return True
    if cluster.coordination.master and not cluster.commits:
        what = "failed to delete model assignment after nodes unallocated the deployment. Attempt to stop again"
        raise errors.ApiError(500, "exception", what)
    return False


# --- stats ---


def get_stats(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _ml/trained_models/[{id}/]_stats``."""
    expression = call.path_parameters.get("model_id", "*")
    allow_no_match = call.boolean("allow_no_match", True)
    first, size = page(call)
    human = call.flag("human")

    async def run() -> Reply:
        body = stats.rows(
            emulator.cluster, expression, human=human, start=first, size=size, allow_no_match=allow_no_match
        )
        return Reply(200, body)

    return Prepared(_STATS_ACTION, run)


def page(call: Call) -> tuple[int, int]:
    """Return ``from`` and ``size``."""
    first, size = call.integer("from", 0), call.integer("size", _PAGE_SIZE)
    for name, value in (("from", first), ("size", size)):
        if value < 0:
            raise errors.illegal_argument(f"Parameter [{name}] cannot be < 0")
    return first, size


_BASE: Final = "/_ml/trained_models"
ROUTES: Final = (
    Route("POST", f"{_BASE}/{{model_id}}/deployment/_start", "start", start),
    Route("POST", f"{_BASE}/{{model_id}}/deployment/_update", "update", update, lambda version: version.update),
    Route("POST", f"{_BASE}/{{model_id}}/deployment/_stop", "stop", stop),
    Route("GET", f"{_BASE}/_stats", "stats", get_stats),
    Route("GET", f"{_BASE}/{{model_id}}/_stats", "stats", get_stats),
)

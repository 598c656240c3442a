# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the deployment and nodes of a request for inference, and play what happens there; waiting is not here.

Order and texts follow Elasticsearch's public transport actions for inference; server-behaviour.md 6, for
deployments without allocations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..wire import errors
from ..wire.values import TimeValue
from . import inference_config, operations, scaler
from .assignment import FAILED, STARTED, STARTING, STOPPING, Assignment
from .cluster import Cluster
from .inferences import InferenceFailure
from .model_config import PYTORCH
from .models import Model
from .unknowns import BY_VERSION
from .usage import Usage
from .work import Job, Task

Json = dict[str, Any]
MAX_WAITING: Final = 100
DEFAULT_TIMEOUT: Final = TimeValue(10 * 10**9, "10s")
_PREFERENCE: Final = (STARTED, STARTING, STOPPING, FAILED)


@dataclasses.dataclass
class InferRequest:
    """``docs`` and the rest of the body; ``id`` is a model, deployment or alias."""

    id: str
    docs: list[Json]
    update: inference_config.Update | None = None
    timeout: TimeValue = DEFAULT_TIMEOUT


@dataclasses.dataclass
class Sent:
    """One document on its node; without ``task`` the queue was full, ``error`` came before the process."""

    usage: Usage
    node_id: str
    text: str = ""
    task: Task | None = None
    error: errors.ApiError | None = None
    failure: InferenceFailure | None = None


# --- where ---


def find(cluster: Cluster, name: str) -> Assignment | None:
    """Return the deployment of a name: by its id, or any of the model's, started ones first."""
    concrete = cluster.aliases.get(name, name)
    if concrete in cluster.assignments:
        return cluster.assignments[concrete]
    mine = [each for each in cluster.assignments.values() if each.params.model_id == concrete]
    # The server shuffles deployments of equal state; the emulator takes the first.
    return min(mine, key=lambda each: _PREFERENCE.index(each.state), default=None)


def undeployed(cluster: Cluster, name: str) -> Model:
    """Return the model of a name that leads to no deployment; a PyTorch model must be deployed."""
    model = cluster.resolve_model(name)
    if model is None:
        raise errors.not_found(f"Could not find trained model [{name}]")
    if model.model_type == PYTORCH:
        advice = "Please deploy with the start trained model deployment API."
        raise errors.status(409, f"Model [{name}] must be deployed to use. {advice}")
    return model


def check_state(cluster: Cluster, assignment: Assignment) -> None:
    """Refuse requests to a deployment that stops (around-deployments.md 5.1)."""
    if assignment.state == STOPPING:
        state = f"[{STOPPING}]" if cluster.version.deployment_id else STOPPING.upper()
        raise errors.status(409, f"Trained model [{assignment.params.deployment_id}] is {state}")


def check_initialized(cluster: Cluster, assignment: Assignment) -> None:
    """Refuse requests to processes that load again after a restart of the cluster (around-deployments.md 5.1)."""
    deployment_id = assignment.params.deployment_id
    if cluster.now() < cluster.inferences.loading.get(deployment_id, 0):
        raise errors.status(409, f"Trained model [{deployment_id}] is not initialized")


def targets(assignment: Assignment) -> dict[str, int]:
    """Return nodes that take requests, with their allocations; those that are leaving if there are no others."""
    found = {node_id: route.current for node_id, route in assignment.routes.items() if route.routable}
    if found:
        return found
    return {node_id: max(1, route.current) for node_id, route in assignment.routes.items() if route.state == STOPPING}


def spread(cluster: Cluster, assignment: Assignment, count: int) -> list[str]:
    """Return a node for each document, by turns and as often as the node has allocations; the server draws lots."""
    weights = targets(assignment)
    wheel = [node_id for node_id, number in sorted(weights.items()) for _turn in range(number)]
    deployment_id = assignment.params.deployment_id
    turn = cluster.inferences.turns.get(deployment_id, 0)
    cluster.inferences.turns[deployment_id] = turn + count
    return [wheel[(turn + number) % len(wheel)] for number in range(count)]


# --- scale from zero ---


def not_allocated(cluster: Cluster, name: str) -> str:
    """Return the beginning of the refusal, which is all of it if nothing can be woken (around-deployments.md 5.1)."""
    what = "Trained model deployment" if cluster.version.deployment_id else "Trained model"
    return f"{what} [{name}] is not allocated to any nodes"


def wake(cluster: Cluster, assignment: Assignment) -> bool:
    """Request one allocation; return whether the deployment is one that wakes (adaptive: server-behaviour.md 6)."""
    return scaler.wake(cluster, assignment.params.deployment_id)


def newest_waiting(cluster: Cluster) -> bool:
    """Return whether waiting ends in 408 and 409 instead of 500.

    The first version is [U], the newest public code has it.
    """
    chosen = cluster.choices["scale_from_zero_errors"]
    return cluster.version.at_least((9, 5, 0)) if chosen == BY_VERSION else chosen == "newest"


def woken(cluster: Cluster, assignment: Assignment) -> bool:
    """Return whether a waiting request can go on; raise ``ApiError`` if it never will."""
    deployment_id = assignment.params.deployment_id
    newest = newest_waiting(cluster)
    if cluster.assignments.get(deployment_id) is not assignment:
        if not newest:
            return False
        what = "Error waiting for a model allocation, model assignment has been removed"
        raise errors.status(409, f"[{deployment_id}] {what}")
    failed = {node_id: route.reason for node_id, route in assignment.routes.items() if route.state == FAILED}
    if failed and len(failed) == len(assignment.routes) and not newest:
        raise all_failed(deployment_id, failed, 500)
    return any(route.routable for route in assignment.routes.values())


def all_failed(deployment_id: str, failed: Mapping[str, str | None], status: int) -> errors.ApiError:
    """Return the error of a model that no node could load."""
    listed = ", ".join(f"{node_id}={reason}" for node_id, reason in sorted(failed.items()))
    what = "Error waiting for a model allocation, all nodes have failed with errors"
    return errors.status(status, f"[{deployment_id}] {what} [{{{listed}}}]")


def waited_too_long(cluster: Cluster, assignment: Assignment, timeout: TimeValue) -> errors.ApiError:
    """Return the error of a first allocation that did not come in time."""
    deployment_id = assignment.params.deployment_id
    if not newest_waiting(cluster):
        return errors.ApiError(
            500, "illegal_state_exception", f"Timed out when waiting for trained model assignment after {timeout}"
        )
    failed = {node_id: route.reason for node_id, route in assignment.routes.items() if route.state == FAILED}
    if failed:
        return all_failed(deployment_id, failed, 409)
    return operations.start_timed_out(deployment_id, timeout, cluster.choices)


# --- on the nodes ---


def submit(cluster: Cluster, assignment: Assignment, request: InferRequest) -> list[Sent]:
    """Put each document into the queue of a node."""
    if not request.docs:
        raise errors.validation(["at least one document is required "])
    model = cluster.models.get(assignment.params.model_id)
    merged = _configured(assignment, model, request.update)
    sent = []
    for doc, node_id in zip(request.docs, spread(cluster, assignment, len(request.docs)), strict=True):
        usage = cluster.usage.get((assignment.params.deployment_id, node_id))
        if usage is None:
            raise errors.status(409, f"[{assignment.params.deployment_id}] process context missing")
        sent.append(_send(cluster, assignment, Sent(usage, node_id), doc, model, merged, request.timeout))
    return sent


def _configured(
    assignment: Assignment, model: Model | None, update: inference_config.Update | None
) -> inference_config.Settings:
    """Return the model's inference configuration with the request's on top; another task is 403."""
    stored = inference_config.stored({} if model is None else model.config)
    if update is None:
        return stored
    if not stored.supports(update):
        what = f"is configured for task [{stored.task}] but called with task [{update.task}]"
        raise errors.status(403, f"Trained model [{assignment.params.model_id}] {what}")
    return stored.apply(update)


def _send(
    cluster: Cluster,
    assignment: Assignment,
    sent: Sent,
    doc: Json,
    model: Model | None,
    settings: inference_config.Settings,
    timeout: TimeValue,
) -> Sent:
    fields = ["input"] if model is None else model.config.get("input", {}).get("field_names", ["input"])
    try:
        sent.text = extract(doc, fields[0])
        inference_config.check_input(settings, sent.text)
    except errors.ApiError as error:
        # The server finds this when the request's turn comes; it never reaches the native process.
        sent.error = error
        return sent
    sent.failure = cluster.inferences.take_failure(assignment.params.deployment_id)
    job = Job(cache_key(settings, sent.text), time_of(cluster, assignment), max(0, timeout.nanos), bool(sent.failure))
    sent.task = enqueue(cluster, assignment, sent.usage, sent.node_id, job)
    return sent


def cache_key(settings: inference_config.Settings, text: str) -> str:
    """Return the native process's input: labels and questions are part of it, result fields are not."""
    given = [
        settings.values.get(name) for name in ("labels", "question", "text", "truncate") if name in settings.values
    ]
    return f"{text}\0{given}" if given else text


def time_of(cluster: Cluster, assignment: Assignment) -> float:
    """Return the milliseconds of one inference: more threads make it shorter."""
    return cluster.inferences.times_ms.get(assignment.params.deployment_id, 0.0) / (
        assignment.params.threads_per_allocation
    )


def enqueue(cluster: Cluster, assignment: Assignment, usage: Usage, node_id: str, job: Job) -> Task | None:
    """Put a job into one node's queue; a full one counts a rejection."""
    now = cluster.now()
    usage.settle(now)
    allocations = assignment.routes[node_id].current
    cache = assignment.params.cache_bytes if cluster.version.cache_size else 0
    task = usage.work.submit(job, now, allocations, assignment.params.queue_capacity, cache)
    if task is None:
        usage.rejected += 1
    return task


def first_error(sent: Sequence[Sent], gone: Sequence[bool], timeout: TimeValue) -> errors.ApiError | None:
    """Return the first failure in the order of the documents; any fails all."""
    for each, is_gone in zip(sent, gone, strict=True):
        error = _error(each, is_gone, timeout)
        if error is not None:
            return error
    return None


def _error(sent: Sent, is_gone: bool, timeout: TimeValue) -> errors.ApiError | None:
    if sent.error is not None:
        return sent.error
    if sent.task is None:
        reason = "inference process queue is full. Unable to execute command"
        return errors.ApiError(429, "es_rejected_execution_exception", reason)
    if sent.task.outcome == "timeout":
        return errors.status(408, f"timeout [{timeout}] waiting for inference result")
    if is_gone:
        return errors.status(500, f"Error in inference process: [{sent.usage.ended}]")
    if sent.failure is None:
        return None
    if sent.failure.status is not None:
        return errors.status(sent.failure.status, sent.failure.reason)
    return errors.status(500, f"Error in inference process: [{sent.failure.reason}]")


def _value(doc: Json, field: str) -> Any:
    """Return a field, which may be nested."""
    if field in doc:
        return doc[field]
    value: Any = doc
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def has_field(doc: Json, field: str) -> bool:
    """Return whether a document has a value in a field."""
    return _value(doc, field) is not None


def extract(doc: Json, field: str) -> str:
    """Return the text of the model's one input field, which may be nested."""
    value = _value(doc, field)
    if value is None:
        raise errors.status(400, f"Input field [{field}] does not exist in the source document")
    if not isinstance(value, str):
        raise errors.status(400, f"Input value [{_java(value)}] for field [{field}] must be a string")
    return value


def _java(value: Any) -> str:
    """Return it as Java prints maps, lists and plain values."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_java(each) for each in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={_java(each)}' for key, each in value.items())}}}"
    return "null" if value is None else str(value)

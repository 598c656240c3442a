# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, update and stop of a deployment: the server's checks in its order, then the commit.

Source: server-behaviour.md 3.1 to 3.4, 4.3 to 4.6. Waiting is not here.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from ..planner import reduce
from ..wire import errors
from ..wire.values import ByteSize
from . import architectures, endpoints, licence, models, node_versions, planning, rebalance
from .adaptive import RESET, AdaptiveSettings
from .assignment import FAILED, STARTED, STARTING, STOPPED_BY_CLIENT, STOPPING, Assignment, TaskParams
from .cluster import Cluster
from .model_config import PYTORCH
from .models import Model
from .nodes import Node
from .requests import WAIT_STATES, StartRequest, StopRequest, UpdateRequest
from .unknowns import Choices

MAX_DEPLOYMENTS: Final = 100
NO_CAPACITY: Final = "Could not start deployment because no ML nodes with sufficient capacity were found"
NOT_ENOUGH: Final = (
    "Could not {} deployment because there are not enough resources to provide all requested allocations"
)
NUMBER_WITH_ADAPTIVE: Final = "[number_of_allocations] cannot be set if adaptive allocations is enabled"


# --- start ---


def start(cluster: Cluster, request: StartRequest) -> Assignment:
    """Follow server-behaviour.md 3.1 row 3 to 3.1 row 19, and commit."""
    deployment_id = request.deployment_id if request.deployment_id is not None else request.model_id
    _check_cluster(cluster, deployment_id)
    if deployment_id in cluster.assignments:
        raise errors.status(
            400,
            f"Could not start model deployment because an existing deployment with the same id [{deployment_id}] exist",
        )
    endpoints.check_start(cluster, request.model_id)
    model = _deployable(cluster, request.model_id, deployment_id)
    if cluster.version.at_least((8, 12, 0)):
        architectures.check(architectures.of_nodes(cluster), model.config.get("platform_architecture"), model.id)
    if cluster.settings.get("feature_reset"):
        what = f"cannot create new assignment [{deployment_id}] for model [{model.id}]"
        raise errors.status(409, f"{what} while feature reset is in progress.")
    assignment = _created(cluster, request, model, deployment_id)
    proposals = rebalance.propose(cluster, {**cluster.assignments, deployment_id: assignment}, new=deployment_id) or {}
    _check_room(cluster, proposals[deployment_id], assignment.params.number_of_allocations)
    cluster.put_assignment(assignment)
    cluster.apply(proposals)
    cluster.rebalanced("model deployment started")
    _check_architectures(cluster, assignment)
    cluster.publish(by_api=True)
    return assignment


def _check_architectures(cluster: Cluster, assignment: Assignment) -> None:
    """Follow server-behaviour.md 3.1, last row: where nodes differ, what was just planned is stopped again."""
    found = sorted({node.architecture for node in cluster.assignable().values()})
    if len(found) < 2:
        return
    deployment_id = assignment.params.deployment_id
    if cluster.choices["several_architectures"] == "not_found":
        cluster.drop_assignment(deployment_id)
    why = "ML nodes in this cluster have multiple platform architectures, but can only have one for this model"
    listed = ", ".join(found)
    set_to_stopping(
        cluster, deployment_id, f"{why} ([{assignment.params.model_id}]); detected architectures: [{listed}]"
    )


def _check_cluster(cluster: Cluster, deployment_id: str) -> None:
    licence.check_ml(cluster)
    node_versions.check_start(cluster, deployment_id)
    if len(cluster.assignments) >= MAX_DEPLOYMENTS:
        raise errors.status(
            429,
            f"Could not start model deployment because existing deployments reached the limit of [{MAX_DEPLOYMENTS}]",
        )


def _deployable(cluster: Cluster, name: str, deployment_id: str) -> Model:
    model = _one_model(cluster, name)
    if model.model_type != PYTORCH:
        raise errors.status(400, f"model [{model.id}] of type cannot be deployed. Only PyTorch models can be deployed")
    if not model.has_location:
        raise errors.ApiError(500, "exception", f"model [{model.id}] does not have location")
    # An alias counts as its model, and is not looked up if the path names it, too (around-deployments.md 3).
    if name != deployment_id and cluster.resolve_model(deployment_id) is not None:
        reason = (
            f"Deployment id [{deployment_id}] is the same as an another model which is not the model being deployed. "
        )
        raise errors.status(
            400, reason + "Deployment id can be the same as the model being deployed but cannot match a different model"
        )
    if not model.settle(cluster.now()):
        raise StillDownloading(model)
    if not model.has_definition:
        raise errors.not_found(f"Could not find trained model definition [{model.id}]")
    _check_totals(model)
    if not model.complete:
        raise errors.status(
            400, f"Model definition truncated. Unable to deserialize trained model definition [{model.id}]"
        )
    return model


def _check_totals(model: Model) -> None:
    """Refuse parts that announce different lengths of the whole (public source of the start action)."""
    if not model.parts:
        return
    first = min(model.parts)
    for number, part in sorted(model.parts.items()):
        if part.total_bytes != model.parts[first].total_bytes:
            rule = f"[{model.id}] [total_definition_length] must be the same in all model definition parts."
            this = f"The value [{part.total_bytes}] in model definition part [{number}]"
            that = f"the value [{model.parts[first].total_bytes}] in part [{first}]"
            advice = "Unable to deploy model, please delete and recreate the model definition"
            raise errors.status(400, f"{rule} {this} does not match {that}. {advice}")


class StillDownloading(errors.ApiError):
    """Follow server-behaviour.md 3.1 row 13: the error of a start whose model is not downloaded in time."""

    def __init__(self, model: Model) -> None:
        advice = f"Wait for trained model [{model.id}] download task to complete then try again"
        super().__init__(408, "status_exception", f"Model download task is currently running. {advice}")
        self.model = model


def _one_model(cluster: Cluster, name: str) -> Model:
    model = cluster.resolve_model(name)
    if model is not None:
        return model
    found = models.expand(name, list(cluster.models))
    if len(found) > 1:
        raise errors.status(
            400, f"cannot deploy more than one model at the same time; [{name}] matches models [{', '.join(found)}]"
        )
    if not found:
        raise errors.not_found(f"Could not find trained model [{name}]")
    return cluster.models[found[0]]


def _created(cluster: Cluster, request: StartRequest, model: Model, deployment_id: str) -> Assignment:
    cache = request.cache_size if request.cache_size is not None else ByteSize(model.bytes, f"{model.bytes}b")
    params = TaskParams(
        model_id=model.id,
        deployment_id=deployment_id,
        model_bytes=model.bytes,
        number_of_allocations=request.computed_number,
        threads_per_allocation=request.threads_per_allocation,
        queue_capacity=request.queue_capacity,
        cache_size=cache,
        priority=request.priority,
        per_deployment_memory_bytes=model.per_memory("per_deployment_memory_bytes"),
        per_allocation_memory_bytes=model.per_memory("per_allocation_memory_bytes"),
    )
    return Assignment(
        params, cluster.version, cluster.now() // 1000 * 1000, adaptive=_adaptive_at_start(cluster, request)
    )


def _adaptive_at_start(cluster: Cluster, request: StartRequest) -> AdaptiveSettings | None:
    """Return the settings of a start.

    Serverless always scales, also without settings (server-behaviour.md 8; bounds [U]).
    """
    if cluster.flavor != "serverless" or (request.adaptive is not None and request.adaptive.is_enabled):
        return request.adaptive
    return AdaptiveSettings(True, 0, max(request.computed_number, 1))


def _check_room(cluster: Cluster, proposal: rebalance.Proposal, number: int) -> None:
    if cluster.scaling_possible() or proposal.total_target >= number:
        return
    if not proposal.routes:
        words = "Could not start deployment because no suitable nodes were found, allocation explanation"
        cause = errors.ApiError(500, "illegal_state_exception", f"{words} [{proposal.reason or 'none'}]")
        raise errors.status(429, NO_CAPACITY, cause)
    raise errors.status(429, NOT_ENOUGH.format("start"))


def fail_route(cluster: Cluster, assignment: Assignment, node_id: str | None, reason: str) -> None:
    """Report that a node cannot run the model; by default it is the first node."""
    named = next(iter(sorted(assignment.routes)), None) if node_id is None else node_id
    if named not in assignment.routes:
        raise ValueError(f"the new deployment has no route on [{named}]; it has {sorted(assignment.routes)}")
    assignment.routes[named].state, assignment.routes[named].reason = FAILED, reason
    cluster.publish()


def started_enough(cluster: Cluster, deployment_id: str, wait_for: str) -> bool:
    """Return whether a start may stop waiting (server-behaviour.md 3.1, wait logic).

    Raise ``ApiError`` if it has failed.
    """
    assignment = cluster.assignments.get(deployment_id)
    if assignment is None:
        raise errors.status(
            400,
            "Error waiting for the model deployment to start. The trained model assignment was removed while waiting",
        )
    failed = {node_id: route.reason for node_id, route in assignment.routes.items() if route.state == "failed"}
    if failed:
        listed = ", ".join(f"{node_id}={reason}" for node_id, reason in failed.items())
        raise StartFailed(
            f"Could not start trained model deployment, the following nodes failed with errors [{{{listed}}}]"
        )
    state = assignment.allocation_state()
    if state is None or WAIT_STATES.index(state) >= WAIT_STATES.index(wait_for):
        return True
    return all(route.state != STARTING for route in assignment.routes.values())


class StartFailed(errors.ApiError):
    """The failure of a route while the start waited: 500, and the assignment is deleted."""

    def __init__(self, reason: str) -> None:
        super().__init__(500, "status_exception", reason)


def start_timed_out(deployment_id: str, timeout: object, choices: Choices) -> errors.ApiError:
    """Follow server-behaviour.md 3.1 row 22: the assignment stays and goes on starting."""
    words = "Use the trained model stats API to track the state of the deployment and try again once it has started."
    reason = f"Timed out after [{timeout}] waiting for trained model deployment [{deployment_id}] to start. {words}"
    if choices["start_timeout_text"] == "starting_deployment_timed_out":
        reason = f"Starting deployment timed out after [{timeout}]"
    return errors.ApiError(408, choices["start_timeout_type"], reason)


# --- update ---


def update(cluster: Cluster, request: UpdateRequest) -> Assignment:
    """Follow server-behaviour.md 3.2 row 5 to 3.2 row 12, and commit. Even one that changes nothing is audited: 3.4."""
    if not (request.internal or request.by_endpoint):
        endpoints.check_update(cluster, request.deployment_id)
    assignment = cluster.assignments.get(request.deployment_id)
    if assignment is None:
        raise errors.not_found(f"No known model deployment with id [{request.deployment_id}]")
    given = _as_master_reads(cluster, request.adaptive)
    merged = _merged(assignment.adaptive, given)
    _check_settings(request, merged)
    number = request.number_of_allocations
    _check_low_priority(cluster, assignment, number, merged)
    same_number = number is None or number == assignment.params.number_of_allocations
    if not (same_number and (given is None or given == assignment.adaptive)):
        _change(cluster, assignment, None if same_number else number, merged)
    cluster.audit_line(
        assignment.params.model_id, f"Updated number_of_allocations to [{'null' if number is None else number}]"
    )
    return assignment


def update_by_endpoint(
    cluster: Cluster, deployment_id: str, number: int | None, adaptive: AdaptiveSettings | None
) -> Assignment:
    """Update as an inference endpoint requests it; whether the number is checked like other clients' is [U]."""
    internal = cluster.version.endpoint_update_check and cluster.choices["endpoint_update_is_internal"] == "yes"
    request = UpdateRequest(deployment_id, number, adaptive, internal=internal, by_endpoint=True)
    if complaints := request.complaints():
        raise errors.validation(complaints)
    return update(cluster, request)


def _as_master_reads(cluster: Cluster, given: AdaptiveSettings | None) -> AdaptiveSettings | None:
    """Read the settings as the master does: on the wire the reset loses its identity and reads as plain settings.

    See server-behaviour.md 7 item 5.
    """
    return dataclasses.replace(RESET) if given is RESET and not cluster.is_master_node else given


def _merged(stored: AdaptiveSettings | None, given: AdaptiveSettings | None) -> AdaptiveSettings | None:
    if given is None:
        return stored
    if given is RESET:
        return None
    return given if stored is None else stored.merge(given)


def _check_settings(request: UpdateRequest, merged: AdaptiveSettings | None) -> None:
    if merged is None:
        return
    if merged.is_enabled and request.number_of_allocations is not None and not request.internal:
        raise errors.validation([NUMBER_WITH_ADAPTIVE], "validation_exception")
    complaints = merged.complaints()
    if complaints:
        raise errors.validation(complaints)


def _change(cluster: Cluster, assignment: Assignment, number: int | None, merged: AdaptiveSettings | None) -> None:
    if assignment.state != STARTED:
        raise errors.status(409, "cannot update deployment that is not in [started] state")
    changed = merged != assignment.adaptive
    if number is not None:
        set_number(cluster, assignment, number)
        changed = True
    assignment.adaptive = merged
    if changed:
        cluster.publish(by_api=True)


def _check_low_priority(
    cluster: Cluster, assignment: Assignment, number: int | None, merged: AdaptiveSettings | None
) -> None:
    """Refuse as newer patches do, whatever state the deployment is in (server-behaviour.md 3.2 row 8b)."""
    if assignment.params.priority != "low" or not cluster.choices.decides(
        "low_priority_update", cluster.version.low_priority_adaptive
    ):
        return
    given = {"number_of_allocations": number, "max_number_of_allocations": merged.maximum if merged else None}
    for name, value in given.items():
        if value is not None and value > 1:
            raise errors.validation([f"[{name}] must be 1 when [priority] is low"], "validation_exception")


def set_number(cluster: Cluster, assignment: Assignment, number: int) -> None:
    """Follow server-behaviour.md 4.3 and 4.4.

    Up plans everything again, down takes allocations away; the caller publishes.
    """
    if number > assignment.params.number_of_allocations:
        _increase(cluster, assignment, number)
    else:
        _decrease(cluster, assignment, number)


def _increase(cluster: Cluster, assignment: Assignment, number: int) -> None:
    desired = dataclasses.replace(
        assignment, params=dataclasses.replace(assignment.params, number_of_allocations=number)
    )
    proposals = rebalance.propose(cluster, {**cluster.assignments, assignment.params.deployment_id: desired})
    before = assignment.total_target
    placed = before if proposals is None else proposals[assignment.params.deployment_id].total_target
    if placed < number and not cluster.scaling_possible():
        raise errors.status(429, NOT_ENOUGH.format("update"))
    assignment.params.number_of_allocations = number
    if proposals is not None:
        cluster.apply(proposals)
    if placed > before:
        cluster.rebalanced("model deployment updated")


def _decrease(cluster: Cluster, assignment: Assignment, number: int) -> None:
    total = assignment.total_target
    if number >= total:
        assignment.params.number_of_allocations = number
        if number == total:
            assignment.reason = None
        return
    zones = {zone: [node.id for node in nodes] for zone, nodes in planning.zones(cluster, _ml_nodes(cluster)).items()}
    targets = {node_id: route.target for node_id, route in assignment.routes.items()}
    try:
        left = reduce.reduce_allocations(targets, zones, number)
    except reduce.NothingToReduce:
        raise NothingToReduce from None
    assignment.params.number_of_allocations = number
    for node_id in list(assignment.routes):
        if node_id in left:
            assignment.routes[node_id].target = left[node_id]
        else:
            del assignment.routes[node_id]
            cluster.usage.pop((assignment.params.deployment_id, node_id), None)
    assignment.reason = None


class NothingToReduce(errors.ApiError):  # noqa: N818
    """The nodes in zones have too little already (server-behaviour.md 3.2 row 15)."""

    def __init__(self) -> None:
        reason = "request to reduce allocations is greater than or equal to the existing target number of allocations"
        super().__init__(400, "illegal_argument_exception", reason)


def _ml_nodes(cluster: Cluster) -> list[Node]:
    """Return the reducer's nodes, which include those that shut down."""
    return [node for node in cluster.nodes.values() if node.ml]


# --- stop ---


def stop(cluster: Cluster, request: StopRequest) -> bool:
    """Follow server-behaviour.md 3.3 and commit; return whether there is something to wait for."""
    assignment = cluster.assignments.get(request.deployment_id)
    if assignment is None:
        if request.allow_no_match:
            return False
        raise errors.not_found(f"No known model deployment with id [{request.deployment_id}]")
    if not request.force:
        _check_references(cluster, request.deployment_id)
        endpoints.check_stop(cluster, request.deployment_id)
    if set_to_stopping(cluster, request.deployment_id, STOPPED_BY_CLIENT):
        cluster.publish(by_api=True)
    return True


def set_to_stopping(cluster: Cluster, deployment_id: str, reason: str) -> bool:
    """Let an assignment enter ``stopping``, and return whether it was not in it; the caller publishes."""
    if deployment_id not in cluster.assignments:
        raise errors.not_found(f"assignment with id [{deployment_id}] not found")
    assignment = cluster.assignments[deployment_id]
    entered = assignment.state != STOPPING
    assignment.stop(reason)
    return entered


def _check_references(cluster: Cluster, deployment_id: str) -> None:
    if cluster.references(deployment_id):
        subject = (
            f"deployment [{deployment_id}]"
            if cluster.version.deployment_id
            else f"deployment for model [{deployment_id}]"
        )
        raise errors.status(
            409, f"Cannot stop {subject} as it is referenced by ingest processors; use force to stop the deployment"
        )
    for alias, model_id in sorted(cluster.aliases.items()):
        if model_id == deployment_id and cluster.references(alias):
            what = f"Cannot stop deployment [{deployment_id}] as it has a model_alias [{alias}]"
            advice = "that is still referenced by ingest processors; use force to stop the deployment"
            raise errors.status(409, f"{what} {advice}")

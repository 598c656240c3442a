# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve ``_stats``: select the rows and render each.

Source: server-behaviour.md 1.4 and 2.3; ``assignment_stats`` and ``models_stats`` records.
"""

from __future__ import annotations

from typing import Any, Final

from ..state import models
from ..state.assignment import FAILED, STARTED, STOPPED, Assignment
from ..state.cluster import Cluster
from ..state.model_config import PYTORCH
from ..state.models import Model
from ..state.usage import Usage
from ..wire import errors
from ..wire.values import human_bytes, millis_text

ALL_FAILED: Final = "All node routes are failed; see node route reason for details"
_UNUSED: Final = Usage()
_NATIVE_BASE: Final = 36
"""The bytes that the records add to the plain estimate in ``required_native_memory_bytes``."""


def rows(
    cluster: Cluster, expression: str, *, human: bool, start: int, size: int, allow_no_match: bool
) -> dict[str, Any]:
    """Return the answer body for ``expression``, a comma-separated list of model ids, deployment ids and patterns."""
    known_models = list(cluster.models)
    desired_models = set(models.expand(expression, known_models))
    desired_models |= {cluster.aliases[token] for token in expression.split(",") if token in cluster.aliases}
    desired_deployments = set(_matched_deployments(cluster, expression))
    names = set(known_models) | set(cluster.assignments) | set(cluster.aliases)
    _check_matches(cluster, expression, names, bool(desired_models or desired_deployments), allow_no_match)
    by_model: dict[str, list[str] | None] = {model_id: None for model_id in desired_models}
    for deployment_id in _with_models(cluster, expression, desired_deployments):
        listed = by_model.setdefault(cluster.assignments[deployment_id].params.model_id, [])
        if listed is not None:
            listed.append(deployment_id)
    page = sorted(by_model)[start : start + size]
    deployed = _by_model(cluster)
    found = [
        row
        for model_id in page
        for row in _model_rows(cluster, model_id, deployed.get(model_id, []), by_model[model_id], human=human)
    ]
    return {"count": len(by_model), "trained_model_stats": found}


def _matched_deployments(cluster: Cluster, expression: str) -> list[str]:
    return models.expand(expression, list(cluster.assignments)) if cluster.version.deployment_id else []


def _check_matches(cluster: Cluster, expression: str, names: set[str], any_match: bool, allow_no_match: bool) -> None:
    """Refuse an exact id that matches nothing with 404, whatever ``allow_no_match`` says; the text is [U]."""
    missing = models.missing_exact(expression, names)
    if missing or not (any_match or allow_no_match):
        named = ",".join(missing) or expression
        raise _missing(cluster, named)


def _missing(cluster: Cluster, named: str) -> errors.ApiError:
    if cluster.choices["stats_missing_text"] == "could_not_find_trained_model":
        return errors.not_found(f"Could not find trained model [{named}]")
    return models.missing_model(named, cluster.version)


def _with_models(cluster: Cluster, expression: str, deployment_ids: set[str]) -> list[str]:
    """Return the deployments whose models still exist.

    The models of deployments that are named must be stored; asked for everything, the server looks at stored models
    only (public source of the action that gets statistics of trained models, 8.8 and later).
    """
    found = {each: cluster.assignments[each].params.model_id for each in sorted(deployment_ids)}
    gone = sorted({model_id for model_id in found.values() if model_id not in cluster.models})
    if gone and expression not in models.WILDCARDS:
        raise _missing(cluster, ",".join(gone))
    return [each for each, model_id in found.items() if model_id in cluster.models]


def _by_model(cluster: Cluster) -> dict[str, list[str]]:
    """Return deployments of each model, in order."""
    found: dict[str, list[str]] = {}
    for deployment_id in sorted(cluster.assignments):
        found.setdefault(cluster.assignments[deployment_id].params.model_id, []).append(deployment_id)
    return found


def _model_rows(
    cluster: Cluster, model_id: str, mine: list[str], only: list[str] | None, *, human: bool
) -> list[dict[str, Any]]:
    """Return one row for each deployment, or one without deployment if there is none.

    A deployment whose statistics could not be fetched has no row (server-behaviour.md 10).
    """
    base = _model_part(cluster, model_id, mine if only is None else only, human=human)
    if not mine:
        return [base]
    found = []
    for deployment_id in mine:
        if (only is None or deployment_id in only) and deployment_id not in cluster.inferences.unfetched_deployments:
            each = cluster.assignments[deployment_id]
            usages = _usages(cluster, deployment_id, each)
            overall = _overall(cluster, usages)
            stats = _deployment_stats(cluster, each, usages, human=human)
            found.append({**base, "inference_stats": overall, "deployment_stats": stats})
    return found


def _model_part(cluster: Cluster, model_id: str, deployments: list[str], *, human: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"model_id": model_id}
    model = cluster.models.get(model_id)
    if model is not None and model_id not in cluster.inferences.unfetched_sizes:
        needed = _required(cluster, model, deployments)
        sizes = _bytes("model_size", model.bytes, human=human) | _bytes("required_native_memory", needed, human=human)
        body["model_size_stats"] = sizes
    names = {model_id, *deployments}
    body["pipeline_count"] = len({pipeline for name in names for pipeline in cluster.references(name)})
    return body


def _required(cluster: Cluster, model: Model, deployments: list[str]) -> int:
    """Return the native memory of a model with all allocations of the matched deployments; none without a definition.

    Source: server-behaviour.md 2.3 (it varies with the query) and server-behaviour.md 5.1 (the estimate).
    """
    if model.bytes <= 0 or model.model_type != PYTORCH:
        return 0
    base = 240 * (1 << 20) + 2 * model.bytes + _NATIVE_BASE
    once, each = (model.per_memory(f"per_{name}_memory_bytes") for name in ("deployment", "allocation"))
    if not (once > 0 and each > 0 and cluster.version.per_memory):
        return base
    listed = (cluster.assignments[name].params.number_of_allocations for name in deployments)
    return max(base, once + each * sum(listed) + model.bytes)


def _bytes(name: str, amount: int, *, human: bool) -> dict[str, Any]:
    return {name: human_bytes(amount), f"{name}_bytes": amount} if human else {f"{name}_bytes": amount}


def inference_stats(cluster: Cluster, deployment_id: str, each: Assignment) -> dict[str, Any]:
    """Return the row's ``inference_stats``: summed over the nodes."""
    return _overall(cluster, _usages(cluster, deployment_id, each))


def _overall(cluster: Cluster, usages: list[Usage]) -> dict[str, Any]:
    failures = inferences = 0
    for usage in usages:
        failures += usage.errors + usage.timeouts + usage.rejected
        inferences += usage.inferences
    return {
        "failure_count": failures,
        "inference_count": inferences,
        "cache_miss_count": 0,
        "missing_all_fields_count": 0,
        "timestamp": cluster.now() // 1_000_000,
    }


def _usages(cluster: Cluster, deployment_id: str, each: Assignment) -> list[Usage]:
    """Return the counters of all nodes whose rows show them, as they are now."""
    now = cluster.now()
    found = (cluster.usage.get((deployment_id, node_id)) for node_id in _running_nodes(cluster, each))
    return [_UNUSED if usage is None else usage.settle(now) for usage in found]


def deployment_stats(cluster: Cluster, each: Assignment, *, human: bool) -> dict[str, Any]:
    """Return the row's ``deployment_stats``."""
    return _deployment_stats(cluster, each, _usages(cluster, each.params.deployment_id, each), human=human)


def _deployment_stats(cluster: Cluster, each: Assignment, usages: list[Usage], *, human: bool) -> dict[str, Any]:
    params, version = each.params, each.version
    body: dict[str, Any] = {}
    if version.deployment_id:
        body["deployment_id"] = params.deployment_id
    body["model_id"] = params.model_id
    if version.assignment_names:
        body |= {
            "threads_per_allocation": params.threads_per_allocation,
            "number_of_allocations": params.number_of_allocations,
        }
    else:
        body |= {"inference_threads": params.threads_per_allocation, "model_threads": params.number_of_allocations}
    if each.adaptive is not None:
        body["adaptive_allocations"] = each.adaptive.as_json()
    body["queue_capacity"] = params.queue_capacity
    body |= _state_part(each)
    if version.cache_size and params.cache_size is not None:
        body["cache_size"] = params.cache_size.human()
    if version.priority:
        body["priority"] = params.priority
    body |= _time("start_time", each.start_time // 1_000_000, human=human)
    body |= _counters(usages, with_inferences=True)
    body["peak_throughput_per_minute"] = sum(usage.peak_throughput for usage in usages)
    body["nodes"] = [_node_row(cluster, each, node_id, human=human) for node_id in each.routes]
    return body


def _state_part(each: Assignment) -> dict[str, Any]:
    """Return state and reason; ``failed`` exists only here: when there are routes and all of them failed."""
    state, reason = each.state, each.reason
    if each.routes and all(route.state == FAILED for route in each.routes.values()):
        state, reason = FAILED, reason or ALL_FAILED
    body: dict[str, Any] = {"state": state}
    if reason is not None:
        body["reason"] = reason
    status = each.allocation_status()
    if status is not None:
        body["allocation_status"] = status
    return body


def _time(name: str, millis: int, *, human: bool) -> dict[str, Any]:
    return {f"{name}_string": millis_text(millis), name: millis} if human else {name: millis}


def _counters(usages: list[Usage], *, with_inferences: bool) -> dict[str, int]:
    """Return the counts that are shown only above zero."""
    failed = rejected = timeouts = inferences = 0
    for usage in usages:
        failed += usage.errors
        rejected += usage.rejected
        timeouts += usage.timeouts
        inferences += usage.inferences
    sums = {"error_count": failed, "rejected_execution_count": rejected, "timeout_count": timeouts}
    if with_inferences:
        sums["inference_count"] = inferences
    return {name: count for name, count in sums.items() if count > 0}


def _running_nodes(cluster: Cluster, each: Assignment) -> list[str]:
    """Return the nodes whose rows show what was counted: only they enter the sums."""
    return [node_id for node_id, route in each.routes.items() if route.state == STARTED and node_id in cluster.nodes]


def _node_row(cluster: Cluster, each: Assignment, node_id: str, *, human: bool) -> dict[str, Any]:
    route = each.routes[node_id]
    node = cluster.nodes.get(node_id)
    body: dict[str, Any] = {}
    if node is not None:
        body["node"] = {node_id: node.discovery_json(cluster.version.number)}
    usage = cluster.usage.get((each.params.deployment_id, node_id))
    if route.state == STARTED and usage is not None and node is not None:
        return body | _running(each, route.current, usage, human=human)
    state: dict[str, Any] = {"routing_state": STOPPED if route.state == STARTED and node is not None else route.state}
    if route.reason is not None:
        state["reason"] = route.reason
    return body | {"routing_state": state, "peak_throughput_per_minute": 0, "throughput_last_minute": 0}


def _running(each: Assignment, allocations: int, usage: Usage, *, human: bool) -> dict[str, Any]:
    """Return the row of a started route whose process is up."""
    body: dict[str, Any] = {"routing_state": {"routing_state": STARTED}, "inference_count": usage.inferences}
    body |= _known("average_inference_time_ms", usage.average_ms)
    body |= _known("average_inference_time_ms_excluding_cache_hits", usage.average_without_hits_ms)
    if usage.process_memory is not None and each.version.at_least((9, 5, 0)):
        body |= _known("average_inference_process_memory_rss_bytes", usage.process_memory)
    body["inference_cache_hit_count"] = usage.cache_hits
    if usage.last_access is not None:
        body |= _time("last_access", usage.last_access, human=human)
    body["number_of_pending_requests"] = usage.pending
    body |= _counters([usage], with_inferences=False)
    body |= _time("start_time", usage.start_time, human=human)
    names = each.version.assignment_names
    body["threads_per_allocation" if names else "inference_threads"] = each.params.threads_per_allocation
    body["number_of_allocations" if names else "model_threads"] = allocations
    body["peak_throughput_per_minute"] = usage.peak_throughput
    body["throughput_last_minute"] = usage.throughput_last_minute
    body |= _known("average_inference_time_ms_last_minute", usage.average_last_minute_ms)
    body["inference_cache_hit_count_last_minute"] = usage.cache_hits_last_minute
    return body


def _known(name: str, value: float | None) -> dict[str, Any]:
    return {} if value is None else {name: value}

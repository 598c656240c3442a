# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve inference and the inference cache.

Sources: Elasticsearch's public REST and transport classes for ``_infer``, ``deployment/_infer`` and
``deployment/cache/_clear``; server-behaviour.md 6 (scale from zero), server-behaviour.md 2.3 (what is counted).
"""

from __future__ import annotations

import functools
import json
from typing import Any, Final

from ..emulator import Emulator
from ..state import infer, inference_config, inference_parsers, licence, models, predictions
from ..state.assignment import Assignment
from ..state.cluster import Cluster
from ..state.infer import InferRequest, Sent
from ..state.inference_config import Settings
from ..state.models import Model
from ..state.versions import features
from ..wire import errors, object_parser, values, xcontent
from ..wire.call import Call, Reply
from ..wire.object_parser import Field, ObjectParser
from ..wire.router import Prepared, Route
from ..wire.xcontent import Parser

Json = dict[str, Any]
_ACTION: Final = "cluster:monitor/xpack/ml/inference/infer"
_INTERNAL: Final = "cluster:internal/xpack/ml/inference/infer"
_OLD_ACTION: Final = "cluster:monitor/xpack/ml/trained_models/deployment/infer"
_CLEAR: Final = "cluster:admin/xpack/ml/trained_models/deployment/clear_cache"
_BASE: Final = "/_ml/trained_models"
_OLD: Final = f"POST {_BASE}/{{model_id}}/deployment/_infer"
_NEW: Final = f"POST {_BASE}/{{model_id}}/_infer"
DEPRECATED: Final = f"[{_OLD}] is deprecated! Use [{_NEW}] instead."


# --- the request ---


def _docs(parser: Parser) -> list[Json]:
    """Read an array of objects; one object counts as an array, an entry that is not an object as an empty one."""
    if parser.token == xcontent.START_OBJECT:
        return [xcontent.read_value(parser)]
    found = []
    while parser.next_token() != xcontent.END_ARRAY:
        if parser.token == xcontent.START_ARRAY:
            raise errors.ApiError(500, "illegal_state_exception", f"expected value but got [{parser.token}]")
        value = xcontent.read_value(parser)
        found.append(value if isinstance(value, dict) else {})
    return found


@functools.cache
def _parser(number: str, name: str) -> ObjectParser:
    version = features(number)
    fields = [
        object_parser.text("id" if version.deployment_id else "model_id"),
        Field("docs", frozenset({xcontent.START_OBJECT, xcontent.START_ARRAY}), _docs),
        object_parser.converted("timeout", lambda text: values.parse_time(text, "timeout")),
        inference_parsers.update_field(version),
    ]
    return ObjectParser(name, fields)


def request_of(emulator: Emulator, call: Call, name: str = _INTERNAL) -> InferRequest:
    """Read a request from path, body and query; the query's timeout wins."""
    version = emulator.cluster.version
    body = call.take_body()
    if not body:
        raise errors.status(400, "requires body")
    given = _parser(version.number, name).parse(Parser(body, version)).values
    request = InferRequest(call.path_parameters["model_id"], given.get("docs", []))
    request.timeout = call.time("timeout", given.get("timeout", request.timeout))
    if "inference_config" in given:
        request.update = inference_parsers.update(given["inference_config"])
    if "docs" not in given:
        raise errors.illegal_argument("[docs] must not be null.")
    return request


def infer_model(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _ml/trained_models/{model_or_deployment_id}/_infer`` (8.3)."""
    request = request_of(emulator, call)

    async def run() -> Reply:
        return Reply(200, {"inference_results": await results(emulator, request)})

    return Prepared(_ACTION, run)


def infer_deployment(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _ml/trained_models/{model_id}/deployment/_infer``.

    One document, and an answer without an envelope.
    """
    version = emulator.cluster.version
    request = request_of(emulator, call, _INTERNAL if version.assignment_names else _OLD_ACTION)
    several = len(request.docs) > 1
    if version.assignment_names:
        call.warnings.append(DEPRECATED)
    if several and version.at_least((8, 8, 0)):
        raise errors.validation(["multiple documents are not supported"], "validation_exception")

    async def run() -> Reply:
        return Reply(200, (await results(emulator, request))[0])

    complaints = ["multiple documents are not supported"] if several else []
    return Prepared(_ACTION if version.assignment_names else _OLD_ACTION, run, complaints)


# --- the work ---


async def results(emulator: Emulator, request: InferRequest) -> list[Json]:
    cluster = emulator.cluster
    _check_licence(cluster, request.id)
    assignment = infer.find(cluster, request.id)
    if assignment is None and cluster.resolve_model(request.id) is None:
        infer.undeployed(cluster, request.id)
    if assignment is None:
        return _locally(emulator, request)
    infer.check_state(cluster, assignment)
    if not infer.targets(assignment):
        await _first_allocation(emulator, assignment, request)
    infer.check_initialized(cluster, assignment)
    sent = infer.submit(cluster, assignment, request)
    await _results(emulator, assignment, sent)
    gone = [_is_gone(emulator, assignment, each) for each in sent]
    error = infer.first_error(sent, gone, request.timeout)
    if error is not None:
        raise error
    model = cluster.models.get(assignment.params.model_id)
    settings = inference_config.stored({} if model is None else model.config)
    if request.update is not None:
        settings = settings.apply(request.update)
    return [predictions.predict(settings, each.text) for each in sent]


def _check_licence(cluster: Cluster, name: str) -> None:
    """Check the licence; without one the stored model of that very name says whether it needs one.

    So names of deployments and aliases are not found then (public source of the inference action).
    """
    if licence.includes_ml(cluster):
        return
    model = cluster.models.get(name)
    if model is None:
        raise models.not_stored(name)
    if model.license_level != "basic":
        raise licence.non_compliant("ml")


def _locally(emulator: Emulator, request: InferRequest) -> list[Json]:
    """Infer with a model that needs no deployment: trees and language identification."""
    model = infer.undeployed(emulator.cluster, request.id)
    settings = inference_config.stored(model.config or {"inference_config": {"classification": {}}})
    return [_local_result(model, settings, doc) for doc in request.docs]


def _local_result(model: Model, settings: Settings, doc: Json) -> Json:
    """Return one result.

    A document without any field of the model is a warning, not a failure (``messages`` record 23).
    """
    renamed = model.config.get("default_field_map") or {}
    desired = set(model.config.get("input", {}).get("field_names", ()))
    desired |= {name for name, feature in renamed.items() if feature in desired}
    if desired and not any(infer.has_field(doc, name) for name in desired):
        return {"warning": f"Model [{model.id}] could not be inferred as all fields were missing"}
    return predictions.predict(settings, json.dumps(doc, sort_keys=True))


async def _first_allocation(emulator: Emulator, assignment: Assignment, request: InferRequest) -> None:
    """Wake a deployment that was scaled to zero and wait for it; refuse if it cannot be woken."""
    cluster = emulator.cluster
    reason = infer.not_allocated(cluster, request.id)
    if not infer.wake(cluster, assignment):
        raise errors.status(409, reason)
    if cluster.choices["scale_from_zero"] == "refuse":
        raise errors.status(409, f"{reason}; starting deployment of one allocation")
    if cluster.inferences.waiting >= infer.MAX_WAITING:
        what = f"Rejected inference request waiting for an allocation of deployment [{request.id}]"
        raise errors.status(429, f"{what}. Too many pending requests")
    cluster.inferences.waiting += 1
    try:
        up = await emulator.clock.wait(lambda: infer.woken(cluster, assignment), request.timeout.seconds)
    finally:
        cluster.inferences.waiting -= 1
    if not up:
        raise infer.waited_too_long(cluster, assignment, request.timeout)


async def _results(emulator: Emulator, assignment: Assignment, sent: list[Sent]) -> None:
    """Wait until each document has its result or its process is gone, then count."""
    ends = [each.task.end for each in sent if each.task is not None]
    if ends:
        await emulator.clock.wait_until(max(ends), lambda: all(_is_gone(emulator, assignment, each) for each in sent))
    now = emulator.cluster.now()
    for each in sent:
        each.usage.settle(now)


def _is_gone(emulator: Emulator, assignment: Assignment, sent: Sent) -> bool:
    """Return whether the process ended before the result was available."""
    current = emulator.cluster.usage.get((assignment.params.deployment_id, sent.node_id))
    return current is not sent.usage and sent.task is not None and sent.task.end > emulator.cluster.now()


# --- cache ---


def clear_cache(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _ml/trained_models/{deployment_id}/deployment/cache/_clear`` (8.5)."""
    cluster, deployment_id = emulator.cluster, call.path_parameters["model_id"]
    call.time("timeout", infer.DEFAULT_TIMEOUT)

    async def run() -> Reply:
        assignment = cluster.assignments.get(deployment_id)
        if assignment is None:
            raise errors.not_found(f"No known model deployment with id [{deployment_id}]")
        for node_id, route in assignment.routes.items():
            usage = cluster.usage.get((deployment_id, node_id))
            if route.routable and usage is None:
                raise errors.status(409, f"[{deployment_id}] process context missing")
            if usage is not None and route.routable:
                usage.settle(cluster.now())
                usage.work.clear_cache()
        return Reply(200, {"cleared": True})

    return Prepared(_CLEAR, run)


ROUTES: Final = (
    Route("POST", f"{_BASE}/{{model_id}}/_infer", "infer", infer_model, lambda version: version.assignment_names),
    Route("POST", f"{_BASE}/{{model_id}}/deployment/_infer", "infer", infer_deployment),
    Route(
        "POST",
        f"{_BASE}/{{model_id}}/deployment/cache/_clear",
        "cache",
        clear_cache,
        lambda version: version.at_least((8, 5, 0)),
    ),
)

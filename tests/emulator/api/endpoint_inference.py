# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve inference through an endpoint: the deployment does the work, the answer has the form of the task.

Elasticsearch's public inference sources. A default endpoint that has no deployment yet starts it.
"""

from __future__ import annotations

from typing import Any, Final

from ..emulator import Emulator
from ..state import endpoints, inference_config, inference_input, licence, predictions
from ..state.endpoints import ANY, DEFAULT_IDS, RERANK, SPARSE, TEXT, Endpoint
from ..state.infer import InferRequest
from ..state.inference_config import Settings, Update
from ..state.inference_input import Asked
from ..state.task_types import CHAT, COMPLETION
from ..state.versions import Features
from ..wire import errors
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue
from . import infer, inference_endpoints

Json = dict[str, Any]
_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_LONGER: Final = TimeValue(120 * 10**9, "120s")
_OPEN: Final = TimeValue(0, "0ms")
"""What the request of newer versions has until the task says how long (around-deployments.md 1.2)."""
_TASKS: Final = {SPARSE: "text_expansion", TEXT: "text_embedding", RERANK: "text_similarity"}


def perform(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _inference/[{task_type}/]{id}``."""
    version = emulator.cluster.version
    task_type, endpoint_id = inference_endpoints.target(emulator, call)
    body = call.take_body()
    if not body:
        raise errors.parse_failure("request body is required")
    given = call.time("timeout", _OPEN)

    def read() -> Asked:
        known = endpoints.known(emulator.cluster).get(endpoint_id)
        resolved = known.task_type if known is not None and task_type == ANY else task_type
        return inference_input.read(body, task_type, resolved, version)

    early = None if version.rerank_default else read()

    async def run() -> Reply:
        asked = early or read()
        if asked.complaints:
            raise errors.validation(asked.complaints)
        endpoint = endpoints.of_type(endpoints.existing(emulator.cluster, endpoint_id), task_type)
        licence.check_inference(emulator.cluster, endpoint.service)
        if not endpoint.in_cluster:
            raise errors.status(400, f"the double does not call the service [{endpoint.service}]")
        if endpoint.task_type == RERANK and asked.query is None:
            raise errors.validation([f"Field [query] cannot be null for task type [{RERANK}]"])
        # The one in the body wins over the parameter [I].
        waits = asked.values.get("timeout", given)
        if waits is _OPEN:
            waits = _LONGER if endpoint.task_type in (COMPLETION, CHAT) and version.request_classes else _TIMEOUT
        await _ready(emulator, call, endpoint, waits)
        return Reply(200, {endpoint.task_type: await _results(emulator, endpoint, asked, waits)})

    # From 8.18 on the action reads the body, behind authorization; it has a name of its own (privileges_more:13-14).
    action = "cluster:monitor/xpack/inference/post" if version.rerank_default else "cluster:monitor/xpack/inference"
    return Prepared(action, run, early.complaints if early else ())


def default_timeout(version: Features) -> TimeValue | None:
    """Return the time-out of a request that gives none; the oldest class has none."""
    if version.request_classes:
        return _OPEN
    return _TIMEOUT if version.at_least((8, 14, 0)) else None


async def _ready(emulator: Emulator, call: Call, endpoint: Endpoint, timeout: TimeValue) -> None:
    if endpoint.id in DEFAULT_IDS and endpoint.id not in emulator.cluster.assignments:
        await inference_endpoints.deploy(emulator, call, endpoint, timeout)


async def _results(emulator: Emulator, endpoint: Endpoint, asked: Asked, timeout: TimeValue) -> list[Json]:
    """Return the deployment's result for each input, in the form of the task."""
    model = emulator.cluster.resolve_model(endpoint.model_id)
    config = {} if model is None else model.config
    settings, task = inference_config.stored(config), _TASKS[endpoint.task_type]
    question = {"text": asked.query} if endpoint.task_type == RERANK else {}
    request = InferRequest(endpoint.deployment_id, [{_field(config): each} for each in asked.texts()])
    request.timeout = timeout
    if question and settings.task == task:
        request.update = Update(task, question)
    await infer.results(emulator, request)
    # A model that the control port made has no task of its own: it does what the endpoint is for.
    used = settings if settings.task == task else Settings(task, {})
    used = Settings(task, {**used.values, **question})
    values = [predictions.predict(used, each)[used.results_field] for each in asked.texts()]
    if endpoint.task_type == SPARSE:
        return [{"is_truncated": False, "embedding": value} for value in values]
    if endpoint.task_type == TEXT:
        return [{"embedding": value} for value in values]
    return _ranked(endpoint, asked, values)


def _field(config: Json) -> str:
    return str((config.get("input") or {}).get("field_names", ["input"])[0])


def _ranked(endpoint: Endpoint, asked: Asked, scores: list[float]) -> list[Json]:
    """Return documents by score, best first, with their texts unless the request switches them off."""
    given, texts = asked.values, asked.texts()
    settings = {**endpoint.task_settings, **(given.get("task_settings") or {})}
    shown = given.get("return_documents", settings.get("return_documents", True))
    found: list[Json] = []
    for index, score in sorted(enumerate(scores), key=lambda each: -each[1]):
        found.append({"index": index, "relevance_score": score})
        if shown:
            found[-1]["text"] = texts[index]
    return found[: given.get("top_n", len(found))]


ROUTES: Final = (
    Route("POST", inference_endpoints.ONE, "infer", perform, lambda version: version.endpoint_paths_without_type),
    Route("POST", inference_endpoints.TWO, "infer", perform, lambda version: version.endpoints),
)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve inference through an endpoint: the deployment does the work, the answer has the form of the task.

Elasticsearch's public inference sources. A default endpoint that has no deployment yet starts it.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from ..emulator import Emulator
from ..state import endpoints, inference_config, predictions
from ..state.endpoints import DEFAULT_IDS, RERANK, SPARSE, TEXT, Endpoint
from ..state.infer import InferRequest
from ..state.inference_config import Settings, Update
from ..wire import errors, object_parser, xcontent
from ..wire.call import Call, Reply
from ..wire.object_parser import Field, ObjectParser
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue
from ..wire.xcontent import Parser
from . import infer, inference_endpoints

Json = dict[str, Any]
_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_NAME: Final = "cluster:internal/xpack/inference"
_TASKS: Final = {SPARSE: "text_expansion", TEXT: "text_embedding", RERANK: "text_similarity"}


def _input(parser: Parser) -> list[str]:
    found = xcontent.read_value(parser)
    return [str(each) for each in found] if isinstance(found, list) else [str(found)]


@functools.cache
def _parser() -> ObjectParser:
    tokens = frozenset({xcontent.VALUE_STRING, xcontent.START_ARRAY})
    return ObjectParser(
        _NAME,
        [
            Field("input", tokens, _input),
            object_parser.text("query"),
            object_parser.text("input_type"),
            object_parser.boolean("return_documents"),
            object_parser.integer("top_n"),
            object_parser.anything("task_settings"),
        ],
    )


def perform(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _inference/[{task_type}/]{id}``."""
    version = emulator.cluster.version
    task_type, endpoint_id = inference_endpoints.target(emulator, call)
    body = call.take_body()
    if not body:
        raise errors.parse_failure("request body is required")
    given = _parser().parse(Parser(body, version)).values
    timeout = call.time("timeout", _TIMEOUT)

    async def run() -> Reply:
        endpoint = endpoints.of_type(endpoints.existing(emulator.cluster, endpoint_id), task_type)
        if not endpoint.in_cluster:
            raise errors.status(400, f"the double does not call the service [{endpoint.service}]")
        if endpoint.task_type == RERANK and "query" not in given:
            raise errors.validation([f"Field [query] cannot be null for task type [{RERANK}]"])
        await _ready(emulator, call, endpoint, timeout)
        return Reply(200, {endpoint.task_type: await _results(emulator, endpoint, given, timeout)})

    # Which of the two names a version has is [U]; both are granted by the same privileges.
    action = "cluster:monitor/xpack/inference/post" if version.rerank_default else "cluster:monitor/xpack/inference"
    return Prepared(action, run, _complaints(given))


def _complaints(given: Json) -> list[str]:
    if "input" not in given:
        return ["Field [input] cannot be null"]
    return [] if given["input"] else ["Field [input] cannot be an empty array"]


async def _ready(emulator: Emulator, call: Call, endpoint: Endpoint, timeout: TimeValue) -> None:
    if endpoint.id in DEFAULT_IDS and endpoint.id not in emulator.cluster.assignments:
        await inference_endpoints.deploy(emulator, call, endpoint, timeout)


async def _results(emulator: Emulator, endpoint: Endpoint, given: Json, timeout: TimeValue) -> list[Json]:
    """Return the deployment's result for each input, in the form of the task."""
    model = emulator.cluster.resolve_model(endpoint.model_id)
    config = {} if model is None else model.config
    settings, task = inference_config.stored(config), _TASKS[endpoint.task_type]
    question = {"text": given["query"]} if endpoint.task_type == RERANK else {}
    request = InferRequest(endpoint.deployment_id, [{_field(config): each} for each in given["input"]])
    request.timeout = timeout
    if question and settings.task == task:
        request.update = Update(task, question)
    await infer.results(emulator, request)
    # A model that the control port made has no task of its own: it does what the endpoint is for.
    used = settings if settings.task == task else Settings(task, {})
    used = Settings(task, {**used.values, **question})
    values = [predictions.predict(used, each)[used.results_field] for each in given["input"]]
    if endpoint.task_type == SPARSE:
        return [{"is_truncated": False, "embedding": value} for value in values]
    if endpoint.task_type == TEXT:
        return [{"embedding": value} for value in values]
    return _ranked(endpoint, given, values)


def _field(config: Json) -> str:
    return str((config.get("input") or {}).get("field_names", ["input"])[0])


def _ranked(endpoint: Endpoint, given: Json, scores: list[float]) -> list[Json]:
    """Return documents by score, best first, with their texts unless the request switches them off."""
    settings = {**endpoint.task_settings, **(given.get("task_settings") or {})}
    shown = given.get("return_documents", settings.get("return_documents", True))
    found = []
    for index, score in sorted(enumerate(scores), key=lambda each: -each[1]):
        found.append({"index": index, "relevance_score": score})
        if shown:
            found[-1]["text"] = given["input"][index]
    return found[: given.get("top_n", len(found))]


ROUTES: Final = (
    Route("POST", inference_endpoints.ONE, "infer", perform, lambda version: version.endpoint_paths_without_type),
    Route("POST", inference_endpoints.TWO, "infer", perform, lambda version: version.endpoints),
)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay requests for inference, what they change of a stored configuration, and the form of their answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from emulator.api import infer as infer_api
from emulator.inprocess import InProcess
from emulator.state import inference_config, inference_parsers
from emulator.state import model_config as configurations
from emulator.state.infer import DEFAULT_TIMEOUT, InferRequest
from emulator.state.inference_config import Settings, Update
from emulator.state.models import Model
from emulator.state.versions import Features, features
from emulator.wire import errors
from emulator.wire.call import Call
from emulator.wire.object_parser import ObjectParser
from emulator.wire.xcontent import Parser
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome
from emulator_tests.replay.uploads import refusal, refused

Json = dict[str, Any]
_CUTS = ("truncate", "span")


def infer_request(row: Row, version: str) -> Outcome:
    """Replay a request, or its changes of a configuration."""
    if "note" in row.data:
        return _laid_over(row, features(version))
    data = row.data
    call = Call("POST", "/_ml/trained_models/mod/_infer", "", {}, data["body"].encode())
    call.path_parameters["model_id"] = data.get("id", "mod")
    if "timeout" in data:
        call.parameters["timeout"] = data["timeout"]
    try:
        request = infer_api.request_of(InProcess(version).emulator, call)
    except errors.ApiError as error:
        return refused(row), refusal(error)
    return row.data.get("parsed"), _request_json(request)


def _request_json(request: InferRequest) -> Json:
    waits = request.timeout is not DEFAULT_TIMEOUT
    return {
        "id": request.id,
        "docs": request.docs,
        "text_input": None,
        "timeout": request.timeout.text if waits else None,
        "update": "empty" if request.update is None else request.update.task,
        "update_json": {} if request.update is None else _update_json(request.update),
    }


def _update_json(update: Update) -> Json:
    body = {name: value for name, value in update.values.items() if name not in _CUTS}
    if update.tokenization is not None:
        changed = {name: update.values[name] for name in _CUTS if name in update.values}
        body["tokenization"] = {update.tokenization: changed}
    return body


def _laid_over(row: Row, version: Features) -> Outcome:
    """Replay a change of a stored configuration.

    The classes also say what happens if the kinds differ; a deployment asks first, and refuses in other words.
    """
    body = f'{{"model_type":"pytorch","inference_config":{row.data["config"]}}}'
    task, values = configurations.parse(body.encode(), version)["inference_config"]
    stored = inference_config.stored({"inference_config": {task: inference_config.shown(task, values, version)}})
    parser = ObjectParser("update", [inference_parsers.update_field(version)])
    given = parser.parse(Parser(f'{{"inference_config":{row.data["update"]}}}'.encode(), version)).values
    update = inference_parsers.update(given["inference_config"])
    if not row.data["supported"]:
        return False, stored.supports(update)
    try:
        changed = stored.apply(update)
    except errors.ApiError as error:
        return [True, *refused(row)], [stored.supports(update), *refusal(error)]
    return [True, row.data.get("result")], [stored.supports(update), {task: _complete(changed)}]


def _complete(settings: Settings) -> Json:
    """Return settings as GET would show them."""
    body = {name: value for name, value in settings.values.items() if name not in _CUTS}
    changed = {name: settings.values[name] for name in _CUTS if name in settings.values}
    body["vocabulary"] = {"index": "<native index>"}
    body["tokenization"] = {settings.tokenization: {**body["tokenization"][settings.tokenization], **changed}}
    return body


# --- answers ---


def infer_response(row: Row, version: str) -> Outcome:
    """Replay the form of an answer: names in their order, and kinds of values; the values are made up."""
    data = row.data
    ask = _ANSWERS.get("_inference " + data["result"] if data["call"] == "_inference" else ",".join(data["results"]))
    return _form(data["json"]), None if ask is None else _form(ask(InProcess(version)))


def _form(value: Any) -> Any:
    if isinstance(value, dict):
        named = [(name, _form(inner)) for name, inner in value.items()]
        return "weights" if all(form == "number" for _name, form in named) else named
    if isinstance(value, list):
        return [_form(value[0])] if value else []
    if isinstance(value, (str, bool)):
        return type(value).__name__
    return "number"


def _sent(emulator: InProcess, method: str, target: str, body: Json) -> Any:
    raw = json.dumps(body).encode()
    return json.loads(emulator.request(method, target, {"Content-Type": "application/json"}, raw)[2])


def _asked(
    task: str, text: str = "it is Ann", settings: Json | None = None, **update: Any
) -> Callable[[InProcess], Any]:
    """Return the answer of a deployment of a task."""

    def ask(emulator: InProcess) -> Any:
        shown = inference_config.shown(task, settings or {}, emulator.cluster.version)
        emulator.cluster.models["mod"] = Model("mod", 1, config={"inference_config": {task: shown}})
        emulator.request("POST", "/_ml/trained_models/mod/deployment/_start")
        changes = {"inference_config": {task: update}} if update else {}
        return _sent(emulator, "POST", "/_ml/trained_models/mod/_infer", {"docs": [{"input": text}], **changes})

    return ask


def _without_fields(count: int) -> Callable[[InProcess], Any]:
    """Return the answer of a tree to documents without any of its fields."""

    def ask(emulator: InProcess) -> Any:
        config = {"input": {"field_names": ["a"]}, "inference_config": {"regression": {}}}
        emulator.cluster.models["mod"] = Model("mod", 1, "tree_ensemble", has_location=False, config=config)
        return _sent(emulator, "POST", "/_ml/trained_models/mod/_infer", {"docs": [{"b": 1}] * count})

    return ask


def _of_endpoint(task: str) -> Callable[[InProcess], Any]:
    """Return the answer of an inference endpoint."""

    def ask(emulator: InProcess) -> Any:
        kind = "text_expansion" if task == "sparse_embedding" else task
        shown = inference_config.shown(kind, {}, emulator.cluster.version)
        emulator.cluster.models["mod"] = Model("mod", 1, config={"inference_config": {kind: shown}})
        settings = {"model_id": "mod", "num_allocations": 1, "num_threads": 1}
        endpoint = {"service": "elasticsearch", "service_settings": settings}
        _sent(emulator, "PUT", f"/_inference/{task}/e", endpoint)
        return _sent(emulator, "POST", f"/_inference/{task}/e", {"input": "some words"})

    return ask


_LABELS: Json = {"classification_labels": ["negative", "positive"]}
_ANSWERS: dict[str, Callable[[InProcess], Any]] = {
    "": _without_fields(0),
    "fill_mask": _asked("fill_mask", "the capital is [MASK]"),
    "ner": _asked("ner"),
    "ner_none": _asked("ner", "nothing"),
    "pass_through": _asked("pass_through"),
    "question_answering": _asked("question_answering", question="who"),
    "_inference sparse_embedding": _of_endpoint("sparse_embedding"),
    "_inference text_embedding": _of_endpoint("text_embedding"),
    "text_classification": _asked("text_classification", settings={**_LABELS, "num_top_classes": 2}),
    "text_embedding": _asked("text_embedding"),
    "warning": _without_fields(1),
    "warning,warning": _without_fields(2),
}

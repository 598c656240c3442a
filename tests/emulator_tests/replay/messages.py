# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay templates of messages: each is filled in, and searched where a client or the audit log would read it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from emulator.inprocess import InProcess
from emulator.state.models import Model, Part
from emulator_tests.recordings import Row
from emulator_tests.replay import UNPLAYED, Outcome

_JSON = {"Content-Type": "application/json"}
_LONG = "a" * 65


def messages(row: Row, version: str) -> Outcome:
    """Replay one template, with the arguments of a situation that leads to it."""
    situation = _SITUATIONS.get(row.data["key"])
    if situation is None:
        return row.data["value"], UNPLAYED
    arguments, ask = situation
    desired = filled(row.data["value"], arguments)
    said = ask(InProcess(version, models=[("m", 1000)]))
    return desired, desired if desired in said else said


def messages_more(row: Row, version: str) -> Outcome:
    """Replay a template of the second set."""
    return messages(row, version)


def filled(template: str, arguments: list[str]) -> str:
    """Fill in Java's two forms: numbered places with doubled quotes, or empty braces in order."""
    left = iter(arguments)
    text = re.sub(r"\{\}", lambda match: next(left), template)
    if text != template:
        return text
    return re.sub(r"\{(\d+)\}", lambda match: arguments[int(match[1])], template).replace("''", "'")


def _reason(method: str, target: str, body: Any = None) -> Callable[[InProcess], str]:
    """Return the text of one request's error."""

    def ask(emulator: InProcess) -> str:
        raw = None if body is None else json.dumps(body).encode()
        return _error(emulator, method, target, raw)

    return ask


def _error(emulator: InProcess, method: str, target: str, raw: bytes | None) -> str:
    answer = json.loads(emulator.request(method, target, _JSON if raw else {}, raw)[2])
    error = answer.get("error", "")
    return error if isinstance(error, str) else str(error["reason"])


def _audited(*requests: tuple[str, str, Any]) -> Callable[[InProcess], str]:
    """Return the audit log after some requests."""

    def ask(emulator: InProcess) -> str:
        for method, target, body in requests:
            raw = None if body is None else json.dumps(body).encode()
            emulator.request(method, target, _JSON if raw else {}, raw)
        emulator.control("POST", "/settle")
        return "\n".join(line["message"] for line in emulator.control("GET", "/audit"))

    return ask


def _with_model(**facts: Any) -> Callable[[InProcess], str]:
    def ask(emulator: InProcess) -> str:
        emulator.cluster.models["x"] = Model("x", 1000, **facts)
        return _error(emulator, "POST", "/_ml/trained_models/x/deployment/_start?timeout=1ms", None)

    return ask


def _after(method: str, target: str, body: Any, *before: tuple[str, str, Any]) -> Callable[[InProcess], str]:
    """Return the error of a request that comes after others; there is a model ``x``, too."""

    def ask(emulator: InProcess) -> str:
        emulator.cluster.models["x"] = Model("x", 1000)
        for earlier_method, earlier_target, earlier in before:
            raw = None if earlier is None else json.dumps(earlier).encode()
            emulator.request(earlier_method, earlier_target, _JSON if raw else {}, raw)
        raw = None if body is None else json.dumps(body).encode()
        return _error(emulator, method, target, raw)

    return ask


def _part_twice(emulator: InProcess) -> str:
    """Return the error of a part of a definition that exists already."""
    emulator.request("PUT", "/_ml/trained_models/new", _JSON, json.dumps(_SMALL).encode())
    part = json.dumps({"definition": "AAAA", "total_definition_length": 3, "total_parts": 2}).encode()
    emulator.request("PUT", "/_ml/trained_models/new/definition/0", _JSON, part)
    return _error(emulator, "PUT", "/_ml/trained_models/new/definition/0", part)


def _without_fields(emulator: InProcess) -> str:
    """Return the warning in a tree's result."""
    tree = {"tree": {"feature_names": ["a"], "tree_structure": [{"node_index": 0}]}}
    body = {
        "input": {"field_names": ["a"]},
        "inference_config": {"regression": {}},
        "definition": {"trained_model": tree},
    }
    emulator.request("PUT", "/_ml/trained_models/x", _JSON, json.dumps(body).encode())
    return emulator.request("POST", "/_ml/trained_models/x/_infer", _JSON, b'{"docs":[{"b":1}]}')[2].decode()


def _alias_moved(emulator: InProcess) -> str:
    """Return the warning about an alias that moves to a model with other input fields."""
    emulator.cluster.models["m"].config = {"input": {"field_names": ["a", "b"]}}
    emulator.cluster.models["x"] = Model("x", 1000, config={"input": {"field_names": ["c", "d"]}})
    emulator.request("PUT", "/_ml/trained_models/m/model_aliases/nick")
    headers = emulator.request("PUT", "/_ml/trained_models/x/model_aliases/nick?reassign=true")[1]
    return "\n".join(value for name, value in headers if name.lower() == "warning")


_START = ("POST", "/_ml/trained_models/m/deployment/_start", None)
_UPDATE = ("POST", "/_ml/trained_models/m/deployment/_update", {"number_of_allocations": 2})
_STOP = ("POST", "/_ml/trained_models/m/deployment/_stop", None)
_SMALL = {"model_type": "pytorch", "inference_config": {"fill_mask": {}}}
_PACKAGE = {"input": {"field_names": ["text_field"]}}
_FOREIGN = {"service": "openai", "service_settings": {"api_key": "k", "model_id": "e"}}
_OWN = {"service": "elasticsearch", "service_settings": {"num_allocations": 1, "num_threads": 1, "model_id": "m"}}
_ATTACHED = {"service": "elasticsearch", "service_settings": {"deployment_id": "e"}}
_CHANGE = {"service_settings": {"num_allocations": 2}}
_Situation = tuple[list[str], Callable[[InProcess], str]]
_SITUATIONS: dict[str, _Situation] = {
    "ID_TOO_LONG": (["model_id", _LONG, "64"], _reason("PUT", f"/_ml/trained_models/{_LONG}", _SMALL)),
    "INVALID_ID": (["model_id", "-A-"], _reason("PUT", "/_ml/trained_models/-A-", _SMALL)),
    "FIELD_CANNOT_BE_NULL": (["input"], _reason("POST", "/_inference/sparse_embedding/e", {"task_settings": {}})),
    "INVALID_MODEL_PACKAGE_ID": (["model_id", ".-a"], _reason("PUT", "/_ml/trained_models/.-a", _PACKAGE)),
    "INVALID_MODEL_ALIAS": (["a-1"], _reason("PUT", "/_ml/trained_models/m/model_aliases/a-1")),
    "INCONSISTENT_ID": (["model_id", "other", "m"], _reason(*_UPDATE[:2], {"model_id": "other"})),
    "INFERENCE_NOT_FOUND": (["x"], _reason("POST", "/_ml/trained_models/x/deployment/_start")),
    "INFERENCE_TRAINED_MODEL_EXISTS": (["m"], _reason("PUT", "/_ml/trained_models/m", _SMALL)),
    "INFERENCE_DEPLOYMENT_STARTED": ([], _audited(_START)),
    "INFERENCE_DEPLOYMENT_UPDATED_NUMBER_OF_ALLOCATIONS": (["2"], _audited(_START, _UPDATE)),
    "INFERENCE_DEPLOYMENT_STOPPED": ([], _audited(_START, _STOP)),
    "INFERENCE_DEPLOYMENT_REBALANCED": (["model deployment started"], _audited(_START)),
    "INFERENCE_CANNOT_DELETE_ML_MANAGED_MODEL": (
        ["lang_ident_model_1"],
        _reason("DELETE", "/_ml/trained_models/lang_ident_model_1"),
    ),
    "INFERENCE_TRAINED_MODEL_DOC_EXISTS": (["new", "0"], _part_twice),
    "INFERENCE_WARNING_ALL_FIELDS_MISSING": (["x"], _without_fields),
    "INFERENCE_INVALID_TAGS": (
        ["[-A-]", "64"],
        _reason("PUT", "/_ml/trained_models/new", {**_SMALL, "tags": ["-A-"]}),
    ),
    "INFERENCE_TAGS_AND_MODEL_IDS_UNIQUE": (
        ["[m]"],
        _reason("PUT", "/_ml/trained_models/new", {**_SMALL, "tags": ["m"]}),
    ),
    "INFERENCE_TOO_MANY_DEFINITIONS_REQUESTED": (
        [],
        _after("GET", "/_ml/trained_models/_all?include=definition", None),
    ),
    "TRAINED_MODEL_INPUTS_DIFFER_SIGNIFICANTLY": (["x", "m"], _alias_moved),
    "MODEL_DEFINITION_TRUNCATED": (["x"], _with_model(complete=False, parts={0: Part(1)})),
    "MODEL_DOWNLOAD_IN_PROGRESS": (["x"], _with_model(downloading=True)),
    "MODEL_ID_MATCHES_EXISTING_MODEL_IDS_BUT_MUST_NOT": (
        ["x"],
        _after(
            "POST", "/_ml/trained_models/x/deployment/_start", None, ("PUT", "/_inference/text_embedding/x", _FOREIGN)
        ),
    ),
    "INFERENCE_ENTITY_NON_EXISTANT_NO_UPDATE": (
        ["x"],
        _after("PUT", "/_inference/sparse_embedding/x/_update", _CHANGE),
    ),
    "INFERENCE_REFERENCE_CANNOT_UPDATE_ANOTHER_ENDPOINT": (
        ["b", "e", "e"],
        _after(
            "PUT",
            "/_inference/sparse_embedding/b/_update",
            _CHANGE,
            ("PUT", "/_inference/sparse_embedding/e", _OWN),
            ("PUT", "/_inference/sparse_embedding/b", _ATTACHED),
        ),
    ),
}

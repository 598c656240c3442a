# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve the upload of a model: the parts of its definition, and its vocabulary.

Fields, checks and texts: Elasticsearch's public request and transport classes; ``messages`` records.
"""

from __future__ import annotations

from typing import Any, Final

from ..emulator import Emulator
from ..state import inference_config, licence, models
from ..state.inference_parsers import texts
from ..state.models import Model, Part
from ..state.versions import Features
from ..wire import errors, object_parser, xcontent
from ..wire.call import Call, Reply
from ..wire.object_parser import Field, ObjectParser
from ..wire.router import Prepared, Route
from ..wire.xcontent import Parser

Json = dict[str, Any]
_PART: Final = "cluster:admin/xpack/ml/trained_models/part/put"
_VOCABULARY: Final = "cluster:admin/xpack/ml/trained_models/vocabulary/put"
MAX_PARTS: Final = 10_000
_NEEDED: Final = {"roberta": "merges", "byte_level_bpe": "merges", "xlm_roberta": "scores"}
_ACKNOWLEDGED: Final = {"acknowledged": True}
_BASE: Final = "/_ml/trained_models/{model_id}"


def _numbers(parser: Parser) -> list[float]:
    if (plain := parser.plain_array(float)) is not None:
        return plain
    found = []
    while parser.next_token() != xcontent.END_ARRAY:
        found.append(parser.number())
    return found


_PART_PARSER: Final = ObjectParser(
    "put_trained_model_part_action",
    [
        Field("definition", frozenset({xcontent.VALUE_STRING}), lambda parser: Part(parser.base64_size())),
        object_parser.long("total_definition_length"),
        object_parser.integer("total_parts"),
    ],
)


def _vocabulary_parser(version: Features) -> ObjectParser:
    fields = [texts("vocabulary", version), texts("merges", version)]
    if version.at_least((8, 9, 0)):
        fields.append(Field("scores", frozenset({xcontent.START_ARRAY}), _numbers))
    return ObjectParser("put_trained_model_vocabulary", fields)


def _fields(body: bytes, version: Features, parser: ObjectParser) -> Json:
    if not body:
        raise errors.parse_failure("request body is required")
    return parser.parse(Parser(body, version)).values


def _part_fields(emulator: Emulator, call: Call) -> Json:
    """Read a part whose text has been taken out; the complaints are those about the whole body."""
    body, version, sieve = call.take_body(), emulator.cluster.version, call.sieve
    if sieve is not None and sieve.plain:
        try:
            return _fields(body, version, _PART_PARSER) | {"definition": Part(sieve.size, sieve.crc32)}
        except errors.ApiError:
            body = sieve.whole
    return _fields(body, version, _PART_PARSER)


def _stored(emulator: Emulator, model_id: str) -> Model:
    licence.check_ml(emulator.cluster)
    model = emulator.cluster.models.get(model_id)
    if model is None:
        raise models.not_stored(model_id)
    return model


def put_part(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT _ml/trained_models/{model_id}/definition/{part}``; parts come in any order, each once."""
    model_id = call.path_parameters["model_id"]
    call.parameters["part"] = call.path_parameters["part"]
    part = call.integer("part", -1)
    given = _part_fields(emulator, call)
    if "definition" not in given:
        raise errors.illegal_argument("[definition] must not be null.")
    total, length = given.get("total_parts", 0), given.get("total_definition_length", 0)

    async def run() -> Reply:
        model = _stored(emulator, model_id)
        if not model.has_location:
            raise errors.status(400, f"cannot put definition for model [{model_id}] as location is null")
        if part in model.parts:
            reason = f"Trained machine learning model chunked doc [{model_id}][{part}] already exists"
            raise errors.ApiError(400, "resource_already_exists_exception", reason)
        model.add_part(part, given["definition"], total, length)
        call.committed = True
        return Reply(200, _ACKNOWLEDGED)

    return Prepared(_PART, run, _part_complaints(part, total, length))


def _part_complaints(part: int, total: int, length: int) -> list[str]:
    found = []
    if part < 0:
        found.append("[part] must be greater or equal to 0")
    if total <= 0:
        found.append("[total_parts] must be greater than 0")
    if total > MAX_PARTS:
        found.append(f"[total_parts] must be less than or equal to {MAX_PARTS}")
    if length <= 0:
        found.append("[total_definition_length] must be greater than 0")
    if part >= total:
        found.append("[part] must be less than total_parts")
    return found


def vocabulary_of(body: bytes, version: Features) -> Json:
    """Read a vocabulary."""
    given = _fields(body, version, _vocabulary_parser(version))
    if "vocabulary" not in given:
        raise errors.illegal_argument("[vocabulary] must not be null.")
    return given


def put_vocabulary(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT _ml/trained_models/{model_id}/vocabulary``."""
    model_id = call.path_parameters["model_id"]
    given = vocabulary_of(call.take_body(), emulator.cluster.version)

    async def run() -> Reply:
        model = _stored(emulator, model_id)
        settings = inference_config.stored(model.config)
        if settings.task not in inference_config.TASKS:
            raise errors.status(400, f"cannot put vocabulary for model [{model_id}] as it is not an NLP model")
        _check_tokenizer(model_id, settings.tokenization, given)
        if model.has_vocabulary:
            reason = f"Trained machine learning model vocabulary [{model_id}] already exists"
            raise errors.ApiError(400, "resource_already_exists_exception", reason)
        model.has_vocabulary = True
        call.committed = True
        return Reply(200, _ACKNOWLEDGED)

    return Prepared(_VOCABULARY, run, _vocabulary_complaints(given))


def _vocabulary_complaints(given: Json) -> list[str]:
    if not given["vocabulary"]:
        return ["[vocabulary] must not be empty"]
    scores = given.get("scores")
    if scores and len(scores) != len(given["vocabulary"]):
        return ["[scores] must have same length as [vocabulary]"]
    return []


def _check_tokenizer(model_id: str, tokenization: str, given: Json) -> None:
    """Check what some tokenizers need besides words (``vocabulary`` records)."""
    needed = _NEEDED.get(tokenization)
    if needed is not None and not given.get(needed):
        what = f"cannot put vocabulary for model [{model_id}] as tokenizer type [{tokenization}]"
        raise errors.status(400, f"{what} requires [{needed}] to be provided and non-empty")


ROUTES: Final = (
    Route("PUT", f"{_BASE}/definition/{{part}}", "model", put_part),
    Route("PUT", f"{_BASE}/vocabulary", "model", put_vocabulary),
)

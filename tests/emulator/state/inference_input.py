# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the bodies of inferences through endpoints: what each version and task takes, and the complaints.

From 9.5 on rerank and embedding have request classes of their own (``inference_request`` records); that the task of
the endpoint decides which class reads a body is [I].
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Final

from ..wire import errors, object_parser, xcontent
from ..wire.object_parser import Field, ObjectParser
from ..wire.values import TimeValue, parse_time
from ..wire.xcontent import Parser
from . import inference_parsers
from .endpoints import ANY, RERANK, SPARSE, TEXT
from .task_types import COMPLETION, EMBEDDING
from .versions import Features, features

Json = dict[str, Any]
UNSPECIFIED: Final = "unspecified"
_INTERNAL: Final = ("internal_search", "internal_ingest")
_TYPES: Final = ("ingest", "search", UNSPECIFIED, "classification", "clustering")
_KINDS: Final = ("text", "image", "audio", "video", "pdf")
_FORMATS: Final = ("text", "base64")
_TEXT_OR_OBJECT: Final = frozenset({xcontent.VALUE_STRING, xcontent.START_OBJECT})
_TEXTS_OR_OBJECTS: Final = _TEXT_OR_OBJECT | {xcontent.START_ARRAY}
_GENERAL: Final = (TEXT, SPARSE, COMPLETION, ANY)
"""The tasks of the general class where the others have their own."""


def input_types(version: Features) -> tuple[str, ...]:
    """Return the values of ``input_type``, with those that only the server itself may use."""
    return _TYPES + (_INTERNAL if version.input_type else ())


@dataclasses.dataclass
class Asked:
    """One request: the values of its body by name, and what validation says of them."""

    values: Json
    complaints: list[str] = dataclasses.field(default_factory=list)

    def texts(self) -> list[str]:
        """Return the inputs as texts; of several contents that make one input, the first."""
        return [_text_of(each) for each in self.values["input"]]

    @property
    def query(self) -> str | None:
        """Return the query of a rerank."""
        given = self.values.get("query")
        return None if given is None else _text_of(given)


def _text_of(given: Any) -> str:
    if isinstance(given, str):
        return given
    return str(given["content"][0]["value"] if "content" in given else given["value"])


def read(body: bytes, in_path: str, task_type: str, version: Features) -> Asked:
    """Read a body with the class of the endpoint's task; the general class knows the task in the path only."""
    if version.request_classes and task_type in (RERANK, EMBEDDING):
        return rerank(body, version) if task_type == RERANK else embedding(body, version)
    return general(body, in_path, version)


# --- the general class ---


def general(body: bytes, task_type: str, version: Features) -> Asked:
    """Read a body with the class that older versions use for all tasks."""
    asked = Asked(_general_parser(version.number).parse(Parser(body, version)).values)
    asked.complaints = _general_complaints(asked.values, task_type, version)
    return asked


@functools.cache
def _general_parser(number: str) -> ObjectParser:
    version = features(number)
    fields = [inference_parsers.texts("input", version), object_parser.anything("task_settings")]
    if version.at_least((8, 14, 0)):
        fields.append(object_parser.converted("timeout", _timeout))
        if not version.request_classes:
            fields.append(object_parser.text("query"))
    if version.input_type:
        fields.append(_input_type())
        if not version.request_classes:
            fields += [object_parser.boolean("return_documents"), object_parser.integer("top_n")]
    newer = version.at_least((8, 18, 0))
    return ObjectParser("cluster:internal/xpack/inference" if newer else "cluster:monitor/xpack/inference", fields)


def _timeout(text: str) -> TimeValue:
    return parse_time(text, "timeout")


def _input_type() -> Field:
    def convert(text: str) -> str:
        found = text.strip().lower()
        if found in _INTERNAL:
            raise errors.illegal_argument(f"Unrecognized input_type [{found}]")
        if found not in _TYPES:
            raise errors.illegal_argument(f"No enum constant org.elasticsearch.inference.InputType.{found.upper()}")
        return found

    return object_parser.converted("input_type", convert)


def _general_complaints(given: Json, task_type: str, version: Features) -> list[str]:
    if version.request_classes and task_type not in _GENERAL:
        what = f"Task type [{task_type}] cannot be used with InferenceAction.Request"
        return [f"{what}. Supported task types are [{', '.join(_GENERAL)}]"]
    found = _input_complaints(given, version)
    if task_type == RERANK and not found:
        if given.get("query") is None:
            return [f"Field [query] cannot be null for task type [{RERANK}]"]
        if not given["query"]:
            return [f"Field [query] cannot be empty for task type [{RERANK}]"]
    # Whether several of these are listed together is [U].
    refused: list[str] = [
        name for name in ("return_documents", "top_n") if name in given and task_type not in (RERANK, ANY)
    ]
    if "input_type" in given and task_type not in (TEXT, ANY):
        refused.append("input_type")
    return found + [f"Field [{name}] cannot be specified for task type [{task_type}]" for name in refused]


def _input_complaints(given: Json, version: Features) -> list[str]:
    newer = version.at_least((8, 15, 0))
    if given.get("input") is None:
        return ["Field [input] cannot be null" if newer else "missing input"]
    if not given["input"]:
        return ["Field [input] cannot be an empty array" if newer else "input array is empty"]
    return []


# --- classes of their own ---


def rerank(body: bytes, version: Features) -> Asked:
    """Read a body with the class of reranks."""
    given = _rerank_parser().parse(Parser(body, version)).values
    _require(given, "input", "query")
    complaints = _input_complaints(given, version)
    if not _text_of(given["query"]):
        complaints.append("Field [query] cannot be empty")
    if given.get("top_n", 1) < 1:
        complaints.append("Field [top_n] must be greater than or equal to 1")
    return Asked(given, complaints)


@functools.cache
def _rerank_parser() -> ObjectParser:
    return ObjectParser(
        "RerankRequest",
        [
            Field("input", _TEXTS_OR_OBJECTS, lambda parser: _several(parser, _string)),
            Field("query", _TEXT_OR_OBJECT, _string),
            object_parser.integer("top_n"),
            object_parser.boolean("return_documents"),
            object_parser.anything("task_settings"),
        ],
    )


def embedding(body: bytes, version: Features, task_type: str = EMBEDDING) -> Asked:
    """Read a body with the class of embeddings."""
    given = _embedding_parser().parse(Parser(body, version)).values
    _require(given, "input")
    given.setdefault("input_type", UNSPECIFIED)
    complaints = _input_complaints(given, version)
    if task_type != EMBEDDING:
        complaints.append(f"Field [task_type] must be [{EMBEDDING}]")
    return Asked(given, complaints)


@functools.cache
def _embedding_parser() -> ObjectParser:
    groups = Field("input", _TEXTS_OR_OBJECTS, lambda parser: _several(parser, _group))
    return ObjectParser("EmbeddingRequest", [groups, _input_type(), object_parser.anything("task_settings")])


def _require(given: Json, *names: str) -> None:
    if lacking := [name for name in names if name not in given]:
        raise errors.illegal_argument(f"Required [{', '.join(lacking)}]")


def _several(parser: Parser, read_one: object_parser.Reader) -> list[Any]:
    """Read an array, or one value in its place."""
    if parser.token != xcontent.START_ARRAY:
        return [read_one(parser)]
    found = []
    while parser.next_token() != xcontent.END_ARRAY:
        found.append(read_one(parser))
    return found


def _group(parser: Parser) -> Json:
    """Read the contents of one input; a text is one content."""
    if parser.token == xcontent.VALUE_STRING:
        return {"content": [_string(parser)]}

    def contents(inner: Parser) -> list[Json]:
        found = _several(inner, _string)
        if not found:
            cause = errors.ApiError(400, "x_content_parse_exception", "[content] field cannot be an empty array")
            raise _not_built("failed", "InferenceStringGroup", cause)
        return found

    reader = ObjectParser("InferenceStringGroup", [Field("content", _TEXTS_OR_OBJECTS, contents)])
    given = reader.parse(parser).values
    _require(given, "content")
    return given


def _string(parser: Parser) -> Json:
    """Read one content: a text, or an object with its type, format and value."""
    if parser.token == xcontent.VALUE_STRING:
        return {"type": "text", "format": "text", "value": parser.text}
    given: Json = {}

    def field(name: str, choices: tuple[str, ...]) -> Field:
        def take(inner: Parser) -> str:
            given[name] = _chosen(name, inner.text, choices) if choices else inner.text
            # The last of all three builds the object, so its own field is what fails.
            if len(given) == 3:
                _check_format(given)
            return str(given[name])

        return Field(name, frozenset({xcontent.VALUE_STRING}), take)

    fields = [field("type", _KINDS), field("format", _FORMATS), field("value", ())]
    ObjectParser("InferenceString", fields).parse(parser)
    _require(given, "type", "value")
    given.setdefault("format", _format_of(given["type"]))
    _check_format(given)
    return {name: given[name] for name in ("type", "format", "value")}


def _chosen(name: str, text: str, choices: tuple[str, ...]) -> str:
    found = text.strip().lower()
    if found not in choices:
        raise errors.illegal_argument(f"Unrecognized {name} [{text}], must be one of [{', '.join(choices)}]")
    return found


def _format_of(kind: str) -> str:
    return "text" if kind == "text" else "base64"


def _check_format(given: Json) -> None:
    right = _format_of(given["type"])
    if given["format"] != right:
        what = f"Data type [{given['type']}] does not support data format [{given['format']}]"
        raise _not_built(
            "Failed", "InferenceString", errors.illegal_argument(f"{what}, supported formats are [{right}]")
        )


def _not_built(word: str, name: str, cause: errors.ApiError) -> errors.ApiError:
    words = f"{word} to build [{name}] after last required field arrived"
    return errors.ApiError(400, "x_content_parse_exception", words, cause)

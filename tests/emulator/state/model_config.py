# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse and validate the body of PUT trained model, and show it as GET does.

``model_config``, ``ids`` and ``messages`` records; the public ``TrainedModelConfig`` of Elasticsearch for the order of
complaints.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, Final

from ..security import java_base64
from ..wire import errors, object_parser, xcontent
from ..wire.object_parser import Field, ObjectParser, Parsed
from ..wire.xcontent import Parser
from . import inference_config
from .inference_parsers import creation_field, named, texts
from .versions import Features, features

Json = dict[str, Any]
PYTORCH: Final = "pytorch"
ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9_\-.]*[a-z0-9])?")
ID_LIMIT: Final = 64
TYPES: Final = ("tree_ensemble", "lang_ident", PYTORCH)
_OBJECTS: Final = ("metadata", "default_field_map", "model_package")
_PACKAGED: Final = ("description", "model_type", "metadata", "inference_config")
_PACKAGE_ORDER: Final = (
    "description",
    "definition",
    "model_type",
    "metadata",
    "model_size_bytes",
    "inference_config",
    "tags",
)
_PREDICTORS: Final = ("tree", "ensemble", "lang_ident_neural_network")
_LICENCES: Final = ("missing", "trial", "basic", "standard", "gold", "platinum", "enterprise")
SHOWN: Final = ("description", "tags", "metadata", "input", "default_field_map", "inference_config")
"""The fields of a request that an answer shows, in its order (``model_config_render`` records)."""
_GENERATED: Final = ("version", "created_by", "create_time", "license_level", "location")
_METADATA: Final = ("total_feature_importance", "model_aliases")


def parse(body: bytes, version: Features) -> Json:
    """Read the fields of the body; an unknown one is refused. ``inference_config`` is a pair of name and settings."""
    return read(body, version).values


def read(body: bytes, version: Features) -> Parsed:
    """Read the fields of the body, and note those with names of old."""
    if not body:
        raise errors.parse_failure("request body is required")
    return _parser(version.number).parse(Parser(body, version))


def _model_type(text: str) -> str:
    if text.lower() in TYPES:
        return text.lower()
    constant = f"org.elasticsearch.xpack.core.ml.inference.TrainedModelType.{text.upper()}"
    raise errors.illegal_argument(f"No enum constant {constant}")


def _object(name: str) -> Field:
    """Return an object without a schema."""
    return Field(name, frozenset({xcontent.START_OBJECT}), xcontent.read_value)


def _nested(name: str, make: Callable[[], ObjectParser], required: tuple[str, ...] = ()) -> Field:
    def read(parser: Parser) -> Json:
        found = make().parse(parser).values
        for each in required:
            if each not in found:
                raise errors.illegal_argument(f"Required [{each}]")
        return found

    return Field(name, frozenset({xcontent.START_OBJECT}), read)


def _compressed(parser: Parser) -> str:
    try:
        java_base64.decode(parser.text)
    except java_base64.NotBase64 as error:
        raise errors.illegal_argument(str(error)) from None
    return parser.text


def _named_object(name: str, inner: Callable[[str], Callable[[Parser], Any]], known: tuple[str, ...]) -> Field:
    """Return an object that holds one object under one of several names, as plain JSON."""
    field = named(name, {each: inner(each) for each in known})
    return Field(name, field.tokens, lambda parser: dict([field.read(parser)]))


def _plain(_name: str) -> Callable[[Parser], Any]:
    return xcontent.read_value


def _tree(name: str) -> Callable[[Parser], Any]:
    """Return how to read what predicts; of trees only the presence of their features is checked."""

    def read(parser: Parser) -> Json:
        found: Json = xcontent.read_value(parser)
        if name == "tree" and "feature_names" not in found:
            raise errors.illegal_argument("[feature_names] must not be null.")
        return found

    return read


def _definition() -> Field:
    preprocessors = Field("preprocessors", frozenset({xcontent.START_ARRAY}), xcontent.read_value)
    parser = ObjectParser(
        "trained_model_definition", [_named_object("trained_model", _tree, _PREDICTORS), preprocessors]
    )

    def read(reading: Parser) -> Json:
        found = parser.parse(reading).values
        if "trained_model" not in found:
            raise errors.illegal_argument("[trained_model] must not be null.")
        return found

    return Field("definition", frozenset({xcontent.START_OBJECT}), read)


def _input(version: Features) -> ObjectParser:
    return ObjectParser("trained_model_config_input", [texts("field_names", version)])


def _prefixes() -> ObjectParser:
    return ObjectParser(
        "trained_model_config_prefix_strings", [object_parser.text("search"), object_parser.text("ingest")]
    )


@functools.cache
def _parser(number: str) -> ObjectParser:
    version = features(number)
    names = ("model_id", "created_by", "version", "description", "license_level")
    fields: list[Field] = [object_parser.text(name) for name in names]
    fields += [object_parser.converted("model_type", _model_type), texts("tags", version)]
    fields += [_definition(), Field("compressed_definition", frozenset({xcontent.VALUE_STRING}), _compressed)]
    fields += [_named_object("location", _plain, ("index",))]
    fields += [object_parser.any_value("create_time", lambda parser: parser.text)]
    fields += [_object(name) for name in _OBJECTS if name != "model_package" or version.at_least((8, 8, 0))]
    fields += [object_parser.long("model_size_bytes", ("estimated_heap_memory_usage_bytes",))]
    fields += [object_parser.long("estimated_operations")]
    fields += [creation_field(version), _nested("input", functools.partial(_input, version), ("field_names",))]
    if version.at_least((8, 12, 0)):
        fields += [object_parser.text("platform_architecture"), _nested("prefix_strings", _prefixes)]
    return ObjectParser("trained_model_config", fields)


# --- validation ---


def is_packaged(model_id: str, version: Features) -> bool:
    """Return whether the id is one of Elastic's own models, which begin with a dot."""
    return model_id.startswith(".") and version.at_least((8, 8, 0))


def complete(config: Json, version: Features) -> None:
    """Fill in the input, and refuse what the server's class cannot be made of."""
    if {"definition", "compressed_definition"} <= set(config):
        raise errors.illegal_argument("both [compressed_definition] and [definition] cannot be set.")
    if "input" not in config and (names := _default_input(config, version)) is not None:
        config["input"] = {"field_names": names}
    if "input" not in config:
        raise errors.illegal_argument("[input] must not be null.")
    for name in ("model_size_bytes", "estimated_operations"):
        if config.get(name, 0) < 0:
            raise errors.illegal_argument(f"[{name}] must be greater than or equal to 0")
    level = config.get("license_level", _LICENCES[0])
    if level not in _LICENCES:
        what = f"unrecognised license operating mode [ {level}], supported modes are [{','.join(_LICENCES)}]"
        raise errors.illegal_argument(what)


def _default_input(config: Json, version: Features) -> list[str] | None:
    """Return the fields of a model that names none: from 8.15 on its inference says them, before its type."""
    if not version.at_least((8, 15, 0)):
        return ["input"] if config.get("model_type") == PYTORCH else None
    if "inference_config" not in config:
        return None
    return [] if config["inference_config"][0] == inference_config.RANK else ["input"]


def complaints(config: Json) -> list[str]:
    """Return messages of validation about what every model but a packaged one needs."""
    found = []
    if "definition" in config and "location" in config:
        found.append("[definition] and [location] are both defined but only one can be used.")
    if not {"model_type", "definition", "compressed_definition"} & set(config):
        found.append("[model_type] must be set if [definition] is not defined.")
    if "inference_config" not in config:
        found.append("[inference_config] must not be null.")
    return found


def further_complaints(config: Json, model_id: str, version: Features) -> list[str]:
    """Return messages of validation about tags, input, and what only the server may set."""
    found = []
    tags = config.get("tags", [])
    bad = [tag for tag in tags if ID.fullmatch(tag) is None or len(tag) > ID_LIMIT]
    if bad:
        rule = "must only can contain lowercase alphanumeric (a-z and 0-9), hyphens or underscores, "
        rule += f"must start and end with alphanumeric, and must be less than {ID_LIMIT} characters."
        found.append(f"Invalid tags [{', '.join(bad)}]; {rule}")
    if model_id in tags:
        found.append("none of the tags must equal the model_id")
    names = config["input"]["field_names"]
    without_fields = _without_fields(config, version)
    if names and without_fields and "inference_config" in config:
        found.append(f"cannot specify [input.field_names] for a model of type [{inference_config.RANK}]")
    if not names and not without_fields:
        found.append("[input.field_names] must not be empty")
    if any("" in name.split(".") for name in names if "." in name):
        found.append("[input.field_names] must only contain valid dot delimited field names")
    illegal: list[str] = [name for name in _GENERATED if name in config]
    illegal += [f"metadata.{name}" for name in _METADATA if config.get("metadata", {}).get(name) is not None]
    illegal += ["model_package"] if "model_package" in config else []
    return found + [f"illegal to set [{name}] at inference model creation" for name in illegal]


def _without_fields(config: Json, version: Features) -> bool:
    """Return whether a model needs no field: from 8.15 on a packaged one, and one that ranks."""
    ranks = config.get("inference_config", (inference_config.RANK,))[0] == inference_config.RANK
    return ranks and version.at_least((8, 15, 0))


def package_complaints(config: Json) -> list[str]:
    """Return complaints about what a package defines and a request cannot; empty texts and objects are given, too."""
    given: list[str] = [name for name in _PACKAGED if name in config]
    given += ["definition"] if {"definition", "compressed_definition"} & set(config) else []
    given += [name for name in ("model_size_bytes", "tags") if config.get(name)]
    return [
        f"illegal to set [{name}] at inference model creation for packaged model"
        for name in sorted(given, key=list(_PACKAGE_ORDER).index)
    ]


# --- what GET shows ---


def shown(config: Json, version: Features) -> Json:
    """Return the given fields as GET shows them, defaults filled in."""
    found: Json = {name: config[name] for name in SHOWN[:-1] if name in config}
    if not found.get("default_field_map", True):
        del found["default_field_map"]
    if "inference_config" in config:
        task, values = config["inference_config"]
        found["inference_config"] = {task: inference_config.shown(task, values, version)}
    found |= {name: config[name] for name in ("prefix_strings", "platform_architecture") if name in config}
    return found


# --- definitions of trees ---


def target_type(definition: Json) -> str:
    """Return what a tree or an ensemble predicts."""
    (model,) = list((definition.get("trained_model") or {"tree": {}}).values())[:1]
    return str(model.get("target_type", "regression"))


def tree_size(definition: Json) -> tuple[int, int]:
    """Return bytes and operations; the emulator counts characters and nodes."""
    text = str(definition)
    return len(text), text.count("node_index")

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

from ..wire import errors, object_parser, xcontent
from ..wire.object_parser import Field, ObjectParser
from ..wire.xcontent import Parser
from . import inference_config
from .inference_parsers import creation_field, texts
from .versions import Features, features

Json = dict[str, Any]
PYTORCH: Final = "pytorch"
ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9_\-.]*[a-z0-9])?")
ID_LIMIT: Final = 64
_TYPES: Final = ("tree_ensemble", "lang_ident", PYTORCH)
_OBJECTS: Final = ("metadata", "location", "default_field_map", "definition", "model_package")
_SHOWN: Final = ("description", "tags", "metadata", "input", "default_field_map")
_GENERATED: Final = ("version", "created_by", "create_time", "license_level", "location")
_METADATA: Final = ("total_feature_importance", "model_aliases")


def parse(body: bytes, version: Features) -> Json:
    """Read the fields of the body; an unknown one is refused. ``inference_config`` is a pair of name and settings."""
    if not body:
        raise errors.parse_failure("request body is required")
    return _parser(version.number).parse(Parser(body, version)).values


def _model_type(text: str) -> str:
    if text.lower() in _TYPES:
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


def _input() -> ObjectParser:
    return ObjectParser("trained_model_config_input", [texts("field_names")])


def _prefixes() -> ObjectParser:
    return ObjectParser(
        "trained_model_config_prefix_strings", [object_parser.text("search"), object_parser.text("ingest")]
    )


@functools.cache
def _parser(number: str) -> ObjectParser:
    version = features(number)
    names = ("model_id", "created_by", "version", "description", "license_level", "compressed_definition")
    fields: list[Field] = [object_parser.text(name) for name in names]
    fields += [object_parser.converted("model_type", _model_type), texts("tags")]
    fields += [object_parser.any_value("create_time", lambda parser: parser.text)]
    fields += [_object(name) for name in _OBJECTS if name != "model_package" or version.at_least((8, 8, 0))]
    fields += [object_parser.integer("model_size_bytes", ("estimated_heap_memory_usage_bytes",))]
    fields += [object_parser.integer("estimated_operations")]
    fields += [creation_field(version), _nested("input", _input, ("field_names",))]
    if version.at_least((8, 12, 0)):
        fields += [object_parser.text("platform_architecture"), _nested("prefix_strings", _prefixes)]
    return ObjectParser("trained_model_config", fields)


# --- validation ---


def is_packaged(model_id: str, version: Features) -> bool:
    """Return whether the id is one of Elastic's own models, which begin with a dot."""
    return model_id.startswith(".") and version.at_least((8, 8, 0))


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


def further_complaints(config: Json, model_id: str) -> list[str]:
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
    names = config.get("input", {}).get("field_names", ["input"])
    if not names:
        found.append("[input.field_names] must not be empty")
    if any("" in name.split(".") for name in names if "." in name):
        found.append("[input.field_names] must only contain valid dot delimited field names")
    illegal: list[str] = [name for name in _GENERATED if name in config]
    illegal += [f"metadata.{name}" for name in _METADATA if config.get("metadata", {}).get(name) is not None]
    illegal += ["model_package"] if "model_package" in config else []
    return found + [f"illegal to set [{name}] at inference model creation" for name in illegal]


def package_complaints(config: Json) -> list[str]:
    """Return complaints about what a package defines and a request cannot."""
    names = ("description", "definition", "model_type", "metadata", "model_size_bytes", "inference_config", "tags")
    given = [name for name in names if config.get(name)]
    return [f"illegal to set [{name}] at inference model creation for packaged model" for name in given]


# --- what GET shows ---


def shown(config: Json, version: Features) -> Json:
    """Return the given fields as GET shows them, defaults filled in."""
    found: Json = {name: config[name] for name in _SHOWN if name in config}
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

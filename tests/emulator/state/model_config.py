# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The body of PUT trained model: parsing, validation, and the defaults that GET shows.

``model_config`` and ``ids`` records. What an inference configuration may hold is not checked.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from ..wire import errors, object_parser
from ..wire.object_parser import Field, ObjectParser
from ..wire.xcontent import Parser
from .versions import Features, features

Json = dict[str, Any]
PYTORCH: Final = "pytorch"
_TYPES: Final = ("tree_ensemble", "lang_ident", PYTORCH)
_TEXTS: Final = ("model_id", "description", "created_by", "version", "license_level", "compressed_definition")
_OBJECTS: Final = ("inference_config", "metadata", "tags", "input", "location", "default_field_map", "definition")
_REST: Final = ("create_time", "model_package")
_NEWER: Final = ("platform_architecture", "prefix_strings")
_SHOWN: Final = ("description", "tags", "metadata", "input", "prefix_strings", "platform_architecture")
_BERT: Final = {
    "do_lower_case": False,
    "with_special_tokens": True,
    "max_sequence_length": 512,
    "truncate": "first",
    "span": -1,
}


def parse(body: bytes, version: Features) -> Json:
    """The fields of the body; an unknown one is refused."""
    if not body:
        raise errors.parse_failure("request body is required")
    return _parser(version.number).parse(Parser(body, version)).values


def _model_type(text: str) -> str:
    if text.lower() in _TYPES:
        return text.lower()
    constant = f"org.elasticsearch.xpack.core.ml.inference.TrainedModelType.{text.upper()}"
    raise errors.illegal_argument(f"No enum constant {constant}")


@functools.cache
def _parser(number: str) -> ObjectParser:
    fields: list[Field] = [object_parser.text(name) for name in _TEXTS]
    fields += [object_parser.converted("model_type", _model_type)]
    fields += [object_parser.anything(name) for name in (*_OBJECTS, *_REST)]
    fields += [object_parser.integer("model_size_bytes", ("estimated_heap_memory_usage_bytes",))]
    fields += [object_parser.integer("estimated_operations")]
    if features(number).at_least((8, 12, 0)):
        fields += [object_parser.anything(name) for name in _NEWER]
    return ObjectParser("trained_model_config", fields)


def complaints(config: Json) -> list[str]:
    """Validation messages about the configuration, not about the id."""
    found = []
    if not config.keys() & {"model_type", "definition", "compressed_definition"}:
        found.append("[model_type] must be set if [definition] is not defined.")
    if "inference_config" not in config:
        found.append("[inference_config] must not be null.")
    return found


def shown(config: Json, version: Features) -> Json:
    """The given fields as GET shows them, defaults filled in."""
    found: Json = {name: config[name] for name in _SHOWN if name in config}
    if "inference_config" in config:
        given = config["inference_config"]
        found["inference_config"] = {task: _with_defaults(settings, version) for task, settings in given.items()}
    return found


def _with_defaults(settings: Json, version: Features) -> Json:
    index = "000002" if version.at_least((8, 13, 0)) else "000001"
    tokenization = settings.get("tokenization") or {"bert": {}}
    return {
        "vocabulary": {"index": f".ml-inference-native-{index}"},
        **settings,
        "tokenization": {kind: {**_BERT, **given} for kind, given in tokenization.items()},
    }

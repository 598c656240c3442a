# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of a configuration and a vocabulary, before anything is sent: what Elasticsearch is certain to refuse.

Pure. The sources are the recorded answers ``put_model``, ``inference_config`` and ``vocabulary``.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import typing as t

from .._core.errors import Refusal
from .._core.features import Feature
from .._core.server import Server
from .._ml.model import OUR_METADATA
from .records import Json
from .tasks import NLP, refuse_settings, tokenization_of_settings

_FIELDS = (
    *("model_id", "description", "model_type", "inference_config", "input", "metadata", "tags", "model_size_bytes"),
    *("platform_architecture", "prefix_strings", "default_field_map", "estimated_operations"),
    "estimated_heap_memory_usage_bytes",
)
_OF_SERVER = ("version", "created_by", "create_time", "license_level", "location", "model_package")
_OF_SERVER_METADATA = ("total_feature_importance", "model_aliases")
_DEFINITIONS = ("definition", "compressed_definition")
_TEXTS = ("description", "platform_architecture")
_SINCE_8_12 = ("platform_architecture", "prefix_strings")
_NEEDS = {"roberta": "merges", "byte_level_bpe": "merges", "xlm_roberta": "scores"}
"""Tokenization to what its vocabulary must have."""
_TAG = re.compile(r"[a-z0-9](?:[a-z0-9_\-.]*[a-z0-9])?")
_LONGEST_TAG = 64
VOCABULARY = ("vocabulary", "merges", "scores")


def parsed(option: str, content: bytes) -> Json:
    """Return the JSON object in a file.

    :raises Refusal: it is none.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):  # also for bytes that are no text
        raise Refusal("invalid_value", f"{option} is not JSON", hint="Check the file that it names.") from None
    if not isinstance(found, dict):
        raise Refusal("invalid_value", f"{option} is not a JSON object", hint="Check the file that it names.")
    return as_json(option, found)


def as_json(option: str, given: Json) -> Json:
    """Return *given* as JSON has it: all names are texts, and so are dates.

    :raises Refusal: JSON cannot have it. Python takes and writes more.
    """
    try:
        text = json.dumps(given, allow_nan=False, ensure_ascii=False, default=_date)
        text.encode()
        return t.cast("Json", json.loads(text))
    except (TypeError, ValueError, RecursionError):
        reason = f"{option} has a value that JSON does not know, such as NaN or half a character"
        raise Refusal("invalid_value", reason, hint="Correct it.") from None


def _date(value: t.Any) -> str:
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError


def config_of(model_id: str, given: Json, server: Server) -> Json:
    """Return the configuration as it is sent.

    :raises Refusal: Elasticsearch is certain to refuse it, or it is of no model that is uploaded in parts.
    """
    config = {name: value for name, value in given.items() if value is not None}
    for rule in (_refuse_definition, _refuse_of_server, _refuse_unknown, _refuse_early):
        rule(config, server)
    if config.pop("model_id", model_id) != model_id:
        raise _refused("has another model_id", f"Remove it, or set model_id to it; the task has '{model_id}'.")
    _refuse_type(config)
    _refuse_no_texts(config)
    _refuse_task(config, server)
    _refuse_input(config)
    _refuse_metadata(config)
    _refuse_tags(config, model_id)
    return config


def _refuse_definition(config: Json, _server: Server) -> None:
    if found := [name for name in _DEFINITIONS if name in config]:
        hint = "Its definition comes from the option definition."
        raise _refused(f"has a {found[0]}, and a model that has one takes no parts", hint)


def _refuse_of_server(config: Json, _server: Server) -> None:
    if found := [name for name in _OF_SERVER if name in config]:
        raise _refused(f"has {', '.join(found)}, which only Elasticsearch sets", "Remove that.")


def _refuse_unknown(config: Json, server: Server) -> None:
    unknown = sorted(str(name) for name in config if name not in _FIELDS)
    if unknown and not server.supports(Feature.LATER_MODEL_FIELDS):
        raise _refused(f"has fields that Elasticsearch does not know: {', '.join(unknown)}", "Check their names.")


def _refuse_early(config: Json, server: Server) -> None:
    for name in _SINCE_8_12:
        if name in config:
            server.require(Feature.PREFIX_STRINGS, f"{name} in the configuration of a model")


def _refuse_type(config: Json) -> None:
    if str(config.get("model_type", "")).lower() != "pytorch":
        raise _refused("has no model_type pytorch", "Set it: only PyTorch models are uploaded.")


def _refuse_no_texts(config: Json) -> None:
    if found := [name for name in _TEXTS if not isinstance(config.get(name, ""), str)]:
        raise _refused(f"has a {found[0]} that is not a text", "Put it in quotes.")


def _refuse_task(config: Json, server: Server) -> None:
    inference = config.get("inference_config")
    if not isinstance(inference, dict) or len(inference) != 1:
        raise _refused("has no inference_config with one task", "Set it, such as text_embedding: {}.")
    [(task, settings)] = inference.items()
    if not isinstance(settings, dict):
        raise _refused("has an inference_config whose task is not an object", "Set it, such as text_embedding: {}.")
    refuse_settings(task, settings, server)


def _refuse_input(config: Json) -> None:
    given = config.get("input", {})
    names = given.get("field_names", "text_field") if isinstance(given, dict) else None
    if not names:
        raise _refused("has an input without field_names", "Set them, such as [text_field], or leave input out.")


def _refuse_metadata(config: Json) -> None:
    metadata = config.get("metadata", {})
    if not isinstance(metadata, dict):
        raise _refused("has metadata that are not an object", "Make them one.")
    if found := [name for name in (*_OF_SERVER_METADATA, OUR_METADATA) if metadata.get(name) is not None]:
        by = "this module" if found == [OUR_METADATA] else "Elasticsearch"
        raise _refused(f"has metadata.{found[0]}, which only {by} sets", "Remove that.")


def _refuse_tags(config: Json, model_id: str) -> None:
    tags = config.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise _refused("has tags that are not a list of texts", "Make them one.")
    bad = [tag for tag in tags if len(tag) > _LONGEST_TAG or not _TAG.fullmatch(tag) or tag == model_id]
    if bad:
        hint = (
            f"A tag takes lowercase letters, digits, '-', '_', '.', at most {_LONGEST_TAG}. It is not the model's id."
        )
        raise _refused(f"has tags that Elasticsearch refuses: {', '.join(bad)}", hint)


def _refused(what: str, hint: str) -> Refusal:
    return Refusal("invalid_config", f"config {what}", hint=hint)


def task_of(config: Json) -> str:
    """Return the task of a configuration that was checked."""
    return str(next(iter(config["inference_config"])))


def tokenization_of(config: Json) -> str:
    """Return the name of its tokenization; without one, Elasticsearch takes that of BERT."""
    return tokenization_of_settings(next(iter(config["inference_config"].values())))


def vocabulary_of(given: Json, config: Json, server: Server) -> Json:
    """Return the vocabulary as it is sent.

    :raises Refusal: Elasticsearch is certain to refuse it for a model of this configuration.
    """
    found = {name: value for name, value in given.items() if value is not None}
    _refuse_bad_lists(found)
    if task_of(config) not in NLP:
        hint = "Leave vocabulary out, or correct inference_config."
        raise _bad_vocabulary(f"cannot be that of a model for {task_of(config)}", hint)
    if found.get("scores"):
        server.require(Feature.VOCABULARY_SCORES, "scores in a vocabulary")
    tokenization = tokenization_of(config)
    needed = _NEEDS.get(tokenization)
    if needed and not found.get(needed):
        raise _bad_vocabulary(f"has no {needed}, which the tokenization {tokenization} needs", _WRONG)
    return found


def _refuse_bad_lists(found: Json) -> None:
    unknown = sorted(str(name) for name in found if name not in VOCABULARY)
    if unknown:
        raise _bad_vocabulary(f"has fields that Elasticsearch does not know: {', '.join(unknown)}", _WRONG)
    if not found.get("vocabulary") or not all(isinstance(value, list) for value in found.values()):
        raise _bad_vocabulary("has no list vocabulary, or merges or scores that are no lists", _WRONG)
    texts = [*found["vocabulary"], *found.get("merges", ())]
    if not all(isinstance(each, str) for each in texts):
        raise _bad_vocabulary("has items that are not texts", _WRONG)
    scores = found.get("scores")
    if scores and (len(scores) != len(found["vocabulary"]) or not all(map(_is_number, scores))):
        raise _bad_vocabulary("has scores that are not one number for each of its items", _WRONG)


def _is_number(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_WRONG = "Check that it is the vocabulary of this model, as eland writes it: with vocabulary, merges and scores."


def _bad_vocabulary(what: str, hint: str) -> Refusal:
    return Refusal("invalid_vocabulary", f"vocabulary {what}", hint=hint)


def counts_of(vocabulary: Json) -> Json:
    """Return how many items each list of a vocabulary has."""
    return {name: len(value) for name, value in vocabulary.items()}


def checksum_of(vocabulary: Json) -> str:
    """Return the checksum of a vocabulary, whatever the file looks like."""
    text = json.dumps(vocabulary, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()

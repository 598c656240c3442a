# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read inference configurations strictly, with the complaints of Elasticsearch's object parsers.

Sources: the public configuration and update classes, and the public object parser (named objects, constructors).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..wire import errors, object_parser, xcontent
from ..wire.object_parser import Field, ObjectParser
from ..wire.xcontent import Parser
from .inference_config import (
    BOOSTED,
    CASED,
    COMBINATION,
    LABELS,
    PREFIXED,
    RANK,
    TASKS,
    TOKENIZATIONS,
    TOKENS,
    Update,
    known_boosted,
    known_tasks,
    mask_token,
    tokenization_of,
)
from .versions import Features, features

Json = dict[str, Any]
_UPDATE_KINDS: Final = {"question": "text", "text": "text"}
_IMPORTANCE: Final = "num_top_feature_importance_values"
COMBINATIONS: Final = ("max", "mean")
_ZERO_SHOT: Final = ("contradiction", "entailment", "neutral")


def named(name: str, readers: Mapping[str, Callable[[Parser], Any]]) -> Field:
    """Return a field that holds one object under one of several names (the server's named object)."""

    def read(parser: Parser) -> tuple[str, Any]:
        token = parser.next_token()
        # The parser's name of an empty object is still that of the field that holds it.
        chosen = parser.text if token == xcontent.FIELD_NAME else name
        try:
            if chosen not in readers:
                line, column = parser.location
                reason = f"[{line}:{column}] unknown field [{chosen}]"
                raise errors.ApiError(400, "named_object_not_found_exception", reason)
            parser.next_token()
            found = readers[chosen](parser)
        except errors.ApiError as cause:
            raise failure(parser, f"[{name}] failed to parse field [{chosen}]", cause) from None
        parser.next_token()
        return chosen, found

    return Field(name, frozenset({xcontent.START_OBJECT}), read)


def failure(parser: Parser, words: str, cause: errors.ApiError | None = None) -> errors.ApiError:
    """Return a complaint of the content parser at the current place."""
    line, column = parser.location
    return errors.ApiError(400, "x_content_parse_exception", f"[{line}:{column}] {words}", cause)


def texts(name: str, version: Features) -> Field:
    """Return a field for an array of strings; a single one counts as an array."""

    def read(parser: Parser) -> list[str]:
        if parser.token != xcontent.START_ARRAY:
            return [parser.text]
        if (plain := parser.plain_array(str)) is not None:
            return plain
        found = []
        while parser.next_token() != xcontent.END_ARRAY:
            if parser.token in (xcontent.START_OBJECT, xcontent.START_ARRAY):
                raise errors.ApiError(500, "illegal_state_exception", f"expected value but got [{parser.token}]")
            if parser.token == xcontent.VALUE_NULL:
                raise _no_text(parser, version)
            found.append(parser.text)
        return found

    return Field(name, frozenset({xcontent.VALUE_STRING, xcontent.START_ARRAY}), read)


def _no_text(parser: Parser, version: Features) -> errors.ApiError:
    line, column = parser.location
    if version.at_least((8, 15, 0)):
        return errors.illegal_argument(f"Expected text at {line}:{column} but found {parser.token}")
    what = f"Can't get text on a {parser.token} at {line}:{column}"
    return errors.ApiError(500, "illegal_state_exception", what)


def _field(name: str, kind: str, version: Features) -> Field:
    if kind == "texts":
        return texts(name, version)
    return _KINDS[kind](name)


def _value(token: str) -> Callable[[str], Field]:
    return lambda name: Field(name, frozenset({token}), xcontent.read_value)


_KINDS: Final[Mapping[str, Callable[[str], Field]]] = {
    "text": object_parser.text,
    "int": object_parser.integer,
    "boolean": object_parser.boolean,
    "object": _value(xcontent.START_OBJECT),
    "array": _value(xcontent.START_ARRAY),
}


def creation_field(version: Features) -> Field:
    """Return the field ``inference_config`` of a new model."""
    readers: dict[str, Callable[[Parser], Any]] = {
        name: functools.partial(_read_creation, name, version.number) for name in known_tasks(version)
    }
    readers |= {name: functools.partial(_read_boosted, name, version) for name in known_boosted(version)}
    return named("inference_config", readers)


def update_field(version: Features) -> Field:
    """Return the field ``inference_config`` of a request for inference."""
    readers: dict[str, Callable[[Parser], Any]] = {
        name: functools.partial(_read_update, name, version.number) for name in known_tasks(version)
    }
    updatable = [name for name in known_boosted(version) if name != RANK]
    readers |= {name: functools.partial(_read_boosted, name, version) for name in updatable}
    return named("inference_config", readers)


def _read_boosted(name: str, version: Features, parser: Parser) -> Json:
    fields = [_field(each, kind, version) for each, kind in BOOSTED[name].items()]
    values = ObjectParser(name if name == RANK else f"inference_config_{name}", fields).parse(parser).values
    if values.get(_IMPORTANCE, 0) < 0:
        raise errors.illegal_argument(f"[{_IMPORTANCE}] must be greater than or equal to 0")
    return values


def _refused_vocabulary(_parser: Parser) -> Any:
    raise errors.status(400, "illegal setting [vocabulary] on inference model creation")


@functools.cache
def _creation_parser(name: str, number: str) -> ObjectParser:
    version = features(number)
    fields = [_field(each, kind, version) for each, kind in TASKS[name].kinds.items()]
    fields += [Field("vocabulary", frozenset({xcontent.START_OBJECT}), _refused_vocabulary)]
    kinds = [kind for kind, since in TOKENIZATIONS.items() if version.at_least(since)]
    known = {kind: _tokenization_reader(kind, version) for kind in kinds}
    return ObjectParser(name, [*fields, named("tokenization", known)])


def _tokenization_reader(kind: str, version: Features) -> Callable[[Parser], Json]:
    fields = [object_parser.boolean("do_lower_case"), object_parser.boolean("with_special_tokens")]
    fields += [object_parser.integer("max_sequence_length"), object_parser.text("truncate")]
    fields += [object_parser.integer("span")]
    if kind in PREFIXED:
        fields.append(object_parser.boolean("add_prefix_space"))
    if kind == "byte_level_bpe":
        fields += [object_parser.text(each) for each in TOKENS]
    # The server names this one parser like the kind alone.
    name = kind if kind == "deberta_v2" else f"{kind}_tokenization"
    parser = ObjectParser(name, fields)

    def read(reading: Parser) -> Json:
        values = parser.parse(reading).values
        _built(name, lambda: _check_tokenization(kind, values, version))
        return values

    return read


def _check_tokenization(kind: str, values: Json, version: Features) -> None:
    length, span = values.get("max_sequence_length", 512), values.get("span", -1)
    if values.get("do_lower_case") and kind in CASED:
        raise errors.illegal_argument(f"unable to set [do_lower_case] to [true] for {CASED[kind]} tokenizer")
    truncate = _truncation(values, version)
    if length <= 0:
        raise errors.illegal_argument("[max_sequence_length] must be positive")
    if span < -1:
        what = "must be non-negative to indicate span length or [-1] to indicate no windowing should occur"
        raise errors.illegal_argument(f"[span] {what}")
    if span > length:
        raise errors.illegal_argument(
            f"[span] provided [{span}] must not be greater than [max_sequence_length] provided [{length}]"
        )
    if span != -1 and truncate != "none":
        raise errors.illegal_argument(f"[span] must not be provided when [truncate] is [{truncate}]")


def truncations(version: Features) -> tuple[str, ...]:
    """Return the ways in which a version can cut inputs."""
    return ("first", "second", "none") + (("balanced",) if version.at_least((8, 16, 0)) else ())


def _truncation(values: Json, version: Features) -> str:
    """Return how a tokenization cuts; before 8.13 a span is taken if that is left open."""
    open_one = "first" if version.at_least((8, 13, 0)) or "span" not in values else "none"
    truncate = str(values.get("truncate", open_one)).lower()
    if truncate not in truncations(version):
        where = "org.elasticsearch.xpack.core.ml.inference.trainedmodel.Tokenization.Truncate"
        raise errors.illegal_argument(f"No enum constant {where}.{truncate.upper()}")
    return truncate


def _built(name: str, check: Callable[[], Any]) -> None:
    """Run a check in a constructor: its complaint is wrapped, without a place."""
    try:
        check()
    except errors.ApiError as cause:
        words = f"Failed to build [{name}] after last required field arrived"
        raise errors.ApiError(400, "x_content_parse_exception", words, cause) from None


def _read_creation(name: str, number: str, parser: Parser) -> Json:
    values = _creation_parser(name, number).parse(parser).values
    for each in TASKS[name].required:
        if each not in values:
            raise errors.illegal_argument(f"Required [{each}]")
    if name in ("text_classification", "fill_mask"):
        _check_task(name, values)
    else:
        _built(name, lambda: _check_task(name, values))
    return values


def _check_task(name: str, values: Json) -> None:
    labels: Sequence[str] = values.get(LABELS) or ()
    _check_combination(values)
    if name == "text_classification" and len(labels) < 2:
        shown = "null" if LABELS not in values else f"[{', '.join(labels)}]"
        raise errors.status(400, f"[{name}] requires at least 2 [{LABELS}]; provided {shown}")
    if name == "zero_shot_classification":
        _check_zero_shot(labels, values)
    if name == "ner" and labels:
        _check_ner(labels)
    if name == "fill_mask" and "mask_token" in values:
        right = mask_token(tokenization_of(values)[0])
        if values["mask_token"] != right:
            raise errors.illegal_argument(
                f"Mask token requested was [{values['mask_token']}] but must be [{right}] for this model"
            )
    if name == "question_answering":
        _check_answers(values)
    size = values.get("embedding_size")
    if size is not None and size <= 0:
        raise errors.status(400, f"[embedding_size] must be a number greater than 0; configured size [{size}]")
    span = tokenization_of(values)[1].get("span", -1)
    if span != -1 and not TASKS[name].windowed:
        raise errors.status(400, f"[{name}] does not support windowing long text sequences; configured span [{span}]")


def _check_combination(values: Json) -> None:
    combination = values.get(COMBINATION, "max").upper()
    if combination.lower() not in COMBINATIONS:
        where = "org.elasticsearch.xpack.core.ml.inference.trainedmodel.TextSimilarityConfig.SpanScoreFunction"
        raise errors.illegal_argument(f"No enum constant {where}.{combination}")


def _check_answers(values: Json) -> None:
    classes, length = values.get("num_top_classes", 0), values.get("max_answer_length", 1)
    if classes < 0:
        raise errors.status(400, f"[num_top_classes] must be greater than or equal to [0]; provided [{classes}]")
    if length <= 0:
        raise errors.status(400, f"[max_answer_length] must be greater than [0]; provided [{length}]")


def _check_zero_shot(labels: Sequence[str], values: Json) -> None:
    desired = f"[{LABELS}] must contain exactly the three values [{', '.join(_ZERO_SHOT)}]"
    if len(labels) != len(_ZERO_SHOT):
        raise errors.status(400, desired)
    bad = [label.lower() for label in labels if label.lower() not in _ZERO_SHOT]
    if bad:
        raise errors.status(400, f"{desired}. Invalid labels [{', '.join(bad)}]")
    if values.get("labels") == []:
        raise errors.status(400, "[labels] must not be empty")


def _check_ner(labels: Sequence[str]) -> None:
    only = "[ner] only allows IOB tokenization tagging for classification labels"
    bad = [label for label in labels if not label.upper().startswith(("I-", "B-", "I_", "B_", "O"))]
    if bad:
        raise errors.status(400, f"{only}; provided [{', '.join(bad)}]")
    if "O" not in [label.upper() for label in labels]:
        raise errors.status(400, f"{only}; missing outside label [O]")


# --- updates ---


@functools.cache
def _update_parser(name: str, number: str) -> ObjectParser:
    version = features(number)
    kinds = {**TASKS[name].kinds, **_UPDATE_KINDS}
    fields = [_field(each, kinds[each], version) for each in TASKS[name].updates]
    tokenizations = [kind for kind, since in TOKENIZATIONS.items() if version.at_least(since)]
    known = {kind: _truncation_reader(kind, version) for kind in tokenizations}
    return ObjectParser(name, [*fields, named("tokenization", known)])


def _truncation_reader(kind: str, version: Features) -> Callable[[Parser], Json]:
    name = f"{kind}_tokenization_update"
    parser = ObjectParser(name, [object_parser.text("truncate"), object_parser.integer("span")])

    def read(reading: Parser) -> Json:
        values = parser.parse(reading).values
        _built(name, lambda: _truncation(values, version))
        return values

    return read


def _read_update(name: str, number: str, parser: Parser) -> Json:
    values = _update_parser(name, number).parse(parser).values
    if values.get("labels") == []:
        raise errors.status(400, "[labels] must not be empty")
    _check_combination(values)
    for needed, task in (("question", "question_answering"), ("text", "text_similarity")):
        if name == task and needed not in values:
            raise errors.illegal_argument(f"[{needed}] must not be null.")
    return values


def update(parsed: tuple[str, Json]) -> Update:
    """Make an update from what ``update_field`` read."""
    task, values = parsed
    rest = dict(values)
    tokenization = rest.pop("tokenization", None)
    kind = None
    if tokenization is not None:
        kind, changed = tokenization
        rest |= changed
    return Update(task, rest, kind)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold inference configurations by task: of a new model, and as a request for inference may change them.

Field names, kinds, defaults and complaints follow the public configuration classes of Elasticsearch;
``model_config`` records.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from ..wire import errors
from .versions import Features

Json = dict[str, Any]
Triple = tuple[int, int, int]
_FIRST: Final = (8, 0, 0)
MASKS: Final = {"bert": "[MASK]", "bert_ja": "[MASK]", "mpnet": "<mask>", "deberta_v2": "[MASK]"}
_OTHER_MASK: Final = "<mask>"
BERT: Final = {
    "do_lower_case": False,
    "with_special_tokens": True,
    "max_sequence_length": 512,
    "truncate": "first",
    "span": -1,
}
TOKENIZATIONS: Final[Mapping[str, Triple]] = {
    "bert": _FIRST,
    "bert_ja": (8, 5, 0),
    "mpnet": (8, 1, 0),
    "roberta": (8, 2, 0),
    "xlm_roberta": (8, 9, 0),
    "deberta_v2": (8, 16, 0),
    "byte_level_bpe": (9, 5, 0),
}
TOKENS: Final = {
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "mask_token": "<mask>",
}
"""Special tokens of byte_level_bpe, which a model may name otherwise."""
PREFIXED: Final = ("roberta", "byte_level_bpe")
"""Tokenizations that can put a space before a text."""
CASED: Final = {"roberta": "roberta", "xlm_roberta": "XLMRoberta", "byte_level_bpe": "byte_level_bpe"}
"""Tokenizations that never turn a text into lower case, as their complaints call them."""


@dataclasses.dataclass(frozen=True)
class Task:
    """One kind of configuration; ``kinds`` are the kinds of its fields, in the order in which they are shown."""

    since: Triple
    kinds: Mapping[str, str]
    updates: tuple[str, ...]
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    required: tuple[str, ...] = ()
    windowed: bool = False


LABELS: Final = "classification_labels"
COMBINATION: Final = "span_score_combination_function"
TASKS: Final[Mapping[str, Task]] = {
    "fill_mask": Task(
        _FIRST,
        {"num_top_classes": "int", "results_field": "text", "mask_token": "text"},
        ("num_top_classes", "results_field"),
        {"num_top_classes": 5},
    ),
    "ner": Task(_FIRST, {LABELS: "texts", "results_field": "text"}, ("results_field",)),
    "pass_through": Task(_FIRST, {"results_field": "text"}, ("results_field",)),
    "question_answering": Task(
        (8, 3, 0),
        {"num_top_classes": "int", "max_answer_length": "int", "results_field": "text"},
        ("num_top_classes", "max_answer_length", "results_field", "question"),
        {"num_top_classes": 0, "max_answer_length": 15},
        windowed=True,
    ),
    "text_classification": Task(
        _FIRST,
        {LABELS: "texts", "num_top_classes": "int", "results_field": "text"},
        (LABELS, "num_top_classes", "results_field"),
        {"num_top_classes": 0},
        windowed=True,
    ),
    "text_embedding": Task(
        _FIRST, {"results_field": "text", "embedding_size": "int"}, ("results_field",), windowed=False
    ),
    "text_expansion": Task((8, 7, 0), {"results_field": "text"}, ("results_field",), windowed=True),
    "text_similarity": Task(
        (8, 5, 0),
        {"results_field": "text", COMBINATION: "text"},
        ("results_field", COMBINATION, "text"),
        {COMBINATION: "max"},
        windowed=True,
    ),
    "zero_shot_classification": Task(
        _FIRST,
        {
            LABELS: "texts",
            "multi_label": "boolean",
            "hypothesis_template": "text",
            "labels": "texts",
            "results_field": "text",
        },
        ("labels", "multi_label", "results_field"),
        {"multi_label": False, "hypothesis_template": "This example is {}."},
        required=(LABELS,),
    ),
}
BOOSTED: Final[Mapping[str, Mapping[str, str]]] = {
    "regression": {"results_field": "text", "num_top_feature_importance_values": "int"},
    "classification": {
        "num_top_classes": "int",
        "results_field": "text",
        "top_classes_results_field": "text",
        "num_top_feature_importance_values": "int",
        "prediction_field_type": "text",
    },
    "learning_to_rank": {
        "num_top_feature_importance_values": "int",
        "feature_extractors": "array",
        "default_params": "object",
    },
}
"""Configurations of models that run without a deployment."""
RANK: Final = "learning_to_rank"


@dataclasses.dataclass(frozen=True)
class Update:
    """The changes of a request for inference."""

    task: str
    values: Json
    tokenization: str | None = None


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of one inference."""

    task: str
    values: Json
    tokenization: str = "bert"

    @property
    def results_field(self) -> str:
        """Return the name of the prediction."""
        return str(self.values.get("results_field") or "predicted_value")

    def supports(self, update: Update) -> bool:
        """Return whether an update is for the same task."""
        return update.task == self.task

    def apply(self, update: Update) -> Settings:
        """Return them with an update of the same task on top; its own complaints are 400."""
        if update.tokenization is not None and update.tokenization != self.tokenization:
            what = f"Tokenization config of type [{self.tokenization}]"
            raise errors.status(400, f"{what} can not be updated with a request of type [{update.tokenization}]")
        labels = update.values.get(LABELS)
        mine = self.values.get(LABELS, [])
        if labels is not None and len(labels) != len(mine):
            what = f"The number of [{LABELS}] the model is defined with [{len(mine)}]"
            raise errors.status(400, f"{what} does not match the number in the update [{len(labels)}]")
        if self.task == "zero_shot_classification" and not (update.values.get("labels") or self.values.get("labels")):
            what = "stored configuration has no [labels] defined, supplied inference_config update must supply [labels]"
            raise errors.status(400, what)
        changes = dict(update.values)
        if self.task in TASKS and not TASKS[self.task].windowed:
            changes.pop("span", None)
        return dataclasses.replace(self, values={**self.values, **changes})


def stored(config: Mapping[str, Any]) -> Settings:
    """Return the settings of a model as GET shows them; a model of the control port passes its input through."""
    given = config.get("inference_config") or {"pass_through": {}}
    task, values = next(iter(given.items()))
    tokenization = next(iter(values.get("tokenization") or {"bert": {}}))
    return Settings(str(task), {**values}, str(tokenization))


def check_input(settings: Settings, text: str) -> None:
    """Check what a task demands of a request, once its configuration is complete."""
    if settings.task == "zero_shot_classification" and not settings.values.get("labels"):
        raise errors.status(400, "zero_shot_classification requires non-empty [labels]")
    if settings.task == "question_answering" and settings.values.get("question") is None:
        raise errors.illegal_argument("[question] must not be null.")
    if settings.task == "text_similarity" and settings.values.get("text") is None:
        raise errors.illegal_argument("[text] must not be null.")
    if settings.task == "fill_mask":
        mask = mask_token(settings.tokenization)
        found = text.count(mask)
        if found != 1:
            what = f"no {mask} token could be found in the input"
            raise errors.status(400, what if not found else f"only one {mask} token should exist in the input")


def mask_token(tokenization: str) -> str:
    """Return the mask of a kind of tokenizer."""
    return MASKS.get(tokenization, _OTHER_MASK)


def known_boosted(version: Features) -> list[str]:
    """Return the kinds of configurations without a deployment of a version."""
    return [name for name in BOOSTED if name != RANK or version.at_least((8, 12, 0))]


def known_tasks(version: Features) -> dict[str, Task]:
    """Return the tasks of a version."""
    return {name: task for name, task in TASKS.items() if version.at_least(task.since)}


def tokenization_of(values: Json) -> tuple[str, Json]:
    """Return kind and settings from a parsed configuration."""
    kind, settings = values.get("tokenization") or ("bert", {})
    return str(kind), dict(settings)


def shown(name: str, values: Json, version: Features) -> Json:
    """Return a configuration as GET shows it: defaults filled in, in the server's order."""
    if name not in TASKS:
        return _shown_boosted(name, values)
    index = "000002" if version.at_least((8, 11, 0)) else "000001"
    kind, settings = tokenization_of(values)
    task = TASKS[name]
    body: Json = {
        "vocabulary": {"index": f".ml-inference-native-{index}"},
        "tokenization": {kind: {**BERT, **_own_defaults(kind), **settings}},
    }
    complete = {**task.defaults, **{each: value for each, value in values.items() if each != "tokenization"}}
    if COMBINATION in complete:
        complete[COMBINATION] = complete[COMBINATION].lower()
    if not complete.get(LABELS, True):
        del complete[LABELS]
    if name == "fill_mask" and version.at_least((8, 10, 0)):
        complete["mask_token"] = mask_token(kind)
    own = {each: complete[each] for each in task.kinds if each in complete}
    return {**own, **body} if name == "question_answering" else {**body, **own}


def _own_defaults(kind: str) -> Json:
    found: Json = {"add_prefix_space": False} if kind in PREFIXED else {}
    return found | (TOKENS if kind == "byte_level_bpe" else {})


def _shown_boosted(name: str, values: Json) -> Json:
    defaults: Json = {"results_field": "predicted_value", "num_top_feature_importance_values": 0}
    if name == RANK:
        del defaults["results_field"]
        values = {each: value for each, value in values.items() if value != []}
    if name == "classification":
        defaults = {
            "num_top_classes": 0,
            "top_classes_results_field": "top_classes",
            "results_field": "predicted_value",
            "num_top_feature_importance_values": 0,
            "prediction_field_type": "string",
        }
    return {**defaults, **values}

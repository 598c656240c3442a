# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a task in the configuration of a model, as far as Elasticsearch is certain to refuse them. Pure.

The source are the recorded answers ``inference_config``.
"""

from __future__ import annotations

import typing as t

from .._core.errors import Refusal
from .._core.features import Feature
from .._core.server import Server

Json = dict[str, t.Any]
NLP = (
    *("fill_mask", "ner", "pass_through", "question_answering", "text_classification", "text_embedding"),
    *("text_expansion", "text_similarity", "zero_shot_classification"),
)
"""The tasks of models that have a vocabulary."""
_TASKS = (*NLP, "classification", "regression", "learning_to_rank")
_TOKENIZATIONS: t.Mapping[str, Feature | None] = {
    **dict.fromkeys(("bert", "bert_ja", "mpnet", "roberta", "xlm_roberta")),
    "deberta_v2": Feature.DEBERTA,
    "byte_level_bpe": Feature.BYTE_LEVEL_BPE,
}
_ENTAILMENT = ["contradiction", "entailment", "neutral"]


def tokenization_of_settings(settings: Json) -> str:
    """Return the name of a tokenization; without one, Elasticsearch takes that of BERT."""
    found = settings.get("tokenization")
    return str(next(iter(found), "bert")) if isinstance(found, dict) else "bert"


def refuse_settings(task: str, settings: Json, server: Server) -> None:
    """Refuse the settings of a task that Elasticsearch is certain to refuse; those of later servers are left to them.

    :raises Refusal: it would refuse them.
    """
    if task not in _TASKS and not server.supports(Feature.LATER_MODEL_FIELDS):
        raise _refused(f"the task {task}, which Elasticsearch does not know", "Check inference_config.")
    if "vocabulary" in settings:
        raise _refused("a vocabulary in inference_config, which only Elasticsearch sets", "Remove that.")
    _refuse_labels(task, settings.get("classification_labels"))
    if "tokenization" in settings:
        _refuse_tokenization(settings["tokenization"], server)


def _refuse_labels(task: str, labels: t.Any) -> None:
    labels = labels if isinstance(labels, list) else [labels] if labels else []
    if task == "text_classification" and len(labels) < 2:
        raise _refused("fewer than two classification_labels", "Elasticsearch needs them for text_classification.")
    if task == "zero_shot_classification" and sorted(str(label).lower() for label in labels) != _ENTAILMENT:
        hint = "For zero_shot_classification set them to entailment, neutral and contradiction, in the model's order."
        raise _refused("other classification_labels than three", hint)


def _refuse_tokenization(given: t.Any, server: Server) -> None:
    if not isinstance(given, dict) or len(given) != 1 or not isinstance(next(iter(given.values())), dict):
        raise _refused("a tokenization that is not one object with settings", "Correct tokenization.")
    [(name, settings)] = given.items()
    known = name in _TOKENIZATIONS
    if not known and not server.supports(Feature.LATER_MODEL_FIELDS):
        raise _refused(f"the tokenization {name}, which Elasticsearch does not know", "Check tokenization.")
    since = _TOKENIZATIONS.get(name)
    if since is not None:
        server.require(since)
    length = settings.get("max_sequence_length", 1)
    if isinstance(length, int) and length < 1:
        raise _refused("a max_sequence_length below 1", "Correct tokenization.")


def _refused(what: str, hint: str) -> Refusal:
    return Refusal("invalid_config", f"config has {what}", hint=hint)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Expectations of an answer: those that it does not meet. Pure.

A message has numbers and labels of the model, and never a part of a document.
"""

from __future__ import annotations

import typing as t

from .._ml.inference import InferenceModel
from .records import Expectations, Json

PREDICTED = "predicted_value"
"""The name of a prediction, unless the model or the request calls it otherwise."""
_SCORES = ("prediction_probability", "prediction_score")
_LABELLING = ("text_classification", "zero_shot_classification", "classification")
"""Tasks whose prediction is one of the labels of the model or the request."""


def unmet(
    expect: Expectations, results: t.Sequence[Json], slowest: float | None, model: InferenceModel, config: Json | None
) -> list[str]:
    """Return what differs from *expect*, as parts of a sentence.

    *slowest*: the longest latency, in milliseconds. *config*: the inference configuration of the request.
    """
    found = []
    if expect.max_latency is not None and slowest is not None and slowest > expect.max_latency * 1000:
        found.append(f"an inference took {slowest:g} ms, not at most {expect.max_latency * 1000:g} ms")
    field = results_field(model, config)
    for number, result in enumerate(results, start=1):
        answer = _Answer(model.task, result, field)
        found += [f"document {number} has {what}" for what in answer.unmet(expect)]
    return found


def results_field(model: InferenceModel, config: Json | None) -> str:
    """Return the name of the prediction in a result."""
    asked = next(iter((config or {}).values()), None)
    given = asked.get("results_field") if isinstance(asked, dict) else None
    return str(given or model.settings.get("results_field") or PREDICTED)


class _Answer:
    """The result of one document."""

    def __init__(self, task: str | None, result: Json, field: str) -> None:
        self._task = task
        self._result = result
        self._predicted = result.get(field)
        entities = result.get("entities")
        self._entities = [each for each in entities if isinstance(each, dict)] if isinstance(entities, list) else []

    def unmet(self, expect: Expectations) -> t.Iterator[str]:
        if expect.vector_length is not None and self._length() != expect.vector_length:
            vector = "no vector" if self._length() is None else f"a vector of {self._length()} numbers"
            yield f"{vector}, not one of {expect.vector_length}"
        if expect.label is not None and not any(_same(label, expect.label) for label in self._labels()):
            yield f"{self._shown_labels()}, not '{expect.label}'"
        if expect.min_score is not None:
            score = self._score(expect.label)
            if score is None:
                yield f"no score, not one of {expect.min_score:g} or more"
            elif score < expect.min_score:
                yield f"a score of {score:g}, not of {expect.min_score:g} or more"

    def _length(self) -> int | None:
        vector = self._predicted
        return len(vector) if isinstance(vector, list) and all(map(_is_number, vector)) else None

    def _labels(self) -> list[t.Any]:
        return [each.get("class_name") for each in self._entities] if self._task == "ner" else [self._predicted]

    def _shown_labels(self) -> str:
        if self._task == "ner":
            classes = sorted({str(label) for label in self._labels()})
            return f"entities of the classes {', '.join(classes)}" if classes else "no entities"
        if self._task in _LABELLING:
            return f"the label '{self._predicted}'"
        return "no label" if isinstance(self._predicted, (list, dict)) else "another prediction"

    def _score(self, label: str | None) -> float | None:
        """Return the score of the prediction; of entities the highest, of those with *label* if it is given."""
        if self._task == "ner":
            chosen = [each for each in self._entities if label is None or _same(each.get("class_name"), label)]
            scores = [each.get("class_probability") for each in chosen]
        else:
            scores = [*(self._result.get(name) for name in _SCORES), self._predicted][: None if self._is_score else 2]
        numbers = [float(score) for score in scores if _is_number(score)]
        return (max(numbers) if self._task == "ner" else numbers[0]) if numbers else None

    @property
    def _is_score(self) -> bool:
        """Return whether the prediction itself is a score, as of similarity and regression."""
        return self._task in ("text_similarity", "regression")


def _same(label: t.Any, expected: str) -> bool:
    """Return whether *label*, which may be a number or a boolean, is what the task calls *expected*."""
    if isinstance(label, bool):
        return str(label).lower() == expected.lower()
    if _is_number(label):
        try:
            return float(expected) == float(label)
        except ValueError:
            return False
    return bool(label == expected)


def _is_number(value: t.Any) -> t.TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make up predictions in the right shape for each task, from a hash of the input: equal inputs give equal answers.

Shapes and the order of keys follow Elasticsearch's public result classes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .inference_config import Settings, mask_token

Json = dict[str, Any]
_WORD: Final = re.compile(r"\w+")
_DEFAULT_SIZE: Final = 8
"""Numbers in a vector whose model does not say how many."""
_ENTITIES: Final = ("PER", "LOC", "ORG", "MISC")
_FILLERS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight")


def numbers(seed: str, count: int) -> list[float]:
    """Return ``count`` numbers between 0 and 1."""
    found: list[float] = []
    block = 0
    while len(found) < count:
        digest = hashlib.sha256(f"{block}\0{seed}".encode("utf-8", "surrogatepass")).digest()
        found += [int.from_bytes(digest[at : at + 4], "big") / 2**32 for at in range(0, 32, 4)]
        block += 1
    return found[:count]


def predict(settings: Settings, text: str) -> Json:
    """Return one result."""
    return _TASKS.get(settings.task, _pass_through)(settings, text)


def _ranked(seed: str, labels: Sequence[str]) -> list[tuple[str, float]]:
    """Return labels with probabilities that add up to one, the most likely first."""
    raw = [number + 0.01 for number in numbers(seed, len(labels))]
    total = sum(raw)
    listed = [(label, number / total) for label, number in zip(labels, raw, strict=True)]
    return sorted(listed, key=lambda each: -each[1])


def _top(ranked: Sequence[tuple[str, float]]) -> list[Json]:
    return [{"class_name": name, "class_probability": score, "class_score": score} for name, score in ranked]


def _classified(settings: Settings, ranked: Sequence[tuple[str, float]], count: int) -> Json:
    body: Json = {settings.results_field: ranked[0][0]}
    if count:
        body["top_classes"] = _top(ranked[:count])
    return {**body, "prediction_probability": ranked[0][1]}


def _text_classification(settings: Settings, text: str) -> Json:
    labels = settings.values.get("classification_labels") or ["negative", "positive"]
    count = int(settings.values.get("num_top_classes", 0))
    return _classified(settings, _ranked(text, labels), len(labels) if count < 0 else count)


def _zero_shot(settings: Settings, text: str) -> Json:
    labels = settings.values["labels"]
    if settings.values.get("multi_label"):
        listed = zip(labels, numbers(text, len(labels)), strict=True)
        ranked = sorted(listed, key=lambda each: -each[1])
    else:
        ranked = _ranked(text, labels)
    return _classified(settings, ranked, len(labels))


def _fill_mask(settings: Settings, text: str) -> Json:
    ranked = _ranked(text, _FILLERS)
    body = _classified(settings, ranked, int(settings.values.get("num_top_classes", 5)))
    filled = text.replace(mask_token(settings.tokenization), ranked[0][0])
    return {**body, f"{settings.results_field}_sequence": filled}


def _ner(settings: Settings, text: str) -> Json:
    """Return words that begin with a capital letter, except the first, as entities."""
    annotated, entities, at = "", [], 0
    for match in list(_WORD.finditer(text))[1:]:
        word = match[0]
        if not word[0].isupper():
            continue
        kind, score = _ranked(word, _ENTITIES)[0]
        entities.append(
            {
                "entity": word,
                "class_name": kind,
                "class_probability": score,
                "start_pos": match.start(),
                "end_pos": match.end(),
            }
        )
        annotated += f"{text[at : match.start()]}[{word}]({kind}&{word})"
        at = match.end()
    return {settings.results_field: annotated + text[at:], "entities": entities}


def _text_embedding(settings: Settings, text: str) -> Json:
    size = int(settings.values.get("embedding_size") or _DEFAULT_SIZE)
    raw = [2 * number - 1 for number in numbers(text, size)]
    length = sum(number * number for number in raw) ** 0.5 or 1.0
    return {settings.results_field: [number / length for number in raw]}


def _text_expansion(settings: Settings, text: str) -> Json:
    words = sorted({word.lower() for word in _WORD.findall(text)})
    weighed = [(word, 0.01 + 2 * numbers(word, 1)[0]) for word in words]
    return {settings.results_field: dict(sorted(weighed, key=lambda each: -each[1]))}


def _text_similarity(settings: Settings, text: str) -> Json:
    return {settings.results_field: 20 * numbers(f"{settings.values['text']}\0{text}", 1)[0] - 10}


def _question_answering(settings: Settings, text: str) -> Json:
    words = [(match[0], match.start(), match.end()) for match in _WORD.finditer(text)] or [("", 0, 0)]
    seed = f"{settings.values['question']}\0{text}"
    scored = sorted(zip(numbers(seed, len(words)), words, strict=True), key=lambda each: -each[0])
    score, (answer, start, end) = scored[0]
    body: Json = {settings.results_field: answer, "start_offset": start, "end_offset": end}
    count = int(settings.values.get("num_top_classes", 0))
    if count > 0:
        body["top_classes"] = [
            {"answer": word, "start_offset": first, "end_offset": last, "score": number}
            for number, (word, first, last) in scored[:count]
        ]
    return {**body, "prediction_probability": score}


def _pass_through(settings: Settings, text: str) -> Json:
    words = _WORD.findall(text) or [""]
    return {settings.results_field: [numbers(word, _DEFAULT_SIZE) for word in words]}


def _regression(settings: Settings, text: str) -> Json:
    return {settings.results_field: numbers(text, 1)[0]}


def _classification(settings: Settings, text: str) -> Json:
    ranked = _ranked(text, ("no", "yes"))
    body = _classified(settings, ranked, int(settings.values.get("num_top_classes", 0)))
    return {**body, "prediction_score": ranked[0][1]}


_TASKS: Final[Mapping[str, Callable[[Settings, str], Json]]] = {
    "text_classification": _text_classification,
    "zero_shot_classification": _zero_shot,
    "fill_mask": _fill_mask,
    "ner": _ner,
    "text_embedding": _text_embedding,
    "text_expansion": _text_expansion,
    "text_similarity": _text_similarity,
    "question_answering": _question_answering,
    "pass_through": _pass_through,
    "regression": _regression,
    "classification": _classification,
}

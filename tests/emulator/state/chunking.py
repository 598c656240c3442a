# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the chunking settings of inference endpoints, strategy by strategy, with the server's complaints.

The class was recorded in 9.5.3 (``chunking_settings`` records); that older versions say the same is [I].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..wire import errors
from .endpoint_values import bounded, invalid, java_text, missing, positive_integer, wrong_type
from .endpoints import DEFAULT_CHUNKING, WORD_CHUNKING
from .versions import Features

Json = dict[str, Any]
SETTINGS: Final = "chunking_settings"
STRATEGY: Final = "strategy"
_SIZE: Final = "max_chunk_size"
SEPARATOR_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "plaintext": ("(?<!\\n)\\n\\n(?!\\n)", "(?<!\\n)\\n(?!\\n)"),
    "markdown": (
        *(f"\n{'#' * level} " for level in range(1, 7)),
        "\n^(?!\\s*$).*\\n-{1,}\\n",
        "\n^(?!\\s*$).*\\n={1,}\\n",
    ),
}


def strategies(version: Features) -> tuple[str, ...]:
    """Return the strategies of a version."""
    return ("word", "sentence", "recursive", "none") if version.recursive_chunking else ("word", "sentence")


def read(given: Json | None, version: Features) -> Json:
    """Return complete settings: nothing given is not the same as an empty object."""
    if given is None:
        return dict(WORD_CHUNKING)
    if not given:
        return dict(DEFAULT_CHUNKING)
    if STRATEGY not in given:
        raise errors.illegal_argument("Can't generate Chunker without ChunkingStrategy provided")
    if given[STRATEGY] is None:
        what = 'Cannot invoke "Object.toString()" because the return value of "java.util.Map.get(Object)" is null'
        raise errors.ApiError(500, "null_pointer_exception", what)
    strategy = java_text(given[STRATEGY]).lower()
    if strategy not in strategies(version):
        raise errors.illegal_argument(f"Invalid chunkingStrategy {java_text(given[STRATEGY])}")
    complaints: list[str] = []
    rest = {name: value for name, value in given.items() if name != STRATEGY}
    found = _READERS[strategy](rest, complaints)
    if complaints:
        raise errors.validation(complaints, "validation_exception")
    return {STRATEGY: strategy, **found}


def _refuse_others(kind: str, rest: Json, names: tuple[str, ...], complaints: list[str]) -> None:
    others = [name for name in rest if name not in names]
    if others:
        what = f"{kind} chunking settings can not have the following settings"
        complaints.append(f"{what}: [{', '.join(others)}]")


def _size(rest: Json, least: int, complaints: list[str]) -> int | None:
    """Read the size of a chunk, which has no upper bound."""
    before = len(complaints)
    size = positive_integer(rest, _SIZE, complaints, SETTINGS)
    if size is None:
        if len(complaints) == before:
            complaints.append(missing(_SIZE, SETTINGS))
        return None
    return bounded(size, _SIZE, complaints, SETTINGS, least=least)


def _sentence(rest: Json, complaints: list[str]) -> Json:
    _refuse_others("Sentence based", rest, (_SIZE, "sentence_overlap"), complaints)
    size = _size(rest, 20, complaints)
    overlap = rest.get("sentence_overlap")
    if overlap is not None and type(overlap) is not int:
        complaints.append(wrong_type("sentence_overlap", overlap, "Integer"))
    elif overlap not in (None, 0, 1):
        complaints.append(f"sentence_overlap[{overlap}] must be either 0 or 1")
    return {_SIZE: size, "sentence_overlap": 1 if overlap is None else overlap}


def _word(rest: Json, complaints: list[str]) -> Json:
    _refuse_others("Word based", rest, (_SIZE, "overlap"), complaints)
    size = _size(rest, 10, complaints)
    overlap = None
    if size is not None:
        before = len(complaints)
        overlap = positive_integer(rest, "overlap", complaints, SETTINGS)
        if overlap is not None:
            bounded(overlap, "overlap", complaints, SETTINGS, most=size // 2)
        elif len(complaints) == before:
            complaints.append(missing("overlap", SETTINGS))
    return {_SIZE: size, "overlap": overlap}


def _recursive(rest: Json, complaints: list[str]) -> Json:
    _refuse_others("Recursive", rest, (_SIZE, "separators", "separator_group"), complaints)
    size = _size(rest, 10, complaints)
    separators, group = rest.get("separators"), rest.get("separator_group")
    if separators is not None and group is not None:
        complaints.append("Recursive chunking settings can not have both separators and separator_set")
    elif group is not None and str(group).lower() not in SEPARATOR_GROUPS:
        complaints.append(invalid("separator_group", group, sorted(SEPARATOR_GROUPS), SETTINGS))
    elif separators is None:
        separators = list(SEPARATOR_GROUPS[str(group or "plaintext").lower()])
    return {_SIZE: size, "separators": separators}


def _none(rest: Json, complaints: list[str]) -> Json:
    """Return nothing: what is given besides the strategy is neither read nor refused."""
    return {}


_READERS: Final[Mapping[str, Callable[[Json, list[str]], Json]]] = {
    "sentence": _sentence,
    "word": _word,
    "recursive": _recursive,
    "none": _none,
}

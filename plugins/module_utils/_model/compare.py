# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The differences between the files of a task and a stored model: no API can change any of them. Pure."""

from __future__ import annotations

import typing as t

from .._core.errors import Difference
from .._ml.model import OUR_METADATA
from .records import Json, StoredModel, Upload

_LOWERCASE = ("model_type", "truncate", "span_score_combination_function")
_COMPUTED = ("model_id", "model_size_bytes", "estimated_heap_memory_usage_bytes", "estimated_operations")
"""Fields that a configuration may have, and that Elasticsearch keeps otherwise or not at all."""


def differences_of(upload: Upload, stored: StoredModel) -> tuple[Difference, ...]:
    """Return what differs, of what the files say; what only Elasticsearch says is its own.

    A definition is compared by the checksum that a task of this collection has kept, otherwise by its size.
    """
    given = {name: value for name, value in upload.config.items() if name not in _COMPUTED}
    found = [*_different(given, stored.config, ""), *_checksums(upload, stored.ours)]
    begun_with = stored.ours.get("definition_revision")
    if stored.ours and stored.is_complete is False and begun_with != upload.definition_revision:
        found.append(Difference("definition_revision", begun_with, upload.definition_revision))
    size = definition_bytes(stored)
    if size is not None and size != upload.definition_bytes:
        found.append(Difference("definition_bytes", size, upload.definition_bytes))
    return tuple(found)


def definition_bytes(stored: StoredModel) -> int | None:
    """Return the size of the stored definition, ``None`` if it is not known, or only in part."""
    ours = stored.ours.get("definition_bytes")
    if isinstance(ours, int):
        return ours
    return None if stored.is_complete is False else stored.shown_bytes


def is_verified(stored: StoredModel) -> bool:
    """Return whether the stored definition is known by its checksum."""
    return bool(stored.ours.get("definition_sha256"))


def _checksums(upload: Upload, ours: Json) -> t.Iterator[Difference]:
    for name, mine in (
        ("definition_sha256", upload.definition_checksum),
        ("vocabulary_sha256", upload.vocabulary_checksum),
    ):
        kept = ours.get(name)
        # A vocabulary that only one side has is a difference, too; a checksum that was not needed is none.
        if ours and kept != mine and not (name == "definition_sha256" and None in (kept, mine)):
            yield Difference(name, kept, mine)


def _different(given: t.Any, stored: t.Any, path: str) -> t.Iterator[Difference]:
    """Yield the values in *given* that *stored* does not have."""
    if isinstance(given, dict) and isinstance(stored, dict):
        for name, value in given.items():
            if value is not None and name != OUR_METADATA:
                yield from _different(value, stored.get(name), f"{path}.{name}" if path else name)
    elif not _is_same(path.rpartition(".")[2], given, stored):
        yield Difference(path, stored, given)


def _is_same(name: str, given: t.Any, stored: t.Any) -> bool:
    """Return whether Elasticsearch keeps *given* as *stored*. What is empty may be left out."""
    if stored is None:
        return given in (None, {}, [], "")
    if isinstance(stored, list):
        given = given if isinstance(given, list) else [given]
        return len(given) == len(stored) and all(map(_is_same, ["[]"] * len(given), given, stored))
    if name in _LOWERCASE:
        return str(given).lower() == str(stored).lower()
    if isinstance(given, str) != isinstance(stored, str):  # it takes numbers and flags as text, and texts as numbers
        return str(given).lower() == str(stored).lower()
    return bool(given == stored)

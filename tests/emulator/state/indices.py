# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Store indices, their mappings and their documents, without searches (public reference of the document APIs)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

Json = dict[str, Any]
_TYPE: Final = "semantic_text"
_ID: Final = "inference_id"


def _fields(part: Any) -> Iterator[Json]:
    """Yield each field of a mapping, or of a field: properties and multi-fields, at any depth."""
    for key in ("properties", "fields"):
        fields = part.get(key) if isinstance(part, dict) else None
        for field in fields.values() if isinstance(fields, dict) else ():
            if isinstance(field, dict):
                yield field
                yield from _fields(field)


def with_default_endpoint(mappings: Json, default: str | None) -> Json:
    """Write into the fields that name no endpoint the one of the version (around-deployments.md 4.6)."""
    for field in _fields(mappings):
        if field.get("type") == _TYPE and default is not None:
            field.setdefault(_ID, default)
    return mappings


def endpoints_in(mappings: Json) -> set[str]:
    """Return the inference endpoints that the fields of a mapping name."""
    semantic = [field for field in _fields(mappings) if field.get("type") == _TYPE]
    return {str(field[key]) for field in semantic for key in (_ID, f"search_{_ID}") if field.get(key)}


@dataclasses.dataclass(frozen=True)
class Document:
    """One version of a document; ``number`` is its sequence number."""

    id: str
    version: int
    number: int
    source: Json


@dataclasses.dataclass
class Index:
    """One index; ``operations`` counts its writes."""

    name: str
    uuid: str
    created: int
    mappings: Json = dataclasses.field(default_factory=dict)
    hidden: bool = False
    operations: int = 0
    documents: dict[str, Document] = dataclasses.field(default_factory=dict)
    versions: dict[str, int] = dataclasses.field(default_factory=dict)

    def write(self, document_id: str, source: Json) -> Document:
        """Write a new document, or a new version of it."""
        found = self._next(document_id, source)
        self.documents[document_id] = found
        return found

    def delete(self, document_id: str) -> Document:
        """Delete a document; the deletion is a version, too."""
        self.documents.pop(document_id, None)
        return self._next(document_id, {})

    def _next(self, document_id: str, source: Json) -> Document:
        self.versions[document_id] = self.versions.get(document_id, 0) + 1
        found = Document(document_id, self.versions[document_id], self.operations, source)
        self.operations += 1
        return found

    def as_json(self) -> Json:
        """Return it as ``GET /{index}`` shows it."""
        settings = {
            "creation_date": str(self.created),
            **({"hidden": "true"} if self.hidden else {}),
            "number_of_replicas": "1",
            "number_of_shards": "1",
            "provided_name": self.name,
            "uuid": self.uuid,
        }
        return {"aliases": {}, "mappings": self.mappings, "settings": {"index": settings}}

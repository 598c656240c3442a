# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Store indices and their documents, without searches (public reference of the document APIs)."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Document:
    """One version of a document; ``number`` is its sequence number."""

    id: str
    version: int
    number: int
    source: dict[str, Any]


@dataclasses.dataclass
class Index:
    """One index; ``operations`` counts its writes."""

    name: str
    uuid: str
    created: int
    operations: int = 0
    documents: dict[str, Document] = dataclasses.field(default_factory=dict)
    versions: dict[str, int] = dataclasses.field(default_factory=dict)

    def write(self, document_id: str, source: dict[str, Any]) -> Document:
        """Write a new document, or a new version of it."""
        found = self._next(document_id, source)
        self.documents[document_id] = found
        return found

    def delete(self, document_id: str) -> Document:
        """Delete a document; the deletion is a version, too."""
        self.documents.pop(document_id, None)
        return self._next(document_id, {})

    def _next(self, document_id: str, source: dict[str, Any]) -> Document:
        self.versions[document_id] = self.versions.get(document_id, 0) + 1
        found = Document(document_id, self.versions[document_id], self.operations, source)
        self.operations += 1
        return found

    def as_json(self) -> dict[str, Any]:
        """Return it as ``GET /{index}`` shows it."""
        settings = {
            "creation_date": str(self.created),
            "number_of_replicas": "1",
            "number_of_shards": "1",
            "provided_name": self.name,
            "uuid": self.uuid,
        }
        return {"aliases": {}, "mappings": {}, "settings": {"index": settings}}

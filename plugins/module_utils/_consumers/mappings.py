# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inference endpoints that the mappings of indices name. Pure."""

from __future__ import annotations

import typing as t

Json = t.Mapping[str, t.Any]
NAMING = ("inference_id", "search_inference_id")
"""The parameters of a field that name an endpoint. Elasticsearch writes the default into a field that names none."""

Indices = t.Mapping[str, frozenset[str]]
"""Index to the inference endpoints that its fields name; indices that name none are left out."""


def indices(answer: Json) -> Indices:
    """Return the indices in the answer of ``GET _mapping`` that name endpoints (around-deployments.md 4.6)."""
    named = {index: frozenset(_endpoints(shown.get("mappings"))) for index, shown in answer.items()}
    return {index: endpoints for index, endpoints in named.items() if endpoints}


def _endpoints(part: t.Any) -> t.Iterator[str]:
    """Yield the endpoints that the fields of *part* name: in objects, and multi-fields of other fields.

    Only the fields count: other parts of a mapping may hold anything under these names.
    """
    for children in ("properties", "fields"):
        fields = part.get(children) if isinstance(part, dict) else None
        for field in fields.values() if isinstance(fields, dict) else ():
            if isinstance(field, dict):
                yield from (field[name] for name in NAMING if isinstance(field.get(name), str))
                yield from _endpoints(field)

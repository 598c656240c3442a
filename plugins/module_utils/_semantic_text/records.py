# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of a field of an index that uses an inference endpoint."""

from __future__ import annotations

import dataclasses
import typing as t

Mapping = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Desired:
    """``create``: whether an index that is missing may be created."""

    index: str
    field: str
    inference_id: str
    create: bool


@dataclasses.dataclass(frozen=True)
class Field:
    """A field as the mapping of an index has it. ``inference_id``: ``None`` if its type uses no endpoint."""

    index: str
    field: str
    type: str
    inference_id: str | None


class Situation(t.NamedTuple):
    """The field in each index that the name leads to: one, or those behind an alias; ``None`` where it is missing.

    Without any index, there is none of that name.
    """

    fields: t.Mapping[str, Field | None]


def field_in(index: str, path: str, mapping: Mapping) -> Field | None:
    """Return the field at *path* of a *mapping*, such as ``title`` or ``page.title``, ``None`` if it has none."""
    part: t.Any = mapping
    for name in path.split("."):
        children = {**_children(part, "fields"), **_children(part, "properties")}
        part = children.get(name)
        if not isinstance(part, dict):
            return None
    inference_id = part.get("inference_id")
    return Field(index, path, str(part.get("type") or "object"), inference_id and str(inference_id))


def _children(part: t.Any, kind: str) -> Mapping:
    found = part.get(kind) if isinstance(part, dict) else None
    return found if isinstance(found, dict) else {}

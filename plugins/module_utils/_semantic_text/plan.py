# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of a field that uses an inference endpoint. Pure."""

from __future__ import annotations

from .._core.errors import Difference, Refusal
from .._core.plan import Plan, Step
from .._core.server import Server
from .records import Desired, Field, Situation

TYPE = "semantic_text"
_TYPES = (TYPE, "semantic")
"""Types of fields that use an endpoint (around-deployments.md 4.6)."""


def decide(desired: Desired, current: Situation, _server: Server) -> Plan[Field]:
    """Return the plan that creates an index with the field, or nothing if each index has it.

    :raises Refusal: the index is missing and must not be created, or its mapping has something else.
    """
    if not current.fields:
        return _create(desired)
    for index, field in current.fields.items():
        _require(desired, index, field)
    [first, *_others] = [field for field in current.fields.values() if field]
    return Plan(first, first)


def _create(desired: Desired) -> Plan[Field]:
    if not desired.create:
        raise Refusal(
            "index_missing",
            f"There is no index '{desired.index}'",
            hint="Set create to true to create it, or create it first.",
        )
    after = Field(desired.index, desired.field, TYPE, desired.inference_id)
    return Plan(None, after, "create", (Step("create", vars(after)),))


def _require(desired: Desired, index: str, field: Field | None) -> None:
    """Refuse an index whose documents another endpoint, or none, would make ready for a search."""
    where = f"Field '{desired.field}' of index '{index}'"
    hint = "Create another index with this field, reindex into it, and let an alias lead there."
    if field is None:
        raise Refusal("mapping_differs", f"Index '{index}' has no field '{desired.field}'", hint=hint)
    if field.type not in _TYPES:
        difference = Difference("type", field.type, TYPE)
        raise Refusal("mapping_differs", f"{where} uses no inference endpoint", [difference], hint)
    if field.inference_id != desired.inference_id:
        difference = Difference("inference_id", field.inference_id, desired.inference_id)
        raise Refusal("mapping_differs", f"{where} uses another inference endpoint", [difference], hint)

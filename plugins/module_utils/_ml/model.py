# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A trained model, as far as a deployment needs to know it."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._core.errors import Refusal

OUR_METADATA = "mlops_elasticsearch"
"""The key in the metadata of a model under which this collection keeps the checksum of a definition that it sends."""
MEMORY_FIGURES = ("per_deployment_memory_bytes", "per_allocation_memory_bytes")
"""What a model may say of the memory that it needs once on a node, and for each allocation."""


@dataclasses.dataclass(frozen=True)
class Model:
    """One item of ``GET _ml/trained_models``. ``fully_defined`` is ``None`` where the server does not report it.

    ``task``: the kind of its inference configuration, ``None`` if it has none. The figures of its memory are 0 if its
    metadata, which may be anything, have no number.
    """

    model_id: str
    model_type: str
    fully_defined: bool | None = None
    task: str | None = None
    license_level: str = ""
    field_names: frozenset[str] = frozenset()
    aliases: tuple[str, ...] = ()
    per_deployment_memory_bytes: int = 0
    per_allocation_memory_bytes: int = 0

    @classmethod
    def from_api(cls, raw: t.Mapping[str, t.Any], *, has_figures: bool = True) -> Model:
        """Return it from ``GET _ml/trained_models``. *has_figures*: the server plans with those of its memory."""
        metadata = raw.get("metadata") or {}
        return cls(
            model_id=str(raw["model_id"]),
            model_type=str(raw.get("model_type") or ""),
            fully_defined=raw.get("fully_defined"),
            task=next(iter(raw.get("inference_config") or {}), None),
            license_level=str(raw.get("license_level") or ""),
            field_names=frozenset((raw.get("input") or {}).get("field_names") or ()),
            aliases=tuple(metadata.get("model_aliases") or ()),
            **{name: _whole(metadata.get(name)) if has_figures else 0 for name in MEMORY_FIGURES},
        )


def _whole(value: t.Any) -> int:
    """Return a number without its fraction, as Elasticsearch reads it; 0 for anything else."""
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0


def id_of_import(name: str) -> str:
    """Return the id under which eland imports the model *name* of a hub (around-deployments.md 2.3)."""
    return re.sub(r"[\s\\/]", "__", name).lower()[-64:]


def require_one_id(option: str, value: str | None, noun: str = "deployment or model") -> None:
    """Refuse a *value* of *option* that is a pattern or a list, and not the id of one *noun*."""
    if value and (value == "_all" or set(value) & set("*,/ ")):
        hint = "Patterns and lists are not allowed here."
        if "model" in noun and "/" in value and not set(value) & set("*, "):
            hint = f"No id has a slash. Did you mean '{id_of_import(value)}', as eland imports that model?"
        raise Refusal("invalid_value", f"{option} '{value}' is not the id of one {noun}", hint=hint)

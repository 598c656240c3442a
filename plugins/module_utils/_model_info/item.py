# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A model as the result shows it. Pure."""

from __future__ import annotations

import typing as t

from .._core.server import Server
from .._ml.deployment import iso_time
from .._ml.model import MEMORY_FIGURES, OUR_METADATA
from .memory import required_memory
from .records import Json, SeenModel


def item(seen: SeenModel, server: Server, gather: t.Container[str]) -> Json:
    """Return one model; the same keys whatever was asked for."""
    model, raw = seen.model, seen.raw
    ours = (raw.get("metadata") or {}).get(OUR_METADATA)
    ours = ours if isinstance(ours, dict) else {}
    packaged = is_packaged(seen)
    return {
        "model_id": model.model_id,
        "model_type": model.model_type or None,
        "task": model.task,
        "description": raw.get("description"),
        "tags": sorted(raw.get("tags") or ()),
        "field_names": sorted(model.field_names),
        "platform_architecture": raw.get("platform_architecture"),
        "model_aliases": sorted(model.aliases),
        "license_level": model.license_level or None,
        "created_by": raw.get("created_by"),
        "create_time": iso_time(raw.get("create_time")),
        "packaged": packaged,
        "fully_defined": model.fully_defined,
        "download": seen.download and seen.download._asdict(),
        "definition_sha256": ours.get("definition_sha256"),
        "definition_bytes": ours.get("definition_bytes"),
        "verified": None if packaged else bool(ours.get("definition_sha256")),
        "model_bytes": seen.model_bytes,
        **{name: getattr(model, name) for name in MEMORY_FIGURES},
        "required_memory": required_memory(seen, server),
        "deployments": list(seen.deployed.deployments),
        "in_use": seen.in_use,
        "used_by": seen.users and seen.users.as_result(),
        "config": raw if "config" in gather else None,
    }


def is_packaged(seen: SeenModel) -> bool:
    """Return whether Elasticsearch has downloaded the model itself."""
    return "model_package" in seen.raw or seen.model.model_id.startswith(".")


def summary(found: t.Sequence[SeenModel]) -> Json:
    """Return the numbers of the models that were found. ``unused``: ``None`` if that is not known of each."""
    uses = [seen.in_use for seen in found]
    return {
        "models": len(found),
        "deployed": sum(bool(seen.deployed.deployments) for seen in found),
        "incomplete": sum(seen.model.fully_defined is False for seen in found),
        "downloading": sum(seen.download is not None for seen in found),
        "unused": None if None in uses else uses.count(False),
        "model_bytes": sum(seen.model_bytes or 0 for seen in found),
    }

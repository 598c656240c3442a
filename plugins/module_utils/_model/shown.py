# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A model as results show it. Pure."""

from __future__ import annotations

from .._ml.deployment import iso_time
from .._ml.model import MEMORY_FIGURES
from .aims import aim_of
from .compare import definition_bytes, is_verified
from .records import Desired, Json, Situation, StoredModel

_SETTINGS = (
    *("model_id", "model_type", "description", "tags", "task", "platform_architecture"),
    *("definition_sha256", "definition_bytes"),
)
_OF_PACKAGE = ("model_id", "model_type")
"""What is known of a package before it is downloaded: the rest is its own, and compared with nothing."""


def settings(stored: StoredModel | None) -> Json:
    """Return a model as ``before`` and ``after`` show it."""
    if stored is None:
        return {**dict.fromkeys(_SETTINGS), "state": "absent"}
    own: Json = {
        "model_id": stored.model.model_id,
        "model_type": stored.model.model_type,
        "description": stored.config.get("description"),
        "tags": sorted(stored.config.get("tags") or ()),
        "task": stored.model.task,
        "platform_architecture": stored.config.get("platform_architecture"),
        "definition_sha256": stored.ours.get("definition_sha256"),
        "definition_bytes": definition_bytes(stored),
    }
    known = _OF_PACKAGE if stored.is_packaged else _SETTINGS
    found = {name: own[name] if name in known else None for name in _SETTINGS}
    return {**found, "state": "incomplete" if stored.is_complete is False else "present"}


def shown(stored: StoredModel) -> Json:
    """Return the result key ``model``; what only Elasticsearch knows is null in check mode."""
    model, config = stored.model, stored.config
    return {
        "model_id": model.model_id,
        "model_type": model.model_type,
        "task": model.task,
        "description": config.get("description"),
        "tags": sorted(config.get("tags") or ()),
        "field_names": sorted(model.field_names),
        "platform_architecture": config.get("platform_architecture"),
        "model_aliases": sorted(model.aliases),
        "license_level": model.license_level or None,
        "created_by": config.get("created_by"),
        "create_time": iso_time(config.get("create_time")),
        "fully_defined": model.fully_defined,
        "definition_sha256": stored.ours.get("definition_sha256"),
        "definition_bytes": definition_bytes(stored),
        "verified": None if stored.is_packaged else is_verified(stored),
        "model_bytes": config.get("model_size_bytes"),
        **{name: getattr(model, name) for name in MEMORY_FIGURES},
        "config": config,
    }


def upload_result(desired: Desired, first: Situation, last: Situation) -> Json | None:
    """Return the result key ``upload``, ``None`` if nothing is to be sent.

    ``resumed_at``: the first part that is missing, where a journal says so.
    """
    upload, aim = first.upload, aim_of(desired, first)
    if upload is None or aim == "none" or (aim == "recreate" and desired.replace == "never"):
        return None
    missing = None
    if upload.acknowledged is not None:
        missing = next((part for part in range(upload.total_parts) if part not in upload.acknowledged), None)
    return {
        "parts": upload.total_parts,
        "part_size": upload.part_size,
        "bytes": upload.definition_bytes,
        "resumed_at": missing,
        "sent_parts": last.sent.parts,
        "sent_bytes": last.sent.bytes,
        "already_there": last.sent.already_there,
    }

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the task types of inference endpoints in paths and bodies (``inference_endpoint`` records)."""

from __future__ import annotations

from typing import Any, Final

from ..wire import errors
from .endpoint_values import java_text
from .endpoints import ANY, RERANK, SPARSE, TEXT
from .versions import Features

COMPLETION: Final = "completion"
CHAT: Final = "chat_completion"
EMBEDDING: Final = "embedding"
_ORDER: Final = (TEXT, SPARSE, RERANK, COMPLETION, ANY, CHAT, EMBEDDING)
# In which patch a type came is [U]; the records have some versions only.
_SINCE: Final = {RERANK: (8, 14, 0), COMPLETION: (8, 14, 0), CHAT: (8, 18, 0), EMBEDDING: (9, 4, 0)}


def known(version: Features) -> tuple[str, ...]:
    """Return the task types of a version, in the server's order."""
    return tuple(name for name in _ORDER if version.at_least(_SINCE.get(name, (8, 11, 0))))


def read(given: Any, version: Features) -> str:
    """Read a task type, whatever its case; 400 otherwise."""
    name = java_text(given).strip().lower()
    if name not in known(version):
        raise errors.status(400, f"Unknown task_type [{java_text(given)}]")
    return name


def resolved(in_path: str, in_body: Any, version: Features) -> str:
    """Return the one task type that path and body agree on."""
    if in_body is None:
        if in_path == ANY:
            raise errors.status(400, "model is missing required setting [task_type]")
        return in_path
    found = read(in_body, version)
    if found == ANY:
        raise errors.status(400, "task_type [any] is not valid type for inference")
    if in_path not in (ANY, found):
        what = "Cannot resolve conflicting task_type parameter in the request URL"
        raise errors.status(400, f"{what} [{in_path}] and the request body [{found}]")
    return found

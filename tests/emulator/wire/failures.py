# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give exceptions that do not concern deployments their status.

The ``errors`` records. Those about time are in ``state/coordination.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from . import errors

STATUSES: Final[Mapping[str, int]] = {
    "es_rejected_execution_exception": 429,
    "failed_to_commit_cluster_state_exception": 500,
    "master_not_discovered_exception": 503,
    "not_master_exception": 500,
    "resource_already_exists_exception": 400,
    "resource_not_found_exception": 404,
    "task_cancelled_exception": 400,
    "version_conflict_engine_exception": 409,
}


def failure(kind: str, reason: str | None) -> errors.ApiError:
    """Return one of them."""
    return errors.ApiError(STATUSES[kind], kind, reason)


def version_conflict(document_id: str, current: int, index: str, uuid: str) -> errors.ApiError:
    """Return the 409 for a document that should have been new."""
    reason = f"{document_id}: version conflict, document already exists (current version [{current}])"
    kind, status = "version_conflict_engine_exception", STATUSES["version_conflict_engine_exception"]
    return errors.ApiError(status, kind, reason, extra={"index_uuid": uuid, "shard": "0", "index": index})

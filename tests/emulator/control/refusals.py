# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse as Elasticsearch does in situations that are hard to cause.

Source: server-behaviour.md 3.1 to 3.3; the forms of time-outs are those of the ``errors`` records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..state import coordination
from ..state.operations import NO_CAPACITY, NOT_ENOUGH
from ..state.versions import Features
from ..wire import errors

CONFLICT: Final[Mapping[str, str]] = {
    "start": "Cannot start deployment [{id}] because it has already been started",
    "update": "cannot update deployment that is not in [started] state",
    "stop": "Cannot stop deployment [{id}] as it is referenced by ingest processors; use force to stop the deployment",
}
_UNPLACED: Final = "Could not start deployment because no suitable nodes were found, allocation explanation [none]"


def conflict(operation: str, deployment_id: str) -> errors.ApiError:
    """Return the 409 of server-behaviour.md 3.1 row 17, 3.2 row 10, 3.3."""
    return errors.status(409, CONFLICT[operation].format(id=deployment_id))


def capacity(operation: str, *, some_fit: bool) -> errors.ApiError:
    """Return the 429 of server-behaviour.md 3.1 row 18, 3.1 row 19, 3.2 row 12.

    No rate limit, repeating does not help.
    """
    if operation == "update" or some_fit:
        return errors.status(429, NOT_ENOUGH.format(operation))
    return errors.status(429, NO_CAPACITY, errors.ApiError(429, "illegal_state_exception", _UNPLACED))


def master_timeout(version: Features) -> errors.ApiError:
    """Return the error of a task that waited too long in the master's queue, server-behaviour.md 3.2 row 14.

    503 in 8.x; in 9.x a 429 that is no matter of capacity: it has ``timed_out``. The name of the task is [U].
    """
    kind, reason = "process_cluster_event_timeout_exception", "failed to process cluster event (update) within 30s"
    return coordination.timed_out(kind, reason, version, 503)


def no_master() -> errors.ApiError:
    """Return the 503 without a reason, as recorded of a node without an elected master."""
    return errors.ApiError(503, "master_not_discovered_exception", None)

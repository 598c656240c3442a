# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether the cluster can take a request: elected master, recovered state, global blocks.

Source: server-behaviour.md 0 and 3.2 row 13, 3.2 row 14; http:535-553; the ``errors`` records
for the texts of blocks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..wire import errors
from .versions import Features

READ: Final = "read"
WRITE: Final = "write"
METADATA_READ: Final = "metadata_read"
METADATA_WRITE: Final = "metadata_write"
READ_ONLY: Final = "cluster.blocks.read_only"
READ_ONLY_ALLOW_DELETE: Final = "cluster.blocks.read_only_allow_delete"
NO_MASTER_BLOCK: Final = "cluster.no_master_block"
_EVENT: Final = "process_cluster_event_timeout_exception"


@dataclasses.dataclass(frozen=True)
class Block:
    """One global block."""

    id: int
    description: str
    levels: tuple[str, ...]
    retryable: bool = True
    persists: bool = True
    forbids: bool = False

    @property
    def text(self) -> str:
        """Return it as messages name it."""
        return f"{'FORBIDDEN' if self.forbids else 'SERVICE_UNAVAILABLE'}/{self.id}/{self.description}"

    def as_json(self) -> dict[str, Any]:
        """Return it as the cluster state shows it."""
        body: dict[str, Any] = {"description": self.description, "retryable": self.retryable}
        if not self.persists:
            body["disable_state_persistence"] = True
        return {**body, "levels": list(self.levels)}


_NOT_RECOVERED: Final = Block(
    1,
    "state not recovered / initialized",
    (READ, WRITE, METADATA_READ, METADATA_WRITE, "refresh"),
    persists=False,
)
_NO_MASTER: Final = {
    "write": Block(2, "no master", (WRITE, METADATA_WRITE)),
    "metadata_write": Block(2, "no master", (METADATA_WRITE,)),
    "all": Block(2, "no master", (READ, WRITE, METADATA_READ, METADATA_WRITE)),
}
_READ_ONLY: Final = Block(6, "cluster read-only (api)", (WRITE, METADATA_WRITE), retryable=False, forbids=True)
_ALLOW_DELETE: Final = Block(
    13, "cluster read-only / allow delete (api)", (WRITE, METADATA_WRITE), retryable=False, forbids=True
)


@dataclasses.dataclass
class Coordination:
    """The control port's changes to the coordination. A node that never had a master has no recovered state either."""

    master: bool = True
    recovered: bool = True
    event_timeouts: int = 0
    """So many cluster state updates will not be taken from the master's queue in time."""

    def blocks(self, settings: Mapping[str, Any]) -> list[Block]:
        """Return global blocks, in the order in which they are rendered."""
        found = [] if self.recovered else [_NOT_RECOVERED]
        if not self.master:
            found.append(_NO_MASTER[str(settings.get(NO_MASTER_BLOCK, "write"))])
        if _is_set(settings, READ_ONLY):
            found.append(_READ_ONLY)
        if _is_set(settings, READ_ONLY_ALLOW_DELETE):
            found.append(_ALLOW_DELETE)
        return found

    def blocking(self, level: str, settings: Mapping[str, Any]) -> list[Block]:
        """Return the blocks of one level."""
        return [block for block in self.blocks(settings) if level in block.levels]

    def commits(self, settings: Mapping[str, Any]) -> bool:
        """Return whether the master can publish what nodes report and what it plans."""
        return self.master and not self.blocking(METADATA_WRITE, settings)

    def as_json(self) -> dict[str, Any]:
        """Return it as the control port shows it."""
        return dataclasses.asdict(self)


def _is_set(settings: Mapping[str, Any], name: str) -> bool:
    return str(settings.get(name, "false")).lower() == "true"


def blocked(blocks: Sequence[Block], index: str | None = None) -> errors.ApiError:
    """Return the exception of a block; the later block comes first, as recorded."""
    listed = ", ".join(block.text for block in reversed(blocks))
    what = f"index [{index}] blocked by" if index else "blocked by"
    status = 503 if any(not block.forbids for block in blocks) else 403
    return errors.ApiError(status, "cluster_block_exception", f"{what}: [{listed}];")


def no_master(cause: errors.ApiError | None = None) -> errors.ApiError:
    """Return the exception of a vain wait for the master; it names a block that was in the way."""
    if cause is None:
        return errors.ApiError(503, "master_not_discovered_exception", None)
    reason = f"org.elasticsearch.cluster.block.ClusterBlockException: {cause.reason}"
    return errors.ApiError(503, "master_not_discovered_exception", reason, cause)


def event_timeout(source: str, timeout: object, version: Features) -> errors.ApiError:
    """Return the error of an update that waited too long in the master's queue (server-behaviour.md 3.2 row 14)."""
    return timed_out(_EVENT, f"failed to process cluster event ({source}) within {timeout}", version, 503)


def timed_out(kind: str, reason: str, version: Features, before_9: int) -> errors.ApiError:
    """Return a timeout: 429 and marked as one since 9.0; 9.0 and 9.1 mark it a second time."""
    if not version.timeouts_are_429:
        return errors.ApiError(before_9, kind, reason)
    extra: dict[str, Any] = {"timed_out": True}
    header = {"X-Timed-Out": "?1"} if version.timed_out_header else {}
    if header:
        extra["header"] = header
    return errors.ApiError(429, kind, reason, extra=extra, headers=tuple(header.items()))

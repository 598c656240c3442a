# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold requests back that the cluster cannot take now: they wait for a master as long as they say, or fail at once.

Source: server-behaviour.md 0 (503 forms), 3.2 row 13, 3.2 row 14; http:535-553. Which kind an
action is follows from its name, as the names of the server's own actions say it: ``cluster:admin`` and
``indices:admin`` are done by the master, ``indices:data`` and what reads models needs an index, the rest is local.
"""

from __future__ import annotations

import enum
from typing import Final

from ..emulator import Emulator
from ..state import coordination
from ..state.coordination import METADATA_WRITE, READ, WRITE
from ..wire import values
from ..wire.call import Call
from ..wire.router import Prepared
from ..wire.values import TimeValue


class Kind(enum.Enum):
    """The state of the cluster that a request needs."""

    LOCAL = enum.auto()
    """Nothing: any node answers from what it has."""
    MASTER_READ = enum.auto()
    """A master, whatever its state: health, settings."""
    STATE = enum.auto()
    """A master with a recovered state."""
    MASTER_WRITE = enum.auto()
    """A master, and no block on metadata."""
    AT_ONCE = enum.auto()
    """A master, now."""
    INDEX_READ = enum.auto()
    INDEX_WRITE = enum.auto()


# The first prefix that fits counts.
_KINDS: Final = (
    ("cluster:monitor/health", Kind.MASTER_READ),
    ("cluster:monitor/settings", Kind.MASTER_READ),
    ("cluster:monitor/state", Kind.STATE),
    ("cluster:monitor/xpack/ml/inference/", Kind.INDEX_READ),
    ("cluster:monitor/", Kind.LOCAL),
    # A tasks action that is sent on to the master; it does not wait for one.
    ("cluster:admin/xpack/ml/trained_models/deployment/stop", Kind.AT_ONCE),
    ("cluster:admin/xpack/ml/trained_models/part/put", Kind.INDEX_WRITE),
    ("cluster:admin/xpack/ml/trained_models/vocabulary/put", Kind.INDEX_WRITE),
    ("cluster:admin/xpack/security/", Kind.LOCAL),
    ("cluster:admin/", Kind.MASTER_WRITE),
    ("indices:admin/", Kind.MASTER_WRITE),
    ("indices:data/write/", Kind.INDEX_WRITE),
    ("indices:data/read/", Kind.INDEX_READ),
)
_SOURCES: Final = {
    "cluster:admin/xpack/ml/trained_models/deployment/start": "model deployment started",
    "cluster:admin/xpack/ml/trained_models/deployment/update": "update model deployment",
    "cluster:admin/settings/update": "cluster_update_settings",
}
_MASTER_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_WRITE_TIMEOUT: Final = TimeValue(60 * 10**9, "1m")


def kind_of(action: str) -> Kind:
    """Return the kind of an action."""
    return next((kind for prefix, kind in _KINDS if action.startswith(prefix)), Kind.LOCAL)


async def admit(emulator: Emulator, prepared: Prepared, call: Call) -> None:
    """Let a request pass, perhaps later; raise ``ApiError`` if its time is over or a block is in its way."""
    state = emulator.cluster.coordination
    if not state.event_timeouts and not state.blocks(emulator.cluster.settings):
        return
    kind = kind_of(prepared.action)
    if kind in (Kind.LOCAL, Kind.AT_ONCE):
        if kind is Kind.AT_ONCE and not state.master:
            raise coordination.no_master()
    elif kind in (Kind.INDEX_READ, Kind.INDEX_WRITE):
        await _index(emulator, call, READ if kind is Kind.INDEX_READ else WRITE)
    elif not prepared.local and call.parameters.get("local") not in ("", "true"):
        await _master(emulator, prepared, call, kind)


async def _master(emulator: Emulator, prepared: Prepared, call: Call, kind: Kind) -> None:
    """Wait for a master, except for health and state with ``local``, which any node answers."""
    cluster, action = emulator.cluster, prepared.action
    timeout = _time(call, "master_timeout", _MASTER_TIMEOUT)
    index = call.path_parameters.get("index") if action.startswith("indices:admin/") else None

    def ready() -> bool:
        if not cluster.coordination.master:
            return False
        blocks = cluster.coordination.blocking(METADATA_WRITE, cluster.settings) if kind is Kind.MASTER_WRITE else []
        if blocks and not all(block.retryable for block in blocks) and not prepared.passes_blocks:
            raise coordination.blocked(blocks, index)
        return not any(block.retryable for block in blocks)

    if not await emulator.clock.wait(ready, timeout.seconds):
        blocks = cluster.coordination.blocking(METADATA_WRITE, cluster.settings) if cluster.coordination.master else []
        raise coordination.no_master(coordination.blocked(blocks, index) if blocks else None)
    if kind is Kind.STATE and not cluster.coordination.recovered:
        raise coordination.blocked(cluster.coordination.blocks(cluster.settings))
    if kind is Kind.MASTER_WRITE and cluster.coordination.event_timeouts:
        cluster.coordination.event_timeouts -= 1
        raise coordination.event_timeout(_SOURCES.get(action, action), timeout, cluster.version)


async def _index(emulator: Emulator, call: Call, level: str) -> None:
    """Check the blocks of indices: reads fail at once, writes wait for their ``timeout``."""
    cluster = emulator.cluster

    def free() -> bool:
        return not cluster.coordination.blocking(level, cluster.settings)

    waits = level == WRITE and all(block.retryable for block in cluster.coordination.blocking(level, cluster.settings))
    seconds = _time(call, "timeout", _WRITE_TIMEOUT).seconds if waits else 0.0
    if not free() and not (waits and await emulator.clock.wait(free, seconds)):
        raise coordination.blocked(cluster.coordination.blocking(level, cluster.settings))


def _time(call: Call, name: str, default: TimeValue) -> TimeValue:
    given = call.parameters.get(name)
    return default if given is None else values.parse_time(given, name)

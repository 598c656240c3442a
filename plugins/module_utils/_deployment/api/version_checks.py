# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refusals, before any write, of options and writes that the server's version does not have."""

from __future__ import annotations

import typing as t

from ..._core.errors import Refusal
from ..._core.http.text import shorten
from ..._core.server import Server
from ..._ml.adaptive import OFF
from ..records.desired import Desired
from ..records.step import Step

OLDEST = (8, 0)
MAX_QUEUE = 100_000
MAX_QUEUE_BEFORE_8_17 = 1_000_000

_OTHER_ID = "a deployment_id that differs from the model_id"


def refuse_old_server(server: Server) -> None:
    """Refuse a server that this collection does not support.

    :raises Refusal: its version is too old, or cannot be read.
    """
    if not server.version:
        raise Refusal(
            "missing_privilege",
            "The version of Elasticsearch cannot be read",
            hint="Grant the cluster privilege monitor.",
        )
    if not server.has(*OLDEST):
        raise Refusal(
            "unsupported_version",
            f"Elasticsearch {_shown_version(server)} is too old",
            hint="This collection needs 8.0 or newer.",
        )


def refuse_unsupported(server: Server, desired: Desired) -> None:
    """Refuse options that this server does not have, or has with a smaller range.

    :raises Refusal: there is such an option.
    """
    adaptive = desired.adaptive_allocations
    stopping = desired.state != "started" or desired.replace == "stop_start" or desired.on_failed == "recover"
    needs: tuple[tuple[bool, str, tuple[int, int]], ...] = (
        (desired.cache_size is not None, "cache_size", (8, 4)),
        (desired.priority == "low", "priority: low", (8, 6)),
        (desired.deployment_id != (desired.model_id or desired.deployment_id), _OTHER_ID, (8, 8)),
        (adaptive is not None and adaptive.merged_into(None) != OFF, "adaptive_allocations", (8, 16)),
        (desired.finish_pending_work is not None and stopping, "finish_pending_work", (8, 11)),
    )
    for is_used, name, since in needs:
        if is_used:
            _refuse_before(server, name, since)
    _refuse_long_queue(server, desired.queue_capacity)


def refuse_unsendable(server: Server, steps: t.Iterable[Step]) -> None:
    """Refuse a plan with a write that this server does not have.

    :raises Refusal: there is such a write.
    """
    for step in steps:
        if step.kind == "start" and step.deployment_id != step.settings["model_id"]:
            _refuse_before(server, _OTHER_ID, (8, 8))
        if step.kind == "update":
            update = f"an update of the running deployment '{step.deployment_id}'"
            _refuse_before(server, update, (8, 6), "With replace: stop_start the task stops it and starts it again.")
        _refuse_long_queue(server, step.settings.get("queue_capacity"))


def misreports_threads(server: Server) -> bool:
    """Return whether its statistics can show wrong threads, and then no cache size (server-behaviour.md 7 item 22)."""
    return server.has(8, 4) and not server.has(8, 6)


def counts_pending(server: Server) -> bool:
    """Return whether its number of pending requests is right: before 9.5 it can be negative."""
    return server.has(9, 5)


def _shown_version(server: Server) -> str:
    """Return its version as one short word, because the text comes from the response."""
    return shorten(server.version, 40)


def _refuse_before(server: Server, name: str, since: tuple[int, int], instead: str = "") -> None:
    if not server.has(*since):
        oldest = ".".join(map(str, since))
        raise Refusal(
            "unsupported_version",
            f"Elasticsearch {_shown_version(server)} does not support {name}",
            hint=f"This needs Elasticsearch {oldest} or newer. {instead}".rstrip(),
        )


def _refuse_long_queue(server: Server, length: int | None) -> None:
    longest = MAX_QUEUE if server.has(8, 17) else MAX_QUEUE_BEFORE_8_17
    if length is not None and length > longest:
        raise Refusal(
            "unsupported_version",
            f"Elasticsearch {_shown_version(server)} takes a queue_capacity of at most {longest}, not {length}",
        )

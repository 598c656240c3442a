# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server's version lacks: one sentence, before any write."""

from __future__ import annotations

import typing as t

from ..._core.errors import Refusal
from ..._core.http.text import cut
from ..._core.server import Server
from ..._ml.adaptive import OFF
from ..records.desired import Wanted
from ..records.step import Action

OLDEST = (8, 0)
MAX_QUEUE = 100_000
MAX_QUEUE_BEFORE_8_17 = 1_000_000


def refuse_old_server(server: Server) -> None:
    if not server.version:
        raise Refusal("The version of Elasticsearch cannot be read", hint="Grant the cluster privilege monitor.")
    if not server.has(*OLDEST):
        raise Refusal(f"Elasticsearch {_named(server)} is too old", hint="This collection needs 8.0 or newer.")


def refuse_unsupported(server: Server, wanted: Wanted) -> None:
    """Refuse options that this server does not know, or knows with a smaller range."""
    adaptive = wanted.adaptive_allocations
    stopping = wanted.state != "started" or wanted.replace == "stop_start" or wanted.on_failed == "recover"
    needs: tuple[tuple[bool, str, tuple[int, int]], ...] = (
        (wanted.cache_size is not None, "cache_size", (8, 4)),
        (wanted.priority == "low", "priority low", (8, 6)),
        (wanted.deployment_id != (wanted.model_id or wanted.deployment_id), "a deployment_id of its own", (8, 8)),
        (adaptive is not None and adaptive.over(None) != OFF, "adaptive_allocations", (8, 16)),
        (wanted.finish_pending_work is not None and stopping, "finish_pending_work", (8, 11)),
    )
    for asked, name, since in needs:
        if asked:
            _refuse_before(server, name, since)
    _refuse_long_queue(server, wanted.queue_capacity)


def refuse_unsendable(server: Server, actions: t.Iterable[Action]) -> None:
    """Refuse a plan with a write that this server does not have."""
    for action in actions:
        if action.kind == "start" and action.deployment_id != action.settings["model_id"]:
            _refuse_before(server, "a deployment_id of its own", (8, 8))
        if action.kind == "update":
            _refuse_before(server, f"a change of the running deployment '{action.deployment_id}'", (8, 6))
        _refuse_long_queue(server, action.settings.get("queue_capacity"))


def _named(server: Server) -> str:
    """Its version as a word: whoever answers may have written anything there."""
    return cut(server.version, 40)


def _refuse_before(server: Server, name: str, since: tuple[int, int]) -> None:
    if not server.has(*since):
        needed = ".".join(map(str, since))
        raise Refusal(f"Elasticsearch {_named(server)} does not have {name}", hint=f"It needs {needed} or newer.")


def _refuse_long_queue(server: Server, length: int | None) -> None:
    longest = MAX_QUEUE if server.has(8, 17) else MAX_QUEUE_BEFORE_8_17
    if length is not None and length > longest:
        raise Refusal(f"Elasticsearch {_named(server)} takes a queue_capacity of at most {longest}, not {length}")

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judge each single write by the laws about consumers, owners, guards and adaptive allocations.

A write is judged by the state that its run had read before it.
"""

from __future__ import annotations

import typing as t

from faults.consumers import Consumers
from laws.concurrency_rules import took_effect
from laws.truth import adaptive, task_parameters
from support.interleaving import ObservedRequest

Json = dict[str, t.Any]


class Item(t.NamedTuple):
    """A deployment with the options that the task has for it."""

    name: str
    options: Json

    @property
    def may_stop(self) -> bool:
        """Return whether the options allow a stop in any case."""
        option = self.options.get
        asked = option("state") in ("stopped", "restarted") or option("replace") == "stop_start"
        return bool(asked or option("on_failed") == "recover" or self.rolls_back)

    @property
    def rolls_back(self) -> bool:
        return bool(self.options.get("on_unsatisfied") == "rollback")


class Write(t.NamedTuple):
    """A write that took effect on one deployment.

    ``shown``: the deployment as the run read it last before the write, ``None`` if it was missing; ``first``: as the
    run read it first.
    """

    request: ObservedRequest
    first: Json | None
    shown: Json | None
    after: Json | None


def writes(requests: t.Sequence[ObservedRequest], name: str) -> list[Write]:
    """Return the writes that took effect on a deployment, in their order."""
    found: list[Write] = []
    first: Json | None = None
    shown: Json | None = None
    read = False
    for request in requests:
        if _reads(request, name):
            shown = _reported(request.after.get(name))
            first, read = (first, True) if read else (shown, True)
        if took_effect(request, name):
            after = _running(request.after.get(name))
            found.append(Write(request, first, shown, after))
            if request.status == 200:  # the answer shows what is there now
                shown = after
    return found


def _reads(request: ObservedRequest, name: str) -> bool:
    """Return whether the answer has this deployment."""
    of_all = request.path in ("/_ml/trained_models/_stats", "/_cluster/state/metadata")
    return request.status == 200 and (of_all or request.path == f"/_ml/trained_models/{name}/_stats")


def _reported(assignment: Json | None) -> Json | None:
    """Return the deployment as an answer reports it.

    A stopping deployment counts as missing, unless all its routes have failed: then the statistics call it failed.
    """
    routes = (assignment or {}).get("routing_table", {}).values()
    failed = routes and all(route["routing_state"] == "failed" for route in routes)
    return assignment if failed else _running(assignment)


def _running(assignment: Json | None) -> Json | None:
    return None if assignment is None or assignment["assignment_state"] == "stopping" else assignment


def wrong_writes(requests: t.Sequence[ObservedRequest], item: Item, consumers: Consumers) -> list[str]:
    """Return the laws that this run broke by a write on this deployment, whatever other clients did."""
    found = _wrong_stops(requests, item, consumers)
    baseline: Json | None = None
    for write in writes(requests, item.name):
        if write.request.verb != "_start" or baseline is None:
            baseline = write.shown  # for a start after a stop: the deployment before the stop
        found += _beyond_guard(item, write, baseline) + _disabled_adaptive(item, write, baseline)
        if (
            write.request.verb == "_update"
            and consumers.has_owner(item.name)
            and item.options.get("on_endpoint_owned") != "update_deployment"
            and write.request.path.startswith("/_ml/")
        ):
            found.append(f"the task updated '{item.name}' directly, although an inference endpoint owns it")
    return found


# --- stops ---


def _wrong_stops(requests: t.Sequence[ObservedRequest], item: Item, consumers: Consumers) -> list[str]:
    found = []
    for at, request in enumerate(requests):
        if request.verb == "_stop" and request.path.split("/")[-3] == item.name and is_forced(request):
            found += _wrong_force(requests[: at + 1], item, consumers)
        if request.verb != "_stop" or not took_effect(request, item.name):
            continue
        if not item.may_stop:
            found.append(f"the task stopped '{item.name}', although none of its options asks for a stop")
        if not is_forced(request) and all(_used(requests[: at + 1], item.name, consumers)):
            found.append(f"the task stopped '{item.name}' without force, although it has consumers")
    return found


def _wrong_force(requests: t.Sequence[ObservedRequest], item: Item, consumers: Consumers) -> list[str]:
    if item.options.get("on_referenced") != "force":
        return [f"the task sent force with a stop of '{item.name}', although none of its options asks for force"]
    unread = any(request.path in _CONSUMER_READS and request.status is None for request in requests)
    used = any(consumers.may_use(item.name, request.before) for request in requests if item.name in request.before)
    needless = consumers.readable and not (unread or consumers.late or used)
    return [f"the task sent force with a stop of '{item.name}', although it has no consumers"] if needless else []


_CONSUMER_READS = ("/_inference/_all", "/_inference/any/_all", "/_ingest/pipeline", "/_ml/trained_models")


def is_forced(request: ObservedRequest) -> bool:
    query, body = request.sent
    return "force=true" in query or b'"force":true' in (body or b"").replace(b" ", b"")


def _used(requests: t.Sequence[ObservedRequest], name: str, consumers: Consumers) -> list[bool]:
    """Return whether it had a consumer, before each request that found it there."""
    return [consumers.use(name, request.before) for request in requests if name in request.before]


# --- numbers of allocations ---


def _beyond_guard(item: Item, write: Write, baseline: Json | None) -> list[str]:
    """Find a number of allocations that the guard forbids. To return to the first number is always allowed."""
    guard = item.options.get("guard") or {}
    stops = write.request.verb == "_stop"
    if stops and item.options.get("state") != "stopped":
        return []  # the start that follows is judged
    if baseline is None and "recovery_file" in item.options:
        return []  # a previous run may have ended between stop and start: the recovery file has the old number
    old, new = allocations(baseline), 0 if stops else allocations(write.after)
    moved_by_another = write.request.verb == "_update" and new == allocations(write.request.before[item.name])
    if new in (old, allocations(write.first)) or moved_by_another:
        return []
    limits: tuple[tuple[str, bool], ...] = (
        ("number_of_allocations", old == guard.get("number_of_allocations")),
        ("min", new >= guard.get("min", 0)),
        ("max", new <= guard.get("max", new)),
        ("max_step", abs(new - old) <= guard.get("max_step", 0)),
    )
    return [
        f"the task changed '{item.name}' from {old} to {new} allocations, although its guard has {name} {guard[name]}"
        for name, held in limits
        if name in guard and not held
    ]


def allocations(assignment: Json | None) -> int:
    """Return the number of allocations, 0 for a missing deployment."""
    return 0 if assignment is None else int(task_parameters(assignment)["number_of_allocations"])


def _disabled_adaptive(item: Item, write: Write, baseline: Json | None) -> list[str]:
    """Find a write that disabled adaptive allocations, unless the task asks for it or returns to the first settings."""
    if baseline is None or write.after is None or not adaptive(baseline)["enabled"] or adaptive(write.after)["enabled"]:
        return []
    asked = (item.options.get("adaptive_allocations") or {}).get("enabled") is False
    overriding = item.options.get("on_adaptive") == "override" and "number_of_allocations" in item.options
    was_off = write.first is None or not adaptive(write.first)["enabled"]
    if asked or overriding or was_off:
        return []
    return [f"the task disabled the adaptive allocations of '{item.name}', although none of its options asks for it"]

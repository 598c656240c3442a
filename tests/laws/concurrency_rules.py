# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judge a run by its requests while other clients act on the same cluster."""

from __future__ import annotations

import itertools
import typing as t

from laws.truth import reached, same_as_there
from support.interleaving import Assignments, ObservedRequest, SharedEmulator

Json = dict[str, t.Any]
UNKNOWN = "took effect is not known"


class Snapshot:
    """Assignments of one moment, in place of an emulator that has them now."""

    def __init__(self, version: str, assignments: Assignments) -> None:
        self.version = version
        self._assignments = assignments

    def deployments(self) -> Assignments:
        return self._assignments


def stops_of_others(requests: t.Sequence[ObservedRequest], name: str) -> list[str]:
    """Find stops of a deployment that another client has started, though the request before had shown it."""
    wrong, ours = [], _read_first(requests, name)
    for before, request in itertools.pairwise(requests):
        there = _start_time(request.after, name)
        if request.verb == "_start" and there is not None and there != _start_time(request.before, name):
            ours = {there}
        elif request.verb == "_stop" and took_effect(request, name):
            shown = _start_time(before.after, name)
            if shown not in ours:
                wrong.append(f"'{name}' was stopped, which had been started at {shown}, not at {ours}")
    return wrong


def _read_first(requests: t.Sequence[ObservedRequest], name: str) -> set[str | None]:
    """Return the start times that the plan was made for: the run reads statistics, then cluster state."""
    found, whole = set(), False
    for request in requests:
        of_state = request.path.startswith("/_cluster/state")
        if request.verb in ("_start", "_stop", "_update") or (whole and not of_state):
            break
        if of_state or request.verb == "_stats":
            found.add(_start_time(request.after, name))
        whole = whole or of_state
    return found


def took_effect(request: ObservedRequest, name: str) -> bool:
    """Return whether this write changed settings of the deployment that a task owns."""
    return name in changed_by(request)


def changed_by(request: ObservedRequest) -> set[str]:
    """Return the deployments that this write started, stopped or updated.

    One whose stop is under way counts as missing, but for an update: another write's plan may have given it a state in
    which it takes one.
    """
    if not request.path.endswith(("/_start", "/_stop", "/_update")):
        return set()
    names = request.before.keys() | request.after.keys()
    updates = request.verb == "_update"
    return {
        name for name in names if _owned(request.before.get(name), updates) != _owned(request.after.get(name), updates)
    }


def _owned(assignment: Json | None, updates: bool) -> t.Any:
    if assignment is None or (assignment["ends"] and not updates):
        return None
    return assignment["task_parameters"], assignment.get("adaptive_allocations"), assignment["start_time"]


def _start_time(assignments: Assignments, name: str) -> str | None:
    return assignments[name]["start_time"] if name in assignments else None


def untrue(emulator: SharedEmulator, requests: t.Sequence[ObservedRequest], name: str, result: Json) -> list[str]:
    """Find where *result* shows a deployment as it was at no time since the last write of its run."""
    reported = {**result, "deployment_id": name}
    if UNKNOWN in result.get("msg", "") or not any(request.verb == "_stats" and request.status for request in requests):
        return []
    differences: list[str] = []
    for state in _since_last_write(emulator, requests, name):
        differences = same_as_there(state, reported)
        if not differences:
            return []
    return differences


def _since_last_write(emulator: SharedEmulator, requests: t.Sequence[ObservedRequest], name: str) -> list[t.Any]:
    last = max((place for place, request in enumerate(requests) if took_effect(request, name)), default=0)
    return [Snapshot(emulator.version, request.after) for request in requests[last:]]


def unreached(
    emulator: SharedEmulator, requests: t.Sequence[ObservedRequest], options: Json, result: Json
) -> list[str]:
    """Find a run that reports success although the deployment was never as the task desires it."""
    if result.get("failed"):
        is_sentence = result["msg"].endswith((".", "?")) and "Traceback" not in result["msg"]
        return [] if is_sentence else [f"this is no sentence: {result['msg']}"]
    states = _since_last_write(emulator, requests, options["deployment_id"])
    found = any(reached(state, options, result) for state in states)
    return [] if found else [f"{options} was never there"]

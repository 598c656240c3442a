# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run may not do while others act on the same cluster, told from each of its requests."""

from __future__ import annotations

import itertools
import typing as t

from laws.truth import reached, same_as_there
from support.stage import Assignments, Look, Stage

Json = dict[str, t.Any]
UNKNOWN = "Whether it took effect is not known"


class Snapshot:
    """Assignments in the place of an emulator that has them now."""

    def __init__(self, version: str, assignments: Assignments) -> None:
        self.version = version
        self._assignments = assignments

    def deployments(self) -> Assignments:
        return self._assignments


def stops_of_others(looks: t.Sequence[Look], name: str) -> list[str]:
    """Stops of what somebody else has started, though the request before had shown it."""
    wrong, ours = [], _read_first(looks, name)
    for before, look in itertools.pairwise(looks):
        there = _start_time(look.after, name)
        if look.verb == "_start" and there is not None and there != _start_time(look.before, name):
            ours = {there}
        elif look.verb == "_stop" and took_effect(look, name):
            shown = _start_time(before.after, name)
            if shown not in ours:
                wrong.append(f"'{name}' was stopped, which had been started at {shown}, not at {ours}")
    return wrong


def _read_first(looks: t.Sequence[Look], name: str) -> set[str | None]:
    """What the plan was made for: statistics and cluster state are read one after the other, each perhaps repeated."""
    found, whole = set(), False
    for look in looks:
        of_state = look.path.startswith("/_cluster/state")
        if look.verb in ("_start", "_stop", "_update") or (whole and not of_state):
            break
        if of_state or look.verb == "_stats":
            found.add(_start_time(look.after, name))
        whole = whole or of_state
    return found


def took_effect(look: Look, name: str) -> bool:
    """Whether this write changed what the task owns of the deployment."""
    return name in changed_by(look)


def changed_by(look: Look) -> set[str]:
    """The deployments that this write started, stopped or updated. What is being stopped is no longer there."""
    if not look.path.endswith(("/_start", "/_stop", "/_update")):
        return set()
    names = look.before.keys() | look.after.keys()
    return {name for name in names if _owned(look.before.get(name)) != _owned(look.after.get(name))}


def _owned(assignment: Json | None) -> t.Any:
    if assignment is None or assignment["assignment_state"] == "stopping":
        return None
    return assignment["task_parameters"], assignment.get("adaptive_allocations"), assignment["start_time"]


def _start_time(assignments: Assignments, name: str) -> str | None:
    return assignments[name]["start_time"] if name in assignments else None


def untrue(stage: Stage, looks: t.Sequence[Look], name: str, result: Json) -> list[str]:
    """Where the *result* shows what was not there at any time since the last write of its run."""
    reported = {**result, "deployment_id": name}
    if UNKNOWN in result.get("msg", "") or not any(look.verb == "_stats" and look.status for look in looks):
        return []
    differences: list[str] = []
    for state in _since_last_write(stage, looks, name):
        differences = same_as_there(state, reported)
        if not differences:
            return []
    return differences


def _since_last_write(stage: Stage, looks: t.Sequence[Look], name: str) -> list[t.Any]:
    last = max((place for place, look in enumerate(looks) if took_effect(look, name)), default=0)
    return [Snapshot(stage.version, look.after) for look in looks[last:]]


def unreached(stage: Stage, looks: t.Sequence[Look], options: Json, result: Json) -> list[str]:
    """If a run calls itself successful, what it wanted was there when it looked."""
    if result.get("failed"):
        sentence = result["msg"].endswith(".") and "Traceback" not in result["msg"]
        return [] if sentence else [f"this is no sentence: {result['msg']}"]
    states = _since_last_write(stage, looks, options["deployment_id"])
    there = any(reached(each, options, result) for each in states)
    return [] if there else [f"{options} was never there"]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a rollout or its way back, from what was given, what the cluster shows and what the file says. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import untagged
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.pure_filter import without_omitted
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout import (
    by_alias,
    by_deployment,
    by_endpoint,
    by_recreation,
)
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout import state as states
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.decision import Decision, Json
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.given import (
    ROUTES,
    Given,
    read,
    without_empty,
)
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.seen import Seen
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.state import State


class _Route(t.Protocol):
    def roll_out(self, given: Given, seen: Seen, state: State | None) -> Decision: ...
    def roll_back(self, given: Given, seen: Seen, state: State) -> Decision: ...


_ROUTES: t.Mapping[str, _Route] = {
    "alias": t.cast("_Route", by_alias),
    "deployment": t.cast("_Route", by_deployment),
    "endpoint": t.cast("_Route", by_endpoint),
}


def plan(given: t.Any, seen: Json, undo: Json | None = None) -> Json:
    """Return what is to be done.

    *given*: the variable of the role. *seen*: results of the info modules, ``state`` (the text of the file, empty if
    there is none), ``folder`` (of that file, as ``stat`` returns it) and ``now``. *undo*: the state of a rollout that
    has failed right now, to go back from it.
    """
    try:
        # ansible-core from 2.19 on hands over containers of its own, which cannot be copied.
        given = untagged(without_empty(without_omitted(given)), "model_rollout", dates=True)
        seen = untagged(seen, "seen")
        if undo:
            return _rollback(read(given), Seen.of(seen), states.read(untagged(undo, "undo"), {})).to_json()
        asked = read(given)
        _refuse_folder(asked, seen.get("folder"))
        decision = _decision(asked, Seen.of(seen), seen.get("state"))
        return dataclasses.replace(decision, dry_run=asked.dry_run).to_json()
    except Refusal as refusal:
        return _refused(given, refusal).to_json()


def _refused(given: t.Any, refusal: Refusal) -> Decision:
    """Return the decision to do nothing, about what is asked for as far as it can be read."""
    asked = given if isinstance(given, t.Mapping) else {}
    action: t.Literal["rollout", "rollback"] = "rollback" if asked.get("action") == "rollback" else "rollout"
    return Decision(action, refused=(str(refusal),), dry_run=boolean(asked.get("dry_run"), strict=False))


def _refuse_folder(given: Given, folder: Json | None) -> None:
    """Refuse a rollout whose file cannot be written. *folder*: what is known of it, empty if it is not there."""
    if given.rolls_back or not given.state_file or folder is None:
        return
    if not (folder.get("isdir") and folder.get("writeable")):
        raise Refusal(
            "invalid_value",
            "The folder of state_file does not exist, or nothing can be written there",
            hint="Make it before, on the host where the role runs.",
        )


def _decision(given: Given, seen: Seen, content: t.Any) -> Decision:
    if given.state_file and not seen.server.get("cluster_uuid"):
        raise Refusal(
            "missing_privilege",
            "The uuid of the cluster cannot be read, and only the uuid shows whose rollout a file is",
            hint=f"Grant the cluster privilege monitor{'' if given.rolls_back else ', or leave state_file out'}.",
        )
    state = states.read(content, seen.server)
    if given.rolls_back:
        return _rollback(given, seen, state)
    kept = by_recreation.kept(given, seen, state)
    given = kept or given
    mine = state if state and _is_same(given, state) else None
    if mine is None and state and state.is_unfinished:
        raise Refusal(
            "invalid_value",
            f"state_file has {state.title}, and it is not finished",
            hint="Finish it first, or take it back with action rollback.",
        )
    if mine and mine.phase == "rolling_back":
        return dataclasses.replace(_rollback(given, seen, mine), ends_failed=True)
    if mine and mine.phase == "rolled_back":
        mine = None
    if kept and by_recreation.takes(kept, seen, mine):
        return _once_finished(by_recreation.roll_out(kept, seen, mine))
    return _once_finished(_ROUTES[str(given.route)].roll_out(given, seen, mine))


def _once_finished(decision: Decision) -> Decision:
    """Return *decision*; a failure in a run after the rollout has finished takes nothing back that was done before."""
    if decision.state is None or decision.state.phase != "finished":
        return decision
    return dataclasses.replace(decision, steps=tuple({**each, "undo": False} for each in decision.steps))


def _is_same(given: Given, state: State) -> bool:
    """Return whether the file is about the rollout that is asked for."""
    same_new = all(state.new.get(name) == given.new.get(name) for name in ("deployment_id", "model_id"))
    return (state.route, state.name) == (given.route, given.name) and same_new


def _rollback(given: Given, seen: Seen, state: State | None) -> Decision:
    if state is None:
        raise Refusal(
            "invalid_value",
            "There is nothing to take back: state_file is not given, or there is no such file",
            hint="It is the file that the rollout wrote: what ran before stands there.",
        )
    if given.route and (state.route, state.name) != (given.route, given.name):
        option = next(name for name, route in ROUTES.items() if route == state.route)
        raise Refusal("invalid_value", f"state_file is about {option} '{state.name}', and not about '{given.name}'")
    if state.phase == "rolled_back":
        notices = (f"It was taken back already: {state.title}.",)
        return Decision("rollback", state.route, state.name, notices=notices, state=state)
    named = dataclasses.replace(given, route=t.cast("t.Any", state.route), name=state.name)
    if by_recreation.has_kept(state):
        return by_recreation.roll_back(named, seen, state)
    return _ROUTES[state.route].roll_back(named, seen, state)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a rollout: each is one task of the role, with the arguments of its module."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.features import Feature
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.given import Given
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.seen import Seen
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.state import State

Json = dict[str, t.Any]

REHEARSED = ("deploy", "try", "alias", "endpoint", "stop")
"""The steps that check mode can play: their modules predict what they would do."""
_WAITS = ("wait_timeout", "wait_sleep", "server_timeout")


def step(do: str, title: str, arguments: Json, *, undo: bool = True, **more: t.Any) -> Json:
    """Return a step. *undo*: if it fails, the role rolls back."""
    return {"do": do, "title": title, "arguments": arguments, "undo": undo, **more}


def deploy(settings: t.Mapping[str, t.Any], given: Given, *, replace: bool = False, no_room: str = "") -> Json:
    """Return the step that starts a deployment with *settings*, or changes it; with *replace* by a stop and a start.

    *no_room*: what to say if not all of its allocations have a place.
    """
    # A rollback that a person asks for keeps to the limits of today; one after a failure only restores what was there.
    kept = (*_WAITS, "guard") if given.rolls_back else _WAITS
    arguments: Json = {
        "wait_for": "answering",
        **{name: given.new[name] for name in kept if name in given.new},
        **settings,
    }
    if arguments.get("allow_zero") and "wait_for" not in settings:
        arguments["wait_for"] = "fully_allocated"
    if replace:
        arguments |= {"replace": "stop_start", "on_referenced": "force"}
    verb = "Replace" if replace else "Start"
    title = f"{verb} deployment '{settings['deployment_id']}' of model '{settings['model_id']}', until it answers"
    return step("deploy", title, arguments, no_room=no_room)


def recreate(settings: t.Mapping[str, t.Any], given: Given, seen: Seen, *, no_room: str = "") -> Json:
    """Return the step that stops a deployment and starts it with *settings*, if only that changes what differs."""
    found = deploy(settings, given, replace=True, no_room=no_room)
    found["arguments"] |= _finishing(seen)
    return found


def smoke_test(deployment_id: str, given: Given) -> list[Json]:
    if given.smoke_test is None:
        return []
    arguments = {"deployment_id": deployment_id, **given.smoke_test}
    return [step("try", f"Try deployment '{deployment_id}'", arguments)]


def set_alias(alias: str, model_id: str, expected: t.Sequence[str | None], *, undo: bool = True) -> Json:
    """Return the step that lets *alias* refer to a model. *expected*: where it may refer to before."""
    arguments = {"model_alias": alias, "model_id": model_id, "reassign": True, "state": "present"}
    title = f"Let alias '{alias}' refer to model '{model_id}'"
    return step("alias", title, arguments, undo=undo, expected=[*expected, model_id])


def remove_alias(alias: str, model_id: str, *, undo: bool = True) -> Json:
    arguments = {"model_alias": alias, "model_id": model_id, "reassign": False, "state": "absent"}
    return step("alias", f"Delete alias '{alias}'", arguments, undo=undo, expected=[model_id, None])


def watch(deployment_id: str, given: Given) -> list[Json]:
    if given.watch is None:
        return []
    length = f"{given.watch['watch_seconds']:g}"
    title = f"Watch deployment '{deployment_id}' for {length} seconds"
    return [step("watch", title, {"deployment_id": [deployment_id], **given.watch})]


def stop(deployment_id: str, given: Given, seen: Seen, *, force: bool, undo: bool = False) -> list[Json]:
    """Return the steps that let a deployment finish its requests, and stop it. *force*: although consumers name it."""
    arguments: Json = {name: given.new[name] for name in _WAITS if name in given.new}
    arguments |= {**_finishing(seen), "deployment_id": deployment_id, "state": "stopped"}
    arguments["on_referenced"] = "force" if force or given.force else "fail"
    found = step("stop", f"Stop deployment '{deployment_id}'", arguments, undo=undo)
    return [*drain(deployment_id, given, undo=undo), found]


def drain(deployment_id: str, given: Given, *, undo: bool) -> list[Json]:
    """Return the step that lets a deployment finish its requests; none if the task asks for no wait."""
    retries, sleep = given.drain
    if not retries:
        return []
    title = f"Wait up to {retries * sleep:g} seconds until deployment '{deployment_id}' has no requests left"
    return [step("drain", title, {"deployment_id": deployment_id}, undo=undo, retries=retries, delay=sleep)]


def _finishing(seen: Seen) -> Json:
    """Return the option that lets a stop wait for the requests that are there, if the version has it."""
    return {"finish_pending_work": True} if seen.version.supports(Feature.FINISH_PENDING_WORK) else {}


def note(state: State, given: Given) -> list[Json]:
    """Return the step that writes the state into the file, if there is one."""
    if not given.state_file:
        return []
    return [step("note", f"Note in the file that it is {state.phase.replace('_', ' ')}", {}, state=state.to_json())]


def rehearsal(steps: t.Iterable[Json]) -> list[Json]:
    """Return those of the *steps* that check mode plays before the first write."""
    return [each for each in steps if each["do"] in REHEARSED]

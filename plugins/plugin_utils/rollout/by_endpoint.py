# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rollout behind an inference endpoint: it is made again with the new deployment, because nothing moves it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.words import quoted_ids
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout import by_recreation
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout import steps as to
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.decision import Decision, Json
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.given import Given
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.order import (
    fewer_at_first,
    in_order,
    no_room,
    old_ids,
    refuse_new_id,
    require_new,
    running,
    settings_of_new,
)
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.seen import Seen
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.state import State, cluster_of

_KEPT = ("task_type", "service", "service_settings", "task_settings", "chunking_settings")
_OWN = ("model_id", "num_threads", "num_allocations", "adaptive_allocations")
"""Settings with which an endpoint makes a deployment of its own."""


def roll_out(given: Given, seen: Seen, state: State | None) -> Decision:
    """Return the decision about a rollout. *state*: of this very rollout, if it began before.

    :raises Refusal: it cannot be done.
    """
    require_new(given)
    state = state or _begun(given, seen)
    state = dataclasses.replace(state, new=settings_of_new(given, seen, state), in_place=given.in_place)
    _refuse(given, seen, state)
    refuse_new_id(given, seen, state)
    first: list[Json] = []
    last: list[Json] = []
    for name in () if _is_owned(state) or given.keep_old else running(state, seen):
        stops = to.stop(name, given, seen, force=given.in_place, undo=given.in_place)
        first, last = ([*first, *stops], last) if given.in_place else (first, [*last, *stops])
    first.append(to.deploy(state.new, given, no_room=no_room(state)))
    steps = in_order(given, state, first, [_attached(given, state, state.new_id)], last)
    return Decision(
        "rollout",
        "endpoint",
        given.name,
        notices=_notices(given, seen, state),
        steps=tuple(steps),
        state=state,
        no_room="" if _is_owned(state) else no_room(state),
    )


def roll_back(given: Given, seen: Seen, state: State) -> Decision:
    """Return the decision about going back to what *state* says the endpoint used before."""
    begun = dataclasses.replace(state, phase="rolling_back")
    stops: list[Json] = []
    if state.made_new and state.new_id in seen.deployments:
        stops = to.stop(state.new_id, given, seen, force=state.in_place)
    starts = [] if _is_owned(state) else [to.deploy(each, given) for each in state.old]
    back = _before(given, state) if _is_owned(state) else [_attached(given, state, name) for name in old_ids(state)]
    if _uses(given, seen) in old_ids(state):
        back = []
    steps = [*stops, *starts, *back] if state.in_place else [*starts, *back, *stops]
    return Decision(
        "rollback",
        "endpoint",
        given.name,
        steps=(*to.note(begun, given), *steps, *to.note(dataclasses.replace(state, phase="rolled_back"), given)),
        state=begun,
    )


# --- what is there ---


def _begun(given: Given, seen: Seen) -> State:
    """Return the state of a rollout that begins now."""
    endpoint = seen.endpoints.get(given.name)
    if endpoint is None:
        raise Refusal(
            "invalid_value",
            f"There is no inference endpoint '{given.name}'",
            hint="Check inference_id. If a rollout was killed, give the state_file that it has kept.",
        )
    deployment = endpoint["deployment"]
    if deployment is None:
        raise Refusal(
            "invalid_value",
            f"Inference endpoint '{given.name}' uses no deployment of the cluster, or it is gone",
            hint="Only endpoints with a deployment can be rolled out.",
        )
    old_id = deployment["deployment_id"]
    is_new = old_id == given.new["deployment_id"]
    return State(
        cluster=cluster_of(seen.server),
        time=seen.now,
        phase="begun",
        route="endpoint",
        name=given.name,
        in_place=given.in_place,
        new=given.new,
        made_new=given.new["deployment_id"] not in seen.deployments,
        old=[] if is_new else [dict(seen.settings[old_id])],
        endpoint={**{name: endpoint[name] for name in _KEPT}, "owned": deployment["owned"]},
    )


def _is_owned(state: State) -> bool:
    """Return whether the endpoint made its old deployment itself, and takes it along when it is deleted."""
    return bool((state.endpoint or {}).get("owned"))


def _uses(given: Given, seen: Seen) -> str | None:
    """Return the deployment that the endpoint uses now, if both are there."""
    deployment = (seen.endpoints.get(given.name) or {}).get("deployment") or {}
    found: str | None = deployment.get("deployment_id")
    return found


# --- what is refused ---


def _refuse(given: Given, seen: Seen, state: State) -> None:
    used = _uses(given, seen)
    if used not in (None, state.new_id, *old_ids(state)):
        raise Refusal(
            "conflict",
            f"Inference endpoint '{given.name}' uses deployment '{used}' now: another client has changed it",
            hint="Remove state_file to begin with what is there now.",
        )
    if _is_owned(state):
        _refuse_owned(given, seen)


def _refuse_owned(given: Given, seen: Seen) -> None:
    if given.in_place or given.keep_old:
        raise Refusal(
            "invalid_value",
            f"Inference endpoint '{given.name}' made its deployment itself, and takes it along when it is made again",
            hint="Leave strategy in_place and keep_old out.",
        )
    others = [
        name
        for name, each in seen.endpoints.items()
        if name != given.name and (each["deployment"] or {}).get("deployment_id") == given.name
    ]
    if others and not given.force:
        raise Refusal(
            "deployment_in_use",
            f"Deployment '{given.name}' ends with its inference endpoint, and {quoted_ids(sorted(others))} use it, too",
            hint="Change them first, or set on_referenced to force.",
        )


def _notices(given: Given, seen: Seen, state: State) -> tuple[str, ...]:
    notices = [*fewer_at_first(seen, state)]
    if given.in_place and state.old:
        text = f"Requests fail from the stop of {quoted_ids(old_ids(state))} on until '{state.new_id}' answers."
        notices.append(text)
    if _uses(given, seen) != state.new_id:
        notices.append(
            f"Inference endpoint '{given.name}' is deleted and made again, because Elasticsearch cannot attach it to "
            "another deployment: requests that arrive between the two fail (404)."
        )
        notices += by_recreation.advice(given, seen, state)
    return tuple(notices)


# --- what is done ---


def _attached(given: Given, state: State, deployment_id: str) -> Json:
    """Return the step that lets the endpoint use a deployment."""
    return _step(given, state, {"deployment_id": deployment_id}, f"use deployment '{deployment_id}'")


def _before(given: Given, state: State) -> list[Json]:
    """Return the steps that let the endpoint make its own deployment again: what it is attached to is never merged."""
    settings = (state.endpoint or {})["service_settings"]
    own = {name: settings[name] for name in _OWN if settings.get(name) is not None}
    if (own.get("adaptive_allocations") or {}).get("enabled"):
        own.pop("num_allocations", None)
    arguments = {"inference_id": given.name, "state": "absent", "force": True}
    deletes = to.step("endpoint", f"Delete inference endpoint '{given.name}'", arguments)
    return [deletes, _step(given, state, own, "make its own deployment again")]


def _step(given: Given, state: State, settings: Json, what: str) -> Json:
    kept = {name: value for name, value in (state.endpoint or {}).items() if name in _KEPT and value}
    arguments: dict[str, t.Any] = {**kept, "inference_id": given.name, "service_settings": settings}
    arguments |= {"replace": "recreate", "on_referenced": "force"}
    arguments |= {name: given.new[name] for name in ("wait_timeout", "wait_sleep") if name in given.new}
    return to.step("endpoint", f"Let inference endpoint '{given.name}' {what}", arguments)

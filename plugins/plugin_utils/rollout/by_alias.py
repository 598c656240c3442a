# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rollout behind a model alias: the new deployment starts beside the old one, and then the alias moves."""

from __future__ import annotations

import dataclasses

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.words import quoted_ids
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
    with_suffix,
)
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.seen import Seen
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.state import State, cluster_of


def roll_out(given: Given, seen: Seen, state: State | None) -> Decision:
    """Return the decision about a rollout. *state*: of this very rollout, if it began before.

    :raises Refusal: it cannot be done.
    """
    require_new(given)
    state = state or _begun(given, seen)
    state = dataclasses.replace(state, new=settings_of_new(given, seen, state), in_place=given.in_place)
    _refuse_other_target(given, seen, state)
    _refuse_new(given, seen, state)
    refuse_new_id(given, seen, state)
    steps = _in_place(given, seen, state) if given.in_place else _side_by_side(given, seen, state)
    return Decision(
        "rollout", "alias", given.name, (), _notices(given, seen, state), tuple(steps), state, no_room(state)
    )


def roll_back(given: Given, seen: Seen, state: State) -> Decision:
    """Return the decision about going back to what ``state`` says ran before.

    If another client has moved the alias, it stays where it is.

    :raises Refusal: it has, and the task asks for a rollback.
    """
    if given.rolls_back:
        _refuse_other_target(given, seen, state)
    begun = dataclasses.replace(state, phase="rolling_back")
    stops = []
    if state.made_new and state.new_id in seen.deployments and state.new_id not in old_ids(state):
        # In place nothing else can serve meanwhile.
        force = state.in_place or _serves_as_well(state, state.new_id, seen)
        stops = to.stop(state.new_id, given, seen, force=force)
    known = seen.aliases.get(given.name) in (state.previous_model_id, state.new["model_id"])
    alias = _alias_back(given.name, state) if known else []
    before = state.old
    notices: tuple[str, ...] = ()
    if given.name in seen.aliases and given.name in old_ids(state):
        before, alias = _given_back(seen, state)
    elif not state.in_place:
        before, notices = _beside_its_model(seen, state)
    starts = [to.deploy(each, given, replace=each["deployment_id"] == state.new_id) for each in before]
    steps = [*stops, *starts, *alias] if state.in_place else [*starts, *alias, *stops]
    return Decision(
        "rollback",
        "alias",
        given.name,
        notices=notices,
        steps=(*to.note(begun, given), *steps, *to.note(dataclasses.replace(state, phase="rolled_back"), given)),
        state=begun,
    )


# --- what is there ---


def _begun(given: Given, seen: Seen) -> State:
    """Return the state of a rollout that begins now."""
    target = seen.aliases.get(given.name)
    old = _old(given, seen, target)
    return State(
        cluster=cluster_of(seen.server),
        time=seen.now,
        phase="begun",
        route="alias",
        name=given.name,
        in_place=given.in_place,
        new=given.new,
        made_new=given.new["deployment_id"] not in seen.deployments,
        old=[dict(seen.settings[name]) for name in old],
        previous_model_id=target,
    )


def _old(given: Given, seen: Seen, target: str | None) -> list[str]:
    """Return the deployments that serve now.

    An alias that is not there yet may take over the name of a deployment.

    :raises Refusal: that is not certain.
    """
    new_id, model_id = given.new["deployment_id"], given.new["model_id"]
    if given.old is not None:
        missing = [name for name in given.old if name not in seen.settings]
        if missing and not (target == model_id and new_id in seen.settings):
            raise Refusal(
                "deployment_missing",
                f"old_deployment_id names {quoted_ids(missing)}, which is not deployed",
                hint=f"There are {quoted_ids(sorted(seen.settings)) or 'none'}.",
            )
        return [name for name in given.old if name in seen.settings]
    found = seen.of_model(target) if target else [given.name] if given.name in seen.settings else []
    found = [name for name in found if given.in_place or name != new_id]
    if len(found) > 1 and not given.keep_old:
        raise Refusal(
            "invalid_value",
            f"Model '{target}' has the deployments {quoted_ids(found)}, and which of them the rollout ends is not "
            "certain",
            hint="Name them in old_deployment_id, or set keep_old to true.",
        )
    return found


# --- what is refused ---


def _refuse_other_target(given: Given, seen: Seen, state: State) -> None:
    target = seen.aliases.get(given.name)
    known = (state.previous_model_id, state.new["model_id"])
    if target not in known:
        raise Refusal(
            "alias_refers_elsewhere",
            f"Alias '{given.name}' refers to model '{target}' now, and neither to '{known[1]}' nor to what was there "
            "when "
            "the rollout began: another client has changed it",
            hint="Remove state_file to begin with what is there now.",
        )


def _refuse_new(given: Given, seen: Seen, state: State) -> None:
    new_id, model_id = state.new["deployment_id"], state.new["model_id"]
    if given.in_place:
        return
    if new_id in old_ids(state):
        raise Refusal(
            "invalid_value",
            f"new.deployment_id is '{new_id}', the deployment that serves now: two of the same id cannot run side by "
            "side",
            hint="Choose another id, or strategy in_place.",
        )
    if new_id == model_id and new_id not in seen.deployments and seen.of_model(model_id):
        raise Refusal(
            "invalid_value",
            f"new.deployment_id is '{new_id}', the id of its model, which is deployed already: Elasticsearch would "
            "send "
            "all requests to it as soon as it begins to start",
            hint="Choose another id.",
        )


def _notices(given: Given, seen: Seen, state: State) -> tuple[str, ...]:
    """Return what a person should know: where requests can fail, and what is not known."""
    ids, model_id = old_ids(state), state.new["model_id"]
    notices = [*fewer_at_first(seen, state)]
    if given.in_place and state.old:
        text = f"Requests fail from the stop of {quoted_ids(ids)} on until deployment '{state.new_id}' answers."
        notices.append(text)
    elif model_id in ids and model_id == state.previous_model_id and not given.keep_old:
        notices.append(
            f"Deployment '{model_id}' has the id of its model, so Elasticsearch sends all requests to it until it is "
            "gone: "
            "those that arrive while it stops fail (409)."
        )
    if state.previous_model_id == model_id and not state.old and given.old is None:
        notices.append(
            f"Alias '{given.name}' refers to model '{model_id}' already. If another deployment served before, name it "
            "in "
            "old_deployment_id, and it is stopped."
        )
    return tuple(notices)


# --- what is done ---


def _side_by_side(given: Given, seen: Seen, state: State) -> list[Json]:
    moves = [to.set_alias(given.name, state.new["model_id"], [state.previous_model_id])]
    stops: list[Json] = []
    for name in () if given.keep_old else running(state, seen):
        stops += to.stop(name, given, seen, force=_serves_as_well(state, name, seen))
    first = [to.deploy(state.new, given, no_room=no_room(state))]
    if _nothing_ran(state):
        return [*first, *moves]
    return in_order(given, state, first, moves, stops)


def _nothing_ran(state: State) -> bool:
    """Return whether nothing is to be seen of what served before, and clients use what is asked for already."""
    return state.previous_model_id == state.new["model_id"] and not state.old and not state.made_new


def _in_place(given: Given, seen: Seen, state: State) -> list[Json]:
    first: list[Json] = []
    for name in running(state, seen):
        if name != state.new_id:
            first += to.stop(name, given, seen, force=True, undo=True)
    first.append(to.deploy(state.new, given, replace=True))
    moves = [to.set_alias(given.name, state.new["model_id"], [state.previous_model_id])]
    return in_order(given, state, first, moves, [])


def _serves_as_well(state: State, deployment_id: str, seen: Seen) -> bool:
    """Return whether all that use a deployment which is there use another one once it stops.

    Elasticsearch looks at an alias before an id, and sends what names a model to any deployment of it.
    """
    model_id = state.new["model_id"]
    if seen.is_named(deployment_id, "inference_endpoints"):
        return False
    if any(each["model_id"] == model_id for each in state.old):
        return deployment_id in (state.name, model_id) or not seen.is_named(deployment_id, "ingest_pipelines")
    return deployment_id == state.name and not seen.has_users_of_its_model(deployment_id)


def _alias_back(alias: str, state: State) -> list[Json]:
    """Return the step that lets the alias refer to what it did before; it stays if that is the same."""
    before, now = state.previous_model_id, str(state.new["model_id"])
    if before == now:
        return []
    return [to.set_alias(alias, before, [now, None]) if before else to.remove_alias(alias, now)]


def _beside_its_model(seen: Seen, state: State) -> tuple[list[Json], tuple[str, ...]]:
    """Return the deployments to start, and a notice if one gets another id than before.

    A deployment with the id of its model gets all requests for that model, also while it starts and cannot answer.
    """
    model_id = str(state.new["model_id"])
    if model_id not in old_ids(state) or model_id in seen.deployments or state.previous_model_id != model_id:
        return state.old, ()
    other = _before(model_id, model_id, seen)
    text = (
        f"Deployment '{model_id}' has the id of its model, and while it started all requests would go to it and fail "
        f"(409): it starts as '{other}'."
    )
    changed = [{**each, "deployment_id": other} if each["deployment_id"] == model_id else each for each in state.old]
    return changed, (text,)


def _before(deployment_id: str, model_id: str, seen: Seen) -> str:
    """Return the id under which a deployment starts again that cannot have its own.

    :raises Refusal: it is the id of something else.
    """
    found = with_suffix(deployment_id, "-before")
    owner = found if found in seen.models else seen.aliases.get(found, seen.settings.get(found, {}).get("model_id"))
    if owner not in (None, model_id):
        raise Refusal(
            "conflict",
            f"'{found}', the id under which '{deployment_id}' starts again, belongs to model '{owner}'",
            hint="Stop the deployment or delete the alias that has it.",
        )
    return found


def _given_back(seen: Seen, state: State) -> tuple[list[Json], list[Json]]:
    """Return the deployments to start, and the steps of the alias, if it has taken over the id of an old deployment.

    Elasticsearch starts no deployment with the id of an alias of another model, and deletes no alias that a pipeline
    names: then clients go on to use the alias.
    """
    [old] = [each for each in state.old if each["deployment_id"] == state.name]
    now = str(state.new["model_id"])
    if old["model_id"] != now:
        if state.name in seen.deployments:
            return [], [to.set_alias(state.name, old["model_id"], [now, None])]
        started = [{**old, "deployment_id": _before(state.name, old["model_id"], seen)}]
        return started, [to.set_alias(state.name, old["model_id"], [now, None])]
    known = seen.deployments.get(state.new_id) or {}
    users = (known.get("used_by") or {}).get("ingest_pipelines", ())
    return state.old, [to.remove_alias(state.name, now)] if users == [] else []

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rollout of other settings that keeps the id: a temporary deployment answers while the deployment is recreated.

Meanwhile an alias has the id: Elasticsearch looks at aliases before deployments (around-deployments.md 3), so
clients, pipelines and attached inference endpoints that name the id reach the temporary deployment.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.words import quoted_ids
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout import steps as to
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.decision import Decision, Json
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.given import Given
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.order import (
    fewer_at_first,
    fixed_differences,
    in_order,
    not_an_alias,
    old_ids,
)
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.seen import Seen, inherited
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.state import State, cluster_of

_LONGEST = 64


def temporary_id(deployment_id: str) -> str:
    """Return the id of the deployment that answers meanwhile."""
    return f"{deployment_id}-temporary"


def kept(given: Given, seen: Seen) -> Given | None:
    """Return what is asked for, with id and model of the deployment that serves, if the rollout keeps both.

    They need not be given. ``None``: it is another kind of rollout.
    """
    served = _served(given, seen) or ""
    there = seen.settings.get(served) or seen.settings.get(temporary_id(served))
    if not there or not given.new or given.new.get("deployment_id", served) != served:
        return None
    model_id = str(given.new.get("model_id", there["model_id"]))
    if seen.aliases.get(model_id, model_id) != there["model_id"]:
        return None
    return dataclasses.replace(given, new={**given.new, "deployment_id": served, "model_id": there["model_id"]})


def _served(given: Given, seen: Seen) -> str | None:
    """Return the deployment that clients use by its id, or by an endpoint that is attached to it."""
    if given.route != "endpoint":
        return given.name if given.route == "deployment" else None
    endpoint = seen.endpoints.get(given.name) or {}
    found: str | None = (endpoint.get("service_settings") or {}).get("deployment_id")
    return None if (endpoint.get("deployment") or {}).get("owned") else found


def has_kept(state: State) -> bool:
    """Return whether *state* is of such a rollout."""
    return state.route != "alias" and state.new_id in old_ids(state)


def takes(kept: Given, seen: Seen, state: State | None) -> bool:
    """Return whether a rollout that keeps the id goes on, or begins now, and not one of another kind goes on.

    *state*: of the last rollout for the same name with this id as its new one.
    """
    if state is None or has_kept(state):
        return True
    there = seen.settings.get(str(kept.new["deployment_id"]))
    return state.phase == "finished" and there is not None and bool(fixed_differences(there, kept.new))


def roll_out(given: Given, seen: Seen, state: State | None) -> Decision:
    """Return the decision about a rollout. *state*: of this very rollout, if it began before.

    :raises Refusal: it cannot be done.
    """
    state = state if state and has_kept(state) else None
    work = _Work(given, seen, _with_new(given, state or _begun(given, seen)))
    if state and state.phase == "finished" and not work.is_done:  # it was about other settings
        work = _Work(given, seen, _with_new(given, _begun(given, seen)))
    for obstacle in _obstacles(work) if work.uses_temporary else ():
        raise Refusal("invalid_value", obstacle, hint=_instead(work))
    steps, found = tuple(_forward(work)), work.state
    return Decision("rollout", found.route, found.name, (), _notices(work), steps, found, _no_room(work))


def roll_back(given: Given, seen: Seen, state: State) -> Decision:
    """Return the decision about going back to the settings before: another rollout, if they are gone already."""
    begun = dataclasses.replace(state, phase="rolling_back")
    first, moves, last = _steps(_Work(given, seen, dataclasses.replace(begun, new=state.old[0])))
    ended = to.note(dataclasses.replace(state, phase="rolled_back"), given)
    steps = (*to.note(begun, given), *first, *moves, *last, *ended)
    return Decision("rollback", state.route, state.name, steps=steps, state=begun)


class _Work(t.NamedTuple):
    """``state``: its ``new`` are the settings that the deployment gets."""

    given: Given
    seen: Seen
    state: State

    @property
    def id(self) -> str:
        return self.state.new_id

    @property
    def model_id(self) -> str:
        return str(self.state.new["model_id"])

    @property
    def temporary(self) -> str:
        return temporary_id(self.id)

    @property
    def is_done(self) -> bool:
        """Return whether the deployment runs with what only a start sets."""
        there = self.seen.settings.get(self.id)
        return there is not None and not fixed_differences(there, self.state.new)

    @property
    def has_temporary(self) -> bool:
        """Return whether the rollout, or an earlier one that was killed, has started the temporary deployment."""
        there = self.seen.settings.get(self.temporary, self.state.new)
        is_ours = self.state.phase == "rolling_back" or not fixed_differences(there, self.state.new)
        return self.temporary in self.seen.deployments and is_ours

    @property
    def uses_temporary(self) -> bool:
        return not self.state.in_place and (self.has_temporary or not self.is_done)

    @property
    def keeps_alias(self) -> bool:
        """Return whether the alias stays: it was there before, or Elasticsearch refuses to delete it for a pipeline."""
        if self.state.previous_model_id or self.id in self.seen.deployments:
            return bool(self.state.previous_model_id) or self.seen.is_named(self.id, "ingest_pipelines")
        temporary = self.seen.deployments.get(self.temporary)
        return temporary is not None and temporary["used_by"]["ingest_pipelines"] != []


def _begun(given: Given, seen: Seen) -> State:
    """Return the state of a rollout that begins now, or that begins again without its file."""
    served, temporary = str(given.new["deployment_id"]), temporary_id(str(given.new["deployment_id"]))
    there = seen.settings.get(served) or seen.settings[temporary]
    return State(
        cluster=cluster_of(seen.server),
        time=seen.now,
        phase="begun",
        route=str(given.route),
        name=given.name,
        in_place=given.in_place,
        new=given.new,
        made_new=False,
        old=[{**there, "deployment_id": served}],
        previous_model_id=None if temporary in seen.settings else seen.aliases.get(served),
    )


def _with_new(given: Given, state: State) -> State:
    """Return *state* with the settings that the deployment gets: those before, unless others are given."""
    same_model = {name: state.old[0][name] for name in ("cache_size",) if name in state.old[0]}
    return dataclasses.replace(state, new=inherited({**same_model, **given.new}, state.old), in_place=given.in_place)


# --- what is refused, and what a person should know ---


def _obstacles(work: _Work) -> t.Iterator[str]:
    """Yield why no temporary deployment can answer for the deployment."""
    seen, served, temporary = work.seen, work.id, work.temporary
    named_by = seen.deployments.get(served, {}).get("named_by") or {}
    if why := not_an_alias(served, seen):
        yield why
    if served in {*seen.endpoints, *(named_by.get("inference_endpoints") or ())}:
        yield f"'{served}' is the id of an inference endpoint, and Elasticsearch starts nothing by an alias of that id"
    if seen.aliases.get(served) not in (None, work.model_id):
        yield f"Alias '{served}' refers to model '{seen.aliases[served]}', and not to '{work.model_id}'"
    if work.given.keep_old or work.given.old not in (None, (served,)):
        yield f"Deployment '{served}' is recreated with other settings, so there is no other that is kept or stopped"
    if len(temporary) > _LONGEST:
        yield f"'{temporary}', the id of the deployment that answers meanwhile, is longer than {_LONGEST} characters"
    if temporary in {*seen.models, *seen.aliases, *seen.endpoints} or _is_of_others(work):
        yield f"'{temporary}' is the id of the deployment that answers meanwhile, and is taken"


def _is_of_others(work: _Work) -> bool:
    """Return whether the id of the temporary deployment is that of another, or something names it."""
    there = work.seen.deployments.get(work.temporary)
    return there is not None and (there["model_id"] != work.model_id or any((there["named_by"] or {}).values()))


def _instead(work: _Work) -> str:
    in_place = "strategy in_place, which is an outage"
    if work.state.route == "deployment" and not_an_alias(work.id, work.seen):
        return f"Choose {in_place}."
    return f"Choose another new.deployment_id, or {in_place}."


def advice(given: Given, seen: Seen, state: State) -> tuple[str, ...]:
    """Return that an endpoint need not be made again for other settings of the same model, where that is so."""
    served = _served(given, seen)
    if state.in_place or not served or served == state.new_id or not_an_alias(served, seen):
        return ()
    if seen.settings.get(served, {}).get("model_id") != state.new["model_id"]:
        return ()
    return (f"The model stays: leave new.deployment_id out to keep deployment '{served}', and no request fails.",)


def _notices(work: _Work) -> tuple[str, ...]:
    """Return what a person should know."""
    served, temporary, seen = work.id, work.temporary, work.seen
    if work.is_done:
        left = f"Deployment '{temporary}' is left from a rollout that was killed, and is stopped."
        return (left,) if work.uses_temporary else ()
    if work.state.in_place:
        return (f"Requests fail from the stop of '{served}' on until it answers again.",)
    notices = [f"While deployment '{served}' is recreated, '{temporary}' answers for it, and '{served}' is an alias."]
    others = [name for name in seen.of_model(work.model_id) if name not in (served, temporary)]
    if others:
        notices.append(f"Meanwhile {quoted_ids(others)} of the same model get requests for '{served}', too.")
    if work.keeps_alias and not work.state.previous_model_id:
        notices.append(f"Alias '{served}' stays: an ingest pipeline names it, so Elasticsearch does not delete it.")
    begins = dataclasses.replace(work.state, new={**work.state.new, "deployment_id": temporary})
    return (*notices, *fewer_at_first(seen, begins))


def _no_room(work: _Work) -> str:
    if not work.uses_temporary:
        return ""
    return (
        f"There is no room for '{work.id}' and '{work.temporary}' at once. strategy in_place stops '{work.id}' first: "
        "requests fail from then on until it answers again."
    )


# --- what is done ---


def _forward(work: _Work) -> list[Json]:
    """Return the steps of a rollout."""
    first, moves, last = _steps(work)
    if work.state.in_place:
        return in_order(work.given, work.state, first, moves, last)
    if not work.is_done:
        return in_order(work.given, work.state, first, moves, last, on_trial=work.temporary)
    if work.state.phase == "finished":
        return first
    return [*first, *last, *to.note(dataclasses.replace(work.state, phase="finished"), work.given)]


def _steps(work: _Work) -> tuple[list[Json], list[Json], list[Json]]:
    """Return the steps until another deployment answers, those that bring clients to it, and all that is left then."""
    given, seen, settings = work.given, work.seen, work.state.new
    if work.state.in_place:
        return [to.recreate(settings, given, seen)], [], []
    first, moves, last = [to.deploy(settings, given)], [], []
    if not work.is_done:
        as_it_is = seen.settings.get(work.temporary) if work.state.phase == "rolling_back" else None
        temporary = as_it_is or {**settings, "deployment_id": work.temporary}
        first = [to.deploy(temporary, given, no_room=_no_room(work))]
        moves = [to.set_alias(work.id, work.model_id, [work.state.previous_model_id, None])]
        drained = to.stop(work.id, given, seen, force=True, undo=True)[:-1] if work.id in seen.deployments else []
        last = [*drained, to.recreate(settings, given, seen, no_room=_no_room(work))]
    if (moves or work.id in seen.aliases) and not work.keeps_alias:
        last.append(to.remove_alias(work.id, work.model_id, undo=False))
    if moves or work.has_temporary:
        last += to.stop(work.temporary, given, seen, force=True)
    return first, moves, last

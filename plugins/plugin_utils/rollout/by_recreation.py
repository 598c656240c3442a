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
    with_suffix,
)
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.seen import Seen, inherited
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.state import State, cluster_of


def temporary_id(deployment_id: str) -> str:
    """Return the id of the deployment that answers meanwhile."""
    return with_suffix(deployment_id, "-temporary")


def kept(given: Given, seen: Seen, state: State | None) -> Given | None:
    """Return what is asked for, with id and model of the deployment that serves, if the rollout keeps both.

    They need not be given. *state*: what the file has. ``None``: it is another kind of rollout.
    """
    served = _served(given, seen) or ""
    there = seen.settings.get(served) or _missing(served, seen, state)
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


def _missing(served: str, seen: Seen, state: State | None) -> Json | None:
    """Return the settings of a deployment that a rollout has stopped, and not yet started again.

    Its unfinished file has them, or its alias, which leads to the temporary deployment.
    """
    if state and state.is_unfinished and has_kept(state) and state.new_id == served:
        return state.old[0]
    temporary = seen.settings.get(temporary_id(served))
    return dict(temporary) if temporary and seen.aliases.get(served) == temporary["model_id"] else None


def has_kept(state: State) -> bool:
    """Return whether *state* is of such a rollout."""
    names = ("deployment_id", "model_id")
    return state.route != "alias" and any(all(each[name] == state.new[name] for name in names) for each in state.old)


def takes(kept: Given, seen: Seen, state: State | None) -> bool:
    """Return whether the rollout keeps the id: it began so, or begins now. One of another kind goes on as it began.

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
    work = _going_on(given, seen, state) if state else _beginning(given, seen)
    if state and state.phase == "finished" and not work.is_done:  # it was about other settings
        work = _beginning(given, seen, knows_alias=True)
    _refuse_others(work)
    for obstacle in _obstacles(work) if work.uses_temporary else ():
        raise Refusal("invalid_value", obstacle, hint=_instead(work))
    steps, found = tuple(_forward(work)), work.state
    return Decision("rollout", found.route, found.name, (), _notices(work), steps, found, _no_room(work))


def roll_back(given: Given, seen: Seen, state: State) -> Decision:
    """Return the decision about going back to the settings before: another rollout, if they are gone already."""
    work = _started(_Work(given, seen, dataclasses.replace(state, new=state.old[0])))
    if work.uses_temporary and (obstacle := _taken(work)):
        raise Refusal("conflict", obstacle, hint="Stop it if it is left from a rollout.")
    state = dataclasses.replace(state, made_new=work.state.made_new)
    begun = dataclasses.replace(state, phase="rolling_back")
    first, moves, last = _steps(work._replace(state=dataclasses.replace(begun, new=state.old[0])))
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
        there = _there(self.given, self.seen, self.id)
        return there is not None and not fixed_differences(there, self.state.new)

    @property
    def has_temporary(self) -> bool:
        """Return whether the temporary deployment is there, and is of this rollout."""
        there = self.seen.deployments.get(self.temporary)
        return there is not None and self.state.made_new and there["model_id"] == self.model_id

    @property
    def needs_temporary(self) -> bool:
        return not self.state.in_place and not self.is_done

    @property
    def uses_temporary(self) -> bool:
        return self.needs_temporary or self.has_temporary

    @property
    def keeps_alias(self) -> bool:
        """Return whether the alias stays: it was there before, or Elasticsearch refuses to delete it for a pipeline."""
        if self.state.keeps_alias or self.state.previous_model_id:
            return True
        if self.id in self.seen.deployments:
            return self.seen.is_named(self.id, "ingest_pipelines")
        if self.state.keeps_alias is not None:
            return False
        temporary = self.seen.deployments.get(self.temporary)
        return temporary is not None and temporary["used_by"]["ingest_pipelines"] != []


def _there(given: Given, seen: Seen, deployment_id: str) -> Json | None:
    """Return the settings of a deployment that is there, with its cache size where that is asked for and is known.

    Without the cluster state the cluster shows it cut to a decimal, but what is below a kilobyte.
    """
    found = seen.settings.get(deployment_id)
    shown = str(seen.deployments.get(deployment_id, {}).get("cache_size"))
    is_exact = shown.endswith("b") and shown[:-1].isdigit()
    if found is None:
        return None
    return {**({"cache_size": shown} if "cache_size" in given.new and is_exact else {}), **found}


def _going_on(given: Given, seen: Seen, state: State) -> _Work:
    """Return the work of a rollout that *state* is of."""
    return _started(_Work(given, seen, _with_new(given, state)))


def _beginning(given: Given, seen: Seen, *, knows_alias: bool = False) -> _Work:
    """Return the work of a rollout that begins now, or that begins again without its file.

    *knows_alias*: an alias with the id is not of a rollout that was killed.
    """
    work = _Work(given, seen, _with_new(given, _begun(given, seen)))
    if not knows_alias and _is_left(work):
        work = work._replace(state=dataclasses.replace(work.state, made_new=True, previous_model_id=None))
    work = _started(work)
    return work._replace(state=dataclasses.replace(work.state, keeps_alias=work.keeps_alias))


def _started(work: _Work) -> _Work:
    """Return the *work*, which knows whether the temporary deployment is its own: it is, if none was there before."""
    state = work.state
    begins = work.needs_temporary and work.temporary not in work.seen.deployments
    made = begins or (state.made_new and state.is_unfinished)
    return work._replace(state=dataclasses.replace(state, made_new=made))


def _is_left(work: _Work) -> bool:
    """Return whether a temporary deployment is left from a rollout that was killed, and whose file is not there."""
    there = work.seen.settings.get(work.temporary)
    if there is None or there["model_id"] != work.model_id:
        return False
    if not work.is_done and work.seen.aliases.get(work.id) == work.model_id:
        return True
    return not work.given.state_file and not fixed_differences(there, work.state.new)


def _begun(given: Given, seen: Seen) -> State:
    """Return the state of a rollout that begins now."""
    served, temporary = str(given.new["deployment_id"]), temporary_id(str(given.new["deployment_id"]))
    there = _there(given, seen, served) or seen.settings[temporary]
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
        previous_model_id=seen.aliases.get(served),
    )


def _with_new(given: Given, state: State) -> State:
    """Return *state* with the settings that the deployment gets: those before, unless others are given.

    What others have changed since it was finished stays.
    """
    if state.phase == "finished":
        return dataclasses.replace(state, new=dict(given.new), in_place=given.in_place)
    same_model = {name: state.old[0][name] for name in ("cache_size",) if name in state.old[0]}
    return dataclasses.replace(state, new=inherited({**same_model, **given.new}, state.old), in_place=given.in_place)


# --- what is refused, and what a person should know ---


def _refuse_others(work: _Work) -> None:
    if work.is_done:
        return
    if work.given.keep_old or work.given.old not in (None, (work.id,)):
        raise Refusal(
            "invalid_value",
            f"Deployment '{work.id}' is recreated with other settings, so there is no other that is kept or stopped",
            hint="Leave keep_old and old_deployment_id out.",
        )


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
    if work.needs_temporary and work.model_id in seen.deployments:
        yield (
            f"Deployment '{work.model_id}' has the id of its model, so Elasticsearch would send all requests for "
            f"'{served}' to it"
        )
    if why := _taken(work):
        yield why
    other = fixed_differences(seen.settings.get(temporary, work.state.new), work.state.new)
    if other and work.needs_temporary:
        yield f"'{temporary}' answers meanwhile with {' and '.join(other)}, in a rollout that is not finished"


def _taken(work: _Work) -> str:
    """Return why the temporary deployment cannot have its id, or may not be stopped; empty if it can."""
    seen, temporary = work.seen, work.temporary
    what = f"'{temporary}', the id of the deployment that answers meanwhile,"
    there = seen.deployments.get(temporary)
    if temporary in {*seen.models, *seen.aliases, *seen.endpoints}:
        return f"{what} is taken"
    if there is None:
        return ""
    if not work.has_temporary:
        return f"{what} runs already with model '{there['model_id']}'"
    return f"{what} is taken: something names it" if any((there["named_by"] or {}).values()) else ""


def _instead(work: _Work) -> str:
    in_place = "strategy in_place, which is an outage"
    if work.has_temporary:
        return "Finish it with its settings first."
    if work.temporary in work.seen.deployments:
        return f"Stop it if it is left from a rollout, or choose another new.deployment_id, or {in_place}."
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
    if work.is_done or (work.state.in_place and work.has_temporary):
        left = f"Deployment '{temporary}' is taken for one that is left from a rollout that was killed, and is stopped."
        return (left,) if work.has_temporary else ()
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
    if not work.needs_temporary:
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
    first, moves, last = [to.deploy(settings, given)], [], []
    if work.state.in_place:
        first = [to.recreate(settings, given, seen)]
    elif not work.is_done:
        is_back = work.state.phase == "rolling_back" and work.has_temporary
        as_it_is = seen.settings.get(work.temporary) if is_back else None
        temporary = as_it_is or {**settings, "deployment_id": work.temporary}
        first = [to.deploy(temporary, given, no_room=_no_room(work))]
        moves = [to.set_alias(work.id, work.model_id, [work.state.previous_model_id, None])]
        drained = to.drain(work.id, given, undo=True) if work.id in seen.deployments else []
        last = [*drained, to.recreate(settings, given, seen, no_room=_no_room(work))]
    if (moves or work.id in seen.aliases) and not work.keeps_alias:
        last.append(to.remove_alias(work.id, work.model_id, undo=False))
    if moves or work.has_temporary:
        last += to.stop(work.temporary, given, seen, force=True)
    return first, moves, last

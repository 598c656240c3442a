# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of the steps, which all routes share."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.sizes import parse_size
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.words import quoted_ids
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.settings import START_SETTINGS
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout import steps as to
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.decision import Json
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.given import Given
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.seen import Seen, inherited
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.state import State

_FIXED = ("model_id", *(name for name in START_SETTINGS if name != "cache_size"))
"""What a deployment keeps until it is stopped, among what every list of deployments says."""
_LONGEST = 64
_ALIAS = re.compile(r"[a-z0-9](?:[a-z0-9_.-]*[a-z])?")


def require_new(given: Given) -> None:
    """Refuse a rollout that does not name what it rolls out."""
    for name in ("deployment_id", "model_id"):
        if name not in given.new:
            raise Refusal("incomplete_options", f"new.{name} is missing", hint="It is the deployment to roll out.")


def refuse_new_id(given: Given, seen: Seen, state: State) -> None:
    """Refuse an id that Elasticsearch would not start, or that runs with other settings."""
    new_id, model_id = state.new_id, state.new["model_id"]
    there = seen.settings.get(new_id)
    owner = new_id if new_id in seen.models else seen.aliases.get(new_id)
    if owner not in (None, model_id) and (given.in_place or not there):
        what = "the id" if owner == new_id else "an alias"
        raise Refusal(
            "invalid_value",
            f"new.deployment_id is '{new_id}', {what} of model '{owner}': Elasticsearch starts no other model under it",
            hint="Choose another id.",
        )
    other = fixed_differences(there, state.new) if there else []
    if other and not given.in_place:
        raise Refusal(
            "invalid_value",
            f"new.deployment_id is '{new_id}', which runs already, with {' and '.join(other)}: that changes only by a "
            "stop",
            hint="Choose another id, or strategy in_place.",
        )


def fixed_differences(there: t.Mapping[str, t.Any], new: Json) -> list[str]:
    """Return what only a stop changes of a deployment that is there, with its value now."""
    found = [f"{name} {there[name]}" for name in _FIXED if there[name] != new.get(name, there[name])]
    sizes = [parse_size(str(each["cache_size"])) for each in (there, new) if each.get("cache_size")]
    return [*found, f"cache_size {there['cache_size']}"] if len(set(sizes)) > 1 else found


def with_suffix(deployment_id: str, suffix: str) -> str:
    """Return an id that is made of another, cut where it would be too long for Elasticsearch."""
    return f"{deployment_id[: _LONGEST - len(suffix)]}{suffix}"


def settings_of_new(given: Given, seen: Seen, state: State) -> Json:
    """Return the settings of the new deployment: what others have changed since the rollout was finished stays."""
    is_there = state.phase == "finished" and given.new["deployment_id"] in seen.deployments
    return dict(given.new) if is_there else inherited(given.new, state.old)


def not_an_alias(deployment_id: str, seen: Seen) -> str:
    """Return why no alias can have the id of a deployment; empty if one can."""
    if deployment_id in seen.models:
        return f"'{deployment_id}' is the id of a model, and no alias can take it over"
    if not _ALIAS.fullmatch(deployment_id):
        return (
            f"'{deployment_id}' cannot be an alias, which would take the id over: an alias consists of a-z, 0-9, _, . "
            "and -, begins with a letter or digit and ends with a letter"
        )
    return ""


def old_ids(state: State) -> list[str]:
    return [str(each["deployment_id"]) for each in state.old]


def running(state: State, seen: Seen) -> list[str]:
    """Return the old deployments that are still there."""
    return [name for name in old_ids(state) if name in seen.deployments]


def no_room(state: State) -> str:
    """Return what to say if there is no room for both."""
    if state.in_place or not state.old:
        return ""
    ids = quoted_ids(old_ids(state))
    return (
        f"There is no room for {ids} and '{state.new_id}' at once. strategy in_place stops {ids} first: requests fail "
        f"from then on until '{state.new_id}' answers."
    )


def fewer_at_first(seen: Seen, state: State) -> tuple[str, ...]:
    """Return a note if adaptive allocations begin with less than there are now: Elasticsearch starts with the least."""
    adaptive = state.new.get("adaptive_allocations") or {}
    least = adaptive.get("min_number_of_allocations") or 1
    now = sum(seen.deployments[name]["number_of_allocations"] or 0 for name in running(state, seen))
    if not adaptive.get("enabled") or now <= least or state.new_id in seen.deployments:
        return ()
    return (
        f"Deployment '{state.new_id}' begins with {least} allocations, and Elasticsearch adds more by load. There are "
        f"{now} now: give min_number_of_allocations to begin with more.",
    )


def in_order(
    given: Given, state: State, first: list[Json], moves: list[Json], last: list[Json], on_trial: str = ""
) -> list[Json]:
    """Return all steps of a rollout.

    Those that were done before are left out where repeating them would tell nothing. *first* bring the new deployment,
    *moves* let clients use it, *last* end the old one. *on_trial*: the deployment that is tried and watched, if
    it is not the one that is there in the end.
    """
    if state.phase == "finished" and not (state.kept_old and last):
        return [*first, *moves]
    fresh = state.phase == "begun"
    begun = to.note(state, given) if fresh else []
    tried = to.smoke_test(on_trial or state.new_id, given) if fresh else []
    watched = to.watch(on_trial or state.new_id, given) if fresh else []
    watched += to.note(dataclasses.replace(state, phase="watched"), given) if state.phase != "finished" else []
    ended = to.note(dataclasses.replace(state, phase="finished", kept_old=given.keep_old), given)
    return [*begun, *first, *tried, *moves, *watched, *last, *ended]

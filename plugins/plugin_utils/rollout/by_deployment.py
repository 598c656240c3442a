# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rollout for clients that name a deployment: an alias takes over its id, and from then on it is an alias."""

from __future__ import annotations

import dataclasses

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout import by_alias
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.decision import Decision
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.given import Given
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.order import not_an_alias
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.seen import Seen
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.state import State

_IN_PLACE = "For other settings of its model leave new.deployment_id out, with strategy in_place, which is an outage."


def roll_out(given: Given, seen: Seen, state: State | None) -> Decision:
    """Return the decision about a rollout. *state*: of this very rollout, if it began before.

    :raises Refusal: it cannot be done.
    """
    name = given.name
    if state is None and name not in seen.settings and name not in seen.aliases:
        raise Refusal(
            "deployment_missing", f"There is no deployment '{name}'", hint="Check deployment_id, or start it instead."
        )
    if why := not_an_alias(name, seen):
        raise Refusal("invalid_value", why, hint=_IN_PLACE)
    decision = by_alias.roll_out(given, seen, state and dataclasses.replace(state, route="alias"))
    notices = decision.notices
    if given.in_place and name == given.new["deployment_id"] and name not in seen.aliases:
        # Clients reach the deployment by its id, and an alias of that name would be in the way of its old model.
        steps = tuple(each for each in decision.steps if each["do"] != "alias")
        return _as_deployment(dataclasses.replace(decision, steps=steps))
    if name not in seen.aliases:
        notices += (f"From the switch on '{name}' is an alias: the next rollout moves it.",)
    return _as_deployment(dataclasses.replace(decision, notices=notices))


def roll_back(given: Given, seen: Seen, state: State) -> Decision:
    """Return the decision about going back to what *state* says ran before."""
    return _as_deployment(by_alias.roll_back(given, seen, state))


def _as_deployment(decision: Decision) -> Decision:
    """Return the *decision* about an alias as one about a deployment."""
    steps = tuple(
        {**each, "state": {**each["state"], "route": "deployment"}} if "state" in each else each
        for each in decision.steps
    )
    state = decision.state and dataclasses.replace(decision.state, route="deployment")
    return dataclasses.replace(decision, route="deployment", steps=steps, state=state)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a task, rendered from the states of its deployments: the same keys whatever the outcome. Pure."""

from __future__ import annotations

import dataclasses

from .._core.run.result import Json, failure
from .._ml.deployment import user_settings
from .._ml.predicted_deployment import more_of
from .plan.plan import Plan
from .plan.run_state import RunState
from .plan.settings_diff import settings_diff

_NOTHING_RUNS = {"wanted": 0, "assigned": 0, "running": 0, "missing": 0}


def as_item(state: RunState) -> Json:
    """Return the result keys that a single deployment and an item of a list share."""
    observed = state.observed
    before, after = _before(state), _after(state)
    item = {
        "changed": state.changed,
        "operation": operation(state),
        "skipped_because": state.skipped_because,
        "failure": None,
        "deployment": observed and observed.as_result(),
        "routing_table": observed.routing_table() if observed else {},
        "routing_table_before": _routes_before(state),
        "allocations": observed.allocations() if observed else _NOTHING_RUNS if state.read else None,
        "prediction": state.places and state.places.as_result(),
        "routing_source": observed.routing_source if observed else "prediction" if state.predicted else "stats",
        "before": before,
        "after": after,
        "diff": settings_diff(before, after),
        "api_calls": [request.as_result() for request in state.requests],
        "waited": {"seconds": state.seconds, "polls": state.polls, "reached": state.reached},
        "used_by": state.used_by and state.used_by.as_result(),
        "details": list(state.details),
        "start_checks": dict(state.start_checks),
    }
    return item | failure(state.error) if state.error else item


def operation(state: RunState) -> str:
    """Return the operation that was applied, or in check mode would be; ``none`` without a change."""
    if state.rolled_back:
        return "rollback"
    applied = state.changed or (state.predicted and not state.error)
    return state.plan.operation if state.plan and applied else "none"


def fact(state: RunState, item: Json) -> Json:
    """Return the entry of the fact: deployment id to what runs. *item*: of :func:`as_item`.

    What does not run has an entry, too: in a dry run later tasks must know, and in a real run the action plugin
    must know of which cluster it removes the entry.
    """
    entry = {name: item[name] for name in ("deployment", "routing_table", "allocations")}
    where = {
        "cluster": state.server and state.server.cluster(),
        "addresses": state.server and state.server.addresses,
        "predicted": state.predicted or state.follows_prediction,
    }
    return {state.deployment_id: {**entry, **more_of(state.observed), "moved": list(state.moved), **where}}


def _before(state: RunState) -> Json | None:
    return user_settings(state.current) if state.read else None


def _routes_before(state: RunState) -> Json | None:
    """Return the routes that were read before planning; ``None`` if nothing was read."""
    if not state.read:
        return None
    return state.current.routing_table() if state.current else {}


def _after(state: RunState) -> Json | None:
    """Return the settings after the plan; after a failure those that were read last."""
    plan = state.plan
    if state.error:
        return user_settings(state.observed) if state.read else None
    if plan is None:
        return None
    after = plan.after
    if after and state.observed and _number_was_not_set(plan):
        after = dataclasses.replace(after, number_of_allocations=state.observed.number_of_allocations)
    settings = user_settings(after)
    # A restart may change no setting, and would not show in a diff.
    return {**settings, "state": "restarted"} if plan.operation in ("restart", "recover") else settings


def _number_was_not_set(plan: Plan) -> bool:
    """Return whether an update left out the number of allocations, which may have changed since the first read."""
    updates = [step.settings for step in plan.steps if step.kind == "update"]
    return bool(updates) and not any("number_of_allocations" in settings for settings in updates)

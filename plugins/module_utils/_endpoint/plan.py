# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of inference endpoints. Pure."""

from __future__ import annotations

import typing as t

from .._consumers.records import UsedBy
from .._consumers.words import listed, unreadable
from .._core.errors import Refusal
from .._core.features import Feature
from .._core.obstacles import licence_warning
from .._core.plan import Plan, Step
from .._core.server import Server
from .._core.warning import WarningText
from .._core.words import joined
from .._ml.endpoint import Endpoint
from .._ml.endpoint_updates import endpoint_parts
from .._ml.endpoint_versions import CHANGE_NAMES, change_between, is_preset, ways
from .after import after_creation, after_update
from .allocations import as_lost
from .changes import Changes, changes
from .compare import is_in_cluster
from .records import Aim, Desired, EndpointState, Situation
from .rules import (
    preset,
    refuse_creation,
    refuse_foreign_scaling,
    refuse_now,
    refuse_removal,
    refuse_unfit,
    refuse_without_secrets,
)
from .shown import state_of
from .steps import SCALE, create_step, scale_steps, start_step, update_step


def aim_of(desired: Desired, current: Situation, server: Server) -> Aim:
    """Return what the task has to do; whether it may is another question."""
    if desired.state == "absent":
        return "delete" if current.stored else "none"
    if current.stored is None:
        return "create"
    found = changes(desired, current, server)
    if found.fixed:
        return "recreate"
    if current.is_lost:
        return "start"
    return "update" if found.parts or found.sends_secrets or (found.scaling and found.scaling.settings) else "none"


def decide(desired: Desired, current: Situation, server: Server) -> Plan[EndpointState]:
    """Return the plan that brings an endpoint into its desired state.

    :raises Refusal: the task may not do that, or Elasticsearch would refuse it.
    """
    server.require(Feature.INFERENCE_ENDPOINTS)
    if desired.state == "present" and desired.chunking_settings:
        server.require(Feature.CHUNKING_SETTINGS)
    aim = aim_of(desired, current, server)
    if aim == "delete":
        refuse_removal(desired, current)
        return Plan(
            state_of(desired, current), None, aim, (_delete_step(desired, current),), _lost_users(desired, current)
        )
    if aim == "create":
        refuse_creation(desired, current, server)
        after = after_creation(desired, current, current.earlier, server)
        step = create_step(desired, current.earlier)
        return Plan(None, after, aim, (step,), _unread_licence(desired, current))
    if aim == "recreate":
        return _recreate(desired, current, server)
    return _update(desired, current, server, aim)


def _delete_step(desired: Desired, current: Situation) -> Step:
    stored, used_by = t.cast("Endpoint", current.stored), current.used_by
    # Without force Elasticsearch looks once more, and refuses a user that has come since.
    force = {"force": True} if used_by and desired.may_break and (any(used_by) or used_by.unread) else {}
    if not current.takes_force:
        force = {}
    return Step("delete", {"task_type": stored.task_type, "inference_id": stored.inference_id, **force})


def _recreate(desired: Desired, current: Situation, server: Server) -> Plan[EndpointState]:
    stored = t.cast("Endpoint", current.stored)
    if is_preset(desired.inference_id):
        raise preset(desired, "changed")
    if desired.replace == "never":
        raise Refusal(
            "endpoint_differs",
            f"Inference endpoint '{desired.inference_id}' is there and differs, and Elasticsearch "
            f"{server.shown_version} cannot change that",
            changes(desired, current, server).fixed,
            hint="Set replace to recreate to delete it and create it again, or leave out what differs.",
        )
    refuse_removal(desired, current)
    refuse_without_secrets(desired, stored)
    refuse_creation(desired, current, server)
    origin = current.origin
    steps = (_delete_step(desired, current), create_step(desired, origin))
    warnings = (*_lost_users(desired, current), *_unread_licence(desired, current))
    after = after_creation(desired, current, origin, server)
    return Plan(state_of(desired, current), after, "recreate", steps, warnings)


def _update(desired: Desired, current: Situation, server: Server, aim: Aim) -> Plan[EndpointState]:
    if current.stored is None:
        return Plan(None, None)
    stored, before, found = current.stored, state_of(desired, current), changes(desired, current, server)
    warnings = (*_not_shown(desired, found), *_unread_deployment(desired, current))
    if found.scaling:
        refuse_foreign_scaling(stored, found.scaling)
    skipped = found.scaling.skipped_because if found.scaling else None
    if aim == "none":
        return Plan(before, before, warnings=(*warnings, *_missing_deployment(current)), skipped_because=skipped)
    if is_preset(stored.inference_id):
        raise preset(desired, "changed")
    steps, more = _steps(desired, current, server, found)
    return Plan(before, after_update(desired, current, stored, found, server), aim, steps, (*warnings, *more), skipped)


def _steps(
    desired: Desired, current: Situation, server: Server, found: Changes
) -> tuple[tuple[Step, ...], tuple[WarningText, ...]]:
    """Return the steps that make *found*: a start first, the allocations last."""
    stored = t.cast("Endpoint", current.stored)
    steps: tuple[Step, ...] = ()
    if current.is_lost:
        _refuse_lost(desired, current, server)
        steps += (start_step(as_lost(stored, server)),)
    if found.parts or found.sends_secrets:
        steps += (update_step(stored, found.parts, desired.secrets if found.sends_secrets else {}),)
    scales, warnings = _scaling(desired, current, server, found)
    return (*steps, *scales), warnings


def _refuse_lost(desired: Desired, current: Situation, server: Server) -> None:
    """Refuse to start a deployment that is gone where Elasticsearch would."""
    refuse_now(desired, current, server)
    if current.obstacles.missing:
        raise Refusal(
            "model_missing",
            f"The deployment of inference endpoint '{desired.inference_id}' is gone and cannot be started: there is no "
            f"{current.obstacles.missing}",
            hint="Bring the model into the cluster with trained_model.",
        )
    refuse_unfit(desired, current, server)


def _scaling(
    desired: Desired, current: Situation, server: Server, found: Changes
) -> tuple[tuple[Step, ...], tuple[WarningText, ...]]:
    """Return the steps of a change of allocations, in the way that this version takes."""
    stored, scaling = t.cast("Endpoint", current.stored), found.scaling
    if scaling is None or not scaling.settings:
        return (), ()
    change = change_between(scaling.before, scaling.after)
    if "adaptive_allocations" in scaling.settings:
        server.require(Feature.ADAPTIVE_ALLOCATIONS)
    possible = ways(server, stored.inference_id, change)
    if possible.endpoint:
        return scale_steps(stored, endpoint_parts(scaling.settings, scaling.before, scaling.after)), ()
    if not current.shows_deployment:
        raise Refusal(
            "missing_privilege",
            f"Elasticsearch {server.shown_version} changes {CHANGE_NAMES[change]} of inference endpoint "
            f"'{stored.inference_id}' only at its deployment, which the user may not read",
            hint="Grant the cluster privilege manage_ml.",
        )
    names = {"deployment_id": stored.deployment_id, "inference_id": stored.inference_id}
    return (Step(SCALE, {**names, "settings": scaling.settings}),), (_stale(stored, scaling.settings),)


def _stale(stored: Endpoint, changed: t.Iterable[str]) -> WarningText:
    settings = joined(sorted(changed))
    return WarningText(
        f"This version of Elasticsearch changes {settings} of inference endpoint '{stored.inference_id}' only at its "
        "deployment: the endpoint itself goes on showing what it was created with."
    )


def _not_shown(desired: Desired, found: Changes) -> tuple[WarningText, ...]:
    settings = joined(sorted(found.not_shown))
    text = (
        f"Elasticsearch does not show {settings} of inference endpoint '{desired.inference_id}': whether the endpoint "
        "has what the task gives is not known."
    )
    return (WarningText(text),) if settings else ()


def _unread_deployment(desired: Desired, current: Situation) -> tuple[WarningText, ...]:
    if current.shows_deployment:
        return ()
    text = (
        f"The deployment of inference endpoint '{desired.inference_id}' cannot be read (that needs the cluster "
        "privilege monitor_ml): its allocations are taken from what the endpoint shows, and not waited for."
    )
    return (WarningText(text),)


def _missing_deployment(current: Situation) -> tuple[WarningText, ...]:
    stored = current.stored
    if stored is None or not stored.in_cluster or stored.owns_deployment or current.deployment is not None:
        return ()
    if not current.shows_deployment:
        return ()
    text = (
        f"Inference endpoint '{stored.inference_id}' uses deployment '{stored.deployment_id}', which is not there. "
        "Start it with trained_model_deployment."
    )
    return (WarningText(text),)


def _lost_users(desired: Desired, current: Situation) -> tuple[WarningText, ...]:
    """Return warnings about the users that lose the endpoint, and about those that cannot be read."""
    used_by = current.used_by or UsedBy()
    found = [unreadable(kind) for kind in used_by.unread]
    if named := listed(used_by):
        found.append(f"Without inference endpoint '{desired.inference_id}' these do not work: {named}.")
    return tuple(map(WarningText, found))


def _unread_licence(desired: Desired, current: Situation) -> tuple[WarningText, ...]:
    """Return a warning if the user may not read the licence, which a creation in the cluster needs."""
    if not is_in_cluster(current.service(desired)):
        return ()
    return licence_warning("inference endpoint", desired.inference_id, current.obstacles.licensed)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The consumers of a deployment, and what a stop may do while there are any. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._consumers.records import ConsumerKind, Consumers, UsedBy, consumers_of
from ..._consumers.words import KIND_NAMES, listed, unreadable
from ..._core.errors import Refusal
from ..._core.features import Feature
from ..._core.server import Server
from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..._ml.endpoint import Endpoint
from ..records.desired import Desired
from .plan import Plan


def names_the_model(deployment: Deployment, consumers: Consumers) -> bool:
    """Return whether a consumer names the model of *deployment*, or an alias of it, instead of the deployment.

    Such a consumer uses the deployment that has the model's own id, if there is one.
    """
    model_id = deployment.model_id
    if model_id == deployment.deployment_id:
        return False
    names = {model_id, *(consumers.aliases or {}).get(model_id, ())}
    named = frozenset[str]().union(*(consumers.pipelines or {}).values())
    return len(names) > 1 or bool(names & named)


def used_by(deployment: Deployment, consumers: Consumers, *, other_has_model_id: bool = False) -> UsedBy:
    """Return the consumers of *deployment*.

    *other_has_model_id*: another deployment has the id of the model; consumers that name the model use that one.
    """
    model_id = deployment.model_id
    aliases = () if other_has_model_id else (consumers.aliases or {}).get(model_id, ())
    endpoints = (each.inference_id for each in consumers.endpoints or () if uses(each, deployment))
    names = {deployment.deployment_id, *(() if other_has_model_id else (model_id,))}
    return consumers_of(names, endpoints, aliases, consumers)


def uses(endpoint: Endpoint, deployment: Deployment) -> bool:
    """Return whether *endpoint* uses *deployment*."""
    return endpoint.deployment_id == deployment.deployment_id


def allow_stop(desired: Desired, plan: Plan, used_by: UsedBy, server: Server) -> Plan:
    """Return *plan*, which stops a deployment, with force if the task allows it.

    :raises Refusal: a consumer uses the deployment; or consumers cannot be read, and Elasticsearch would not check.
    """
    named, unread = listed(used_by), used_by.unread
    if desired.on_referenced == "force":
        return _forced(plan, named, unread, _option(desired)) if named or unread else plan
    if named:
        raise Refusal(
            "deployment_in_use",
            f"Deployment '{desired.deployment_id}' is used by {named}, and the task would stop it",
            hint=" ".join((f"Take it out of use first, or set {_option(desired)} to force.", *map(unreadable, unread))),
        )
    for kind in unread:
        _refuse_unchecked(desired, kind, server)
    return dataclasses.replace(plan, consumer_warnings=tuple(map(_left_to_server, unread)))


def _option(desired: Desired) -> str:
    """Return the option that allows the task to stop what has consumers."""
    return "on_referenced" if desired.listed else "unlisted_on_referenced"


def _forced(plan: Plan, named: str, unread: t.Sequence[ConsumerKind], option: str) -> Plan:
    stopped = t.cast("Deployment", plan.before)  # a plan that stops something has it
    warnings: tuple[WarningText, ...] = ()
    if named:
        text = f"Deployment '{stopped.deployment_id}' is stopped by force although it is used by {named}."
        warnings += (WarningText(text),)
    if plan.after and plan.after.model_id != stopped.model_id and named and plan.operation != "rollback":
        text = (
            f"Consumers that name model '{stopped.model_id}' cannot use deployment '{stopped.deployment_id}' "
            f"while it runs '{plan.after.model_id}'."
        )
        warnings += (WarningText(text),)
    warnings += tuple(_broken_by_force(kind, option) for kind in unread)
    steps = tuple(
        dataclasses.replace(step, settings={**step.settings, "force": True}) if step.kind == "stop" else step
        for step in plan.steps
    )
    return dataclasses.replace(plan, steps=steps, consumer_warnings=warnings)


def _refuse_unchecked(desired: Desired, kind: ConsumerKind, server: Server) -> None:
    names = KIND_NAMES[kind]
    if not _server_checks(server, kind):
        raise Refusal(
            "consumers_unreadable",
            f"Deployment '{desired.deployment_id}' is not stopped: {names.many} that may use it cannot be read, "
            f"and Elasticsearch {server.version} would stop it without checking them",
            hint=f"Grant {names.needed}, or set {_option(desired)} to force.",
        )


def _server_checks(server: Server, kind: ConsumerKind) -> bool:
    """Return whether Elasticsearch itself refuses a stop without force (server-behaviour.md 3.3).

    Endpoints since elastic/elasticsearch pull request 129325, which 9.0 did not get. Aliases only if a pipeline names
    them.
    """
    if kind == "inference_endpoints":
        return server.supports(Feature.STOP_CHECKS_ENDPOINTS)
    return kind == "ingest_pipelines"


def _broken_by_force(kind: ConsumerKind, option: str) -> WarningText:
    return WarningText(
        f"{unreadable(kind)} The task sends the stop with force, because {option} is force, and breaks those "
        "that use the deployment."
    )


def _left_to_server(kind: ConsumerKind) -> WarningText:
    return WarningText(
        f"{unreadable(kind)} The task sends the stop without force, "
        "so Elasticsearch refuses it if one of them names the deployment itself."
    )

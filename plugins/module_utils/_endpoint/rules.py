# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules by which Elasticsearch, or the task, refuses to create, to change or to delete an endpoint. Pure."""

from __future__ import annotations

import re
import typing as t

from .._consumers.words import KIND_NAMES, listed
from .._core.errors import CODES, Refusal
from .._core.features import Feature
from .._core.obstacles import OBSTACLES
from .._core.server import Server
from .._core.words import joined
from .._ml.endpoint import Endpoint
from .._ml.endpoint_versions import is_preset
from .allocations import Scaling, asked, refuse_on_serverless, scaling
from .compare import is_in_cluster
from .live import SCALING
from .records import Desired, Situation
from .steps import creation_body

_ID = re.compile(r"[a-z0-9](?:[a-z0-9_\-.]*[a-z0-9])?")
_NO_SECRETS = ("elastic",)
"""Services outside of the cluster that need none of the user."""
Rule = t.Callable[[Desired, Situation, Server], None]


def refuse_creation(desired: Desired, current: Situation, server: Server) -> None:
    """Refuse to create an endpoint where Elasticsearch would.

    :raises Refusal: it would.
    """
    for rule in CREATION:
        rule(desired, current, server)


def _refuse_incomplete(desired: Desired, current: Situation, server: Server) -> None:
    given = {"service": current.service(desired), "task_type": desired.task_type or current.origin}
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise Refusal(
            "incomplete_options",
            f"There is no inference endpoint '{desired.inference_id}', and {joined(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} not given",
            hint="An endpoint is created from both. A variable may be empty.",
        )


def _refuse_bad_id(desired: Desired, current: Situation, server: Server) -> None:
    """Refuse an id that Elasticsearch does not take for a new endpoint (around-deployments.md 7 item 13)."""
    if is_preset(desired.inference_id):
        raise preset(desired, "created")
    if not _ID.fullmatch(desired.inference_id):
        raise Refusal(
            "invalid_value",
            f"inference_id '{desired.inference_id}' is not an id for an inference endpoint",
            hint="It takes lowercase letters, digits, '-', '_' and '.', and begins and ends with a letter or a digit.",
        )


def _refuse_bad_settings(desired: Desired, current: Situation, server: Server) -> None:
    """Refuse settings of a service in the cluster that Elasticsearch does not take (around-deployments.md 4.1)."""
    settings = creation_body(desired, current.origin)["service_settings"]
    given = asked(Desired(desired.inference_id, service_settings=settings))
    if server.serverless:
        refuse_on_serverless(given, may_skip=False)
    if settings.get("deployment_id"):
        server.require(Feature.ATTACHED_ENDPOINTS)
        return
    if settings.get("adaptive_allocations") is not None:
        server.require(Feature.ADAPTIVE_ALLOCATIONS)
    if settings.get("model_id") is None and desired.service != "elser":
        raise _incomplete(desired, "model_id, or deployment_id of a deployment that is there")
    if given.threads is None:
        raise _incomplete(desired, "num_threads")
    if given.number is None and given.adaptive is None:
        raise _incomplete(
            desired, " or ".join(SCALING if server.supports(Feature.ADAPTIVE_ALLOCATIONS) else SCALING[:1])
        )


def _incomplete(desired: Desired, what: str) -> Refusal:
    return Refusal(
        "incomplete_options",
        f"The service_settings of inference endpoint '{desired.inference_id}' lack {what}",
        hint="A service in the cluster needs that to create an endpoint.",
    )


def _refuse_taken(desired: Desired, current: Situation, server: Server) -> None:
    if current.obstacles.taken_by:
        raise Refusal(
            "inference_id_taken",
            f"'{desired.inference_id}' is the id of {current.obstacles.taken_by}, and no inference endpoint can have "
            "that id",
            hint="Choose another inference_id.",
        )


def refuse_now(desired: Desired, current: Situation, server: Server) -> None:
    """Refuse what Elasticsearch refuses in its present state, whatever the settings are.

    :raises Refusal: it would.
    """
    obstacles = current.obstacles
    conditions = {"upgrade_mode": obstacles.upgrade_mode is True, "licence": obstacles.licensed is False}
    for name, holds in conditions.items():
        if holds:
            obstacle = OBSTACLES[t.cast("t.Any", name)]
            text = f"Inference endpoint '{desired.inference_id}' cannot be changed now: {obstacle.what}"
            raise Refusal(CODES[t.cast("t.Any", name)], text, hint=obstacle.hint)


def _refuse_missing(desired: Desired, current: Situation, server: Server) -> None:
    if current.obstacles.missing:
        raise Refusal(
            "model_missing",
            f"Inference endpoint '{desired.inference_id}' cannot be created: there is no {current.obstacles.missing}",
            hint="Check service_settings, or bring the model into the cluster with trained_model.",
        )


def refuse_unfit(desired: Desired, current: Situation, server: Server) -> None:
    """Refuse a model of which Elasticsearch starts no deployment.

    :raises Refusal: it is one.
    """
    model, name = current.obstacles.model, f"The deployment of inference endpoint '{desired.inference_id}'"
    if model is not None and model.model_type not in ("", "pytorch"):
        raise Refusal(
            "model_not_deployable",
            f"{name} cannot be started: model '{model.model_id}' is of type {model.model_type}",
            hint="Only pytorch models can be deployed.",
        )
    if model is not None and model.fully_defined is False:
        raise Refusal(
            "model_incomplete",
            f"{name} cannot be started: the definition of model '{model.model_id}' is not complete",
            hint="Wait for the download, or finish the upload of its parts, and run the task again.",
        )


def _refuse_other_allocations(desired: Desired, current: Situation, server: Server) -> None:
    """Refuse allocations that differ from those of the deployment to which the endpoint is to be attached."""
    attached = current.obstacles.attached
    if attached:
        new = Endpoint(desired.inference_id, "", "elasticsearch", {"deployment_id": attached.deployment_id})
        refuse_foreign_scaling(new, scaling(desired, Situation(new, deployment=attached), new, server))


IN_CLUSTER_CREATION: t.Sequence[Rule] = (
    _refuse_bad_settings,
    refuse_now,
    _refuse_missing,
    refuse_unfit,
    _refuse_other_allocations,
)


def _refuse_in_cluster(desired: Desired, current: Situation, server: Server) -> None:
    if not is_in_cluster(current.service(desired)):
        return
    if desired.secrets:
        raise Refusal(
            "conflicting_options",
            f"secrets are given, and inference endpoint '{desired.inference_id}' is to use a deployment of the cluster",
            hint="Leave them out.",
        )
    if current.service(desired) == "elasticsearch":
        server.require(Feature.ELASTICSEARCH_SERVICE)
    for rule in IN_CLUSTER_CREATION:
        rule(desired, current, server)


CREATION: t.Sequence[Rule] = (_refuse_incomplete, _refuse_bad_id, _refuse_taken, _refuse_in_cluster)


def refuse_foreign_scaling(stored: Endpoint, found: Scaling) -> None:
    """Refuse to change allocations or threads of a deployment that the endpoint did not make: that is another's to do.

    :raises Refusal: they differ.
    """
    if (found.settings or found.threads) and not stored.owns_deployment:
        raise Refusal(
            "attached_deployment",
            f"Inference endpoint '{stored.inference_id}' only uses deployment '{stored.deployment_id}', which has "
            f"other {'allocations' if found.settings else 'threads'} than the task asks for",
            hint=f"Change deployment '{stored.deployment_id}' with trained_model_deployment, and leave "
            f"{joined((*SCALING, 'num_threads'))} out here.",
        )


def refuse_removal(desired: Desired, current: Situation) -> None:
    """Refuse to delete an endpoint that comes back, or that has users.

    :raises Refusal: it does.
    """
    if is_preset(desired.inference_id):
        raise preset(desired, "deleted for long")
    used_by = current.used_by
    users = listed(used_by) if used_by else ""
    if users and not desired.may_break:
        raise Refusal(
            "endpoint_in_use",
            f"Inference endpoint '{desired.inference_id}' is used by {users}, and the task would delete it",
            hint=f"Take it out of use first, or set {option_of(desired)}: then they do not work any more.",
        )
    if used_by and used_by.unread and not desired.may_break:
        needed = joined([KIND_NAMES[kind].needed for kind in used_by.unread])
        raise Refusal(
            "consumers_unreadable",
            f"What uses inference endpoint '{desired.inference_id}' cannot be read, and the task would delete it",
            hint=f"Grant {needed}, or set {option_of(desired)}.",
        )


def option_of(desired: Desired) -> str:
    """Return the option that lets the task take an endpoint from its users, with the value for that."""
    return "force to true" if desired.state == "absent" else "on_referenced to force"


def refuse_without_secrets(desired: Desired, stored: Endpoint) -> None:
    """Refuse to recreate an endpoint without its secrets, which Elasticsearch never returns.

    :raises Refusal: its service needs some, and the task has none.
    """
    service = desired.service or stored.service
    if not (is_in_cluster(service) or service in _NO_SECRETS or desired.secrets):
        raise Refusal(
            "incomplete_options",
            f"Inference endpoint '{desired.inference_id}' cannot be recreated without its secrets",
            hint="Give secrets: Elasticsearch never returns them.",
        )


def preset(desired: Desired, what: str) -> Refusal:
    """Return why an endpoint that Elasticsearch brings along cannot be changed. *what*: what the task would do."""
    return Refusal(
        "preset",
        f"Inference endpoint '{desired.inference_id}' comes with Elasticsearch and cannot be {what}",
        hint="Make an endpoint of your own, with an id that has no dot in front.",
    )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules that hold for a whole deployment, its settings merged with those of the task: checked before any write."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import Difference, Refusal
from ..._core.features import Feature
from ..._core.server import Server
from ..._ml.adaptive import AdaptiveAllocations, AdaptivePatch
from ..._ml.deployment import Deployment
from ..._ml.model import Model
from ..records.desired import Desired

_ALWAYS_SCALES = "Elasticsearch Serverless always scales deployments itself"
_UNREAD_ENDPOINTS_HINT = (
    " If an inference endpoint made the deployment, the task needs the cluster privilege monitor_inference or monitor "
    "to see that."
)


def on_this_server(desired: Desired, server: Server) -> Desired:
    """Return what can be *desired* of *server*: Serverless scales every deployment itself, whatever a start asks for.

    An old server has no update (server-behaviour.md 7.1).

    :raises Refusal: the task asks for the opposite.
    """
    if not server.serverless or desired.state == "stopped":
        return dataclasses.replace(desired, can_update=server.supports(Feature.UPDATE))
    patch = desired.adaptive_allocations
    if patch is None or patch == AdaptivePatch():
        left = _left_alone(desired)
        return dataclasses.replace(desired, adaptive_allocations=None, on_adaptive=left, always_adaptive=True)
    return dataclasses.replace(desired, adaptive_allocations=_always_on(desired, patch), always_adaptive=True)


def _left_alone(desired: Desired) -> t.Literal["fail", "skip", "override"]:
    if desired.number_of_allocations is None:
        return desired.on_adaptive
    if desired.on_adaptive == "override":
        raise Refusal(
            "unsupported_on_serverless",
            f"{_ALWAYS_SCALES}, so on_adaptive cannot be override",
            hint="Give adaptive_allocations with bounds instead.",
        )
    if desired.on_adaptive == "fail":
        raise Refusal(
            "unsupported_on_serverless",
            f"{_ALWAYS_SCALES}, so number_of_allocations cannot be {desired.number_of_allocations} for deployment "
            f"'{desired.deployment_id}'",
            hint="Give adaptive_allocations with min_number_of_allocations and max_number_of_allocations instead, or "
            "set on_adaptive to skip to leave the number to Elasticsearch.",
        )
    return "skip"


def _always_on(desired: Desired, patch: AdaptivePatch) -> AdaptivePatch:
    if patch.enabled is False:
        raise Refusal(
            "unsupported_on_serverless",
            f"{_ALWAYS_SCALES}, so adaptive_allocations cannot be turned off",
            hint="Give bounds instead.",
        )
    if desired.number_of_allocations or desired.initial_number_of_allocations:
        raise Refusal(
            "unsupported_on_serverless",
            f"{_ALWAYS_SCALES}, so no number of allocations can be set beside adaptive_allocations",
            hint="Give the bounds alone.",
        )
    return dataclasses.replace(patch, enabled=True)


def refuse_contradictions(after: Deployment) -> None:
    """Refuse settings that Elasticsearch refuses, or accepts in some versions and cannot keep (low priority)."""
    adaptive = after.adaptive_allocations
    low, high = (adaptive.min_number_of_allocations, adaptive.max_number_of_allocations) if adaptive else (None, None)
    if low is not None and high is not None and low > high:
        raise Refusal(
            "conflicting_settings",
            f"Deployment '{after.deployment_id}' would have min_number_of_allocations {low} "
            f"above max_number_of_allocations {high}",
            hint="Give both bounds, or remove one with -1.",
        )
    if after.priority == "low":
        _refuse_more_than_one(after, adaptive)


def _refuse_more_than_one(after: Deployment, adaptive: AdaptiveAllocations | None) -> None:
    one_only = {
        "number_of_allocations": after.number_of_allocations,
        "threads_per_allocation": after.threads_per_allocation,
        "max_number_of_allocations": adaptive.max_number_of_allocations if adaptive else None,
    }
    for name, value in one_only.items():
        if value is not None and value > 1:
            raise Refusal(
                "conflicting_settings",
                f"Deployment '{after.deployment_id}' has priority low, and {name} must then be 1, not {value}",
                hint="Priority normal allows more; it is fixed at start.",
            )


def refuse_unstartable(
    desired: Desired, model_id: str, model: Model | None, namesake: str | None, *, unread: bool = False
) -> None:
    """Refuse a start that Elasticsearch is sure to refuse.

    *model* is what the cluster has under *model_id*. *namesake*: the model whose id or alias the deployment's id is,
    too, as far as that is known. *unread*: an inference endpoint could name the model, and the user may not read
    endpoints.
    """
    deployment_id = desired.deployment_id
    if model is None:
        raise _no_model(desired, model_id, _UNREAD_ENDPOINTS_HINT if unread else "")
    if model.model_type and model.model_type != "pytorch":
        raise Refusal(
            "model_not_deployable",
            f"Cannot start deployment '{deployment_id}': model '{model_id}' is of type {model.model_type}",
            hint="Only pytorch models can be deployed.",
        )
    if model.fully_defined is False:
        raise Refusal(
            "model_incomplete",
            f"Cannot start deployment '{deployment_id}': the definition of model '{model_id}' is not complete",
            hint="Wait for the download, or finish the upload of its parts, and run the task again.",
        )
    if namesake not in (None, model.model_id):
        is_id = namesake == deployment_id
        raise Refusal(
            "deployment_id_taken",
            f"Cannot start deployment '{deployment_id}' of model '{model.model_id}': '{deployment_id}' is "
            + ("the id of another trained model" if is_id else f"an alias of another trained model, '{namesake}'"),
            hint=f"Choose a deployment_id that is not {'the id' if is_id else 'an alias'} of a model.",
            of_list=is_id,
        )


def _no_model(desired: Desired, model_id: str, hint: str) -> Refusal:
    """Return the refusal of a start without a model: the task may have meant only what runs already."""
    if desired.model_id is None and model_id == desired.deployment_id:
        return Refusal(
            "deployment_missing",
            f"Deployment '{model_id}' does not exist, and the cluster has no trained model '{model_id}' to start",
            hint=hint.strip(),
        )
    return Refusal(
        "model_missing",
        f"Cannot start deployment '{desired.deployment_id}': the cluster has no trained model '{model_id}'",
        hint=f"Check model_id, or create the model first.{hint}",
    )


def refuse_fixed(deployment_id: str, differences: tuple[Difference, ...]) -> None:
    """Refuse to change in place what only a stop and a start can change."""
    raise Refusal(
        "immutable_settings",
        f"Deployment '{deployment_id}' cannot be changed in place",
        differences,
        hint="Set replace to stop_start to stop it and start it again (it does not answer meanwhile), "
        "or use another deployment_id.",
    )

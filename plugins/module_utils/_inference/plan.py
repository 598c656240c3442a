# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of inferences: their input, and refusals of those that are certain not to be answered. Pure."""

from __future__ import annotations

import typing as t

from .._core.errors import Refusal
from .._core.features import Feature
from .._core.server import Server
from .._ml.existing import deployments_that_exist
from .._ml.inference import InferenceModel, example_docs, needed_config
from .records import Desired, Json, Target


def refuse_unanswerable(desired: Desired, target: Target, server: Server) -> None:
    """Refuse an inference that Elasticsearch is certain not to answer.

    :raises Refusal: there is no such model, or no deployment of it that an inference reaches.
    """
    name, model = desired.name, target.model
    if target.is_predicted:
        return
    if model is None:
        there = deployments_that_exist(name, *target.existing)
        raise Refusal("deployment_missing", f"The cluster has no deployment, model or alias '{name}'", hint=there)
    if not model.needs_deployment and not target.deployments:
        server.require(Feature.INFERENCE_BY_NAME)
    elif not target.deployments:
        raise Refusal(
            "model_not_deployed", f"Model '{model.model_id}' is not deployed", hint="Start a deployment of it first."
        )
    if target.never_wakes:
        raise Refusal(
            "zero_allocations",
            f"Deployment '{target.deployments[0].deployment_id}' has 0 allocations, and no inference wakes it: its "
            "adaptive allocations are not enabled",
            hint="Give it allocations first.",
        )


class Input(t.NamedTuple):
    """Documents and configuration of one inference."""

    docs: tuple[Json, ...]
    config: Json | None


def input_of(desired: Desired, model: InferenceModel) -> Input:
    """Return the documents and the configuration of the task, or those that *model* can take."""
    docs = desired.docs or tuple(example_docs(model))
    return Input(docs, desired.inference_config or needed_config(model))


def skipped_because(target: Target) -> str:
    """Return why check mode sends no inference."""
    why = "check mode sends no inference: it could wake a deployment that is scaled to zero"
    return f"an earlier task of this dry run would have made '{target.name}'" if target.is_predicted else why

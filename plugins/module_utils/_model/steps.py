# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of plans, and their requests. Pure."""

from __future__ import annotations

from .._core.http.client import Request, quote
from .._core.plan import Step
from .._core.server import Server
from .._ml.model import OUR_METADATA
from .packages import BODY
from .records import Desired, Situation, Upload
from .users import references_model

STOP = "stop the deployments of"
"""The kind of a step that stops one deployment: it completes "... models" and "... model 'id'"."""
_PATH = "/_ml/trained_models"


def removal_steps(desired: Desired, current: Situation, server: Server) -> tuple[Step, ...]:
    """Return the steps that delete a model. Elasticsearch itself would stop only the deployment with the model's id.

    With force it stops that one and then ignores pipelines: all deployments are stopped before, and force is sent only
    where pipelines need it.
    """
    users, model_id = current.users, desired.model_id
    may_be_used = any(users.used_by) or None in users.used_by
    used = {"force": True} if may_be_used else {}
    force = {"force": True} if desired.may_break and references_model(users) else {}
    stops = tuple(Step(STOP, {"model_id": model_id, "deployment_id": name, **used}) for name in users.deployments)
    return (*stops, Step("delete", {"model_id": model_id, **force}))


def create_step(desired: Desired, upload: Upload) -> Step:
    """Return the step that stores the configuration, with what tells later tasks whose definition it is."""
    metadata = {**(upload.config.get("metadata") or {}), OUR_METADATA: upload.metadata}
    return Step("create", {"model_id": desired.model_id, "config": {**upload.config, "metadata": metadata}})


def upload_step(desired: Desired, upload: Upload) -> Step:
    """Return the step that sends the vocabulary and the parts of the definition."""
    settings = {
        "model_id": desired.model_id,
        "vocabulary": upload.vocabulary,
        "total_definition_length": upload.definition_bytes,
        "total_parts": upload.total_parts,
        "metadata": upload.metadata,
    }
    return Step("upload", settings)


def to_request(step: Step, server: Server) -> Request:
    """Return the request of *step*."""
    path = f"{_PATH}/{quote(step.settings['model_id'])}"
    if step.kind == "delete":
        return Request("DELETE", path, {"force": "true"} if step.settings.get("force") else {})
    if step.kind == STOP:
        query = {"allow_no_match": "false"}
        if step.settings.get("force"):
            query["force"] = "true"
        return Request("POST", f"{_PATH}/{quote(step.settings['deployment_id'])}/deployment/_stop", query)
    return Request("PUT", path, {}, BODY if step.kind == "download" else dict(step.settings["config"]))


def upload_requests(step: Step, server: Server) -> tuple[Request, ...]:
    """Return what the result shows of an upload: of the parts what they have in common, of a vocabulary its counts."""
    path, settings = f"{_PATH}/{quote(step.settings['model_id'])}", step.settings
    counts = {name: settings[name] for name in ("total_definition_length", "total_parts")}
    parts = Request("PUT", f"{path}/definition/{{part}}", {}, counts)
    if settings["vocabulary"] is None:
        return (parts,)
    return (Request("PUT", f"{path}/vocabulary", {}, dict(settings["vocabulary"])), parts)

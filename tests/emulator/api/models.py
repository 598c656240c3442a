# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trained models over HTTP: create, upload, read, delete; as much as deployments need.

Server behaviour notes, section 1.5; ``model_config`` and ``ids`` records; order of checks and texts beyond them: the
public transport actions that put and get models, and the public YAML tests ``ml/inference_crud``.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from ..double import Double
from ..state import model_config, models, operations
from ..state.cluster import Cluster
from ..state.models import Model
from ..wire import errors, xcontent
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.xcontent import Parser
from .deployments import page
from .requests import StopRequest

_GET: Final = "cluster:monitor/xpack/ml/inference/get"
_PUT: Final = "cluster:admin/xpack/ml/inference/put"
_DELETE: Final = "cluster:admin/xpack/ml/inference/delete"
_PART: Final = "cluster:admin/xpack/ml/trained_models/part/put"
_VOCABULARY: Final = "cluster:admin/xpack/ml/trained_models/vocabulary/put"
PACKAGE_BYTES: Final = 438123914
ACKNOWLEDGED: Final = {"acknowledged": True}


def read_json(double: Double, call: Call) -> dict[str, Any]:
    """A body that must be an object."""
    body = call.take_body()
    if not body:
        raise errors.parse_failure("request body is required")
    return xcontent.read_map(Parser(body, double.cluster.version))


# --- models ---


def put_model(double: Double, call: Call) -> Prepared:
    """``PUT _ml/trained_models/{model_id}``: metadata only; the definition comes in parts."""
    cluster = double.cluster
    model_id = call.path_parameters["model_id"]
    config = model_config.parse(call.take_body(), cluster.version)
    deferred = call.boolean("defer_definition_decompression", False)
    if cluster.version.at_least((8, 10, 0)):
        call.boolean("wait_for_completion", False)
    packaged = model_id.startswith(".") and "model_type" not in config
    complaints = ([] if packaged else model_config.complaints(config)) + models.id_complaints(model_id)
    complaints += models.creation_complaints(model_id, config)
    if not complaints and deferred and "compressed_definition" in config and not config.get("model_size_bytes"):
        what = "when [defer_definition_decompression] is true and a compressed definition is provided"
        complaints = [f"{what}, model_size_bytes must be set"]

    async def run() -> Reply:
        _check_unique(cluster, model_id, config.get("tags") or [])
        if model_id in cluster.models:
            reason = f"Trained machine learning model [{model_id}] already exists"
            raise errors.ApiError(400, "resource_already_exists_exception", reason)
        model_type = str(config.get("model_type", model_config.PYTORCH if packaged else "tree_ensemble"))
        size = int(config.get("model_size_bytes", 0))
        created = Model(model_id, size, model_type, complete=model_type != model_config.PYTORCH, has_vocabulary=False)
        if packaged:
            # Elastic's own models are downloaded by the server; here that takes no time.
            created.complete, created.has_vocabulary, created.bytes = True, True, PACKAGE_BYTES
        created.config = model_config.shown(config, cluster.version)
        created.create_time = cluster.now() // 1_000_000
        cluster.models[model_id] = created
        call.committed = True
        return Reply(200, created.as_json(cluster.version, definition_status=False))

    return Prepared(_PUT, run, complaints)


def _check_unique(cluster: Cluster, model_id: str, tags: list[str]) -> None:
    """An id is not an alias, a deployment or a tag at the same time."""
    if model_id in cluster.aliases:
        words = f"requested model_id [{model_id}] is the same as an existing model_alias"
        raise errors.status(400, f"{words}. Model model_aliases and ids must be unique")
    if model_id in cluster.assignments:
        raise errors.status(400, f"Cannot create model [{model_id}] the id is the same as an current model deployment")
    if any(model_id in each.tags for each in cluster.models.values()):
        raise errors.status(400, f"The provided model_id {model_id} must not match existing tags.")
    if not cluster.models.keys().isdisjoint(tags):
        raise errors.status(400, f"The provided tags [{', '.join(tags)}] must not match existing model_ids.")


def put_part(double: Double, call: Call) -> Prepared:
    """``PUT _ml/trained_models/{model_id}/definition/{part}``: complete when every part is there."""
    model_id = call.path_parameters["model_id"]
    part = call.path_parameters["part"]
    body = read_json(double, call)
    complaints = _part_complaints(part, body)

    async def run() -> Reply:
        model = _existing(double, model_id)
        model.total_parts = int(body["total_parts"])
        model.parts.add(int(part))
        if len(model.parts) == model.total_parts:
            model.complete, model.bytes = True, int(body["total_definition_length"])
        call.committed = True
        return Reply(200, ACKNOWLEDGED)

    return Prepared(_PART, run, complaints)


def _part_complaints(part: str, body: dict[str, Any]) -> list[str]:
    total = int(body.get("total_parts", 0))
    found = []
    if not part.isdigit():
        raise errors.illegal_argument(
            f"Failed to parse int parameter [part] with value [{part}]", errors.number_format(part)
        )
    if int(part) >= total:
        found.append(f"[part] must be less than total_parts; found [{part}] and [{total}]")
    if int(body.get("total_definition_length", 0)) <= 0:
        found.append("[total_definition_length] must be greater than 0")
    if total <= 0:
        found.append("[total_parts] must be greater than 0")
    try:
        base64.b64decode(str(body.get("definition", "")), validate=True)
    except binascii.Error as cause:
        raise errors.illegal_argument(f"Illegal base64: {cause}") from None
    return found


def put_vocabulary(double: Double, call: Call) -> Prepared:
    """``PUT _ml/trained_models/{model_id}/vocabulary``."""
    model_id = call.path_parameters["model_id"]
    body = read_json(double, call)
    complaints = [] if body.get("vocabulary") else ["[vocabulary] must not be empty"]

    async def run() -> Reply:
        _existing(double, model_id).has_vocabulary = True
        call.committed = True
        return Reply(200, ACKNOWLEDGED)

    return Prepared(_VOCABULARY, run, complaints)


def get_models(double: Double, call: Call) -> Prepared:
    """``GET _ml/trained_models/[{model_id}]``: ids, aliases, patterns."""
    cluster = double.cluster
    expression = call.path_parameters.get("model_id", "*")
    allow_no_match = call.boolean("allow_no_match", True)
    includes = (call.text("include") or "").split(",")
    call.boolean("decompress_definition", True)
    exclude_generated = call.boolean("exclude_generated", False)
    tags = {tag for tag in (call.text("tags") or "").split(",") if tag}
    first, size = page(call)

    async def run() -> Reply:
        resolved = ",".join(cluster.aliases.get(token, token) for token in expression.split(","))
        # Models without the tags do not exist for the request.
        known = [each.id for each in cluster.models.values() if tags <= set(each.tags)]
        missing = models.missing_exact(resolved, set(known))
        found = models.expand(resolved, known)
        if missing or (not found and not allow_no_match):
            raise models.missing_model(",".join(missing) or expression, cluster.version)
        shown = found[first : first + size]
        status = "definition_status" in includes
        _check_includes([cluster.models[found_id] for found_id in shown], includes)
        listed = [
            cluster.models[found_id].as_json(
                cluster.version,
                definition_status=status,
                exclude_generated=exclude_generated,
                aliases=sorted(alias for alias, meant in cluster.aliases.items() if meant == found_id),
            )
            for found_id in shown
        ]
        return Reply(200, {"count": len(found), "trained_model_configs": listed})

    return Prepared(_GET, run)


def _check_includes(shown: list[Model], includes: list[str]) -> None:
    """Definitions and their status are for one model at a time, the status for PyTorch models only."""
    if "definition" in includes and len(shown) > 1:
        raise errors.status(400, "Getting model definition is not supported when getting more than one model")
    if "definition_status" in includes and len(shown) > 1:
        words = "Getting the model download status is not supported when getting more than one model"
        raise errors.status(400, words)
    if "definition_status" in includes and any(each.model_type != model_config.PYTORCH for each in shown):
        raise errors.status(400, "Definition status is only relevant to PyTorch model types")


def delete_model(double: Double, call: Call) -> Prepared:
    """``DELETE _ml/trained_models/{model_id}``: refused while deployed, unless forced."""
    cluster, model_id = double.cluster, call.path_parameters["model_id"]
    force = call.boolean("force", False)
    call.text("timeout")

    async def run() -> Reply:
        if model_id not in cluster.models:
            raise models.missing_model(model_id, cluster.version)
        used = [key for key, each in cluster.assignments.items() if each.params.model_id == model_id]
        if used and not force:
            raise errors.status(
                409, f"Cannot delete model [{model_id}] as it is currently deployed; use force to delete the model"
            )
        if model_id in cluster.assignments:
            # Only the deployment that is named like the model is stopped.
            operations.stop(cluster, StopRequest(model_id, force=True))
            await double.clock.wait(lambda: model_id not in cluster.assignments, None)
        cluster.models.pop(model_id, None)
        call.committed = True
        return Reply(200, ACKNOWLEDGED)

    return Prepared(_DELETE, run)


def _existing(double: Double, model_id: str) -> Model:
    return models.existing(double.cluster.models, model_id, double.cluster.version)


_BASE: Final = "/_ml/trained_models"
ROUTES: Final = (
    Route("GET", _BASE, "model", get_models),
    Route("GET", f"{_BASE}/{{model_id}}", "model", get_models),
    Route("PUT", f"{_BASE}/{{model_id}}", "model", put_model),
    Route("DELETE", f"{_BASE}/{{model_id}}", "model", delete_model),
    Route("PUT", f"{_BASE}/{{model_id}}/definition/{{part}}", "model", put_part),
    Route("PUT", f"{_BASE}/{{model_id}}/vocabulary", "model", put_vocabulary),
)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve trained models: create, read, delete.

Source: server-behaviour.md 1.5 and 10; ``model_config`` and ``ids`` records; the order of checks and their texts
are those of Elasticsearch's public transport actions.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
from typing import Any, Final

from ..emulator import Emulator
from ..state import architectures, creation, model_config, models, operations, requests
from ..state.cluster import Cluster
from ..state.models import Model
from ..state.requests import StopRequest
from ..state.versions import Features
from ..wire import errors
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue
from .deployments import page

Json = dict[str, Any]
_GET: Final = "cluster:monitor/xpack/ml/inference/get"
_PUT: Final = "cluster:admin/xpack/ml/inference/put"
_DELETE: Final = "cluster:admin/xpack/ml/inference/delete"
_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_MANAGED: Final = "lang_ident_model_1"
INCLUDES: Final = (
    "hyperparameters",
    "definition",
    "feature_importance_baseline",
    "definition_status",
    "total_feature_importance",
)
"""In the order in which the server lists them (``models_request`` records)."""
ACKNOWLEDGED: Final = {"acknowledged": True}


# --- create ---


def put_model(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT _ml/trained_models/{model_id}``.

    Metadata only; the definition is uploaded in parts, or downloaded.
    """
    cluster = emulator.cluster
    model_id = call.path_parameters["model_id"]
    parsed = model_config.read(call.take_body(), cluster.version)
    config = parsed.values
    call.warnings += parsed.warnings
    requests.check_same_model(config.pop("model_id", None), model_id, as_status=False)
    deferred = call.boolean("defer_definition_decompression", False)
    wait = call.boolean("wait_for_completion", False) if cluster.version.at_least((8, 8, 0)) else False
    model_config.complete(config, cluster.version)
    complaints = [] if model_config.is_packaged(model_id, cluster.version) else model_config.complaints(config)
    complaints += models.id_complaints(model_id, cluster.version)
    complaints += model_config.further_complaints(config, model_id, cluster.version)
    compressed = "compressed_definition" in config or "definition" in config
    if not complaints and deferred and compressed and not config.get("model_size_bytes"):
        what = "when [defer_definition_decompression] is true and a compressed definition is provided"
        complaints = [f"{what}, model_size_bytes must be set"]

    async def run() -> Reply:
        created = creation.create(cluster, model_id, config)
        call.committed = True
        if wait and created.download_ends is not None:
            await emulator.clock.wait_until(created.download_ends)
        created.settle(cluster.now())
        if wait and created.download_fails is not None:
            raise errors.status(500, created.download_fails)
        if created.package is not None:
            _warn_of_architecture(cluster, call, created)
        return Reply(200, created.as_json(cluster.version, definition_status=False))

    return Prepared(_PUT, run, complaints)


def _warn_of_architecture(cluster: Cluster, call: Call, model: Model) -> None:
    """Warn of a package that the nodes cannot run; the model is created nevertheless."""
    try:
        expected = model.config.get("platform_architecture")
        architectures.check(architectures.of_nodes(cluster), expected, model.id)
    except errors.ApiError as error:
        call.warnings.append(str(error.reason))


# --- read ---


@dataclasses.dataclass(frozen=True)
class GetRequest:
    """A read of models."""

    expression: str
    first: int
    size: int
    tags: list[str]
    includes: list[str]
    allow_no_match: bool


def get_request(call: Call, version: Features) -> GetRequest:
    """Read a request from path and query."""
    first, size = page(call)
    return GetRequest(
        call.path_parameters.get("model_id", "*"),
        first,
        size,
        [tag for tag in (call.text("tags") or "").split(",") if tag],
        _includes(call, version),
        call.boolean("allow_no_match", True),
    )


def get_models(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _ml/trained_models/[{model_id}]``: ids, aliases, patterns."""
    cluster = emulator.cluster
    request = get_request(call, cluster.version)
    includes = request.includes
    decompress = call.boolean("decompress_definition", True)
    exclude_generated = call.boolean("exclude_generated", False)
    human = call.flag("human")

    async def run() -> Reply:
        found = _found(cluster, request)
        shown_ids = found[request.first : request.first + request.size]
        _check_one(cluster, shown_ids, includes)
        listed = []
        for model_id in shown_ids:
            model = cluster.models[model_id]
            model.settle(cluster.now())
            body = model.as_json(
                cluster.version,
                definition_status="definition_status" in includes,
                exclude_generated=exclude_generated,
                human=human,
                old_size_name=call.media is not None and call.media.rest_api_version == 7,
                aliases=sorted(alias for alias, meant in cluster.aliases.items() if meant == model_id),
            )
            if "definition" in includes and model.definition is not None:
                body |= _definition(model.definition, decompress=decompress)
            listed.append(body)
        return Reply(200, {"count": len(found), "trained_model_configs": listed})

    return Prepared(_GET, run)


def _includes(call: Call, version: Features) -> list[str]:
    known = [name for name in INCLUDES if name != "definition_status" or version.at_least((8, 8, 0))]
    given = [name for name in (call.text("include") or "").split(",") if name]
    unknown = [name for name in given if name not in known]
    if unknown:
        what = f"unknown [include] parameters [{', '.join(unknown)}]"
        raise errors.status(400, f"{what}. Valid options are [{', '.join(known)}]")
    return given


def _found(cluster: Cluster, request: GetRequest) -> list[str]:
    """Return ids in order; an exact id that matches nothing is a 404 even with ``allow_no_match``."""
    expression, tags = request.expression, request.tags
    resolved = ",".join(cluster.aliases.get(token, token) for token in expression.split(","))
    aliased = {model_id for alias, model_id in cluster.aliases.items() if models.expand(expression, [alias])}
    found = sorted({*models.expand(resolved, list(cluster.models)), *(aliased & set(cluster.models))})
    tagged = [each for each in found if set(tags) <= set(cluster.models[each].tags)]
    missing = models.missing_exact(resolved, set(tagged) if tags else set(cluster.models))
    if missing or (not tagged and not request.allow_no_match):
        raise models.missing_model(",".join(missing) or expression, cluster.version)
    return tagged


def _check_one(cluster: Cluster, shown_ids: list[str], includes: list[str]) -> None:
    """Refuse definitions and their status for more than one model."""
    if "definition" in includes and len(shown_ids) > 1:
        raise errors.status(400, "Getting model definition is not supported when getting more than one model")
    if "definition_status" not in includes or not shown_ids:
        return
    if len(shown_ids) > 1:
        what = "Getting the model download status is not supported when getting more than one model"
        raise errors.status(400, what)
    if cluster.models[shown_ids[0]].model_type != model_config.PYTORCH:
        raise errors.status(400, "Definition status is only relevant to PyTorch model types")


def _definition(definition: Json, *, decompress: bool) -> Json:
    if decompress:
        return {"definition": definition}
    packed = gzip.compress(json.dumps(definition, separators=(",", ":")).encode(), mtime=0)
    return {"compressed_definition": base64.b64encode(packed).decode()}


# --- delete ---


@dataclasses.dataclass(frozen=True)
class DeleteRequest:
    """A delete of a model."""

    model_id: str
    force: bool
    timeout: TimeValue


def delete_request(call: Call, version: Features) -> DeleteRequest:
    """Read a request from path and query."""
    force = call.boolean("force", False) if version.at_least((8, 1, 0)) else False
    return DeleteRequest(call.path_parameters["model_id"], force, call.time("timeout", _TIMEOUT))


def delete_model(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``DELETE _ml/trained_models/{model_id}``: refused while used or deployed, unless forced."""
    cluster = emulator.cluster
    request = delete_request(call, cluster.version)
    model_id, force = request.model_id, request.force

    async def run() -> Reply:
        stored = cluster.models.get(model_id)
        if stored is not None and not stored.settle(cluster.now()):
            stored.cancel_download()
        aliases = sorted(alias for alias, target in cluster.aliases.items() if target == model_id)
        if not force:
            _check_references(cluster, model_id, aliases)
        deployed = any(each.params.model_id == model_id for each in cluster.assignments.values())
        if deployed and not force:
            raise errors.status(
                409, f"Cannot delete model [{model_id}] as it is currently deployed; use force to delete the model"
            )
        if deployed and model_id in cluster.assignments:
            # Only the deployment that is named like the model is stopped.
            operations.stop(cluster, StopRequest(model_id, force=True))
            await emulator.clock.wait(lambda: model_id not in cluster.assignments, None)
        _delete(cluster, model_id, aliases)
        call.committed = True
        return Reply(200, ACKNOWLEDGED)

    return Prepared(_DELETE, run)


def _check_references(cluster: Cluster, model_id: str, aliases: list[str]) -> None:
    advice = "; use force to delete the model" if cluster.version.at_least((8, 1, 0)) else ""
    if cluster.references(model_id):
        what = f"Cannot delete model [{model_id}] as it is still referenced by ingest processors"
        raise errors.status(409, what + advice)
    used = next((alias for alias in aliases if cluster.references(alias)), None)
    if used is not None:
        what = f"Cannot delete model [{model_id}] as it has a model_alias [{used}]"
        raise errors.status(409, f"{what} that is still referenced by ingest processors{advice}")


def _delete(cluster: Cluster, model_id: str, aliases: list[str]) -> None:
    if aliases:
        for alias in aliases:
            del cluster.aliases[alias]
        cluster.publish(by_api=True)
    if model_id == _MANAGED:
        raise errors.status(400, f"Unable to delete model [{model_id}] as it is required by machine learning")
    if cluster.models.pop(model_id, None) is None:
        raise models.not_stored(model_id)
    cluster.audit_line(model_id, "trained model deleted")


_BASE: Final = "/_ml/trained_models"
ROUTES: Final = (
    Route("GET", _BASE, "model", get_models),
    Route("GET", f"{_BASE}/{{model_id}}", "model", get_models),
    Route("PUT", f"{_BASE}/{{model_id}}", "model", put_model),
    Route("DELETE", f"{_BASE}/{{model_id}}", "model", delete_model),
)

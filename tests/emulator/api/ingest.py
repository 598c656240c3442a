# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve ingest pipelines: put, get, delete and simulate.

Elasticsearch's public rest-api-spec and ingest sources. Pipelines matter here because their inference processors hold
deployments, models and endpoints (server-behaviour.md 3.3).
"""

from __future__ import annotations

from typing import Any, Final

from ..emulator import Emulator
from ..state import ingestion, pipelines
from ..state.cluster import Cluster
from ..state.pipelines import Pipeline
from ..wire import errors, xcontent
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue, millis_text
from ..wire.xcontent import Parser

Json = dict[str, Any]
_GET: Final = "cluster:admin/ingest/pipeline/get"
_PUT: Final = "cluster:admin/ingest/pipeline/put"
_DELETE: Final = "cluster:admin/ingest/pipeline/delete"
_SIMULATE: Final = "cluster:admin/ingest/pipeline/simulate"
_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_ACKNOWLEDGED: Final = {"acknowledged": True}


def _body(emulator: Emulator, call: Call) -> Json:
    body = call.take_body()
    if not body:
        raise errors.parse_failure("request body is required")
    return xcontent.read_map(Parser(body, emulator.cluster.version))


def _timeouts(call: Call, *names: str) -> None:
    for name in names:
        call.time(name, _TIMEOUT)


def put(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT _ingest/pipeline/{id}``; an identical definition changes nothing."""
    cluster, pipeline_id = emulator.cluster, call.path_parameters["id"]
    desired = call.integer("if_version", 0) if call.has("if_version") else None
    config = _body(emulator, call)
    _timeouts(call, "master_timeout", "timeout")

    async def run() -> Reply:
        current = cluster.pipelines.get(pipeline_id)
        if desired is not None:
            pipelines.check_version(current, pipeline_id, desired, config)
        if current is None or current.config != config:
            pipelines.check(cluster, pipeline_id, config)
            now = cluster.now() // 1_000_000
            cluster.pipelines[pipeline_id] = Pipeline(pipeline_id, config, current.created if current else now, now)
            cluster.publish(by_api=True)
            call.committed = True
        return Reply(200, dict(_ACKNOWLEDGED))

    return Prepared(_PUT, run)


def get(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _ingest/pipeline[/{id}]``; a missing pipeline is a 404 with an empty object."""
    cluster, expression = emulator.cluster, call.path_parameters.get("id", "*")
    summary = call.boolean("summary", False)
    _timeouts(call, "master_timeout")
    human = call.flag("human")

    async def run() -> Reply:
        found = {each: _shown(cluster, each, human=human) for each in pipelines.matching(cluster, expression)}
        body = {name: {} for name in found} if summary else found
        return Reply(200 if body else 404, body)

    return Prepared(_GET, run)


def _shown(cluster: Cluster, pipeline_id: str, *, human: bool) -> Json:
    pipeline = cluster.pipelines[pipeline_id]
    body = dict(pipeline.config)
    if cluster.version.pipeline_dates:
        for name, millis in (("created_date", pipeline.created), ("modified_date", pipeline.modified)):
            if human:
                body[name] = millis_text(millis)
            body[f"{name}_millis"] = millis
    return body


def delete(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``DELETE _ingest/pipeline/{id}``; only ``*`` may match nothing."""
    cluster, expression = emulator.cluster, call.path_parameters["id"]
    _timeouts(call, "master_timeout", "timeout")

    async def run() -> Reply:
        found = pipelines.matching(cluster, expression)
        if not found and expression != "*":
            raise errors.not_found(f"pipeline [{expression}] is missing")
        for pipeline_id in found:
            del cluster.pipelines[pipeline_id]
        if found:
            cluster.publish(by_api=True)
            call.committed = True
        return Reply(200, dict(_ACKNOWLEDGED))

    return Prepared(_DELETE, run)


# --- simulate ---


def simulate(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET`` or ``POST _ingest/pipeline/[{id}/]_simulate``: nothing is stored."""
    cluster, pipeline_id = emulator.cluster, call.path_parameters.get("id")
    verbose = call.boolean("verbose", False)
    body = _body(emulator, call)

    async def run() -> Reply:
        if verbose:
            raise ingestion.not_played("verbose simulations")
        config = _simulated(cluster, pipeline_id, body)
        runner = ingestion.Ingestion(cluster, _no_inference)
        return Reply(200, {"docs": [_result(runner, config, given, cluster.now()) for given in _documents(body)]})

    return Prepared(_SIMULATE, run)


def _simulated(cluster: Cluster, pipeline_id: str | None, body: Json) -> Json:
    """Simulate the stored pipeline, or the one in the body."""
    if pipeline_id is not None:
        if pipeline_id not in cluster.pipelines:
            raise errors.illegal_argument(f"pipeline [{pipeline_id}] does not exist")
        return cluster.pipelines[pipeline_id].config
    config = body.get("pipeline")
    if not isinstance(config, dict):
        missing = errors.parse_failure("[pipeline] required property is missing")
        missing.extra["property_name"] = "pipeline"
        raise missing
    pipelines.check(cluster, "_simulate_pipeline", config)
    return config


def _documents(body: Json) -> list[Json]:
    listed = body.get("docs")
    if not isinstance(listed, list):
        missing = errors.parse_failure("[docs] required property is missing")
        missing.extra["property_name"] = "docs"
        raise missing
    if not listed:
        raise errors.illegal_argument("must specify at least one document in [docs]")
    return [each for each in listed if isinstance(each, dict)]


def _result(runner: ingestion.Ingestion, config: Json, given: Json, now: int) -> Json | None:
    """Return one document, its error, or nothing if it was dropped."""
    document = ingestion.Document(given, now)
    try:
        runner.run(config, document)
    except errors.ApiError as error:
        return {"error": error.error_object()}
    except ingestion.Dropped:
        return None
    return document.as_json()


def _no_inference(model_id: str, settings: Json, source: Json) -> Json:
    raise ingestion.not_played("inference in pipelines")


_BASE: Final = "/_ingest/pipeline"
ROUTES: Final = (
    Route("GET", _BASE, "pipeline", get),
    Route("GET", f"{_BASE}/{{id}}", "pipeline", get),
    Route("PUT", f"{_BASE}/{{id}}", "pipeline", put),
    Route("DELETE", f"{_BASE}/{{id}}", "pipeline", delete),
    Route("GET", f"{_BASE}/_simulate", "pipeline", simulate),
    Route("POST", f"{_BASE}/_simulate", "pipeline", simulate),
    Route("GET", f"{_BASE}/{{id}}/_simulate", "pipeline", simulate),
    Route("POST", f"{_BASE}/{{id}}/_simulate", "pipeline", simulate),
)

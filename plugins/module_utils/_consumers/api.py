# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of the consumers of deployments: each kind once for a task, when it is first needed."""

from __future__ import annotations

import typing as t
import urllib.parse

from .._core.errors import ApiError
from .._core.features import Feature
from .._core.http.client import Client
from .._core.http.pages import read_pages
from .._core.server import Server
from .._ml.schemas import MODELS
from . import records, schemas
from .records import Aliases, Endpoint, Pipelines

_ENDPOINT_FIELDS = (
    "inference_id,model_id,task_type,service,service_settings.deployment_id,service_settings.model_id,"
    "service_settings.num_allocations,service_settings.num_threads,service_settings.adaptive_allocations,"
    "chunking_settings"
)
_ENDPOINTS = ",".join(f"{key}.{name}" for key in ("endpoints", "models") for name in _ENDPOINT_FIELDS.split(","))
_PIPELINES = "**.inference.model_id,**.pipeline.name"
_ALIASES = "count,trained_model_configs.model_id,trained_model_configs.metadata.model_aliases"

T = t.TypeVar("T")


class ConsumerReader:
    """A reader of the consumers in a cluster; a kind that the user may not read is ``None``.

    :raises ApiError: a read failed for another reason.
    """

    def __init__(
        self,
        client: Client,
        server: t.Callable[[], Server],
        predicted_aliases: t.Callable[[], t.Mapping[str, str | None]] = dict,
    ) -> None:
        """*predicted_aliases*: those that earlier tasks of a dry run would have changed."""
        self._client = client
        self._predicted_aliases = predicted_aliases
        self._server = server
        self._known: dict[str, t.Any] = {}

    def forget(self) -> None:
        """Forget what was read, because time has passed: the next use reads again."""
        self._known.clear()

    def _once(self, read: t.Callable[[], T]) -> T:
        """Return what *read* returns, and call it once.

        Before Python 3.12 a cached property has one lock for all objects.
        """
        if read.__name__ not in self._known:
            self._known[read.__name__] = read()
        return t.cast("T", self._known[read.__name__])

    def read_endpoints(self) -> tuple[Endpoint, ...] | None:
        """Return the inference endpoints; read them once."""
        return self._once(self._endpoints)

    def _endpoints(self) -> tuple[Endpoint, ...] | None:
        server = self._server()
        if not server.supports(Feature.INFERENCE_ENDPOINTS):
            return ()
        in_one_path = server.supports(Feature.ALL_ENDPOINTS_IN_ONE_PATH)
        path = "/_inference/_all" if in_one_path else "/_inference/any/_all"
        try:
            answer = self._client.read(
                "read the inference endpoints",
                path,
                {"filter_path": _ENDPOINTS},
                privilege="monitor_inference",
                schema=schemas.ENDPOINTS,
            )
        except ApiError as exc:
            if exc.status == 400 and "no handler found" in (exc.reason or ""):
                return ()
            _raise_visible(exc)
            return None
        return records.endpoints(answer)

    def read_chunking_settings(self, task_type: str, inference_id: str) -> t.Any:
        """Return the chunking settings that this endpoint has now."""
        path = "/".join(urllib.parse.quote(part, safe="") for part in ("_inference", task_type, inference_id))
        answer = self._client.read(
            f"read inference endpoint '{inference_id}'",
            f"/{path}",
            {"filter_path": "endpoints.chunking_settings"},
            privilege="monitor_inference",
            schema=schemas.CHUNKING,
        )
        return next((each.get("chunking_settings") for each in answer.get("endpoints") or ()), None)

    def read_pipelines(self) -> Pipelines | None:
        """Return the ingest pipelines; read them once."""
        return self._once(self._pipelines)

    def _pipelines(self) -> Pipelines | None:
        answer = self._once(self._definitions)
        return None if answer is None else records.pipelines(answer)

    def read_checked_pipelines(self) -> Pipelines | None:
        """Return the ingest pipelines with the ids that Elasticsearch finds before it deletes an alias."""
        answer = self._once(self._definitions)
        return None if answer is None else records.checked_pipelines(answer)

    def _definitions(self) -> t.Mapping[str, t.Any] | None:
        query = {"filter_path": _PIPELINES}
        try:
            answer: t.Mapping[str, t.Any] = self._client.read(
                "read the ingest pipelines",
                "/_ingest/pipeline",
                query,
                privilege="read_pipeline",
                schema=schemas.PIPELINES,
            )
        except ApiError as exc:
            # Where there is no pipeline, Elasticsearch says so by status and an empty object.
            if exc.status == 404 and exc.empty:
                return {}
            _raise_visible(exc)
            return None
        return answer

    def read_aliases(self) -> Aliases | None:
        """Return the model aliases; read them once."""
        return self._once(self._aliases)

    def _aliases(self) -> Aliases | None:
        try:
            what, path, query = "read the model aliases", "/_ml/trained_models", {"filter_path": _ALIASES}
            models = read_pages(self._client, what, path, "trained_model_configs", query, schema=MODELS)
            return records.with_predicted(records.aliases(models), self._predicted_aliases())
        except ApiError as exc:
            _raise_visible(exc)
            return None


def _raise_visible(error: ApiError) -> None:
    if not error.hidden:
        raise error

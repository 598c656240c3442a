# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of the consumers of deployments and models: each kind once for a task, when it is first needed."""

from __future__ import annotations

import typing as t

from .._core.errors import ApiError
from .._core.features import Feature
from .._core.http.client import Client
from .._core.http.pages import read_pages
from .._core.run.privileges import PATH as PRIVILEGES_PATH
from .._core.server import Server
from .._ml.endpoint import Endpoint
from .._ml.endpoint_reads import read_endpoint, read_endpoints
from .._ml.schemas import MODELS
from . import mappings, records, schemas
from .mappings import Indices
from .records import Aliases, Consumers, Pipelines
from .users import ModelUsers, model_users, names_of, uses_model

_ENDPOINT_FIELDS = (
    *("inference_id", "model_id", "task_type", "service", "chunking_settings"),
    *(f"service_settings.{name}" for name in ("deployment_id", "model_id", "num_allocations", "num_threads")),
    "service_settings.adaptive_allocations",
)
_PIPELINES = "**.inference.model_id,**.pipeline.name"
_MAPPINGS = {"expand_wildcards": "all", "filter_path": ",".join(f"**.{name}" for name in mappings.NAMING)}
_SEES = "view_index_metadata"
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
        predicted_endpoints: t.Callable[[], t.Mapping[str, Endpoint | None]] = dict,
    ) -> None:
        """*predicted_aliases*, *predicted_endpoints*: those that earlier tasks of a dry run would have changed."""
        self._client = client
        self._predicted_aliases = predicted_aliases
        self._predicted_endpoints = predicted_endpoints
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

    def read(self, uses: t.Callable[[Endpoint], bool]) -> Consumers:
        """Return all consumers in the cluster. Indices are read only if an endpoint *uses* what is asked about."""
        endpoints = self.read_endpoints()
        indices = self._indices_behind(endpoints, uses)
        return Consumers(endpoints, self.read_pipelines(), self.read_aliases(), indices)

    def _indices_behind(
        self, endpoints: tuple[Endpoint, ...] | None, uses: t.Callable[[Endpoint], bool]
    ) -> Indices | None:
        if endpoints is None:
            return None if self._server().supports(Feature.SEMANTIC_TEXT) else {}
        return self.read_indices() if any(map(uses, endpoints)) else {}

    def read_model_users(self, model_id: str, models: t.Mapping[str, str]) -> ModelUsers:
        """Return who uses a model. *models*: the id of each deployment in the cluster to that of its model."""
        deployments = {name for name, model in models.items() if model == model_id}
        names = names_of(model_id, self.read_aliases())
        return model_users(model_id, models, self.read(lambda endpoint: uses_model(endpoint, names, deployments)))

    def know_aliases(self, aliases: Aliases) -> None:
        """Take the *aliases* of all models, which were read already."""
        self._known[self._aliases.__name__] = {model_id: names for model_id, names in aliases.items() if names}

    def read_endpoints(self) -> tuple[Endpoint, ...] | None:
        """Return the inference endpoints that use deployments in the cluster; read them once."""
        return self._once(self._endpoints)

    def _endpoints(self) -> tuple[Endpoint, ...] | None:
        try:
            found = read_endpoints(self._client, self._server(), _ENDPOINT_FIELDS)
        except ApiError as exc:
            _raise_visible(exc)
            return None
        left = records.endpoints_left(found, self._predicted_endpoints())
        return tuple(endpoint for endpoint in left if endpoint.in_cluster)

    def read_endpoint_again(self, inference_id: str) -> Endpoint | None:
        """Return the endpoint with this id as it is now."""
        return read_endpoint(self._client, self._server(), inference_id, _ENDPOINT_FIELDS)

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

    def read_indices(self) -> Indices | None:
        """Return the indices that name inference endpoints; read them once."""
        return self._once(self._indices)

    def _indices(self) -> Indices | None:
        if not self._server().supports(Feature.SEMANTIC_TEXT):
            return {}
        if not self._sees_all_indices():
            return None
        try:
            what = "read the mappings of the indices"
            answer = self._client.read(what, "/_mapping", _MAPPINGS, privilege=_SEES, schema=schemas.MAPPINGS)
        except ApiError as exc:
            _raise_visible(exc)
            return None
        return mappings.indices(answer)

    def _sees_all_indices(self) -> bool:
        """Return whether the user sees all indices; a list of them leaves out what the user does not see.

        Only a plain no counts: without security there is no answer, and a proxy may hide the question.

        :raises ApiError: the cluster or the way to it is at fault, so that an answer may come later.
        """
        question = {"index": [{"names": ["*"], "privileges": [_SEES]}]}
        try:
            what = "read the privileges of the user"
            answer = self._client.read(what, PRIVILEGES_PATH, body=question, schema=schemas.INDEX_RIGHTS)
        except ApiError as exc:
            if exc.kind in ("connection", "timeout", "unavailable"):
                raise
            return True
        return all(granted is not False for rights in answer.get("index", {}).values() for granted in rights.values())


def _raise_visible(error: ApiError) -> None:
    if not error.hidden:
        raise error

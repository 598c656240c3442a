# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of what an inference is to be asked of, and the inference itself."""

from __future__ import annotations

import typing as t

from .._core.http.client import Client
from .._core.http.pages import read_pages
from .._core.http.schema import boolean, integer, list_of, object_with, text
from .._core.run.cluster import ClusterConnection
from .._ml.inference import ANSWER, MODEL_QUERY, MODEL_SCHEMA, InferenceModel, results_in, several_docs, to_request
from .._ml.predictions import (
    PredictedModel,
    deployments_left,
    predicted_aliases,
    predicted_models,
    predicted_trained_models,
)
from .._ml.reads import read_model
from .records import DeploymentFound, Json, Target

_PATH = "/_ml/trained_models"
_ROWS = "trained_model_stats"
_STATS = object_with(
    count=integer,
    trained_model_stats=list_of(
        object_with(
            "model_id",
            model_id=text,
            deployment_stats=object_with(
                deployment_id=text,
                number_of_allocations=integer,
                adaptive_allocations=object_with(enabled=boolean),
            ),
        )
    ),
)
_STATS_QUERY = {
    "filter_path": ",".join(
        (
            "count",
            f"{_ROWS}.model_id",
            *(
                f"{_ROWS}.deployment_stats.{name}"
                for name in ("deployment_id", "state", "number_of_allocations", "adaptive_allocations.enabled")
            ),
        )
    )
}


class InferenceCluster(ClusterConnection):
    """A connection to one cluster: inferences, which change nothing."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._aliases: t.Mapping[str, str | None] = {}
        self._deployments: t.Mapping[str, str | None] = {}
        """What earlier tasks of a dry run would have made: to their models, ``None`` if it would be gone."""
        self._models: t.Mapping[str, PredictedModel | None] = {}

    def follow(self, params: t.Mapping[str, t.Any]) -> None:
        """Let reads show what earlier tasks of a dry run would have made."""
        self._aliases = predicted_aliases(params, self.server)
        self._deployments = predicted_models(params, self.server)
        self._models = predicted_trained_models(params, self.server)

    def read_target(self, name: str) -> Target:
        """Return what *name* means to Elasticsearch: an alias, a deployment or a model, in this order.

        :raises ApiError: a read failed.
        """
        asked = self._aliases.get(name, name)
        named = None if asked is None else self._read_model(asked)
        real_id = named.model_id if named else str(asked or name)
        found, model_ids = self._read_deployments()
        existing = tuple(sorted(found)), tuple(sorted(model_ids))
        if real_id in found:
            deployments = [found[real_id]]
        else:
            deployments = [each for each in found.values() if each.model_id == real_id]
        model_id = deployments[0].model_id if deployments else real_id
        if deployments and (named is None or named.model_id != model_id):
            named = self._read_model(model_id) or InferenceModel(model_id)
        return Target(name, named, tuple(deployments), existing)

    def _read_model(self, model_id: str) -> InferenceModel | None:
        """Return the model with this id or alias, or ``None``."""
        if model_id in self._models:
            predicted = self._models[model_id]
            return predicted and InferenceModel(model_id, predicted.model.model_type, predicted.model.task)
        row = read_model(self._client, model_id, MODEL_QUERY, MODEL_SCHEMA)
        return InferenceModel.from_api(row) if row and row["model_id"] not in self._gone else None

    def _read_deployments(self) -> tuple[dict[str, DeploymentFound], set[str]]:
        """Return all deployments by id, and the ids of all models."""
        path, what = f"{_PATH}/_stats", "read the deployments"
        found, models = {}, set()
        for row in read_pages(self._client, what, path, _ROWS, _STATS_QUERY, schema=_STATS):
            models.add(str(row["model_id"]))
            if row.get("deployment_stats"):
                each = _deployment(row)
                found[each.deployment_id] = each
        left = deployments_left({name: each.model_id for name, each in found.items()}, self._deployments, self._models)
        return {name: self._as_found(name, left[name], found) for name in left}, {*models, *self._models} - self._gone

    @property
    def _gone(self) -> set[str]:
        """Return the models that earlier tasks of the dry run would have deleted."""
        return {name for name, model in self._models.items() if model is None}

    def _as_found(self, name: str, model_id: str, found: t.Mapping[str, DeploymentFound]) -> DeploymentFound:
        """Return a deployment that there is, or would be after earlier tasks of the dry run."""
        return DeploymentFound(name, model_id, predicted=True) if name in self._deployments else found[name]

    def infer(self, name: str, docs: t.Sequence[Json], config: Json | None, timeout: float) -> list[Json]:
        """Return the result of each document; sent once. *timeout*: seconds that Elasticsearch may take.

        :raises ApiError: there is none.
        """
        found: list[Json] = []
        for part in [docs] if several_docs(self.server) else [[doc] for doc in docs]:
            request = to_request(self.server, name, part, config, timeout)
            what = f"infer with '{name}'"
            found += results_in(self._client.ask(what, request, privilege="monitor_ml", schema=ANSWER))
        return found


def _deployment(row: Json) -> DeploymentFound:
    stats = row["deployment_stats"]
    adaptive = bool((stats.get("adaptive_allocations") or {}).get("enabled"))
    sleeps = stats.get("number_of_allocations") == 0
    deployment_id = stats.get("deployment_id") or row["model_id"]  # before 8.8 they are the same
    return DeploymentFound(str(deployment_id), str(row["model_id"]), sleeps, adaptive)

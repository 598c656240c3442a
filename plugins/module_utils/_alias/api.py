# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of a model alias and of what decides about it, and its requests."""

from __future__ import annotations

import dataclasses
import typing as t

from .._consumers.api import ConsumerReader
from .._consumers.records import Pipelines
from .._core.http.client import Client, Request, quote
from .._core.http.pages import read_pages
from .._core.http.schema import list_of, object_with, text
from .._core.plan import Step
from .._core.run.cluster import ClusterConnection
from .._core.run.obstacles import is_licensed, is_upgrade_mode
from .._core.server import Server
from .._ml.model import Model
from .._ml.predictions import (
    PredictedModel,
    predicted_aliases,
    predicted_models,
    predicted_trained_models,
    predicted_upgrade_mode,
)
from .._ml.schemas import MODELS
from .plan import needs_licence
from .records import Alias, DeploymentStatus, Desired, Situation

_ACTION = "cluster:admin/xpack/ml/inference/model_aliases"
_PATH = "/_ml/trained_models"
_ROWS = "trained_model_configs"
_FIELDS = ("model_id", "model_type", "license_level", "inference_config", "input.field_names", "metadata.model_aliases")
_MODEL_QUERY = {"filter_path": ",".join(("count", *(f"{_ROWS}.{name}" for name in _FIELDS)))}
_STATS = object_with(
    trained_model_stats=list_of(
        object_with(
            "model_id",
            model_id=text,
            deployment_stats=object_with(deployment_id=text, allocation_status=object_with(state=text)),
        )
    )
)
_STATS_QUERY = {
    "filter_path": ",".join(
        f"trained_model_stats.{name}"
        for name in ("model_id", "deployment_stats.deployment_id", "deployment_stats.allocation_status.state")
    )
}


class AliasCluster(ClusterConnection):
    """A connection to one cluster: reads of aliases."""

    ALLOWING: t.ClassVar = {
        "set model aliases": ("manage_ml", f"{_ACTION}/put"),
        "delete model aliases": ("manage_ml", f"{_ACTION}/delete"),
    }

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.consumers = ConsumerReader(client, lambda: self.server)
        self.predicted_aliases: t.Mapping[str, str | None] = {}
        self.predicted_models: t.Mapping[str, str | None] = {}
        """Deployment id to its model, ``None`` if it would be gone."""
        self.predicted_trained_models: t.Mapping[str, PredictedModel | None] = {}
        self.predicted_mode: bool | None = None

    def forget(self) -> None:
        self.consumers.forget()

    def follow(self, params: t.Mapping[str, t.Any]) -> None:
        """Let reads show what earlier tasks of a dry run would have made."""
        self.predicted_aliases = predicted_aliases(params, self.server)
        self.predicted_models = predicted_models(params, self.server)
        self.predicted_trained_models = predicted_trained_models(params, self.server)
        self.predicted_mode = predicted_upgrade_mode(params, self.server)

    def read(self, desired: Desired) -> Situation:
        """Return what a plan for *desired* needs, and nothing else.

        :raises ApiError: a read failed, and not for lack of a privilege.
        """
        rows = read_pages(self._client, "read the models", _PATH, _ROWS, _MODEL_QUERY, schema=MODELS)
        models = {model.model_id: model for model in self._predicted(map(Model.from_api, rows))}
        there = {alias: model.model_id for model in models.values() for alias in model.aliases}
        aliases = {name: model_id for name, model_id in {**there, **self.predicted_aliases}.items() if model_id}
        old = aliases.get(desired.model_alias)
        refers_to = Alias(desired.model_alias, old) if old else None
        found = Situation(refers_to, models, aliases)
        deletes = desired.state == "absent"
        if old == (None if deletes else desired.model_id):
            return found
        if not self.server.serverless:
            found = dataclasses.replace(found, upgrade_mode=is_upgrade_mode(self._client, self.predicted_mode))
        if deletes:
            users = self.consumers.read_pipelines()
            in_the_way = self.consumers.read_checked_pipelines()
            return dataclasses.replace(
                found,
                pipelines=_naming(desired.model_alias, users),
                in_the_way=_naming(desired.model_alias, in_the_way),
            )
        new = models.get(str(desired.model_id))
        if new and needs_licence(new) and not self.server.serverless:
            found = dataclasses.replace(found, licensed=is_licensed(self._client))
        if old and new and old in models:
            found = dataclasses.replace(found, deployments=self._deployments(old, new.model_id))
        return found

    def _predicted(self, models: t.Iterable[Model]) -> t.Iterator[Model]:
        """Yield *models* as earlier tasks of a dry run would have left them."""
        predicted = self.predicted_trained_models
        yield from (model for model in models if model.model_id not in predicted)
        yield from (found.model for found in predicted.values() if found)

    def _deployments(self, *model_ids: str) -> dict[str, DeploymentStatus]:
        """Return the deployments of models by id; Elasticsearch counts one as allocated once a node runs it."""
        path = f"{_PATH}/{','.join(map(quote, model_ids))}/_stats"
        answer = self._client.read("read the deployments", path, _STATS_QUERY, schema=_STATS)
        found = {}
        for row in answer.get("trained_model_stats") or ():
            if stats := row.get("deployment_stats"):
                state = (stats.get("allocation_status") or {}).get("state")
                deployment_id, allocated = stats.get("deployment_id"), state in ("started", "fully_allocated")
                found[deployment_id or row["model_id"]] = DeploymentStatus(row["model_id"], allocated)
        for name, model_id in self.predicted_models.items():
            found.pop(name, None)
            if model_id:
                found[name] = DeploymentStatus(model_id, allocated=True)
        return found


def _naming(alias: str, pipelines: Pipelines | None) -> tuple[str, ...] | None:
    """Return those of the *pipelines* that name *alias*."""
    return None if pipelines is None else tuple(sorted(name for name, ids in pipelines.items() if alias in ids))


def to_request(step: Step, server: Server) -> Request:
    """Return the request of *step*."""
    alias = step.settings
    path = f"{_PATH}/{quote(alias['model_id'])}/model_aliases/{quote(alias['model_alias'])}"
    if step.kind == "delete":
        return Request("DELETE", path, {})
    return Request("PUT", path, {"reassign": "true"} if alias["reassign"] else {})

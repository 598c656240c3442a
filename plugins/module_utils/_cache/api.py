# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The read of the deployments that there are, and the request that clears the cache of one."""

from __future__ import annotations

import typing as t

from .._core.errors import Refusal
from .._core.features import Feature
from .._core.http.client import Client, Request, quote
from .._core.http.pages import read_pages
from .._core.http.schema import boolean, integer, list_of, object_with, text
from .._core.run.cluster import ClusterConnection
from .._ml.existing import deployments_that_exist
from .._ml.predictions import PredictedModel, deployments_left, predicted_models, predicted_trained_models

WRITE = "clear the cache of deployments"
_ROWS = "trained_model_stats"
_STATS = object_with(
    count=integer,
    trained_model_stats=list_of(
        object_with("model_id", model_id=text, deployment_stats=object_with(deployment_id=text, state=text))
    ),
)
_NAMES = ("model_id", "deployment_stats.deployment_id", "deployment_stats.state")
_QUERY = {"filter_path": ",".join(("count", *(f"{_ROWS}.{name}" for name in _NAMES)))}
_ANSWER = object_with(cleared=boolean)


class CacheCluster(ClusterConnection):
    """A connection to one cluster: caches of deployments."""

    ALLOWING: t.ClassVar = {WRITE: ("manage_ml", "cluster:admin/xpack/ml/trained_models/deployment/clear_cache")}

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._predicted: t.Mapping[str, str | None] = {}
        self._predicted_models: t.Mapping[str, PredictedModel | None] = {}

    def follow(self, params: t.Mapping[str, t.Any]) -> None:
        """Let reads show what earlier tasks of a dry run would have made."""
        self._predicted = predicted_models(params, self.server)
        self._predicted_models = predicted_trained_models(params, self.server)

    def refuse(self, deployment_id: str) -> None:
        """Refuse to clear the cache of a deployment that has none.

        :raises Refusal: the server cannot clear it, or there is no such deployment.
        """
        if self.server.serverless:
            raise Refusal("unsupported_on_serverless", "Elastic Cloud Serverless clears no cache of a deployment")
        self.server.require(Feature.CACHE_CLEAR)
        rows = read_pages(
            self._client, "read the deployments", "/_ml/trained_models/_stats", _ROWS, _QUERY, schema=_STATS
        )
        models, found = set(), {}
        for row in rows:
            model_id = str(row["model_id"])
            models.add(model_id)
            if stats := row.get("deployment_stats"):
                found[str(stats.get("deployment_id") or model_id)] = model_id
        left = deployments_left(found, self._predicted, self._predicted_models)
        if deployment_id not in left:
            there = deployments_that_exist(deployment_id, sorted(left), sorted(models))
            raise Refusal("deployment_missing", f"There is no deployment '{deployment_id}'", hint=there)

    def clear(self, deployment_id: str) -> bool:
        """Clear the cache, and return whether Elasticsearch says that it has.

        :raises ApiError: also where it is not known.
        """
        what, privilege = f"clear the cache of deployment '{deployment_id}'", self.ALLOWING[WRITE][0]
        answer = self._client.write(what, to_request(deployment_id), privilege=privilege, schema=_ANSWER)
        return bool(answer.get("cleared"))


def to_request(deployment_id: str) -> Request:
    """Return the request that clears the cache of a deployment."""
    return Request("POST", f"/_ml/trained_models/{quote(deployment_id)}/deployment/cache/_clear", {})

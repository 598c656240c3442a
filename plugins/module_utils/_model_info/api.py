# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One cluster: the reads of its models and of who uses them."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .._consumers.api import ConsumerReader
from .._consumers.records import Consumers
from .._consumers.users import model_users, names_of, uses_model
from .._core.features import Feature
from .._core.http.client import Client
from .._core.http.pages import read_pages
from .._core.http.schema import boolean, epoch_millis, integer, list_of, object_with, text
from .._core.run.cluster import ClusterConnection
from .._ml.downloads import read_downloads
from .._ml.model import MEMORY_FIGURES, OUR_METADATA, Model
from .._ml.reads import read_model
from .item import is_packaged
from .records import Deployed, Json, SeenModel

_PATH = "/_ml/trained_models"
_CONFIGS, _STATS = "trained_model_configs", "trained_model_stats"
_FIELDS = (
    *("model_id", "model_type", "description", "tags", "platform_architecture", "license_level", "created_by"),
    *("create_time", "model_size_bytes", "inference_config", "input.field_names", "model_package.packaged_model_id"),
    *(f"metadata.{name}" for name in ("model_aliases", OUR_METADATA, *MEMORY_FIGURES)),
)
_STATS_FIELDS = (
    *("model_id", "model_size_stats.model_size_bytes", "deployment_stats.deployment_id", "deployment_stats.model_id"),
    "deployment_stats.allocation_status.allocation_count",
)
MODELS = object_with(
    count=integer,
    trained_model_configs=list_of(
        object_with(
            "model_id",
            model_id=text,
            model_type=text,
            description=text,
            tags=list_of(text),
            platform_architecture=text,
            license_level=text,
            created_by=text,
            create_time=epoch_millis,
            model_size_bytes=integer,
            fully_defined=boolean,
            inference_config=object_with(),
            input=object_with(field_names=list_of(text)),
            metadata=object_with(model_aliases=list_of(text)),
        )
    ),
)
STATS = object_with(
    count=integer,
    trained_model_stats=list_of(
        object_with(
            "model_id",
            model_id=text,
            model_size_stats=object_with(model_size_bytes=integer),
            deployment_stats=object_with(
                deployment_id=text, model_id=text, allocation_status=object_with(allocation_count=integer)
            ),
        )
    ),
)


class ModelInfoCluster(ClusterConnection):
    """A connection to one cluster: reads of models."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.consumers = ConsumerReader(client, lambda: self.server)

    def forget(self) -> None:
        self.consumers.forget()

    def read_models(self, *, with_config: bool) -> list[SeenModel]:
        """Return all models with their statistics, ordered by their ids. *with_config*: with all of their rows."""
        query = {} if with_config else {"filter_path": _filter(_CONFIGS, _FIELDS)}
        rows = list(read_pages(self._client, "read the models", _PATH, _CONFIGS, query, schema=MODELS))
        deployed = self._read_deployed()
        has_figures = self.server.supports(Feature.MEMORY_FIGURES)
        found = (
            SeenModel(Model.from_api(row, has_figures=has_figures), row, deployed.get(row["model_id"], Deployed()))
            for row in rows
        )
        return sorted(found, key=lambda seen: seen.model.model_id)

    def _read_deployed(self) -> dict[str, Deployed]:
        """Return the statistics of all models by id; a model has a row for each of its deployments."""
        what, path = "read the statistics of the models", f"{_PATH}/_stats"
        rows: dict[str, list[Json]] = collections.defaultdict(list)
        query = {"filter_path": _filter(_STATS, _STATS_FIELDS)}
        for row in read_pages(self._client, what, path, _STATS, query, schema=STATS):
            rows[row["model_id"]].append(row)
        return {model_id: _deployed(model_id, of_model) for model_id, of_model in rows.items()}

    def with_definitions(self, found: t.Iterable[SeenModel]) -> list[SeenModel]:
        """Return the models with what is known of their definitions.

        Elasticsearch tells that of one model at a time, so there is a request for each whose definition may be
        incomplete: a PyTorch model that no node has loaded.
        """
        if not self.server.supports(Feature.DEFINITION_STATUS):
            return list(found)
        return [self._with_definition(seen) if seen.model.model_type == "pytorch" else seen for seen in found]

    def _with_definition(self, seen: SeenModel) -> SeenModel:
        defined = seen.deployed.runs or self._read_definition_status(seen.model.model_id)
        return dataclasses.replace(seen, model=dataclasses.replace(seen.model, fully_defined=defined))

    def _read_definition_status(self, model_id: str) -> bool | None:
        query = {"include": "definition_status", "filter_path": _filter(_CONFIGS, ("model_id", "fully_defined"))}
        row = read_model(self._client, model_id, query, MODELS)
        return row.get("fully_defined") if row else None  # another client may have just deleted it

    def with_downloads(self, found: t.Sequence[SeenModel]) -> list[SeenModel] | None:
        """Return the models with their downloads under way; ``None`` if the user may not read them.

        They are read only if one of the models that Elasticsearch downloads itself is incomplete.
        """
        if not any(seen.model.fully_defined is False and is_packaged(seen) for seen in found):
            return list(found)
        downloads = read_downloads(self._client)
        if downloads is None:
            return None
        return [dataclasses.replace(seen, download=downloads.get(seen.model.model_id)) for seen in found]

    def with_users(self, found: t.Sequence[SeenModel], everything: t.Sequence[SeenModel]) -> list[SeenModel]:
        """Return the models that were *found* with who uses them. *everything*: all models of the cluster."""
        self.consumers.know_aliases({seen.model.model_id: seen.model.aliases for seen in everything})
        models = {name: seen.model.model_id for seen in everything for name in seen.deployed.deployments}
        consumers = self._read_consumers(found)
        return [dataclasses.replace(seen, users=model_users(seen.model.model_id, models, consumers)) for seen in found]

    def _read_consumers(self, found: t.Sequence[SeenModel]) -> Consumers:
        aliases = self.consumers.read_aliases()
        names = {name for seen in found for name in names_of(seen.model.model_id, aliases)}
        deployments = {name for seen in found for name in seen.deployed.deployments}
        return self.consumers.read(lambda endpoint: uses_model(endpoint, names, deployments))


def _filter(rows: str, names: t.Iterable[str]) -> str:
    return ",".join(("count", *(f"{rows}.{name}" for name in names)))


def _deployed(model_id: str, rows: t.Sequence[Json]) -> Deployed:
    deployments = [row["deployment_stats"] for row in rows if row.get("deployment_stats")]
    sizes = ((row.get("model_size_stats") or {}).get("model_size_bytes") for row in rows)
    return Deployed(
        next((size for size in sizes if size), None),
        tuple(sorted(str(each.get("deployment_id") or each.get("model_id") or model_id) for each in deployments)),
        any((each.get("allocation_status") or {}).get("allocation_count") for each in deployments),
    )

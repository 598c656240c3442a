# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One cluster: reads as records, and writes of steps."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._capacity.api import CapacityReader
from ..._capacity.cluster_state import ASSIGNMENT_KEYS, ClusterState, assignments_in, read_cluster_state
from ..._consumers.api import ConsumerReader
from ..._core.errors import ApiError
from ..._core.features import Feature
from ..._core.http.client import Client, Request, quote
from ..._core.http.pages import PAGE, read_pages
from ..._core.run.cluster import ClusterConnection
from ..._ml.deployment import Deployment
from ..._ml.model import MEMORY_FIGURES, Model
from ..._ml.reads import read_model_with_status
from ..._ml.schemas import MODELS
from ..._ml.settings import SCHEMAS
from ..records.prediction import NO_PREDICTIONS, Predictions
from ..records.step import Step
from ..records.turns import Turns
from . import schemas
from .inference import InferenceReader
from .privileges import ALLOWING
from .requests import to_request
from .snapshot import Json, Snapshot
from .start_conditions import StartConditionsReader

_WITHOUT_DOT = re.compile(r"[A-Za-z0-9_-]+")
T = t.TypeVar("T")
_DEPLOYMENT_FIELDS = (
    *("deployment_id", "model_id", *SCHEMAS, "adaptive_allocations"),
    *("state", "reason", "start_time", "allocation_status"),
    *("nodes.node.*.name", "nodes.routing_state", "nodes.number_of_allocations", "nodes.model_threads"),
)
_FIELDS = ",".join(
    ("count", "trained_model_stats.model_id")
    + tuple(f"trained_model_stats.model_size_stats.{name}" for name in ("model_size_bytes", *MEMORY_FIGURES))
    + tuple(f"trained_model_stats.deployment_stats.{name}" for name in _DEPLOYMENT_FIELDS)
)
"""The fields of ``_stats`` that plans need. A row with only a model id still shows that the model exists."""


class Cluster(ClusterConnection):
    """A connection to one cluster: reads and writes of deployments."""

    ALLOWING = ALLOWING

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._state_readable = True
        self.consumers = ConsumerReader(
            client, lambda: self.server, lambda: self.predictions.aliases, lambda: self.predictions.endpoints
        )
        self.predictions: Predictions = NO_PREDICTIONS
        """What earlier tasks of a dry run would have made: reads show it in place of what is there."""
        self.start_conditions = StartConditionsReader(
            client, lambda: self.server, lambda: self.predictions.upgrade_mode
        )
        self.capacity = CapacityReader(client, lambda: self.server)
        self.inferences = InferenceReader(client, lambda: self.server)
        self.turns = Turns()
        """Those of inferences between two polls."""

    def forget(self) -> None:
        self.inferences.forget()
        self.turns = Turns()
        self.start_conditions.forget()
        self.capacity.forget()
        self.consumers.forget()

    @property
    def hides_targets(self) -> bool:
        """Return whether the user may not read the targets of the routes, which the cluster has."""
        return not self._state_readable and not self.server.serverless

    def read(self, deployment_id: str | None = None, *, repeat: bool = True, usage: bool = False) -> Snapshot:
        """Return what ``_stats`` shows of one deployment (and of the model with that id), or of all.

        *repeat*: send it again after a transient error. *usage*: with the counters, too.
        """
        self.turns.begin_round()
        rows = self._rows_of_all(repeat, usage) if deployment_id is None else self._rows_of(deployment_id, repeat)
        misreports = self.server.supports(Feature.MISREPORTED_THREADS)
        return Snapshot(
            rows,
            deployment_id,
            predictions=self.predictions.deployments,
            models=self.predictions.models,
            misreports=misreports,
        )

    def read_with_state(self, deployment_id: str | None = None) -> Snapshot:
        """Return what ``_stats`` shows of one deployment, or of all, and the cluster state of all.

        :raises ApiError: one of them could not be read.
        """
        snapshot = self.read(deployment_id)
        return snapshot.with_state(self.read_state())

    def read_state(self) -> ClusterState | None:
        """Return the cluster state, ``None`` if the user may not read it.

        :raises ApiError: it could not be read for another reason.
        """
        return self._if_shown(lambda: read_cluster_state(self._client))

    def read_targets(self, snapshot: Snapshot, *, repeat: bool = True) -> Snapshot:
        """Return *snapshot* with the targets of the routes, read now if the user may read the cluster state.

        :raises ApiError: the cluster state could not be read.
        """
        return snapshot.with_assignments(self._read_assignments(snapshot.deployment_id, repeat))

    @property
    def shows_cluster_state(self) -> bool:
        """Return whether the user may read the cluster state, as far as that is known."""
        return self._state_readable and not self.server.serverless

    def _rows_of(self, deployment_id: str, repeat: bool) -> list[Json]:
        path = f"/_ml/trained_models/{quote(deployment_id)}/_stats"
        query = {"size": str(PAGE), "filter_path": _FIELDS}
        try:
            what = f"read deployment '{deployment_id}'"
            answer = self._client.read(what, path, query, repeat=repeat, schema=schemas.STATS)
        except ApiError as exc:
            if exc.not_found:
                return []
            raise
        return list(answer.get("trained_model_stats") or ())

    def _rows_of_all(self, repeat: bool, usage: bool) -> t.Iterator[Json]:
        """Return the rows of all models; ``size`` and ``from`` count models, not rows."""
        query = {} if usage else {"filter_path": _FIELDS}
        what, path = "read the deployments", "/_ml/trained_models/_stats"
        return read_pages(self._client, what, path, "trained_model_stats", query, schema=schemas.STATS, repeat=repeat)

    def _read_assignments(self, deployment_id: str | None, repeat: bool) -> t.Mapping[str, t.Any]:
        """Return the assignments in the cluster state by deployment id, or none where the user may not read it.

        *deployment_id*: read only its assignment, if Elasticsearch can filter by such an id; otherwise read all.
        """
        # Elasticsearch takes a dot in an id for the end of a field name.
        filter_id = f".{deployment_id}" if deployment_id and _WITHOUT_DOT.fullmatch(deployment_id) else ""
        query = {"filter_path": ",".join(f"metadata.{key}{filter_id}" for key in ASSIGNMENT_KEYS)}
        what, path, schema = "read the routing table", "/_cluster/state/metadata", schemas.ASSIGNED

        def read() -> t.Mapping[str, t.Any]:
            state = self._client.read(what, path, query, privilege="monitor", repeat=repeat, schema=schema)
            return assignments_in(state)

        return self._if_shown(read) or {}

    def _if_shown(self, read: t.Callable[[], T]) -> T | None:
        """Return what *read* returns of the cluster state, ``None`` if the user may not read it."""
        if not self.shows_cluster_state:
            return None
        try:
            return read()
        except ApiError as exc:
            if not exc.hidden:
                raise
            self._state_readable = False
            return None

    def read_model(self, model_id: str) -> Model | None:
        """Return the model with this id or alias, or ``None``."""
        real_id = self.predictions.aliases.get(model_id, model_id)
        if real_id is None:
            return None
        predicted = self.predictions.models.get(real_id)
        found = predicted.model if predicted else None
        if real_id not in self.predictions.models:
            found = self._read_existing(real_id)
        return found and self._with_predicted_aliases(found)

    def namesake(self, name: str, snapshot: Snapshot) -> str | None:
        """Return the model whose id or alias *name* is, as far as that is known without a further read."""
        if name in snapshot.model_ids:
            return name
        known = self.predictions.aliases
        model_id = known[name] if name in known else snapshot.model_behind(name)
        gone = {each for each, model in self.predictions.models.items() if model is None}
        return None if model_id in gone else model_id

    def _with_predicted_aliases(self, model: Model) -> Model:
        known = {**dict.fromkeys(model.aliases, model.model_id), **self.predictions.aliases}
        names = (alias for alias, model_id in known.items() if model_id == model.model_id)
        return dataclasses.replace(model, aliases=tuple(sorted(names)))

    def _read_existing(self, model_id: str) -> Model | None:
        row = read_model_with_status(self._client, self.server, model_id, MODELS)
        has_figures = self.server.supports(Feature.MEMORY_FIGURES)
        return Model.from_api(row, has_figures=has_figures) if row else None

    def to_request(self, step: Step, server_timeout: str) -> Request:
        """Return the request of *step* for this cluster's version."""
        return to_request(step, self.server, server_timeout)

    def send(self, step: Step, request: Request, names: t.Mapping[str, str]) -> Deployment | None:
        """Send a write once, and return the deployment in the answer (a stop and an endpoint update have none)."""
        privilege = "manage_ml" if step.endpoint_type is None else "manage_inference"
        what = f"{step.kind} deployment '{step.deployment_id}'"
        answer = self._client.write(what, request, privilege=privilege, schema=schemas.WRITTEN)
        assignment = answer.get("assignment") or answer.get("allocation")
        return Deployment.from_assignment(assignment, "assignment", names) if assignment else None

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One cluster: reads as records, and writes of steps."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

from ..._consumers.api import ConsumerReader
from ..._core.errors import ApiError
from ..._core.http.client import SHORTEST_READ, Client, Request
from ..._core.options.connection import Connection
from ..._core.run.wait import SHORTEST_PLANNING, TaskTime
from ..._core.server import Server
from ..._ml.deployment import Deployment
from ..._ml.model import Model
from ..._ml.schemas import MODELS
from ..records.prediction import NO_PREDICTIONS, Predictions
from ..records.step import Step
from . import schemas
from .privileges import PATH, Rights, privileges_to_check
from .requests import quote, to_request
from .snapshot import Json, Snapshot
from .start_conditions import StartConditionsReader
from .version_checks import misreports_threads

PAGE = 1000
_WITHOUT_DOT = re.compile(r"[A-Za-z0-9_-]+")
_STATE_KEYS = ("trained_model_assignment", "trained_model_allocation")
_DEPLOYMENT_FIELDS = (
    "deployment_id,model_id,number_of_allocations,model_threads,adaptive_allocations,threads_per_allocation,"
    "inference_threads,priority,queue_capacity,cache_size,state,reason,start_time,allocation_status,"
    "nodes.node.*.name,nodes.routing_state,nodes.number_of_allocations,nodes.model_threads"
)
_FIELDS = ",".join(
    ("count", "trained_model_stats.model_id", "trained_model_stats.model_size_stats.model_size_bytes")
    + tuple(f"trained_model_stats.deployment_stats.{name}" for name in _DEPLOYMENT_FIELDS.split(","))
)
"""The fields of ``_stats`` that plans need. A row with only a model id still shows that the model exists."""


class Cluster:
    """A connection to one cluster. The server's version is read once."""

    @classmethod
    def connected(cls, connection: Connection, sleep: t.Callable[[float], None]) -> t.Self:
        """Return the cluster at *connection*. *sleep*: called between two attempts of a read."""
        return cls(Client(connection, sleep))

    def __init__(self, client: Client) -> None:
        self._client = client
        self._server: Server | None = None
        self._state_readable = True
        self._rights: Rights | None = None
        self.consumers = ConsumerReader(client, lambda: self.server)
        self.predictions: Predictions = NO_PREDICTIONS
        """What earlier tasks of a dry run would have made: reads show it in place of what is there."""
        self.start_conditions = StartConditionsReader(client, lambda: self.server)

    def within(
        self, time_left: t.Callable[[], float], shortest_read: float = SHORTEST_READ
    ) -> contextlib.AbstractContextManager[None]:
        """Let requests take no longer than the seconds that *time_left* returns, and repeat none when they are over.

        *shortest_read*: seconds that a read gets even then.
        """
        return self._client.within(time_left, shortest_read)

    def planning(self, task_time: TaskTime, timeout: float) -> contextlib.AbstractContextManager[None]:
        """Let the reads before the first write take no longer than a task may that has *timeout* seconds."""
        return self.within(lambda: task_time.left_to_plan(timeout), SHORTEST_PLANNING)

    @property
    def hides_targets(self) -> bool:
        """Return whether the user may not read the targets of the routes, which the cluster has."""
        return not self._state_readable and not self.server.serverless

    @property
    def server(self) -> Server:
        """Return version and flavor: of ``GET /``, or for users without the privilege monitor of ``_ml/info``."""
        if self._server is None:
            self._server = dataclasses.replace(self._read_server(), addresses=self._client.address_hash)
        return self._server

    def _read_server(self) -> Server:
        try:
            what = "read the version of the cluster"
            return Server.from_api(self._client.read(what, "/", privilege="monitor", schema=schemas.SERVER))
        except ApiError as exc:
            if exc.kind != "privilege":
                raise
        info = self._client.read("read the version of the cluster", "/_ml/info", schema=schemas.INFO)
        # "8.19.2 (Build 3f0...)" or plain "8.19.2": the native code has the version of the node.
        version = str((info.get("native_code") or {}).get("version") or "").partition(" ")[0]
        return Server(version, "default", "")

    def read(self, deployment_id: str | None = None, *, repeat: bool = True, usage: bool = False) -> Snapshot:
        """Return what ``_stats`` shows of one deployment (and of the model with that id), or of all.

        *repeat*: send it again after a transient error. *usage*: with the counters, too.
        """
        rows = self._rows_of_all(repeat, usage) if deployment_id is None else self._rows_of(deployment_id, repeat)
        return Snapshot(
            rows,
            lambda: self.assignments(deployment_id, repeat),
            is_complete=deployment_id is None,
            predictions=self.predictions,
            misreports=misreports_threads(self.server),
        )

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
        """Yield the rows of all models; ``size`` and ``from`` count models, not rows."""
        start, total = 0, 1
        while start < total:
            query = {"from": str(start), "size": str(PAGE)} | ({} if usage else {"filter_path": _FIELDS})
            path = "/_ml/trained_models/_stats"
            answer = self._client.read("read the deployments", path, query, repeat=repeat, schema=schemas.STATS)
            rows = answer.get("trained_model_stats") or ()
            yield from rows
            # A count that is never reached must not make this loop endless.
            start, total = start + PAGE, (answer.get("count") or 0) if rows else 0

    def assignments(self, deployment_id: str | None = None, repeat: bool = True) -> dict[str, t.Any]:
        """Return the assignments in the cluster state by deployment id, or none where the user may not read it.

        *deployment_id*: read only its assignment, if Elasticsearch can filter by such an id; otherwise read all.
        """
        if not self.shows_cluster_state:
            return {}
        # Elasticsearch takes a dot in an id for the end of a field name.
        filter_id = f".{deployment_id}" if deployment_id and _WITHOUT_DOT.fullmatch(deployment_id) else ""
        query = {"filter_path": ",".join(f"metadata.{key}{filter_id}" for key in _STATE_KEYS)}
        try:
            state = self._client.read(
                "read the routing table",
                "/_cluster/state/metadata",
                query,
                privilege="monitor",
                repeat=repeat,
                schema=schemas.STATE,
            )
        except ApiError as exc:
            if not exc.hidden:
                raise
            self._state_readable = False
            return {}
        metadata = state.get("metadata") or {}
        return next((metadata[key] for key in _STATE_KEYS if metadata.get(key)), {})

    def model(self, model_id: str) -> Model | None:
        """Return the model with this id or alias, or ``None``."""
        query = {"include": "definition_status"} if self.server.has(8, 8) else {}
        try:
            return self._model(model_id, query)
        except ApiError as exc:
            if exc.not_found:
                return None
            if not query or exc.status != 400:
                raise
        # Elasticsearch refuses to show the definition status of a model that is not a PyTorch model.
        return self._model(model_id, {})

    def _model(self, model_id: str, query: dict[str, str]) -> Model | None:
        path = f"/_ml/trained_models/{quote(model_id)}"
        answer = self._client.read(f"read model '{model_id}'", path, query, schema=MODELS)
        configs = answer.get("trained_model_configs") or []
        return Model.from_api(configs[0]) if configs else None

    def refuse_unprivileged(self, steps: t.Collection[Step]) -> None:
        """Refuse writes that the user may not send; read once. Without an answer, the write itself will show it.

        :raises ApiError: Elasticsearch says that the user lacks the privilege.
        """
        if steps and self._rights is None:
            self._rights = self._read_rights()
        if self._rights is not None:
            self._rights.refuse(steps)

    def _read_rights(self) -> Rights:
        try:
            question = {"cluster": privileges_to_check(self.server)}
            what = "read the privileges of the user"
            return Rights.from_api(self._client.read(what, PATH, body=question, schema=schemas.RIGHTS))
        except ApiError:
            # No security, a proxy that hides the path, or a transient error: only a plain no counts.
            return Rights("", {})

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

    def close(self) -> None:
        self._client.close()


Connect = t.Callable[[Connection, t.Callable[[float], None]], Cluster]
"""Makes the :class:`Cluster` of a connection; the second argument is called between two attempts of a read."""

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read from a cluster, as records."""

from __future__ import annotations

import typing as t

from .._records.action import Action
from .._records.deployment import Deployment
from .._records.errors import ApiError
from .._records.model import Model
from .._records.server import Server
from .calls import encode, quoted
from .client import Call, Client

PAGE = 1000
_STATE_KEYS = ("trained_model_assignment", "trained_model_allocation")


class Reading(t.NamedTuple):
    """What ``_stats`` says under one id.

    ``siblings``: ids of other deployments of the model with that id. ``namesake``: there is a model with that id.
    """

    deployment: Deployment | None
    siblings: tuple[str, ...] = ()
    namesake: bool = False


class Api:
    """One cluster in the collection's words. The server's version is read once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._server: Server | None = None
        self._state_readable = True

    @property
    def server(self) -> Server:
        """Version and flavor: from ``GET /``, or for users without the privilege monitor from ``_ml/info``."""
        if self._server is None:
            self._server = self._read_server()
        return self._server

    def _read_server(self) -> Server:
        try:
            return Server.from_api(self._client.read("read the version of the cluster", "/", privilege="monitor"))
        except ApiError as exc:
            if exc.kind != "privilege":
                raise
        info = self._client.read("read the version of the cluster", "/_ml/info")
        # "8.19.2 (Build 3f0...)" or plain "8.19.2": the native code has the version of the node.
        number = str((info.get("native_code") or {}).get("version") or "").partition(" ")[0]
        return Server(number, "default", "")

    def poll(self, deployment_id: str, repeat: bool = True) -> Reading:
        """The deployment as ``_stats`` shows it, without targets of its routes; one request unless *repeat*."""
        path = f"/_ml/trained_models/{quoted(deployment_id)}/_stats"
        try:
            answer = self._client.read(f"read deployment '{deployment_id}'", path, {"size": str(PAGE)}, repeat=repeat)
        except ApiError as exc:
            if exc.not_found:
                return Reading(None)
            raise
        rows = answer.get("trained_model_stats") or []
        deployed = [Deployment.from_stats(row) for row in rows if row.get("deployment_stats")]
        return Reading(
            deployment=next((each for each in deployed if each.deployment_id == deployment_id), None),
            siblings=tuple(
                sorted(
                    each.deployment_id
                    for each in deployed
                    if each.model_id == deployment_id and each.deployment_id != deployment_id
                )
            ),
            namesake=any(row.get("model_id") == deployment_id for row in rows),
        )

    def read(self, deployment_id: str, repeat: bool = True) -> Reading:
        """As :meth:`poll`, with the routing table of the cluster state where the user may read it."""
        reading = self.poll(deployment_id, repeat)
        assignment = self.assignments(repeat).get(deployment_id)
        if assignment is None:
            return reading
        return reading._replace(deployment=_merged(reading.deployment, assignment))

    def read_all(self, routing: bool) -> list[tuple[Deployment, dict[str, t.Any]]]:
        """Every deployment, with its row of ``_stats``, sorted by id. *routing*: with the cluster state, too."""
        assignments = self.assignments() if routing else {}
        found = []
        for row in self._rows():
            if row.get("deployment_stats"):
                deployment = Deployment.from_stats(row)
                assignment = assignments.get(deployment.deployment_id)
                found.append((deployment if assignment is None else _merged(deployment, assignment), row))
        return sorted(found, key=lambda pair: pair[0].deployment_id)

    def _rows(self) -> t.Iterator[dict[str, t.Any]]:
        """Rows of all models; ``size`` and ``from`` count models, not rows."""
        start, total = 0, 1
        while start < total:
            query = {"from": str(start), "size": str(PAGE)}
            answer = self._client.read("read the deployments", "/_ml/trained_models/_stats", query)
            yield from answer.get("trained_model_stats") or ()
            start, total = start + PAGE, int(answer.get("count") or 0)

    def assignments(self, repeat: bool = True) -> dict[str, t.Any]:
        """Deployment id to assignment from the cluster state; empty where that may not be read or does not exist."""
        if not self._state_readable or self.server.serverless:
            return {}
        query = {"filter_path": ",".join(f"metadata.{key}" for key in _STATE_KEYS)}
        try:
            state = self._client.read(
                "read the routing table", "/_cluster/state/metadata", query, privilege="monitor", repeat=repeat
            )
        except ApiError as exc:
            # Forbidden, or hidden by a flavor or a proxy that has no such path.
            if exc.kind != "privilege" and exc.status not in (404, 405, 410):
                raise
            self._state_readable = False
            return {}
        metadata = state.get("metadata") or {}
        return next((metadata[key] for key in _STATE_KEYS if metadata.get(key)), {})

    def model(self, model_id: str) -> Model | None:
        """The model with this id or alias, or ``None``."""
        query = {"include": "definition_status"} if self.server.has(8, 8) else {}
        try:
            return self._model(model_id, query)
        except ApiError as exc:
            if exc.not_found:
                return None
            if not query or exc.status != 400:
                raise
        # Elasticsearch refuses to tell the status of a model that is not a PyTorch model.
        return self._model(model_id, {})

    def _model(self, model_id: str, query: dict[str, str]) -> Model | None:
        answer = self._client.read(f"read model '{model_id}'", f"/_ml/trained_models/{quoted(model_id)}", query)
        found = answer.get("trained_model_configs") or []
        return Model.from_api(found[0]) if found else None

    def encode(self, action: Action, server_timeout: str) -> Call:
        return encode(action, self.server, server_timeout)

    def send(self, action: Action, call: Call, names: t.Mapping[str, str]) -> Deployment | None:
        """Send a write once. The deployment of the answer, if there is one (a stop has none)."""
        answer = self._client.write(f"{action.kind} deployment '{action.deployment_id}'", call)
        assignment = answer.get("assignment") or answer.get("allocation")
        return Deployment.from_assignment(assignment, "assignment", names) if assignment else None

    def close(self) -> None:
        self._client.close()


def _merged(deployment: Deployment | None, assignment: t.Mapping[str, t.Any]) -> Deployment:
    """Statistics and cluster state are read one after the other: what only one of them has still counts."""
    from_state = Deployment.from_assignment(assignment, "cluster_state", {})
    return from_state if deployment is None else deployment.with_assignment(from_state)

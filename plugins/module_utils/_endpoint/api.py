# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of an inference endpoint and of what decides about it."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._consumers.api import ConsumerReader
from .._consumers.records import Consumers, UsedBy
from .._consumers.users import endpoint_users
from .._core.errors import ApiError, NotReached, Refusal, Unsatisfied
from .._core.features import Feature
from .._core.http.client import Client, Request
from .._core.options.connection import Connection
from .._core.run.obstacles import is_licensed, is_upgrade_mode
from .._core.run.version_file import VersionFile
from .._core.warning import WarningText
from .._ml.endpoint import Endpoint
from .._ml.endpoint_reads import read_endpoint
from .._ml.endpoint_updates import chunking_warning, may_reset_chunking
from .._ml.inference import may_pass
from .._ml.model import Model
from .._ml.predicted_deployment import predicted_deployments
from .._ml.predictions import earlier
from .._ml.reads import read_model_with_status
from .._ml.schemas import MODELS
from . import inference, users
from .changes import changes
from .compare import compared, is_in_cluster
from .plan import aim_of
from .readiness import asks
from .records import Aim, Desired, Obstacles, Situation
from .shown import state_of
from .steps import SCALE, SECRETS, START, creation_body, endpoint_path
from .writes import EndpointWrites

_INFERENCE = "cluster:admin/xpack/inference"
_ML = "cluster:admin/xpack/ml/trained_models/deployment"
_MAKES: t.Sequence[Aim] = ("create", "recreate", "start")
_REMOVES: t.Sequence[Aim] = ("delete", "recreate")


_ANY_MODEL = Model("", "")
"""Stands for a model that the user may not read: whether it fits is left to Elasticsearch."""


class EndpointCluster(EndpointWrites):
    """A connection to one cluster: reads and writes of inference endpoints."""

    ALLOWING: t.ClassVar = {
        "create inference endpoints": ("manage_inference", f"{_INFERENCE}/put"),
        "update inference endpoints": ("manage_inference", f"{_INFERENCE}/update"),
        f"{SECRETS} inference endpoints": ("manage_inference", f"{_INFERENCE}/update"),
        "delete inference endpoints": ("manage_inference", f"{_INFERENCE}/delete"),
        f"{SCALE} inference endpoints": ("manage_ml", f"{_ML}/update"),
        f"{START} inference endpoints": ("manage_ml", "manage_inference", f"{_ML}/start"),
    }

    @classmethod
    def connected(cls, connection: Connection, sleep: t.Callable[[float], None]) -> t.Self:
        return cls(Client(connection, sleep), sleep)

    def __init__(self, client: Client, sleep: t.Callable[[float], None] = time.sleep) -> None:
        super().__init__(client, sleep)
        self.consumers = ConsumerReader(
            client, lambda: self.server, lambda: self._earlier.aliases, lambda: self._earlier.endpoints
        )
        self._first: Endpoint | None = None
        """The endpoint as this task has seen it first."""

    def close(self) -> None:
        """Forget what this task has done on the connection."""
        self._first = self._seen = None
        self._is_new = self._owes_number = False
        super().close()

    def forget(self) -> None:
        self.consumers.forget()

    def follow(self, params: t.Mapping[str, t.Any]) -> None:
        """Let reads show what earlier tasks of a dry run would have made."""
        self._earlier = earlier(params, self.server)
        self._predicted_deployments = predicted_deployments(params, self.server)

    def read(self, desired: Desired) -> Situation:
        """Return what a plan for *desired* needs, and nothing else.

        :raises ApiError: a read failed, and not for lack of a privilege.
        :raises Refusal: the file with the version of the secrets cannot be read.
        """
        self.server.require(Feature.INFERENCE_ENDPOINTS)
        stored = self._stored(desired.inference_id)
        replaced = self._seen if stored is None else None
        self._first = self._first or stored
        current = Situation(
            stored,
            deployment=self._deployment(stored),
            shows_deployment=self._shows_deployments,
            is_new=self._is_new,
            owes_number=self._owes_number,
            chunking_reset=self._has_reset_chunking(stored),
            earlier=replaced,
            kept_version=self._kept_version(desired),
            takes_force=self.server.supports(Feature.ENDPOINT_REFERENCES),
        )
        self._seen = current.origin
        current = dataclasses.replace(current, state=state_of(desired, current))
        try:
            aim, found = aim_of(desired, current, self.server), changes(desired, current, self.server)
        except Refusal:  # the plan says it
            return current
        current = dataclasses.replace(current, differences=found.fixed, not_shown=found.not_shown)
        if aim in _MAKES:
            obstacles = self._obstacles(desired, current, aim)
            current = dataclasses.replace(current, obstacles=obstacles, downloads=self._downloads(desired, current))
        if aim in _REMOVES:
            current = dataclasses.replace(current, used_by=self._users(t.cast("Endpoint", stored)))
        return current

    def _stored(self, inference_id: str) -> Endpoint | None:
        """Return the endpoint as earlier tasks of a dry run would have left it."""
        if inference_id in self._earlier.endpoints:
            return self._earlier.endpoints[inference_id]
        return read_endpoint(self._client, self.server, inference_id)

    def _has_reset_chunking(self, stored: Endpoint | None) -> bool:
        """Return whether an update of this task has changed the chunking settings, too."""
        first = self._first
        if stored is None or first is None or self._is_new or not may_reset_chunking(self.server):
            return False
        return stored.chunking_settings != first.chunking_settings

    # --- what is in the way of a creation ---

    def _obstacles(self, desired: Desired, current: Situation, aim: Aim) -> Obstacles:
        in_cluster = is_in_cluster(current.service(desired))
        settings = creation_body(desired, current.origin)["service_settings"] if in_cluster else {}
        attached_to, model_id = settings.get("deployment_id") if aim != "start" else None, settings.get("model_id")
        is_first = aim == "create" and not current.earlier
        taken = self._taken(desired.inference_id, in_cluster and not attached_to) if is_first else None
        if not in_cluster:
            return Obstacles(taken_by=taken)
        found = dataclasses.replace(self._conditions(), taken_by=taken)
        if attached_to:
            return self._attaching(found, str(attached_to), model_id)
        if not model_id or str(model_id).startswith("."):
            return found
        model = self._model(str(model_id))
        return dataclasses.replace(found, model=model, missing=None if model else f"model '{model_id}'")

    def _attaching(self, found: Obstacles, deployment_id: str, model_id: t.Any) -> Obstacles:
        attached, missing = self._named(deployment_id).deployment, None
        if attached is None and self._shows_deployments:
            missing = f"deployment '{deployment_id}'"
        elif attached and model_id not in (None, attached.model_id):
            missing = f"deployment '{deployment_id}' of model '{model_id}'"
        return dataclasses.replace(found, attached=attached, missing=missing)

    def _conditions(self) -> Obstacles:
        if self.server.serverless:
            return Obstacles()
        return Obstacles(
            licensed=is_licensed(self._client), upgrade_mode=is_upgrade_mode(self._client, self._earlier.upgrade_mode)
        )

    def _taken(self, inference_id: str, starts: bool) -> str | None:
        """Return what has the id already: a deployment, or a model that is deployed.

        *starts*: the endpoint makes a deployment, which takes the id of no model.
        """
        named = self._named(inference_id)
        if named.deployment:
            return f"a deployment of model '{named.deployment.model_id}'"
        if named.of_model:
            return "a model that is deployed"
        model = self._model(inference_id, hidden=None) if starts else None
        return "a model" if model and model.model_id == inference_id else None

    def _downloads(self, desired: Desired, current: Situation) -> str | None:
        if not is_in_cluster(current.service(desired)):
            return None
        model_id = creation_body(desired, current.origin)["service_settings"].get("model_id")
        is_packaged = isinstance(model_id, str) and model_id.startswith(".")
        return model_id if is_packaged and not self._model(model_id) else None

    def _model(self, model_id: str, hidden: Model | None = _ANY_MODEL) -> Model | None:
        """Return the model with this id or alias; *hidden* if the user may not read it."""
        name = self._earlier.aliases.get(model_id, model_id)
        if name is None or name in self._earlier.models:
            predicted = self._earlier.models[name] if name else None
            return predicted and predicted.model
        try:
            row = read_model_with_status(self._client, self.server, name, MODELS)
        except ApiError as error:
            if not error.hidden:
                raise
            return hidden
        return Model.from_api(row) if row else None

    # --- users ---

    def _users(self, stored: Endpoint) -> UsedBy:
        """Return who uses an endpoint: as Elasticsearch says, or where the user may not ask, as far as it is read."""
        endpoints, answer = self.consumers.read_endpoints(), self._dry_run(stored)
        if answer is not None:
            return users.users_in_dry_run(stored, answer, endpoints)
        pipelines, indices = self.consumers.read_pipelines(), self.consumers.read_indices()
        return endpoint_users(stored, Consumers(endpoints, pipelines, indices=indices))

    def _dry_run(self, stored: Endpoint) -> dict[str, t.Any] | None:
        """Return the answer to the dry run of a deletion, which changes nothing; ``None`` if there is none."""
        if not self.server.supports(Feature.ENDPOINT_REFERENCES):
            return None
        request = Request("DELETE", endpoint_path(stored.task_type, stored.inference_id), {"dry_run": "true"})
        what = f"ask what uses inference endpoint '{stored.inference_id}'"
        try:
            answer: dict[str, t.Any] = self._client.ask(
                what, request, privilege="manage_inference", schema=users.DRY_RUN
            )
        except ApiError:  # what uses it is read then, as far as the user may
            return None
        return answer

    # --- writes with secrets, and creations ---

    def _kept_version(self, desired: Desired) -> str | None:
        """Return the version of the secrets that was sent last, ``None`` if no file keeps it."""
        if not desired.secrets_state_file:
            return None
        file = VersionFile(desired.secrets_state_file)
        if desired.state == "present":
            file.refuse_unwritable()
        return file.read(self._cluster_id, desired.inference_id)

    def probe(self, desired: Desired, current: Situation) -> Situation:
        """Return *current* with what came of an inference, if the task waits for an answer and there may be one.

        :raises NotReached: Elasticsearch refuses it for good.
        """
        stored = current.stored
        if stored is None or not asks(desired, current):
            return current
        request = inference.to_request(stored)
        if request is None:
            return current
        try:
            what = f"infer with inference endpoint '{stored.inference_id}'"
            self._client.ask(what, request, privilege="monitor_inference", schema=inference.ANSWER)
        except ApiError as error:
            why = may_pass(error)
            if why is None:
                text = f"Inference endpoint '{stored.inference_id}' is there, and refuses an inference: {error}"
                raise NotReached("not_ready", text) from error
            return dataclasses.replace(current, answer=why)
        return dataclasses.replace(current, answer=None)

    def tidy(self, desired: Desired, current: Situation) -> tuple[WarningText, ...]:
        """Say what an update has changed besides, and forget the version of the secrets of an endpoint that is gone.

        :raises Unsatisfied: the endpoint has lost the chunking settings that the task gives.
        """
        stored = current.stored
        if stored is None and desired.secrets_state_file:
            VersionFile(desired.secrets_state_file).keep(self._cluster_id, desired.inference_id, None)
        if stored is None or not current.chunking_reset:
            return ()
        if compared(desired.chunking_settings, stored.chunking_settings or {}, "chunking_settings").leaves:
            remedy = "Run the task again" if desired.replace == "recreate" else "Set replace to recreate"
            raise Unsatisfied(
                "chunking_reset",
                f"{chunking_warning(stored.inference_id)} {remedy} to get those that the task gives.",
            )
        return (chunking_warning(stored.inference_id),)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creations of inference endpoints, and updates of their secrets: writes whose requests results show only masked."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from .._core.errors import ApiError
from .._core.features import Feature
from .._core.http.client import Client, Request
from .._core.options.secrets import secrets
from .._core.plan import Step
from .._core.run.cluster import ClusterConnection
from .._core.run.long_work import Work
from .._core.run.masking import mask_text
from .._core.run.version_file import VersionFile
from .._core.write_outcome import is_uncertain, may_have_been_applied
from .._ml.deployment import Deployment
from .._ml.deployment_reads import Named, read_named
from .._ml.endpoint import Endpoint
from .._ml.endpoint_reads import read_endpoint
from .._ml.predicted_deployment import PredictedDeployments, as_left
from .._ml.predictions import Earlier
from .compare import same_service
from .records import Desired
from .steps import masked, restoring_body, to_request, with_secrets

ATTEMPTS = 3
"""How often a write with secrets is sent."""
PAUSE = 1.0
"""Seconds between two attempts."""
_OF_OTHERS = ("already exists", "must be unique")
"""Parts of refusals of an id that another client has used meanwhile."""
_STORED = (
    "Inference endpoint '{}' is there nevertheless, without a deployment. Run the task again to start it, or set state "
    "to absent."
)


class EndpointWrites(ClusterConnection):
    """A connection to one cluster, with the writes that have secrets."""

    def __init__(self, client: Client, sleep: t.Callable[[float], None]) -> None:
        super().__init__(client)
        self._sleep = sleep
        self._seen: Endpoint | None = None
        """The endpoint as this task has seen it last, with the allocations of its deployment."""
        self._is_new = False
        """Whether this task has created it."""
        self._owes_number = False
        """Whether the last write has turned adaptive allocations off, and left the number to a second one."""
        self._shows_deployments = True
        self._earlier = Earlier()
        self._predicted_deployments: PredictedDeployments = {}
        """What earlier tasks of a dry run would have left."""

    def _deployment(self, stored: Endpoint | None) -> Deployment | None:
        """Return the deployment that an endpoint uses; ``None`` also if the user may not read it."""
        if stored is None or stored.deployment_id is None or not self._shows_deployments:
            return None
        return self._named(stored.deployment_id).deployment

    def _named(self, name: str) -> Named:
        """Return what has this name, as earlier tasks of a dry run would have left it; nothing if it is not shown."""
        try:
            found = read_named(self._client, self.server, name)
        except ApiError as error:
            if not error.hidden:
                raise
            self._shows_deployments = False
            return Named()
        return as_left(found, name, self._predicted_deployments, self._earlier.models)

    def write(self, what: str, request: Request, write: str) -> None:
        settings = (request.body or {}).get("service_settings") or {}
        self._owes_number = (settings.get("adaptive_allocations") or {}).get("enabled") is False
        super().write(what, request, write)

    @property
    def _cluster_id(self) -> str:
        return self.server.cluster_uuid or str(self.server.addresses)

    def _keep_version(self, desired: Desired) -> None:
        if desired.secrets_state_file and desired.secrets_version:
            file = VersionFile(desired.secrets_state_file)
            file.keep(self._cluster_id, desired.inference_id, desired.secrets_version)

    def _send(self, desired: Desired, step: Step) -> None:
        """Send *step* once, with the secrets that its request only shows masked."""
        shown = to_request(step, self.server)
        content = None
        if desired.secrets:
            content = json.dumps(with_secrets(dict(shown.body or {}), desired.secrets)).encode()
        what = f"{step.kind} inference endpoint '{desired.inference_id}'"
        try:
            self._client.write(what, shown, privilege="manage_inference", content=content)
        except ApiError as error:
            # Whatever shows the result masks them, too; but no part of the collection has to handle them.
            raise error.masked(lambda text: mask_text(text, self._secrets(desired))) from None

    def _secrets(self, desired: Desired) -> t.Collection[str]:
        return secrets({"secrets": desired.secrets})

    def update_secrets(self, desired: Desired, step: Step, work: Work) -> None:
        """Apply an update that has secrets. It may be sent again: nothing shows whether one without an answer came.

        :raises ApiError: Elasticsearch has refused it, or it is not known whether it took effect.
        """
        request, attempt = to_request(step, self.server), 1
        while True:
            try:
                self._send(desired, step)
                break
            except ApiError as error:
                if is_uncertain(error):
                    work.note_once(request)
                if attempt == ATTEMPTS or not may_have_been_applied(error):
                    raise
            attempt += 1
            self._sleep(PAUSE)
        work.note_once(request)
        self._keep_version(desired)

    def create(self, desired: Desired, step: Step, work: Work) -> None:
        """Apply a creation: what is there afterwards decides, whatever the answer is.

        :raises ApiError: Elasticsearch has refused it; the message says what is there nevertheless.
        """
        request, may_be_ours, attempt = to_request(step, self.server), False, 1
        while True:
            try:
                self._send(desired, step)
                break
            except ApiError as error:
                may_be_ours |= may_have_been_applied(error)
                if self._is_made(desired, work, request, error, may_be_ours):
                    break
                if not may_have_been_applied(error):
                    raise self._after_refusal(desired, work, error) from error
                if attempt == ATTEMPTS:
                    raise
            attempt += 1
            self._sleep(PAUSE)
        work.note_once(request)
        self._is_new = True
        self._keep_version(desired)

    def _is_made(self, desired: Desired, work: Work, request: Request, error: ApiError, may_be_ours: bool) -> bool:
        """Return whether the endpoint is there in spite of *error*, and its deployment has begun or may begin.

        :raises ApiError: it is there, and its deployment is not and will not be; or it is another client's.
        """
        if error.status in (401, 403):
            raise error
        try:
            stored = read_endpoint(self._client, self.server, desired.inference_id)
        except ApiError:
            if is_uncertain(error):
                work.note_once(request)
            raise error from None
        if stored is None:
            return False
        if not may_be_ours and any(text in (error.reason or "") for text in _OF_OTHERS):
            raise error
        work.note_once(request)
        if may_be_ours or (is_uncertain(error) and self._deployment(stored)):
            return True
        if self._seen is None:
            raise error.with_hint(_STORED.format(desired.inference_id))
        self._remove_useless(stored, work, error)
        return False

    def _remove_useless(self, stored: Endpoint, work: Work, error: ApiError) -> None:
        """Delete what a refused creation has left in the place of the endpoint that this task has deleted.

        :raises ApiError: it stays.
        """
        settings = {"task_type": stored.task_type, "inference_id": stored.inference_id}
        force = {"force": True} if self.server.supports(Feature.ENDPOINT_REFERENCES) else {}
        request = to_request(Step("delete", {**settings, **force}), self.server)
        try:
            what = f"delete inference endpoint '{stored.inference_id}'"
            self._client.write(what, request, privilege="manage_inference")
        except ApiError:
            raise error.with_hint(_STORED.format(stored.inference_id)) from None
        work.note(request)

    def _after_refusal(self, desired: Desired, work: Work, error: ApiError) -> ApiError:
        """Put the endpoint back that this task has deleted before, once. Return *error* with what is there now."""
        earlier = self._seen
        if earlier is None:
            return error
        same = same_service(desired.service, earlier) and not earlier.in_cluster
        given = desired if same else dataclasses.replace(desired, secrets={})
        body = with_secrets(restoring_body(earlier), masked(given.secrets))
        step = Step("create", {"task_type": earlier.task_type, "inference_id": earlier.inference_id, "body": body})
        failed = ""
        try:
            self._send(given, step)
        except ApiError as refusal:
            failed = str(refusal)
        there = not failed or read_endpoint(self._client, self.server, desired.inference_id)
        if not there:
            return error.with_hint(f"The endpoint was deleted before, and the task could not put it back: {failed}")
        work.note(to_request(step, self.server))
        self._is_new = True
        if failed:
            text = f"The endpoint was deleted before, and the task has put it back, without its deployment: {failed}"
            return error.with_hint(f"{text} Run the task again to start it.")
        return error.with_hint("The endpoint was deleted before, and the task has put it back as it was.")

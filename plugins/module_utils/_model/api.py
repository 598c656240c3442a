# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of a trained model and of what decides about it, and its writes."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._consumers.api import ConsumerReader
from .._consumers.users import ModelUsers
from .._core.errors import ApiError, Refusal, Unsatisfied
from .._core.features import Feature
from .._core.http.client import Client, Request, quote
from .._core.http.pages import read_pages
from .._core.options.connection import Connection, connection
from .._core.plan import Step
from .._core.run.cluster import ClusterConnection
from .._core.run.long_work import Work
from .._core.run.obstacles import is_licensed, is_upgrade_mode, read_unless_hidden
from .._core.warning import WarningText
from .._ml.downloads import Download, read_downloads
from .._ml.predictions import Earlier, earlier
from .._ml.reads import read_model_with_status
from . import answers
from .aims import aim_of, needs_checksum
from .files import ModelFiles
from .packages import chosen, has_variants, id_meant
from .records import Aim, Desired, Mirror, SentParts, Situation, StoredModel
from .steps import STOP, upload_requests
from .transfer import Transfer, is_other_file, is_too_large
from .upload.journal import JournalKey
from .upload.limits import Limits
from .upload.source import is_url, open_source

_PUT = "cluster:admin/xpack/ml/inference/put"
_PATH = "/_ml/trained_models"
_ROWS = "trained_model_configs"
_NAMES = {"filter_path": f"count,{_ROWS}.model_id,{_ROWS}.tags,{_ROWS}.metadata.model_aliases"}
_CREATIONS: t.Sequence[Aim] = ("download", "upload", "resume", "recreate")
_REMOVALS: t.Sequence[Aim] = ("delete", "recreate")


class ModelCluster(ClusterConnection):
    """A connection to one cluster: reads and writes of models."""

    ALLOWING: t.ClassVar = {
        "download models": ("manage_ml", _PUT),
        "create models": ("manage_ml", _PUT),
        "upload models": ("manage_ml", "cluster:admin/xpack/ml/trained_models/part/put"),
        "delete models": ("manage_ml", "cluster:admin/xpack/ml/inference/delete"),
        f"{STOP} models": ("manage_ml", "cluster:admin/xpack/ml/trained_models/deployment/stop"),
    }

    @classmethod
    def connected(cls, connection: Connection, sleep: t.Callable[[float], None]) -> t.Self:
        return cls(Client(connection, sleep), sleep)

    def __init__(self, client: Client, sleep: t.Callable[[float], None] = time.sleep) -> None:
        super().__init__(client)
        self._sleep = sleep
        self.consumers = ConsumerReader(
            client, lambda: self.server, lambda: self._earlier.aliases, lambda: self._earlier.endpoints
        )
        self._earlier = Earlier()
        self._looks_left: dict[str, int] = {}
        """Model to the looks after which a download that was asked for has to show."""
        self._users = ModelUsers()
        """The users of the model, with those that this task has found before."""
        self._download: Download | None = None
        """The download as it was seen last."""
        self._connection: Connection | None = None
        self._files: ModelFiles | None = None
        self._transfer: Transfer | None = None
        self._is_new = False
        """Whether this task has created the model."""
        self._replaces_upload = False
        """Whether the task deletes a model that is not complete: another task may be at its upload."""

    def close(self) -> None:
        """Forget what this task has done on the connection."""
        self._looks_left.clear()
        self._users = ModelUsers()
        self._download = self._transfer = None
        self._is_new = False
        self._replaces_upload = False
        if self._files:
            self._files.close()
        self._files = None
        super().close()

    def forget(self) -> None:
        self.consumers.forget()

    def follow(self, params: t.Mapping[str, t.Any]) -> None:
        """Let reads show what earlier tasks of a dry run would have made."""
        self._connection = connection(params)
        self._earlier = earlier(params, self.server)

    def resolve(self, desired: Desired) -> Desired:
        """Return *desired* with the id of the variant of a package that this cluster is to have."""
        if not has_variants(desired):
            return dataclasses.replace(desired, model_id=id_meant(desired))
        named = self._variant()
        there = self._ids_like(desired.model_id)
        model_id = chosen(desired, named, there)
        return dataclasses.replace(desired, model_id=model_id, is_variant_known=named is not None)

    def _variant(self) -> str | None:
        """Return the variant of packages that the cluster can run, ``None`` if it does not say."""
        if self.server.supports(Feature.PLATFORM_VARIANT):
            query = {"filter_path": "defaults.model_platform_variant"}
            what = "read the platform variant of models"
            answer = read_unless_hidden(self._client, what, "/_ml/info", query, answers.VARIANT, "monitor_ml") or {}
            if variant := (answer.get("defaults") or {}).get("model_platform_variant"):
                return str(variant)
        if self.server.serverless:
            return None
        query = {"filter_path": "nodes.*.roles,nodes.*.os.name,nodes.*.os.arch"}
        nodes = read_unless_hidden(self._client, "read the nodes", "/_nodes", query, answers.NODES)
        return answers.variant_of_nodes(nodes or {})

    def _ids_like(self, model_id: str) -> set[str]:
        """Return the ids of models that begin with *model_id*."""
        rows = self._names(f"/{quote(model_id)}*")
        found = {str(row["model_id"]) for row in rows} - {
            name for name, gone in self._earlier.models.items() if not gone
        }
        return found | {name for name, model in self._earlier.models.items() if model}

    def _names(self, which: str = "") -> t.Iterable[dict[str, t.Any]]:
        path = f"{_PATH}{which}"
        return read_pages(self._client, "read the models", path, _ROWS, _NAMES, schema=answers.CONFIGS)

    def read(self, desired: Desired) -> Situation:
        """Return what a plan for *desired* needs, and nothing else.

        :raises ApiError: a read failed, and not for lack of a privilege.
        """
        current = self._with_files(desired, self._read_model(desired))
        aim = aim_of(desired, current)
        if aim == "none" or (aim == "recreate" and desired.replace == "never"):
            return self._with_notification(desired, current)
        self._replaces_upload |= aim == "recreate" and current.is_incomplete
        if not self.server.serverless:
            current = dataclasses.replace(
                current, upgrade_mode=is_upgrade_mode(self._client, self._earlier.upgrade_mode)
            )
        if aim in _CREATIONS:
            current = self._with_names(desired, current, is_new=aim != "resume")
        if aim in _CREATIONS and desired.check_mirror:
            current = dataclasses.replace(current, mirror=self._read_mirror(desired.model_id))
        if aim in _REMOVALS:
            current = self._with_users(desired, current)
        return current

    def _with_users(self, desired: Desired, current: Situation) -> Situation:
        """Return *current* with all who use the model, or did before this task stopped its deployments."""
        deployments = self._deployments(desired.model_id)
        users = self.consumers.read_model_users(desired.model_id, deployments)
        self._users = users.with_earlier(self._users)
        return dataclasses.replace(current, deployments=deployments, users=self._users)

    def _read_model(self, desired: Desired) -> Situation:
        """Return the model and its download. If no task shows it, the model is read again: it may be complete."""
        model_id = desired.model_id
        if model_id in self._earlier.models:
            predicted = self._earlier.models[model_id]
            return Situation(StoredModel(predicted.model, predicted.config, True) if predicted else None)
        found = self._config(model_id)
        if found is None or found.model.model_id != model_id:
            return Situation(alias_of=found.model.model_id if found else None)
        if not desired.is_packaged or found.is_complete is not False:
            return Situation(found, download=self._ended_download(found))
        shown, download = self._read_download(model_id)
        if shown and download is None:
            found = self._config(model_id) or found
        current = Situation(found, download=download, begun=self._may_begin(model_id, download), shows_downloads=shown)
        is_complete = not current.has_failed_download
        return dataclasses.replace(current, stored=dataclasses.replace(found, is_complete=is_complete))

    def _may_begin(self, model_id: str, download: Download | None) -> bool:
        """Return whether a download that this task has asked for may still begin. One that was seen has begun."""
        self._download = download or self._download
        left = 0 if download else self._looks_left.get(model_id, 0)
        self._looks_left[model_id] = max(0, left - 1)
        return left > 0

    def _with_files(self, desired: Desired, current: Situation) -> Situation:
        """Return *current* with what the files say; of the definition, no more is read than a plan needs."""
        if desired.files is None:
            return current
        stored = current.stored
        if self._files is None:
            limits = Limits(sleep=self._sleep)
            connection = t.cast("Connection", self._connection)
            # Parts that are there and known to be right must not get others beside them that are not.
            trusts = not (stored and current.is_incomplete and stored.ours) or "definition_revision" in stored.ours
            self._files = ModelFiles(desired.files, desired, connection, limits, self.server, trusts_checksum=trusts)
        if stored and not stored.ours:
            stored = dataclasses.replace(stored, shown_bytes=self._shown_bytes(desired.model_id))
            current = dataclasses.replace(current, stored=stored)
        upload = self._files.upload(stored.ours.get("part_size") if stored else None)
        if needs_checksum(desired, upload, current):
            upload = self._files.checked(upload)
        sent = SentParts(*self._transfer.sent) if self._transfer else SentParts()
        current = dataclasses.replace(current, upload=upload, sent=sent)
        aim = aim_of(desired, current)
        if stored and aim == "resume":
            upload = self._files.with_journal(upload, self._journal_key(stored))
        elif aim in ("upload", "recreate"):
            upload = self._files.of_new_upload(upload, self.server.cluster_uuid, desired.model_id)
        return dataclasses.replace(current, upload=upload)

    def _shown_bytes(self, model_id: str) -> int | None:
        """Return the size of the definition of a model, ``None`` if Elasticsearch does not show it."""
        query = {"filter_path": "trained_model_stats.model_id,trained_model_stats.model_size_stats.model_size_bytes"}
        path = f"{_PATH}/{quote(model_id)}/_stats"
        answer = self._client.read(f"read the size of model '{model_id}'", path, query, schema=answers.SIZES)
        return answers.size_of(answer, model_id)

    def _journal_key(self, stored: StoredModel) -> JournalKey:
        ours = stored.ours
        return JournalKey(
            self.server.cluster_uuid,
            stored.model.model_id,
            stored.config.get("create_time") or 0,
            str(ours.get("definition_sha256")),
            ours.get("part_size") or 0,
        )

    def upload(self, desired: Desired, step: Step, work: Work) -> None:
        """Apply an upload: send the vocabulary, then the parts of the definition.

        :raises Failure: the model is not complete; the message says what is missing.
        """
        files, stored = t.cast("ModelFiles", self._files), self._begun(step)
        transfer = self._transfer = Transfer(
            self._client,
            desired.model_id,
            files,
            files.parts(stored.ours["part_size"]),
            work,
            replaces_upload=self._replaces_upload,
            still_there=lambda: self._begun(step, stored),
        )
        *before, request = upload_requests(step, self.server)
        if files.vocabulary:
            transfer.send_vocabulary(files.vocabulary)
            work.note(before[0])
        try:
            transfer.send_definition(self._journal_key(stored), lambda: work.note_once(request))
        except (ApiError, Refusal) as error:
            hint = self._after_failure(desired, work, error, lambda: self._begun(step, stored))
            raise (error.with_hint(hint) if hint else error) from error

    def _after_failure(
        self, desired: Desired, work: Work, error: ApiError | Refusal, still_there: t.Callable[[], object]
    ) -> str:
        """Delete a model that no upload of its file can complete. Return what to say of it.

        *still_there*: refuses a model that another client has replaced, which is left alone.
        Its size of parts cannot be changed: a smaller one needs a new model. One with parts is kept, because they may
        get there in another way.
        """
        if is_other_file(error):
            still_there()
            self._delete_unusable(desired, work)
            return "The task has deleted the incomplete model: its parts are of another file."
        if not is_too_large(error):
            return ""
        if self._is_new and not t.cast("Transfer", self._transfer).sent.parts:
            still_there()
            self._delete_unusable(desired, work)
            return "The task has deleted the incomplete model, which keeps its size of parts."
        return "An upload keeps the size of its parts, unless you set replace to recreate."

    def _begun(self, step: Step, first: StoredModel | None = None) -> StoredModel:
        """Return the model that was created for the files of *step*. *first*: as it was at the beginning.

        :raises Unsatisfied: it is another one now, whose parts are not to be mixed with those of this task.
        """
        model_id = step.settings["model_id"]
        found = self._config(model_id)
        is_same = first is None or (found and found.config.get("create_time")) == first.config.get("create_time")
        if found is None or not is_same or not step.settings["metadata"].items() <= found.ours.items():
            raise Unsatisfied("conflict", f"Another client has deleted or replaced model '{model_id}' meanwhile")
        return found

    def _delete_unusable(self, desired: Desired, work: Work) -> None:
        """Delete a model whose parts are not of the file that it is for: nothing else can repair it."""
        request = Request("DELETE", f"{_PATH}/{quote(desired.model_id)}", {})
        self.write(f"delete model '{desired.model_id}'", request, "delete models")
        work.note(request)

    def tidy(self, desired: Desired, current: Situation) -> tuple[WarningText, ...]:
        """Remove the journal of a model that was complete; a task that sends parts does that itself."""
        stored = current.stored
        if self._files is None or self._transfer or stored is None or not stored.ours:
            return ()
        return self._files.remove_journal(self._journal_key(stored))

    def _ended_download(self, found: StoredModel) -> Download | None:
        """Return the download that this task has seen, as complete as it is now."""
        seen = self._download
        return Download(seen.total_parts, seen.total_parts) if seen and found.is_complete else None

    def _config(self, model_id: str) -> StoredModel | None:
        """Return the model with this id or alias."""
        row = read_model_with_status(self._client, self.server, model_id, answers.CONFIGS)
        has_figures = self.server.supports(Feature.MEMORY_FIGURES)
        return answers.stored_model(row, has_figures=has_figures) if row else None

    def _read_download(self, model_id: str) -> tuple[bool, Download | None]:
        """Return whether the user may read downloads, and that of a model."""
        answer = read_downloads(self._client)
        return answer is not None, (answer or {}).get(model_id)

    def _with_notification(self, desired: Desired, current: Situation) -> Situation:
        """Return *current* with what Elasticsearch says of a download that has failed, if the user may read it."""
        if not current.has_failed_download:
            return current
        match = {"filter": [{"term": {"job_id": desired.model_id}}, {"term": {"level": "error"}}]}
        body = {"query": {"bool": match}, "sort": [{"timestamp": "desc"}], "size": 1, "_source": ["message", "level"]}
        path = "/.ml-notifications-*/_search"
        try:
            answer = self._client.read(
                "read the notifications", path, body=body, privilege="read", schema=answers.NOTIFICATIONS
            )
        except ApiError as exc:
            if not (exc.hidden or exc.status == 400):
                raise
            return current
        return dataclasses.replace(current, notification=answers.notification_in(answer))

    def _read_mirror(self, model_id: str) -> Mirror:
        """Look for a package in the repository from which the cluster would download it.

        :raises Refusal: it is not there, or the repository cannot be reached from here.
        """
        query = {"include_defaults": "true", "filter_path": "*.xpack.ml.model_repository"}
        what = "read where models are downloaded from"
        answer = read_unless_hidden(self._client, what, "/_cluster/settings", query, answers.REPOSITORY)
        repository = answers.repository_in(answer or {})
        if repository is None:
            return "unread"
        if not is_url(repository):
            return "files"
        address = f"{repository.rstrip('/')}/{model_id.removeprefix('.')}.metadata.json"
        limits = Limits(lambda: _MIRROR_SECONDS, self._sleep)
        open_source(address, t.cast("Connection", self._connection), limits, option="The model in the mirror").close()
        return "fine"

    def _with_names(self, desired: Desired, current: Situation, *, is_new: bool) -> Situation:
        """Return *current* with what refuses a creation."""
        if not self.server.serverless:
            current = dataclasses.replace(current, licensed=is_licensed(self._client))
        if not is_new:
            return current
        others = (answers.other_model(row) for row in self._names())
        return dataclasses.replace(
            current,
            others=tuple(other for other in others if other.model_id != desired.model_id),
            deployments=self._deployments(desired.model_id),
        )

    def _deployments(self, model_id: str) -> dict[str, str]:
        """Return the deployments that are named like a model, or run it, each with its model."""
        query = {"filter_path": ",".join(f"trained_model_stats.{name}" for name in _DEPLOYMENT_FIELDS)}
        try:
            path = f"{_PATH}/{quote(model_id)}/_stats"
            answer = self._client.read("read the deployments", path, query, schema=answers.DEPLOYED)
        except ApiError as exc:
            if not exc.not_found:
                raise
            answer = {}
        found: dict[str, str | None] = {**answers.deployments(answer), **self._earlier.deployments}
        return {name: model for name, model in found.items() if model and model_id in (name, model)}

    def write(self, what: str, request: Request, write: str) -> None:
        self._is_new |= write == "create models"
        if write == "download models":
            self._looks_left[request.path.rpartition("/")[2]] = _LOOKS
        try:
            super().write(what, request, write)
        except ApiError as error:
            if write == "download models" and error.not_found:
                raise error.with_hint(_NO_PACKAGE) from error
            raise


_LOOKS = 6
_NO_PACKAGE = "Check model_id, and the repository from which the cluster downloads models (xpack.ml.model_repository)."
_MIRROR_SECONDS = 10.0
_DEPLOYMENT_FIELDS = ("model_id", "deployment_stats.deployment_id", "deployment_stats.model_id")

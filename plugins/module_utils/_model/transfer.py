# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send the vocabulary and the definition of a model that was created."""

from __future__ import annotations

import contextlib
import re
import typing as t

from .._core.errors import ApiError, Failure, Refusal
from .._core.http.client import Client, Request, quote
from .._core.run.long_work import Work
from .._core.sizes import human_size
from .files import ModelFiles
from .records import Json
from .upload.journal import Journal, JournalKey
from .upload.limits import Limits
from .upload.parts import Parts
from .upload.send import USUAL_CONCURRENCY, Sent, is_already_there, passes, send_parts

_THERE = re.compile(r"vocabulary.*already exists", re.DOTALL)


class Transfer:
    """The transfer of the files of one model. ``sent``: what Elasticsearch has acknowledged of its definition."""

    def __init__(
        self,
        client: Client,
        model_id: str,
        files: ModelFiles,
        parts: Parts,
        work: Work,
        *,
        replaces_upload: bool,
        still_there: t.Callable[[], object],
    ) -> None:
        """*replaces_upload*: the task has deleted an incomplete model, to which another task may still send parts.

        *still_there*: refuses a model that is not the one of the plan any more.
        """
        self.sent = Sent()
        self._replaces_upload = replaces_upload
        self._still_there = still_there
        self._tried: set[int] = set()
        self._client = client
        self._model_id = model_id
        self._path = f"/_ml/trained_models/{quote(model_id)}"
        self._files = files
        self._parts = parts
        self._work = work
        self._limits = Limits(work.time_left, work.clock.sleep)
        self._show = work.progress()

    def send_vocabulary(self, vocabulary: Json) -> None:
        """Send the vocabulary; one that is there is this one, because the model was created for it.

        :raises ApiError: it is not acknowledged.
        """
        request = Request("PUT", f"{self._path}/vocabulary", {}, vocabulary)
        tries = 0
        while True:
            try:
                self._client.write(f"put the vocabulary of model '{self._model_id}'", request)
                return
            except ApiError as error:
                if error.status == 400 and _THERE.search(error.reason or ""):
                    self._refuse_foreign(tries == 0)
                    return
                tries += 1
                if not passes(error) or not self._limits.allow(tries):
                    raise

    def send_definition(self, key: JournalKey, note: t.Callable[[], None]) -> None:
        """Send the parts that Elasticsearch does not have yet. *note*: called after each that it acknowledges.

        :raises Failure: not all of them are acknowledged.
        """
        files = self._files.files
        journal = Journal.open(files.journal, key) if files.journal else None

        def acknowledge(part: int) -> None:
            note()
            if journal:
                journal.note(part)

        with self._closing(journal):
            send_parts(
                self._put,
                self._files.definition,
                self._parts,
                journal.acknowledged if journal else (),
                files.concurrency or USUAL_CONCURRENCY,
                acknowledge,
                self._progress,
                self._limits,
            )
            if journal:
                journal.remove()

    @contextlib.contextmanager
    def _closing(self, journal: Journal | None) -> t.Iterator[None]:
        """Close the journal at the end, and warn of what is wrong with it."""
        try:
            yield
        finally:
            if journal:
                journal.close()
                for warning in journal.warnings:
                    self._work.warn(warning)

    def _put(self, part: int, content: bytes) -> None:
        """Send one part. Several threads call this.

        Nothing can be undone after the last part, so the model is looked at again before.
        """
        if part == self._parts.last:
            self._still_there()
        what = f"put part {part} of the definition of model '{self._model_id}'"
        request = Request("PUT", f"{self._path}/definition/{part}", {})
        try:
            self._client.write(what, request, content=self._parts.body(content))
        except ApiError as error:
            if is_already_there(error):
                self._refuse_foreign(part not in self._tried)
            raise
        finally:
            self._tried.add(part)

    def _refuse_foreign(self, is_first_try: bool) -> None:
        """Refuse what is there before this task has sent it, if it may be of the file that the task replaces."""
        if self._replaces_upload and is_first_try:
            reason = f"Another task still sends parts to model '{self._model_id}', whose upload this task replaces"
            raise Refusal("conflict", reason, hint="Run the task again when the other one has ended.")

    def _progress(self, sent: Sent) -> None:
        self.sent = sent
        self._show(f"{sent.parts} of {self._parts.total} parts sent ({human_size(sent.bytes)})")


def is_other_file(error: Failure) -> bool:
    """Return whether parts may have been sent of a file that is not the one which the model is for."""
    return isinstance(error, Refusal) and error.code in ("wrong_checksum", "conflict")


def is_too_large(error: Failure) -> bool:
    """Return whether the way to Elasticsearch does not let a part of this size through."""
    return isinstance(error, ApiError) and error.status == 413

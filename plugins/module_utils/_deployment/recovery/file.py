# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recovery file, which keeps the start settings if the process dies between a stop and a start."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from ..._core.errors import Refusal
from ..._core.run.kept_file import NotRegular, content_of, remove_leftovers, replace, sync, why_unwritable
from ..._core.server import Server
from ..._core.warning import WarningText
from ..records.recovery_record import RecoveryRecord

MAX_BYTES = 1 << 20
"""The size of the largest file that is read; this collection never writes a larger one."""
_KIND = "recovery"


class RecoveryFile:
    """A file with the recovery record of one deployment, on the machine where this code runs.

    Other runs may write it, too: only what this run has read or written is ever replaced or removed.
    """

    def __init__(self, path: str, deployment_id: str, server: Server) -> None:
        """Remember the path; read and write nothing yet."""
        self.given_path = path
        self._path = Path(os.path.realpath(path))  # a link is followed, so that it is never replaced itself
        self._deployment_id = deployment_id
        self._server = server
        self._known_content: bytes | None = None
        self.record: RecoveryRecord | None = None
        """The record that this run has read or written."""
        self.written = False
        """This run wrote the file."""

    def __str__(self) -> str:
        return f"recovery file '{self.given_path}'"

    @property
    def place(self) -> str:
        """Return where the file is, for the details of the result: no warning names a path."""
        return f"The recovery file of deployment '{self._deployment_id}' is '{self.given_path}'."

    def read(self) -> RecoveryRecord | None:
        """Return the record that an earlier run left, if there is one.

        :raises Refusal: the file cannot be read, or belongs to another deployment or cluster. It stays as it is.
        """
        text = self._content()
        if text is not None:
            self.record = self._parse(text)
            self._known_content = text
        return self.record

    def _content(self) -> bytes | None:
        """Return the bytes of the file, or ``None`` without one.

        :raises Refusal: the file cannot be read.
        """
        try:
            return content_of(self._path, MAX_BYTES)
        except NotRegular:
            text = f"The {self} is not a regular file"
            raise Refusal("recovery_file_unreadable", text, hint="Choose another path.") from None
        except OSError as exc:
            raise Refusal(
                "recovery_file_unreadable",
                f"The {self} cannot be read: {exc.strerror}",
                hint="It may hold the settings of a deployment that an earlier run stopped and did not start again. "
                "Make it readable, or choose another path.",
            ) from exc

    def _parse(self, text: bytes) -> RecoveryRecord:
        """Return the record in *text*.

        :raises Refusal: it is no valid record, or that of another deployment or cluster.
        """
        try:
            record = RecoveryRecord.from_json(json.loads(text))
        except (ValueError, RecursionError) as exc:
            raise Refusal(
                "recovery_file_unreadable",
                f"The {self} cannot be understood: {exc}",
                hint="This collection did not write it, or it was changed later. Choose another path, or move the file "
                "away: then the task sets only the options that it names.",
            ) from exc
        self._refuse_mismatch(record)
        return record

    def _refuse_mismatch(self, record: RecoveryRecord) -> None:
        if not record.is_for(self._deployment_id):
            raise Refusal(
                "recovery_file_mismatch",
                f"The {self} holds the settings of deployment '{record.deployment_id}', not '{self._deployment_id}'",
                hint="Use a separate file for each deployment.",
            )
        if not record.is_on(self._server):
            raise Refusal(
                "recovery_file_mismatch",
                f"The {self} holds the settings of deployment '{record.deployment_id}' on another cluster "
                f"({_named(record.cluster_name, record.cluster_uuid)}), not on this one "
                f"({_named(self._server.cluster_name, self._server.cluster_uuid)})",
                hint="Use a separate file for each cluster.",
            )

    def refuse_unwritable(self) -> None:
        """Refuse a path at which no file can be created, before any write and in check mode.

        :raises Refusal: the folder does not exist, or is not writable.
        """
        if why := why_unwritable(self._path.parent):
            raise self._unwritable(why)

    def _unwritable(self, why: str) -> Refusal:
        return Refusal(
            "recovery_file_unwritable",
            f"The {self} cannot be written: {why}",
            hint="Create a writable folder on the machine where the task runs, or choose another path.",
        )

    def write(self, record: RecoveryRecord) -> None:
        """Write *record* to the disk, unless the file has it already.

        The file is complete or absent: write and sync a temporary file, move it to the path, and sync the folder.

        :raises Refusal: the file cannot be written, or another run has written it since this one read it.
        """
        text = json.dumps(record.as_json(), indent=2, sort_keys=True).encode() + b"\n"
        content = self._content_unless_foreign()
        if not self.written or content != text:
            try:
                replace(self._path, text, _KIND)
                self._known_content, self.written = text, True
                sync(self._path.parent)
            except OSError as exc:
                raise self._unwritable(exc.strerror or str(exc)) from exc
        self.record = record

    def _content_unless_foreign(self) -> bytes | None:
        """Return the bytes of the file.

        :raises Refusal: another run has written it since this one read it.
        """
        content = self._content()
        if content is None or content == self._known_content:
            return content
        self._parse(content)
        raise Refusal(
            "recovery_file_in_use",
            f"The {self} was written by another run meanwhile",
            hint="When that run has ended, run the task again: it reads the file first.",
        )

    @property
    def is_unchanged(self) -> bool:
        """Return whether the file is there as this run has read or written it."""
        with contextlib.suppress(Refusal):
            return self._known_content is not None and self._content() == self._known_content
        return False

    def remove(self) -> WarningText | None:
        """Remove the file, because its record is no longer needed; return a warning if that fails."""
        if not self.is_unchanged:
            return None
        try:
            self._path.unlink(missing_ok=True)
        except OSError as exc:
            return WarningText(
                f"The recovery file of deployment '{self._deployment_id}' is no longer needed and could not be "
                f"removed: {exc.strerror}. Remove it by hand."
            )
        remove_leftovers(self._path, _KIND)
        return None


def _named(cluster_name: str, cluster_uuid: str) -> str:
    """Return what is known of a cluster; names repeat, so that its name alone may not tell it from another one."""
    return ", ".join(filter(None, [cluster_name, cluster_uuid and f"uuid {cluster_uuid}"]))

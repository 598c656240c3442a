# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a model: they are read once for a task, the definition only as far as a plan needs it."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from .._core.errors import Refusal
from .._core.options.connection import Connection
from .._core.server import Server
from .._core.warning import WarningText
from .contents import as_json, checksum_of, config_of, counts_of, parsed, vocabulary_of
from .records import Desired, Files, Json, Upload
from .upload.journal import JournalKey, acknowledged, refuse_of_another, refuse_unusable, remove_left
from .upload.limits import Limits
from .upload.parts import Parts
from .upload.source import Source, is_url, open_source, read_whole

_BLOCK = 1 << 20
_ARCHIVE, _END = b"PK\x03\x04", b"PK\x05\x06"
"""How a ZIP archive begins, and how the last of its records does."""


class ModelFiles:
    """The files of one task. ``vocabulary``: what is sent of it."""

    def __init__(
        self,
        files: Files,
        desired: Desired,
        connection: Connection,
        limits: Limits,
        server: Server,
        *,
        trusts_checksum: bool = True,
    ) -> None:
        """Read the small files, and open the definition.

        *trusts_checksum*: parts may be sent before the definition was compared with the checksum that the task gives.

        :raises Refusal: one of them cannot be read, or Elasticsearch would refuse it.
        """
        self.files = files
        self.config = config_of(desired.model_id, _config(files, connection, limits), server)
        self.vocabulary: Json | None = None
        if files.vocabulary:
            content = parsed("vocabulary", read_whole(files.vocabulary, connection, limits, option="vocabulary"))
            self.vocabulary = vocabulary_of(content, self.config, server)
        if files.journal:
            refuse_unusable(files.journal)
        self.definition: Source = open_source(
            files.definition, connection, limits, files.checksum if trusts_checksum else None
        )

    def close(self) -> None:
        self.definition.close()

    def upload(self, part_size: int | None = None) -> Upload:
        """Return what a plan needs to know of the files. *part_size*: that of an upload which was begun."""
        parts, revision = self.parts(part_size), self.definition.unproven_revision
        return Upload(
            self.config,
            parts.size,
            parts.part_size,
            parts.total,
            None if self.vocabulary is None else counts_of(self.vocabulary),
            None if self.vocabulary is None else checksum_of(self.vocabulary),
            definition_revision=hashlib.sha256(revision.encode()).hexdigest()[:16] if revision else None,
        )

    def parts(self, part_size: int | None = None) -> Parts:
        return Parts.of(self.definition.size, part_size or self.files.part_size)

    def of_new_upload(self, upload: Upload, cluster_uuid: str, model_id: str) -> Upload:
        """Return *upload* in the parts that the task asks for, not in those of an upload which was begun.

        :raises Refusal: the journal is of another model.
        """
        if self.files.journal:
            refuse_of_another(self.files.journal, cluster_uuid, model_id)
        parts = self.parts()
        return dataclasses.replace(upload, part_size=parts.part_size, total_parts=parts.total)

    def checked(self, upload: Upload) -> Upload:
        """Return *upload* with the checksum of the definition, which is read for it.

        :raises Refusal: it cannot be read, or has another checksum than the task says.
        """
        found, given = self.definition.checksum(), self.files.checksum
        if given and found != given:
            reason = f"definition {self.definition.place} has the checksum {found}, not {given}"
            raise Refusal("wrong_checksum", reason, hint="Correct checksum, or the file.")
        if not is_url(self.files.definition):
            self._refuse_truncated()
        return dataclasses.replace(upload, definition_checksum=found.removeprefix("sha256:"))

    def _refuse_truncated(self) -> None:
        """Refuse a TorchScript archive without an end: Elasticsearch takes it, and no node can load it."""
        last = (self.definition.size - 1) // _BLOCK
        numbers = {0, max(0, last - 1), last}  # that record may begin in the block before the last one
        contents = [content for _number, content in self.definition.parts(_BLOCK, numbers)]
        if contents[0].startswith(_ARCHIVE) and _END not in b"".join(contents[-2:]):
            reason = f"definition {self.definition.place} is a TorchScript archive whose end is missing"
            raise Refusal("invalid_definition", reason, hint="Check that it was written completely.")

    def with_journal(self, upload: Upload, key: JournalKey) -> Upload:
        """Return *upload* with the parts that the journal has, if the task names one."""
        if not self.files.journal:
            return upload
        return dataclasses.replace(upload, acknowledged=acknowledged(self.files.journal, key))

    def remove_journal(self, key: JournalKey) -> tuple[WarningText, ...]:
        """Remove the journal of an upload that is complete, if the task names one. Return what is wrong."""
        return remove_left(self.files.journal, key) if self.files.journal else ()


def _config(files: Files, connection: Connection, limits: Limits) -> Json:
    """Return the configuration: given in the task, or read."""
    given: t.Any = files.config
    if isinstance(given, dict):
        return as_json("config", given)
    if given.lstrip().startswith("{"):  # JSON itself, as a lookup returns it
        return parsed("config", given.encode())
    return parsed("config", read_whole(given, connection, limits, option="config"))

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal of an upload: a file with the parts that Elasticsearch has acknowledged, which survives a killed process.

Elasticsearch lists no parts (around-deployments.md 2.3). Without a journal, an upload that broke sends all of them
again; what a journal has lost is sent again, too. So a journal saves time, and nothing depends on it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import typing as t
from pathlib import Path

from ..._core.errors import Refusal
from ..._core.options.paths import require_path
from ..._core.run.kept_file import content_of
from ..._core.warning import WarningText

_FORMAT = "mlops.elasticsearch upload journal 1"
_START = json.dumps({"format": _FORMAT})[:-1].encode()
"""How each journal begins, so that no other file is taken for one."""
_ACKNOWLEDGED = re.compile(rb"(\d{1,9})\.")
"""A line; one that was not written to its end has no full stop."""
_SYNC_EVERY = 32
"""Parts: what a crash of the machine may lose, as that of the process loses none."""
_LARGEST = 1 << 20
_CLOSED = -1
_SAME_UPLOAD = ("create_time", "checksum", "part_size")


class JournalKey(t.NamedTuple):
    """The upload that a journal is of. Part numbers mean something only together with all of it."""

    cluster_uuid: str
    model_id: str
    create_time: int
    checksum: str
    part_size: int

    @property
    def header(self) -> bytes:
        return json.dumps({"format": _FORMAT, **self._asdict()}).encode()


class Journal:
    """An open journal. ``acknowledged``: the parts in it. ``warnings``: what is wrong with it, if anything."""

    def __init__(self, path: str, key: JournalKey, found: _Found, handle: int) -> None:
        self.path = path
        self.acknowledged = found.acknowledged
        self.warnings: tuple[WarningText, ...] = ()
        self._broken = False
        self._key = key
        self._handle = handle
        self._unsynced = 0
        if settings := " and ".join(found.differs_in):
            self._warn(
                WarningText(
                    f"The upload journal of model '{key.model_id}' is not used, because it is of another upload, with "
                    f"another {settings}. All parts are sent."
                )
            )

    def _warn(self, warning: WarningText) -> None:
        self.warnings += (warning,)

    @classmethod
    def open(cls, path: str, key: JournalKey) -> Journal:
        """Return the journal at *path* for the upload *key*; begin it again if it is of an earlier upload of the model.

        :raises Refusal: it cannot be read and written, or is that of another model or cluster, or none.
        """
        require_path("upload_journal", path)
        path = os.path.realpath(path)  # so that a link is not removed instead of the file
        found = _read(path, key)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o600)
        except OSError as exc:
            raise _unwritable(path, exc.strerror) from exc
        journal = cls(path, key, found, handle)
        try:
            journal._begin(found.usable)
        except OSError as exc:
            journal.close()
            raise _unwritable(path, exc.strerror) from exc
        return journal

    def _begin(self, usable: bytes) -> None:
        """Write the first line, unless *usable* has it; end a line that a killed process has left unfinished."""
        if not usable:
            os.ftruncate(self._handle, 0)
            self._write(self._key.header + b"\n")
        elif not usable.endswith(b"\n"):
            self._write(b"\n")
        os.fsync(self._handle)

    def note(self, part: int) -> None:
        """Write down that *part* is acknowledged. If that fails, the upload goes on without."""
        if self._broken:
            return
        try:
            self._write(b"%d.\n" % part)
            self._unsynced += 1
            if self._unsynced >= _SYNC_EVERY:
                self._unsynced = 0
                os.fsync(self._handle)
        except OSError as exc:
            self._broken = True
            self._warn(
                WarningText(
                    f"The upload journal of model '{self._key.model_id}' cannot be written any more: {exc.strerror}. "
                    "If the upload breaks, the next task sends the parts since then again."
                )
            )

    def _write(self, line: bytes) -> None:
        """Write *line* at once: a reader, and the next line, see all of it or know that it is torn."""
        if os.write(self._handle, line) != len(line):
            raise OSError(0, "no space is left")

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the disk may be full
            os.close(self._handle)
        self._handle = _CLOSED

    def remove(self) -> None:
        """Close and remove the file, because the upload is complete."""
        self.close()
        self.warnings += _removed(self.path, self._key)


def remove_left(path: str, key: JournalKey) -> tuple[WarningText, ...]:
    """Remove the journal at *path* if it is of the upload *key*, which is complete. Return what is wrong, if anything.

    A task that was killed after the last part has left it.
    """
    content = _content(path) or b""
    return _removed(os.path.realpath(path), key) if content.startswith(key.header + b"\n") else ()


def _removed(path: str, key: JournalKey) -> tuple[WarningText, ...]:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return ()
    except OSError as exc:
        text = (
            f"The upload journal of model '{key.model_id}' is no longer needed and could not be removed: "
            f"{exc.strerror}. Remove it by hand."
        )
        return (WarningText(text),)
    return ()


def acknowledged(path: str, key: JournalKey) -> frozenset[int]:
    """Return the parts that the journal at *path* has for the upload *key*, and write nothing.

    :raises Refusal: as ``Journal.open``.
    """
    return _read(path, key).acknowledged


def refuse_unusable(path: str) -> None:
    """Refuse a path at which no journal can be written, before there is an upload. Write nothing.

    :raises Refusal: it is no journal, or cannot be written.
    """
    content = _content(path)
    if content:
        _header(path, content)
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise _unwritable(path, "its folder does not exist")
    if not os.access(folder, os.W_OK | os.X_OK) or (content is not None and not os.access(path, os.W_OK)):
        raise _unwritable(path, "its folder is not writable" if content is None else "Permission denied")


def refuse_of_another(path: str, cluster_uuid: str, model_id: str) -> None:
    """Refuse the journal of an upload to another model or cluster, before there is this one.

    :raises Refusal: it is one, or as ``refuse_unusable``.
    """
    content = _content(path)
    header = _header(path, content) if content else None
    if header is not None:
        _refuse_other_model(path, header, cluster_uuid, model_id)


class _Found(t.NamedTuple):
    """A journal as it was found. ``usable``: its bytes, none if it has to be begun again.

    ``differs_in``: what shows that it is of an earlier upload of the model, if it is.
    """

    usable: bytes = b""
    acknowledged: frozenset[int] = frozenset()
    differs_in: tuple[str, ...] = ()


def _read(path: str, key: JournalKey) -> _Found:
    content = _content(path)
    header = _header(path, content) if content else None
    if not content or header is None:
        return _Found()
    _refuse_other_model(path, header, key.cluster_uuid, key.model_id)
    other = tuple(name.replace("_", " ") for name in _SAME_UPLOAD if header.get(name) != getattr(key, name))
    if other:
        return _Found(differs_in=other)
    lines = (_ACKNOWLEDGED.fullmatch(line) for line in content.split(b"\n")[1:])
    return _Found(content, frozenset(int(match[1]) for match in lines if match))


def _refuse_other_model(path: str, header: dict[str, t.Any], cluster_uuid: str, model_id: str) -> None:
    if (header.get("cluster_uuid"), header.get("model_id")) != (cluster_uuid, model_id):
        where = " on another cluster" if header.get("cluster_uuid") != cluster_uuid else ""
        reason = f"The upload journal '{path}' is of model '{header.get('model_id')}'{where}"
        raise Refusal("upload_journal_mismatch", reason, hint="Use a separate journal for each model and cluster.")


def _header(path: str, content: bytes) -> dict[str, t.Any] | None:
    """Return the first line; ``None`` if the process was killed while it wrote that.

    :raises Refusal: the file is no journal.
    """
    line, newline, _rest = content.partition(b"\n")
    if not newline and (line.startswith(_START) or _START.startswith(line)):
        return None
    try:
        found = json.loads(line) if line.startswith(_START) else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        reason = f"The file '{path}' is not a journal of an upload"
        raise Refusal("upload_journal_mismatch", reason, hint="Choose another path for upload_journal.")
    return found


def _content(path: str) -> bytes | None:
    """Return the bytes of the file, or ``None`` without one.

    :raises Refusal: it cannot be read.
    """
    require_path("upload_journal", path)
    try:
        return content_of(Path(path), _LARGEST)
    except OSError as exc:
        raise _unreadable(path, exc.strerror) from exc


def _unreadable(path: str, why: str | None) -> Refusal:
    reason = f"The upload journal '{path}' cannot be read: {why}"
    return Refusal("upload_journal_unusable", reason, hint="Make it readable, or choose another path.")


def _unwritable(path: str, why: str | None) -> Refusal:
    hint = "Name a file in a writable folder on the machine where the task runs."
    return Refusal("upload_journal_unusable", f"The upload journal '{path}' cannot be written: {why}", hint=hint)

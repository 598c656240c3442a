# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A definition in a file on the machine where this code runs."""

from __future__ import annotations

import os
import stat
import typing as t

from ..._core.errors import Refusal
from ..._core.options.paths import require_path
from .fingerprint import BLOCK, Fingerprint, file_changed

_CLOSED = -1


class LocalFile:
    """A file that is opened once: a file that replaces it meanwhile is another one, and does not matter."""

    unproven_revision = ""

    def __init__(self, option: str, path: str) -> None:
        """Open the file.

        :raises Refusal: it is not there, cannot be read, or is no regular file.
        """
        require_path(option, path)
        self.place = path
        self._option = option
        try:
            # Without a wait, should it be a pipe.
            self._handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as exc:
            raise self._unreadable(exc) from exc
        self._opened = os.fstat(self._handle)
        self.size = self._opened.st_size
        self._read: Fingerprint | None = None
        if not stat.S_ISREG(self._opened.st_mode):
            self.close()
            raise Refusal("unreadable_file", f"{option} {path} is not a regular file")

    def close(self) -> None:
        if self._handle != _CLOSED:
            os.close(self._handle)
        self._handle = _CLOSED

    def checksum(self) -> str:
        """Return the checksum of the file, which is read once."""
        return self._fingerprint().checksum

    def _fingerprint(self) -> Fingerprint:
        if self._read is None:
            found = Fingerprint()
            for start in range(0, self.size, BLOCK):
                found.add(self._content(start, min(BLOCK, self.size - start)))
            self.unchanged()
            self._read = found
        return self._read

    def parts(self, part_size: int, numbers: t.Iterable[int]) -> t.Iterator[tuple[int, bytes]]:
        """Yield number and content of the parts *numbers*, in order, each compared with what the checksum is of."""
        read = self._fingerprint()
        for number in sorted(numbers):
            start = number * part_size
            end = min(self.size, start + part_size)
            first = start - start % BLOCK
            content = self._content(first, min(self.size, end + -end % BLOCK) - first)
            if not read.fits(first, content):
                raise self._changed
            yield number, content[start - first : end - first]

    def unchanged(self) -> None:
        """Refuse a file that has changed since it was opened."""
        now = os.fstat(self._handle)
        if (now.st_size, now.st_mtime_ns) != (self._opened.st_size, self._opened.st_mtime_ns):
            raise self._changed

    def _content(self, start: int, length: int) -> bytes:
        """Return the bytes at a place; one read may return fewer than asked for."""
        found: list[bytes] = []
        while length:
            try:
                piece = os.pread(self._handle, length, start)
            except OSError as exc:
                raise self._unreadable(exc) from exc
            if not piece:
                raise self._changed
            found.append(piece)
            start, length = start + len(piece), length - len(piece)
        return found[0] if len(found) == 1 else b"".join(found)

    def _unreadable(self, exc: OSError) -> Refusal:
        hint = "The file must be on the machine where the task runs."
        reason = f"{self._option} {self.place} cannot be read: {exc.strerror}"
        return Refusal("unreadable_file", reason, hint=hint)

    @property
    def _changed(self) -> Refusal:
        return file_changed(self._option, self.place)

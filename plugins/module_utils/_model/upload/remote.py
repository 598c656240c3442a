# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A definition behind a URL, which is streamed: no copy of it is kept."""

from __future__ import annotations

import collections
import typing as t

from ..._core.errors import Refusal
from ..._core.http.download import Download, DownloadError, download, refuse_bad_url, shown_address
from ..._core.options.connection import Connection
from .fingerprint import BLOCK, Fingerprint, file_changed
from .limits import Limits

T = t.TypeVar("T")
_SHORTEST = 1.0
"""Seconds that a server gets for an answer even if the time is nearly over."""


class RemoteFile:
    """A file on a web server. It is read while it is sent, and before that if its checksum is not given."""

    def __init__(
        self, option: str, url: str, connection: Connection, limits: Limits, checksum: str | None = None
    ) -> None:
        """Ask for the file.

        :raises Refusal: the server does not send it.
        """
        refuse_bad_url(option, url)
        self.place = shown_address(url)
        self._option = option
        self._url = url
        self._connection = connection
        self._limits = limits
        self._given = checksum
        self._download: Download | None = None
        self._position = 0
        self._revision = ""
        self._size: int | None = None
        self._read: Fingerprint | None = None
        self._furthest = -1
        self._tries = 0
        self._persist(lambda: self._ask(0), 0)
        if self._size is None or (checksum and not self._revision):
            self._fingerprint()

    @property
    def size(self) -> int:
        return self._size or 0

    @property
    def unproven_revision(self) -> str:
        return self._revision if self._given and not self._read else ""

    def close(self) -> None:
        if self._download:
            self._download.close()
        self._download = None

    def checksum(self) -> str:
        """Return the checksum that was given, or that of the file, which is read once."""
        return self._given or self._fingerprint().checksum

    def unchanged(self) -> None:
        """Refuse nothing: what was read was compared before it was handed out."""

    def _fingerprint(self) -> Fingerprint:
        if self._read is None:
            found, length = Fingerprint(), 0
            for block in self._blocks(0):
                found.add(block)
                length += len(block)
            self._size = length
            self._refuse_other(found, "Correct checksum, or the file.")
            self._read = found
        return self._read

    def parts(self, part_size: int, numbers: t.Iterable[int]) -> t.Iterator[tuple[int, bytes]]:
        """Yield number and content of the parts *numbers*, in order; the content is what the checksum is of.

        If the file was not read before, that is known at its end: then its last part is not handed out.
        """
        missing = collections.deque(sorted(numbers))
        if not missing:
            return
        if not self._given:
            self._fingerprint()
        at = missing[0] * part_size // BLOCK * BLOCK if self._read else 0
        held = bytearray()
        for block in self._checked(at):
            held += block
            while missing and at + len(held) >= (end := min(self.size, (missing[0] + 1) * part_size)):
                yield missing[0], bytes(held[missing.popleft() * part_size - at : end - at])
                del held[: end - at]
                at = end
            if not missing:
                return
            skipped = min(len(held), max(0, missing[0] * part_size - at))
            del held[:skipped]
            at += skipped

    def _checked(self, start: int) -> t.Iterator[bytes]:
        """Yield the blocks from *start* on, each compared with what was read before, or the last one with all.

        :raises Refusal: they are not those of the checksum.
        """
        read, found = self._read, Fingerprint()
        for block in self._blocks(start):
            if read and not read.fits(start, block):
                raise self._changed
            found.add(block)
            start += len(block)
            if not read and start == self.size:
                self._refuse_other(
                    found, "Parts of it were sent, and cannot be overwritten: the model has to be deleted."
                )
            yield block

    def _refuse_other(self, found: Fingerprint, hint: str) -> None:
        if self._given and found.checksum != self._given:
            reason = f"{self._option} {self.place} has the checksum {found.checksum}, not {self._given}"
            raise Refusal("wrong_checksum", reason, hint=hint)

    def _blocks(self, start: int) -> t.Iterator[bytes]:
        """Yield the blocks of the file from *start* on. A lost connection is made again."""
        block, position = bytearray(), start
        while self._size is None or position < self._size:
            piece = self._piece(position, BLOCK - len(block))
            if not piece:
                break
            block += piece
            position += len(piece)
            if len(block) == BLOCK:
                yield bytes(block)
                block.clear()
        if block:
            yield bytes(block)

    def _piece(self, position: int, most: int) -> bytes:
        """Return the next bytes at *position*; none at the end of a file whose size is not known."""
        return self._persist(lambda: self._next(position, most), position)

    def _persist(self, read: t.Callable[[], T], position: int) -> T:
        """Return what *read* returns at *position*, after pauses and further tries if it fails.

        :raises Refusal: another try would get no further.
        """
        while True:
            self._limits.refuse_late(f"{position} bytes of {self._option} {self.place} were read.")
            try:
                return read()
            except DownloadError as exc:
                self.close()
                self._tries = 1 if position > self._furthest else self._tries + 1
                self._furthest = max(self._furthest, position)
                if not exc.transient or not self._limits.allow(self._tries):
                    raise Refusal("url_unreadable", f"{self._option} {self.place} cannot be read: {exc}") from exc

    def _next(self, position: int, most: int) -> bytes:
        """Return the next bytes at *position*; what a server sends before them is skipped.

        :raises DownloadError: they do not come.
        """
        found = self._download
        if found is None or self._position > position:
            found = self._ask(position)
        while self._position < position:
            self._read_on(found, min(BLOCK, position - self._position))
        return self._read_on(found, most)

    def _read_on(self, found: Download, most: int) -> bytes:
        piece = found.read(most)
        if not piece and self._size is not None:
            raise DownloadError(f"it ends after {self._position} of {self._size} bytes", True)
        self._position += len(piece)
        return piece

    def _ask(self, position: int) -> Download:
        """Ask for the file, from *position* on if the server can."""
        self.close()
        timeout = max(_SHORTEST, min(self._connection.request_timeout, self._limits.time_left()))
        start = position if self._revision else 0
        found = self._download = download(self._connection, self._url, timeout, start, self._revision)
        another_size = None not in (self._size, found.size) and self._size != found.size
        if another_size or self._revision not in ("", found.revision):
            raise self._changed
        if found.start not in (0, start):
            raise DownloadError("the server sends another part of it than the one that is needed")
        self._position, self._revision = found.start, found.revision
        self._size = found.size if self._size is None else self._size
        return found

    @property
    def _changed(self) -> Refusal:
        return file_changed(self._option, self.place)

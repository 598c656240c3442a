# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checksum of a definition, and of its blocks: what is sent later is compared with what the checksum is of."""

from __future__ import annotations

import array
import hashlib
import zlib

from ..._core.errors import Refusal

BLOCK = 1 << 18


class Fingerprint:
    """SHA-256 of a whole file, and a short checksum of each block of :data:`BLOCK` bytes.

    A part of a model cannot be overwritten, so a file that changes between two reads has to be noticed before a part of
    it is sent, not afterwards.
    """

    def __init__(self) -> None:
        self._whole = hashlib.sha256()
        self._blocks = array.array("L")

    def add(self, block: bytes) -> None:
        """Add the next block; only the last one may be shorter than :data:`BLOCK`."""
        self._whole.update(block)
        self._blocks.append(zlib.crc32(block))

    @property
    def checksum(self) -> str:
        return f"sha256:{self._whole.hexdigest()}"

    def fits(self, start: int, content: bytes) -> bool:
        """Return whether *content* is what was added: whole blocks from *start* on, a multiple of :data:`BLOCK`."""
        view, first = memoryview(content), start // BLOCK
        found = [zlib.crc32(view[at : at + BLOCK]) for at in range(0, len(content), BLOCK)]
        return found == self._blocks[first : first + len(found)].tolist()


def file_changed(option: str, place: str) -> Refusal:
    """Return that the file at *place* is no longer the one that was read before."""
    return Refusal(
        "file_changed",
        f"{option} {place} was changed while it was read",
        hint="Run the task again when nothing writes the file any more.",
    )

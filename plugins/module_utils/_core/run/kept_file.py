# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small files that a task keeps on the machine where it runs, complete or as before whatever ends its process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path


class NotRegular(OSError):
    """There is something else than a regular file."""

    def __init__(self) -> None:
        super().__init__(0, "it is not a regular file")


def content_of(path: Path, most: int) -> bytes | None:
    """Return the first *most* bytes of a file, ``None`` without one.

    :raises OSError: it cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise NotRegular
        # Without a wait, should a pipe have taken its place.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return file.read(most)
    except FileNotFoundError:
        return None


def why_unwritable(folder: Path) -> str | None:
    """Return why no file can be written in *folder*, ``None`` if one can."""
    if not folder.is_dir():
        return "its folder does not exist"
    return None if os.access(folder, os.W_OK | os.X_OK) else "its folder is not writable"


def replace(path: Path, content: bytes, kind: str) -> None:
    """Write *content* to the disk: a temporary file, then its move to *path*. Its owner alone can read it.

    The move may be lost with the machine until the folder is synced. *kind*: what the names of temporary files begin
    with.

    :raises OSError: it cannot be written.
    """
    remove_leftovers(path, kind)
    handle, temporary = tempfile.mkstemp(".new", _prefix(path, kind), path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.replace(temporary, path)
    except OSError:
        remove_leftovers(path, kind)
        raise


def remove_leftovers(path: Path, kind: str) -> None:
    """Remove temporary files of processes that were killed while they wrote."""
    for leftover in path.parent.glob(f"{_prefix(path, kind)}*.new"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def _prefix(path: Path, kind: str) -> str:
    """Return how the names of temporary files begin; a hash, so that a long file name does not get longer."""
    return f".{kind}-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}-"


def sync(folder: Path) -> None:
    """Write to the disk which files *folder* has."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

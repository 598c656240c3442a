# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file with the versions of secrets that were sent last, by cluster and resource. It has no secret."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import typing as t
from pathlib import Path

from ..errors import Refusal, Unsatisfied
from .kept_file import content_of, replace, why_unwritable

MAX_BYTES = 1 << 22
"""The size of the largest file that is read."""
Versions = dict[str, dict[str, str]]
_HINT = "Give secrets_state_file the path of a file that only this collection writes."


class VersionFile:
    """The file at one path, on the machine where this code runs. Other runs may write it at the same time."""

    def __init__(self, path: str) -> None:
        """Remember the path; read and write nothing yet."""
        self._given = path
        self._path = Path(os.path.realpath(path))  # a link is followed, so that it is never replaced itself

    def read(self, cluster: str, name: str) -> str | None:
        """Return the version that was sent last, ``None`` if the file knows none.

        :raises Refusal: the file cannot be read, or is none of ours.
        """
        return self._versions().get(cluster, {}).get(name)

    def refuse_unwritable(self) -> None:
        """Refuse a path at which no file can be written, before any write and in check mode.

        :raises Refusal: its folder does not exist, or is not writable.
        """
        if why := why_unwritable(self._path.parent):
            raise self._refused("written", why)

    def keep(self, cluster: str, name: str, version: str | None) -> None:
        """Keep the *version* that was sent; ``None`` forgets it. What the file has of others stays.

        :raises Unsatisfied: the file cannot be written.
        """
        try:
            with self._locked():
                known = self._versions()
                if known.get(cluster, {}).get(name) != version:
                    text = json.dumps(_with_version(known, cluster, name, version), indent=2, sort_keys=True)
                    replace(self._path, text.encode() + b"\n", "versions")
        except (OSError, Refusal) as exc:
            why = exc.strerror if isinstance(exc, OSError) else exc
            raise Unsatisfied(
                "secrets_state_file",
                f"The version of the secrets was not kept in secrets_state_file: {why}. The next task sends the "
                "secrets again.",
            ) from exc

    def _versions(self) -> Versions:
        try:
            found = json.loads(content_of(self._path, MAX_BYTES) or b"{}")
        except OSError as exc:
            raise self._refused("read", str(exc.strerror)) from exc
        except (ValueError, RecursionError):
            raise self._refused("read", "it is no JSON") from None
        if not _has_versions(found):
            raise self._refused("read", "it has other content than versions of secrets")
        return t.cast("Versions", found)

    def _refused(self, what: str, why: str) -> Refusal:
        text = f"secrets_state_file '{self._given}' cannot be {what}: {why}"
        return Refusal("secrets_state_file", text, hint=_HINT)

    @contextlib.contextmanager
    def _locked(self) -> t.Iterator[None]:
        """Keep other runs on this machine from writing at the same time. The lock is on the folder: no file is left."""
        handle = os.open(self._path.parent, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
            os.fsync(handle)
        finally:
            os.close(handle)


def _has_versions(found: t.Any) -> bool:
    inner = found.values() if isinstance(found, dict) else [None]
    return all(isinstance(each, dict) and all(isinstance(version, str) for version in each.values()) for each in inner)


def _with_version(known: Versions, cluster: str, name: str, version: str | None) -> Versions:
    """Return the *known* versions with a new one, or without it; a cluster without any has no entry."""
    own = {**known.get(cluster, {}), **({} if version is None else {name: version})}
    if version is None:
        own.pop(name, None)
    found = {**known, cluster: own}
    return {uuid: versions for uuid, versions in found.items() if versions}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file that outlives the process between a stop and a start."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from .._plan.plan import Plan
from .._records.errors import Refusal
from .._records.recovery import Recovery
from .._records.server import Server
from .wait import Unsatisfied

MODE = 0o600
"""It is nobody else's business what runs."""
LARGEST = 1 << 20
"""Bytes; what is larger was never written here."""


class RecoveryFile:
    """The start request of one deployment, kept on the machine where this code runs."""

    def __init__(self, path: str, deployment_id: str, server: Server) -> None:
        self._path = Path(path)
        self._deployment_id = deployment_id
        self._server = server
        self.written = False
        """Whether this run wrote it."""

    def __str__(self) -> str:
        return f"recovery file '{self._path}'"

    def read(self) -> Recovery | None:
        """What an earlier run has left, if there is anything.

        :raises Refusal: what is there cannot be read, or belongs to something else. It stays as it is.
        """
        try:
            with self._path.open("rb") as file:
                found = Recovery.from_json(json.loads(file.read(LARGEST)))
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise Refusal(
                f"The {self} cannot be read: {exc.strerror}",
                hint="It may hold the settings of a deployment that a run has stopped and not started again. "
                "Make it readable, or choose another path.",
            ) from exc
        except (ValueError, RecursionError) as exc:
            raise Refusal(
                f"The {self} cannot be understood: {exc}",
                hint="It was not written by this collection, or was changed since. Choose another path, or move it "
                "away: then only the settings that the task names are promised.",
            ) from exc
        self._refuse_anothers(found)
        return found

    def _refuse_anothers(self, found: Recovery) -> None:
        if not found.is_of(self._deployment_id):
            raise Refusal(
                f"The {self} holds the settings of deployment '{found.deployment_id}', not '{self._deployment_id}'",
                hint="Give each deployment a file of its own.",
            )
        if not found.is_on(self._server):
            raise Refusal(
                f"The {self} holds the settings of deployment '{found.deployment_id}' on another cluster "
                f"({found.cluster_name or found.cluster_uuid}), not on this one "
                f"({self._server.cluster_name or self._server.cluster_uuid})",
                hint="Give each cluster a file of its own.",
            )

    def refuse_unwritable(self) -> None:
        """Refuse where a file cannot be made; asked before any write, and in check mode.

        :raises Refusal: the folder is not there, or not writable.
        """
        folder = self._path.parent
        if not folder.is_dir():
            raise self._unwritable("its folder does not exist")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise self._unwritable("its folder is not writable")

    def _unwritable(self, why: str) -> Refusal:
        return Refusal(
            f"The {self} cannot be written: {why}",
            hint="Nothing was stopped. Make the folder on the machine where the task runs, or choose another path.",
        )

    def keep(self, plan: Plan) -> None:
        """Write down the start of *plan*, so that it is on the disk before anything is stopped.

        The file is complete or not there at all: it is made beside, synced, moved to its place, and the folder synced.

        :raises Unsatisfied: it cannot be written; nothing was stopped.
        """
        if plan.start is None or not plan.keeps_start:
            return
        start_time = plan.before.start_time if plan.before else None
        kept = Recovery(
            self._deployment_id, self._server.cluster_uuid, self._server.cluster_name, start_time, plan.start.settings
        )
        beside = self._path.with_name(f".{self._path.name}.new")
        try:
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()  # left by a process that was killed right here
            _write(beside, json.dumps(kept.as_json(), indent=2, sort_keys=True) + "\n")
            beside.replace(self._path)
            self.written = True
            _sync(self._path.parent)
        except OSError as exc:
            raise Unsatisfied(str(self._unwritable(exc.strerror or str(exc)))) from exc

    @property
    def kept(self) -> str | None:
        """What to say if it is there, and nothing runs."""
        if not self._path.exists():
            return None
        return f"The settings of deployment '{self._deployment_id}' are in the {self}. Run the task again to start it."

    def remove(self) -> str | None:
        """Remove it, because what it holds runs. A warning if that cannot be done."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as exc:
            return f"The {self} is not needed any more, and cannot be removed: {exc.strerror}. Remove it by hand."
        return None


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

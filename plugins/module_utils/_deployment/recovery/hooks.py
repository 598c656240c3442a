# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The moments of a run at which its recovery file counts: the first read, right before a stop, and the end."""

from __future__ import annotations

import contextlib
import typing as t

from ..._core.errors import ApiError, Refusal, Unsatisfied
from ..._core.server import Server
from ..._ml.deployment import Deployment
from ..plan.plan import Plan
from ..plan.readiness import is_running
from ..plan.run_state import RunState
from ..records.desired import Desired
from ..records.recovery_record import RecoveryRecord
from . import rules
from .file import RecoveryFile


class Recovery:
    """The recovery file of one deployment. If the task names none, nothing happens at any of the moments."""

    def __init__(self, desired: Desired, server: Server) -> None:
        path = desired.recovery_file
        self._file = RecoveryFile(path, desired.deployment_id, server) if path else None
        self._server = server
        self._stops = desired.state == "stopped"

    def at_first_read(self) -> RecoveryRecord | None:
        """Return the record that an earlier run left. A stop needs none, and later removes even an unusable file.

        :raises Refusal: the file cannot be used.
        """
        if self._file is None:
            return None
        try:
            return self._file.read()
        except Refusal:
            if not self._stops:
                raise
        return None

    def refuse_unwritable(self, plan: Plan) -> None:
        """Refuse *plan* if the file that it needs before its stop cannot be written.

        :raises Refusal: it cannot.
        """
        if self._file and not self._stops and plan.needs_recovery_record:
            self._file.refuse_unwritable()

    def before_stop(self, plan: Plan) -> RecoveryRecord | None:
        """Keep the settings that *plan* starts again after its stop, and return them.

        :raises Unsatisfied: they cannot be kept; nothing was stopped.
        """
        record = rules.record_for(plan, self._server) if self._file and not self._stops else None
        if self._file is None or record is None:
            return None
        try:
            self._file.write(record)
        except Refusal as refusal:
            raise Unsatisfied(refusal.code, f"{refusal} This deployment was not stopped.") from refusal
        return record

    def at_end(self, state: RunState, read: t.Callable[[], Deployment | None]) -> RunState:
        """Remove the file if it is no longer needed; else return *state* with the warning that it is there.

        *read*: reads the deployment once more.
        """
        end = rules.end_of_record(state)
        if self._file is None or end == "keep":
            return state
        if end == "superseded":
            state = state.warned(*rules.superseded_warning(state))
        if end in ("remove", "superseded") or (end == "look" and _runs(read)):
            warning = self._file.remove()
        else:
            warning = rules.left_warning(state) if self._file.is_unchanged else None
        return state.warned(warning, detail=self._file.place) if warning else state

    def read_path_left(self) -> str | None:
        """Return the path of the file, if it is there as this run has read or written it."""
        return self._file.given_path if self._file and self._file.is_unchanged else None


def _runs(read: t.Callable[[], Deployment | None]) -> bool:
    with contextlib.suppress(ApiError):
        return is_running(read())
    return False

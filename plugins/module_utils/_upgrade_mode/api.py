# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The read of the upgrade mode, its request, and the step that sends it until the server shows it."""

from __future__ import annotations

import typing as t

from .._core.errors import ApiError, NotReached
from .._core.http.client import Client, Request
from .._core.plan import Step
from .._core.run.cluster import ClusterConnection
from .._core.run.long_work import Work
from .._core.run.schemas import INFO
from .._core.server import Server
from .._core.write_outcome import may_have_been_applied
from .._ml.predictions import predicted_upgrade_mode
from .plan import is_busy
from .records import Desired, UpgradeMode

_ACTION = "cluster:admin/xpack/ml/upgrade_mode"
PLURAL = "the upgrade mode"


class UpgradeModeCluster(ClusterConnection):
    """A connection to one cluster: its upgrade mode."""

    ALLOWING: t.ClassVar = {f"{verb} {PLURAL}": ("manage_ml", _ACTION) for verb in ("enable", "disable")}

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._predicted: bool | None = None

    def follow(self, params: t.Mapping[str, t.Any]) -> None:
        """Let reads show the mode that earlier tasks of a dry run would have set."""
        self._predicted = predicted_upgrade_mode(params, self.server)

    def read(self, _desired: Desired) -> UpgradeMode:
        """Return the upgrade mode.

        :raises ApiError: it could not be read.
        """
        if self._predicted is not None:
            return UpgradeMode(self._predicted)
        query = {"filter_path": "upgrade_mode"}
        answer = self._client.read("read the upgrade mode", "/_ml/info", query, schema=INFO)
        return UpgradeMode(bool(answer.get("upgrade_mode")))


def to_request(step: Step, _server: Server) -> Request:
    """Return the request of *step*."""
    return Request("POST", "/_ml/set_upgrade_mode", {"enabled": "true" if step.settings["enabled"] else "false"})


def send_until_shown(cluster: UpgradeModeCluster, desired: Desired, step: Step, work: Work) -> None:
    """Send *step*, and wait until a read shows it. The same value again changes nothing, so it may be sent again.

    :raises ApiError: Elasticsearch refuses it.
    :raises NotReached: it does not show in time.
    """
    show, accepted = work.progress(), False
    pauses = work.budget.pauses()
    while True:
        why = "Elasticsearch has accepted it, but it does not show yet"
        if not accepted:
            accepted, why = _send(cluster, step, work)
        if _shows(cluster, desired):
            return
        if not work.time_left():
            text = f"The upgrade mode is not {_word(desired)} after {desired.wait_timeout:g} seconds: {why}."
            raise NotReached("not_ready_in_time", text)
        show(why)
        work.clock.sleep(next(pauses))
        work.budget.polls += 1


def _send(cluster: UpgradeModeCluster, step: Step, work: Work) -> tuple[bool, str]:
    """Send *step* once. Return whether Elasticsearch has accepted it, and what is missing otherwise.

    :raises ApiError: Elasticsearch refuses it.
    """
    request = to_request(step, cluster.server)
    try:
        cluster.write(f"{step.kind} {PLURAL}", request, f"{step.kind} {PLURAL}")
    except ApiError as error:
        if is_busy(error):
            return False, "Elasticsearch still works on an earlier change of it"
        if not may_have_been_applied(error):
            raise
        work.note_once(request)
        return False, str(error).rstrip(".")
    work.note_once(request)
    return True, "it does not show yet"


def _shows(cluster: UpgradeModeCluster, desired: Desired) -> bool:
    try:
        return cluster.read(desired).enabled == desired.enabled
    except ApiError as error:
        if not may_have_been_applied(error):
            raise
        return False


def _word(desired: Desired) -> str:
    return "on" if desired.enabled else "off"

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan: the steps to send, and the deployment afterwards."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..records.recovery_record import RecoveryRecord
from ..records.step import Step

Operation = t.Literal["none", "start", "update", "stop", "restart", "replace", "recover", "rollback"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """A decision, made of values only.

    ``after`` is a prediction. ``consumer_warnings``: warnings about the consumers that its stop breaks.
    ``waits_for_stop``: the deployment is being stopped already, and must be gone before the first step (or, without
    steps, before the task is done). ``skipped_because``: why nothing is done although something differs.
    ``resumed_from``: the record of an earlier run that stopped the deployment and left it to this plan to start.
    """

    before: Deployment | None
    after: Deployment | None
    operation: Operation = "none"
    steps: tuple[Step, ...] = ()
    warnings: tuple[WarningText, ...] = ()
    consumer_warnings: tuple[WarningText, ...] = ()
    skipped_because: str | None = None
    waits_for_stop: bool = False
    resumed_from: RecoveryRecord | None = None

    @property
    def changed(self) -> bool:
        return bool(self.steps)

    @property
    def needs_recovery_record(self) -> bool:
        """Return whether a killed process would lose settings: a start follows, and repeats what is being stopped."""
        return self.start is not None and self.stops_or_waits_for_stop and self.operation != "start"

    @property
    def stops(self) -> bool:
        """Return whether it sends a stop."""
        return any(step.kind == "stop" for step in self.steps)

    @property
    def stops_or_waits_for_stop(self) -> bool:
        """Return whether a stop has to be complete before it is done: its own, or one that is under way."""
        return self.waits_for_stop or self.stops

    @property
    def endpoint_type(self) -> str | None:
        """Return the task type of the inference endpoint that gets the updates, if one does."""
        return next((step.endpoint_type for step in self.steps if step.endpoint_type), None)

    @property
    def baseline(self) -> Deployment | None:
        """Return the deployment that ``after`` is compared with, by a guard of the list and for an owner.

        It is that of the recovery record if there is one, else ``before``.
        """
        return self.resumed_from.deployment if self.resumed_from else self.before

    @property
    def start(self) -> Step | None:
        """Return the start among the steps, if there is one."""
        return next((step for step in self.steps if step.kind == "start"), None)

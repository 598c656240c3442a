# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan: what will be done, and what will be there afterwards."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._ml.deployment import Deployment
from ..records.recovery_record import Recovery
from ..records.step import Action

Operation = t.Literal["none", "start", "update", "stop", "restart", "replace", "recover", "rollback"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """A decision, made of values only.

    ``after`` is a prediction. ``of_stop``: warnings about whom its stop hits. ``awaits_gone``: the deployment is being
    stopped already, and must be gone before the first action (or, without actions, before the task is done).
    ``skipped_because``: why nothing is done although something differs. ``resumes``: what an earlier run has stopped,
    and left to this plan's start.
    """

    before: Deployment | None
    after: Deployment | None
    operation: Operation = "none"
    actions: tuple[Action, ...] = ()
    warnings: tuple[str, ...] = ()
    of_stop: tuple[str, ...] = ()
    skipped_because: str | None = None
    awaits_gone: bool = False
    resumes: Recovery | None = None

    @property
    def changed(self) -> bool:
        return bool(self.actions)

    @property
    def keeps_start(self) -> bool:
        """Whether settings would be lost with the process: a start follows, and repeats what is on its way out."""
        return self.start is not None and self.ends_something and self.operation != "start"

    @property
    def stops(self) -> bool:
        """Whether it sends a stop."""
        return any(action.kind == "stop" for action in self.actions)

    @property
    def ends_something(self) -> bool:
        """Whether a stop has to be complete before it is done: its own, or one that is under way."""
        return self.awaits_gone or self.stops

    @property
    def endpoint_type(self) -> str | None:
        """The task type of the inference endpoint by whose way updates go, if there is one."""
        return next((action.endpoint_type for action in self.actions if action.endpoint_type), None)

    @property
    def origin(self) -> Deployment | None:
        """Where the way of the count begins: a plan that resumes goes on with what was to be started."""
        return self.resumes.deployment if self.resumes else self.before

    @property
    def start(self) -> Action | None:
        """The start among the actions, if there is one."""
        return next((action for action in self.actions if action.kind == "start"), None)

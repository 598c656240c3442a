# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The desired state of one deployment: the options of a task as one value."""

from __future__ import annotations

import dataclasses
import math
import typing as t

from ..._ml.adaptive import AdaptivePatch
from ..._ml.settings import StartSettings
from .guard import NO_LIMITS, Guard

Preflight = t.Literal["fail", "warn", "off"]


@dataclasses.dataclass(frozen=True)
class Desired(StartSettings):
    """The desired state of one deployment. ``None``: not given, leave it as it is, except where a default is named.

    ``model_id`` is what the task gave (perhaps an alias); ``deployment_id_given`` is false if the deployment id is
    only taken from it. ``always_adaptive``: the server (Serverless) scales every deployment itself. ``can_update``: the
    server can change a running deployment. ``listed``: the task names it; ``stop_unlisted`` stops one that it does not.
    """

    deployment_id: str
    deployment_id_given: bool = True
    model_id: str | None = None
    state: t.Literal["started", "stopped", "restarted"] = "started"
    number_of_allocations: int | None = None
    adaptive_allocations: AdaptivePatch | None = None
    initial_number_of_allocations: int | None = None
    replace: t.Literal["never", "stop_start"] = "never"
    on_missing: t.Literal["start", "fail", "skip"] = "start"
    on_adaptive: t.Literal["fail", "skip", "override"] = "fail"
    on_failed: t.Literal["fail", "recover"] = "fail"
    on_referenced: t.Literal["fail", "force"] = "fail"
    on_endpoint_owned: t.Literal["fail", "update_endpoint", "update_deployment"] = "fail"
    allow_zero: bool = False
    finish_pending_work: bool | None = None
    recovery_file: str | None = None
    guard: Guard = NO_LIMITS
    preflight: Preflight = "fail"
    always_adaptive: bool = False
    can_update: bool = True
    listed: bool = True

    @property
    def asks_fixed_number(self) -> bool:
        """Return whether the task sets a number and says nothing about adaptive allocations, which may set it too."""
        return self.number_of_allocations is not None and self.adaptive_allocations is None

    @property
    def accepts_zero(self) -> bool:
        """Return whether 0 allocations are fine: the task says so, or lets the deployment scale to zero."""
        patch = self.adaptive_allocations
        return self.allow_zero or (
            patch is not None and patch.enabled is not False and patch.min_number_of_allocations == 0
        )


@dataclasses.dataclass(frozen=True)
class WaitPolicy:
    """The time to wait, and the state to wait for. Times in seconds.

    ``docs``: those for the inference of a wait for an answer, none for what the model can take.
    """

    wait: bool = True
    wait_for: t.Literal["started", "fully_allocated", "steady", "answering"] = "fully_allocated"
    timeout: float = 300
    sleep: float = 2
    on_unsatisfied: t.Literal["fail", "keep", "rollback"] = "fail"
    docs: tuple[dict[str, t.Any], ...] = ()


def longest_time(policies: t.Iterable[WaitPolicy]) -> float:
    """Return the longest time that the waits of *policies* may take; without a wait it has no end."""
    return max((policy.timeout for policy in policies if policy.wait), default=math.inf)

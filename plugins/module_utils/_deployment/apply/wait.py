# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What waiting needs: a budget of time, and the sentences for a wait that ends badly."""

from __future__ import annotations

import typing as t

from ..._core.errors import ApiError, Refusal
from ..._core.run.clock import Clock
from ..._ml.deployment import Deployment
from ..plan.readiness import Verdict
from ..records.desired import Waiting


class Judge(t.Protocol):
    """Says of what was seen whether a wait is over."""

    def __call__(self, seen: Deployment | None, /) -> Verdict: ...


class Unsatisfied(Exception):
    """The wanted state was not reached; the message says what is missing."""


class NotReached(Unsatisfied):
    """Time ran out, or what was waited for cannot come about any more."""


Failure = (Refusal, ApiError, Unsatisfied)
"""How what is done for one deployment ends, if it does not end well."""


def hopeless(deployment_id: str, what: str, verdict: Verdict) -> str:
    """The sentence for a wait that cannot end well."""
    return f"Deployment '{deployment_id}' will not become {what}: {verdict.why}."


def kept(told: str) -> str:
    """The warning instead of the failure *told*."""
    return f"{told} The task goes on, because on_unsatisfied is keep."


class Watch:
    """The waiting budget of one deployment. All its waits share it; it begins with :meth:`start`."""

    def __init__(self, waiting: Waiting, clock: Clock) -> None:
        self.timeout = waiting.timeout
        self.every = waiting.sleep
        self.polls = 0
        self._clock = clock
        self._allowed = waiting.timeout
        self._began: float | None = None
        self._held = 0.0

    def start(self) -> None:
        if self._began is None:
            self._began = self._clock.monotonic()

    def hold(self, seconds: float) -> None:
        """Time that passed because others came first does not count, if it has begun at all."""
        if self._began is not None:
            self._held += seconds

    def renew(self) -> None:
        """Give the whole budget once more, to what is done after the first was used. Seconds and polls count on."""
        self._allowed = self._passed - self._held + self.timeout

    @property
    def _passed(self) -> float:
        return 0.0 if self._began is None else self._clock.monotonic() - self._began

    @property
    def seconds(self) -> float:
        return round(self._passed, 3)

    @property
    def left(self) -> float:
        """Seconds until the time is up, to the millisecond: what rounding leaves over is no time to sleep and look."""
        return max(0.0, round(self._allowed + self._held - self._passed, 3))

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting: look, judge, sleep, until it is over or the time is up."""

from __future__ import annotations

import typing as t

from .._plan.readiness import Verdict
from .._records.deployment import Deployment
from .._records.errors import ApiError
from .._records.wanted import Waiting
from .clock import Clock

Judge = t.Callable[["Deployment | None"], Verdict]
_PASSING = ("connection", "timeout", "unavailable", "answer")


class Unsatisfied(Exception):
    """The wanted state was not reached; the message says what is missing."""


def hopeless(deployment_id: str, what: str, verdict: Verdict) -> str:
    """The sentence for a wait that cannot end well."""
    return f"Deployment '{deployment_id}' will not become {what}: {verdict.why}."


class Watch:
    """The waiting budget of one task. All waits of the task share it."""

    def __init__(self, waiting: Waiting, clock: Clock) -> None:
        self._clock = clock
        self._every = waiting.sleep
        self._began = clock.monotonic()
        self._deadline = self._began + waiting.timeout
        self.timeout = waiting.timeout
        self.polls = 0

    @property
    def seconds(self) -> float:
        return round(self._clock.monotonic() - self._began, 3)

    def pause(self) -> bool:
        """Sleep once; false, without sleeping, if the time is up."""
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            return False
        self._clock.sleep(min(self._every, left))
        return True

    def until(self, look: t.Callable[[], Deployment | None], judge: Judge) -> tuple[Deployment | None, Verdict]:
        """Look until the verdict is not pending, or the time is up. The last snapshot comes back in any case.

        A look that fails in passing is repeated within the budget.

        :raises ApiError: if a look fails for good, or the last one of the budget failed.
        """
        while True:
            self.polls += 1
            try:
                seen = look()
            except ApiError as exc:
                if exc.kind not in _PASSING or not self.pause():
                    raise
                continue
            verdict = judge(seen)
            if verdict.outcome != "pending" or not self.pause():
                return seen, verdict

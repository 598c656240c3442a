# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time a task has for waiting."""

from __future__ import annotations

import itertools
import typing as t

from .clock import Clock

FIRST_PAUSES = (0.2, 0.5, 1.0)
"""Seconds before the first polls of a wait: most changes are done soon. Never longer than the pauses after them."""
SHORTEST_PLANNING = 5.0
"""Seconds for the reads before the first write, also if the task may take less. Each of them gets as much."""


class TaskTime:
    """The time of a task, which begins when this is made."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._began = clock.monotonic()

    @property
    def passed(self) -> float:
        return self.clock.monotonic() - self._began

    def left_to_plan(self, timeout: float) -> float:
        """Return the seconds that are left for reads before the first write, if the task may take *timeout*."""
        return max(0.0, max(SHORTEST_PLANNING, timeout) - self.passed)


class WaitBudget:
    """The waiting budget of one deployment. All its waits share it; it begins with :meth:`start`."""

    def __init__(self, timeout: float, every: float, clock: Clock, spent: float = 0.0) -> None:
        """Set up a budget of *timeout* seconds in all. *every*: seconds between two polls.

        *spent*: seconds of it that passed before.
        """
        self.timeout = timeout
        self.every = every
        self.polls = 0
        self._clock = clock
        self._allowed = max(0.0, timeout - spent)
        self._began: float | None = None
        self._excluded = 0.0

    def start(self) -> None:
        if self._began is None:
            self._began = self._clock.monotonic()

    def exclude(self, seconds: float) -> None:
        """Exclude *seconds* that passed because other deployments came first, if the budget has begun at all."""
        if self._began is not None:
            self._excluded += seconds

    def extend(self) -> None:
        """Give the whole budget once more, for work after the first was used. Seconds and polls count on."""
        self._allowed = self._passed - self._excluded + self.timeout

    @property
    def _passed(self) -> float:
        return 0.0 if self._began is None else self._clock.monotonic() - self._began

    @property
    def seconds(self) -> float:
        return round(self._passed, 3)

    @property
    def is_mostly_waited(self) -> bool:
        """Return whether waits took most of the time, and not what came before them."""
        return self._passed - self._excluded >= self.timeout / 2

    def pauses(self) -> t.Iterator[float]:
        """Return the seconds to sleep before each poll: short ones first, none longer than the time left by then."""
        pauses = itertools.chain(FIRST_PAUSES, itertools.repeat(self.every))
        return (min(pause, self.every, self.left) for pause in pauses)

    @property
    def left(self) -> float:
        """Return the seconds until the time is up, in whole milliseconds: less is no time to sleep and poll."""
        return max(0.0, round(self._allowed + self._excluded - self._passed, 3))

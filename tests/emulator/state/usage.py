# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the inferences of one deployment on one node, as long as its native process lives.

Source: server-behaviour.md 2.3. How minutes are cut follows the public result processor of Elasticsearch: they
begin with the process, and only a whole minute that is over is "the last minute".
"""

from __future__ import annotations

import dataclasses
from typing import Final

from .work import Task, Work

MINUTE: Final = 60_000


@dataclasses.dataclass
class Minute:
    """The counts of one minute."""

    count: int = 0
    total_ms: float = 0.0
    hits: int = 0

    @property
    def average_ms(self) -> float | None:
        """Return the time of an inference; ``None`` if there was none."""
        return self.total_ms / self.count if self.count else None


@dataclasses.dataclass
class Usage:
    """Counts since the process started; times in epoch milliseconds. An average is ``None`` until there is one."""

    start_time: int = 0
    inferences: int = 0
    average_ms: float | None = None
    average_without_hits_ms: float | None = None
    average_last_minute_ms: float | None = None
    cache_hits: int = 0
    cache_hits_last_minute: int = 0
    last_access: int | None = None
    errors: int = 0
    rejected: int = 0
    timeouts: int = 0
    peak_throughput: int = 0
    throughput_last_minute: int = 0
    pending: int = 0
    process_memory: int | None = None
    work: Work = dataclasses.field(default_factory=Work)
    ended: str = "inference canceled as process is stopping"
    """The answer to waiting requests when the process is gone."""
    _minute: Minute | None = None
    _before: Minute | None = None
    _minute_end: int = 0

    def count(self, inferences: int, time_ms: float, now: int, *, hits: int = 0) -> None:
        """Add inferences of ``time_ms`` each, ``hits`` of which came from the cache."""
        if inferences <= 0:
            return
        misses = self.inferences - self.cache_hits
        total = self.inferences * (self.average_ms or 0.0) + inferences * time_ms
        total_misses = misses * (self.average_without_hits_ms or 0.0) + (inferences - hits) * time_ms
        self.inferences += inferences
        self.cache_hits += hits
        self.average_ms = total / self.inferences
        if self.inferences > self.cache_hits:
            self.average_without_hits_ms = total_misses / (self.inferences - self.cache_hits)
        self.last_access = now
        minute = self._roll(now)
        minute.count += inferences
        minute.total_ms += inferences * time_ms
        minute.hits += hits

    def _roll(self, now: int) -> Minute:
        """Return the minute of ``now``; the one before is kept if it is the last one."""
        if self._minute is None:
            self._minute, self._minute_end = Minute(), self._end_of_minute(now)
        elif now > self._minute_end:
            self.peak_throughput = max(self.peak_throughput, self._minute.count)
            self._before = None if now > self._minute_end + MINUTE else self._minute
            self._minute, self._minute_end = Minute(), self._end_of_minute(now)
        return self._minute

    def _end_of_minute(self, now: int) -> int:
        return self.start_time + max(1, -(-(now - self.start_time) // MINUTE)) * MINUTE

    def settle(self, now: int) -> Usage:
        """Take over what has ended by ``now`` (nanoseconds, as the clock says) and let the last minute age."""
        if self.work.used:
            for task in self.work.settle(now):
                self._finish(task)
            self.pending = self.work.pending
        if self._minute is not None:
            self._age(now // 1_000_000)
        return self

    def _age(self, now: int) -> None:
        began = self.start_time + (now - self.start_time) // MINUTE * MINUTE
        last: Minute | None = None
        if self.last_access is not None and self.last_access >= began:
            last = self._before
        elif self.last_access is not None and self.last_access >= began - MINUTE and self._minute is not None:
            last = self._minute
            self.peak_throughput = max(self.peak_throughput, last.count)
        last = last or Minute()
        self.throughput_last_minute = last.count
        self.average_last_minute_ms = last.average_ms
        self.cache_hits_last_minute = last.hits

    def _finish(self, task: Task) -> None:
        if task.outcome == "timeout":
            self.timeouts += 1
        elif task.outcome == "error":
            self.errors += 1
        else:
            self.count(1, task.time_ms, task.end // 1_000_000, hits=int(task.outcome == "hit"))

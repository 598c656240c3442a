# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play the queue, the allocations and the cache of one native inference process.

When a request begins and ends is computed when it comes; nothing has to run meanwhile. Times are epoch nanoseconds.
Each allocation works on one request at a time; a request that finds none free queues, up to the queue's capacity
(public worker service of Elasticsearch). A request whose time runs out while it queues is never worked on.
"""

from __future__ import annotations

import collections
import dataclasses
import heapq
from typing import Final

_ENTRY_OVERHEAD: Final = 64
"""Bytes that a cached result is charged besides its text; made up, the real number depends on the model."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A request for one text."""

    text: str
    time_ms: float
    timeout: int
    fails: bool = False


@dataclasses.dataclass(frozen=True)
class Task:
    """The outcome of a job: ``done``, ``hit``, ``error`` or ``timeout`` at ``end``."""

    begin: int
    end: int
    outcome: str
    time_ms: float
    text: str


class Work:
    """One process."""

    def __init__(self) -> None:
        self._free_at: list[int] = []
        self._tasks: list[Task] = []
        self._cache: collections.OrderedDict[str, int] = collections.OrderedDict()
        self._cached_bytes = 0
        self._cache_limit = 0
        self.used = False
        """True once a request has come."""

    @property
    def pending(self) -> int:
        """Return the number of requests without a result, queued ones included."""
        return len(self._tasks)

    def queued(self, now: int) -> int:
        """Return the number of requests that no allocation has begun."""
        return sum(task.begin > now for task in self._tasks)

    def submit(self, job: Job, now: int, allocations: int, capacity: int, cache_limit: int) -> Task | None:
        """Return the outcome of a job that comes now; ``None`` if the queue is full."""
        self.used, self._cache_limit = True, cache_limit
        self._resize(allocations)
        if job.text in self._cache and not job.fails:
            self._cache.move_to_end(job.text)
            return self._keep(Task(now, now, "hit", 0.0, job.text))
        begin = max(now, self._free_at[0])
        if begin > now and self.queued(now) >= capacity:
            return None
        deadline = now + job.timeout
        if begin >= deadline:
            return self._keep(Task(begin, deadline, "timeout", 0.0, job.text))
        end = begin + int(job.time_ms * 1_000_000)
        heapq.heapreplace(self._free_at, end)
        if end > deadline:
            return self._keep(Task(begin, deadline, "timeout", 0.0, job.text))
        return self._keep(Task(begin, end, "error" if job.fails else "done", job.time_ms, job.text))

    def _resize(self, allocations: int) -> None:
        desired = max(1, allocations)
        if len(self._free_at) > desired:
            self._free_at = sorted(self._free_at)[-desired:]
        while len(self._free_at) < desired:
            self._free_at.append(0)
        heapq.heapify(self._free_at)

    def _keep(self, task: Task) -> Task:
        self._tasks.append(task)
        return task

    def settle(self, now: int) -> list[Task]:
        """Return tasks that have ended by ``now``, in the order of their ends; their results are cached."""
        ended = [task for task in self._tasks if task.end <= now]
        if ended:
            self._tasks = [task for task in self._tasks if task.end > now]
            ended.sort(key=lambda task: task.end)
            for task in ended:
                if task.outcome == "done":
                    self._remember(task.text)
        return ended

    def _remember(self, text: str) -> None:
        size = len(text.encode("utf-8", "replace")) + _ENTRY_OVERHEAD
        if size > self._cache_limit or text in self._cache:
            return
        self._cache[text] = size
        self._cached_bytes += size
        while self._cached_bytes > self._cache_limit:
            _text, dropped = self._cache.popitem(last=False)
            self._cached_bytes -= dropped

    def clear_cache(self) -> None:
        """Forget all results."""
        self._cache.clear()
        self._cached_bytes = 0

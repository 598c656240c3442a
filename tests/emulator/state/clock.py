# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the emulator's time: when nodes catch up, and how a request waits for them.

``auto`` ticks by itself; ``manual`` only on request; ``eager`` ticks whenever a request waits. In the in-process
bridge no other client can act while a request waits (``alone``): a wait that cannot end is over at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from . import catch_up, scaler
from .cluster import Cluster

MODES: Final = ("auto", "manual", "eager")
DEFAULT_INTERVAL: Final = 0.05


class WaitsForever(Exception):  # noqa: N818
    """A wait without an end; a real client would give up at some time."""


class Clock:
    """The clock of one cluster."""

    def __init__(self, cluster: Cluster, mode: str, interval: float = DEFAULT_INTERVAL, *, alone: bool = False) -> None:
        self.mode = mode
        self.interval = interval
        self.scaler_interval = cluster.config.scaler_interval
        self.alone = alone
        self.closed = False
        self._cluster = cluster
        self._waiting: set[asyncio.Future[None]] = set()
        cluster.listeners.append(self._wake)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def tick_if_auto(self) -> None:
        """Run one round, if the nodes catch up by themselves; the server calls it at each interval."""
        if self.mode == "auto":
            scaler.look_if_due(self._cluster, self.scaler_interval)
            catch_up.tick(self._cluster)

    def close(self) -> None:
        """End the cluster's waits; they get no answer any more."""
        self.closed = True
        self._wake()

    async def wait(self, done: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until ``done``; return false if the time ran out. Exceptions of ``done`` pass through."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while not done():
            if self.closed:
                raise WaitsForever
            if self.mode == "eager" and catch_up.tick(self._cluster):
                continue
            if self.alone or (self.mode == "eager" and timeout is not None):
                # Nothing will change any more, so the rest of the time passes at once.
                if timeout is None:
                    raise WaitsForever
                return False
            left = None if deadline is None else deadline - loop.time()
            if left is not None and left <= 0:
                return False
            await self._change(left)
        return True

    async def wait_until(self, moment: int, early: Callable[[], bool] = lambda: False) -> None:
        """Wait for a moment of the cluster's clock, or until ``early``.

        Where a wait makes time pass (eager), or nothing else could make it pass (in process), it passes at once.
        """
        while (left := moment - self._cluster.now()) > 0 and not early():
            if self.closed:
                raise WaitsForever
            if self.alone or self.mode == "eager":
                self._cluster.pass_time(left / 1e9)
                return
            await self._change(left / 1e9)

    async def pause(self, seconds: float) -> None:
        """Let real time go by, whatever happens to the cluster; raise ``WaitsForever`` if it is gone meanwhile."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0 and not self.closed:
            await self._change(left)
        if self.closed:
            raise WaitsForever

    async def closing(self) -> None:
        """Wait until the cluster is gone."""
        while not self.closed:
            await self._change(None)

    async def _change(self, timeout: float | None) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait([future], timeout=timeout)
        finally:
            self._waiting.discard(future)

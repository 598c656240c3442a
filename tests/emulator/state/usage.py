# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inference counters of one deployment on one node (server behaviour notes, section 2.3)."""

from __future__ import annotations

import dataclasses


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

    def count(self, inferences: int, time_ms: float, now: int) -> None:
        """Adds inferences of ``time_ms`` each. The double's last minute never ends."""
        if inferences <= 0:
            return
        before = self.inferences * (self.average_ms or 0.0)
        self.inferences += inferences
        self.average_ms = (before + inferences * time_ms) / self.inferences
        self.average_without_hits_ms = self.average_last_minute_ms = self.average_ms
        self.last_access = now
        self.throughput_last_minute += inferences
        self.peak_throughput = max(self.peak_throughput, self.throughput_last_minute)

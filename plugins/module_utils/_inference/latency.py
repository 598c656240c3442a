# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Latencies of inferences, as the client sees them. Pure."""

from __future__ import annotations

import statistics
import typing as t

PERCENTILES = (50, 90, 99)


def latency(milliseconds: t.Sequence[float]) -> dict[str, float] | None:
    """Return figures of *milliseconds*, ``None`` without any."""
    if not milliseconds:
        return None
    several = milliseconds if len(milliseconds) > 1 else [*milliseconds, *milliseconds]
    cuts = statistics.quantiles(several, n=100, method="inclusive")
    found = {
        "min": min(milliseconds),
        "mean": statistics.fmean(milliseconds),
        **{f"p{each}": cuts[each - 1] for each in PERCENTILES},
        "max": max(milliseconds),
    }
    return {name: round(value, 3) for name, value in found.items()}

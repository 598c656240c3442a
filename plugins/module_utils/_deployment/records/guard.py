# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits that a task sets on its own change of a number of allocations."""

from __future__ import annotations

import dataclasses
import typing as t

OnViolation = t.Literal["fail", "skip"]


@dataclasses.dataclass(frozen=True)
class Guard:
    """Limits of one change: ``expected`` before, ``low`` and ``high`` after. ``None`` is no limit."""

    expected: int | None = None
    low: int | None = None
    high: int | None = None
    max_step: int | None = None
    on_violation: OnViolation = "fail"


NO_LIMITS = Guard()

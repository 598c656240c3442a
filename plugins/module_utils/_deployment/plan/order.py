# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order the writes of several plans go out: room is freed before it is taken."""

from __future__ import annotations

import enum

from ..records.step import Action
from .plan import Plan


class Turn(enum.IntEnum):
    """When a write is due, the lowest first.

    A stop and a decrease free their room at once: the server plans with targets. Deployments of low priority only get
    what the others leave, so they start last.
    """

    STOP = 0
    DECREASE = 1
    SCALER = 2
    INCREASE = 3
    START = 4
    START_LOW = 5

    @property
    def frees(self) -> bool:
        return self <= Turn.DECREASE

    @property
    def takes(self) -> bool:
        return self >= Turn.INCREASE


def turn(plan: Plan, action: Action) -> Turn:
    """When *action* of *plan* is due."""
    if action.kind == "stop":
        return Turn.STOP
    if action.kind == "start":
        return Turn.START_LOW if action.settings.get("priority") == "low" else Turn.START
    count = action.settings.get("number_of_allocations")
    before = plan.before.number_of_allocations if plan.before else None
    if count is None or count == before:
        return Turn.SCALER
    return Turn.DECREASE if before is not None and count < before else Turn.INCREASE

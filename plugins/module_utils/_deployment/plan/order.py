# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order in which the writes of several plans are sent: capacity is freed before it is taken."""

from __future__ import annotations

import enum

from ..records.step import Step
from .plan import Plan


class SendOrder(enum.IntEnum):
    """The order of writes, the lowest first.

    A decrease frees its capacity when it is answered, because Elasticsearch plans with targets. A stop frees it when it
    is complete: until then Elasticsearch places what it stops like the others (planner.md 2). Deployments of low
    priority only get what the others leave, so they start last.
    """

    STOP = 0
    DECREASE = 1
    ADAPTIVE = 2
    INCREASE = 3
    START = 4
    START_LOW = 5

    @property
    def frees(self) -> bool:
        return self <= SendOrder.DECREASE

    @property
    def takes(self) -> bool:
        return self >= SendOrder.INCREASE


def send_order(plan: Plan, step: Step) -> SendOrder:
    """Return when *step* of *plan* is due."""
    if step.kind == "stop":
        return SendOrder.STOP
    if step.kind == "start":
        return SendOrder.START_LOW if step.settings.get("priority") == "low" else SendOrder.START
    number = step.settings.get("number_of_allocations")
    before = plan.before.number_of_allocations if plan.before else None
    if number is None or number == before:
        return SendOrder.ADAPTIVE
    return SendOrder.DECREASE if before is not None and number < before else SendOrder.INCREASE

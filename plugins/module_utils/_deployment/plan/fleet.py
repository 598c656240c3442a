# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules that hold for a whole list of deployments, and the order of its writes. Pure."""

from __future__ import annotations

import typing as t

from ..._core.errors import Refusal
from ..._core.warning import WarningText
from ..records.step import Step
from .order import send_order
from .plan import Plan

LIMIT = 100
"""The most deployments that a cluster takes (server-behaviour.md 3.1 row 5)."""


def refuse_long_list(to_run: int) -> None:
    """Refuse a list with more deployments *to_run* than any cluster takes."""
    if to_run > LIMIT:
        raise Refusal(
            "invalid_list", f"The list has {to_run} deployments to run, and Elasticsearch takes at most {LIMIT}"
        )


def too_many(existing: t.Collection[str], plans: t.Iterable[Plan]) -> WarningText | None:
    """Return what to say if the *plans* start more deployments than fit beside the *existing* ones that stay."""
    after = set(existing)
    for plan in plans:
        for step in plan.steps:
            (after.discard if step.kind == "stop" else after.add)(step.deployment_id)
    count, number, limit = len(existing), len(after), LIMIT
    if number <= max(limit, count):
        return None
    return WarningText(
        f"The cluster has {count} deployments and would have {number}: Elasticsearch takes at most {limit}."
    )


def in_send_order(plans: t.Sequence[Plan]) -> list[tuple[int, Step]]:
    """Return the steps of all *plans* as they are sent when none has to wait, each with the place of its plan."""
    steps = [(place, step) for place, plan in enumerate(plans) for step in plan.steps]
    return sorted(steps, key=lambda placed: send_order(plans[placed[0]], placed[1]))

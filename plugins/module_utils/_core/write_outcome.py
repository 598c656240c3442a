# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outcome of a write that ended with an error, judged by a plan from what is there now. Pure."""

from __future__ import annotations

import typing as t

from .errors import ApiError
from .plan import Plan

WriteOutcome = t.Literal["applied", "retry", "rejected", "conflict"]
"""``applied``: what the task asks for is there. ``retry``: the write took no effect, and may be sent again.

``rejected``: it took none, and never will. ``conflict``: another client has changed the resource.
"""
UNCERTAIN_KINDS = ("connection", "timeout", "unavailable", "answer", "product")
_ABOUT_STATE = (400, 404, 409)


def may_have_been_applied(error: ApiError) -> bool:
    """Return whether the write may have taken effect despite *error*. With 408 Elasticsearch gave up waiting for it."""
    return error.kind in UNCERTAIN_KINDS or error.status == 408


def is_uncertain(error: ApiError) -> bool:
    """Return whether *error* leaves open if the write took effect."""
    return may_have_been_applied(error) or (error.status or 0) >= 500


def is_shown_by_state(error: ApiError) -> bool:
    """Return whether a read shows what became of the write, or what is in its way."""
    return is_uncertain(error) or error.status in _ABOUT_STATE


def judge_write(planned: Plan[t.Any], error: ApiError | None, observed: Plan[t.Any]) -> WriteOutcome:
    """Judge the first write of the plan *planned*. *observed*: a plan from what is there now.

    *error*: that of the write, ``None`` if it was accepted; then it may not show yet.
    """
    if observed.steps in ((), planned.steps[1:]):
        return "applied"
    if (observed.before, observed.steps) != (planned.before, planned.steps):
        return "conflict"
    # Elasticsearch tried, failed, and said so: it would fail again.
    return "retry" if error is None or may_have_been_applied(error) else "rejected"


def counts_as_change(outcome: WriteOutcome, error: ApiError, may_be_ours: bool) -> bool:
    """Return whether the task has changed something by a write with this *outcome*, as far as that is known.

    400 and 404 say that it has not: what is there was made by another client, or by an earlier attempt that took effect
    late (*may_be_ours*). After an error without an answer, another client may have changed it since.
    """
    if outcome == "applied":
        return may_be_ours or error.status not in (400, 404)
    return outcome == "conflict" and (may_be_ours or is_uncertain(error))

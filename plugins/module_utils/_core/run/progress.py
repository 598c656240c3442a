# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Progress lines for a person who watches a wait: one now and then, and only if something has changed."""

from __future__ import annotations

import typing as t

from ..words import MOST
from .clock import Clock

EVERY = 5.0
"""Seconds between two lines, at least."""

ProgressCallback = t.Callable[[str], None]


def no_progress(line: str) -> None:
    """Show nothing: a module cannot show anything before its result."""


class ItemStatus(t.NamedTuple):
    """The status of one deployment. ``why``: what it still waits for, if it does."""

    deployment_id: str
    why: str
    over: bool
    failed: bool


class Progress:
    """A reporter that shows, at most every :data:`EVERY` seconds, what has changed since its last line."""

    def __init__(self, show_progress: ProgressCallback, clock: Clock) -> None:
        self._show_progress = show_progress
        self._clock = clock
        self._shown_at: float | None = None
        self._shown: dict[str, str] = {}
        self._count = ""

    def show(self, statuses: t.Sequence[ItemStatus]) -> None:
        """Show what has changed. *statuses*: of all deployments of the task, after a poll."""
        now, count = self._clock.monotonic(), _count(statuses)
        news = [status for status in statuses if status.why and status.why != self._shown.get(status.deployment_id)]
        if all(status.over for status in statuses) or not (news or count != self._count):
            return
        if self._shown_at is not None and now - self._shown_at < EVERY:
            return
        self._shown_at, self._count = now, count
        self._shown |= {status.deployment_id: status.why for status in statuses}
        self._show_progress(_line(count, news))


def _count(statuses: t.Sequence[ItemStatus]) -> str:
    if len(statuses) == 1:
        return ""
    failed = sum(status.failed for status in statuses)
    done = sum(status.over for status in statuses) - failed
    return f"{done} of {len(statuses)} done" + (f", {failed} failed" if failed else "")


def _line(count: str, news: t.Sequence[ItemStatus]) -> str:
    parts = [f"{status.deployment_id}: {status.why.rstrip('.')}" for status in news[:MOST]]
    if len(news) > MOST:
        parts.append(f"and {len(news) - MOST} more")
    return ". ".join([count, *parts] if count else parts)

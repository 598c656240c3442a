# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of a small resource that takes time: steps of many requests, and waits for Elasticsearch."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import ApiError, NotReached
from ..http.client import Request
from ..http.error_table import TRANSIENT
from ..plan import Step
from ..server import Server
from ..warning import WarningText
from .clock import Clock
from .cluster import ClusterConnection
from .progress import ItemStatus, Progress, ProgressCallback
from .wait import WaitBudget

K = t.TypeVar("K", bound=ClusterConnection)
D = t.TypeVar("D")


class WaitPolicy(t.NamedTuple):
    """``timeout``: seconds that the task may take from its start on. ``every``: seconds between two looks."""

    wait: bool
    timeout: float
    every: float


NO_WAIT = WaitPolicy(False, 0.0, 0.0)


class Readiness(t.NamedTuple):
    """The state of a wait. ``failed``: waiting longer cannot help. ``why``: what is missing.

    ``code``: that of the failure, if it has failed. ``hint``: what to do, also if the time is over.
    """

    state: t.Literal["ready", "progressing", "failed"]
    why: str = ""
    code: str = "not_ready"
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class Work:
    """The surroundings of a long step or a wait. ``note``: notes a request that changed something. ``warn``: warns."""

    name: str
    budget: WaitBudget
    clock: Clock
    show_progress: ProgressCallback
    note: t.Callable[[Request], None]
    warn: t.Callable[[WarningText], None]
    _noted: set[str] = dataclasses.field(default_factory=set)

    def note_once(self, request: Request) -> None:
        """Note a request that stands for many."""
        if request.path not in self._noted:
            self._noted.add(request.path)
            self.note(request)

    def time_left(self) -> float:
        """Return the seconds until the time of the task is up."""
        return self.budget.left

    def progress(self) -> t.Callable[[str], None]:
        """Return what shows lines for a person who watches: now and then, and only if something has changed."""
        progress = Progress(self.show_progress, self.clock)
        return lambda why: progress.show([ItemStatus(self.name, why, False, False)])


@dataclasses.dataclass(frozen=True)
class LongStep(t.Generic[K, D]):
    """A kind of step that is more than one request."""

    requests: t.Callable[[Step, Server], tuple[Request, ...]]
    """Return what the result shows of its requests, the same in check mode."""
    apply: t.Callable[[K, D, Step, Work], None]
    """Send them, and note those that the result shows."""


def wait_until_ready(
    subject: str,
    readiness: Readiness,
    observe: t.Callable[[], Readiness],
    cluster: ClusterConnection,
    work: Work,
) -> None:
    """Wait until *observe* says that *subject* is ready; *readiness*: what was seen last.

    :raises NotReached: it is not in time, or will never be.
    """
    show = work.progress()
    pauses = work.budget.pauses()
    while readiness.state != "ready":
        if readiness.state == "failed" or not work.time_left():
            raise _not_reached(subject, readiness, work.budget)
        show(readiness.why)
        work.clock.sleep(next(pauses))
        work.budget.polls += 1
        with cluster.within(work.time_left):
            readiness = _looked(observe, readiness, work)


def _looked(observe: t.Callable[[], Readiness], before: Readiness, work: Work) -> Readiness:
    """Return what *observe* says, or what it said *before* if a read failed that may succeed later."""
    try:
        return observe()
    except ApiError as error:
        if error.kind not in TRANSIENT or not work.time_left():
            raise
        return before


def _not_reached(subject: str, readiness: Readiness, budget: WaitBudget) -> NotReached:
    text = f"{subject[0].upper()}{subject[1:]} is not ready"
    if readiness.state == "failed":
        return NotReached(readiness.code, f"{text}: {readiness.why}. {readiness.hint}".rstrip())
    late = f"{text} after {budget.timeout:g} seconds: {readiness.why}."
    return NotReached("not_ready_in_time", f"{late} {readiness.hint}".rstrip())

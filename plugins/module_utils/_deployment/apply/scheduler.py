# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run many rollouts at once: order their writes, and poll once for all that wait."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..._core.errors import ApiError, Failure
from ..._core.run.clock import Clock
from ..._core.run.progress import ItemStatus, Progress, ProgressCallback, no_progress
from ..._core.run.wait import WaitBudget
from ..._ml.deployment import Deployment
from ..api.snapshot import Snapshot
from ..plan.order import SendOrder
from ..plan.readiness import Readiness

TRANSIENT = ("connection", "timeout", "unavailable", "answer")
"""Kinds of errors after which a read may succeed if it is repeated."""


class Judge(t.Protocol):
    """A function that says whether the observed deployment ends a wait."""

    def __call__(self, observed: Deployment | None, /) -> Readiness: ...


class Suspension:
    """The point at which a rollout hands control to :func:`run_all`. Its class says what the rollout waits for."""


@dataclasses.dataclass(frozen=True)
class ReadyToSend(Suspension):
    """The next write is due. It resumes in its order, with :class:`Unblocked` if other writes had to come first."""

    send_order: SendOrder


@dataclasses.dataclass(frozen=True)
class Pause(Suspension):
    """The rollout sleeps once and resumes with true; if its time is up, it resumes at once with false."""


@dataclasses.dataclass(frozen=True)
class WaitFor(Suspension):
    """The rollout resumes with an :class:`Observation` when *judge* says ready or failed, or the time is up.

    ``at_once``: poll before the first sleep. ``why``: what was missing so far. ``reserve``: the time is up with so many
    seconds of the budget left.
    """

    judge: Judge
    at_once: bool
    why: str = ""
    reserve: float = 0.0


class Observation(t.NamedTuple):
    """The last poll of a wait, and the readiness that it showed."""

    snapshot: Snapshot
    readiness: Readiness


class Unblocked(t.NamedTuple):
    """The end of a time in which other writes had to free capacity first. ``snapshot``: read after it, if needed."""

    snapshot: Snapshot | None


Coroutine = t.Generator[Suspension, t.Any, None]
"""A part of a rollout. It yields each suspension, and gets there the value with which the suspension resumes it."""


class Runnable(t.Protocol):
    """A rollout, as far as :func:`run_all` has to know it."""

    budget: WaitBudget
    error: Failure | None

    @property
    def deployment_id(self) -> str: ...

    @property
    def frees_later(self) -> bool:
        """Return whether a write of it has yet to free capacity."""

    def run(self) -> Coroutine: ...


class _Running:
    """A rollout under way. ``suspension``: what it waits for, ``None`` when it is over.

    Of its wait, ``polled``: there was a poll. ``why``: what is missing. ``observation``: the last poll that succeeded.
    """

    def __init__(self, runnable: Runnable) -> None:
        self.runnable = runnable
        self.budget = runnable.budget
        self.suspension: Suspension | None = None
        self.polled = False
        self.why = ""
        self.observation: Observation | None = None
        self.blocked_since: float | None = None
        self.unblocked: Unblocked | None = None
        self._coroutine = runnable.run()
        self.resume_with(None)

    def resume_with(self, value: t.Any) -> None:
        """Let the rollout go on to its next suspension; *value* is what it waited for."""
        self._advance(lambda: self._coroutine.send(value))

    def fail(self, error: ApiError) -> None:
        """Let the rollout go on with *error* in place of what it waited for."""
        self._advance(lambda: self._coroutine.throw(error))

    def _advance(self, proceed: t.Callable[[], Suspension]) -> None:
        self.polled, self.observation = False, None
        try:
            self.suspension = proceed()
        except StopIteration:
            self.suspension = None
        except Failure as exc:
            self.suspension, self.runnable.error = None, exc

    def block(self, now: float) -> None:
        """Let other writes go first; the time until :meth:`unblock` does not count for this rollout."""
        if self.blocked_since is None:
            self.blocked_since = now

    def unblock(self, now: float, unblocked: Unblocked) -> None:
        """End the time in which other writes went first."""
        if self.blocked_since is not None:
            self.budget.exclude(now - self.blocked_since)
            self.blocked_since, self.unblocked = None, unblocked

    def resume(self) -> None:
        """Let the rollout send the write that is due, with :class:`Unblocked` if it was blocked."""
        self.budget.start()
        unblocked, self.unblocked = self.unblocked, None
        self.resume_with(unblocked)

    def poll_succeeded(self, snapshot: Snapshot) -> None:
        """Judge the *snapshot*, and resume if that ends the wait or the time is up."""
        wait = t.cast("WaitFor", self.suspension)
        readiness = wait.judge(snapshot.from_stats(self.runnable.deployment_id))
        self.why = readiness.why
        self.observation = Observation(snapshot, readiness)
        if readiness.state != "progressing" or self.budget.left <= wait.reserve:
            self.resume_with(self.observation)
            self.why = self.suspension.why if isinstance(self.suspension, WaitFor) else ""

    def poll_failed(self, error: ApiError) -> None:
        """Wait on after a transient *error*; when the time is up, resume with the last poll that succeeded."""
        self.why = str(error)
        if error.kind in TRANSIENT and self.budget.left:
            return
        if error.kind in TRANSIENT and self.observation:
            message = f"{self.observation.readiness.why}, and the last poll failed: {self.why.rstrip('.')}"
            self.resume_with(self.observation._replace(readiness=Readiness("progressing", message)))
        else:
            self.fail(error)

    @property
    def send_order(self) -> SendOrder | None:
        """Return when the write is due; ``None`` if no write is."""
        return self.suspension.send_order if isinstance(self.suspension, ReadyToSend) else None


def run_all(
    runnables: t.Iterable[Runnable],
    read: t.Callable[[], Snapshot],
    clock: Clock,
    show_progress: ProgressCallback = no_progress,
) -> Snapshot | None:
    """Run all *runnables* to their end. Keep the failure of one in its ``error``; the others go on.

    *show_progress* gets a line now and then while rollouts wait.

    Return the last snapshot, unless something was written after it.
    """
    running = [_Running(runnable) for runnable in runnables]
    progress = Progress(show_progress, clock)
    latest: Snapshot | None = None
    while True:
        while _send_next(running, read, clock):
            latest = None
        waiting = [entry for entry in running if isinstance(entry.suspension, (Pause, WaitFor))]
        if not waiting:
            return latest
        _sleep(waiting, clock)
        polling = [entry for entry in waiting if isinstance(entry.suspension, WaitFor)]
        if polling:
            latest = _poll_all(polling, read)
            progress.show([_status(entry) for entry in running])


def _send_next(running: t.Sequence[_Running], read: t.Callable[[], Snapshot], clock: Clock) -> bool:
    """Resume the write that is first in order; return false without one. None takes capacity before all is freed."""
    due = [entry for entry in running if entry.send_order is not None]
    if any(entry.suspension is not None and entry.runnable.frees_later for entry in running):
        for entry in due:
            if t.cast("SendOrder", entry.send_order).takes:
                entry.block(clock.monotonic())
        due = [entry for entry in due if not t.cast("SendOrder", entry.send_order).takes]
    elif any(entry.blocked_since is not None for entry in due):
        _unblock(due, read, clock)
    if not due:
        return False
    min(due, key=lambda entry: t.cast("SendOrder", entry.send_order)).resume()
    return True


def _unblock(due: t.Sequence[_Running], read: t.Callable[[], Snapshot], clock: Clock) -> None:
    """Unblock the writes that waited for others. An increase is planned again then, from one snapshot for all."""
    snapshot = None
    if any(entry.send_order is SendOrder.INCREASE for entry in due if entry.blocked_since is not None):
        with contextlib.suppress(ApiError):
            snapshot = read()
    for entry in due:
        entry.unblock(clock.monotonic(), Unblocked(snapshot))


def _sleep(waiting: t.Sequence[_Running], clock: Clock) -> None:
    """Sleep once, and resume what paused; do not sleep if a wait has just begun and polls at once."""
    for entry in waiting:
        entry.budget.start()
        if isinstance(entry.suspension, Pause) and not entry.budget.left:
            entry.resume_with(False)
            return
    if any(
        isinstance(entry.suspension, WaitFor) and entry.suspension.at_once and not entry.polled for entry in waiting
    ):
        return
    clock.sleep(min(min(entry.budget.every, entry.budget.left) for entry in waiting))
    for entry in waiting:
        if isinstance(entry.suspension, Pause):
            entry.resume_with(True)


def _poll_all(polling: t.Sequence[_Running], read: t.Callable[[], Snapshot]) -> Snapshot | None:
    """Poll once for all that wait. A poll with a transient error is repeated while there is time."""
    for entry in polling:
        entry.polled = True
        entry.budget.polls += 1
    try:
        snapshot = read()
    except ApiError as exc:
        for entry in polling:
            entry.poll_failed(exc)
        return None
    for entry in polling:
        entry.poll_succeeded(snapshot)
    return snapshot


def _status(entry: _Running) -> ItemStatus:
    why = entry.why if isinstance(entry.suspension, WaitFor) else ""
    return ItemStatus(
        entry.runnable.deployment_id, why, over=entry.suspension is None, failed=entry.runnable.error is not None
    )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run many deployments at once: order their writes, and poll once for all that wait."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..._core.errors import ApiError
from ..._core.run.clock import Clock
from ..._core.run.progress import ItemStatus, Progress, ProgressCallback, no_progress
from ..._core.run.wait import FIRST_PAUSES, WaitBudget
from ..._ml.deployment import Deployment
from ..api.snapshot import Snapshot
from ..plan.order import SendOrder
from ..plan.readiness import Readiness

TRANSIENT = ("connection", "timeout", "unavailable", "answer")
"""Kinds of errors after which a read may succeed if it is repeated."""

_MOMENT = 0.001
"""Seconds by which a clock may miss the end of a sleep."""


class Judge(t.Protocol):
    """A function that says whether the observed deployment ends a wait."""

    def __call__(self, observed: Deployment | None, /) -> Readiness: ...


T = t.TypeVar("T")


class Suspension(t.Generic[T]):
    """A point at which a run hands control to :func:`run_all`: ``await`` it, and get what the run waited for."""

    def __await__(self) -> t.Generator[Suspension[T], T, T]:
        return (yield self)


@dataclasses.dataclass(frozen=True)
class ReadyToSend(Suspension["Unblocked | None"]):
    """The next write is due. It resumes in its order, with :class:`Unblocked` if other writes had to come first."""

    send_order: SendOrder


@dataclasses.dataclass(frozen=True)
class Pause(Suspension[bool]):
    """The run sleeps once and resumes with true; if its time is up, it resumes at once with false."""


@dataclasses.dataclass(frozen=True)
class WaitFor(Suspension["Observation"]):
    """The run resumes with an :class:`Observation` when *judge* says ready or failed, or the time is up.

    ``at_once``: poll before the first sleep. ``why``: what was missing so far.
    """

    judge: Judge
    at_once: bool
    why: str = ""


class Observation(t.NamedTuple):
    """The last successful poll of a wait, and the readiness that it showed. ``poll_error``: why a later one failed."""

    snapshot: Snapshot
    readiness: Readiness
    poll_error: str = ""


class Unblocked(t.NamedTuple):
    """The end of a time in which other writes had to free capacity first. ``snapshot``: read after it, if needed."""

    snapshot: Snapshot | None


class Runnable(t.Protocol):
    """The run of one deployment, as far as :func:`run_all` has to know it."""

    @property
    def deployment_id(self) -> str: ...

    @property
    def budget(self) -> WaitBudget: ...

    @property
    def failed(self) -> bool:
        """Return whether it is over, and has failed."""

    @property
    def frees_later(self) -> bool:
        """Return whether a write of it has yet to free capacity."""

    def limit_requests(self) -> contextlib.AbstractContextManager[None]:
        """Let no request take longer than the time that is left."""


R = t.TypeVar("R", bound=Runnable)
RollOut = t.Callable[[R], t.Coroutine[Suspension[t.Any], t.Any, None]]
"""Applies a plan: sends its writes and waits for their effect. It keeps failures, and raises none."""


class Reader(t.Protocol):
    """Reads the deployments within the given seconds."""

    def read(self, seconds: float) -> Snapshot: ...

    def read_targets(self, snapshot: Snapshot, seconds: float) -> Snapshot: ...


class _Running:
    """A run under way. ``suspension``: what it waits for, ``None`` when it is over.

    Of its wait, ``polled``: there was a poll. ``why``: what is missing. ``observation``: the last poll that succeeded.
    """

    def __init__(self, runnable: Runnable, coroutine: t.Coroutine[Suspension[t.Any], t.Any, None]) -> None:
        self.runnable = runnable
        self.budget = runnable.budget
        self.suspension: Suspension[t.Any] | None = None
        self.polled = False
        self.why = ""
        self.observation: Observation | None = None
        self.blocked_since: float | None = None
        self.unblocked: Unblocked | None = None
        self._pauses: t.Iterator[float] = iter(())
        self._wakes_at: float | None = None
        self._is_last_poll = False
        self._coroutine = coroutine
        self.resume_with(None)

    def resume_with(self, value: t.Any) -> None:
        """Let the run go on to its next suspension; *value* is what it waited for."""
        self._advance(lambda: self._coroutine.send(value))

    def fail(self, error: ApiError) -> None:
        """Let the run go on with *error* in place of what it waited for."""
        self._advance(lambda: self._coroutine.throw(error))

    def _advance(self, proceed: t.Callable[[], Suspension[t.Any]]) -> None:
        self.polled, self.observation, self._wakes_at = False, None, None
        try:
            with self.runnable.limit_requests():
                self.suspension = proceed()
        except StopIteration:
            self.suspension = None
        if isinstance(self.suspension, WaitFor) and self.suspension.at_once:
            self._pauses = iter(FIRST_PAUSES)

    def wakes_at(self, now: float) -> float:
        """Return when the sleep that has begun, or begins *now*, ends."""
        if self._wakes_at is None:
            every = self.budget.every
            pause = next(self._pauses, every) if isinstance(self.suspension, WaitFor) else every
            self._wakes_at = now + min(pause, every, self.budget.left)
        return self._wakes_at

    def begin_poll(self) -> None:
        """Note that a poll begins."""
        self.polled, self._wakes_at, self._is_last_poll = True, None, not self.budget.left
        self.budget.polls += 1

    def block(self, now: float) -> None:
        """Let other writes go first; the time until :meth:`unblock` does not count for this run."""
        if self.blocked_since is None:
            self.blocked_since = now

    def unblock(self, now: float, unblocked: Unblocked) -> None:
        """End the time in which other writes went first."""
        if self.blocked_since is not None:
            self.budget.exclude(now - self.blocked_since)
            self.blocked_since, self.unblocked = None, unblocked

    def resume(self) -> None:
        """Let the run send the write that is due, with :class:`Unblocked` if it was blocked."""
        self.budget.start()
        unblocked, self.unblocked = self.unblocked, None
        self.resume_with(unblocked)

    def poll_succeeded(self, snapshot: Snapshot) -> bool:
        """Judge the *snapshot*; return whether that ends the wait, or the time is up."""
        wait = t.cast("WaitFor", self.suspension)
        readiness = wait.judge(snapshot.deployment(self.runnable.deployment_id))
        self.why = readiness.why
        self.observation = Observation(snapshot, readiness)
        return readiness.state != "progressing" or not self.budget.left

    def end_wait(self, snapshot: Snapshot) -> None:
        """Resume with the last poll; *snapshot* has the same, perhaps with the targets of the routes."""
        self.resume_with(t.cast("Observation", self.observation)._replace(snapshot=snapshot))
        self.why = self.suspension.why if isinstance(self.suspension, WaitFor) else ""

    def poll_failed(self, error: ApiError) -> None:
        """Wait on after a transient *error*; when the time is up, resume with the last poll that succeeded.

        A poll without an answer may use up the time: then another one follows, which is short.
        """
        self.why = str(error)
        if error.kind in TRANSIENT and not self._is_last_poll:
            return
        if error.kind in TRANSIENT and self.observation:
            self.resume_with(self.observation._replace(poll_error=self.why.rstrip(".")))
        else:
            self.fail(error)

    @property
    def send_order(self) -> SendOrder | None:
        """Return when the write is due; ``None`` if no write is."""
        return self.suspension.send_order if isinstance(self.suspension, ReadyToSend) else None


def run_all(
    runnables: t.Iterable[R],
    roll_out: RollOut[R],
    reader: Reader,
    clock: Clock,
    show_progress: ProgressCallback = no_progress,
) -> Snapshot | None:
    """Roll out all *runnables* to their end. One that fails does not stop the others.

    *show_progress* gets a line now and then while runs wait.

    Return the last snapshot, unless something was written after it.
    """
    running = [_Running(runnable, roll_out(runnable)) for runnable in runnables]
    progress = Progress(show_progress, clock)
    latest: Snapshot | None = None
    while True:
        while _send_next(running, reader, clock):
            latest = None
        waiting = [entry for entry in running if isinstance(entry.suspension, (Pause, WaitFor))]
        if not waiting:
            return latest
        _sleep(waiting, clock)
        polling = [entry for entry in waiting if isinstance(entry.suspension, WaitFor)]
        if polling:
            latest = _poll_all(polling, reader)
            progress.show([_status(entry) for entry in running])


def _send_next(running: t.Sequence[_Running], reader: Reader, clock: Clock) -> bool:
    """Resume the write that is first in order; return false without one. None takes capacity before all is freed."""
    due = [entry for entry in running if entry.send_order is not None]
    if any(entry.suspension is not None and entry.runnable.frees_later for entry in running):
        for entry in due:
            if t.cast("SendOrder", entry.send_order).takes:
                entry.block(clock.monotonic())
        due = [entry for entry in due if not t.cast("SendOrder", entry.send_order).takes]
    elif any(entry.blocked_since is not None for entry in due):
        _unblock(due, reader, clock)
    if not due:
        return False
    min(due, key=lambda entry: t.cast("SendOrder", entry.send_order)).resume()
    return True


def _unblock(due: t.Sequence[_Running], reader: Reader, clock: Clock) -> None:
    """Unblock the writes that waited for others. An increase is planned again then, from one snapshot for all."""
    snapshot = None
    if any(entry.send_order is SendOrder.INCREASE for entry in due if entry.blocked_since is not None):
        with contextlib.suppress(ApiError):
            snapshot = reader.read(max(entry.budget.left for entry in due))
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
    now = clock.monotonic()
    clock.sleep(max(0.0, min(entry.wakes_at(now) for entry in waiting) - now))
    now = clock.monotonic() + _MOMENT
    for entry in waiting:
        if isinstance(entry.suspension, Pause) and entry.wakes_at(now) <= now:
            entry.resume_with(True)


def _poll_all(polling: t.Sequence[_Running], reader: Reader) -> Snapshot | None:
    """Poll once for all that wait. A poll with a transient error is repeated while there is time.

    The targets of the routes are read only when a wait may be over.
    """
    for entry in polling:
        entry.begin_poll()
    try:
        snapshot = reader.read(_time_left(polling))
    except ApiError as exc:
        for entry in polling:
            entry.poll_failed(exc)
        return None
    over = [entry for entry in polling if entry.poll_succeeded(snapshot)]
    if any(snapshot.deployment(entry.runnable.deployment_id) for entry in over):
        with contextlib.suppress(ApiError):
            snapshot = reader.read_targets(snapshot, _time_left(over))
    for entry in over:
        entry.end_wait(snapshot)
    return snapshot


def _time_left(entries: t.Sequence[_Running]) -> float:
    return min(entry.budget.left for entry in entries)


def _status(entry: _Running) -> ItemStatus:
    why = entry.why if isinstance(entry.suspension, WaitFor) else ""
    return ItemStatus(entry.runnable.deployment_id, why, over=entry.suspension is None, failed=entry.runnable.failed)

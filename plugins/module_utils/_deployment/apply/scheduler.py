# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many changes at once: writes in the order of their turns, and one poll for all who wait."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..._core.errors import ApiError, Failure
from ..._core.run.clock import Clock
from ..._core.run.progress import Progress, Standing, Tell, silent
from ..._core.run.wait import Watch
from ..._ml.deployment import Deployment
from ..api.snapshot import Sight
from ..plan.order import Turn
from ..plan.readiness import Verdict

PASSING = ("connection", "timeout", "unavailable", "answer")


class Judge(t.Protocol):
    """Says of what was seen whether a wait is over."""

    def __call__(self, seen: Deployment | None, /) -> Verdict: ...


class Step:
    """Where a change stands."""


@dataclasses.dataclass(frozen=True)
class Due(Step):
    """A change is about to write; it goes on when its turn has come: with :class:`Held` if others were let go first."""

    turn: Turn


@dataclasses.dataclass(frozen=True)
class Sleep(Step):
    """A change goes on after one sleep, with true; or at once with false if its time is up."""


@dataclasses.dataclass(frozen=True)
class Wait(Step):
    """A change goes on, with a :class:`Seen`, when *judge* is no longer undecided or its time is up.

    ``at_once``: look before the first sleep. ``why``: what was missing at a look that was no end. ``until``: how many
    seconds are left when its time is up.
    """

    judge: Judge
    at_once: bool
    why: str = ""
    until: float = 0.0


class Seen(t.NamedTuple):
    """The last look of a wait, and the verdict on it."""

    sight: Sight
    verdict: Verdict


class Held(t.NamedTuple):
    """A write had to wait until others had freed room. ``sight``: a look after that, if one was made."""

    sight: Sight | None


Steps = t.Generator[Step, t.Any, None]


class Change(t.Protocol):
    """What can be conducted."""

    watch: Watch
    error: Exception | None

    @property
    def deployment_id(self) -> str: ...

    @property
    def frees_later(self) -> bool:
        """Whether a write that frees room has yet to be sent."""

    def steps(self) -> Steps: ...


class _Player:
    """One change, and the step it stands at; ``None`` when it is over."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.watch = change.watch
        self.step: Step | None = None
        self.looked = False
        self.why = ""
        self.seen: Seen | None = None
        self.held_since: float | None = None
        self.held: Held | None = None
        self._steps = change.steps()
        self.go(None)

    def go(self, answer: t.Any) -> None:
        self._move(lambda: self._steps.send(answer))

    def fail(self, error: ApiError) -> None:
        self._move(lambda: self._steps.throw(error))

    def _move(self, move: t.Callable[[], Step]) -> None:
        self.looked, self.seen = False, None
        try:
            self.step = move()
        except StopIteration:
            self.step = None
        except Failure as exc:
            self.step, self.change.error = None, exc

    def hold(self, now: float) -> None:
        """Others come first: the time until :meth:`release` is not this change's."""
        if self.held_since is None:
            self.held_since = now

    def lift(self, now: float, held: Held) -> None:
        """Nobody comes first any more."""
        if self.held_since is not None:
            self.watch.hold(now - self.held_since)
            self.held_since, self.held = None, held

    def release(self) -> None:
        self.watch.start()
        held, self.held = self.held, None
        self.go(held)

    def see(self, sight: Sight) -> None:
        """Go on if what is seen ends the wait, or the time is up."""
        wait = t.cast("Wait", self.step)
        verdict = wait.judge(sight.statistics(self.change.deployment_id))
        self.why = verdict.why
        self.seen = Seen(sight, verdict)
        if verdict.outcome != "pending" or self.watch.left <= wait.until:
            self.go(self.seen)
            self.why = self.step.why if isinstance(self.step, Wait) else ""

    def miss(self, error: ApiError) -> None:
        """Go on without a look, which failed with *error*: what was seen before it still counts in the end."""
        self.why = str(error)
        if error.kind in PASSING and self.watch.left:
            return
        if error.kind in PASSING and self.seen:
            told = f"{self.seen.verdict.why}, and the last look failed: {self.why.rstrip('.')}"
            self.go(self.seen._replace(verdict=Verdict("pending", told)))
        else:
            self.fail(error)

    @property
    def turn(self) -> Turn | None:
        return self.step.turn if isinstance(self.step, Due) else None


def conduct(
    changes: t.Iterable[Change], look: t.Callable[[], Sight], clock: Clock, tell: Tell = silent
) -> Sight | None:
    """Bring all *changes* to their end. What goes wrong with one is kept in its ``error``; the others go on.

    Now and then *tell* is told how those stand that are waited for.

    Returns the last look, unless something was written after it.
    """
    players = [_Player(change) for change in changes]
    progress = Progress(tell, clock)
    last: Sight | None = None
    while True:
        while _write(players, look, clock):
            last = None
        waiting = [player for player in players if isinstance(player.step, (Sleep, Wait))]
        if not waiting:
            return last
        _rest(waiting, clock)
        looking = [player for player in waiting if isinstance(player.step, Wait)]
        if looking:
            last = _look(looking, look)
            progress.show([_standing(player) for player in players])


def _write(players: t.Sequence[_Player], look: t.Callable[[], Sight], clock: Clock) -> bool:
    """Let the change go on whose turn it is; false if there is none. Nothing takes room that is still to be freed."""
    due = [player for player in players if player.turn is not None]
    if any(player.step is not None and player.change.frees_later for player in players):
        for player in due:
            if t.cast("Turn", player.turn).takes:
                player.hold(clock.monotonic())
        due = [player for player in due if not t.cast("Turn", player.turn).takes]
    elif any(player.held_since is not None for player in due):
        _lift(due, look, clock)
    if not due:
        return False
    min(due, key=lambda player: t.cast("Turn", player.turn)).release()
    return True


def _lift(due: t.Sequence[_Player], look: t.Callable[[], Sight], clock: Clock) -> None:
    """Let go whom others kept waiting: an update is asked for anew then, so one look is made for all of them."""
    sight = None
    if any(player.turn is Turn.INCREASE for player in due if player.held_since is not None):
        with contextlib.suppress(ApiError):
            sight = look()
    for player in due:
        player.lift(clock.monotonic(), Held(sight))


def _rest(waiting: t.Sequence[_Player], clock: Clock) -> None:
    """Sleep once, unless somebody has just begun to wait and is to look at once."""
    for player in waiting:
        player.watch.start()
        if isinstance(player.step, Sleep) and not player.watch.left:
            player.go(False)
            return
    if any(isinstance(player.step, Wait) and player.step.at_once and not player.looked for player in waiting):
        return
    clock.sleep(min(min(player.watch.every, player.watch.left) for player in waiting))
    for player in waiting:
        if isinstance(player.step, Sleep):
            player.go(True)


def _look(looking: t.Sequence[_Player], look: t.Callable[[], Sight]) -> Sight | None:
    """One look for all. One that fails in passing is repeated while there is time."""
    for player in looking:
        player.looked = True
        player.watch.polls += 1
    try:
        sight = look()
    except ApiError as exc:
        for player in looking:
            player.miss(exc)
        return None
    for player in looking:
        player.see(sight)
    return sight


def _standing(player: _Player) -> Standing:
    why = player.why if isinstance(player.step, Wait) else ""
    return Standing(player.change.deployment_id, why, over=player.step is None, failed=player.change.error is not None)

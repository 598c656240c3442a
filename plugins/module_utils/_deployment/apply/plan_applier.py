# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doing what the plan says: each write once, then what is there decides."""

from __future__ import annotations

import contextlib
import typing as t

from ..._core.errors import ApiError, Failure, NotReached, Unsatisfied
from ..._core.http.client import Call
from ..._ml.deployment import Deployment
from ..api.snapshot import Sight
from ..plan.diff import unmet
from ..plan.order import turn
from ..plan.readiness import Verdict, another, changeability, goneness, hopeless, is_another, readiness
from ..plan.rollback import Written
from ..plan.write_outcome import is_unsure, may_have_passed, reconcile, strange, unheard
from ..records.step import Action, Kind
from .aim import Aim, Means
from .scheduler import PASSING, Due, Held, Judge, Seen, Sleep, Step, Steps, Wait

ATTEMPTS = 4
"""How often a write is sent at most, each time after a reading showed that it took no effect."""

ALREADY = (400, 404, 409)
"""Answers to a first try that leave no doubt: this request did nothing, because somebody else was quicker."""

CHANGEABLE = "ready for an update"
UNKNOWN = "Whether it took effect is not known"

NOT_THEIRS = ("answer", "product")
"""Errors that are no word of Elasticsearch: a gateway's 404 does not tell what became of the request behind it."""


class Change:
    """One plan being carried out. It goes on by :func:`conduct`, which orders the writes and polls for all.

    ``plan``: as it was made last. ``sent``: what was tried, whatever became of it. ``settling``: all writes are done,
    and what is waited for is all that is missing. ``may_still_stop``: a stop was sent whose answer got lost, and that
    had not come through at the last look.
    """

    def __init__(self, means: Means, aim: Aim) -> None:
        self.deployment_id = aim.wanted.deployment_id
        self.watch = means.watch
        self.plan = aim.plan
        self.settling = False
        self.may_still_stop = False
        self._api = means.api
        self._report = means.report
        self._server_timeout = means.server_timeout
        self._file = means.file
        self._wanted = aim.wanted
        self._waiting = aim.waiting
        self._model_id = aim.model_id
        self._anew = aim.anew
        self._second_stop = ""
        self._to_do = list(aim.plan.actions)
        self.sent: set[Kind] = set()
        self._kinds: set[Kind] = set()
        self._start_time: str | None = None
        self._going = aim.plan.ends_something

    @property
    def frees_later(self) -> bool:
        """A stop has freed its room when it is seen to be complete."""
        return self._going or any(turn(self.plan, action).frees for action in self._to_do)

    @property
    def written(self) -> Written:
        return Written(frozenset(self._kinds), self._start_time)

    def steps(self) -> Steps:
        """Writes and waits, in their order.

        :raises ApiError: the server refused a write; nothing is sent after it.
        :raises Refusal: what others have done meanwhile forbids the next write.
        :raises Unsatisfied: a write could not be sent in time, somebody else got in between, what the task waits for is
            not reached, or what is there in the end is not what is wanted.
        """
        try:
            yield from self._apply()
            self.settling = True
            if self._waiting.wait and not self.plan.skipped_because:
                yield from self._settle()
                self._report.reached = True
            elif self.plan.changed and self.plan.after is None:
                yield from self.look()
        except Failure as error:
            self._report.reached = False if self.watch.polls else None
            if isinstance(error, ApiError) and self._is_stopped:
                told = (
                    f"Deployment '{self.deployment_id}' was stopped, and whether it is gone could not be seen: {error}"
                )
                raise Unsatisfied(told) from error
            raise
        finally:
            self._report.seconds, self._report.polls = self.watch.seconds, self.watch.polls

    @property
    def _is_stopped(self) -> bool:
        """Whether a stop for good has taken effect, as far as is known."""
        return self.plan.after is None and "stop" in self._kinds and self._report.seen is None

    def _apply(self) -> Steps:
        if self._file:
            self._file.keep(self.plan)
        while self._to_do:
            yield from self._perform()

    def _settle(self) -> Steps:
        """Wait for what the task waits for, unless it is there already."""
        if self.plan.after is None:
            yield from self._await_gone()
            return

        def judge(seen: Deployment | None) -> Verdict:
            return readiness(seen, self._waiting.wait_for, allow_zero=self._wanted.allow_zero)

        if self.plan.changed or judge(self._report.seen).outcome != "ready":
            try:
                yield from self._await(self._waiting.wait_for, judge)
            except NotReached:
                self._confirm()  # it may lack because somebody else asks for more
                raise
        self._confirm()

    def _confirm(self) -> None:
        """An accepted write is not yet a fact: somebody else may have written after it."""
        seen, start = self._report.seen, self.plan.start
        if seen is None:
            return
        if start is None:
            differences = unmet(self._wanted, seen, self._model_id)
        else:
            differences = strange(self.plan, start, self._wanted, self._model_id, seen)
        if differences:
            named = "; ".join(map(str, differences))
            raise Unsatisfied(f"Deployment '{seen.deployment_id}' was changed by somebody else meanwhile: {named}.")

    def _await_gone(self) -> Steps:
        if self._going:
            verdict = yield from self._watch_on(self._goneness, until=self.watch.left / 2)
            if verdict.outcome == "pending" and self.watch.left:
                self._stop_again()
                verdict = yield from self._watch_on(self._goneness)
            self._conclude("gone", verdict)
        self._going = False

    def _goneness(self, seen: Deployment | None) -> Verdict:
        return goneness(seen, self.plan.before)

    def _stop_again(self) -> None:
        """A stop that hangs may have been forgotten by the server, which takes another one (server behaviour, stop)."""
        if self._report.seen is None or self._report.seen.assignment_state != "stopping":
            return
        action = next((each for each in self.plan.actions if each.kind == "stop"), Action("stop", self.deployment_id))
        call = self._call(action)
        after = self.watch.seconds
        try:
            self._api.send(action, call, {})
        except ApiError as exc:
            self._second_stop = f" A second stop after {after:g} seconds did not help: {exc}"
        else:
            self._second_stop = f" A second stop after {after:g} seconds did not help."
            self._report.sent_again(call)

    def _perform(self) -> Steps:
        """Send the first of what is to be done, if what is there still asks for it."""
        sent = 0
        while (action := (yield from self._due(sent))) is not None:
            call = self._call(action)
            sent += 1
            self.sent.add(action.kind)
            try:
                answer = self._api.send(action, call, self._names())
            except ApiError as error:
                if (yield from self._ruled_again(action, call, error)):
                    self.may_still_stop = action.kind == "stop"
                    if sent == ATTEMPTS or not (yield Sleep()):
                        raise
                    continue
                if sent == 1 and error.status in ALREADY and error.kind not in NOT_THEIRS:
                    break  # somebody else did the same first
            else:
                # A stop is answered when it is complete, which the next look is to confirm (server behaviour, stop).
                self._report.seen = None if action.kind == "stop" else answer or self._report.seen
            self._took_effect(action, call)
            if action.kind == "start" and self._report.seen:
                self._start_time = self._report.seen.start_time
            if action.endpoint_type:
                yield from self._see_passed_on()
            break
        if action is not None:
            del self._to_do[0]

    def _due(self, sent: int) -> t.Generator[Step, t.Any, Action | None]:
        """The write whose turn has come; ``None`` if nothing of its kind is to be sent any more.

        *sent*: how often it was sent, each time without a word on what became of it.
        """
        action = self._to_do[0]
        if action.kind == "update":
            return (yield from self._due_update(action))
        if action.kind == "start":  # the server takes it only when the old one is gone
            yield from self._await_gone()
        yield Due(turn(self.plan, action))
        return (yield from self._due_stop(action, sent)) if action.kind == "stop" else action

    def _due_update(self, action: Action) -> t.Generator[Step, t.Any, Action | None]:
        """The server takes it from a started deployment only. What was asked for before a delay is asked for anew."""
        while True:
            seen = self._report.seen
            waits = seen is None or seen.assignment_state != "started"
            if waits:
                yield from self._await(CHANGEABLE, lambda seen: changeability(seen, self.plan.before))
            held: Held | None = yield Due(turn(self.plan, action))
            if not (waits or held):
                return action
            if held:
                yield from self._glance(held.sight)
            verdict = changeability(self._report.seen, self.plan.before)
            if verdict.outcome != "pending":
                self._conclude(CHANGEABLE, verdict)
                return self._renewed()

    def _due_stop(self, action: Action, sent: int) -> t.Generator[Step, t.Any, Action | None]:
        """A stop hits whatever has the id, so there is a look right before: what others did since is not undone.

        :raises Unsatisfied: somebody else has started it anew.
        """
        try:
            yield from self._glance()
        except ApiError as error:
            if not sent:
                raise
            self._took_effect(action, self._call(action))  # as far as anybody knows
            raise Unsatisfied(f"{UNKNOWN}: {error}") from error
        seen = self._report.seen
        if seen is not None and is_another(seen, self.plan.before):
            raise Unsatisfied(f"Deployment '{self.deployment_id}' is not stopped: {another(seen)}.")
        if seen is not None and sent:
            return action
        going = seen is None or seen.assignment_state == "stopping"
        if not sent and not (going and self._wanted.on_missing == "start"):
            return self._renewed()
        if sent:  # one that was lost has come through late
            self._took_effect(action, self._call(action))
        del self._to_do[0]
        return None

    def _renewed(self) -> Action | None:
        """Make the plan anew from what was seen just now; its first write, if it is of the kind that was due.

        :raises Refusal: it cannot be made, or needs what was not planned.
        """
        due = self._to_do[0].kind
        self.plan = self._anew(self.plan, self._report.seen)
        self._to_do = list(self.plan.actions)
        self._going = self.plan.ends_something
        if self._file:
            self._file.keep(self.plan)
        first = self._to_do[0] if self._to_do else None
        return first if first and first.kind == due else None

    def _see_passed_on(self) -> Steps:
        """Look what became of an update that an inference endpoint has taken: its answer does not tell.

        :raises Unsatisfied: nothing, as far as can be seen.
        """
        yield from self.look()
        differences = unheard(self.plan, self._wanted, self._model_id, self._report.seen)
        if differences:
            named = "; ".join(map(str, differences))
            raise Unsatisfied(
                f"Deployment '{self.deployment_id}' is as before the update: {named}. {UNKNOWN}: its inference "
                "endpoint passes on only what differs from what it has stored, or somebody else has changed it back. "
                "Ask for other settings first, and then for these."
            )

    def _took_effect(self, action: Action, call: Call) -> None:
        self._report.took_effect(call)
        self._kinds.add(action.kind)
        self.may_still_stop = False

    def _ruled_again(self, action: Action, call: Call, error: ApiError) -> t.Generator[Step, t.Any, bool]:
        """After an error: true to send again, false if the write took effect.

        :raises ApiError: *error*, if the server refused for good.
        :raises Unsatisfied: if something else is there now.
        """
        unsure = is_unsure(action, error)
        try:
            yield from self.look(patient=unsure)
        except ApiError as second:
            if not unsure:
                raise error from second
            self._took_effect(action, call)  # as far as anybody knows
            raise Unsatisfied(f"{error} {UNKNOWN}: {second}") from error
        if not unsure:
            raise error
        ruling = reconcile(self.plan, action, self._wanted, self._model_id, error, self._report.seen)
        if ruling.outcome == "refused":
            told = f"{error} Deployment '{action.deployment_id}' is not as planned: {ruling.why}."
            if may_have_passed(error):  # it may have been as planned in between
                self._took_effect(action, call)
                told += f" {UNKNOWN}."
            raise Unsatisfied(told) from error
        if ruling.outcome == "final":
            raise error
        return ruling.outcome == "again"

    def _await(self, what: str, judge: Judge) -> Steps:
        self._conclude(what, (yield from self._watch_on(judge)))

    def _watch_on(self, judge: Judge, until: float = 0.0) -> t.Generator[Step, t.Any, Verdict]:
        """Wait, and confirm with the cluster state, which alone shows the targets of the routes.

        *until*: seconds left at which to go on in any case.
        """
        seen: Seen = yield Wait(judge, at_once=True, until=until)
        verdict = self._confirmed(seen, judge)
        while verdict.outcome == "pending" and self.watch.left > until:
            seen = yield Wait(judge, at_once=False, why=verdict.why, until=until)
            verdict = self._confirmed(seen, judge)
        return verdict

    def _conclude(self, what: str, verdict: Verdict) -> None:
        """:raises NotReached: unless *verdict* is ready."""
        if verdict.outcome == "hopeless":
            raise NotReached(hopeless(self.deployment_id, what, verdict))
        if verdict.outcome == "pending":
            raise NotReached(
                f"Deployment '{self.deployment_id}' is not {what} after {self.watch.timeout:g} seconds: {verdict.why}."
                f"{self._second_stop}"
            )

    def _confirmed(self, seen: Seen, judge: Judge) -> Verdict:
        self._report.seen = seen.sight.statistics(self.deployment_id)
        if self._report.seen is not None:
            with contextlib.suppress(ApiError):
                self._report.seen = seen.sight.deployment(self.deployment_id)
        return judge(self._report.seen) if seen.verdict.outcome == "ready" else seen.verdict

    def look(self, patient: bool = True) -> Steps:
        """Note what is there."""
        yield from self._sighted(lambda: self._api.look(self.deployment_id).deployment(self.deployment_id), patient)

    def _glance(self, sight: Sight | None = None) -> Steps:
        """As :meth:`look`, by one request, or none if there is a *sight*: right before a write it has to be short."""
        yield from self._sighted(lambda: (sight or self._api.look(self.deployment_id)).statistics(self.deployment_id))

    def _sighted(self, look: t.Callable[[], Deployment | None], patient: bool = True) -> Steps:
        """A look that fails in passing is repeated while there is time, if the task waits at all."""
        while True:
            try:
                self._report.seen = look()
                self._going = self._going and self._report.seen is not None
                return
            except ApiError as error:
                again = patient and self._waiting.wait and error.kind in PASSING
                if not again or not (yield Sleep()):
                    raise

    def _call(self, action: Action) -> Call:
        return self._api.encode(action, self._server_timeout)

    def _names(self) -> dict[str, str]:
        known = self._report.seen or self.plan.before
        return known.node_names if known else {}

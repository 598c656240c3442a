# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan being carried out, and what follows where it does not end well: it is kept, recovered or rolled back."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..._core.errors import ApiError, Failure, NotReached, Refusal, Unsatisfied
from ..._ml.deployment import Deployment
from ..api.version_checks import refuse_unsendable
from ..plan.decide import Situation, decide, recover
from ..plan.plan import Plan
from ..plan.readiness import kept
from ..plan.recovery import superseded
from ..plan.replan import exactly, renewed, updates_instead
from ..plan.rollback import Undo, Written, as_before, undo, untouched
from ..plan.stuck import is_stuck, recovers_stuck
from ..records.desired import Waiting, Wanted
from ..records.recovery_record import Recovery
from ..records.step import Action
from .aim import Aim, Means
from .consumers import protect, under_owner
from .plan_applier import Change
from .recovery_file import RecoveryFile
from .scheduler import Steps


class Attempt:
    """One deployment of a task, until nothing more is to be done for it."""

    def __init__(self, means: Means, wanted: Wanted, waiting: Waiting, model_id: str | None, plan: Plan) -> None:
        self.deployment_id = wanted.deployment_id
        self.watch = means.watch
        self.error: Exception | None = None
        self._means = means
        self._api = means.api
        self._report = means.report
        self._file = means.file
        self._wanted = wanted
        self._waiting = waiting
        self._model_id = model_id
        self._change = self._begin(plan, self._decided)
        self._before_undo = Written()

    @property
    def frees_later(self) -> bool:
        return self._change.frees_later

    @property
    def _plan(self) -> Plan:
        """As it was made last."""
        return t.cast("Plan", self._report.plan)

    def _begin(self, plan: Plan, decided: t.Callable[[Situation], Plan]) -> Change:
        def anew(plan: Plan, seen: Deployment | None) -> Plan:
            self._report.current = self._report.seen = exactly(seen, plan.before)
            fresh = decided(Situation(self._report.seen, self._model_id))
            self._report.decided(renewed(plan, self._allowed(plan, fresh)))
            return self._plan

        return Change(self._means, Aim(self._wanted, self._waiting, self._model_id, plan, anew))

    def _allowed(self, plan: Plan, fresh: Plan) -> Plan:
        """*fresh*, made in place of *plan*, as far as an inference endpoint and the server allow it.

        :raises Refusal: they do not.
        """
        if not updates_instead(plan, fresh):
            return under_owner(self._api, self._wanted, fresh)
        refuse_unsendable(self._api.server, fresh.actions)
        return protect(self._api, None, self._wanted, fresh, self._report)

    def _decided(self, situation: Situation) -> Plan:
        return decide(self._wanted, situation)

    def _decided_of_stuck(self, situation: Situation) -> Plan:
        """What has come up meanwhile, late as it is, is not stopped."""
        seen = situation.current
        if seen is None or not (is_stuck(seen, seen) or seen.assignment_state in ("stopping", "failed")):
            return decide(self._wanted, situation)
        return recover(self._wanted, situation)

    def steps(self) -> Steps:
        """Writes and waits, in their order.

        :raises ApiError: the server refused a write; nothing was written before it that would have to be restored.
        :raises Unsatisfied: what is wanted is not there; the message says what became of it.
        """
        try:
            yield from self._try()
        except Failure:
            self._clear(failed=True)
            raise
        self._clear(failed=False)

    def _try(self) -> Steps:
        try:
            yield from self._change.steps()
        except Failure as error:
            if self._is_stuck(error):
                yield from self._recover(t.cast("NotReached", error))
            else:
                yield from self._end(error)

    def _clear(self, failed: bool) -> None:
        """Remove the recovery file if what it holds runs, or something that has come after it; else tell of it."""
        file, seen = self._file, self._report.seen
        if file is None or file.held is None or file.told:
            return
        if self._change.may_still_stop:
            told = file.kept
        elif self._wanted.state == "stopped":
            told = None if failed or seen else file.remove()  # a complete stop does away with what was to be started
        elif self._started or self._is_needless(file, file.held, seen):
            told = file.remove()
        else:
            told = file.kept
        self._report.notes += [told] if told else []

    @property
    def _started(self) -> bool:
        """Whether what is to run was started, whatever others have done since."""
        last = self._change.written
        return bool(last.start_time or ("stop" not in last.kinds and self._before_undo.start_time))

    def _is_needless(self, file: RecoveryFile, held: Recovery, seen: Deployment | None) -> bool:
        """Whether *seen* runs, and is what the *file* was for, or has come after what it has *held*."""
        if seen is None or seen.assignment_state == "stopping":
            return False
        each = (self._before_undo, self._change.written)
        if any("stop" in written.kinds for written in each):
            self._report.notes += superseded(held, seen)
            return held.start_time != seen.start_time
        # No stop came through: what this run wrote down still runs. Another who wrote it may be at the stop just now.
        return file.written or self._still_runs()

    def _still_runs(self) -> bool:
        """Whether it runs at a further look."""
        with contextlib.suppress(ApiError):
            seen = self._api.look(self.deployment_id).statistics(self.deployment_id)
            return seen is not None and seen.assignment_state != "stopping"
        return False

    def _end(self, error: Exception) -> Steps:
        """After *error*: keep what is there, restore what was, or leave it at that."""
        if self._is_kept(error):
            self._report.notes.append(kept(str(error)))
        elif self._is_to_undo(error):
            yield from self._roll_back(error)
        else:
            raise error

    def _is_kept(self, error: Exception) -> bool:
        seen, plan = self._report.seen, self._plan
        theirs = seen is None or (seen.assignment_state == "stopping" and plan.after is not None)
        settled = isinstance(error, NotReached) and self._change.settling
        return settled and self._waiting.on_unsatisfied == "keep" and not theirs

    def _is_to_undo(self, error: Exception) -> bool:
        """Whether the task asks for it; or the start was refused after the stop, and nothing would run."""
        kinds = self._change.written.kinds
        stopped = "stop" in kinds or self._plan.resumes
        broken = isinstance(error, ApiError) and stopped and "start" not in kinds and self._plan.start
        return bool(broken or (kinds and self._waiting.on_unsatisfied == "rollback"))

    def _is_stuck(self, error: Exception) -> bool:
        """Whether nothing but the nodes keep it from starting, for as long as the task waits, on our own clock.

        What was not there at first, and was not started by this task, is somebody else's.
        """
        before = self._plan.before
        waited = isinstance(error, NotReached) and before is not None and not self._change.written.kinds
        asked = recovers_stuck(self._wanted, self._waiting)
        return waited and asked and not self.watch.left and is_stuck(self._report.seen, before)

    def _recover(self, error: NotReached) -> Steps:
        """Stop what is stuck, and start it again."""
        try:
            plan = self._protected(recover(self._wanted, Situation(self._report.seen, self._model_id)))
            self._api.refuse_unprivileged(plan.actions)
        except (Refusal, ApiError) as refusal:
            raise Unsatisfied(f"{error} It cannot be recovered: {refusal}") from refusal
        if plan.skipped_because:
            raise Unsatisfied(f"{error} It is not recovered: {plan.skipped_because}.") from error
        self._report.plan = plan
        self._change = self._begin(self._plan, self._decided_of_stuck)
        self.watch.renew()
        try:
            yield from self._change.steps()
        except Failure as second:
            yield from self._end(second)

    def _roll_back(self, error: Exception) -> Steps:
        """Restore what was before.

        :raises Unsatisfied: always: what went wrong, and what became of it.
        """
        calls = len(self._report.calls)
        self.watch.renew()
        try:
            yield from self._change.look()
            for each in self._way_back(error):
                aim = Aim(each.wanted, self._waiting_for(each), None, each.plan, untouched)
                self._change = Change(self._means, aim)
                yield from self._change.steps()
        except Refusal as refusal:
            told = f"It was not rolled back: {refusal}"
        except Failure as second:
            told = f"Rolling it back failed, too: {second}"
        else:
            undone = len(self._report.calls) > calls
            told = "It was rolled back: what was before is there." if undone else self._as_it_is
        self._report.rolled_back = len(self._report.calls) > calls
        self._report.reached = False if self.watch.polls else None
        cause = error if isinstance(error, ApiError) else error.__cause__
        raise Unsatisfied(f"{error} {told}") from cause

    @property
    def _as_it_is(self) -> str:
        """What to say where nothing had to be restored: of a restart that went wrong less may run than before."""
        seen, before = self._report.seen, self._plan.before
        if seen is None or before is None or seen.running >= before.running:
            return "It is as it was before."
        return f"Its settings are as before, and {seen.running} of {seen.number_of_allocations} allocations run."

    def _way_back(self, error: Exception) -> list[Undo]:
        self._before_undo = self._change.written
        found = undo(self._wanted, self._model_id, self._plan, self._change.written, self._report.seen)
        refused = self._refused_start(error)
        if any(each.plan.start and each.plan.start == refused for each in found):
            raise Refusal("it is stopped now, and what was refused is the start with its own settings")
        found = [each._replace(plan=self._protected(each.plan)) for each in found]
        told = [text for each in found for text in each.plan.warnings + each.plan.of_stop]
        self._report.notes += [text for text in told if text not in self._report.warnings]
        return found

    def _protected(self, plan: Plan) -> Plan:
        """The *plan* as those allow it who have come to use the deployment since."""
        if not plan.stops:
            return plan
        self._api.references.forget()
        return protect(self._api, None, self._wanted, plan, self._report)

    def _refused_start(self, error: Exception) -> Action | None:
        change = self._change
        tried = "start" in change.sent and "start" not in change.written.kinds
        return self._plan.start if tried and isinstance(error, ApiError) else None

    def _waiting_for(self, each: Undo) -> Waiting:
        before = None if self._plan.resumes else self._plan.before  # how much of that ran nobody knows any more
        wait_for = as_before(before, self._waiting.wait_for) if each.plan.after else self._waiting.wait_for
        if wait_for is None:
            return dataclasses.replace(self._waiting, wait=False)
        return dataclasses.replace(self._waiting, wait_for=t.cast("t.Any", wait_for))

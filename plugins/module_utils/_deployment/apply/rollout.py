# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apply a plan, and keep, recover or roll back the deployment if that fails."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..._core.errors import ApiError, Failure, NotReached, Refusal, Unsatisfied
from ..._core.obstacles import OBSTACLE_CODES
from ..._ml.deployment import Deployment
from ..api.privileges import writes_of
from ..api.version_checks import refuse_unsendable
from ..plan.decide import Situation, decide, recover
from ..plan.endpoint_updates import halfway_warning
from ..plan.plan import Plan
from ..plan.readiness import continues_warning
from ..plan.recovery import how_to_start, superseded_warning
from ..plan.replan import became_update, conform, with_known_start_settings
from ..plan.rollback import AppliedSteps, RollbackPlan, plan_rollback, refuse_if_changed, wait_for_on_rollback
from ..plan.stuck import is_stuck, restarts_stuck
from ..records.desired import Desired, WaitPolicy
from ..records.recovery_record import RecoveryRecord
from ..records.step import Step
from .consumers import check_consumers, check_owner
from .context import PlanContext, RunContext
from .plan_applier import PlanApplier
from .recovery_file import RecoveryFile
from .scheduler import Coroutine
from .start_look import Start, look_again


class Rollout:
    """The changes of one deployment of a task, with a recovery or a rollback if it needs one."""

    def __init__(
        self, run_context: RunContext, desired: Desired, policy: WaitPolicy, model_id: str | None, plan: Plan
    ) -> None:
        self.deployment_id = desired.deployment_id
        self.budget = run_context.budget
        self.error: Failure | None = None
        self._run_context = run_context
        self._cluster = run_context.cluster
        self._state = run_context.state
        self._recovery_file = run_context.recovery_file
        self._desired = desired
        self._policy = policy
        self._model_id = model_id
        self._applier = self._applier_for(plan, self._decide)
        self._applied_before_rollback = AppliedSteps()

    def limit_requests(self) -> contextlib.AbstractContextManager[None]:
        """Let no request take longer than the time that is left."""
        return self._cluster.within(lambda: self.budget.left)

    @property
    def frees_later(self) -> bool:
        """Return whether capacity is still to be freed."""
        return self._applier.frees_later

    @property
    def _plan(self) -> Plan:
        """Return the plan as it was made last."""
        return t.cast("Plan", self._state.plan)

    def _applier_for(self, plan: Plan, decide: t.Callable[[Situation], Plan]) -> PlanApplier:
        def replan(plan: Plan, observed: Deployment | None) -> Plan:
            self._state.current = self._state.observed = with_known_start_settings(observed, plan.before)
            new_plan = decide(Situation(self._state.observed, self._model_id))
            self._state.set_plan(conform(plan, self._check_replan(plan, new_plan)))
            return self._plan

        return PlanApplier(self._run_context, PlanContext(self._desired, self._policy, self._model_id, plan, replan))

    def _check_replan(self, plan: Plan, new_plan: Plan) -> Plan:
        """Return *new_plan*, which takes the place of *plan*, if inference endpoints and the version allow it.

        :raises Refusal: they do not.
        """
        if not became_update(plan, new_plan):
            return check_owner(self._cluster, self._desired, new_plan)
        refuse_unsendable(self._cluster.server, new_plan.steps)
        return check_consumers(self._cluster, None, self._desired, new_plan, self._state)

    def _decide(self, situation: Situation) -> Plan:
        return decide(self._desired, situation)

    def _decide_stuck(self, situation: Situation) -> Plan:
        """Plan a recovery, unless the deployment has come up late: then plan as usual, without a stop."""
        observed = situation.current
        if observed is None or not (
            is_stuck(observed, observed) or observed.assignment_state in ("stopping", "failed")
        ):
            return decide(self._desired, situation)
        return recover(self._desired, situation)

    def run(self) -> Coroutine:
        """Send the writes and wait, in their order, and finish the recovery file.

        :raises ApiError: Elasticsearch refused a write; no earlier write has to be rolled back.
        :raises Unsatisfied: the desired state is not reached; the message says what was done about it.
        """
        try:
            yield from self._apply()
        except Failure:
            self._finish_recovery_file(failed=True)
            raise
        self._finish_recovery_file(failed=False)

    def _apply(self) -> Coroutine:
        try:
            yield from self._applier.run()
        except Failure as error:
            if self._should_recover(error):
                yield from self._recover(t.cast("NotReached", error))
            else:
                yield from self._handle_failure(error)

    def _finish_recovery_file(self, failed: bool) -> None:
        """Remove the recovery file if it is no longer needed; else warn that it is there.

        It is not needed when its deployment, or a newer one, runs, and after a complete stop that the task asked for.
        """
        recovery_file, observed = self._recovery_file, self._state.observed
        if recovery_file is None or recovery_file.record is None or recovery_file.start_excluded:
            return
        if self._applier.may_still_stop:
            warning = recovery_file.file_left_warning
        elif self._desired.state == "stopped":
            # A complete stop leaves nothing to start again.
            warning = None if failed or observed else recovery_file.remove()
        elif self._was_started or self._is_obsolete(recovery_file, recovery_file.record, observed):
            warning = recovery_file.remove()
        else:
            warning = recovery_file.file_left_warning
        if warning:
            self._state.warn(warning, detail=recovery_file.place)

    @property
    def _was_started(self) -> bool:
        """Return whether this task started the deployment, whatever other clients did since."""
        applied = self._applier.applied_steps
        return bool(applied.start_time or ("stop" not in applied.kinds and self._applied_before_rollback.start_time))

    def _is_obsolete(self, recovery_file: RecoveryFile, record: RecoveryRecord, observed: Deployment | None) -> bool:
        """Return whether the *recovery_file* is obsolete: the deployment of its *record*, or a newer one, runs."""
        if observed is None or observed.assignment_state == "stopping":
            return False
        if any("stop" in applied.kinds for applied in (self._applied_before_rollback, self._applier.applied_steps)):
            self._state.warn(*superseded_warning(record, observed))
            return record.start_time != observed.start_time
        # No stop took effect, so a record of this run still runs. If another run wrote it, its stop may be under way.
        return recovery_file.written or self._still_runs()

    def _still_runs(self) -> bool:
        """Return whether the deployment runs at one more read."""
        with contextlib.suppress(ApiError):
            observed = self._cluster.read(self.deployment_id).from_stats(self.deployment_id)
            return observed is not None and observed.assignment_state != "stopping"
        return False

    def _handle_failure(self, error: Failure) -> Coroutine:
        """Keep the deployment as it is, roll it back, or raise *error*, as the task asks."""
        if self._should_keep(error):
            self._warn_of_unfinished(error)
        elif self._should_roll_back(error):
            yield from self._roll_back(error)
        else:
            halfway = self._applier.halfway
            self._state.warn(*([halfway_warning(halfway)] if halfway else []))
            reported = self._applier.with_writes(error)
            raise reported from reported.__cause__

    def _warn_of_unfinished(self, error: Failure) -> None:
        observed = t.cast("Deployment", self._state.observed)  # or the task would fail
        awaited = self._policy.wait_for if self._plan.after else "gone"
        warning = continues_warning(observed, awaited, accepts_zero=self._desired.accepts_zero)
        self._state.warn(warning, detail=str(error))

    def _should_keep(self, error: Failure) -> bool:
        """Return whether *error* only ends the last wait, and the task asks to keep what runs."""
        observed, plan = self._state.observed, self._plan
        stopped = observed is None or (observed.assignment_state == "stopping" and plan.after is not None)
        only_wait_failed = isinstance(error, NotReached) and self._applier.settling
        return only_wait_failed and self._policy.on_unsatisfied == "keep" and not stopped

    def _should_roll_back(self, error: Failure) -> bool:
        """Return whether to roll back: the task asks for it, or the start after the stop was refused."""
        kinds = self._applier.applied_steps.kinds
        was_stopped = "stop" in kinds or self._plan.resumed_from
        start_refused = isinstance(error, ApiError) and was_stopped and "start" not in kinds and self._plan.start
        return bool(start_refused or (kinds and self._policy.on_unsatisfied == "rollback"))

    def _should_recover(self, error: Failure) -> bool:
        """Return whether to recover: for the whole wait, by this task's clock, only nodes kept it from starting.

        A deployment that was missing at the first read, and that this task did not start, belongs to another client.
        """
        before = self._plan.before
        found_stuck = isinstance(error, NotReached) and before is not None and not self._applier.applied_steps.kinds
        asked = restarts_stuck(self._desired, self._policy)
        waited = self.budget.is_mostly_waited and not self.budget.left
        return found_stuck and asked and waited and is_stuck(self._state.observed, before)

    def _recover(self, error: NotReached) -> Coroutine:
        """Stop the stuck deployment, and start it again.

        :raises Unsatisfied: that is not allowed, or failed.
        """
        try:
            plan = self._check_consumers_again(recover(self._desired, Situation(self._state.observed, self._model_id)))
            self._cluster.refuse_unprivileged(writes_of(plan.steps))
            look_again(self._cluster, Start(plan, self._state))
        except (Refusal, ApiError) as refusal:
            raise Unsatisfied("not_recovered", f"{error} It cannot be recovered: {refusal}") from refusal
        if plan.skipped_because:
            raise Unsatisfied("not_recovered", f"{error} It is not recovered: {plan.skipped_because}.") from error
        self._state.plan = plan
        self._applier = self._applier_for(self._plan, self._decide_stuck)
        self.budget.extend()
        try:
            yield from self._applier.run()
        except Failure as later_error:
            yield from self._handle_failure(later_error)

    def _roll_back(self, error: Failure) -> Coroutine:
        """Restore the previous state.

        :raises Unsatisfied: always, with *error* and the outcome of the rollback.
        """
        requests_before, code = len(self._state.requests), "rollback_failed"
        failed = self._applier.with_writes(error)
        self.budget.extend()
        try:
            yield from self._applier.observe()
            for rollback in self._rollback_plans(error):
                plan_context = PlanContext(
                    rollback.desired, self._policy_for(rollback), None, rollback.plan, refuse_if_changed
                )
                self._applier = PlanApplier(self._run_context, plan_context)
                yield from self._applier.run()
        except Refusal as refusal:
            message = f"It was not rolled back: {self._why_not(refusal, error)}"
        except Failure as later_error:
            message = f"Rolling it back failed, too: {later_error}"
        else:
            code = error.code
            sent = len(self._state.requests) > requests_before
            message = "It was rolled back to its previous state." if sent else self._unchanged_message
        self._state.rolled_back = len(self._state.requests) > requests_before
        self._state.reached = False if self.budget.polls else None
        cause = error if isinstance(error, ApiError) else error.__cause__
        raise Unsatisfied(code, f"{failed} {message}{self._how_to_start(error)}") from cause

    def _why_not(self, refusal: Refusal, error: Failure) -> str:
        """Return why there is no rollback, without the advice that :meth:`_how_to_start` gives."""
        advised = refusal.code in OBSTACLE_CODES and self._how_to_start(error)
        return f"{refusal.reason}." if advised else str(refusal)

    def _how_to_start(self, error: Failure) -> str:
        """Return what to do, and when, if nothing runs because *error* refused the start after the stop."""
        observed, plan = self._state.observed, self._plan
        before = plan.resumed_from.stopped if plan.resumed_from else plan.before
        if before is None or plan.start is None or (observed is not None and observed.assignment_state != "stopping"):
            return ""
        path = self._desired.recovery_file if self._recovery_file and self._recovery_file.file_left_warning else None
        return f" {how_to_start(before, error, path)}"

    @property
    def _unchanged_message(self) -> str:
        """Return the message if nothing had to be restored; after a failed restart fewer allocations may run."""
        observed, before = self._state.observed, self._plan.before
        if observed is None or before is None or observed.running >= before.running:
            return "It is as it was before."
        return (
            f"Its settings are as before, and {observed.running} of {observed.number_of_allocations} allocations run."
        )

    def _rollback_plans(self, error: Failure) -> list[RollbackPlan]:
        """Return the plans that restore the previous state, checked for consumers.

        :raises Refusal: it cannot be restored, or consumers forbid it.
        """
        self._applied_before_rollback = self._applier.applied_steps
        rollbacks = plan_rollback(
            self._desired, self._model_id, self._plan, self._applier.applied_steps, self._state.observed
        )
        for rollback in rollbacks:
            self._refuse_known_refusal(error, rollback.plan.start)
        rollbacks = [rollback._replace(plan=self._check_consumers_again(rollback.plan)) for rollback in rollbacks]
        for rollback in rollbacks:
            if rollback.plan.stops:  # what is stopped already loses nothing by a start that is refused
                # The result keeps what was seen before the first write.
                look_again(self._cluster, Start(rollback.plan, dataclasses.replace(self._state)))
        warnings = [text for rollback in rollbacks for text in rollback.plan.warnings + rollback.plan.consumer_warnings]
        self._state.warn(*(text for text in warnings if text not in self._state.warnings))
        return rollbacks

    def _check_consumers_again(self, plan: Plan) -> Plan:
        """Return the *plan* as the consumers allow it that there are now."""
        if not plan.stops:
            return plan
        self._cluster.consumers.forget()
        return check_consumers(self._cluster, None, self._desired, plan, self._state)

    def _refuse_known_refusal(self, error: Failure, start: Step | None) -> None:
        """Refuse the *start* of a rollback if *error* has shown that Elasticsearch refuses it.

        :raises Refusal: it does.
        """
        refused = self._refused_start(error)
        if start is None or refused is None:
            return
        if start == refused:
            raise Refusal(
                "rollback_failed", "it is stopped, and Elasticsearch refused to start it with its previous settings"
            )
        if error.code in OBSTACLE_CODES:
            raise Refusal("rollback_failed", "it is stopped, and Elasticsearch refuses every start now")

    def _refused_start(self, error: Failure) -> Step | None:
        """Return the start that Elasticsearch refused with *error*, if it was one."""
        applier = self._applier
        start_failed = "start" in applier.sent_kinds and "start" not in applier.applied_steps.kinds
        return self._plan.start if start_failed and isinstance(error, ApiError) else None

    def _policy_for(self, rollback: RollbackPlan) -> WaitPolicy:
        """Return how to wait for *rollback*: for no more than ran before."""
        # A recovery record does not say how much ran before.
        before = None if self._plan.resumed_from else self._plan.before
        wait_for = wait_for_on_rollback(before, self._policy.wait_for) if rollback.plan.after else self._policy.wait_for
        if wait_for is None:
            return dataclasses.replace(self._policy, wait=False)
        return dataclasses.replace(self._policy, wait_for=t.cast("t.Any", wait_for))

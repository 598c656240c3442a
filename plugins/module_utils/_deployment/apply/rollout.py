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
from ..plan.readiness import kept_message
from ..plan.recovery import superseded_warning
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


class Rollout:
    """One deployment of a task, until nothing more is to be done for it."""

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
        self._before_rollback = AppliedSteps()

    @property
    def frees_later(self) -> bool:
        return self._applier.frees_later

    @property
    def _plan(self) -> Plan:
        """As it was made last."""
        return t.cast("Plan", self._state.plan)

    def _applier_for(self, plan: Plan, decide: t.Callable[[Situation], Plan]) -> PlanApplier:
        def replan(plan: Plan, observed: Deployment | None) -> Plan:
            self._state.current = self._state.observed = with_known_start_settings(observed, plan.before)
            new_plan = decide(Situation(self._state.observed, self._model_id))
            self._state.set_plan(conform(plan, self._check_replan(plan, new_plan)))
            return self._plan

        return PlanApplier(self._run_context, PlanContext(self._desired, self._policy, self._model_id, plan, replan))

    def _check_replan(self, plan: Plan, new_plan: Plan) -> Plan:
        """*new_plan*, made in place of *plan*, as far as an inference endpoint and the server allow it.

        :raises Refusal: they do not.
        """
        if not became_update(plan, new_plan):
            return check_owner(self._cluster, self._desired, new_plan)
        refuse_unsendable(self._cluster.server, new_plan.steps)
        return check_consumers(self._cluster, None, self._desired, new_plan, self._state)

    def _decide(self, situation: Situation) -> Plan:
        return decide(self._desired, situation)

    def _decide_stuck(self, situation: Situation) -> Plan:
        """What has come up meanwhile, late as it is, is not stopped."""
        observed = situation.current
        if observed is None or not (
            is_stuck(observed, observed) or observed.assignment_state in ("stopping", "failed")
        ):
            return decide(self._desired, situation)
        return recover(self._desired, situation)

    def run(self) -> Coroutine:
        """Writes and waits, in their order.

        :raises ApiError: the server refused a write; nothing was written before it that would have to be restored.
        :raises Unsatisfied: what is wanted is not there; the message says what became of it.
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
        """Remove the recovery file if what it holds runs, or something that has come after it; else tell of it."""
        recovery_file, observed = self._recovery_file, self._state.observed
        if recovery_file is None or recovery_file.record is None or recovery_file.warned:
            return
        if self._applier.may_still_stop:
            message = recovery_file.kept_message
        elif self._desired.state == "stopped":
            # A complete stop leaves nothing to start again.
            message = None if failed or observed else recovery_file.remove()
        elif self._started or self._is_obsolete(recovery_file, recovery_file.record, observed):
            message = recovery_file.remove()
        else:
            message = recovery_file.kept_message
        self._state.extra_warnings += [message] if message else []

    @property
    def _started(self) -> bool:
        """Whether what is to run was started, whatever others have done since."""
        applied = self._applier.applied_steps
        return bool(applied.start_time or ("stop" not in applied.kinds and self._before_rollback.start_time))

    def _is_obsolete(self, recovery_file: RecoveryFile, record: RecoveryRecord, observed: Deployment | None) -> bool:
        """Whether *observed* runs, and is what the *recovery_file* was for, or has come after what it has *record*."""
        if observed is None or observed.assignment_state == "stopping":
            return False
        if any("stop" in applied.kinds for applied in (self._before_rollback, self._applier.applied_steps)):
            self._state.extra_warnings += superseded_warning(record, observed)
            return record.start_time != observed.start_time
        # No stop came through: what this run wrote down still runs. Another who wrote it may be at the stop just now.
        return recovery_file.written or self._still_runs()

    def _still_runs(self) -> bool:
        """Whether it runs at a further look."""
        with contextlib.suppress(ApiError):
            observed = self._cluster.read(self.deployment_id).without_routes(self.deployment_id)
            return observed is not None and observed.assignment_state != "stopping"
        return False

    def _handle_failure(self, error: Failure) -> Coroutine:
        """After *error*: keep what is there, restore what was, or leave it at that."""
        if self._keeps(error):
            self._state.extra_warnings.append(kept_message(str(error)))
        elif self._rolls_back(error):
            yield from self._roll_back(error)
        else:
            raise error

    def _keeps(self, error: Failure) -> bool:
        observed, plan = self._state.observed, self._plan
        stopped = observed is None or (observed.assignment_state == "stopping" and plan.after is not None)
        only_wait_failed = isinstance(error, NotReached) and self._applier.settling
        return only_wait_failed and self._policy.on_unsatisfied == "keep" and not stopped

    def _rolls_back(self, error: Failure) -> bool:
        """Whether the task asks for it; or the start was refused after the stop, and nothing would run."""
        kinds = self._applier.applied_steps.kinds
        was_stopped = "stop" in kinds or self._plan.resumed_from
        start_refused = isinstance(error, ApiError) and was_stopped and "start" not in kinds and self._plan.start
        return bool(start_refused or (kinds and self._policy.on_unsatisfied == "rollback"))

    def _should_recover(self, error: Failure) -> bool:
        """Whether nothing but the nodes keep it from starting, for as long as the task waits, on our own clock.

        What was not there at first, and was not started by this task, is somebody else's.
        """
        before = self._plan.before
        found_stuck = isinstance(error, NotReached) and before is not None and not self._applier.applied_steps.kinds
        asked = restarts_stuck(self._desired, self._policy)
        return found_stuck and asked and not self.budget.left and is_stuck(self._state.observed, before)

    def _recover(self, error: NotReached) -> Coroutine:
        """Stop what is stuck, and start it again."""
        try:
            plan = self._check_consumers_again(recover(self._desired, Situation(self._state.observed, self._model_id)))
            self._cluster.refuse_unprivileged(plan.steps)
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
        """Restore what was before.

        :raises Unsatisfied: always: what went wrong, and what became of it.
        """
        requests_before, code = len(self._state.requests), "rollback_failed"
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
            message = f"It was not rolled back: {refusal}"
        except Failure as later_error:
            message = f"Rolling it back failed, too: {later_error}"
        else:
            code = error.code
            sent = len(self._state.requests) > requests_before
            message = "It was rolled back: what was before is there." if sent else self._unchanged_message
        self._state.rolled_back = len(self._state.requests) > requests_before
        self._state.reached = False if self.budget.polls else None
        cause = error if isinstance(error, ApiError) else error.__cause__
        raise Unsatisfied(code, f"{error} {message}") from cause

    @property
    def _unchanged_message(self) -> str:
        """What to say where nothing had to be restored: of a restart that went wrong less may run than before."""
        observed, before = self._state.observed, self._plan.before
        if observed is None or before is None or observed.running >= before.running:
            return "It is as it was before."
        return (
            f"Its settings are as before, and {observed.running} of {observed.number_of_allocations} allocations run."
        )

    def _rollback_plans(self, error: Failure) -> list[RollbackPlan]:
        self._before_rollback = self._applier.applied_steps
        rollbacks = plan_rollback(
            self._desired, self._model_id, self._plan, self._applier.applied_steps, self._state.observed
        )
        refused = self._refused_start(error)
        if any(rollback.plan.start and rollback.plan.start == refused for rollback in rollbacks):
            raise Refusal(
                "rollback_failed", "it is stopped now, and what was refused is the start with its own settings"
            )
        rollbacks = [rollback._replace(plan=self._check_consumers_again(rollback.plan)) for rollback in rollbacks]
        warnings = [text for rollback in rollbacks for text in rollback.plan.warnings + rollback.plan.consumer_warnings]
        self._state.extra_warnings += [text for text in warnings if text not in self._state.warnings]
        return rollbacks

    def _check_consumers_again(self, plan: Plan) -> Plan:
        """The *plan* as those allow it who have come to use the deployment since."""
        if not plan.stops:
            return plan
        self._cluster.consumers.forget()
        return check_consumers(self._cluster, None, self._desired, plan, self._state)

    def _refused_start(self, error: Failure) -> Step | None:
        applier = self._applier
        start_failed = "start" in applier.sent_kinds and "start" not in applier.applied_steps.kinds
        return self._plan.start if start_failed and isinstance(error, ApiError) else None

    def _policy_for(self, rollback: RollbackPlan) -> WaitPolicy:
        before = None if self._plan.resumed_from else self._plan.before  # how much of that ran nobody knows any more
        wait_for = wait_for_on_rollback(before, self._policy.wait_for) if rollback.plan.after else self._policy.wait_for
        if wait_for is None:
            return dataclasses.replace(self._policy, wait=False)
        return dataclasses.replace(self._policy, wait_for=t.cast("t.Any", wait_for))

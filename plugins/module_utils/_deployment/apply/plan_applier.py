# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apply one plan.

A write is sent again only after a read has shown that it took no effect; a stop that hangs is sent twice.
"""

from __future__ import annotations

import contextlib
import typing as t

from ..._core.errors import ApiError, Failure, NotReached, Unsatisfied
from ..._core.http.client import Request
from ..._ml.deployment import Deployment
from ..api.snapshot import Snapshot
from ..plan.diff import missing_settings
from ..plan.endpoint_updates import desired_by, is_followed, refuse_not_passed_on, refuse_second_update
from ..plan.order import send_order
from ..plan.readiness import (
    Readiness,
    failed_message,
    is_new_instance,
    judge_readiness,
    nodes_without_targets,
    restarted_message,
    stop_readiness,
    update_readiness,
)
from ..plan.rollback import AppliedSteps
from ..plan.write_outcome import describe_writes, is_uncertain, judge_write, may_have_been_applied, start_mismatch
from ..records.step import Step, StepKind
from .consumers import chunking_warnings, with_owner_hint
from .context import PlanContext, RunContext
from .scheduler import TRANSIENT, Coroutine, Judge, Observation, Pause, ReadyToSend, Suspension, Unblocked, WaitFor

ATTEMPTS = 4
"""The most often that a write is sent, each time after a read showed that it took no effect."""

ALREADY_DONE = (400, 404, 409)
"""Answers to a first request which show that it did nothing, because another client was quicker."""

UPDATABLE = "ready for an update"
UNKNOWN = "Whether the request took effect is not known"

NOT_FROM_ELASTICSEARCH = ("answer", "product")
"""Kinds of errors that are not from Elasticsearch: a gateway's 404 does not say what became of the request."""


class PlanApplier:
    """One plan that is applied. :func:`run_all` drives it, orders the writes of all plans and polls for them.

    ``plan``: the plan as it was made last. ``sent_kinds``: the kinds of the writes that were sent, whatever their
    outcome. ``settling``: all writes are applied, and only the wait is left. ``may_still_stop``: the answer to a stop
    was lost, and the last read showed no effect of it yet. ``halfway``: the deployment as it was read after the first
    of two updates, while the second one is not applied.
    """

    def __init__(self, run_context: RunContext, plan_context: PlanContext) -> None:
        self.deployment_id = plan_context.desired.deployment_id
        self.budget = run_context.budget
        self.plan = plan_context.plan
        self.settling = False
        self.may_still_stop = False
        self.halfway: Deployment | None = None
        self._cluster = run_context.cluster
        self._state = run_context.state
        self._server_timeout = run_context.server_timeout
        self._recovery_file = run_context.recovery_file
        self._desired = plan_context.desired
        self._policy = plan_context.policy
        self._model_id = plan_context.model_id
        self._replan = plan_context.replan
        self._second_stop_message = ""
        self._steps_left = list(plan_context.plan.steps)
        self.sent_kinds: set[StepKind] = set()
        self._applied_kinds: set[StepKind] = set()
        self._accepted_kinds: list[StepKind] = []
        self._start_time: str | None = None
        self._stop_pending = plan_context.plan.stops_or_waits_for_stop

    @property
    def frees_later(self) -> bool:
        """Return whether capacity is still to be freed; a stop has freed it when a read shows that it is complete."""
        return self._stop_pending or any(send_order(self.plan, step).frees for step in self._steps_left)

    @property
    def applied_steps(self) -> AppliedSteps:
        """Return the writes that took effect, or may have."""
        return AppliedSteps(frozenset(self._applied_kinds), self._start_time, self.halfway)

    def with_writes(self, error: Failure) -> Failure:
        """Return *error*; if it does not say it, with the writes that were accepted, or that nothing was sent."""
        unsent = [step.kind for step in self._steps_left if step.kind not in self.sent_kinds]
        said = describe_writes(list(dict.fromkeys(self._accepted_kinds)), unsent, any_sent=bool(self.sent_kinds))
        if not said or self.halfway or not isinstance(error, (ApiError, Unsatisfied)):
            return error
        if error.code == "unknown_outcome":
            return error
        if not self._accepted_kinds and not isinstance(error, (ApiError, NotReached)):
            return error  # it says what was not done
        found = Unsatisfied(error.code, f"{error} {said}")
        found.__cause__ = error if isinstance(error, ApiError) else error.__cause__
        return found

    def run(self) -> Coroutine:
        """Send the writes and wait, in their order.

        :raises ApiError: Elasticsearch refused a write; nothing is sent after it.
        :raises Refusal: a change by another client forbids the next write.
        :raises Unsatisfied: a write could not be sent in time, another client changed the deployment, or the desired
            state is not reached.
        """
        try:
            yield from self._apply()
            self.settling = True
            if self._policy.wait and not self.plan.skipped_because:
                yield from self._settle()
                self._state.reached = True
            elif self.plan.changed and self.plan.after is None:
                yield from self.observe()
        except Failure as error:
            self._state.reached = False if self.budget.polls else None
            if isinstance(error, ApiError) and self._is_stopped:
                message = (
                    f"Deployment '{self.deployment_id}' was stopped; the task could not check that it is gone: {error}"
                )
                raise Unsatisfied("unknown_outcome", message) from error
            raise
        finally:
            self._state.seconds, self._state.polls = self.budget.seconds, self.budget.polls

    @property
    def _is_stopped(self) -> bool:
        """Return whether a stop without a start has taken effect, as far as is known."""
        return self.plan.after is None and "stop" in self._applied_kinds and self._state.observed is None

    def _apply(self) -> Coroutine:
        if self._recovery_file:
            self._recovery_file.keep(self.plan)
        while self._steps_left:
            yield from self._send_next()

    def _settle(self) -> Coroutine:
        """Wait for ``wait_for``, or for the end of a stop, unless it is reached already."""
        if self.plan.after is None:
            yield from self._wait_for_stop()
            return

        def judge(observed: Deployment | None) -> Readiness:
            return judge_readiness(observed, self._policy.wait_for, accepts_zero=self._desired.accepts_zero)

        if self.plan.changed or judge(self._state.observed).state != "ready":
            try:
                yield from self._wait_until_ready(self._policy.wait_for, judge)
            except NotReached:
                self._check_conflict()  # another client may have asked for more
                raise
        self._check_conflict()

    def _check_conflict(self) -> None:
        """Compare what was read last with the desired state: another client may have written after this task.

        :raises Unsatisfied: another client changed the deployment.
        """
        observed, start = self._state.observed, self.plan.start
        if observed is None:
            return
        if start is None:
            differences = missing_settings(self._desired, observed, self._model_id)
        else:
            differences = start_mismatch(self.plan, start, self._desired, self._model_id, observed)
        if differences:
            listed = "; ".join(map(str, differences))
            raise Unsatisfied(
                "conflict", f"Deployment '{observed.deployment_id}' was changed by another client meanwhile: {listed}."
            )

    def _wait_for_stop(self) -> Coroutine:
        """Wait until the stop is complete; send it again when half of the time is over.

        :raises NotReached: it is not.
        """
        if self._stop_pending:
            readiness = yield from self._wait_for(self._stop_readiness, reserve=self.budget.left / 2)
            if readiness.state == "progressing" and self.budget.left:
                self._stop_again()
                readiness = yield from self._wait_for(self._stop_readiness)
            self._require_ready("gone", readiness)
        self._stop_pending = False

    def _stop_readiness(self, observed: Deployment | None) -> Readiness:
        return stop_readiness(observed, self.plan.before)

    def _update_readiness(self, observed: Deployment | None) -> Readiness:
        return update_readiness(observed, self.plan.before)

    def _stop_again(self) -> None:
        """Send the stop again: Elasticsearch may have lost it, and accepts a second one (server-behaviour.md 3.3)."""
        if self._state.observed is None or self._state.observed.assignment_state != "stopping":
            return
        step = next(
            (planned for planned in self.plan.steps if planned.kind == "stop"), Step("stop", self.deployment_id)
        )
        request = self._request(step)
        waited = self.budget.seconds
        try:
            self._cluster.send(step, request, {})
        except ApiError as exc:
            self._second_stop_message = f" A second stop after {waited:g} seconds did not help: {exc}"
        else:
            self._second_stop_message = f" A second stop after {waited:g} seconds did not help."
            self._state.note_sent(request)

    def _send_next(self) -> Coroutine:
        """Send the next write, if the deployment still needs it."""
        attempts = 0
        while (step := (yield from self._next_step(attempts))) is not None:
            request = self._request(step)
            attempts += 1
            self.sent_kinds.add(step.kind)
            try:
                answer = self._cluster.send(step, request, self._node_names())
            except ApiError as exc:
                error = with_owner_hint(exc, self.plan, self._cluster)
                if (yield from self._should_retry(step, request, error)):
                    self.may_still_stop = step.kind == "stop"
                    if attempts == ATTEMPTS or not (yield Pause()):
                        raise
                    continue
                if attempts == 1 and error.status in ALREADY_DONE and error.kind not in NOT_FROM_ELASTICSEARCH:
                    break  # another client did the same first
            else:
                # A stop is answered when it is complete, which the next read has to confirm (server-behaviour.md 1.3).
                self._state.observed = None if step.kind == "stop" else answer or self._state.observed
            self._note_applied(step, request)
            self._accepted_kinds.append(step.kind)
            if step.kind == "start" and self._state.observed:
                self._start_time = self._state.observed.start_time
            if step.endpoint_type:
                yield from self._check_endpoint_update(step)
            break
        if step is not None:
            del self._steps_left[0]

    def _next_step(self, attempts: int) -> t.Generator[Suspension, t.Any, Step | None]:
        """Return the next write when it is its turn; ``None`` if no write of its kind is needed any more.

        *attempts*: how often it was sent before, each time without a known outcome.
        """
        step = self._steps_left[0]
        if step.kind == "update":
            return (yield from self._next_update(step))
        if step.kind == "start":  # Elasticsearch accepts it only when the old one is gone
            yield from self._wait_for_stop()
        yield ReadyToSend(send_order(self.plan, step))
        return (yield from self._next_stop(step, attempts)) if step.kind == "stop" else step

    def _next_update(self, step: Step) -> t.Generator[Suspension, t.Any, Step | None]:
        """Return the update when the deployment can take it, planned again if time has passed.

        Elasticsearch updates only a started deployment.
        """
        while True:
            observed = self._state.observed
            waits = observed is None or observed.assignment_state != "started"
            if waits:
                yield from self._wait_until_ready(UPDATABLE, self._update_readiness)
            unblocked: Unblocked | None = yield ReadyToSend(send_order(self.plan, step))
            if not (waits or unblocked):
                return step
            if unblocked:
                yield from self._observe_stats(unblocked.snapshot)
            readiness = self._update_readiness(self._state.observed)
            if readiness.state != "progressing":
                self._require_ready(UPDATABLE, readiness)
                return self._step_after_replan()

    def _next_stop(self, step: Step, attempts: int) -> t.Generator[Suspension, t.Any, Step | None]:
        """Return the stop if a read right before it shows the deployment that the plan is for.

        Elasticsearch stops whatever has the id, also a deployment that another client has started since.

        :raises Unsatisfied: another client has started it again.
        """
        try:
            yield from self._observe_stats()
        except ApiError as error:
            if not attempts:
                raise
            self._note_applied(step, self._request(step))  # it may have been
            message = f"Whether the stop of deployment '{self.deployment_id}' took effect is not known: {error}"
            raise Unsatisfied("unknown_outcome", message) from error
        observed = self._state.observed
        if observed is not None and is_new_instance(observed, self.plan.before):
            raise Unsatisfied(
                "conflict", f"The task did not stop deployment '{self.deployment_id}': {restarted_message(observed)}."
            )
        if observed is not None and attempts:
            return step
        stopping = observed is None or observed.assignment_state == "stopping"
        if not attempts and not (stopping and self._desired.on_missing == "start"):
            return self._step_after_replan()
        if attempts:  # an earlier one took effect late
            self._note_applied(step, self._request(step))
        del self._steps_left[0]
        return None

    def _step_after_replan(self) -> Step | None:
        """Replan from the last read, and return the first write if it is of the kind that was due.

        :raises Refusal: there is no plan, or it needs a write that was not planned before.
        """
        if self.halfway:
            refuse_second_update(
                self.plan, desired_by(self.plan, self.plan.steps[0], self._desired), self._state.observed
            )
            return self._steps_left[0]
        due_kind = self._steps_left[0].kind
        self.plan = self._replan(self.plan, self._state.observed)
        self._steps_left = list(self.plan.steps)
        self._stop_pending = self.plan.stops_or_waits_for_stop
        if self._recovery_file:
            self._recovery_file.keep(self.plan)
        first = self._steps_left[0] if self._steps_left else None
        return first if first and first.kind == due_kind else None

    def _check_endpoint_update(self, step: Step) -> Coroutine:
        """Check by a read that an inference endpoint passed an update on; its answer does not say so.

        :raises Unsatisfied: the deployment is unchanged, or must not get the update that follows.
        """
        before, self.halfway = self.halfway or self.plan.before, None
        warnings = chunking_warnings(self._cluster, step)
        self._state.warn(*(text for text in warnings if text not in self._state.extra_warnings))
        yield from self.observe()
        desired, observed = desired_by(self.plan, step, self._desired), self._state.observed
        refuse_not_passed_on(before, desired, observed)
        if is_followed(self.plan, step):
            refuse_second_update(self.plan, desired, observed)
            self.halfway = observed

    def _note_applied(self, step: Step, request: Request) -> None:
        self._state.note_applied(request)
        self._applied_kinds.add(step.kind)
        self.may_still_stop = False

    def _should_retry(self, step: Step, request: Request, error: ApiError) -> t.Generator[Suspension, t.Any, bool]:
        """Return after an error whether to send the write again; false if it took effect.

        :raises ApiError: *error*, if Elasticsearch rejected the write.
        :raises Unsatisfied: another client changed the deployment, or the outcome is unknown.
        """
        uncertain = is_uncertain(step, error)
        try:
            yield from self.observe(retry=uncertain)
        except ApiError as read_error:
            if not uncertain:
                raise error from read_error
            self._note_applied(step, request)  # it may have been
            raise Unsatisfied("unknown_outcome", f"{error} {UNKNOWN}: {read_error}") from error
        if not uncertain:
            raise error
        verdict = judge_write(self.plan, step, self._desired, self._model_id, error, self._state.observed)
        if verdict.kind == "conflict":
            message = f"{error} Deployment '{step.deployment_id}' is not as planned: {verdict.why}."
            if may_have_been_applied(error):  # another client may have changed it after that
                self._note_applied(step, request)
                message += f" {UNKNOWN}."
            raise Unsatisfied("conflict", message) from error
        if verdict.kind == "rejected":
            raise error
        return verdict.kind == "retry"

    def _wait_until_ready(self, awaited: str, judge: Judge) -> Coroutine:
        """Wait until *judge* says ready; *awaited* names that in the message.

        :raises NotReached: it does not.
        """
        self._require_ready(awaited, (yield from self._wait_for(judge)))

    def _wait_for(self, judge: Judge, reserve: float = 0.0) -> t.Generator[Suspension, t.Any, Readiness]:
        """Wait, and return the last readiness, confirmed by the cluster state, which alone shows the routes' targets.

        *reserve*: seconds of the budget that are left for later.
        """
        observation: Observation = yield WaitFor(judge, at_once=True, reserve=reserve)
        readiness = self._judge_with_targets(observation, judge)
        while readiness.state == "progressing" and self.budget.left > reserve:
            observation = yield WaitFor(judge, at_once=False, why=readiness.why, reserve=reserve)
            readiness = self._judge_with_targets(observation, judge)
        return readiness

    def _require_ready(self, awaited: str, readiness: Readiness) -> None:
        """Fail unless *readiness* is ready; *awaited* names what was waited for.

        :raises NotReached: it is not.
        """
        if readiness.state == "failed":
            raise NotReached("not_ready", failed_message(self.deployment_id, awaited, readiness))
        if readiness.state == "progressing":
            raise NotReached(
                "not_ready_in_time",
                f"Deployment '{self.deployment_id}' is not {awaited} after {self.budget.timeout:g} seconds: "
                f"{readiness.why}.{self._second_stop_message}",
            )

    def _judge_with_targets(self, observation: Observation, judge: Judge) -> Readiness:
        """Note the deployment of a poll, with the targets of its routes if they can be read; return its readiness."""
        self._state.observed = observation.snapshot.from_stats(self.deployment_id)
        if observation.poll_error:
            why = f"{observation.readiness.why}, and the last poll failed: {observation.poll_error}"
            return Readiness("progressing", why)
        if self._state.observed is not None:
            with contextlib.suppress(ApiError):
                self._state.observed = observation.snapshot.with_targets(self.deployment_id)
        readiness = observation.readiness
        if readiness.state != "failed":
            readiness = judge(self._state.observed)
        if readiness.state == "progressing" and self._state.observed and self._cluster.hides_targets:
            readiness = readiness._replace(why=readiness.why + nodes_without_targets(self._state.observed))
        return readiness

    def observe(self, retry: bool = True) -> Coroutine:
        """Read the deployment with its routes, and note it. *retry*: repeat a read with a transient error."""
        yield from self._retry_read(
            lambda: self._cluster.read(self.deployment_id).with_targets(self.deployment_id), retry
        )

    def _observe_stats(self, snapshot: Snapshot | None = None) -> Coroutine:
        """Read only the statistics, or nothing with a *snapshot*: right before a write it has to be quick."""
        yield from self._retry_read(
            lambda: (snapshot or self._cluster.read(self.deployment_id)).from_stats(self.deployment_id)
        )

    def _retry_read(self, read: t.Callable[[], Deployment | None], retry: bool = True) -> Coroutine:
        """Note the result of *read*. With *retry*, repeat it after transient errors while there is time to wait."""
        while True:
            try:
                self._state.observed = read()
                self._stop_pending = self._stop_pending and self._state.observed is not None
                return
            except ApiError as error:
                may_repeat = retry and self._policy.wait and error.kind in TRANSIENT
                if not may_repeat or not (yield Pause()):
                    raise

    def _request(self, step: Step) -> Request:
        return self._cluster.to_request(step, self._server_timeout)

    def _node_names(self) -> dict[str, str]:
        known = self._state.observed or self.plan.before
        return known.node_names if known else {}

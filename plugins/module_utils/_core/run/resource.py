# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run of a task on one small resource: read, plan, send the steps one by one, and read again after each.

What a resource has of its own is a :class:`.resource_kind.Resource`. The rest is the same for all: check mode, diff,
privileges of the user, uncertain writes, waiting, the result with its fact, and the predictions of a dry run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import typing as t

from ..errors import ApiError, Difference, Failure, Refusal, Unsatisfied
from ..http.client import Request
from ..options.connection import connection
from ..options.facts import require_fact_name
from ..plan import Plan, diff
from ..server import Server
from ..warning import WarningText
from ..write_outcome import counts_as_change, is_shown_by_state, is_uncertain, judge_write, may_have_been_applied
from .clock import Clock, SystemClock
from .cluster import Connect, refuse_old_server
from .internal_error import InternalError
from .long_work import NO_WAIT, Readiness, Work, wait_until_ready
from .predictions import Predicted
from .progress import ProgressCallback, no_progress
from .resource_kind import C, D, K, Params, Resource, S
from .result import Json, Outcome, failure, without_facts
from .wait import TaskTime, WaitBudget

ATTEMPTS = 3
"""How often a write is sent, and how often read what does not show it yet."""
PAUSE = 1.0
"""Seconds between two attempts."""
_UNKNOWN = "It is not known whether it took effect"


def run_resource(
    resource: Resource[K, D, C, S],
    params: Params,
    check_mode: bool,
    connect: Connect[K],
    clock: Clock | None = None,
    show_progress: ProgressCallback = no_progress,
) -> Outcome:
    """Bring a resource into the state that validated *params* ask for. Return errors as a failed result.

    *show_progress* gets the progress of long steps and waits.
    """
    run = _Run(resource, params, check_mode, clock or SystemClock(), show_progress)
    try:
        run.run(connect)
    except Failure as exc:
        return run.failed(exc)
    except Exception as exc:
        return run.failed(InternalError(exc))
    return Outcome(run.as_result(), run.warnings)


def run_without_fact(
    resource: Resource[K, D, C, S],
    params: Params,
    check_mode: bool,
    connect: Connect[K],
    clock: Clock | None = None,
    show_progress: ProgressCallback = no_progress,
    *,
    unseen: WarningText,
) -> Outcome:
    """Do the same for a resource that has no fact.

    *unseen*: the warning that later tasks of a dry run do not see the change.
    """
    params = {**params, "fact_name": "", "predictions": None}
    outcome = run_resource(resource, params, check_mode, connect, clock, show_progress)
    warnings = outcome.warnings
    if check_mode and outcome.result["changed"]:
        warnings = (*warnings, unseen)
    return Outcome(without_facts(outcome.result), warnings)


def empty_result(resource: Resource[t.Any, t.Any, t.Any, t.Any]) -> Json:
    """Return the result if nothing was read."""
    return without_facts(_Run(resource, {"fact_name": ""}, False, SystemClock()).as_result())


class _Run(t.Generic[K, D, C, S]):
    def __init__(
        self,
        resource: Resource[K, D, C, S],
        params: Params,
        check_mode: bool,
        clock: Clock,
        show_progress: ProgressCallback = no_progress,
    ) -> None:
        self._resource = resource
        self._params = params
        self._check_mode = check_mode
        self._clock = clock
        self._show_progress = show_progress
        self._budget = WaitBudget(NO_WAIT.timeout, NO_WAIT.every, clock)
        self._reached: bool | None = None
        """Whether the wait ended well, ``None`` if the task did not wait."""
        self._server: Server | None = None
        self._name = ""
        self._desired: D | None = None
        self._first: C | None = None
        self._current: C | None = None
        """What was read first, and last."""
        self._plan: Plan[S] | None = None
        self._requests: list[Request] = []
        self._changed = False
        self._follows_prediction = False
        self.warnings: tuple[WarningText, ...] = ()

    def run(self, connect: Connect[K]) -> None:
        """Read, plan, and send the steps of the plan unless in check mode.

        :raises Failure: the desired state is not reached.
        """
        resource, params, task_time = self._resource, self._params, TaskTime(self._clock)
        self._desired = desired = resource.desired(params)
        self._name = resource.name_of(desired)
        require_fact_name(params)
        policy = resource.wait_policy(desired) if resource.wait_policy else NO_WAIT
        self._budget = WaitBudget(policy.timeout, policy.every, self._clock)
        self._budget.start()
        with contextlib.closing(connect(connection(params), self._clock.sleep)) as cluster:
            with cluster.planning(task_time, policy.timeout if resource.wait_policy else math.inf):
                desired, plan = self._planned(cluster, desired)
            if self._check_mode:
                self._changed = plan.changed
                self._requests = [call for step in plan.steps for call in resource.requests(step, cluster.server)]
                return
            if plan.changed:
                cluster.refuse_unprivileged({resource.write_of(step) for step in plan.steps})
                self._apply(cluster, desired, plan)
            if policy.wait:
                self._wait(cluster, desired)
            self.warnings += resource.tidy(cluster, desired, t.cast("C", self._current))

    def _planned(self, cluster: K, desired: D) -> tuple[D, Plan[S]]:
        """Return *desired*, completed by the cluster, and the plan from what is there."""
        self._server = cluster.read_server()
        refuse_old_server(self._server)
        self._desired = desired = self._follow(cluster, desired)
        self._first = self._current = self._resource.read(cluster, desired)
        self._plan = plan = self._resource.plan(desired, self._first, self._server)
        self.warnings += plan.warnings
        return desired, plan

    def _wait(self, cluster: K, desired: D) -> None:
        """Wait until the resource is ready.

        :raises NotReached: it is not in time, or will never be.
        """

        def probed() -> Readiness:
            self._current = self._resource.probe(cluster, desired, t.cast("C", self._current))
            return self._resource.readiness(desired, self._current)

        def observe() -> Readiness:
            cluster.forget()
            self._current = self._resource.read(cluster, desired)
            return probed()

        self._reached = False
        with cluster.within(self._work().time_left):
            first = probed()
        wait_until_ready(self._subject, first, observe, cluster, self._work())
        self._reached = True

    def _work(self) -> Work:
        return Work(self._name, self._budget, self._clock, self._show_progress, self._note_applied, self._warn)

    def _warn(self, warning: WarningText) -> None:
        self.warnings += (warning,)

    def _follow(self, cluster: K, desired: D) -> D:
        """Let the reads of *cluster* show what earlier tasks of a dry run would have made, and only in a dry run.

        The connection may be that of an earlier task, with what that one followed. Return *desired*, completed by the
        cluster.
        """
        params = self._params if self._check_mode else {**self._params, "predictions": None}
        self._resource.follow(cluster, params)
        desired = self._resource.resolve(cluster, desired)
        self._name = self._resource.name_of(desired)
        predicted = Predicted(params, self._resource.kind, self._resource.entry)
        self._follows_prediction = self._name in predicted.on(cluster.server)
        self.warnings += predicted.not_followed(self._name, self._resource.noun, cluster.server)
        return desired

    def _apply(self, cluster: K, desired: D, plan: Plan[S]) -> None:
        """Send the steps of *plan* in their order. A read after each one shows what is there.

        :raises ApiError: Elasticsearch refused a step.
        :raises Refusal: it did, and a plan from what is there now says why.
        :raises Unsatisfied: another client has changed the resource, or the outcome is unknown.
        """
        while plan.steps:
            is_long = plan.steps[0].kind in self._resource.long_steps
            plan = (self._apply_long if is_long else self._send_first)(cluster, desired, plan)

    def _apply_long(self, cluster: K, desired: D, plan: Plan[S]) -> Plan[S]:
        """Let the resource apply the first step of *plan*, which is more than one request.

        It repeats by itself what may be repeated, and what it says of a failure is final.
        """
        step, work = plan.steps[0], self._work()
        try:
            with cluster.within(work.time_left):
                self._resource.long_steps[step.kind].apply(cluster, desired, step, work)
        except Failure:
            with contextlib.suppress(Failure):  # the result shows what is there, if it can be read
                self._plan_again(cluster, desired)
            raise
        return self._after_success(cluster, desired, plan)

    def _send_first(self, cluster: K, desired: D, plan: Plan[S]) -> Plan[S]:
        """Send the first step of *plan* until it has taken effect. Return the plan for what is left.

        A write without an answer may still take effect when the next attempt is sent, and be the reason why that fails.
        """
        step = plan.steps[0]
        request = self._resource.request(step, cluster.server)
        attempt, may_be_ours = 1, False
        while True:
            try:
                cluster.write(f"{step.kind} {self._subject}", request, self._resource.write_of(step))
            except ApiError as error:
                if self._resource.passes(step, error) and self._budget.left:
                    self._clock.sleep(min(PAUSE, self._budget.left))
                    continue
                may_be_ours |= may_have_been_applied(error)
                explained = self._resource.explain(desired, step, error)
                left = self._after_error(cluster, desired, plan, request, explained, may_be_ours)
                if left is not None:
                    return left
                if attempt == ATTEMPTS:
                    raise explained from error
                attempt += 1
                self._clock.sleep(PAUSE)
                continue
            self._note_applied(request)
            if plan.operation == "recreate" and step.kind in self._resource.gaps:
                # A read here would only lengthen the time without the resource.
                return dataclasses.replace(plan, before=None, steps=plan.steps[1:])
            return self._after_success(cluster, desired, plan)

    def _after_error(
        self, cluster: K, desired: D, plan: Plan[S], request: Request, error: ApiError, may_be_ours: bool
    ) -> Plan[S] | None:
        """Return the plan for what is left if the write took effect in spite of *error*; ``None`` to send it again.

        *may_be_ours*: this attempt or an earlier one may have taken effect, and be what is there.

        :raises Failure: it may not be sent again.
        """
        if not is_shown_by_state(error):
            raise error
        try:
            observed = self._plan_again(cluster, desired)
        except (ApiError, Refusal) as found:
            unchanged = isinstance(found, Refusal) and self._observed == plan.before
            if unchanged or not (is_uncertain(error) or may_be_ours):
                raise (found if isinstance(found, Refusal) else error) from error
            self._note_applied(request)  # it may have been
            code = "conflict" if isinstance(found, Refusal) else "unknown_outcome"
            raise Unsatisfied(code, f"{error} {_UNKNOWN}: {found}") from error
        outcome = judge_write(plan, error, observed)
        if counts_as_change(outcome, error, may_be_ours):
            self._note_applied(request)
        if outcome == "conflict":
            raise Unsatisfied("conflict", f"{error} {self._conflict(plan, observed)}") from error
        if outcome == "rejected":
            raise error
        return observed if outcome == "applied" else None

    def _after_success(self, cluster: K, desired: D, plan: Plan[S]) -> Plan[S]:
        """Return the plan for what is left after an accepted write, once a read shows it.

        :raises Unsatisfied: none does, or another client has changed the resource since.
        """
        for _attempt in range(ATTEMPTS):
            try:
                observed = self._plan_again(cluster, desired)
            except Refusal as refusal:
                text = f"Another client has changed {self._subject} after the task: {refusal}"
                raise Unsatisfied("conflict", text) from refusal
            except ApiError as error:
                text = f"Elasticsearch has accepted the change of {self._subject}, but it cannot be read back: {error}"
                raise Unsatisfied("unknown_outcome", text) from error
            outcome = judge_write(plan, None, observed)
            if outcome == "applied":
                return observed
            if outcome == "conflict":
                raise Unsatisfied("conflict", self._conflict(plan, observed))
            self._clock.sleep(PAUSE)
        text = f"Elasticsearch has accepted the change of {self._subject}, but it does not show"
        raise Unsatisfied("unknown_outcome", text)

    def _plan_again(self, cluster: K, desired: D) -> Plan[S]:
        cluster.forget()
        self._current = self._resource.read(cluster, desired)
        return self._resource.plan(desired, self._current, cluster.server)

    def _note_applied(self, request: Request) -> None:
        """Note a write that changed something, or may have."""
        self._requests.append(request)
        self._changed = True

    @property
    def _subject(self) -> str:
        return f"{self._resource.noun} '{self._name}'"

    def _conflict(self, plan: Plan[S], observed: Plan[S]) -> str:
        """Return that what is there now is neither what *plan* began with nor what it leads to."""
        found, planned = (self._resource.settings(state) for state in (observed.before, plan.after))
        differences = [
            str(Difference(name, found[name], planned[name])) for name in found if found[name] != planned[name]
        ]
        text = f"{self._subject} is not as planned, because another client changes it: {'; '.join(differences)}."
        return text[0].upper() + text[1:]

    def failed(self, error: Failure) -> Outcome:
        """Return the outcome of a task that ended with *error*: what was read last, without what was only planned."""
        self._changed = self._changed and not self._check_mode
        result = {**without_facts(self._result(self._observed)), **failure(error)}
        return Outcome(result, self.warnings)

    def as_result(self) -> Json:
        """Return the result of a task that ends well: in check mode with what would be there."""
        return self._result(self._plan.after if self._check_mode and self._plan else self._observed)

    @property
    def _observed(self) -> S | None:
        return None if self._current is None else self._resource.state_of(self._current)

    def _result(self, observed: S | None) -> Json:
        """Return the result with the resource as *observed* last, or in check mode as it would be."""
        resource, first, plan = self._resource, self._first, self._plan
        settings = resource.settings(observed)
        before = None if first is None else resource.settings(resource.state_of(first))
        after = None if first is None else settings
        shown = None if observed is None else self._shown(observed)
        waited = {"seconds": self._budget.seconds, "polls": self._budget.polls, "reached": self._reached}
        return {
            "changed": self._changed,
            "operation": plan.operation if plan and self._changed else "none",
            "skipped_because": plan.skipped_because if plan else None,
            "failure": None,
            resource.key: shown,
            **resource.result(self._desired, first),
            **resource.done(self._desired, first, self._current),
            **({"waited": waited} if resource.wait_policy else {}),
            "before": before,
            "after": after,
            "diff": diff(before, after),
            "api_calls": [request.as_result() for request in self._requests],
            "server": self._server and self._server.as_result(),
            "ansible_facts": self._facts(shown),
        }

    def _shown(self, observed: S) -> Json:
        if self._resource.shown:
            return self._resource.shown(observed)
        return {name: value for name, value in self._resource.settings(observed).items() if name != "state"}

    @property
    def _predicts(self) -> bool:
        """Return whether a real run would leave something else than what was read, by a change or a wait."""
        return self._check_mode and self._plan is not None and self._plan.before != self._plan.after

    def _facts(self, shown: Json | None) -> Json:
        """Return the fact. A resource that is not there has an entry, too: the action plugin removes an earlier one."""
        if not self._params["fact_name"] or self._first is None or self._server is None:
            return {}
        entry = {
            self._resource.key: shown,
            "cluster": self._server.cluster(),
            "addresses": self._server.addresses,
            "predicted": self._follows_prediction or self._predicts,
            **(self._resource.besides(self._first) if self._predicts else {}),
        }
        return {self._params["fact_name"]: {self._name: entry}}

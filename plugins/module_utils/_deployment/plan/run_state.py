# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that a run knows of one deployment, as one value: decisions read it, and the result is rendered from it. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._consumers.records import UsedBy
from ..._core.errors import Failure
from ..._core.http.client import Request
from ..._core.server import Server
from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..._ml.model import Model
from ..records.desired import Desired, WaitPolicy
from ..records.prediction import Places
from ..records.recovery_record import RecoveryRecord
from ..records.step import Step, StepKind
from .order import send_order
from .plan import Plan
from .rollback import AppliedSteps
from .start_conditions import NO_CHECKS, StartChecks, unread_warning

Purpose = t.Literal["task", "stuck", "rollback"]


@dataclasses.dataclass(frozen=True)
class PlanProgress:
    """A plan under way, and how far its writes have come.

    ``purpose``: the plan is what the task asks for, or restarts a deployment that is stuck, or is part of a rollback.
    ``desired``, ``model_id`` (its alias resolved), ``policy``: what it is made from, and how to wait for its effect; in
    a rollback they are not those of the task. ``steps_left``: writes that are neither applied nor found to be needless.
    ``attempts``: how often the first of them was sent. ``sent_kinds``: the kinds of the writes that were sent, whatever
    their outcome; ``accepted_kinds``: of those that Elasticsearch accepted, in their order. ``applied``: writes that
    took effect, or may have. ``awaits_stop``: a stop, sent or not, is not yet complete. ``may_still_stop``: the answer
    to a stop was lost, and the last read showed no effect of it yet. ``settling``: all writes are applied, and only the
    wait is left.
    """

    purpose: Purpose
    desired: Desired
    policy: WaitPolicy
    model_id: str | None
    plan: Plan
    steps_left: tuple[Step, ...] = ()
    attempts: int = 0
    sent_kinds: frozenset[StepKind] = frozenset()
    accepted_kinds: tuple[StepKind, ...] = ()
    applied: AppliedSteps = AppliedSteps()
    awaits_stop: bool = False
    may_still_stop: bool = False
    settling: bool = False

    @classmethod
    def of(
        cls, purpose: Purpose, desired: Desired, policy: WaitPolicy, model_id: str | None, plan: Plan
    ) -> PlanProgress:
        """Return the progress of a *plan* of which nothing was sent."""
        return cls(purpose, desired, policy, model_id, plan, plan.steps, awaits_stop=plan.stops_or_waits_for_stop)

    def with_plan(self, plan: Plan) -> PlanProgress:
        """Return the progress with *plan*, which was just made, in place of the last one."""
        return dataclasses.replace(self, plan=plan, steps_left=plan.steps, awaits_stop=plan.stops_or_waits_for_stop)

    @property
    def unsent_kinds(self) -> list[StepKind]:
        """Return the kinds of the writes that were not sent."""
        return [step.kind for step in self.steps_left if step.kind not in self.sent_kinds]

    @property
    def frees_later(self) -> bool:
        """Return whether capacity is still to be freed; a stop has freed it when a read shows that it is complete."""
        return self.awaits_stop or any(send_order(self.plan, step).frees for step in self.steps_left)


@dataclasses.dataclass(frozen=True)
class RunState:
    """The state of a run, for one deployment.

    ``current``: the deployment as it was read before planning. ``observed``: as it was read last, or in check mode as
    it would be; then ``places`` says how certain its nodes are, and ``moved`` which other deployments change theirs.
    ``follows_prediction``: an earlier task of the dry run would have made what was read. ``plan``: what the task does,
    as it was planned last; a plan of a rollback is in ``progress`` only. ``before_rollback``: the writes of ``plan``
    that a rollback has to undo. ``unattainable``: why waiting cannot help, if the task keeps that.
    ``record``: what the recovery file has; ``record_written``: by this run.
    """

    desired: Desired
    policy: WaitPolicy
    server: Server | None = None
    model_id: str | None = None
    read: bool = False
    current: Deployment | None = None
    observed: Deployment | None = None
    follows_prediction: bool = False
    plan: Plan | None = None
    predicted: bool = False
    places: Places | None = None
    moved: tuple[str, ...] = ()
    unattainable: str | None = None
    record: RecoveryRecord | None = None
    record_written: bool = False
    progress: PlanProgress | None = None
    before_rollback: AppliedSteps = AppliedSteps()
    requests: tuple[Request, ...] = ()
    changed: bool = False
    rolled_back: bool = False
    seconds: float = 0.0
    polls: int = 0
    reached: bool | None = None
    more_warnings: tuple[WarningText, ...] = ()
    """Warnings that are not the plan's."""
    details: tuple[str, ...] = ()
    """What warnings must not name: reasons that Elasticsearch gives, and paths."""
    start_checks: StartChecks = dataclasses.field(default_factory=lambda: NO_CHECKS)
    used_by: UsedBy | None = None
    start_model: Model | None = None
    """The model that the plan starts."""
    expected: Deployment | None = None
    """The deployment after the plan, as Elasticsearch would show it; its places are not predicted."""
    error: Failure | None = None

    @property
    def deployment_id(self) -> str:
        return self.desired.deployment_id

    @property
    def skipped_because(self) -> str | None:
        """Return why the plan leaves the deployment as it is, if a policy says so."""
        return self.plan.skipped_because if self.plan else None

    @property
    def is_unremarkable(self) -> bool:
        """Return whether there is nothing to report: not changed, not failed, not skipped, no details."""
        return not (self.changed or self.error or self.skipped_because or self.details)

    @property
    def warnings(self) -> tuple[WarningText, ...]:
        """Return the warnings of the plan, and the others; not that it was skipped."""
        plan_warnings = self.plan.warnings + self.plan.consumer_warnings if self.plan else ()
        return (*plan_warnings, *self._start_warnings, *self.more_warnings)

    @property
    def _start_warnings(self) -> tuple[WarningText, ...]:
        """Return a warning if something may refuse the start after a stop that could not be read before."""
        recreates = self.plan and self.plan.stops and self.plan.start
        return unread_warning(self.deployment_id, self.start_checks) if recreates else ()

    def warned(self, *warnings: WarningText, detail: str = "") -> RunState:
        """Return the state with *warnings* that it does not have yet; *detail* is what they must not name."""
        if not warnings:
            return self
        new = tuple(text for text in dict.fromkeys(warnings) if text not in self.warnings)
        details = (detail,) if warnings and detail and detail not in self.details else ()
        return dataclasses.replace(self, more_warnings=self.more_warnings + new, details=self.details + details)

    def planned(self, plan: Plan) -> RunState:
        """Return the state with the *plan* that counts from now on; without consumers, if that stops nothing."""
        if plan is self.plan:
            return self
        return dataclasses.replace(self, plan=plan, used_by=self.used_by if plan.stops else None)

    def given_up(self, error: Failure) -> RunState:
        """Return the state of a run that failed before its first write, and has no plan."""
        return dataclasses.replace(self, error=error, plan=None)

    def discarded(self) -> RunState:
        """Return the state with what was read, and without what was only planned."""
        plan = Plan(self.current, self.current, skipped_because=self.skipped_because)
        return dataclasses.replace(self.planned(plan), more_warnings=(), details=())

    def begun(self, purpose: t.Literal["task", "stuck"], plan: Plan) -> RunState:
        """Return the state in which *plan* is applied."""
        progress = PlanProgress.of(purpose, self.desired, self.policy, self.model_id, plan)
        return dataclasses.replace(self, plan=plan, progress=progress)

    def begun_rollback(self, desired: Desired, policy: WaitPolicy, plan: Plan) -> RunState:
        """Return the state in which *plan*, one of a rollback, is applied."""
        return dataclasses.replace(self, progress=PlanProgress.of("rollback", desired, policy, None, plan))

    def replanned(self, plan: Plan) -> RunState:
        """Return the state in which *plan*, made again from what is observed, takes the place of the last one."""
        progress = self.under_way.with_plan(plan)
        state = self if progress.purpose == "rollback" else self.planned(plan)
        return dataclasses.replace(state, progress=progress)

    @property
    def under_way(self) -> PlanProgress:
        """Return the progress of the plan that is applied; there is one from the first write on."""
        return t.cast("PlanProgress", self.progress)

    def progressed(self, **changes: t.Any) -> RunState:
        """Return the state with *changes* of its progress."""
        return dataclasses.replace(self, progress=dataclasses.replace(self.under_way, **changes))

    def observed_as(self, observed: Deployment | None) -> RunState:
        """Return the state after a read; one that shows no deployment shows that its stop is complete."""
        state = dataclasses.replace(self, observed=observed)
        return state if observed is not None else state.progressed(awaits_stop=False)

    def sent(self, step: Step) -> RunState:
        """Return the state after *step* was sent."""
        progress = self.under_way
        return self.progressed(sent_kinds=progress.sent_kinds | {step.kind}, attempts=progress.attempts + 1)

    def applied(self, step: Step, request: Request) -> RunState:
        """Return the state after a *step* that changed something, or may have."""
        applied = self.under_way.applied
        state = self.progressed(applied=applied._replace(kinds=applied.kinds | {step.kind}), may_still_stop=False)
        return dataclasses.replace(state, requests=(*self.requests, request), changed=True)

    def accepted(self, step: Step) -> RunState:
        """Return the state after a *step* that took effect for sure."""
        progress = self.under_way
        state = self.progressed(accepted_kinds=(*progress.accepted_kinds, step.kind))
        if step.kind != "start" or self.observed is None:
            return state
        return state.progressed(applied=progress.applied._replace(start_time=self.observed.start_time))

    def halfway(self, observed: Deployment | None) -> RunState:
        """Return the state between two updates, the first of which left what is *observed*; ``None``: not between."""
        return self.progressed(applied=self.under_way.applied._replace(halfway=observed))

    def without_next(self) -> RunState:
        """Return the state in which the next step is not to be sent any more."""
        return self.progressed(steps_left=self.under_way.steps_left[1:])

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run of one deployment: its state, and what reads for it and limits its time."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import typing as t

from ..._core.errors import Failure
from ..._core.http.client import Request
from ..._core.run.wait import TaskTime, WaitBudget
from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..api.cluster import Cluster
from ..plan.plan import Plan
from ..plan.run_state import PlanProgress, RunState
from ..records.step import Step
from ..recovery.hooks import Recovery


class DeploymentRun:
    """The run of one deployment of a task. ``state`` has all that is known; it is replaced, and never changed.

    ``budget``: the time of its waits, once it has begun. ``requests_sent``: the writes of all deployments of the task,
    in the order in which they were sent.
    """

    budget: WaitBudget

    def __init__(self, state: RunState, cluster: Cluster, server_timeout: str, requests_sent: list[Request]) -> None:
        self.state = state
        self.cluster = cluster
        self.recovery = Recovery(state.desired, cluster.server)
        self.requests_sent = requests_sent
        self._server_timeout = server_timeout

    @property
    def deployment_id(self) -> str:
        return self.state.deployment_id

    @property
    def failed(self) -> bool:
        return self.state.error is not None

    @property
    def plan(self) -> Plan:
        """Return the plan; there is one unless the run has failed before its first write."""
        return t.cast("Plan", self.state.plan)

    @property
    def progress(self) -> PlanProgress:
        """Return the progress of the plan that is applied."""
        return self.state.under_way

    @property
    def removes(self) -> bool:
        """Return whether the plan removes the deployment."""
        return not self.failed and self.plan.before is not None and self.plan.after is None

    @property
    def frees_later(self) -> bool:
        return self.progress.frees_later

    def begin(self, task_time: TaskTime) -> None:
        """Begin to apply the plan. The wait has the time that is left of the task."""
        policy = self.state.policy
        spent = task_time.passed if policy.wait else 0.0
        self.budget = WaitBudget(policy.timeout, policy.sleep, task_time.clock, spent)
        self.state = self.state.begun("task", self.plan)

    def limit_requests(self) -> contextlib.AbstractContextManager[None]:
        """Let no request take longer than the time that is left."""
        return self.cluster.within(lambda: self.budget.left)

    def on_trial(self) -> DeploymentRun:
        """Return a copy of the run, to try something out: what the copy notes does not count."""
        return copy.copy(self)

    def note(self, **changes: t.Any) -> None:
        """Note *changes* of the state."""
        self.state = dataclasses.replace(self.state, **changes)

    def warn(self, *warnings: WarningText, detail: str = "") -> None:
        """Note *warnings*; *detail* is what they must not name."""
        self.state = self.state.warned(*warnings, detail=detail)

    def give_up(self, error: Failure) -> None:
        """Give the plan up because of *error*, before the first write."""
        self.state = self.state.given_up(error)

    def keep_record(self, plan: Plan) -> None:
        """Keep the settings that *plan* starts again after its stop, if the task names a recovery file.

        :raises Unsatisfied: they cannot be kept; nothing was stopped.
        """
        record = self.recovery.before_stop(plan)
        if record:
            self.note(record=record, record_written=True)

    def end(self) -> None:
        """End the run: remove its recovery file, or warn that it is there."""
        self.state = self.recovery.at_end(self.state, self.read)

    def to_request(self, step: Step) -> Request:
        """Return the request of *step*.

        A start names an alias of its model that has the deployment's id: in any other way Elasticsearch takes that id
        for another model (around-deployments.md 3).
        """
        model = self.state.start_model
        if step.kind == "start" and model and step.deployment_id in model.aliases:
            step = dataclasses.replace(step, settings={**step.settings, "model_id": step.deployment_id})
        return self.cluster.to_request(step, self._server_timeout)

    def send(self, step: Step) -> Deployment | None:
        """Send *step* once, and return the deployment in the answer.

        :raises ApiError: it was refused, or its outcome is not known.
        """
        self.state = self.state.sent(step)
        known = self.state.observed or self.progress.plan.before
        return self.cluster.send(step, self.to_request(step), known.node_names if known else {})

    def note_applied(self, step: Step) -> None:
        """Note that *step* took effect, or may have."""
        request = self.to_request(step)
        self.requests_sent.append(request)
        self.state = self.state.applied(step, request)

    def read(self) -> Deployment | None:
        """Return the deployment as the statistics alone show it."""
        return self.cluster.read(self.deployment_id).deployment(self.deployment_id)

    def read_with_targets(self) -> Deployment | None:
        """Return the deployment with the targets of its routes, where the user may read them."""
        return self.cluster.read_targets(self.cluster.read(self.deployment_id)).deployment(self.deployment_id)

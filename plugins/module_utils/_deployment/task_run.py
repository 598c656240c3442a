# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task on one deployment or on many: one read, one plan for each, one wait for all."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from .._core.errors import ApiError, Failure, Refusal, refuse_together
from .._core.http.client import Request
from .._core.options.connection import connection
from .._core.reasons import Reason
from .._core.run.clock import Clock, SystemClock
from .._core.run.cluster import Connect, refuse_old_server
from .._core.run.internal_error import InternalError
from .._core.run.progress import ProgressCallback, no_progress
from .._core.run.wait import TaskTime
from .._core.server import Server
from .api.cluster import Cluster
from .api.privileges import writes_of
from .api.snapshot import Snapshot
from .api.version_checks import refuse_unsupported
from .apply.deployment_run import DeploymentRun
from .apply.planning import plan_run
from .apply.prediction import predict
from .apply.rollout import roll_out
from .apply.scheduler import run_all
from .apply.start_look import STOP_SOME, check_number, check_room, check_start, known_deployments
from .apply.stuck import warn_if_stuck
from .options.fleet import Item
from .options.predictions import not_followed, predictions
from .options.task import Task
from .plan.fleet import in_send_order, refuse_long_list
from .plan.guard import guard_plans
from .plan.places import moved
from .plan.preflight import Outlook
from .plan.run_state import RunState
from .plan.start_conditions import unlisted_refusal
from .records.prediction import NO_PREDICTIONS


class TaskRun:
    """The run of a task. ``error``: why it ended for all deployments. ``read``: they were read."""

    def __init__(
        self,
        check_mode: bool = False,
        clock: Clock | None = None,
        show_progress: ProgressCallback = no_progress,
    ) -> None:
        self.runs: list[DeploymentRun] = []
        self.server: Server | None = None
        self.requests_sent: list[Request] = []
        self.error: Failure | None = None
        self.read = False
        self.time = TaskTime(clock or SystemClock())
        self._outlook: Outlook | None = None
        self._check_mode = check_mode
        self._show_progress = show_progress

    @property
    def states(self) -> list[RunState]:
        """Return the state of each deployment, in the order of the task."""
        return [run.state for run in self.runs]

    def execute(self, task_of: t.Callable[[], Task], connect: Connect[Cluster]) -> None:
        """Read, plan, and apply the plans unless in check mode. Keep failures in ``error`` or with their deployment.

        *task_of*: returns the task, or refuses its options.
        """
        try:
            task = task_of()
            with (
                contextlib.closing(connect(connection(task.params), self.time.clock.sleep)) as cluster,
                cluster.planning(self.time, task.longest_time),
            ):
                self._execute(task, cluster)
        except Failure as exc:
            self.error = exc
        except Exception as exc:
            self.error = InternalError(exc)

    def _execute(self, task: Task, cluster: Cluster) -> None:
        refuse_long_list(sum(desired.state != "stopped" for desired, _policy in task.items))
        self.server = cluster.read_server()
        refuse_old_server(self.server)
        self.runs = [self._run_of(task, cluster, item) for item in task.items]
        self._refuse_unsupported(task)
        cluster.predictions = predictions(task.params, self.server) if self._check_mode else NO_PREDICTIONS
        snapshot = cluster.read_with_state(task.only_id)
        self.runs += [self._run_of(task, cluster, item) for item in task.unlisted(snapshot)]
        self._plan(task, cluster, snapshot)
        for run in self.runs:
            if self._check_mode or run.failed:
                run.end()
        if self._check_mode:
            self._predict(snapshot)
        else:
            self._apply(task, cluster)

    def _run_of(self, task: Task, cluster: Cluster, item: Item) -> DeploymentRun:
        desired, policy = item
        run = DeploymentRun(RunState(desired, policy, cluster.server), cluster, task.server_timeout, self.requests_sent)
        if self._check_mode:
            run.warn(*not_followed(task.params, cluster.server, run.deployment_id))
        return run

    def _refuse_unsupported(self, task: Task) -> None:
        refused: list[tuple[str, Refusal]] = []
        for run in self.runs:
            try:
                refuse_unsupported(run.cluster.server, run.state.desired)
            except Refusal as exc:
                refused.append((run.deployment_id, exc))
        _refuse_together(task, refused)

    def _plan(self, task: Task, cluster: Cluster, snapshot: Snapshot) -> None:
        """Plan each deployment, and check the plans together.

        :raises Refusal: the list cannot be applied as a whole.
        """
        removed_ids: set[str] = set()
        for run in sorted(self.runs, key=lambda run: not snapshot.is_named_after_model(run.deployment_id)):
            plan_run(run, snapshot, removed_ids)
            if run.removes:
                removed_ids.add(run.deployment_id)
        self.read = True
        try:
            self._check_together(task, cluster, snapshot)
        except Refusal as refusal:
            if task.only_id is None:
                self._discard_plans()
                raise
            self.runs[0].give_up(refusal)

    def _discard_plans(self) -> None:
        """Keep what was read, and drop what was only planned, because the whole list was refused."""
        for run in self.runs:
            run.state = run.state if run.failed else run.state.discarded()
            run.end()

    def _check_together(self, task: Task, cluster: Cluster, snapshot: Snapshot) -> None:
        """Check the plans together, and guard them.

        :raises Refusal: they cannot be applied together.
        """
        errors = [(run.deployment_id, run.state.error) for run in self.runs]
        _refuse_together(task, [(name, each) for name, each in errors if isinstance(each, Refusal) and each.of_list])
        planned = self._unfailed
        plans = guard_plans([run.plan for run in planned], task.max_step, task.on_violation)
        for run, plan in zip(planned, plans, strict=True):
            run.state = run.state.planned(plan)
            _check_start(run)
        self._refuse_unlisted_stops()
        hint = STOP_SOME if task.only_id else "Stop some, or set stop_unlisted and unlisted_except."
        check_number(self._unfailed, known_deployments(cluster, snapshot), hint)
        self._outlook = check_room(cluster, self._unfailed, snapshot, predict=self._check_mode)

    @property
    def _unfailed(self) -> list[DeploymentRun]:
        """Return the runs that have not failed."""
        return [run for run in self.runs if not run.failed]

    def _refuse_unlisted_stops(self) -> None:
        """Stop nothing that is not listed while a start of the list is refused for a reason of the whole cluster."""
        of_list = [state.start_checks for state in self.states]
        for run in self._unfailed:
            refusal = unlisted_refusal(run.deployment_id, of_list)
            if refusal and not run.state.desired.listed and run.plan.stops:
                run.give_up(refusal)

    def _predict(self, snapshot: Snapshot) -> None:
        unfailed = self._unfailed
        for run in unfailed:
            predict(run, snapshot, self._outlook)
        if self._outlook:
            others = moved(self._outlook, [run.deployment_id for run in unfailed if run.state.predicted])
            for run in unfailed:
                run.note(moved=others if run.state.predicted else ())
        plans = [run.plan for run in unfailed]
        for index, step in in_send_order(plans):
            self.requests_sent.append(unfailed[index].state.requests[plans[index].steps.index(step)])

    def _apply(self, task: Task, cluster: Cluster) -> None:
        """Apply the plans. If the user may not send one of the writes, send none; runs without a write go on."""
        try:
            cluster.refuse_unprivileged(writes_of(step for run in self._unfailed for step in run.plan.steps))
        except ApiError as exc:
            for run in self._unfailed:
                run.note(
                    error=exc if run.plan.steps else None, plan=dataclasses.replace(run.plan, consumer_warnings=())
                )
        unfailed = self._unfailed
        for run in unfailed:
            warn_if_stuck(run)
            run.begin(self.time)
        reader = _Reader(cluster, task.only_id)
        snapshot = run_all(unfailed, roll_out, reader, self.time.clock, self._show_progress)
        if len(unfailed) > 1 and any(run.state.polls for run in unfailed):
            _read_again(unfailed, snapshot, reader)


def _check_start(run: DeploymentRun) -> None:
    try:
        check_start(run)
    except Failure as exc:
        run.give_up(exc)


def _refuse_together(task: Task, refused: t.Sequence[tuple[str, Refusal]]) -> None:
    """Refuse a list with all reasons; one deployment for its own."""
    if refused and task.only_id is not None:
        raise refused[0][1]
    refuse_together([Reason(deployment_id, str(refusal)) for deployment_id, refusal in refused])


class _Reader:
    """Reads what the task is about, each time within the given seconds, and sends no read twice."""

    def __init__(self, cluster: Cluster, only_id: str | None) -> None:
        self._cluster = cluster
        self._only_id = only_id

    def read(self, seconds: float) -> Snapshot:
        with self._cluster.within(lambda: seconds):
            return self._cluster.read(self._only_id, repeat=False)

    def read_targets(self, snapshot: Snapshot, seconds: float) -> Snapshot:
        with self._cluster.within(lambda: seconds):
            return self._cluster.read_targets(snapshot, repeat=False)


def _read_again(runs: t.Sequence[DeploymentRun], snapshot: Snapshot | None, reader: _Reader) -> None:
    """Read all deployments once more: a later change may have moved the routes of those that finished earlier."""
    seconds = max(run.budget.left for run in runs)
    with contextlib.suppress(ApiError):
        snapshot = snapshot or reader.read(seconds)
        if not snapshot.has_targets:
            snapshot = reader.read_targets(snapshot, seconds)
        for run in runs:
            run.note(observed=snapshot.deployment(run.deployment_id))

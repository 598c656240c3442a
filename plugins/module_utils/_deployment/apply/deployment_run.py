# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One deployment of a task: plan from a snapshot, then predict or apply, then report."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..._core.errors import ApiError, Failure, Refusal, Unsatisfied
from ..._core.features import Feature
from ..._core.run.progress import ProgressCallback
from ..._core.run.result import Json
from ..._core.run.wait import TaskTime, WaitBudget
from ..._core.server import Server
from ..._ml.deployment import Deployment
from ..._ml.model import Model
from ..api.cluster import Cluster
from ..api.privileges import writes_of
from ..api.snapshot import Lookup, Snapshot
from ..api.version_checks import refuse_unsendable
from ..plan.decide import Situation, decide, recover
from ..plan.existing import deployments_that_exist, models_that_exist
from ..plan.plan import Plan
from ..plan.readiness import continues_warning, failed_message, judge_readiness
from ..plan.recovery import superseded_warning
from ..plan.start_step import as_shown
from ..plan.stuck import may_restart_stuck, stuck_warning
from ..plan.validation import on_this_server, refuse_unstartable
from ..plan.write_outcome import NOTHING_SENT
from ..records.desired import Desired, WaitPolicy
from ..records.recovery_record import RecoveryRecord
from .consumers import check_consumers, fill_from_endpoint
from .context import RunContext
from .recovery_file import RecoveryFile
from .rollout import Rollout
from .run_state import RunState
from .scheduler import run_all
from .start_look import Start, check_room_for_one, check_start


@dataclasses.dataclass
class DeploymentRun:
    """The desired state of one deployment of a task, and its outcome. ``error``: why it failed."""

    desired: Desired
    policy: WaitPolicy
    state: RunState
    error: Failure | None = None
    model_id: str | None = None
    recovery_file: RecoveryFile | None = None
    unattainable: str | None = None
    """The message for a state that cannot be reached and that on_unsatisfied keeps."""

    def decide(self, cluster: Cluster, snapshot: Snapshot, removed_ids: t.Container[str] = ()) -> None:
        """Make the plan; put every failure that can be known before a write into ``error``.

        *removed_ids*: ids of deployments that the same list removes.
        """
        try:
            self._decide(cluster, snapshot, removed_ids)
        except Refusal as exc:
            self.error = self._with_what_exists(exc, cluster, snapshot)
        except Failure as exc:
            self.error = exc

    def _decide(self, cluster: Cluster, snapshot: Snapshot, removed_ids: t.Container[str]) -> None:
        state, desired = self.state, on_this_server(self.desired, cluster.server)
        self.desired = desired
        lookup = snapshot.lookup(desired.deployment_id)
        state.current = state.observed = lookup.deployment
        state.read, state.follows_prediction = True, snapshot.is_predicted(desired.deployment_id)
        recovery = self._read_recovery(cluster.server)
        model, endpoints_unread = _named_model(cluster, desired, lookup), False
        if _may_be_lost(desired, lookup, recovery, model, cluster.server):
            self.desired = desired = fill_from_endpoint(cluster, desired, model.model_id if model else desired.model_id)
            if model is None:
                model, endpoints_unread = _named_model(cluster, desired, lookup), cluster.consumers.endpoints is None
        self.model_id = model.model_id if model else desired.model_id
        other_deployments = _other_deployments(cluster, snapshot, desired, lookup, model)
        plan = decide(desired, Situation(lookup.deployment, self.model_id, other_deployments, recovery))
        if self.recovery_file and plan.needs_recovery_record:
            self.recovery_file.refuse_unwritable()
        if plan.start:
            model_id = str(plan.start.settings["model_id"])
            start_model = model or cluster.model(model_id)
            refuse_unstartable(desired, model_id, start_model, lookup.is_model_id, unread=endpoints_unread)
        plan = check_consumers(cluster, snapshot, desired, plan, state, removed_ids)
        refuse_unsendable(cluster.server, plan.steps)
        state.plan = plan
        state.warn(*superseded_warning(recovery, lookup.deployment))
        self._check_attainable()

    def _with_what_exists(self, error: Refusal, cluster: Cluster, snapshot: Snapshot) -> Refusal:
        """Return *error*; if something does not exist, with what does, as far as it can be read."""
        if self.state.current is not None or error.code not in ("deployment_missing", "model_missing"):
            return error
        try:
            every = snapshot if snapshot.is_complete else cluster.read()
        except ApiError:
            return error
        if error.code == "model_missing":
            return error.with_hint(models_that_exist(str(self.desired.model_id), every.model_ids))
        return error.with_hint(deployments_that_exist(self.desired.deployment_id, list(every), every.model_ids))

    def _read_recovery(self, server: Server) -> RecoveryRecord | None:
        """Return the record that an earlier run left. A stop needs none, and later removes even an unusable file.

        :raises Refusal: the file cannot be used.
        """
        if not self.desired.recovery_file:
            return None
        stops = self.desired.state == "stopped"
        self.recovery_file = RecoveryFile(
            self.desired.recovery_file, self.desired.deployment_id, server, writable=not stops
        )
        if not stops:
            return self.recovery_file.read()
        with contextlib.suppress(Refusal):
            self.recovery_file.read()
        return None

    def check_start(self, cluster: Cluster) -> None:
        """Refuse a start that the cluster is certain to refuse; put that into ``error``."""
        self._look(cluster, check_start)

    def check_room(self, cluster: Cluster) -> None:
        """Refuse, as for a list, a start for which the cluster has no room; put that into ``error``."""
        self._look(cluster, check_room_for_one)

    def _look(self, cluster: Cluster, check: t.Callable[[Cluster, Start], None]) -> None:
        if self.error:
            return
        try:
            check(cluster, Start(self.plan, self.state))
        except Failure as exc:
            self.fail(exc)

    def fail(self, error: Failure) -> None:
        """Give the plan up because of *error*, which was found after it was made."""
        self.error, self.state.plan = error, None

    @property
    def plan(self) -> Plan:
        """Return the plan; there is one unless there is an ``error``."""
        return t.cast("Plan", self.state.plan)

    @property
    def removes(self) -> bool:
        """Return whether the plan removes the deployment."""
        return self.error is None and self.plan.before is not None and self.plan.after is None

    @property
    def is_unremarkable(self) -> bool:
        """Return whether there is nothing to report: not changed, not failed, not skipped, no details."""
        state = self.state
        return not (state.changed or self.error or state.skipped_because or state.details)

    def discard_plan(self) -> None:
        """Keep what was read and drop what was only planned, because the whole list was refused."""
        if not self.error:
            state = self.state
            state.set_plan(Plan(state.current, state.current, skipped_because=state.skipped_because))
            state.extra_warnings, state.details = [], []
        self.warn_of_recovery_file(refused=True)

    def warn_of_recovery_file(self, refused: bool = False) -> None:
        """Warn that a recovery file still holds settings that this task will not start.

        *refused*: the whole list was refused.
        """
        if self.recovery_file and (refused or self.error or self.state.skipped_because):
            warning = self.recovery_file.unused_warning(self.state.current, self.error)
            if warning:
                self.state.warn(warning, detail=self.recovery_file.place)

    def predict(self, cluster: Cluster, snapshot: Snapshot, server_timeout: str) -> None:
        """Note for check mode the requests that would be sent, and the deployment that would be there."""
        self.state.requests = [cluster.to_request(step, server_timeout) for step in self.plan.steps]
        self.state.changed = self.plan.changed
        if self.plan.changed or self.plan.waits_for_stop:
            self.state.observed, self.state.predicted = self._predicted(cluster, snapshot), True
        if self.unattainable and self.plan.after:
            accepts_zero = self.desired.accepts_zero
            warning = continues_warning(self.plan.after, self.policy.wait_for, accepts_zero=accepts_zero)
            self.state.warn(warning, detail=self.unattainable)
        self._warn_if_stuck(cluster)

    def _predicted(self, cluster: Cluster, snapshot: Snapshot) -> Deployment | None:
        """Return the deployment as the cluster would show it after the plan."""
        after = self.plan.after
        if after is None or self.plan.start is None:
            return after
        size = snapshot.model_bytes(after.model_id)
        if size is None and not snapshot.is_complete:
            with contextlib.suppress(ApiError):  # a real run does not need the size
                size = cluster.read(after.model_id).model_bytes(after.model_id)
        return as_shown(after, cluster.server, size, exactly=cluster.shows_cluster_state)

    def rollout(self, cluster: Cluster, server_timeout: str, task_time: TaskTime) -> Rollout:
        """Return the rollout of the plan, not yet begun."""
        self._warn_if_stuck(cluster)
        spent = task_time.passed if self.policy.wait else 0.0
        run_context = RunContext(
            cluster,
            self.state,
            server_timeout,
            WaitBudget(self.policy.timeout, self.policy.sleep, task_time.clock, spent),
            self.recovery_file,
        )
        return Rollout(run_context, self.desired, self.policy, self.model_id, self.plan)

    def _warn_if_stuck(self, cluster: Cluster) -> None:
        """Warn in advance if a deployment that hangs while it starts could not be recovered after the wait."""
        if may_restart_stuck(self.desired, self.policy, self.plan):
            obstacle = self._recovery_obstacle(cluster)
            self.state.warn(stuck_warning(self.desired.deployment_id, restarts=obstacle is None), detail=obstacle or "")

    def _recovery_obstacle(self, cluster: Cluster) -> str | None:
        """Return the reason that forbids a recovery, as far as it can be read now."""
        trial_state = dataclasses.replace(self.state)
        try:
            plan = recover(self.desired, Situation(self.plan.before, self.model_id))
            plan = check_consumers(cluster, None, self.desired, plan, trial_state)
            check_start(cluster, Start(plan, trial_state))
        except Refusal as refusal:
            return str(refusal)
        except ApiError:
            return None
        return plan.skipped_because and f"{plan.skipped_because}."

    def _check_attainable(self) -> None:
        """Refuse, in check mode too, to wait for a state that neither time nor the planned update can reach.

        :raises Unsatisfied: the state cannot be reached, and on_unsatisfied is not ``keep``.
        """
        plan, policy, state = self.plan, self.policy, self.state
        if plan.stops_or_waits_for_stop or plan.start or plan.skipped_because or plan.after is None or not policy.wait:
            return
        if plan.changed and plan.after.number_of_allocations != 0:
            return
        readiness = judge_readiness(plan.after, policy.wait_for, accepts_zero=self.desired.accepts_zero)
        if readiness.state == "failed":
            message = failed_message(self.desired.deployment_id, policy.wait_for, readiness)
            if policy.on_unsatisfied != "keep":
                state.reached = False
                raise Unsatisfied("not_ready", f"{message} {NOTHING_SENT}" if plan.changed else message)
            self.unattainable = message

    def result(self) -> Json:
        """Return the result of this deployment as one item of a list."""
        return self.state.item() | (self.state.failure(self.error) if self.error else {})


def apply_all(
    cluster: Cluster,
    runs: t.Sequence[DeploymentRun],
    read: t.Callable[..., Snapshot],
    server_timeout: str,
    task_time: TaskTime,
    show_progress: ProgressCallback,
) -> None:
    """Apply the plans of *runs*, and report to *show_progress* meanwhile. Put each failure into the run's ``error``.

    If the user may not send one of the writes, send none; runs without a write go on.
    """
    try:
        cluster.refuse_unprivileged(writes_of(step for run in runs for step in run.plan.steps))
    except ApiError as exc:
        for run in runs:
            run.error = exc if run.plan.steps else None
            run.state.plan = dataclasses.replace(run.plan, consumer_warnings=())
        runs = [run for run in runs if not run.error]
    rollouts = [run.rollout(cluster, server_timeout, task_time) for run in runs]

    def poll(seconds: float) -> Snapshot:
        with cluster.within(lambda: seconds):
            return read(repeat=False)

    snapshot = run_all(rollouts, poll, task_time.clock, show_progress)
    for run, rollout in zip(runs, rollouts, strict=True):
        run.error = rollout.error
    if len(runs) > 1 and any(run.state.polls for run in runs):
        with cluster.within(lambda: max(rollout.budget.left for rollout in rollouts)):
            _read_again(runs, snapshot, read)


def _read_again(runs: t.Sequence[DeploymentRun], snapshot: Snapshot | None, read: t.Callable[..., Snapshot]) -> None:
    """Read all deployments once more: a later change may have moved the routes of those that finished earlier."""
    with contextlib.suppress(ApiError):
        snapshot = snapshot or read()
        for run in runs:
            run.state.observed = snapshot.with_targets(run.desired.deployment_id)


def _named_model(cluster: Cluster, desired: Desired, lookup: Lookup) -> Model | None:
    """Return the model that the task names by id or alias; ``None`` where it does not matter, or runs already."""
    current = lookup.deployment
    if current is not None:
        runs_already = desired.model_id in (None, current.model_id)
        return None if runs_already or desired.state == "stopped" else cluster.model(str(desired.model_id))
    may_start = desired.state != "stopped" and desired.on_missing == "start"
    if not may_start and desired.deployment_id_given:
        return None
    return cluster.model(desired.model_id or desired.deployment_id)


def _other_deployments(
    cluster: Cluster, snapshot: Snapshot, desired: Desired, lookup: Lookup, model: Model | None
) -> tuple[str, ...]:
    """Return other deployments of the model, if the task names only a model and no deployment has the model's id."""
    if desired.deployment_id_given or lookup.deployment is not None:
        return ()
    if model is None or model.model_id == desired.deployment_id:
        return lookup.other_deployments
    behind_alias = (snapshot if snapshot.is_complete else cluster.read(model.model_id)).lookup(model.model_id)
    model_deployment = () if behind_alias.deployment is None else (model.model_id,)
    return model_deployment + behind_alias.other_deployments


def _may_be_lost(
    desired: Desired, lookup: Lookup, recovery: RecoveryRecord | None, model: Model | None, server: Server
) -> bool:
    """Return whether an inference endpoint may tell how to start the deployment, because it made one that is missing.

    Such an id is not that of the *model* to start. A deployment that stops counts as missing, unless a restart or the
    *recovery* record tells its settings.
    """
    current = lookup.deployment
    if desired.state == "stopped" or desired.on_missing != "start":
        return False
    if not server.supports(Feature.INFERENCE_ENDPOINTS):
        return False
    if model is not None and desired.deployment_id in (desired.model_id, model.model_id):
        return False
    if recovery is not None and recovery.matches(current):
        return False
    if current is None:
        return model is not None or desired.model_id is None
    return current.assignment_state == "stopping" and desired.state == "started" and not lookup.is_model_id

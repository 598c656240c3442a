# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One deployment of a task: decide from what was seen, apply unless in check mode, report."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..._core.errors import ApiError, Failure, Refusal, Unsatisfied
from ..._core.run.clock import Clock
from ..._core.run.progress import ProgressCallback
from ..._core.run.result import Json
from ..._core.run.wait import WaitBudget
from ..._core.server import Server
from ..._ml.model import Model
from ..api.cluster import Cluster
from ..api.snapshot import Lookup, Snapshot
from ..api.version_checks import refuse_unsendable
from ..plan.decide import Situation, decide, recover
from ..plan.plan import Plan
from ..plan.readiness import failed_message, judge_readiness, kept_message
from ..plan.recovery import superseded_warning
from ..plan.stuck import may_restart_stuck, stuck_warning
from ..plan.validation import on_this_server, refuse_unstartable
from ..records.desired import Desired, WaitPolicy
from ..records.recovery_record import RecoveryRecord
from .consumers import check_consumers, fill_from_endpoint
from .context import RunContext
from .recovery_file import RecoveryFile
from .rollout import Rollout
from .run_state import RunState
from .scheduler import run_all


@dataclasses.dataclass
class DeploymentRun:
    """What one deployment of a task wants, and what became of it. ``error``: why it failed."""

    desired: Desired
    policy: WaitPolicy
    state: RunState
    error: Failure | None = None
    model_id: str | None = None
    recovery_file: RecoveryFile | None = None
    unreachable: str | None = None
    """What will never come about, and is kept as it is."""

    def decide(self, cluster: Cluster, snapshot: Snapshot, removed_ids: t.Container[str] = ()) -> None:
        """Make the plan; every refusal that can be known before a write comes from here, into ``error``.

        *removed_ids*: ids of deployments that the same list ends.
        """
        try:
            self._decide(cluster, snapshot, removed_ids)
        except Failure as exc:
            self.error = exc

    def _decide(self, cluster: Cluster, snapshot: Snapshot, removed_ids: t.Container[str]) -> None:
        state, desired = self.state, on_this_server(self.desired, cluster.server)
        self.desired = desired
        lookup = snapshot.lookup(desired.deployment_id)
        state.current = state.observed = lookup.deployment
        state.read = True
        recovery = self._read_recovery(cluster.server)
        model, endpoints_unread = _named_model(cluster, desired, lookup), False
        if model is None and _only_endpoint_tells_model(desired, lookup, recovery):
            self.desired = desired = fill_from_endpoint(cluster, desired)
            model, endpoints_unread = _named_model(cluster, desired, lookup), cluster.consumers.endpoints is None
        self.model_id = model.model_id if model else desired.model_id
        other_deployments = _other_deployments(cluster, snapshot, desired, lookup, model)
        plan = decide(desired, Situation(lookup.deployment, self.model_id, other_deployments, recovery))
        if self.recovery_file and plan.needs_recovery_record:
            self.recovery_file.refuse_unwritable()
        if plan.start:
            model_id = str(plan.start.settings["model_id"])
            start_model = model or cluster.model(model_id)
            refuse_unstartable(
                desired.deployment_id, model_id, start_model, lookup.model_has_this_id, unread=endpoints_unread
            )
        plan = check_consumers(cluster, snapshot, desired, plan, state, removed_ids)
        refuse_unsendable(cluster.server, plan.steps)
        state.plan = plan
        state.extra_warnings += superseded_warning(recovery, lookup.deployment)
        self._refuse_unreachable()

    def _read_recovery(self, server: Server) -> RecoveryRecord | None:
        """What an earlier run has left. A stop needs nothing of it, whatever it is: it does away with it.

        :raises Refusal: it cannot be used.
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

    @property
    def plan(self) -> Plan:
        """What was decided; there is one unless there is an ``error``."""
        return t.cast("Plan", self.state.plan)

    @property
    def removes(self) -> bool:
        """Whether the deployment is to be gone afterwards."""
        return self.error is None and self.plan.before is not None and self.plan.after is None

    @property
    def is_unchanged(self) -> bool:
        """Whether there is nothing to tell: not changed, not failed, not skipped."""
        return not self.state.changed and not self.error and not self.state.skipped_because

    def discard_plan(self) -> None:
        """The list was refused as a whole: keep what was seen, and nothing of what was only planned."""
        if not self.error:
            state = self.state
            state.set_plan(Plan(state.current, state.current, skipped_because=state.skipped_because))
            state.extra_warnings = []
        self.warn_of_recovery_file(refused=True)

    def warn_of_recovery_file(self, refused: bool = False) -> None:
        """Say what a recovery file still holds, if nothing is started of it; *refused*: because the list is."""
        if self.recovery_file and (refused or self.error or self.state.skipped_because):
            message = self.recovery_file.unused_message(self.state.current, self.error)
            self.state.extra_warnings += [message] if message else []

    def predict(self, cluster: Cluster, server_timeout: str) -> None:
        """Check mode: what would be sent, and what would be there."""
        self.state.requests = [cluster.to_request(step, server_timeout) for step in self.plan.steps]
        self.state.changed = self.plan.changed
        if self.plan.changed or self.plan.waits_for_stop:
            self.state.observed, self.state.predicted = self.plan.after, True
        if self.unreachable:
            self.state.extra_warnings.append(kept_message(self.unreachable))
        self._warn_if_stuck(cluster)

    def rollout(self, cluster: Cluster, server_timeout: str, clock: Clock) -> Rollout:
        self._warn_if_stuck(cluster)
        run_context = RunContext(
            cluster,
            self.state,
            server_timeout,
            WaitBudget(self.policy.timeout, self.policy.sleep, clock),
            self.recovery_file,
        )
        return Rollout(run_context, self.desired, self.policy, self.model_id, self.plan)

    def _warn_if_stuck(self, cluster: Cluster) -> None:
        """Time alone tells whether what starts hangs; what will keep it from being recovered then is known before."""
        if may_restart_stuck(self.desired, self.policy, self.plan):
            self.state.extra_warnings.append(
                stuck_warning(self.desired.deployment_id, self._recovery_obstacle(cluster))
            )

    def _recovery_obstacle(self, cluster: Cluster) -> str | None:
        """What forbids to recover it, as far as that can be read now."""
        trial_state = dataclasses.replace(self.state)
        try:
            plan = recover(self.desired, Situation(self.plan.before, self.model_id))
            plan = check_consumers(cluster, None, self.desired, plan, trial_state)
        except Refusal as refusal:
            return str(refusal)
        except ApiError:
            return None
        return plan.skipped_because and f"{plan.skipped_because}."

    def _refuse_unreachable(self) -> None:
        """Waiting cannot help, and what is to be written cannot either: that is known in check mode, too."""
        plan, policy, state = self.plan, self.policy, self.state
        if plan.stops_or_waits_for_stop or plan.start or plan.skipped_because or plan.after is None or not policy.wait:
            return
        if plan.changed and plan.after.number_of_allocations != 0:
            return
        readiness = judge_readiness(plan.after, policy.wait_for, allow_zero=self.desired.allow_zero)
        if readiness.outcome == "failed":
            message = failed_message(self.desired.deployment_id, policy.wait_for, readiness)
            if policy.on_unsatisfied != "keep":
                state.reached = False
                raise Unsatisfied("not_ready", message)
            self.unreachable = message

    def result(self) -> Json:
        """What is said of it as one of many."""
        return self.state.item() | (self.state.failure(self.error) if self.error else {})


def apply_all(
    cluster: Cluster,
    runs: t.Sequence[DeploymentRun],
    read: t.Callable[..., Snapshot],
    server_timeout: str,
    clock: Clock,
    show_progress: ProgressCallback,
) -> None:
    """Apply the plans, and report to *show_progress* meanwhile. The failure of one of *runs* is kept in its ``error``.

    If the user may not send one of the writes, none is sent; what needs none goes on.
    """
    try:
        cluster.refuse_unprivileged([step for run in runs for step in run.plan.steps])
    except ApiError as exc:
        for run in runs:
            run.error = exc if run.plan.steps else None
            run.state.plan = dataclasses.replace(run.plan, consumer_warnings=())
        runs = [run for run in runs if not run.error]
    rollouts = [run.rollout(cluster, server_timeout, clock) for run in runs]
    snapshot = run_all(rollouts, lambda: read(repeat=False), clock, show_progress)
    for run, rollout in zip(runs, rollouts, strict=True):
        run.error = rollout.error
    if len(runs) > 1 and any(run.state.polls for run in runs):
        _read_again(runs, snapshot, read)


def _read_again(runs: t.Sequence[DeploymentRun], snapshot: Snapshot | None, read: t.Callable[..., Snapshot]) -> None:
    """What was done for one deployment may have moved those that were reported before it."""
    with contextlib.suppress(ApiError):
        snapshot = snapshot or read()
        for run in runs:
            run.state.observed = snapshot.with_routes(run.desired.deployment_id)


def _named_model(cluster: Cluster, desired: Desired, lookup: Lookup) -> Model | None:
    """The model that the task names, perhaps by an alias, where it matters and is not plainly the one that runs."""
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
    """Other deployments of a model that the task names alone, and that does not run under the name it was given."""
    if desired.deployment_id_given or lookup.deployment is not None:
        return ()
    if model is None or model.model_id == desired.deployment_id:
        return lookup.other_deployments
    behind_alias = (snapshot if snapshot.is_complete else cluster.read(model.model_id)).lookup(model.model_id)
    model_deployment = () if behind_alias.deployment is None else (model.model_id,)
    return model_deployment + behind_alias.other_deployments


def _only_endpoint_tells_model(desired: Desired, lookup: Lookup, recovery: RecoveryRecord | None) -> bool:
    """Whether a start is asked for of what only an endpoint can tell, by the id alone, which is no model's.

    What is being stopped is as good as gone, unless it is to go on as it was: by a restart, or by what is *recovery*.
    """
    current = lookup.deployment
    if desired.state == "stopped" or desired.on_missing != "start" or desired.model_id is not None:
        return False
    if recovery is not None and recovery.matches(current):
        return False
    if current is None:
        return True
    return current.assignment_state == "stopping" and desired.state == "started" and not lookup.model_has_this_id

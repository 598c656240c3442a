# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan one deployment: read what the decision needs, decide, and check the plan."""

from __future__ import annotations

import typing as t

from ..._core.errors import ApiError, Failure, Refusal, Unsatisfied
from ..._ml.existing import deployments_that_exist, models_that_exist
from ..._ml.model import Model
from ..api.cluster import Cluster
from ..api.snapshot import Lookup, Snapshot
from ..api.version_checks import refuse_unsendable
from ..plan.decide import Situation, decide
from ..plan.lost import endpoint_of_lost, may_be_lost, with_endpoint_settings
from ..plan.plan import Plan
from ..plan.readiness import failed_message, judge_readiness
from ..plan.validation import on_this_server, refuse_unstartable
from ..plan.write_outcome import NOTHING_SENT
from ..records.desired import Desired
from ..recovery.rules import superseded_warning
from .consumers import check_consumers
from .deployment_run import DeploymentRun
from .expected import completed


def plan_run(run: DeploymentRun, snapshot: Snapshot, removed_ids: t.Container[str] = ()) -> None:
    """Make the plan of *run*; note every failure that can be known before a write.

    *removed_ids*: ids of deployments that the same list removes.
    """
    try:
        plan = _decide(run, snapshot)
        plan = check_consumers(run, plan, snapshot, removed_ids)
        refuse_unsendable(run.cluster.server, plan.steps)
        run.note(plan=plan)
        run.warn(*superseded_warning(run.state))
        _check_attainable(run)
    except Refusal as exc:
        run.note(error=_with_what_exists(run, exc, snapshot))
    except Failure as exc:
        run.note(error=exc)


def _decide(run: DeploymentRun, snapshot: Snapshot) -> Plan:
    cluster = run.cluster
    lookup = completed(cluster, snapshot.lookup(run.deployment_id), snapshot)
    desired = on_this_server(run.state.desired, cluster.server)
    current = lookup.deployment
    follows = snapshot.is_predicted(run.deployment_id)
    run.note(desired=desired, read=True, current=current, observed=current, follows_prediction=follows)
    recovery = run.recovery.at_first_read()
    if recovery:
        run.note(record=recovery)
    model, endpoints_unread = _read_named_model(cluster, desired, lookup), False
    if may_be_lost(desired, lookup.deployment, recovery, model, cluster.server, is_model_id=lookup.is_model_id):
        desired = _filled_from_endpoint(cluster, desired, model)
        if model is None:
            model = _read_named_model(cluster, desired, lookup)
            endpoints_unread = cluster.consumers.read_endpoints() is None
    model_id = model.model_id if model else desired.model_id
    run.note(desired=desired, model_id=model_id)
    others = _other_deployments(cluster, snapshot, desired, lookup, model)
    plan = decide(desired, Situation(lookup.deployment, model_id, others, recovery))
    run.recovery.refuse_unwritable(plan)
    if plan.start:
        start_id = str(plan.start.settings["model_id"])
        start_model = model or cluster.read_model(start_id)
        run.note(start_model=start_model)
        namesake = cluster.namesake(desired.deployment_id, snapshot)
        refuse_unstartable(desired, start_id, start_model, namesake, unread=endpoints_unread)
    return plan


def _read_named_model(cluster: Cluster, desired: Desired, lookup: Lookup) -> Model | None:
    """Return the model that the task names by id or alias; ``None`` where it does not matter, or runs already."""
    current = lookup.deployment
    if current is not None:
        runs_already = desired.model_id in (None, current.model_id)
        return None if runs_already or desired.state == "stopped" else cluster.read_model(str(desired.model_id))
    may_start = desired.state != "stopped" and desired.on_missing == "start"
    if not may_start and desired.deployment_id_given:
        return None
    return cluster.read_model(desired.model_id or desired.deployment_id)


def _filled_from_endpoint(cluster: Cluster, desired: Desired, model: Model | None) -> Desired:
    """Return *desired* with the settings of the inference endpoint that needs the missing deployment.

    Without such an endpoint, or where the user may not read endpoints, return *desired* unchanged.
    """
    model_id = model.model_id if model else desired.model_id
    endpoint = endpoint_of_lost(desired, model_id, cluster.consumers.read_endpoints() or ())
    return with_endpoint_settings(desired, endpoint) if endpoint else desired


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


def _check_attainable(run: DeploymentRun) -> None:
    """Refuse, in check mode too, to wait for a state that neither time nor the planned update can reach.

    :raises Unsatisfied: the state cannot be reached, and on_unsatisfied is not ``keep``.
    """
    plan, policy, desired = run.plan, run.state.policy, run.state.desired
    if plan.stops_or_waits_for_stop or plan.start or plan.skipped_because or plan.after is None or not policy.wait:
        return
    if plan.changed and plan.after.number_of_allocations != 0:
        return
    readiness = judge_readiness(plan.after, policy.wait_for, accepts_zero=desired.accepts_zero)
    if readiness.state == "failed":
        message = failed_message(desired.deployment_id, policy.wait_for, readiness)
        if policy.on_unsatisfied != "keep":
            run.note(reached=False)
            raise Unsatisfied("not_ready", f"{message} {NOTHING_SENT}" if plan.changed else message)
        run.note(unattainable=message)


def _with_what_exists(run: DeploymentRun, error: Refusal, snapshot: Snapshot) -> Refusal:
    """Return *error*; if something does not exist, with what does, as far as it can be read."""
    if run.state.current is not None or error.code not in ("deployment_missing", "model_missing"):
        return error
    try:
        every = snapshot if snapshot.is_complete else run.cluster.read()
    except ApiError:
        return error
    if error.code == "model_missing":
        return error.with_hint(models_that_exist(str(run.state.desired.model_id), every.model_ids))
    return error.with_hint(deployments_that_exist(run.deployment_id, list(every), every.model_ids))

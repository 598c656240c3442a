# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Predict in check mode what a plan would send, and what would be there."""

from __future__ import annotations

import contextlib

from ..._core.errors import ApiError
from ..._ml.deployment import Deployment
from ..api.snapshot import Snapshot
from ..plan.readiness import continues_warning
from ..plan.start_step import as_shown
from .deployment_run import DeploymentRun
from .stuck import warn_if_stuck


def predict(run: DeploymentRun, snapshot: Snapshot) -> None:
    """Note the requests that would be sent, and the deployment that would be there."""
    plan, state = run.plan, run.state
    run.note(requests=tuple(run.to_request(step) for step in plan.steps), changed=plan.changed)
    if plan.changed or plan.waits_for_stop:
        run.note(observed=_predicted(run, snapshot), predicted=True)
    if state.unattainable and plan.after:
        warning = continues_warning(plan.after, state.policy.wait_for, accepts_zero=state.desired.accepts_zero)
        run.warn(warning, detail=state.unattainable)
    warn_if_stuck(run)


def _predicted(run: DeploymentRun, snapshot: Snapshot) -> Deployment | None:
    """Return the deployment as the cluster would show it after the plan."""
    cluster, after = run.cluster, run.plan.after
    if after is None or run.plan.start is None:
        return after
    size = snapshot.model_bytes(after.model_id)
    if size is None and not snapshot.is_complete:
        with contextlib.suppress(ApiError):  # a real run does not need the size
            size = cluster.read(after.model_id).model_bytes(after.model_id)
    return as_shown(after, cluster.server, size, exactly=cluster.shows_cluster_state)

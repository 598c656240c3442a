# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Predict in check mode what a plan would send, and what would be there."""

from __future__ import annotations

from ..api.snapshot import Snapshot
from ..plan.places import nothing_to_predict, predicted
from ..plan.preflight import Outlook
from ..plan.readiness import continues_warning
from .deployment_run import DeploymentRun
from .expected import expect
from .stuck import warn_if_stuck


def predict(run: DeploymentRun, snapshot: Snapshot, outlook: Outlook | None) -> None:
    """Note the requests that would be sent, and the deployment that would be there.

    *outlook*: what becomes of all plans of the task; ``None`` if this server does not show that.
    """
    plan, state = run.plan, run.state
    run.note(requests=tuple(run.to_request(step) for step in plan.steps), changed=plan.changed)
    if plan.changed or plan.waits_for_stop:
        expected, places = expect(run, snapshot), nothing_to_predict(run.cluster.server)
        if outlook is not None:
            expected, places = predicted(outlook, run.deployment_id, expected)
        run.note(observed=expected, places=places, predicted=True)
    if state.unattainable and plan.after:
        warning = continues_warning(plan.after, state.policy.wait_for, accepts_zero=state.desired.accepts_zero)
        run.warn(warning, detail=state.unattainable)
    warn_if_stuck(run)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments that hang while they start: only a task that waits can tell them from new ones. Pure."""

from __future__ import annotations

from ..._core.warning import WarningText
from ..._ml.deployment import Deployment
from ..records.desired import Desired, WaitPolicy
from .plan import Plan
from .readiness import is_new_instance


def restarts_stuck(desired: Desired, policy: WaitPolicy) -> bool:
    """Return whether the task restarts a deployment that hangs, and waits long enough to see it."""
    return desired.on_failed == "recover" and desired.state == "started" and policy.wait and policy.timeout > 0


def is_stuck(observed: Deployment | None, before: Deployment | None) -> bool:
    """Return whether *observed* has nodes, and none has started an allocation of it since *before* was read."""
    if observed is None or is_new_instance(observed, before) or observed.assignment_state != "starting":
        return False
    return bool(observed.routes) and not observed.running


def needs_restart(observed: Deployment | None) -> bool:
    """Return whether a deployment that was stuck has not come up meanwhile."""
    return observed is not None and (
        is_stuck(observed, observed) or observed.assignment_state in ("stopping", "failed")
    )


def may_restart_stuck(desired: Desired, policy: WaitPolicy, plan: Plan) -> bool:
    """Return whether the end of the wait decides if the deployment is stopped and started again after *plan*."""
    left = plan.operation in ("none", "update") and plan.after is not None and not plan.skipped_because
    starting = plan.before is not None and plan.before.assignment_state == "starting"
    return left and starting and restarts_stuck(desired, policy)


def stuck_warning(deployment_id: str, *, restarts: bool) -> WarningText:
    """Return the warning about a deployment that may hang. *restarts*: nothing forbids recovering it."""
    consequence = "stops it and starts it again, because on_failed is recover."
    if not restarts:
        consequence = "does not stop and start it again, although on_failed is recover. The result says why in details."
    return WarningText(
        f"Deployment '{deployment_id}' is starting. If no allocation of it runs at the end of wait_timeout, the task "
        f"{consequence}"
    )

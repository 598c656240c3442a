# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hangs while it starts: only a task that waits can tell it from what has just begun. Pure."""

from __future__ import annotations

from ..._ml.deployment import Deployment
from ..records.desired import Waiting, Wanted
from .plan import Plan
from .readiness import is_another


def recovers_stuck(wanted: Wanted, waiting: Waiting) -> bool:
    """Whether the task is to start anew what hangs, and takes the time to see that it does."""
    return wanted.on_failed == "recover" and wanted.state == "started" and waiting.wait and waiting.timeout > 0


def is_stuck(seen: Deployment | None, before: Deployment | None) -> bool:
    """Whether *seen* has nodes, and they have not brought up a single allocation of it since *before* was read."""
    if seen is None or is_another(seen, before) or seen.assignment_state != "starting":
        return False
    return bool(seen.routes) and not seen.running


def may_be_stuck(wanted: Wanted, waiting: Waiting, plan: Plan) -> bool:
    """Whether the end of the wait decides if what *plan* leaves running is stopped and started again."""
    left = plan.operation in ("none", "update") and plan.after is not None and not plan.skipped_because
    starting = plan.before is not None and plan.before.assignment_state == "starting"
    return left and starting and recovers_stuck(wanted, waiting)


def if_stuck(deployment_id: str, hindrance: str | None) -> str:
    """The warning about what may be stuck. *hindrance*: what forbids to recover it."""
    told = f"Deployment '{deployment_id}' is starting. If no allocation of it runs at the end of wait_timeout, it is "
    if hindrance:
        return f"{told}not stopped and started again, although on_failed is recover: {hindrance}"
    return f"{told}stopped and started again, because on_failed is recover."

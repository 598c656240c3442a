# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check at the end of a wait: another client may have changed the deployment after this task. Pure."""

from __future__ import annotations

from ..._core.errors import Unsatisfied
from ..._ml.deployment import Deployment
from .diff import missing_settings
from .run_state import PlanProgress
from .write_outcome import start_mismatch


def refuse_conflict(progress: PlanProgress, observed: Deployment | None) -> None:
    """Fail if *observed*, read last, is not what the plan was to make.

    :raises Unsatisfied: another client changed the deployment.
    """
    if observed is None:
        return
    plan, desired, model_id = progress.plan, progress.desired, progress.model_id
    if plan.start is None:
        differences = missing_settings(desired, observed, model_id)
    else:
        differences = start_mismatch(plan, plan.start, desired, model_id, observed)
    if differences:
        listed = "; ".join(map(str, differences))
        raise Unsatisfied(
            "conflict", f"Deployment '{observed.deployment_id}' was changed by another client meanwhile: {listed}."
        )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values that it takes to apply a plan: those that all plans for one deployment share, and those of one plan."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.run.wait import WaitBudget
from ..._ml.deployment import Deployment
from ..api.cluster import Cluster
from ..plan.plan import Plan
from ..records.desired import Desired, WaitPolicy
from .recovery_file import RecoveryFile
from .run_state import RunState


@dataclasses.dataclass(frozen=True)
class RunContext:
    """The values that all plans for one deployment of a task share: the first plan, a recovery, and a rollback.

    ``recovery_file``: keeps the start settings, if the task asks for it.
    """

    cluster: Cluster
    state: RunState
    server_timeout: str
    budget: WaitBudget
    recovery_file: RecoveryFile | None


@dataclasses.dataclass(frozen=True)
class PlanContext:
    """One plan, what it is made from, and how to make it again.

    ``policy``: how to wait for its effect. ``model_id``: the desired model with its alias resolved. ``replan``: returns
    the plan made again from the last plan and from a later read of the deployment, ``None`` if that is gone.
    """

    desired: Desired
    policy: WaitPolicy
    model_id: str | None
    plan: Plan
    replan: t.Callable[[Plan, Deployment | None], Plan]

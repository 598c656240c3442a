# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values that all steps for one deployment share: one for the run, one for each plan."""

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
    """The values that all steps for one deployment of a task share.

    ``recovery_file``: keeps the start settings, if the task asks for it.
    """

    cluster: Cluster
    state: RunState
    server_timeout: str
    budget: WaitBudget
    recovery_file: RecoveryFile | None


@dataclasses.dataclass(frozen=True)
class PlanContext:
    """One plan, the desired state that it is for, and how to make it again.

    ``replan``: makes the plan again from a later read of its deployment, ``None`` if that is gone.
    """

    desired: Desired
    policy: WaitPolicy
    model_id: str | None
    plan: Plan
    replan: t.Callable[[Plan, Deployment | None], Plan]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done for one deployment, and with what."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.run.wait import Watch
from ..._ml.deployment import Deployment
from ..api.cluster import Api
from ..plan.plan import Plan
from ..records.desired import Waiting, Wanted
from .recovery_file import RecoveryFile
from .run_state import Report


@dataclasses.dataclass(frozen=True)
class Means:
    """What all that is done for one deployment of a task shares. ``file``: where a start is written down, if asked."""

    api: Api
    report: Report
    server_timeout: str
    watch: Watch
    file: RecoveryFile | None


@dataclasses.dataclass(frozen=True)
class Aim:
    """What a change is to bring about.

    ``anew``: makes a plan again, from a later reading of the deployment that it was made for, if that is still there.
    """

    wanted: Wanted
    waiting: Waiting
    model_id: str | None
    plan: Plan
    anew: t.Callable[[Plan, Deployment | None], Plan]

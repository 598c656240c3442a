# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task on the upgrade mode of machine learning."""

from __future__ import annotations

import typing as t

from .._core.run.clock import Clock
from .._core.run.cluster import Connect
from .._core.run.long_work import LongStep, WaitPolicy
from .._core.run.progress import ProgressCallback, no_progress
from .._core.run.resource import empty_result as empty_result_of
from .._core.run.resource import run_resource
from .._core.run.resource_kind import Resource
from .._core.run.result import Json, Outcome
from .._ml.predictions import UPGRADE_MODE as NAME
from .._ml.predictions import UPGRADE_MODE_ENTRY
from .api import PLURAL, UpgradeModeCluster, send_until_shown, to_request
from .options import desired
from .plan import REFUSED, decide
from .records import Desired, UpgradeMode

_STEP = LongStep(lambda step, server: (to_request(step, server),), send_until_shown)


def settings(mode: UpgradeMode | None) -> Json:
    """Return the upgrade mode as ``before`` and ``after`` show it."""
    return {"enabled": mode and mode.enabled}


def refused(desired: Desired | None, _current: UpgradeMode | None) -> Json:
    """Return what Elasticsearch refuses in the mode that the task asks for."""
    return {"refused": list(REFUSED) if desired and desired.enabled else []}


UPGRADE_MODE: Resource[UpgradeModeCluster, Desired, UpgradeMode, UpgradeMode] = Resource(
    noun="upgrade mode of",
    plural=PLURAL,
    kind="upgrade_mode",
    key="upgrade_mode",
    entry=UPGRADE_MODE_ENTRY,
    desired=desired,
    name_of=lambda _desired: NAME,
    follow=UpgradeModeCluster.follow,
    read=UpgradeModeCluster.read,
    state_of=lambda current: current,
    plan=decide,
    request=to_request,
    settings=settings,
    result=refused,
    long_steps={"enable": _STEP, "disable": _STEP},
    wait_policy=lambda desired: WaitPolicy(True, desired.wait_timeout, desired.wait_sleep),
)


def run(
    params: t.Mapping[str, t.Any],
    check_mode: bool,
    *,
    connect: Connect[UpgradeModeCluster] = UpgradeModeCluster.connected,
    clock: Clock | None = None,
    show_progress: ProgressCallback = no_progress,
) -> Outcome:
    """Turn the upgrade mode on or off as validated *params* ask for. Return errors as a failed result."""
    return run_resource(UPGRADE_MODE, params, check_mode, connect, clock, show_progress)


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return empty_result_of(UPGRADE_MODE)

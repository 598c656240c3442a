# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task on the region policy of inference."""

from __future__ import annotations

import typing as t

from .._core.http.schema import ANY
from .._core.run.clock import Clock
from .._core.run.cluster import Connect
from .._core.run.resource import empty_result as empty_result_of
from .._core.run.resource import run_without_fact
from .._core.run.resource_kind import Resource
from .._core.run.result import Json, Outcome
from .._core.warning import WarningText
from .api import PLURAL, STAMPS, RegionPolicyCluster, to_request
from .options import desired
from .plan import decide
from .records import Desired, RegionPolicy, Situation

_UNSEEN = WarningText("Later tasks of this dry run do not see what this task would change: it is the region policy.")


def settings(policy: RegionPolicy | None) -> Json:
    """Return the region policy as ``before`` and ``after`` show it."""
    lists = {"allowed_geos": None, "allowed_regions": None, **(policy.as_json() if policy else {})}
    return {**lists, "state": "present" if policy else "absent"}


def shown(policy: RegionPolicy) -> Json:
    """Return the region policy with what is known of its making."""
    lists = {name: value for name, value in settings(policy).items() if name != "state"}
    return {**lists, **{name: policy.stamps.get(name) for name in STAMPS}}


REGION_POLICY: Resource[RegionPolicyCluster, Desired, Situation, RegionPolicy] = Resource(
    noun="region policy of",
    plural=PLURAL,
    kind="region_policy",
    key="region_policy",
    entry=ANY,
    desired=desired,
    name_of=lambda _desired: "inference",
    follow=lambda _cluster, _params: None,
    read=RegionPolicyCluster.read,
    state_of=lambda current: current.policy,
    plan=decide,
    request=to_request,
    settings=settings,
    result=lambda _desired, _current: {},
    shown=shown,
)


def run(
    params: t.Mapping[str, t.Any],
    check_mode: bool,
    *,
    connect: Connect[RegionPolicyCluster] = RegionPolicyCluster.connected,
    clock: Clock | None = None,
) -> Outcome:
    """Bring the region policy into the state that validated *params* ask for. Return errors as a failed result."""
    return run_without_fact(REGION_POLICY, params, check_mode, connect, clock, unseen=_UNSEEN)


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return empty_result_of(REGION_POLICY)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task on one model alias."""

from __future__ import annotations

import typing as t

from .._core.run.clock import Clock
from .._core.run.cluster import Connect
from .._core.run.resource import empty_result as empty_result_of
from .._core.run.resource import run_resource
from .._core.run.resource_kind import Resource
from .._core.run.result import Json, Outcome
from .._ml.predictions import ALIAS_ENTRY
from .api import AliasCluster, to_request
from .options import desired
from .plan import decide
from .records import Alias, Desired, Situation


def settings(alias: Alias | None) -> Json:
    """Return an alias as ``before`` and ``after`` show it."""
    found: Json = alias._asdict() if alias else dict.fromkeys(Alias._fields)
    return {**found, "state": "present" if alias else "absent"}


def result(desired: Desired | None, current: Situation | None) -> Json:
    """Return the result keys that only an alias has; *current*: what was read first."""
    before = current and current.refers_to
    used_by = None
    if desired and current and current.refers_to and desired.state == "absent":
        used_by = {"ingest_pipelines": None if current.pipelines is None else list(current.pipelines)}
    return {"previous_model_id": before.model_id if before else None, "used_by": used_by}


ALIAS: Resource[AliasCluster, Desired, Situation, Alias] = Resource(
    noun="model alias",
    plural="model aliases",
    kind="aliases",
    key="alias",
    entry=ALIAS_ENTRY,
    desired=desired,
    name_of=lambda desired: desired.model_alias,
    follow=AliasCluster.follow,
    read=AliasCluster.read,
    state_of=lambda current: current.refers_to,
    plan=decide,
    request=to_request,
    settings=settings,
    result=result,
)


def run(
    params: t.Mapping[str, t.Any],
    check_mode: bool,
    *,
    connect: Connect[AliasCluster] = AliasCluster.connected,
    clock: Clock | None = None,
) -> Outcome:
    """Bring one alias into the state that validated *params* ask for. Return errors as a failed result."""
    return run_resource(ALIAS, params, check_mode, connect, clock)


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return empty_result_of(ALIAS)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task on one inference endpoint."""

from __future__ import annotations

import typing as t

from .._core.http.client import Request
from .._core.plan import Step
from .._core.run.clock import Clock
from .._core.run.cluster import Connect
from .._core.run.long_work import LongStep
from .._core.run.progress import ProgressCallback, no_progress
from .._core.run.resource import empty_result as empty_result_of
from .._core.run.resource import run_resource
from .._core.run.resource_kind import Resource
from .._core.run.result import Json, Outcome
from .._core.server import Server
from .._ml.predictions import ENDPOINT_ENTRY
from .api import EndpointCluster
from .options import desired
from .plan import decide
from .readiness import readiness
from .records import Desired, EndpointState, Situation
from .shown import settings, shown
from .steps import SECRETS, explain, may_pass, to_request


def result(desired: Desired | None, current: Situation | None) -> Json:
    """Return the result keys that only an endpoint has; *current*: what was read first."""
    used_by = current.used_by if current else None
    return {
        "differences": [each._asdict() for each in current.differences] if current else [],
        "used_by": used_by and used_by.as_result(),
    }


def done(desired: Desired | None, first: Situation | None, last: Situation | None) -> Json:
    """Return those that come from what was read last."""
    return {"not_shown": list(last.not_shown) if last else []}


def besides(first: Situation) -> Json:
    """Return what a predicted entry of the fact has besides the endpoint: the model that its creation brings."""
    return {"downloads": {"model_id": first.downloads}} if first.downloads else {}


def _requests(step: Step, server: Server) -> tuple[Request, ...]:
    return (to_request(step, server),)


ENDPOINT: Resource[EndpointCluster, Desired, Situation, EndpointState] = Resource(
    noun="inference endpoint",
    plural="inference endpoints",
    kind="endpoints",
    key="endpoint",
    entry=ENDPOINT_ENTRY,
    desired=desired,
    name_of=lambda desired: desired.inference_id,
    follow=EndpointCluster.follow,
    read=EndpointCluster.read,
    state_of=lambda current: current.state,
    plan=decide,
    request=to_request,
    settings=settings,
    shown=shown,
    result=result,
    done=done,
    besides=besides,
    wait_policy=lambda desired: desired.wait,
    readiness=readiness,
    probe=EndpointCluster.probe,
    passes=may_pass,
    explain=explain,
    tidy=EndpointCluster.tidy,
    gaps=("delete",),
    long_steps={
        "create": LongStep(_requests, EndpointCluster.create),
        SECRETS: LongStep(_requests, EndpointCluster.update_secrets),
    },
)


def run(
    params: t.Mapping[str, t.Any],
    check_mode: bool,
    *,
    connect: Connect[EndpointCluster] = EndpointCluster.connected,
    clock: Clock | None = None,
    show_progress: ProgressCallback = no_progress,
) -> Outcome:
    """Bring one inference endpoint into the state that validated *params* ask for. Return errors as a failed result."""
    return run_resource(ENDPOINT, params, check_mode, connect, clock, show_progress)


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return empty_result_of(ENDPOINT)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task on one trained model."""

from __future__ import annotations

import typing as t

from .._core.run.clock import Clock
from .._core.run.cluster import Connect
from .._core.run.long_work import LongStep
from .._core.run.progress import ProgressCallback, no_progress
from .._core.run.resource import empty_result as empty_result_of
from .._core.run.resource import run_resource
from .._core.run.resource_kind import Resource
from .._core.run.result import Json, Outcome
from .._ml.predictions import MODEL_ENTRY
from .api import ModelCluster
from .options import desired
from .plan import decide, not_changeable
from .readiness import readiness
from .records import Desired, Situation, StoredModel
from .shown import settings, shown, upload_result
from .steps import to_request, upload_requests


def result(desired: Desired | None, current: Situation | None) -> Json:
    """Return the result keys that only a model has; *current*: what was read first."""
    used_by = current.users if current and (current.users.deployments or any(current.users.used_by)) else None
    return {
        "differences": not_changeable(current),
        "used_by": used_by and {"deployments": list(used_by.deployments), **used_by.used_by.as_result()},
    }


def done(desired: Desired | None, first: Situation | None, last: Situation | None) -> Json:
    """Return the result keys that show what the task did, from what was read first and last."""
    download = last.download if last else None
    upload = upload_result(desired, first, last) if desired and first and last else None
    return {"download": download and download._asdict(), "upload": upload}


MODEL: Resource[ModelCluster, Desired, Situation, StoredModel] = Resource(
    noun="model",
    plural="models",
    kind="models",
    key="model",
    entry=MODEL_ENTRY,
    desired=desired,
    name_of=lambda desired: desired.model_id,
    follow=ModelCluster.follow,
    resolve=ModelCluster.resolve,
    read=ModelCluster.read,
    state_of=lambda current: current.stored,
    plan=decide,
    request=to_request,
    settings=settings,
    shown=shown,
    result=result,
    done=done,
    wait_policy=lambda desired: desired.wait,
    readiness=readiness,
    tidy=ModelCluster.tidy,
    long_steps={"upload": LongStep(upload_requests, ModelCluster.upload)},
)


def run(
    params: t.Mapping[str, t.Any],
    check_mode: bool,
    *,
    connect: Connect[ModelCluster] = ModelCluster.connected,
    clock: Clock | None = None,
    show_progress: ProgressCallback = no_progress,
) -> Outcome:
    """Bring one model into the state that validated *params* ask for. Return errors as a failed result."""
    return run_resource(MODEL, params, check_mode, connect, clock, show_progress)


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return empty_result_of(MODEL)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The deployment that a plan makes, as Elasticsearch will show it."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..._core.errors import ApiError
from ..._ml.deployment import Deployment
from ..._ml.model import MEMORY_FIGURES
from ..api.cluster import Cluster
from ..api.snapshot import Lookup, Snapshot
from ..plan.start_step import as_shown
from .deployment_run import DeploymentRun


def expect(run: DeploymentRun, snapshot: Snapshot, existing: t.Iterable[Deployment] = ()) -> Deployment | None:
    """Return the deployment after the plan, without its places; read the size of a model only once, if at all.

    *existing*: other deployments, which may have the same model.
    """
    after = run.plan.after
    if after is None or run.plan.start is None or run.state.expected is not None:
        return run.state.expected or after
    shown = _shown(run.cluster, after, snapshot, existing)
    figures: dict[str, t.Any] = {name: getattr(run.state.start_model, name, 0) for name in MEMORY_FIGURES}
    run.note(expected=dataclasses.replace(shown, **figures))
    return run.state.expected


def completed(cluster: Cluster, found: Lookup, snapshot: Snapshot) -> Lookup:
    """Return *found*; the deployment of a predicted endpoint with what Elasticsearch fills in at its start."""
    deployment = found.deployment
    if deployment is None or deployment.cache_size is not None or not snapshot.is_predicted(deployment.deployment_id):
        return found
    return found._replace(deployment=_shown(cluster, deployment, snapshot, ()))


def _shown(cluster: Cluster, after: Deployment, snapshot: Snapshot, existing: t.Iterable[Deployment]) -> Deployment:
    size = _model_bytes(cluster, after.model_id, snapshot, existing)
    return as_shown(after, cluster.server, size, exactly=cluster.shows_cluster_state)


def _model_bytes(cluster: Cluster, model_id: str, snapshot: Snapshot, existing: t.Iterable[Deployment]) -> int | None:
    """Return the size of a model, ``None`` if it cannot be read."""
    size = snapshot.model_bytes(model_id)
    if size is None:
        size = next((each.model_bytes for each in existing if each.model_id == model_id), None)
    if size is None and not snapshot.is_complete:
        with contextlib.suppress(ApiError):  # a real run can do without it
            size = cluster.read(model_id).model_bytes(model_id)
    return size

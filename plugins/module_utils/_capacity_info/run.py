# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task that reads the room on the nodes, and never changes anything."""

from __future__ import annotations

import typing as t

from .._core.errors import Refusal
from .._core.run.clock import Clock, SystemClock
from .._core.run.cluster import Connect
from .._core.run.frame import connected, noting_failures
from .._core.run.result import Json, Outcome
from .._core.warning import WarningText
from .._deployment import run_fleet
from .._deployment.api.snapshot import Snapshot
from .._ml.existing import models_that_exist
from .._ml.model import Model
from .api import CapacityCluster
from .elser import elser_warnings
from .fit_result import Candidate, fit_result
from .nodes import Seen, node_results
from .options import FitRequest, fit_requests, list_params
from .plan_result import cannot_be_planned, is_about_room, plan_result

Params = t.Mapping[str, t.Any]


def run(
    params: Params,
    check_mode: bool,
    *,
    connect: Connect[CapacityCluster] = CapacityCluster.connected,
    clock: Clock | None = None,
) -> Outcome:
    """Return the room on the nodes, and what *params* ask about it. *check_mode* makes no difference."""
    result, clock = empty_result(), clock or SystemClock()
    with noting_failures(result) as warnings:
        requests = fit_requests(params)
        with connected(params, connect, clock.sleep, result) as cluster:
            seen, snapshot = cluster.read_all()
            result |= _shown(seen)
            models = _models(cluster, snapshot, requests)
            candidates = [_candidate(request, models, snapshot) for request in requests]
        result["fit"] = [fit_result(seen, candidate) for candidate in candidates]
        warnings += elser_warnings(result["nodes"], result["fit"], seen.rules)
    if result["failure"] or params["deployments"] is None:
        return Outcome(result, tuple(warnings))
    return _with_plan(result, run_fleet.run(list_params(params), True, connect=connect, clock=clock), tuple(warnings))


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return {
        "changed": False,
        "failure": None,
        "nodes": [],
        "fit": [],
        "plan": None,
        "may_grow": None,
        "missing": [],
        "server": None,
    }


def _shown(seen: Seen) -> Json:
    """Return the result keys about what there is."""
    return {
        "nodes": node_results(seen),
        "may_grow": seen.capacity.may_grow,
        "missing": [missing.as_result() for missing in seen.capacity.missing],
    }


def _models(cluster: CapacityCluster, snapshot: Snapshot, requests: t.Iterable[FitRequest]) -> dict[str, Model]:
    """Return the models that *requests* name, by id or alias; each is read once.

    :raises Refusal: there is no such model.
    """
    found = {}
    for name in dict.fromkeys(request.model_id for request in requests if request.model_id is not None):
        model = cluster.read_model(name)
        if model is None:
            hint = models_that_exist(name, snapshot.model_ids)
            raise Refusal("model_missing", f"The cluster has no trained model '{name}'", hint=hint)
        found[name] = model
    return found


def _candidate(request: FitRequest, models: t.Mapping[str, Model], snapshot: Snapshot) -> Candidate:
    if request.model_id is None:
        return Candidate(request, None, request.model_bytes)
    model = models[request.model_id]
    return Candidate(request, model, snapshot.model_bytes(model.model_id))


def _with_plan(result: Json, planned: Outcome, warnings: tuple[WarningText, ...]) -> Outcome:
    """Return *result* with what a dry run of the list has *planned*; it fails as the dry run does."""
    if planned.result.get("failed"):
        names = ("failed", "failure", "error")
        found = {name: planned.result[name] for name in names if name in planned.result}
        return Outcome({**result, **found, "msg": cannot_be_planned(planned.result)}, warnings)
    others = tuple(text for text in planned.warnings if not is_about_room(text))
    return Outcome({**result, "plan": plan_result(planned.result, planned.warnings)}, (*warnings, *others))

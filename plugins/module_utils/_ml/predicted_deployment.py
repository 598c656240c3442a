# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments as earlier tasks of a dry run would have left them: entries of their fact."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.http.schema import Schema, boolean, integer, list_of, map_of, object_with, text
from .._core.run.predictions import Predicted, entry_schema
from .._core.server import Server
from .adaptive import AdaptiveAllocations
from .deployment import Deployment
from .deployment_reads import Named
from .model import MEMORY_FIGURES
from .predictions import PredictedModel, keeps_deployments
from .routing import Route
from .schemas import ADAPTIVE
from .settings import SETTINGS

Json = dict[str, t.Any]
PredictedDeployments = t.Mapping[str, "Deployment | None"]
"""Deployment id to the predicted deployment, ``None`` if it would be gone."""

_SHOWN: dict[str, Schema] = {
    **{name: setting.schema for name, setting in SETTINGS.items()},
    **dict.fromkeys(("assignment_state", "reason", "start_time"), text),
}
"""What the entry shows of a deployment under the name that its record has, with the schema."""
_DEFAULTS = {name: setting.known_default for name, setting in SETTINGS.items()}
"""The settings of a deployment that an inference endpoint starts: its entry has only those that the endpoint names."""
_FIGURES = ("model_bytes", *MEMORY_FIGURES, "max_assigned_allocations")
_MORE = ("cache_size_exact", "has_predicted_places", *_FIGURES)
"""What a plan needs beside the result key ``deployment``: it tells a default cache size from one that was set."""

_ROUTE = object_with(
    node_name=text,
    routing_state=text,
    reason=text,
    current_allocations=integer,
    target_allocations=integer,
)

ENTRY: Schema = entry_schema(
    **dict.fromkeys(_FIGURES, integer),
    cache_size_exact=boolean,
    has_predicted_places=boolean,
    moved=list_of(text),
    routing_table=map_of(_ROUTE),
    deployment=object_with(
        "deployment_id",
        "model_id",
        deployment_id=text,
        model_id=text,
        adaptive_allocations=ADAPTIVE,
        **_SHOWN,
    ),
)
"""The schema of an entry of the fact."""


def predicted_deployments(params: t.Mapping[str, t.Any], server: Server) -> PredictedDeployments:
    """Return the deployments on *server* that earlier tasks of the dry run would have changed.

    :raises Refusal: the option has what no fact has.
    """
    found = Predicted(params, "deployments", ENTRY).on(server)
    return {deployment_id: from_entry(entry) for deployment_id, entry in found.items()}


def more_of(observed: Deployment | None) -> Json:
    """Return what the entry of a deployment has beside the result keys."""
    return {name: getattr(observed, name, None) for name in _MORE}


def from_entry(entry: Json) -> Deployment | None:
    """Return the predicted deployment of an *entry* that fits its schema, ``None`` if it would be gone."""
    shown = entry.get("deployment")
    if shown is None:
        return None
    figures: Json = {name: entry.get(name) or 0 for name in _FIGURES[1:]}
    return Deployment(
        deployment_id=shown["deployment_id"],
        model_id=shown["model_id"],
        adaptive_allocations=AdaptiveAllocations.from_api(shown.get("adaptive_allocations")),
        routing_source="prediction",
        **{name: shown.get(name, _DEFAULTS.get(name)) for name in _SHOWN},
        model_bytes=entry.get("model_bytes"),
        **figures,
        cache_size_exact=bool(entry.get("cache_size_exact")),
        has_predicted_places=bool(entry.get("has_predicted_places")),
        routes=_routes(entry.get("routing_table") or {}),
    )


def as_left(
    found: Named, name: str, predicted: PredictedDeployments, models: t.Mapping[str, PredictedModel | None]
) -> Named:
    """Return what has this *name* as earlier tasks of a dry run would have left it; *found*: what has it now."""
    deployment = found.deployment
    if name in predicted:
        after = predicted[name]
        deployment = after and overlaid(after, deployment)
    elif deployment is not None and not keeps_deployments(deployment.model_id, models):
        deployment = None
    kept = found.of_model if keeps_deployments(name, models) else ()
    new = [each for each, after in predicted.items() if after and after.model_id == name]
    return Named(deployment, tuple(sorted({*(each for each in kept if each not in predicted), *new})))


def _routes(table: t.Mapping[str, Json]) -> tuple[Route, ...]:
    """Return the routes in the *routing_table* of an entry."""
    names = [field.name for field in dataclasses.fields(Route)][1:]
    rows: dict[str, Json] = {node_id: {name: route.get(name) for name in names} for node_id, route in table.items()}
    return tuple(Route(node_id, **row) for node_id, row in sorted(rows.items()))


def overlaid(predicted: Deployment, observed: Deployment | None) -> Deployment:
    """Return *predicted*; if no task would have started it again, with everything else as *observed* now."""
    if observed is None or observed.start_time is None or observed.start_time != predicted.start_time:
        return predicted
    return dataclasses.replace(
        observed,
        number_of_allocations=predicted.number_of_allocations,
        adaptive_allocations=predicted.adaptive_allocations,
        allocation_status=None,
        max_assigned_allocations=predicted.max_assigned_allocations,
        routes=predicted.routes
        if predicted.has_predicted_places
        else tuple(dataclasses.replace(route, target_allocations=None) for route in observed.routes),
        has_predicted_places=predicted.has_predicted_places,
        routing_source="prediction",
    )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments as earlier tasks of a dry run would have left them: later tasks plan from them."""

from __future__ import annotations

import dataclasses
import types
import typing as t

from ..._capacity.records import Missing
from ..._core.http.schema import Schema, boolean, integer, list_of, map_of, object_with, text
from ..._core.run.predictions import entry_schema
from ..._ml.adaptive import AdaptiveAllocations
from ..._ml.deployment import Deployment
from ..._ml.model import MEMORY_FIGURES
from ..._ml.predictions import PredictedModel
from ..._ml.routing import Route
from ..._ml.schemas import ADAPTIVE
from ..._ml.settings import SETTINGS

Json = dict[str, t.Any]
PredictedDeployments = t.Mapping[str, "Deployment | None"]
"""Deployment id to the predicted deployment, ``None`` if it would be gone."""
_NOTHING: t.Mapping[str, t.Any] = types.MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Places:
    """The certainty of predicted nodes: the result key ``prediction``.

    ``kind``: ``None`` if nothing can be said. ``missing``: what could not be read. ``reasons``: why it is not exact.
    """

    kind: t.Literal["exact", "bounds"] | None
    missing: tuple[Missing, ...] = ()
    reasons: tuple[str, ...] = ()

    def as_result(self) -> Json:
        return {
            "kind": self.kind,
            "missing": [each.as_result() for each in self.missing],
            "reasons": list(self.reasons),
        }


class Predictions(t.NamedTuple):
    """The state that earlier tasks of a dry run would have left. ``aliases``: to their models, ``None`` if deleted.

    ``moved``: the ids of other deployments, whose places they would have changed. ``models``: ``None`` if deleted.
    """

    deployments: PredictedDeployments = _NOTHING
    aliases: t.Mapping[str, str | None] = _NOTHING
    moved: frozenset[str] = frozenset()
    models: t.Mapping[str, PredictedModel | None] = _NOTHING


NO_PREDICTIONS = Predictions()

_SHOWN: dict[str, Schema] = {
    **{name: setting.schema for name, setting in SETTINGS.items()},
    **dict.fromkeys(("assignment_state", "reason", "start_time"), text),
}
"""What the entry shows of a deployment under the name that its record has, with the schema."""
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
        **{name: shown.get(name) for name in _SHOWN},
        model_bytes=entry.get("model_bytes"),
        **figures,
        cache_size_exact=bool(entry.get("cache_size_exact")),
        has_predicted_places=bool(entry.get("has_predicted_places")),
        routes=_routes(entry.get("routing_table") or {}),
    )


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

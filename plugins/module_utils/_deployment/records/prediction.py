# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments as earlier tasks of a dry run would have left them: later tasks plan from them."""

from __future__ import annotations

import dataclasses
import types
import typing as t

from ..._core.http.schema import Schema, boolean, integer, object_with, text
from ..._core.run.predictions import entry_schema
from ..._ml.adaptive import AdaptiveAllocations
from ..._ml.deployment import Deployment
from ..._ml.schemas import ADAPTIVE
from ..._ml.settings import SETTINGS

Json = dict[str, t.Any]
PredictedDeployments = t.Mapping[str, "Deployment | None"]
"""Deployment id to the predicted deployment, ``None`` if it would be gone."""
_NOTHING: t.Mapping[str, t.Any] = types.MappingProxyType({})


class Predictions(t.NamedTuple):
    """The state that earlier tasks of a dry run would have left. ``aliases``: to their models, ``None`` if deleted."""

    deployments: PredictedDeployments = _NOTHING
    aliases: t.Mapping[str, str | None] = _NOTHING


NO_PREDICTIONS = Predictions()

_SHOWN: dict[str, Schema] = {
    **{name: setting.schema for name, setting in SETTINGS.items()},
    **dict.fromkeys(("assignment_state", "reason", "start_time"), text),
}
"""What the entry shows of a deployment under the name that its record has, with the schema."""
_MORE = ("model_bytes", "cache_size_exact")
"""What a plan needs beside the result key ``deployment``: it tells a default cache size from one that was set."""

ENTRY: Schema = entry_schema(
    model_bytes=integer,
    cache_size_exact=boolean,
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
    return Deployment(
        deployment_id=shown["deployment_id"],
        model_id=shown["model_id"],
        adaptive_allocations=AdaptiveAllocations.from_api(shown.get("adaptive_allocations")),
        routing_source="prediction",
        **{name: shown.get(name) for name in _SHOWN},
        model_bytes=entry.get("model_bytes"),
        cache_size_exact=bool(entry.get("cache_size_exact")),
    )


def overlaid(predicted: Deployment, observed: Deployment | None) -> Deployment:
    """Return *predicted*; if no task would have started it again, with everything else as *observed* now."""
    if observed is None or observed.start_time is None or observed.start_time != predicted.start_time:
        return predicted
    return dataclasses.replace(
        observed,
        number_of_allocations=predicted.number_of_allocations,
        adaptive_allocations=predicted.adaptive_allocations,
        allocation_status=None,
        routes=tuple(dataclasses.replace(route, target_allocations=None) for route in observed.routes),
        routing_source="prediction",
    )

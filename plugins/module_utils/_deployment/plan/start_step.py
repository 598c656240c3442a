# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The start of a plan, and the deployment that it makes."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import Refusal
from ..._core.features import Feature
from ..._core.server import Server
from ..._core.sizes import human_size, parse_size, stored_size
from ..._core.warning import WarningText
from ..._ml.adaptive import OFF, AdaptiveAllocations, AdaptivePatch
from ..._ml.deployment import Deployment
from ..._ml.settings import MISREPORTED, SETTINGS, START_SETTINGS, server_defaults
from ..records.desired import Desired
from ..records.step import Step


def new_start(desired: Desired, model_id: str) -> tuple[Step, Deployment]:
    """Return a start with what the task names, and the deployment it makes; Elasticsearch fills in the rest."""
    adaptive = desired.adaptive_allocations.merged_into(None) if desired.adaptive_allocations else OFF
    number = desired.number_of_allocations or desired.initial_number_of_allocations
    return _start(desired.deployment_id, model_id, adaptive, number, desired.start_settings)


def restart_of(
    desired: Desired, merged: Deployment, model_id: str | None
) -> tuple[Step, Deployment, tuple[WarningText, ...]]:
    """Return a start that repeats *merged* (what runs now, after an update), overlaid with what the task names.

    The second value is the deployment it makes, the third has warnings about what cannot be kept exactly.
    """
    warnings: tuple[WarningText, ...] = ()
    settings = merged.start_settings
    if _is_default_cache(merged):
        del settings["cache_size"]
    elif not merged.cache_size_exact and "." in (merged.cache_size or "") and desired.cache_size is None:
        text = (
            f"The cache size of deployment '{merged.deployment_id}' is kept as {merged.cache_size}, cut to one "
            "decimal: only the cluster state shows it exactly, and reading that needs the cluster privilege monitor."
        )
        warnings += (WarningText(text),)
    settings.update(desired.start_settings)
    adaptive = merged.adaptive_allocations or OFF
    number = None if merged.adaptive else max(1, merged.number_of_allocations or 1)
    step, after = _start(merged.deployment_id, model_id or merged.model_id, adaptive, number, settings)
    return step, after, warnings + _changed_number(merged, after)


def _changed_number(merged: Deployment, after: Deployment) -> tuple[WarningText, ...]:
    """Return the warning if *after* starts with another number than that of *merged*."""
    number, deployment_id = merged.number_of_allocations, merged.deployment_id
    text = ""
    if number is None:
        text = (
            f"The number of allocations of deployment '{deployment_id}' cannot be read, and it is started with "
            f"{after.number_of_allocations}."
        )
    elif number == 0 and not merged.adaptive:
        text = f"Deployment '{deployment_id}' has 0 allocations, and is started with 1."
    elif number > (after.number_of_allocations or 0):
        text = (
            f"Deployment '{deployment_id}' has {number} allocations, and is started with "
            f"{after.number_of_allocations}: its adaptive allocations set the number."
        )
    return (WarningText(text),) if text else ()


def refuse_misreported(deployment: Deployment) -> None:
    """Refuse to stop or to start again *deployment* if its threads and its cache size are not known.

    Naming them does not help: if the start is refused, what ran could not be started again.
    """
    if deployment.misreported:
        raise Refusal(
            "missing_privilege",
            f"The {' and the '.join(MISREPORTED)} of deployment '{deployment.deployment_id}' are not known, and "
            "without them it could not be started again as it was: when Elasticsearch 8.4 or 8.5 has moved "
            "allocations, its statistics show them wrongly",
            hint="Grant the cluster privilege monitor: the cluster state shows them.",
        )


def start_like(before: Deployment) -> Step:
    """Return the start that would make *before* again."""
    return restart_of(Desired(before.deployment_id), before, None)[0]


def as_shown(after: Deployment, server: Server, model_bytes: int | None, *, exactly: bool) -> Deployment:
    """Return *after*, which a start makes, as *server* will show it: with defaults, and sizes in its own form.

    *model_bytes*: the size of the model. *exactly*: the cluster state shows it, not only statistics.
    """
    # Source of the defaults: server-behaviour.md 1.1; Serverless always scales, within bounds that are not known (8).
    scaled = AdaptivePatch(enabled=True).merged_into(after.adaptive_allocations)
    filled = {name: getattr(after, name) or default for name, default in server_defaults(server).items()}
    has_cache = server.supports(Feature.CACHE_SIZE)
    cache = _cache_shown(after.cache_size, model_bytes, exactly) if has_cache else None
    return dataclasses.replace(
        after,
        **{**filled, "cache_size": cache},
        adaptive_allocations=scaled if server.serverless else after.adaptive_allocations,
        cache_size_exact=exactly,
        model_bytes=model_bytes,
    )


def _cache_shown(given: str | None, model_bytes: int | None, exactly: bool) -> str | None:
    if given is None:
        given = None if model_bytes is None else f"{model_bytes}b"
    size = None if given is None else parse_size(given)
    if given is None or size is None:
        return given
    return stored_size(given) if exactly else human_size(size)


def _is_default_cache(merged: Deployment) -> bool:
    """Return whether the cache is as large as the model: the default of Elasticsearch, which follows the model."""
    if merged.cache_size is None or merged.model_bytes is None:
        return False
    if merged.cache_size_exact:
        return parse_size(merged.cache_size) == merged.model_bytes
    return merged.cache_size == human_size(merged.model_bytes)


def _start(
    deployment_id: str, model_id: str, adaptive: AdaptiveAllocations, number: int | None, fixed: dict[str, t.Any]
) -> tuple[Step, Deployment]:
    settings: dict[str, t.Any] = {"model_id": model_id, **fixed}
    if adaptive != OFF:
        settings["adaptive_allocations"] = adaptive.as_request()
    if number is not None:
        settings["number_of_allocations"] = number
    after = Deployment(
        deployment_id=deployment_id,
        model_id=model_id,
        # Elasticsearch starts with the lower bound even if adaptive allocations are disabled (server-behaviour.md 6).
        number_of_allocations=number or adaptive.min_number_of_allocations or 1,
        adaptive_allocations=None if adaptive == OFF else adaptive,
        **{name: fixed.get(name, SETTINGS[name].known_default) for name in START_SETTINGS},
        cache_size_exact=True,
        assignment_state="started",
        routing_source="prediction",
    )
    return Step("start", deployment_id, settings), after

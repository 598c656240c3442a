# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The allocations that a task asks for, beside those of the deployment that an endpoint uses. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import Refusal
from .._core.server import Server
from .._ml.adaptive import UNSET, AdaptiveAllocations, AdaptivePatch
from .._ml.deployment import Deployment
from .._ml.endpoint import Endpoint
from .._ml.endpoint_updates import allocation_settings
from .records import Desired, Situation

SCALING = ("num_allocations", "adaptive_allocations")
_BOUNDS = ("min_number_of_allocations", "max_number_of_allocations")
_THREADS = (1, 2, 4, 8, 16, 32)
_ADAPTIVE = ("enabled", *_BOUNDS)


class Asked(t.NamedTuple):
    """The allocations that the settings of a service ask for; ``None`` leaves them as they are."""

    number: int | None = None
    adaptive: AdaptivePatch | None = None
    threads: int | None = None

    @property
    def is_plain_number(self) -> bool:
        """Return whether a number is given, and nothing that says whether adaptive allocations set it."""
        return self.number is not None and (self.adaptive is None or self.adaptive.enabled is None)


class Scaling(t.NamedTuple):
    """A change of allocations. ``settings``: what an update of the deployment would send; empty if nothing differs."""

    settings: dict[str, t.Any]
    before: Deployment
    after: Deployment
    skipped_because: str | None = None


def asked(desired: Desired) -> Asked:
    """Return the allocations in the settings of a service in the cluster.

    :raises Refusal: Elasticsearch takes no such value.
    """
    settings = desired.service_settings
    found = Asked(
        _positive("num_allocations", settings.get("num_allocations")),
        _patch(settings.get("adaptive_allocations")),
        _positive("num_threads", settings.get("num_threads")),
    )
    if found.number is not None and found.adaptive is not None and found.adaptive.enabled:
        raise Refusal(
            "conflicting_options",
            "service_settings have num_allocations and adaptive_allocations that are enabled, which set that number",
            hint="Give one of them.",
        )
    if found.threads is not None and found.threads not in _THREADS:
        raise Refusal("invalid_value", "service_settings.num_threads must be a power of 2, at most 32")
    return found


def _positive(name: str, value: t.Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise Refusal("invalid_value", f"service_settings.{name} must be a whole number above 0")
    return value


def _patch(given: t.Any) -> AdaptivePatch | None:
    if given is None:
        return None
    where = "service_settings.adaptive_allocations"
    if not isinstance(given, dict) or set(given) - set(_ADAPTIVE):
        raise Refusal("invalid_value", f"{where} takes a dictionary with {', '.join(_ADAPTIVE)}")
    if not isinstance(given.get("enabled"), (bool, type(None))):
        raise Refusal("invalid_value", f"{where}.enabled must be true or false")
    low, high = (_bound(f"{where}.{name}", given.get(name)) for name in _BOUNDS)
    if None not in (low, high) and UNSET not in (low, high) and t.cast("int", low) > t.cast("int", high):
        raise Refusal("invalid_value", f"{where} has a minimum above its maximum")
    return AdaptivePatch(given.get("enabled"), low, high)


def _bound(name: str, value: t.Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < UNSET):
        raise Refusal("invalid_value", f"{name} must be a whole number of 0 or more, or -1 for no bound")
    return value


def as_deployment(stored: Endpoint, live: Deployment | None) -> Deployment:
    """Return the deployment of an endpoint: as it is, or without it as the endpoint shows it."""
    return live or Deployment(
        deployment_id=str(stored.deployment_id),
        model_id=str(stored.model_id or ""),
        number_of_allocations=stored.number_of_allocations,
        threads_per_allocation=stored.threads_per_allocation,
        adaptive_allocations=stored.adaptive_allocations,
    )


def as_lost(stored: Endpoint, server: Server) -> Deployment:
    """Return the deployment that a start makes of one that is gone. On Serverless its allocations are adaptive."""
    lost = as_deployment(stored, None)
    if not server.serverless or lost.adaptive:
        return lost
    return dataclasses.replace(lost, adaptive_allocations=AdaptiveAllocations(enabled=True))


def scaling(desired: Desired, current: Situation, stored: Endpoint, server: Server) -> Scaling:
    """Return how the allocations of the endpoint *stored* have to change.

    :raises Refusal: adaptive allocations set the number that the task asks for, or the task asks for what none is.
    """
    now = as_lost(stored, server) if current.is_lost else as_deployment(stored, current.deployment)
    given = asked(desired)
    number, patch, skipped = given.number, given.adaptive, None
    if now.adaptive and given.is_plain_number:
        number, patch, skipped = _of_adaptive(desired, given)
    merged = now.adaptive_allocations if patch is None else patch.merged_into(now.adaptive_allocations)
    is_adaptive = merged is not None and merged.enabled
    after = dataclasses.replace(
        now,
        adaptive_allocations=merged,
        number_of_allocations=now.number_of_allocations if is_adaptive or number is None else number,
    )
    settings = allocation_settings(number, patch, now)
    if current.owes_number and number is not None and not is_adaptive:
        settings = {**settings, "number_of_allocations": number}
    return Scaling(settings, now, after, skipped)


def refuse_on_serverless(given: Asked, *, may_skip: bool) -> None:
    """Refuse what Serverless cannot do: it sets the number of allocations of every deployment itself.

    *may_skip*: the task may leave the number that it gives.

    :raises Refusal: the task asks for that.
    """
    if given.adaptive is not None and given.adaptive.enabled is False:
        what = "adaptive_allocations cannot be turned off"
    elif given.number is not None and not (may_skip and given.is_plain_number):
        what = "num_allocations cannot be set"
    else:
        return
    raise Refusal(
        "unsupported_on_serverless",
        f"Elasticsearch Serverless scales every deployment itself, so {what}",
        hint="Give adaptive_allocations with min_number_of_allocations and max_number_of_allocations instead.",
    )


def _of_adaptive(desired: Desired, given: Asked) -> tuple[int | None, AdaptivePatch | None, str | None]:
    """Return number and patch where adaptive allocations are enabled, and the task gives a number alone."""
    if desired.on_adaptive == "fail":
        raise Refusal(
            "adaptive_allocations_enabled",
            f"The deployment of inference endpoint '{desired.inference_id}' has adaptive allocations enabled: they set "
            "its num_allocations",
            hint="Set on_adaptive to override (turns them off) or skip, or give adaptive_allocations, too.",
        )
    if desired.on_adaptive == "skip":
        return None, given.adaptive, "adaptive allocations are enabled and on_adaptive is skip"
    return given.number, dataclasses.replace(given.adaptive or AdaptivePatch(), enabled=False), None

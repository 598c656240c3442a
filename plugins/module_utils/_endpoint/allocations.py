# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The allocations that a task asks for, beside those of the deployment that an endpoint uses. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import Refusal
from .._core.server import Server
from .._core.words import joined
from .._ml.adaptive import UNSET, AdaptiveAllocations, AdaptivePatch
from .._ml.deployment import Deployment
from .._ml.endpoint import Endpoint
from .._ml.endpoint_updates import allocation_settings
from .._ml.settings import SETTINGS
from .live import as_deployment
from .records import Desired, Situation

_BOUNDS = {"min_number_of_allocations": 0, "max_number_of_allocations": 1}
"""Names of bounds, to the least number of each. -1 says that there is none."""
_ADAPTIVE = ("enabled", *_BOUNDS)
_IDS = ("model_id", "deployment_id")
_LARGEST = 2**31 - 1
_THREADS = tuple(SETTINGS["threads_per_allocation"].option["choices"])


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
    threads: int | None = None
    """Other threads than the deployment has, which only a start sets."""


def asked(desired: Desired) -> Asked:
    """Return the allocations in the settings of a service in the cluster.

    :raises Refusal: Elasticsearch takes no such value, or none such together.
    """
    settings = desired.service_settings
    for name in _IDS:
        if not isinstance(settings.get(name), (str, type(None))):
            raise Refusal("invalid_value", f"service_settings.{name} is not a text", hint="Put it into quotes.")
    given = Asked(
        _whole("num_allocations", settings.get("num_allocations"), 1),
        _patch(settings.get("adaptive_allocations")),
        _whole("num_threads", settings.get("num_threads"), 1),
    )
    if given.threads not in (None, *_THREADS):
        raise Refusal("invalid_value", "service_settings.num_threads must be a power of 2, at most 32")
    if given.number is not None and given.adaptive is not None and given.adaptive.enabled:
        raise Refusal(
            "conflicting_options",
            "service_settings have num_allocations and adaptive_allocations that are enabled, which set that number",
            hint="Give one of them.",
        )
    return given


def _whole(name: str, value: t.Any, least: int) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and least <= value <= _LARGEST):
        return value
    raise Refusal("invalid_value", f"service_settings.{name} must be a whole number from {least} to {_LARGEST}")


def _patch(given: t.Any) -> AdaptivePatch | None:
    where = "adaptive_allocations"
    if given is None:
        return None
    if not isinstance(given, dict) or set(given) - set(_ADAPTIVE):
        raise Refusal("invalid_value", f"service_settings.{where} takes a dictionary with {joined(_ADAPTIVE)}")
    if not isinstance(given.get("enabled"), (bool, type(None))):
        raise Refusal("invalid_value", f"service_settings.{where}.enabled must be true or false")
    low, high = (_bound(f"{where}.{name}", given.get(name), least) for name, least in _BOUNDS.items())
    patch = AdaptivePatch(given.get("enabled"), low, high)
    _refuse_crossed(patch.merged_into(None), "invalid_value")
    return None if patch == AdaptivePatch() else patch


def _refuse_crossed(adaptive: AdaptiveAllocations | None, code: str) -> None:
    low, high = (adaptive.min_number_of_allocations, adaptive.max_number_of_allocations) if adaptive else (None, None)
    if low is not None and high is not None and low > high:
        raise Refusal(
            code,
            f"adaptive_allocations would have min_number_of_allocations {low} above max_number_of_allocations {high}",
            hint="Give both bounds, or remove one with -1.",
        )


def _bound(name: str, value: t.Any, least: int) -> int | None:
    return UNSET if value == UNSET and not isinstance(value, float) else _whole(name, value, least)


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
    found = scaled(desired, now)
    if current.owes_number and asked(desired).number is not None and not found.after.adaptive:
        owed = {"number_of_allocations": found.after.number_of_allocations}
        found = found._replace(settings={**found.settings, **owed})
    return found


def scaled(desired: Desired, now: Deployment) -> Scaling:
    """Return how the allocations have to change from what they are *now*.

    :raises Refusal: see :func:`scaling`.
    """
    given = asked(desired)
    number, patch, skipped = given.number, given.adaptive, None
    if now.adaptive and given.is_plain_number:
        number, patch, skipped = _of_adaptive(desired, given)
    merged = now.adaptive_allocations if patch is None else patch.merged_into(now.adaptive_allocations)
    _refuse_crossed(merged, "conflicting_settings")
    is_adaptive = merged is not None and merged.enabled
    after = dataclasses.replace(
        now,
        adaptive_allocations=merged,
        number_of_allocations=now.number_of_allocations if is_adaptive or number is None else number,
    )
    threads = given.threads if now.threads_per_allocation not in (None, given.threads) else None
    return Scaling(allocation_settings(number, patch, now), now, after, skipped, threads)


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

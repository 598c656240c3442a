# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between a deployment and what is wanted of it."""

from __future__ import annotations

import typing as t

from ..._core.errors import Difference
from ..._core.sizes import human_size, parse_size
from ..._ml.adaptive import OFF, AdaptiveAllocations, AdaptiveWish
from ..._ml.deployment import Deployment
from ..records.desired import Wanted

FIXED_AT_START = ("threads_per_allocation", "priority", "queue_capacity")
"""Settings that no update changes and that compare as they are; ``model_id`` and ``cache_size`` need more care."""


def fixed_differences(wanted: Wanted, current: Deployment, model_id: str | None) -> tuple[Difference, ...]:
    """Settings that only a stop and a start can change. *model_id* is the wanted model with its alias resolved."""
    found = [
        Difference(name, getattr(current, name), getattr(wanted, name))
        for name in FIXED_AT_START
        if getattr(wanted, name) not in (None, getattr(current, name))
    ]
    if model_id not in (None, current.model_id):
        found.insert(0, Difference("model_id", current.model_id, model_id))
    if wanted.cache_size is not None and not _same_cache(wanted.cache_size, current):
        found.append(Difference("cache_size", current.cache_size, wanted.cache_size))
    return tuple(found)


def count_differences(wanted: Wanted, current: Deployment) -> tuple[Difference, ...]:
    """Differences of what an update changes: the scaler's settings, and the count unless the scaler owns it."""
    found = []
    stored, after = current.adaptive_allocations or OFF, adaptive_after(wanted, current) or OFF
    if after != stored:
        found.append(Difference("adaptive_allocations", stored.as_result(), after.as_result()))
    count = wanted.number_of_allocations
    if count not in (None, current.number_of_allocations) and not after.enabled:
        found.append(Difference("number_of_allocations", current.number_of_allocations, count))
    return tuple(found)


def moved(one: Deployment, other: Deployment) -> tuple[Difference, ...]:
    """What an update could have changed between two readings; a count that the scaler owns in *one* is anybody's."""
    found = []
    if (one.adaptive_allocations or OFF) != (other.adaptive_allocations or OFF):
        found.append(Difference("adaptive_allocations", _plain(other), _plain(one)))
    if not one.adaptive and one.number_of_allocations != other.number_of_allocations:
        found.append(Difference("number_of_allocations", other.number_of_allocations, one.number_of_allocations))
    return tuple(found)


def unmet(wanted: Wanted, seen: Deployment, model_id: str | None) -> tuple[Difference, ...]:
    """Everything the task names that *seen* does not have: none means that the wanted settings are there."""
    return fixed_differences(wanted, seen, model_id) + count_differences(wanted, seen)


def started_otherwise(
    wanted: Wanted, sent: t.Mapping[str, t.Any], after: Deployment, seen: Deployment
) -> tuple[Difference, ...]:
    """What *seen* has not of the start that *after* foretells: then somebody else started it.

    *sent*: the settings of the start. A count and a scaler it did not say are anybody's.
    """
    names = ["model_id", *FIXED_AT_START]
    if "number_of_allocations" in sent and wanted.initial_number_of_allocations is None and not seen.adaptive:
        names.append("number_of_allocations")
    found = [
        Difference(name, getattr(seen, name), getattr(after, name))
        for name in names
        if getattr(after, name) not in (None, getattr(seen, name))
    ]
    if "adaptive_allocations" in sent and (seen.adaptive_allocations or OFF) != (after.adaptive_allocations or OFF):
        found.append(Difference("adaptive_allocations", _plain(seen), _plain(after)))
    if after.cache_size is not None and not _same_cache(after.cache_size, seen):
        found.append(Difference("cache_size", seen.cache_size, after.cache_size))
    return tuple(found)


def _plain(deployment: Deployment) -> dict[str, t.Any]:
    return (deployment.adaptive_allocations or OFF).as_result()


def adaptive_wish(wanted: Wanted, current: Deployment) -> AdaptiveWish | None:
    """What is asked of the scaler: a plain count takes the deployment out of its hands, unless it is to be skipped."""
    if wanted.plain_count and current.adaptive and wanted.on_adaptive != "skip":
        return AdaptiveWish(enabled=False)
    return wanted.adaptive_allocations


def adaptive_after(wanted: Wanted, current: Deployment) -> AdaptiveAllocations | None:
    """The scaler's settings as the server merges them."""
    stored, wish = current.adaptive_allocations, adaptive_wish(wanted, current)
    merged = stored if wish is None else wish.over(stored)
    return stored if merged == (stored or OFF) else merged


def _same_cache(given: str, current: Deployment) -> bool:
    """Whether *given* is the cache size shown: to the byte, or to the one decimal that ``_stats`` keeps."""
    size = parse_size(given)
    if size is None or current.cache_size is None:
        return given == current.cache_size
    if current.cache_size_exact:
        return size == parse_size(current.cache_size)
    return human_size(size) == current.cache_size

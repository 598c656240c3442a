# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Differences between a deployment and what is desired of it."""

from __future__ import annotations

import typing as t

from ..._core.errors import Difference
from ..._core.sizes import human_size, parse_size
from ..._ml.adaptive import OFF, AdaptiveAllocations, AdaptivePatch
from ..._ml.deployment import Deployment
from ..._ml.settings import MISREPORTED, START_SETTINGS
from ..records.desired import Desired

_COMPARED_AS_THEY_ARE = tuple(name for name in START_SETTINGS if name != "cache_size")


def immutable_differences(desired: Desired, current: Deployment, model_id: str | None) -> tuple[Difference, ...]:
    """Return what only a stop and a start can change. *model_id* is the desired model with its alias resolved."""
    found = [
        Difference(name, getattr(current, name), getattr(desired, name))
        for name in _known(current, _COMPARED_AS_THEY_ARE)
        if getattr(desired, name) not in (None, getattr(current, name))
    ]
    if model_id not in (None, current.model_id):
        found.insert(0, Difference("model_id", current.model_id, model_id))
    if desired.cache_size is not None and not (current.misreported or _same_cache(desired.cache_size, current)):
        found.append(Difference("cache_size", current.cache_size, desired.cache_size))
    return tuple(found)


def _known(deployment: Deployment, names: t.Sequence[str]) -> list[str]:
    """Return those of *names* whose values in *deployment* are known."""
    return [name for name in names if not (deployment.misreported and name in MISREPORTED)]


def allocation_differences(desired: Desired, current: Deployment) -> tuple[Difference, ...]:
    """Return what an update changes: the adaptive allocations, and the number of allocations unless they set it."""
    found = []
    stored, after = current.adaptive_allocations or OFF, adaptive_after(desired, current) or OFF
    if after != stored:
        found.append(Difference("adaptive_allocations", stored.as_result(), after.as_result()))
    number = desired.number_of_allocations
    if number not in (None, current.number_of_allocations) and not after.enabled:
        found.append(Difference("number_of_allocations", current.number_of_allocations, number))
    return tuple(found)


def allocation_changes(expected: Deployment, observed: Deployment) -> tuple[Difference, ...]:
    """Return in what *observed* differs from *expected*, of that which an update can change.

    If *expected* has adaptive allocations enabled, Elasticsearch may change the number at any time: it is not compared.
    """
    found = []
    if (expected.adaptive_allocations or OFF) != (observed.adaptive_allocations or OFF):
        found.append(Difference("adaptive_allocations", _plain(observed), _plain(expected)))
    number = observed.number_of_allocations
    if not expected.adaptive and expected.number_of_allocations != number:
        found.append(Difference("number_of_allocations", number, expected.number_of_allocations))
    return tuple(found)


def missing_settings(desired: Desired, observed: Deployment, model_id: str | None) -> tuple[Difference, ...]:
    """Return everything the task names that *observed* does not have: none if the desired settings are there."""
    return immutable_differences(desired, observed, model_id) + allocation_differences(desired, observed)


def start_differences(
    desired: Desired, sent: t.Mapping[str, t.Any], after: Deployment, observed: Deployment
) -> tuple[Difference, ...]:
    """Return what *observed* has otherwise than *after*, the prediction of a start: then another client started it.

    *sent*: the settings of the start. A number and adaptive allocations that are not in there are not compared.
    """
    names = ["model_id", *_known(observed, _COMPARED_AS_THEY_ARE)]
    if "number_of_allocations" in sent and desired.initial_number_of_allocations is None and not observed.adaptive:
        names.append("number_of_allocations")
    found = [
        Difference(name, getattr(observed, name), getattr(after, name))
        for name in names
        if getattr(after, name) not in (None, getattr(observed, name))
    ]
    if "adaptive_allocations" in sent and (observed.adaptive_allocations or OFF) != (after.adaptive_allocations or OFF):
        found.append(Difference("adaptive_allocations", _plain(observed), _plain(after)))
    if after.cache_size is not None and not (observed.misreported or _same_cache(after.cache_size, observed)):
        found.append(Difference("cache_size", observed.cache_size, after.cache_size))
    return tuple(found)


def _plain(deployment: Deployment) -> dict[str, t.Any]:
    return (deployment.adaptive_allocations or OFF).as_result()


def adaptive_patch(desired: Desired, current: Deployment) -> AdaptivePatch | None:
    """Return the change of the adaptive allocations: a fixed number disables them, unless on_adaptive is skip."""
    if desired.asks_fixed_number and current.adaptive and desired.on_adaptive != "skip":
        return AdaptivePatch(enabled=False)
    return desired.adaptive_allocations


def adaptive_after(desired: Desired, current: Deployment) -> AdaptiveAllocations | None:
    """Return the adaptive allocations as Elasticsearch merges them."""
    stored, patch = current.adaptive_allocations, adaptive_patch(desired, current)
    merged = stored if patch is None else patch.merged_into(stored)
    return stored if merged == (stored or OFF) else merged


def _same_cache(given: str, current: Deployment) -> bool:
    """Return whether *given* is the cache size shown: to the byte, or to the one decimal that ``_stats`` keeps."""
    size = parse_size(given)
    if size is None or current.cache_size is None:
        return given == current.cache_size
    if current.cache_size_exact:
        return size == parse_size(current.cache_size)
    return human_size(size) == current.cache_size

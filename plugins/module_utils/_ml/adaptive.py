# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Adaptive allocations: what a deployment has stored, and what a task asks for."""

from __future__ import annotations

import dataclasses
import typing as t

UNSET = -1
"""The value that Elasticsearch stores and accepts for "no bound"."""


@dataclasses.dataclass(frozen=True)
class AdaptiveAllocations:
    """The adaptive allocations of one deployment. A bound of ``None`` is "no bound"."""

    enabled: bool = False
    min_number_of_allocations: int | None = None
    max_number_of_allocations: int | None = None

    @classmethod
    def from_api(cls, raw: t.Mapping[str, t.Any] | None) -> AdaptiveAllocations | None:
        """Return the stored settings; ``-1``, ``null`` and an absent bound are the same thing."""
        if raw is None:
            return None
        low, high = raw.get("min_number_of_allocations"), raw.get("max_number_of_allocations")
        return cls(bool(raw.get("enabled")), None if low == UNSET else low, None if high == UNSET else high)

    def as_result(self) -> dict[str, t.Any]:
        return dict(vars(self))

    def as_request(self) -> dict[str, t.Any]:
        """Return the settings as a creation or a start sends them: without bounds that are not there."""
        return {name: value for name, value in vars(self).items() if value is not None}


OFF = AdaptiveAllocations()
"""The settings that a deployment without any behaves like."""


@dataclasses.dataclass(frozen=True)
class AdaptivePatch:
    """The sub-options a task gave: ``None`` leaves a field as it is, ``-1`` removes a bound."""

    enabled: bool | None = None
    min_number_of_allocations: int | None = None
    max_number_of_allocations: int | None = None

    def merged_into(self, stored: AdaptiveAllocations | None) -> AdaptiveAllocations:
        """Return the settings after the server has merged this patch, field by field, into *stored*."""
        base = stored or OFF
        return AdaptiveAllocations(
            base.enabled if self.enabled is None else self.enabled,
            _bound(self.min_number_of_allocations, base.min_number_of_allocations),
            _bound(self.max_number_of_allocations, base.max_number_of_allocations),
        )

    def body(self, stored: AdaptiveAllocations | None) -> dict[str, t.Any]:
        """Return the request object: what was given, without removing bounds that are not there."""
        base = stored or OFF
        given = dataclasses.asdict(self)
        return {
            name: value
            for name, value in given.items()
            if value is not None and not (value == UNSET and getattr(base, name) is None)
        }


def _bound(given: int | None, stored: int | None) -> int | None:
    if given is None:
        return stored
    return None if given == UNSET else given

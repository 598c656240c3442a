# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Estimate the memory that allocations of one deployment need on one node (planner.md 1 and 10)."""

from __future__ import annotations

import dataclasses
import typing as t

from .records import Deployment
from .rules import SETTLED, Rules

MIB = 1 << 20
OVERHEAD = 240 * MIB
ELSER = 2004 * MIB


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The estimate of a deployment, from 8.12 on.

    ``size``: the bytes of the model. ``per_deployment``, ``per_allocation``: figures of the model's metadata, 0 if not
    set. ``least``: what one allocation needs.
    """

    size: int
    per_deployment: int
    per_allocation: int
    elser: bool
    least: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "least", self.need(1))

    def need(self, allocations: int) -> int:
        """Return what so many allocations need on one node."""
        if allocations == 0:
            return 0
        if self.elser:
            return ELSER
        base = OVERHEAD + 2 * self.size
        if self.per_deployment or self.per_allocation:
            return max(base, self.per_deployment + allocations * self.per_allocation + self.size)
        return base

    def grow(self, allocations: int, free: int) -> int:
        """Return how many of *allocations* find memory, counting only what each needs by itself."""
        return max(0, self.more(allocations, free))

    def more(self, allocations: int, free: int) -> int:
        """Return the same, but below zero on a node whose free memory is."""
        if self.per_deployment > 0 and self.per_allocation > 0:
            return min(allocations, free // self.per_allocation)
        return allocations


@dataclasses.dataclass(frozen=True)
class OneFigure:
    """The estimate of 8.8 to 8.11: one figure, whatever the number of allocations."""

    size: int

    @property
    def least(self) -> int:
        """Return the figure."""
        return self.size

    @property
    def per_allocation(self) -> int:
        """Return the figure: the linear program charges it for each allocation."""
        return self.size

    def need(self, _allocations: int) -> int:
        """Return the figure."""
        return self.size

    def grow(self, allocations: int, _free: int) -> int:
        """Return *allocations*: no allocation needs memory by itself."""
        return allocations

    more = grow


Memory: t.TypeAlias = "Estimate | OneFigure"


def memory_of(deployment: Deployment, rules: Rules) -> Memory:
    """Return the estimate of a deployment; with low priority it leaves out the figures of the metadata."""
    if rules.one_figure:
        return OneFigure(held(deployment, rules))
    if deployment.low:
        return Estimate(deployment.model_bytes, 0, 0, _is_elser(deployment, rules))
    return _estimate(deployment, rules)


def held(deployment: Deployment, rules: Rules) -> int:
    """Return what all allocations of a deployment need on one node, with its cache.

    This is the estimate of the task itself, which knows the model's id in every version (planner.md 8).
    """
    if deployment.allocations == 0:
        return 0
    beyond_the_model = max(0, deployment.cache_bytes - deployment.model_bytes)
    by_model = dataclasses.replace(rules, elser_by_deployment=False)
    return _estimate(deployment, by_model).need(deployment.allocations) + beyond_the_model


def needed(deployment: Deployment, allocations: int, rules: Rules = SETTLED) -> int:
    """Return the bytes that so many allocations of a deployment need on one node."""
    return held(deployment, rules) if rules.one_figure else _estimate(deployment, rules).need(allocations)


def _estimate(deployment: Deployment, rules: Rules) -> Estimate:
    per_deployment, per_allocation = deployment.per_deployment_bytes, deployment.per_allocation_bytes
    return Estimate(deployment.model_bytes, per_deployment, per_allocation, _is_elser(deployment, rules))


def _is_elser(deployment: Deployment, rules: Rules) -> bool:
    seen = deployment.id if rules.elser_by_deployment else deployment.model_id
    return seen.startswith(rules.elser)

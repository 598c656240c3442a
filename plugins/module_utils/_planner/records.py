# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Define what a plan is made of, and what it says (planner.md 1 and 2). Memory is in bytes."""

from __future__ import annotations

import dataclasses
import typing as t

Allocations = t.Mapping[str, t.Mapping[str, int]]
"""Numbers of allocations, by deployment and node; a node without any is left out."""


class RequestFails(Exception):  # noqa: N818
    """Elasticsearch refuses the whole request, and changes nothing."""


class DoesNotFit(RequestFails):
    """A plan puts more on a node than fits there (planner.md 1.1).

    ``allocations``: how many were to be put there; ``None`` where what runs there was charged.
    """

    def __init__(self, deployment_id: str, node_id: str, allocations: int | None = None) -> None:
        super().__init__(f"the plan puts more of deployment {deployment_id} on node {node_id} than fits there")
        self.deployment_id = deployment_id
        self.node_id = node_id
        self.allocations = allocations


@dataclasses.dataclass(frozen=True)
class Node:
    """A node that takes allocations. ``memory``: what may be handed out. ``zone``: the awareness attributes' values."""

    id: str
    memory: int
    cores: int
    zone: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Route:
    """A row of the routing table. ``state``: ``starting``, ``started``, ``stopping``, ``stopped`` or ``failed``."""

    current: int
    target: int
    state: str


@dataclasses.dataclass(frozen=True)
class Deployment:
    """A deployment of the cluster state. ``routes``: by node; they may name nodes that have left."""

    id: str
    model_id: str
    model_bytes: int
    allocations: int
    threads: int
    priority: str = "normal"
    per_deployment_bytes: int = 0
    per_allocation_bytes: int = 0
    cache_bytes: int = 0
    max_assigned: int = 0
    routes: t.Mapping[str, Route] = dataclasses.field(default_factory=dict)

    @property
    def targets(self) -> dict[str, int]:
        """Return how many allocations each node is to have now."""
        return {node: route.target for node, route in self.routes.items() if route.target > 0}

    @property
    def low(self) -> bool:
        """Return whether it takes only what deployments of normal priority leave."""
        return self.priority == "low"


@dataclasses.dataclass(frozen=True)
class Plan:
    """The targets after a request, and what each node then has free.

    ``lost``: the deployments that vanish from the cluster state (planner.md 2).
    """

    allocations: Allocations
    free_memory: t.Mapping[str, int]
    free_cores: t.Mapping[str, int]
    lost: frozenset[str] = frozenset()

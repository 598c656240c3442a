# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The room on each node, and who has it. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from .._capacity.doubts import NO_ZONE
from .._capacity.inputs import planner_deployment
from .._capacity.records import OVERHEAD, Capacity, MlNode
from .._ml.deployment import Deployment
from .._ml.routing import Route
from .._planner.memory import needed
from .._planner.outcomes import VERSION
from .._planner.predict import CORES, MEMORY, ZONES
from .._planner.rules import Rules

Json = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Seen:
    """All that was read of one cluster.

    ``deployments``: all, in the order of the cluster state; from the statistics, where that could not be read.
    ``is_recorded``: plans of the server's version were recorded (planner.md 10).
    ``observed``: the bytes of a process, by deployment and node. ``architectures``: by node.
    """

    capacity: Capacity
    deployments: tuple[Deployment, ...]
    rules: Rules
    is_recorded: bool = True
    observed: t.Mapping[tuple[str, str], int] = dataclasses.field(default_factory=dict)
    architectures: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def scale(self) -> int:
        """Return the processors of a node for one of the planner; 1, the least there can be, if it is not known."""
        return self.capacity.settings.scale if self.capacity.settings else 1

    @property
    def unknown(self) -> tuple[str, ...]:
        """Return what the planner does not know, in its words."""
        lacks = self.capacity.lacks
        parts = {
            MEMORY: lacks("memory"),
            CORES: lacks("settings"),
            ZONES: lacks("zones"),
            VERSION: not self.is_recorded or len(self.capacity.versions) > 1,
            NO_ZONE: self.capacity.has_node_without_zone,
        }
        return tuple(name for name, is_unknown in parts.items() if is_unknown)


@dataclasses.dataclass(frozen=True)
class Share:
    """The part of one node that one deployment has. ``memory``: what Elasticsearch reckons. ``None``: not known."""

    deployment: Deployment
    route: Route
    processors: int | None
    memory: int | None
    observed_memory: int | None

    def as_result(self) -> Json:
        return {
            "deployment_id": self.deployment.deployment_id,
            "model_id": self.deployment.model_id,
            "priority": self.deployment.priority,
            "routing_state": self.route.routing_state,
            "current_allocations": self.route.current_allocations,
            "target_allocations": self.route.target_allocations,
            "processors": self.processors,
            "memory": self.memory,
            "observed_memory": self.observed_memory,
        }


def allocations_of(route: Route) -> int | None:
    """Return the allocations that a route takes room for: its target, or what runs where no target can be read.

    ``None``: routes before 8.4 show neither.
    """
    return route.current_allocations if route.target_allocations is None else route.target_allocations


def shares(seen: Seen, node_id: str) -> list[Share]:
    """Return what each deployment has of a node."""
    found = [(each, route) for each in seen.deployments for route in each.routes if route.node_id == node_id]
    return [_share(seen, deployment, route) for deployment, route in found]


def _share(seen: Seen, deployment: Deployment, route: Route) -> Share:
    allocations = allocations_of(route)
    planned = planner_deployment(dataclasses.replace(deployment, routes=()))
    threads = 0 if deployment.priority == "low" else deployment.threads_per_allocation
    return Share(
        deployment,
        route,
        0 if threads == 0 else None if threads is None or allocations is None else allocations * threads,
        None if planned is None else needed(planned, allocations or 0, seen.rules),
        seen.observed.get((deployment.deployment_id, route.node_id)),
    )


def node_results(seen: Seen) -> list[Json]:
    """Return the result key ``nodes``, sorted by name."""
    nodes = sorted(seen.capacity.nodes, key=lambda node: (node.shown_name, node.id))
    return [_node(seen, node, shares(seen, node.id)) for node in nodes]


def _node(seen: Seen, node: MlNode, found: t.Sequence[Share]) -> Json:
    settings = seen.capacity.settings
    zone = node.zone(settings.awareness) if settings else None
    return {
        "node_id": node.id,
        "node_name": node.name,
        "roles": list(node.roles),
        "zone": None if zone is None else list(zone),
        "architecture": seen.architectures.get(node.id),
        "shutting_down": node.shutting_down,
        "processors": _processors(node.cores(seen.scale), _sum(share.processors for share in found)),
        "memory": _memory(node, found),
        "deployments": [share.as_result() for share in found],
    }


def _processors(total: int, used: int | None) -> Json:
    return {"total": total, "used": used, "free": None if used is None else max(0, total - used)}


def _memory(node: MlNode, found: t.Sequence[Share]) -> Json:
    taken = _sum(share.memory for share in found)
    observed = [share.observed_memory for share in found if share.observed_memory is not None]
    return {
        "total": node.ml_memory,
        "overhead": None if node.ml_memory is None else min(OVERHEAD, node.ml_memory),
        "jobs": node.jobs_memory,
        "deployments": taken,
        "free": None if node.memory is None or taken is None else max(0, node.memory - taken),
        "observed": sum(observed) if observed else None,
    }


def _sum(numbers: t.Iterable[int | None]) -> int | None:
    """Return the sum, ``None`` if one of *numbers* is not known."""
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep assignments as the cluster state does: task parameters, routes, states and their arithmetic.

Source: server-behaviour.md 2.1, 4.1, 5.1; ``assignment``, ``states`` and ``task_params`` records.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any, Final

from ..wire.values import ByteSize, instant_text
from .adaptive import AdaptiveSettings
from .versions import Features

STARTING: Final = "starting"
STARTED: Final = "started"
STOPPING: Final = "stopping"
STOPPED: Final = "stopped"
FAILED: Final = "failed"
FULLY_ALLOCATED: Final = "fully_allocated"
STOPPED_BY_CLIENT: Final = "client API call"

MEBIBYTE: Final = 1 << 20


@dataclasses.dataclass
class TaskParams:
    """The settings of a start; only ``number_of_allocations`` changes later."""

    model_id: str
    deployment_id: str
    model_bytes: int
    number_of_allocations: int = 1
    threads_per_allocation: int = 1
    queue_capacity: int = 1024
    cache_size: ByteSize | None = None
    priority: str = "normal"
    per_deployment_memory_bytes: int = 0
    per_allocation_memory_bytes: int = 0

    @property
    def cache_bytes(self) -> int:
        """Return the cache in bytes; as large as the model if none was set."""
        return self.model_bytes if self.cache_size is None else self.cache_size.bytes

    def as_json(self, version: Features) -> dict[str, Any]:
        """Return it as the given version renders it."""
        if not version.assignment_names:
            return {
                "model_id": self.model_id,
                "model_bytes": self.model_bytes,
                "inference_threads": self.threads_per_allocation,
                "model_threads": self.number_of_allocations,
                "queue_capacity": self.queue_capacity,
            }
        body: dict[str, Any] = {"model_id": self.model_id}
        if version.deployment_id:
            body["deployment_id"] = self.deployment_id
        body |= {
            "model_bytes": self.model_bytes,
            "threads_per_allocation": self.threads_per_allocation,
            "number_of_allocations": self.number_of_allocations,
            "queue_capacity": self.queue_capacity,
        }
        if version.cache_size and self.cache_size is not None:
            body["cache_size"] = self.cache_size.text
        if version.priority:
            body["priority"] = self.priority
        if version.per_memory:
            body["per_deployment_memory_bytes"] = self.per_deployment_memory_bytes
            body["per_allocation_memory_bytes"] = self.per_allocation_memory_bytes
        return body


@dataclasses.dataclass
class Route:
    """A deployment on one node."""

    current: int
    target: int
    state: str = STARTING
    reason: str | None = ""

    @property
    def outdated(self) -> bool:
        """Return whether a master that did not know allocations wrote it."""
        return self.current == 0 and self.target == 0

    @property
    def routable(self) -> bool:
        """Return whether inference requests can go there."""
        return self.state == STARTED and self.current > 0

    def as_json(self, version: Features) -> dict[str, Any]:
        """Return it as the given version renders it."""
        body: dict[str, Any] = {}
        if version.route_allocations:
            body = {"current_allocations": self.current, "target_allocations": self.target}
        body["routing_state"] = self.state
        if self.reason is not None:
            body["reason"] = self.reason
        return body


@dataclasses.dataclass
class Assignment:
    """One deployment in the cluster state. ``start_time`` is in epoch nanoseconds."""

    params: TaskParams
    version: Features
    start_time: int
    routes: dict[str, Route] = dataclasses.field(default_factory=dict)
    state: str = STARTING
    reason: str | None = None
    max_assigned: int = 0
    adaptive: AdaptiveSettings | None = None
    ends: bool = False
    """Whether a stop is under way, whatever the state says by now."""
    ended: bool = False
    """Whether its processes have ended; it is about to go."""

    @property
    def total_current(self) -> int:
        """Return the sum of current allocations, whatever the routes' states."""
        return sum(route.current for route in self.routes.values())

    @property
    def total_target(self) -> int:
        """Return the sum of target allocations, whatever the routes' states."""
        return sum(route.target for route in self.routes.values())

    def started_nodes(self) -> list[str]:
        """Return the nodes whose route is started."""
        return [node for node, route in self.routes.items() if route.state == STARTED]

    def has_outdated_routes(self) -> bool:
        """Return whether a route says 0 of 0."""
        return any(route.outdated for route in self.routes.values())

    def is_satisfied(self, assignable: Collection[str]) -> bool:
        """Return whether starting and started routes on assignable nodes add up to the number."""
        placed = sum(
            route.target
            for node, route in self.routes.items()
            if node in assignable and route.state in (STARTING, STARTED)
        )
        return placed >= self.params.number_of_allocations

    def settle(self) -> None:
        """Recalculate what follows from the routes: state and the running maximum."""
        self.max_assigned = max(self.max_assigned, self.total_current)
        self.state = self.calculated_state()

    def rebuild(self, routes: dict[str, Route], reason: str | None) -> None:
        """Take over planned routes.

        The assignment is built again, so even one that was stopping is not any more (server-behaviour.md 4.6).
        """
        self.routes, self.reason, self.state = routes, reason, STARTING
        self.settle()

    def calculated_state(self) -> str:
        """Return started if any route is, or (from 8.16) if no allocation is required; stopping sticks."""
        if self.state == STOPPING:
            return STOPPING
        if self.params.number_of_allocations == 0 and self.version.zero_is_started:
            return STARTED
        return STARTED if self.started_nodes() else STARTING

    def stop(self, reason: str) -> None:
        """Enter ``stopping``; a second stop changes nothing."""
        if self.state != STOPPING:
            self.state, self.reason = STOPPING, reason
        self.ends = True

    def allocation_count(self) -> int:
        """Return the number of allocations that answer requests now."""
        return sum(route.current for route in self.routes.values() if route.routable)

    def allocation_state(self) -> str | None:
        """Return ``starting``, ``started``, ``fully_allocated``; ``None`` while stopping."""
        if self.state == STOPPING:
            return None
        count, target = self.allocation_count(), self.params.number_of_allocations
        if target == 0 and self.version.zero_is_started:
            return FULLY_ALLOCATED
        if count == 0:
            return STARTING
        return STARTED if count < target else FULLY_ALLOCATED

    def allocation_status(self) -> dict[str, Any] | None:
        """Return the object of the same name in ``_stats``."""
        state = self.allocation_state()
        if state is None:
            return None
        return {
            "allocation_count": self.allocation_count(),
            "target_allocation_count": self.params.number_of_allocations,
            "state": state,
        }

    def as_json(self) -> dict[str, Any]:
        """Return it as the version renders it in answers and in cluster state."""
        names = self.version.assignment_names
        body: dict[str, Any] = {
            "task_parameters": self.params.as_json(self.version),
            "routing_table": {node: route.as_json(self.version) for node, route in self.routes.items()},
            "assignment_state" if names else "allocation_state": self.state,
        }
        if self.reason is not None:
            body["reason"] = self.reason
        body["start_time"] = instant_text(self.start_time)
        if self.version.priority:
            # Since when the running maximum is rendered is [U]; it came with the planner's second rewrite, around 8.6.
            body["max_assigned_allocations"] = self.max_assigned
        if self.version.adaptive:
            body["adaptive_allocations"] = None if self.adaptive is None else self.adaptive.as_json()
        return body


def envelope(assignment: Assignment) -> dict[str, Any]:
    """Return the answer of start and update."""
    return {"assignment" if assignment.version.assignment_names else "allocation": assignment.as_json()}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routes of a deployment: one for each node that it runs on."""

from __future__ import annotations

import dataclasses
import typing as t

Raw = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True, order=True)
class Route:
    """A deployment on one node. A number that the source does not have is ``None``.

    ``routing_state``: ``starting``, ``started``, ``stopping``, ``stopped`` or ``failed``; ``None`` of a node that may
    get allocations.
    """

    node_id: str
    node_name: str | None
    routing_state: str | None
    reason: str | None
    current_allocations: int | None
    target_allocations: int | None

    @property
    def node(self) -> str:
        """Return what a message calls the node: its name, where it is known."""
        return self.node_name or self.node_id

    def completed(self, other: Route | None) -> Route:
        """Return this route with the name of *other*, and with its current allocations where this one has none."""
        if other is None:
            return self
        current = other.current_allocations if self.current_allocations is None else self.current_allocations
        return dataclasses.replace(self, node_name=other.node_name, current_allocations=current)

    def as_result(self) -> dict[str, t.Any]:
        """Return all fields but ``node_id``, which is the key of the table."""
        return {
            "node_name": self.node_name,
            "routing_state": self.routing_state,
            "reason": self.reason,
            "current_allocations": self.current_allocations,
            "target_allocations": self.target_allocations,
        }


def routes_from_stats(nodes: t.Iterable[Raw]) -> tuple[Route, ...]:
    """Return the routes in ``nodes`` of ``deployment_stats``: with names, but no targets.

    A node that left the cluster has no id there.
    """
    routes = []
    for entry in nodes:
        state: Raw = entry.get("routing_state") or {}
        for node_id, node in (entry.get("node") or {}).items():
            routes.append(
                Route(
                    node_id,
                    node.get("name"),
                    str(state.get("routing_state") or ""),
                    state.get("reason") or None,
                    entry.get("number_of_allocations", entry.get("model_threads")),
                    None,
                )
            )
    return tuple(sorted(routes))


def routes_from_assignment(table: Raw, names: t.Mapping[str, str]) -> tuple[Route, ...]:
    """Return the routes in the ``routing_table`` of an assignment: with targets, but no names."""
    return tuple(
        Route(
            node_id,
            names.get(node_id),
            str(route.get("routing_state") or ""),
            route.get("reason") or None,
            route.get("current_allocations"),
            route.get("target_allocations"),
        )
        for node_id, route in sorted(table.items())
    )

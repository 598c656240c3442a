# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shortage of room for a deployment, in words: the arithmetic for each node. Pure."""

from __future__ import annotations

import typing as t

from ..._core.sizes import human_size
from ..._core.warning import WarningText
from ..._core.words import first_of
from ..._planner.memory import needed
from ..._planner.records import Deployment as Placed
from ..._planner.records import Node
from .room import Room

MOST_LINES = 6
"""The most different figures of nodes in one message."""


class Shortage:
    """The part that *room* lacks for *deployment*, which has *placed* allocations beside the *others*."""

    def __init__(self, room: Room, deployment: Placed, others: t.Iterable[Placed], placed: t.Mapping[str, int]) -> None:
        self._room = room
        self._deployment = deployment
        self._others = tuple(others)
        self._placed = placed
        fits, number = sum(placed.values()), deployment.allocations
        self._missing = number - fits
        self._fits = fits

    def says(self, have: str) -> WarningText:
        """Return the sentence about the nodes that *have* "room for" too little, with the figures."""
        number, deployment_id, figures = self._deployment.allocations, self._deployment.id, self.figures
        fits = f"{self._fits} of the {number} allocations" if self._fits else "none of the allocations"
        fits = fits if number > 1 else "no allocation"
        return WarningText(f"The ML nodes {have} {fits} of deployment '{deployment_id}'. {figures}")

    def says_until_it_grows(self) -> WarningText:
        """Return the sentence about allocations that wait for more or larger nodes, with the figures."""
        number, deployment_id, figures = self._deployment.allocations, self._deployment.id, self.figures
        missing = f"{self._missing} of the {number} allocations" if number > 1 else "The allocation"
        have = "has" if self._missing == 1 else "have"
        return WarningText(
            f"{missing} of deployment '{deployment_id}' {have} no place until the cluster grows. {figures}"
        )

    @property
    def figures(self) -> str:
        """Return what each node has free, and what is needed; nodes that lack the same stand together."""
        nodes: dict[str, list[str]] = {}
        for node in self._room.nodes:
            lacks = [*self._lack_of_processors(node), *self._lack_of_memory(node)]
            if lacks:
                nodes.setdefault(", ".join(lacks), []).append(self._room.names.get(node.id, node.id))
        if not nodes:
            return (
                "There is no ML node."
                if not self._room.nodes
                else "Each node has room left, but too little for one more allocation."
            )
        lines = [f"{first_of(sorted(names))}: {text}" for text, names in nodes.items()]
        more = "; ..." if len(lines) > MOST_LINES else ""
        return "; ".join(lines[:MOST_LINES]) + more + "."

    @property
    def is_of_processors(self) -> bool:
        """Return whether processors alone are what the nodes lack."""
        return bool(self._room.nodes) and not any(map(self._lack_of_memory, self._room.nodes))

    def _lack_of_processors(self, node: Node) -> list[str]:
        if self._deployment.low:
            return []
        used = sum(_target(each, node) * each.threads for each in self._others if not each.low)
        free, need = max(0, node.cores - used), self._needed_there(node) * self._deployment.threads
        return [f"{self._amount(free, node.cores)} processors{self._free}, {need} needed"] if need > free else []

    def _lack_of_memory(self, node: Node) -> list[str]:
        rules = self._room.rules
        used = sum(needed(each, _target(each, node), rules) for each in self._others if _target(each, node))
        free = max(0, node.memory - used)
        need = needed(self._deployment, self._placed.get(node.id, 0) + 1, rules)
        amount = self._amount(human_size(free), human_size(node.memory))
        return [f"{amount} of memory{self._free}, {human_size(need)} needed"] if need > free else []

    @property
    def _free(self) -> str:
        return "" if self._room.existing is None else " free"

    def _amount(self, free: t.Any, whole: t.Any) -> str:
        """Return what is free of a node, or if other deployments are not known all that it has."""
        return str(whole) if self._room.existing is None else f"{free} of {whole}"

    def _needed_there(self, node: Node) -> int:
        """Return how many allocations the node would need to have; one, if there is no place for any."""
        return self._placed.get(node.id, 0) + self._missing if self._placed else 1


def _target(deployment: Placed, node: Node) -> int:
    route = deployment.routes.get(node.id)
    return route.target if route else 0

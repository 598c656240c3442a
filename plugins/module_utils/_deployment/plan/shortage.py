# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shortage of room for a deployment, in words: the arithmetic for each node. Pure."""

from __future__ import annotations

import typing as t

from ..._capacity.lacks import lack_of_memory, lack_of_processors
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

    def says(self, *, certain: bool) -> WarningText:
        """Return the sentence about the nodes that have, or may have, too little room, with the figures."""
        have, deployment_id, figures = self._have(certain), self._deployment.id, self.figures
        return WarningText(f"The ML nodes {have} of deployment '{deployment_id}'. {figures}")

    def _have(self, certain: bool) -> str:
        """Return for how many of the allocations the nodes have room."""
        several = self._deployment.allocations > 1
        fits = f"{self._fits} of the {self._deployment.allocations} allocations"
        if certain:
            return f"have room for {fits if self._fits else 'none of the allocations' if several else 'no allocation'}"
        if self._fits:
            return f"may have room for only {fits}"
        return f"may have no room for the allocation{'s' if several else ''}"

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
        leaving = [node.shown_name for node in self._room.capacity.nodes if node.shutting_down]
        if leaving:
            nodes[f"{'are' if len(leaving) > 1 else 'is'} shutting down"] = leaving
        if not nodes:
            return (
                "There is no ML node."
                if not self._room.nodes
                else "Each node has room left, but too little for one more allocation."
            )
        lines = [f"{first_of(sorted(names))}: {text}" for text, names in nodes.items()]
        more = "; ..." if len(lines) > MOST_LINES else ""
        return "; ".join(lines[:MOST_LINES]) + more + "." + self._in_total

    @property
    def _in_total(self) -> str:
        """Return what all allocations without a place need, if there are several and processors are short."""
        short = any(map(self._lack_of_processors, self._room.nodes))
        if not short or self._missing < 2:
            return ""
        those = f"The other {self._missing}" if self._fits else f"All {self._missing}"
        return f" {those} need {self._missing * self._deployment.threads} processors."

    @property
    def is_of_processors(self) -> bool:
        """Return whether processors alone are what the nodes lack."""
        return bool(self._room.nodes) and not any(map(self._lack_of_memory, self._room.nodes))

    def _lack_of_processors(self, node: Node) -> list[str]:
        new, there = self._deployment, self._placed.get(node.id, 0)
        used = there * new.threads + sum(_target(each, node) * each.threads for each in self._others if not each.low)
        lacks = lack_of_processors(node, node.cores - used, new)
        if lacks and self._room.existing is None:
            return [f"{node.cores} processors, {(there + 1) * new.threads} needed"]
        return lacks

    def _lack_of_memory(self, node: Node) -> list[str]:
        rules, new, there = self._room.rules, self._deployment, self._placed.get(node.id, 0)
        used = sum(needed(each, _target(each, node), rules) for each in self._others if _target(each, node))
        used += needed(new, there, rules) if there else 0
        lacks = lack_of_memory(node, node.memory - used, new, there, rules)
        if lacks and self._room.existing is None:
            return [f"{human_size(node.memory)} of memory, {human_size(needed(new, there + 1, rules))} needed"]
        return lacks


def _target(deployment: Placed, node: Node) -> int:
    route = deployment.routes.get(node.id)
    return route.target if route else 0

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The capacity of a cluster for machine learning: its nodes with processors and memory, as far as a user may read them.

Sources: server-behaviour.md 4.3 and 5.1, around-deployments.md 6.1.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t

Part = t.Literal["nodes", "memory", "zones", "shutdowns", "settings", "routing_table"]

OVERHEAD = 30 << 20
"""Bytes for native code on each node, which are never handed out (server-behaviour.md 5.1)."""
PROCESSORS = ("ml.allocated_processors_double", "ml.allocated_processors")
"""The attributes with the processors of a node, the best first: that with fractions came with 8.5."""
MACHINE_MEMORY = "ml.machine_memory"


@dataclasses.dataclass(frozen=True)
class Missing:
    """A part that could not be read. ``privilege``: what it needs; ``None`` if no privilege helps."""

    what: Part
    privilege: str | None

    def as_result(self) -> dict[str, str | None]:
        return {"what": self.what, "privilege": self.privilege}


@dataclasses.dataclass(frozen=True)
class MlNode:
    """One node with the role ``ml``. ``None``: it could not be read.

    Bytes: ``ml_memory`` is all that machine learning may take, ``jobs_memory`` what anomaly detection and data frame
    analytics have, ``inference_memory`` what Elasticsearch reckons for deployments.
    """

    id: str
    name: str | None = None
    roles: tuple[str, ...] = ("ml",)
    attributes: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    ml_memory: int | None = None
    jobs_memory: int | None = None
    inference_memory: int | None = None
    shutting_down: bool | None = None

    @property
    def shown_name(self) -> str:
        """Return what a message calls the node."""
        return self.name or self.id

    @property
    def memory(self) -> int | None:
        """Return the bytes that deployments may take together: those that the planner hands out."""
        if self.ml_memory is None or self.jobs_memory is None:
            return None
        return max(0, self.ml_memory - self.jobs_memory - OVERHEAD)

    @property
    def processors(self) -> float:
        """Return its processors before the scale. A node that does not show them has none for the planner."""
        return float(next((self.attributes[name] for name in PROCESSORS if name in self.attributes), 0))

    def cores(self, scale: int) -> int:
        """Return the whole processors that the planner hands out."""
        return math.ceil(self.processors / scale)

    @property
    def machine_memory(self) -> int | None:
        """Return the bytes of the machine, by which Elasticsearch judges whether a node could be larger."""
        return int(self.attributes[MACHINE_MEMORY]) if MACHINE_MEMORY in self.attributes else None

    def zone(self, awareness: t.Sequence[str]) -> tuple[str, ...] | None:
        """Return its zone: the values of the *awareness* attributes; ``None`` if it lacks one, and is in no zone."""
        values = tuple(self.attributes[name] for name in awareness if name in self.attributes)
        return values if len(values) == len(awareness) else None


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of the cluster that decide about capacity, with their defaults.

    ``scale``: processors of a node for one of the planner; 1 or more, so a node has no more than its processors.
    ``lazy_nodes``, ``largest_node``: how many nodes, and of how many bytes, the cluster may be given. ``awareness``:
    the attributes that make the zones.
    """

    scale: int = 1
    lazy_nodes: int = 0
    largest_node: int = 0
    awareness: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Capacity:
    """The capacity of one cluster, from one read.

    ``nodes``: those for machine learning, by their ids. ``settings``: ``None`` if they could not be read. ``missing``:
    what could not be read; nothing takes its place. ``versions``: of all nodes of the cluster, as far as they show it.
    """

    nodes: tuple[MlNode, ...] = ()
    settings: Settings | None = None
    missing: tuple[Missing, ...] = ()
    versions: frozenset[str] = frozenset()

    @property
    def assignable(self) -> tuple[MlNode, ...]:
        """Return the nodes that are not known to shut down: only those get allocations."""
        return tuple(node for node in self.nodes if not node.shutting_down)

    @property
    def has_node_without_zone(self) -> bool:
        """Return whether a node lacks an awareness attribute: whether it gets allocations then is not known."""
        awareness = self.settings.awareness if self.settings else ()
        return any(node.zone(awareness) is None for node in self.assignable)

    @property
    def may_grow(self) -> bool | None:
        """Return whether the cluster may get more or larger nodes; ``None`` if it is not known.

        Elasticsearch then accepts a deployment that does not fit (server-behaviour.md 4.3).
        """
        if self.settings is None:
            return None
        nodes = self.assignable
        sizes = [node.machine_memory for node in nodes if node.machine_memory is not None]
        return self.settings.lazy_nodes > len(nodes) or any(size < self.settings.largest_node for size in sizes)

    def lacks(self, *parts: Part) -> bool:
        """Return whether one of *parts* could not be read."""
        return any(missing.what in parts for missing in self.missing)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine-learning nodes.

Memory here is what the node may use for machine learning; the planner takes the native overhead off (server behaviour
notes, section 5.1).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Final

from ..wire.values import parse_bytes
from .assignment import MEBIBYTE

OVERHEAD: Final = 30 * MEBIBYTE


@dataclasses.dataclass(frozen=True)
class Node:
    """One ML node; ``zone`` ``None`` means that no awareness attribute is set."""

    id: str
    processors: float = 8.0
    memory: int = 16 << 30
    zone: str | None = None
    given_name: str | None = None

    @property
    def name(self) -> str:
        """Differs from the id on purpose: nothing may mix them up."""
        return self.given_name or f"name-{self.id}"

    def cores(self, scale: float = 1.0) -> int:
        """Whole processors for the planner."""
        return math.ceil(self.processors / scale)

    def available(self) -> int:
        """Bytes the planner may hand out."""
        return max(0, self.memory - OVERHEAD)

    def attributes(self) -> dict[str, str]:
        """Node attributes as ``_nodes`` and ``_stats`` show them."""
        found = {"ml.allocated_processors_double": str(float(self.processors)), "ml.machine_memory": str(self.memory)}
        if self.zone is not None:
            found["zone"] = self.zone
        return found

    def as_json(self) -> dict[str, Any]:
        """As the control port shows it."""
        return {"name": self.name, "processors": self.processors, "memory": self.memory, "zone": self.zone}

    def discovery_json(self, version: str) -> dict[str, Any]:
        """As ``_stats`` shows it."""
        return {
            "name": self.name,
            "ephemeral_id": f"eph-{self.id}",
            "transport_address": "127.0.0.1:9300",
            "external_id": self.name,
            "attributes": self.attributes(),
            "roles": ["ml"],
            "version": version,
            "min_index_version": 7000099,
            "max_index_version": 8521000,
        }


def parse_node(text: str) -> Node:
    """``NAME=PROCESSORS,MEMORY[,ZONE]``, its id is ``id-NAME``; ``ValueError`` otherwise."""
    name, _equals, rest = text.partition("=")
    parts = rest.split(",")
    if not name or len(parts) not in (2, 3):
        raise ValueError(f"not NAME=PROCESSORS,MEMORY[,ZONE]: {text!r}")
    zone = parts[2] if len(parts) == 3 else None
    return Node(f"id-{name}", float(parts[0]), memory_bytes(parts[1]), zone, given_name=name)


def memory_bytes(value: int | str) -> int:
    """Bytes from a number or a text such as ``16gb``."""
    return value if isinstance(value, int) else parse_bytes(value, "memory").bytes


def from_json(body: dict[str, Any]) -> Node:
    """A node out of a control request: ``node_id``, ``processors``, ``memory``, ``zone``."""
    return Node(
        str(body["node_id"]),
        float(body.get("processors", 8)),
        memory_bytes(body.get("memory", "16gb")),
        body.get("zone"),
    )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe machine-learning nodes.

Memory here is what the node may use for machine learning; the planner takes the native overhead off:
Source: server-behaviour.md 5.1.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, Final

from ..wire.errors import ApiError
from ..wire.values import parse_bytes
from .assignment import MEBIBYTE

OVERHEAD: Final = 30 * MEBIBYTE
ROLES: Final = (
    "data",
    "data_cold",
    "data_content",
    "data_frozen",
    "data_hot",
    "data_warm",
    "ingest",
    "master",
    "ml",
    "remote_cluster_client",
    "transform",
)
LINUX: Final = "linux-x86_64"
_PROCESSORS: Final = "ml.allocated_processors_double"


@dataclasses.dataclass(frozen=True)
class Node:
    """One node. ``zone`` ``None`` means that it has no attribute of this name."""

    id: str
    processors: float = 8.0
    memory: int = 16 << 30
    zone: str | None = None
    given_name: str | None = None
    roles: tuple[str, ...] = ROLES
    architecture: str = LINUX
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Further attributes."""
    plugin: bool = True
    """True: it has the attributes that plugins give it. Without, the planner knows no processors.

    See server-behaviour.md 5.1.
    """
    jobs_memory: int = 0
    """Bytes that anomaly detection and data frame analytics take."""
    analytics_memory: int = 0
    """The part of them that is of data frame analytics."""
    load_error: str | None = None
    """The reason why the load of the node cannot be detected."""

    @property
    def name(self) -> str:
        """Return a name that differs from the id on purpose: a mix-up must fail."""
        return self.given_name or f"name-{self.id}"

    @property
    def ephemeral_id(self) -> str:
        """Return an id that lasts as long as the process."""
        return f"eph-{self.id}"

    @property
    def ml(self) -> bool:
        """Return whether allocations may go there."""
        return "ml" in self.roles

    def cores(self, scale: float = 1.0) -> int:
        """Return whole processors for the planner; none without the attribute."""
        return math.ceil(self.processors / scale) if _PROCESSORS in self.attributes else 0

    def available(self) -> int:
        """Return the bytes that the planner may hand out."""
        return max(0, self.memory - OVERHEAD - self.jobs_memory)

    @functools.cached_property
    def attributes(self) -> dict[str, str]:
        """Return node attributes as ``_nodes`` and ``_stats`` show them; made once, so not to be changed."""
        found = {}
        if self.plugin and self.ml:
            found = {
                "ml.allocated_processors": str(math.ceil(self.processors)),
                _PROCESSORS: str(float(self.processors)),
                "ml.machine_memory": str(self.memory),
                "ml.max_jvm_size": str(self.jvm_size),
            }
        if self.plugin:
            found["xpack.installed"] = "true"
        if self.zone is not None:
            found["zone"] = self.zone
        return found | dict(self.extra)

    @property
    def jvm_size(self) -> int:
        """Return half of the memory, at most 31 GB, as the server chooses its heap by default; plausible."""
        return min(self.memory // 2, 31 << 30)

    def as_json(self) -> dict[str, Any]:
        """Return it as the control port shows it: unusual values only where they are set."""
        body: dict[str, Any] = {
            "name": self.name,
            "processors": self.processors,
            "memory": self.memory,
            "zone": self.zone,
        }
        usual = Node(self.id)
        for name in ("roles", "architecture", "extra", "plugin", "jobs_memory", "analytics_memory", "load_error"):
            if getattr(self, name) != getattr(usual, name):
                body[name] = getattr(self, name)
        return body

    @functools.cached_property
    def _discovery(self) -> dict[str, dict[str, Any]]:
        return {}

    def discovery_json(self, version: str) -> dict[str, Any]:
        """Return it as ``_stats`` and the cluster state show it; made once, so not to be changed."""
        if version not in self._discovery:
            self._discovery[version] = self._as_discovered(version)
        return self._discovery[version]

    def _as_discovered(self, version: str) -> dict[str, Any]:
        return {
            "name": self.name,
            "ephemeral_id": self.ephemeral_id,
            "transport_address": "127.0.0.1:9300",
            "external_id": self.name,
            "attributes": self.attributes,
            "roles": list(self.roles),
            "version": version,
            "min_index_version": 7000099,
            "max_index_version": 8521000,
        }


def parse_node(text: str) -> Node:
    """Read ``NAME=PROCESSORS,MEMORY[,ZONE]``, whose id is ``id-NAME``; raise ``ValueError`` otherwise."""
    name, _equals, rest = text.partition("=")
    parts = rest.split(",")
    if not name or len(parts) not in (2, 3):
        raise ValueError(f"not NAME=PROCESSORS,MEMORY[,ZONE]: {text!r}")
    zone = parts[2] if len(parts) == 3 else None
    return Node(f"id-{name}", processors(parts[0]), memory_bytes(parts[1]), zone, given_name=name)


def processors(value: float | str) -> float:
    """Read a number of processors; raise ``ValueError`` for what no machine has."""
    found = float(value)
    if not (math.isfinite(found) and found >= 0):
        raise ValueError(f"not a number of processors: {value!r}")
    return found


def memory_bytes(value: int | str) -> int:
    """Read bytes from a number or a text such as ``16gb``; raise ``ValueError`` otherwise."""
    try:
        found = value if isinstance(value, int) else parse_bytes(value, "memory").bytes
    except ApiError as error:
        raise ValueError(str(error)) from error
    if found < 0:
        raise ValueError(f"not a size of memory: {value!r}")
    return found


def _text(body: Mapping[str, Any], name: str, *, null: bool) -> None:
    value = body.get(name)
    if not (isinstance(value, str) and value) and not (null and value is None):
        raise ValueError(f"{name} must be a text, not {value!r}")


def _check(body: Mapping[str, Any]) -> None:
    """Refuse a node that no text could describe."""
    if "node_id" in body:
        _text(body, "node_id", null=False)
    for name in ("zone", "name", "load_error"):
        _text(body, name, null=True)
    roles = body.get("roles", [])
    if not isinstance(roles, list | tuple) or (unknown := [each for each in roles if each not in ROLES]):
        wrong = roles if not isinstance(roles, list | tuple) else unknown
        raise ValueError(f"roles must be a list of {', '.join(ROLES)}, not {wrong!r}")


def from_json(body: dict[str, Any]) -> Node:
    """Read a node from a control request; raise ``ValueError`` if it makes no sense."""
    _check(body)
    extra = {str(name): str(value) for name, value in dict(body.get("attributes") or {}).items()}
    return Node(
        str(body["node_id"]),
        processors(body.get("processors", 8)),
        memory_bytes(body.get("memory", "16gb")),
        body.get("zone"),
        body.get("name"),
        tuple(body.get("roles", ROLES)),
        str(body.get("architecture", LINUX)),
        extra,
        jobs_memory=memory_bytes(body.get("jobs_memory", 0)),
        analytics_memory=memory_bytes(body.get("analytics_memory", 0)),
        load_error=body.get("load_error"),
    )

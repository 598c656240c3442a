# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record nodes that shut down (server-behaviour.md 4.7; the node shutdown API's reference)."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

TYPES: Final = ("restart", "remove", "replace", "sigterm")


@dataclasses.dataclass(frozen=True)
class Shutdown:
    """One record of the cluster state. ``started`` is in epoch milliseconds."""

    node_id: str
    type: str
    reason: str
    started: int
    seen: bool = True
    """Whether the node was in the cluster when it was put."""
    allocation_delay: str | None = None
    target_node_name: str | None = None
    grace_period: str | None = None

    def in_state(self, ephemeral_id: str | None, *, seen: bool, with_ephemeral_id: bool) -> dict[str, Any]:
        """Return it as the cluster state shows it (server-behaviour.md 4.8)."""
        body: dict[str, Any] = {"node_id": self.node_id}
        if with_ephemeral_id:
            body["node_ephemeral_id"] = ephemeral_id
        body |= {
            "type": self.type.upper(),
            "reason": self.reason,
            "shutdown_startedmillis": self.started,
            "node_seen": seen,
        }
        for name in ("allocation_delay", "target_node_name", "grace_period"):
            if (value := getattr(self, name)) is not None:
                body[name] = value
        return body

    def as_json(self) -> dict[str, Any]:
        """Return it as the control port shows it."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

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
    allocation_delay: str | None = None
    target_node_name: str | None = None
    grace_period: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as the control port shows it."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

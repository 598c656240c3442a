# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load that the control port gives a deployment: so many requests a second, each taking so long."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from .usage import Usage

if TYPE_CHECKING:
    from .cluster import Cluster


@dataclasses.dataclass
class Load:
    """Requests that the scaler will measure; ``left`` is the part of a request that has not happened yet."""

    requests_per_second: float
    inference_time_ms: float
    left: float = 0.0

    def requests(self, seconds: float) -> int:
        """Return the number of requests in this time."""
        exact = self.requests_per_second * seconds + self.left
        whole = int(exact + 1e-9)
        self.left = max(0.0, exact - whole)
        return whole


def spread(cluster: Cluster, deployment_id: str, count: int, time_ms: float) -> bool:
    """Count inferences, for each route as many as it has allocations; return false if there is none."""
    routes = cluster.assignments[deployment_id].routes
    routable = {node_id: route.current for node_id, route in sorted(routes.items()) if route.routable}
    total, left = sum(routable.values()), count
    for index, (node_id, current) in enumerate(routable.items()):
        mine = left if index == len(routable) - 1 else count * current // total
        left -= mine
        usage = cluster.usage.setdefault((deployment_id, node_id), Usage())
        usage.count(mine, time_ms, cluster.now.millis)
    return bool(routable)

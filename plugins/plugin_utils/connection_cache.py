# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that the items of a loop share."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api.cluster import Cluster

_open: dict[Connection, Cluster] = {}
"""Connections of this process. Ansible has a process for each task on each host: they end with it."""


class _CachedCluster(Cluster):
    def close(self) -> None:
        """Keep the connection open for the next item or attempt, which reads again what changes meanwhile."""
        self.start_conditions.forget()
        self.consumers.forget()


def cached_cluster(connection: Connection, sleep: t.Callable[[float], None]) -> Cluster:
    """Return the cluster behind *connection*. Its version, and what the user may not read, is requested once."""
    if connection not in _open:
        _open[connection] = _CachedCluster.connected(connection, sleep)
    return _open[connection]

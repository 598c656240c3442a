# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that the items of a loop share."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.cluster import ClusterConnection, Connect

C = t.TypeVar("C", bound=ClusterConnection)

_open: dict[tuple[type[ClusterConnection], Connection], ClusterConnection] = {}
"""Connections of this process. Ansible has a process for each task on each host: they end with it."""


def cached(cluster_type: type[C]) -> Connect[C]:
    """Return what connects to a cluster, and keeps the connection open for the next item or attempt.

    The version, and what the user may not read, is requested once; each item reads again what changes meanwhile.
    """

    def connect(connection: Connection, sleep: t.Callable[[float], None]) -> C:
        key = (cluster_type, connection)
        if key not in _open:
            _open[key] = cluster_type.connected(connection, sleep)
            _open[key].keep_open()
        return t.cast("C", _open[key])

    return connect

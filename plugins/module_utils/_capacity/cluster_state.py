# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster state as far as it decides where allocations run, in one read."""

from __future__ import annotations

import types
import typing as t

from .._core.http.client import Client
from .._core.http.schema import object_with
from .._ml.schemas import ASSIGNMENTS
from .api import STATE_FIELDS, STATE_PATH
from .schemas import NODE_SHUTDOWN, STATE_NODES

Json = dict[str, t.Any]
Raw = t.Mapping[str, t.Any]

ASSIGNMENT_KEYS = ("trained_model_assignment", "trained_model_allocation")
"""The names of the assignments, the second that before 8.3 (server-behaviour.md 2.4)."""
_SCHEMA = object_with(
    metadata=object_with(**dict.fromkeys(ASSIGNMENT_KEYS, ASSIGNMENTS), node_shutdown=NODE_SHUTDOWN), nodes=STATE_NODES
)
_NOTHING: Raw = types.MappingProxyType({})


class ClusterState(t.NamedTuple):
    """``raw``: all assignments, all nodes, and which of those are shutting down (server-behaviour.md 2.4 item 4)."""

    raw: Json

    @property
    def assignments(self) -> Raw:
        """Return them by deployment id, in the order in which Elasticsearch plans them."""
        return assignments_in(self.raw)

    @property
    def node_names(self) -> dict[str, str]:
        nodes = self.raw.get("nodes") or {}
        return {node_id: node["name"] for node_id, node in nodes.items() if node.get("name") is not None}


def assignments_in(raw: Raw) -> Raw:
    """Return the assignments in a cluster state, by deployment id."""
    metadata = raw.get("metadata") or {}
    return next((metadata[key] for key in ASSIGNMENT_KEYS if metadata.get(key)), _NOTHING)


def read_cluster_state(client: Client, *, repeat: bool = True) -> ClusterState:
    """Return the cluster state.

    :raises ApiError: it could not be read, perhaps because the user lacks the privilege monitor.
    """
    fields = (*(f"metadata.{key}" for key in ASSIGNMENT_KEYS), *STATE_FIELDS)
    query = {"filter_path": ",".join(fields)}
    what = "read the routing table"
    return ClusterState(client.read(what, STATE_PATH, query, privilege="monitor", repeat=repeat, schema=_SCHEMA))

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One cluster: the reads of all that decides about room."""

from __future__ import annotations

import typing as t

from .._capacity.cluster_state import ClusterState
from .._core.features import Feature
from .._core.http.schema import map_of, object_with, text
from .._core.run.obstacles import read_unless_hidden
from .._core.sizes import parse_size
from .._deployment.api.cluster import Cluster
from .._deployment.api.snapshot import Snapshot
from .._ml.deployment import Deployment
from .._planner.rules import Rules
from .nodes import Seen

Json = dict[str, t.Any]
_OS = object_with(nodes=map_of(object_with(os=object_with(name=text, arch=text))))
_RSS = "average_inference_process_memory_rss_bytes"


class CapacityCluster(Cluster):
    """A connection to one cluster: reads of deployments and of the nodes they run on."""

    def read_all(self) -> tuple[Seen, Snapshot]:
        """Return all that decides about room, as far as the user may read it, and the models that are there.

        :raises ApiError: a read failed, and not for lack of a privilege.
        """
        snapshot = self.read(usage=True)
        state = self.read_state()
        seen = Seen(
            self.capacity.read(state and state.raw),
            tuple(_deployments(snapshot, state)),
            Rules.of(self.server.version_tuple),
            self.server.supports(Feature.RECORDED_PLANS),
            _observed(snapshot),
            self._read_architectures() if state else {},
        )
        return seen, snapshot

    def _read_architectures(self) -> dict[str, str]:
        """Return the platform of each node, as models name it (around-deployments.md 2.1)."""
        query = {"filter_path": "nodes.*.os.name,nodes.*.os.arch"}
        answer = read_unless_hidden(self._client, "read the architectures of the nodes", "/_nodes/os", query, _OS)
        found = (answer or {}).get("nodes") or {}
        return {node_id: _platform(node["os"]) for node_id, node in found.items() if node.get("os")}


def _platform(os: Json) -> str:
    name, arch = (str(os.get(key) or "").lower() for key in ("name", "arch"))
    system = "darwin" if name.startswith("mac") else name.partition(" ")[0]
    return f"{system}-{'x86_64' if arch == 'amd64' else arch}"


def _deployments(snapshot: Snapshot, state: ClusterState | None) -> t.Iterable[Deployment]:
    """Return all deployments in the order of the cluster state; where it cannot be read, those of the statistics."""
    if state is None:
        return snapshot.deployments
    names = state.node_names
    return (Deployment.from_assignment(each, "cluster_state", names) for each in state.assignments.values())


def _observed(snapshot: Snapshot) -> dict[tuple[str, str], int]:
    """Return the memory of each process that the statistics show (server-behaviour.md 2.3), by deployment and node."""
    found: dict[tuple[str, str], int] = {}
    for deployment_id, row in snapshot.rows.items():
        for entry in row["deployment_stats"].get("nodes") or ():
            size = entry.get(_RSS)
            size = parse_size(size) if isinstance(size, str) else size
            found |= {(deployment_id, node_id): size for node_id in entry.get("node") or () if size is not None}
    return found

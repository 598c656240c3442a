# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play a rolling upgrade: with the setting ``mixed_versions`` one node has not been upgraded yet.

Source: server-behaviour.md 3.1 row 4. It is the last node that is not the master. In a cluster of one node it is a data
node that is listed nowhere else. With the value ``patch`` it differs only in its patch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..wire import errors
from .nodes import Node

if TYPE_CHECKING:
    from .cluster import Cluster

CHOICES: Final = (True, False, "patch")
_OLD: Final = Node("old", given_name="name-old", roles=("data",), plugin=False)
_LAST_BEFORE: Final = {8: (7, 17), 9: (8, 19)}


def outdated_node(cluster: Cluster) -> Node | None:
    """Return the node that has not been upgraded yet."""
    if not cluster.settings.get("mixed_versions"):
        return None
    others = [node for node in cluster.nodes.values() if node.id != cluster.master_node]
    return others[-1] if others else _OLD


def version_of(cluster: Cluster, node: Node) -> tuple[int, int, int]:
    """Return the version of a node."""
    major, minor, patch = cluster.version.triple
    outdated = outdated_node(cluster)
    if outdated is None or outdated.id != node.id:
        return major, minor, patch
    if cluster.settings["mixed_versions"] == "patch":
        return (major, minor, patch - 1) if patch else (major, minor, patch)
    return (major, minor - 1, patch) if minor else (*_LAST_BEFORE[major], patch)


def number_of(cluster: Cluster, node: Node) -> str:
    """Return the version of a node as answers show it."""
    if outdated_node(cluster) is None:
        return cluster.version.number
    return ".".join(map(str, version_of(cluster, node)))


def listed(cluster: Cluster) -> list[Node]:
    """Return all nodes, the outdated one that is listed nowhere else included."""
    old = outdated_node(cluster)
    unlisted = [] if old is None or old.id in cluster.nodes else [old]
    return [*cluster.nodes.values(), *unlisted]


def transport_version(cluster: Cluster, node: Node) -> int:
    """Return the id of its transport version: rising with the minor, the same in all patches. The ids are not real."""
    major, minor, _patch = version_of(cluster, node)
    return major * 1_000_000 + minor * 1_000


def check_start(cluster: Cluster, deployment_id: str) -> None:
    """Refuse a start while a node is older than the master."""
    node = outdated_node(cluster)
    if node is None or not cluster.version.at_least((8, 2, 0)):
        return
    if cluster.version.at_least((8, 10, 0)):
        if transport_version(cluster, node) < _current(cluster):
            raise errors.status(
                403, f"Cannot start model deployment [{deployment_id}] while cluster upgrade is in progress."
            )
    elif version_of(cluster, node) != cluster.version.triple:
        why = f"not all nodes are on version {cluster.version.number}. All nodes must be the same version"
        raise errors.status(403, f"Cannot start a new model deployment as {why}")


def _current(cluster: Cluster) -> int:
    major, minor, _patch = cluster.version.triple
    return major * 1_000_000 + minor * 1_000

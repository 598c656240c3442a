# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve node filters as the reference's page describes them (``_local``, ``ml:true``, names and so on)."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from .nodes import ROLES, Node

if TYPE_CHECKING:
    from .cluster import Cluster

_NO_ROLES = ("coordinating_only", "master", "data", "voting_only")


def resolve(cluster: Cluster, expression: str) -> list[Node]:
    """Return the nodes of a filter, read from left to right: each part adds nodes, or with ``false`` removes them."""
    found: set[str] = set()
    for part in expression.split(","):
        key, colon, value = part.partition(":")
        if part in ("", "_all"):
            found |= set(cluster.nodes)
        elif part in ("_local", "_master"):
            # The node that is asked stands for all: it is the master, if there is one.
            found |= {cluster.master_node or next(iter(cluster.nodes), "")}
        elif colon and value in ("true", "false") and key in (*ROLES, *_NO_ROLES):
            matching = {node.id for node in cluster.nodes.values() if _has_role(node, key)}
            found = found | matching if value == "true" else found - matching
        elif colon:
            found |= {node.id for node in cluster.nodes.values() if _has_attribute(node, key, value)}
        else:
            found |= {node.id for node in cluster.nodes.values() if _is_called(node, part)}
    return [node for key, node in cluster.nodes.items() if key in found]


def _has_role(node: Node, role: str) -> bool:
    if role == "coordinating_only":
        return not node.roles
    if role == "data":
        return any(each.startswith("data") for each in node.roles)
    return role in node.roles


def _has_attribute(node: Node, name: str, value: str) -> bool:
    return any(
        fnmatch.fnmatchcase(key, name) and fnmatch.fnmatchcase(each, value) for key, each in node.attributes.items()
    )


def _is_called(node: Node, pattern: str) -> bool:
    addresses = ("127.0.0.1", "127.0.0.1:9300", "localhost")
    return any(fnmatch.fnmatchcase(each, pattern) for each in (node.id, node.name, *addresses))

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The conditions of the cluster under which Elasticsearch refuses each start, as far as a user may read them."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.server import version_tuple

Raw = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class NodeVersion:
    """``transport``: the id of its transport version, ``None`` if it does not show one.

    ``architecture``: of its machine, if it is a node for machine learning.
    """

    version: str
    transport: int | None = None
    architecture: str | None = dataclasses.field(default=None, compare=False)

    @classmethod
    def from_api(cls, node: Raw) -> NodeVersion:
        """Return it as ``GET _nodes`` shows it."""
        transport = str(node.get("transport_version") or "")
        architecture = (node.get("os") or {}).get("arch") if "ml" in (node.get("roles") or ()) else None
        return cls(str(node.get("version") or ""), int(transport) if transport.isdecimal() else None, architecture)

    @property
    def release(self) -> tuple[int, int]:
        """Return major and minor."""
        return version_tuple(self.version)[:2]


@dataclasses.dataclass(frozen=True)
class StartConditions:
    """``None``: the user may not read it.

    ``nodes``: of all nodes. ``master``: of the elected master, read only if the nodes differ. ``licensed``: the licence
    includes machine learning.
    """

    nodes: tuple[NodeVersion, ...] | None = None
    master: NodeVersion | None = None
    licensed: bool | None = None
    upgrade_mode: bool | None = None

    @property
    def architectures(self) -> frozenset[str]:
        """Return those of the ML nodes, as far as they show them."""
        return frozenset(node.architecture for node in self.nodes or () if node.architecture)

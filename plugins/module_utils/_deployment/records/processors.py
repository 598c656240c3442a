# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processors that a cluster has for machine learning, as far as a user may read them."""

from __future__ import annotations

import dataclasses
import math
import typing as t

Raw = t.Mapping[str, t.Any]
_PROCESSORS = ("ml.allocated_processors_double", "ml.allocated_processors")


@dataclasses.dataclass(frozen=True)
class MlProcessors:
    """``processors``: of each ML node. ``may_grow``: nodes may be added, or replaced by larger ones."""

    processors: tuple[int, ...]
    may_grow: bool

    @classmethod
    def from_api(cls, nodes: Raw, settings: Raw) -> MlProcessors | None:
        """Return what ``GET _nodes`` and ``GET _cluster/settings`` show; ``None`` if they lack a node's processors.

        The settings must have their defaults. Source: server-behaviour.md 4.3 and 5.1.
        """
        ml_nodes = [node for node in (nodes.get("nodes") or {}).values() if "ml" in (node.get("roles") or ())]
        attributes = [node.get("attributes") or {} for node in ml_nodes]
        found = [next((node[name] for name in _PROCESSORS if name in node), None) for node in attributes]
        if None in found:
            return None
        scale = float(_setting(settings, "allocated_processors_scale", "1"))
        lazy = int(_setting(settings, "max_lazy_ml_nodes", "0")) > len(attributes)
        larger = _setting(settings, "max_ml_node_size", "0b") not in ("0", "0b")
        return cls(tuple(math.ceil(float(t.cast(str, number)) / scale) for number in found), lazy or larger)


def _setting(settings: Raw, name: str, default: str) -> str:
    """Return its value: transient settings win over persistent ones, and those over the nodes' own."""
    for kind in ("transient", "persistent", "defaults"):
        value = (((settings.get(kind) or {}).get("xpack") or {}).get("ml") or {}).get(name)
        if value is not None:
            return str(value)
    return default

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records from the answers about capacity. ``None`` in place of an answer: it could not be read. Pure."""

from __future__ import annotations

import typing as t

from .._core.sizes import parse_size
from .records import Capacity, Missing, MlNode, Part, Settings

Json = dict[str, t.Any]
_JOBS = ("anomaly_detectors_in_bytes", "data_frame_analytics_in_bytes")
_AWARENESS = ("cluster", "routing", "allocation", "awareness", "attributes")

MEMORY_PATH, SETTINGS_PATH = "/_ml/memory/_stats", "/_cluster/settings"


def capacity(
    state: Json | None,
    memory: Json | None,
    settings: Json | None,
    *,
    has_memory: bool,
    broken: t.Container[str] = (),
) -> Capacity:
    """Return what the cluster state, ``_ml/memory/_stats`` and ``_cluster/settings`` show.

    *has_memory*: the server has ``_ml/memory/_stats``. *broken*: paths that no privilege would make readable.
    """
    in_state, in_memory = _part(state, "nodes"), _part(memory, "nodes")
    leaving = None if state is None else _part(state, "metadata", "node_shutdown", "nodes")
    nodes = tuple(
        _node(node_id, in_state.get(node_id), in_memory.get(node_id), leaving)
        for node_id in sorted({*in_state, *in_memory})
    )
    ml_nodes = tuple(node for node in nodes if "ml" in node.roles)
    unread = any(node.ml_memory is None for node in ml_nodes)
    of_memory = "monitor_ml" if has_memory and memory is None and MEMORY_PATH not in broken else None
    of_settings = None if SETTINGS_PATH in broken else "monitor"
    hidden: dict[Part, str | None] = {}
    if settings is None:
        hidden = {"settings": of_settings, "zones": of_settings}
    if state is None:
        hidden |= {"zones": "monitor", "shutdowns": "monitor", "routing_table": "monitor"}
        if not in_memory or _part(memory, "_nodes").get("failed"):
            hidden["nodes"] = of_memory or "monitor"
    if memory is None or unread:
        hidden["memory"] = of_memory
    missing = tuple(Missing(what, privilege) for what, privilege in sorted(hidden.items()))
    versions = frozenset(version for node in in_state.values() if (version := node.get("version")))
    return Capacity(ml_nodes, None if settings is None else _settings(settings), missing, versions)


def no_capacity() -> Capacity:
    """Return the capacity of a server that shows nothing of it, whatever the user may do."""
    return Capacity(missing=tuple(Missing(part, None) for part in sorted(t.get_args(Part))))


def _part(raw: Json | None, *path: str) -> Json:
    """Return the object under *path*, an empty one if it is not there."""
    found = raw or {}
    for name in path:
        found = found.get(name) or {}
    return found


def _node(node_id: str, in_state: Json | None, in_memory: Json | None, leaving: t.Container[str] | None) -> MlNode:
    """Return one node. The cluster state has all of its attributes, ``_ml/memory/_stats`` those of machine learning.

    *leaving*: the nodes that shut down.
    """
    row = in_state or in_memory or {}
    memory = _part(in_memory, "mem", "ml")
    most = memory.get("max_in_bytes", -1)
    return MlNode(
        node_id,
        row.get("name"),
        tuple(row.get("roles") or _part(in_memory, "roles")),
        row.get("attributes") or {},
        most if most >= 0 else None,
        sum(memory[name] for name in _JOBS) if memory else None,
        memory.get("native_inference_in_bytes"),
        None if leaving is None else node_id in leaving,
    )


def _settings(raw: Json) -> Settings:
    awareness = _setting(raw, *_AWARENESS) or ()
    names = awareness.split(",") if isinstance(awareness, str) else awareness
    return Settings(
        int(_setting(raw, "xpack", "ml", "allocated_processors_scale") or 1),
        int(_setting(raw, "xpack", "ml", "max_lazy_ml_nodes") or 0),
        max(0, parse_size(_setting(raw, "xpack", "ml", "max_ml_node_size") or "0") or 0),
        tuple(stripped for name in names if (stripped := name.strip())),
    )


def _setting(raw: Json, *path: str) -> t.Any:
    """Return a value: transient settings win over persistent ones, and those over the nodes' own."""
    *parents, name = path
    found = (_part(raw, kind, *parents).get(name) for kind in ("transient", "persistent", "defaults"))
    return next((value for value in found if value is not None), None)

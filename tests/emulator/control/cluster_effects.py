# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply effects on the cluster itself: nodes, master, blocks, load.

Source: server-behaviour.md 1.1, 3.2 row 13, 3.2 row 14, 4.7, 5.1, 6 and 7 item 8.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final

from ..state import nodes, scaler, shutdown
from ..state.cluster import Cluster
from ..state.load import Load
from ..state.shutdown import Shutdown
from ..state.versions import features
from . import effect_targets
from .effect_targets import BadEffect, Effect


def _add_node(cluster: Cluster, effect: Effect) -> None:
    cluster.add_node(nodes.from_json(dict(effect)))


def _remove_node(cluster: Cluster, effect: Effect) -> None:
    cluster.remove_node(effect_targets.node(cluster, effect).id, plan=bool(effect.get("plan", True)))


def _set_node(cluster: Cluster, effect: Effect) -> None:
    """Set other jobs on a node, or a load that cannot be detected.

    The end of a job plans again (server-behaviour.md 4.3).
    """
    node = effect_targets.node(cluster, effect)
    memory = nodes.memory_bytes(effect.get("jobs_memory", node.jobs_memory))
    cluster.nodes[node.id] = dataclasses.replace(
        node,
        jobs_memory=memory,
        analytics_memory=nodes.memory_bytes(effect.get("analytics_memory", node.analytics_memory)),
        load_error=effect.get("load_error", node.load_error),
        architecture=str(effect.get("architecture", node.architecture)),
    )
    cluster.publish()
    if memory < node.jobs_memory:
        cluster.rebalance("ML [anomaly detection] job stopped")


def _shut_down_node(cluster: Cluster, effect: Effect) -> None:
    kind = str(effect.get("type", "restart")).lower()
    if kind not in shutdown.TYPES:
        raise BadEffect(f"type must be one of {', '.join(shutdown.TYPES)}")
    node = effect_targets.node(cluster, effect)
    cluster.put_shutdown(Shutdown(node.id, kind, str(effect.get("reason", "by the test")), cluster.now.millis))


def _keep_node(cluster: Cluster, effect: Effect) -> None:
    if effect["node_id"] not in cluster.shutdowns:
        raise BadEffect(f"[{effect['node_id']}] does not shut down")
    cluster.delete_shutdown(effect["node_id"])


def _lose_master(cluster: Cluster, effect: Effect) -> None:
    cluster.coordination.master = False
    cluster.publish()


def _elect_master(cluster: Cluster, effect: Effect) -> None:
    cluster.elect_master()


def _lose_state(cluster: Cluster, effect: Effect) -> None:
    cluster.coordination.recovered = False
    cluster.publish()


def _recover_state(cluster: Cluster, effect: Effect) -> None:
    cluster.recover()


def _time_events_out(cluster: Cluster, effect: Effect) -> None:
    cluster.coordination.event_timeouts = int(effect.get("times", 1))


def _set_load(cluster: Cluster, effect: Effect) -> None:
    effect_targets.assignment(cluster, effect)
    given = Load(float(effect["requests_per_second"]), float(effect.get("inference_time_ms", 10)))
    if given.requests_per_second < 0 or given.inference_time_ms < 0:
        raise BadEffect("a load is not negative")
    cluster.loads[effect["deployment_id"]] = given


def _tick_scaler(cluster: Cluster, effect: Effect) -> None:
    scaler.run(cluster, int(effect.get("ticks", 1)), float(effect.get("seconds", scaler.INTERVAL)))


def _pass_time(cluster: Cluster, effect: Effect) -> None:
    """Advance the clock as ``POST /clock`` does, between two requests."""
    cluster.pass_time(float(effect["seconds"]))


def _upgrade_server(cluster: Cluster, effect: Effect) -> None:
    """Play another version from now on, as after a rolling upgrade: what is in the cluster state stays as it is.

    A deployment keeps a queue that is longer than the new version would start one with (server-behaviour.md 7 item 8).
    """
    new = features(str(effect["version"]))
    if new.triple < cluster.version.triple:
        raise BadEffect(f"{new.number} is older than {cluster.version.number}")
    cluster.version = new
    cluster.publish()


ACTIONS: Final[Mapping[str, Callable[[Cluster, Effect], None]]] = {
    "add_node": _add_node,
    "remove_node": _remove_node,
    "set_node": _set_node,
    "shut_down_node": _shut_down_node,
    "keep_node": _keep_node,
    "lose_master": _lose_master,
    "elect_master": _elect_master,
    "lose_state": _lose_state,
    "recover_state": _recover_state,
    "time_events_out": _time_events_out,
    "set_load": _set_load,
    "scaler_tick": _tick_scaler,
    "pass_time": _pass_time,
    "upgrade_server": _upgrade_server,
}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve ``/``, ``_ml/info`` and the cluster state.

Source: server-behaviour.md 0 and 2.4; parameters of the cluster state as the recorded answers show them.
"""

from __future__ import annotations

from typing import Any, Final

from ..emulator import Emulator
from ..state import node_versions, upgrade_mode
from ..state.cluster import Cluster
from ..state.shutdown import Shutdown
from ..wire import errors
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue
from . import ml_defaults

_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_METRICS: Final = ("version", "master_node", "blocks", "nodes", "metadata")


def root(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET /``."""
    cluster = emulator.cluster

    async def run() -> Reply:
        return Reply(200, root_json(cluster))

    return Prepared("cluster:monitor/main", run)


def root_json(cluster: Cluster) -> dict[str, Any]:
    """Return the body of ``/``; nodes of serverless have no names of their own (the public YAML test ``info``)."""
    compatible = "7.17.0" if cluster.version.major == 8 else "8.19.0"
    return {
        "name": "serverless" if cluster.flavor == "serverless" else "double",
        "cluster_name": cluster.name,
        "cluster_uuid": cluster.uuid,
        "version": {
            "number": cluster.version_number,
            "build_flavor": cluster.flavor,
            "build_type": "docker",
            "build_hash": "0" * 40,
            "build_date": "2024-01-01T00:00:00.000000000Z",
            "build_snapshot": False,
            "lucene_version": "9.12.0",
            "minimum_wire_compatibility_version": compatible,
            "minimum_index_compatibility_version": f"{cluster.version.major - 1}.0.0",
        },
        "tagline": "You Know, for Search",
    }


def info(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _ml/info``."""
    cluster = emulator.cluster

    async def run() -> Reply:
        nodes = [node for node in cluster.nodes.values() if node.ml]
        memory = sum(node.available() for node in nodes)
        limits: dict[str, Any] = {**ml_defaults.limits(cluster), "total_ml_memory": f"{memory >> 20}mb"}
        if cluster.version.at_least((8, 12, 0)):
            limits["total_ml_processors"] = sum(node.cores() for node in nodes)
        body = {
            "defaults": ml_defaults.defaults(cluster),
            "upgrade_mode": upgrade_mode.enabled(cluster),
            "native_code": {"version": cluster.version.number, "build_hash": "0" * 14},
            "limits": limits,
        }
        return Reply(200, body)

    return Prepared("cluster:monitor/xpack/ml/info/get", run)


def set_upgrade_mode(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _ml/set_upgrade_mode`` (around-deployments.md 5.4)."""
    enabled = call.boolean("enabled", False)
    call.time("timeout", _TIMEOUT)

    async def run() -> Reply:
        cluster = emulator.cluster
        if upgrade_mode.change(cluster, enabled):
            call.committed = True
            cluster.publish(by_api=True)
        return Reply(200, {"acknowledged": True})

    return Prepared("cluster:admin/xpack/ml/upgrade_mode", run)


def state(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _cluster/state[/{metrics}[/{indices}]]``."""
    metrics = call.path_parameters.get("metrics", "_all").split(",")
    call.boolean("local", False)
    call.time("master_timeout", _TIMEOUT)
    call.time("wait_for_timeout", _TIMEOUT)
    for name in (
        "wait_for_metadata_version",
        "flat_settings",
        "ignore_unavailable",
        "allow_no_indices",
        "expand_wildcards",
    ):
        call.text(name)

    async def run() -> Reply:
        return Reply(200, state_json(emulator.cluster, metrics))

    return Prepared("cluster:monitor/state", run)


def state_json(cluster: Cluster, metrics: list[str]) -> dict[str, Any]:
    """Return the requested parts; an unknown metric gives none."""
    body: dict[str, Any] = {"cluster_name": cluster.name, "cluster_uuid": cluster.uuid}
    everything = "_all" in metrics
    parts: dict[str, dict[str, Any]] = {
        "version": {"version": cluster.state_version, "state_uuid": f"state-{cluster.state_version}"},
        "master_node": {"master_node": cluster.master_node},
        "blocks": {"blocks": _blocks(cluster)},
        "nodes": {"nodes": _nodes(cluster)},
        "metadata": {"metadata": _metadata(cluster)},
    }
    for name in _METRICS:
        if everything or name in metrics:
            body |= parts[name]
    return body


def _blocks(cluster: Cluster) -> dict[str, Any]:
    blocks = cluster.coordination.blocks(cluster.settings)
    return {"global": {str(block.id): block.as_json() for block in blocks}} if blocks else {}


def _nodes(cluster: Cluster) -> dict[str, Any]:
    """Return all nodes, each with its own version."""
    return {
        node.id: node.discovery_json(node_versions.number_of(cluster, node)) for node in node_versions.listed(cluster)
    }


def _metadata(cluster: Cluster) -> dict[str, Any]:
    body: dict[str, Any] = {"cluster_uuid": cluster.uuid, "cluster_uuid_committed": True}
    if not cluster.coordination.recovered:
        return body
    if cluster.ever_assigned:
        key = "trained_model_assignment" if cluster.version.assignment_names else "trained_model_allocation"
        body[key] = {name: each.as_json() for name, each in cluster.assignments.items()}
    if cluster.aliases:
        body["trained_model_alias"] = {
            "model_aliases": {alias: {"model_id": model_id} for alias, model_id in cluster.aliases.items()}
        }
    if not {"upgrade_mode", "feature_reset"}.isdisjoint(cluster.settings):
        modes = {"upgrade_mode": "upgrade_mode", "reset_mode": "feature_reset"}
        body["ml"] = {name: bool(cluster.settings.get(setting)) for name, setting in modes.items()}
    if cluster.ever_shut_down:
        body["node_shutdown"] = {
            "nodes": {each.node_id: _shutdown(cluster, each) for each in cluster.shutdowns.values()}
        }
    return body


def _shutdown(cluster: Cluster, each: Shutdown) -> dict[str, Any]:
    """Return a shutdown as the metadata show it; which node it means is said more exactly from 8.18 on."""
    node = cluster.nodes.get(each.node_id)
    return each.in_state(
        None if node is None else node.ephemeral_id,
        seen=each.seen or node is not None,
        with_ephemeral_id=cluster.version.at_least((8, 18, 0)),
    )


def not_on_serverless(call: Call, cluster: Cluster) -> errors.ApiError:
    """Return serverless' refusal of infrastructure APIs; 410 is [G], 404 has been seen (server-behaviour.md 8)."""
    what = f"Request for uri [{call.uri}] with method [{call.method}]"
    reason = f"{what} exists but is not available when running in serverless mode"
    return errors.ApiError(int(cluster.choices["serverless_missing_api_status"]), "api_not_available_exception", reason)


ROUTES: Final = (
    Route("GET", "/", "info", root),
    Route("HEAD", "/", "info", root),
    Route("GET", "/_ml/info", "info", info),
    Route("POST", "/_ml/set_upgrade_mode", "upgrade_mode", set_upgrade_mode, serverless=False),
    Route("GET", "/_cluster/state", "cluster_state", state, serverless=False),
    Route("GET", "/_cluster/state/{metrics}", "cluster_state", state, serverless=False),
    Route("GET", "/_cluster/state/{metrics}/{indices}", "cluster_state", state, serverless=False),
)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster as the modules have read it, and as a record keeps it. Pure."""

from __future__ import annotations

import typing as t

from .._core.server import Server
from .._core.sizes import human_size
from .._ml.settings import START_SETTINGS

Json: t.TypeAlias = "dict[str, t.Any]"
SETTINGS = ("model_id", *START_SETTINGS)
"""Settings of a deployment that only a start sets."""
ABSENT_CODES = ("unsupported_version", "unsupported_on_serverless")
"""Failures that say that this Elasticsearch has no such thing."""
_READ = {
    "deployments": "deployments",
    "endpoints": "inference endpoints",
    "models": "models",
    "mode": "upgrade mode",
    "nodes": "nodes",
}


class Found(t.NamedTuple):
    """A cluster as it is. ``refused``: what could not be read, and why. ``nodes``: by id, all names of ML nodes."""

    server: Json
    deployments: dict[str, Json]
    stopping: frozenset[str]
    endpoint_ids: frozenset[str]
    endpoints: dict[str, Json]
    """Those whose deployment is there."""
    aliases: dict[str, str]
    upgrade_mode: bool | None
    routes: dict[str, tuple[tuple[str, str], ...]]
    """Deployment to ids and names of the nodes that it has a route on."""
    nodes: tuple[tuple[str, str], ...]
    refused: tuple[str, ...]

    @property
    def cluster(self) -> Json:
        """Return name and uuid of the cluster."""
        return {"name": self.server.get("cluster_name") or None, "uuid": self.server.get("cluster_uuid") or None}

    @property
    def version(self) -> Server:
        """Return its server, to ask for features."""
        return server_of(self.server)


def server_of(shown: Json) -> Server:
    """Return the server that a result or a record shows."""
    return Server(str(shown.get("version") or ""), str(shown.get("flavor") or "default"), "")


def found(reads: Json) -> Found:
    """Return the cluster in *reads*: by name, the results of the modules."""
    items = reads["deployments"].get("deployments") or []
    all_endpoints = reads["endpoints"].get("inference_endpoints") or []
    endpoints = [item for item in all_endpoints if item["deployment"]]
    owners = {each["deployment"]["deployment_id"]: each for each in endpoints if each["deployment"]["owned"]}
    memory = {each["model_id"]: each.get("model_bytes") for each in reads["models"].get("models") or []}
    before = {} if _code(reads["mode"]) in ABSENT_CODES else reads["mode"].get("before") or {}
    return Found(
        server=reads["deployments"].get("server") or {},
        deployments={
            item["deployment_id"]: _deployment(item, owners.get(item["deployment_id"]), memory.get(item["model_id"]))
            for item in items
        },
        stopping=frozenset(item["deployment_id"] for item in items if item["assignment_state"] == "stopping"),
        endpoint_ids=frozenset(item["inference_id"] for item in all_endpoints),
        endpoints={item["inference_id"]: _endpoint(item) for item in endpoints},
        aliases={
            alias: model["model_id"]
            for model in reads["models"].get("models") or []
            for alias in model.get("model_aliases") or ()
        },
        upgrade_mode=before.get("enabled"),
        routes={item["deployment_id"]: _nodes(item.get("routing_table") or {}) for item in items},
        nodes=tuple((each["node_id"], each["node_name"] or "") for each in reads.get("nodes", {}).get("nodes") or ()),
        refused=_refused(reads),
    )


def _refused(reads: Json) -> tuple[str, ...]:
    """Return what could not be read. Without the deployments the rest failed for the same reason."""
    found = {
        name: f"The {what} cannot be read: {_sentence(reads[name])}"
        for name, what in _READ.items()
        if (reads.get(name) or name != "nodes") and _code(reads[name]) not in (None, *ABSENT_CODES)
    }
    return (found["deployments"],) if "deployments" in found else tuple(found.values())


def _code(result: Json) -> str | None:
    """Return the code of a failure. A result without the key is none of a module."""
    failure = result.get("failure", {"code": "no_result"})
    return str(failure["code"]) if failure else None


def _sentence(result: Json) -> str:
    return str(result.get("msg") or "its task has no result").rstrip(".") + "."


def _nodes(table: Json) -> tuple[tuple[str, str], ...]:
    return tuple((node_id, route.get("node_name") or "") for node_id, route in table.items())


def _deployment(item: Json, owner: Json | None, model_bytes: int | None) -> Json:
    """Return a deployment as a record has it.

    Where adaptive allocations set the number, it changes by itself, and is kept for information.
    """
    adaptive, number = item["adaptive_allocations"], item["number_of_allocations"]
    scaled = bool(adaptive and adaptive["enabled"])
    exact = item["routing_source"] == "cluster_state"
    # Statistics cut the size. Where it is the default, which follows the model, a start leaves it out.
    is_default = not exact and model_bytes is not None and item["cache_size"] == human_size(model_bytes)
    cache = None if is_default else item["cache_size"]
    return {
        "deployment_id": item["deployment_id"],
        **{name: item[name] for name in SETTINGS},
        "cache_size": cache,
        "cache_size_exact": exact or cache is None,
        "number_of_allocations": None if scaled else number,
        "adaptive_allocations": adaptive,
        "initial_number_of_allocations": number if scaled else None,
        "assignment_state": item["assignment_state"],
        "owner": owner and owner["inference_id"],
    }


def _endpoint(item: Json) -> Json:
    """Return what concerns the cluster of an endpoint: no settings, in which anything may stand."""
    deployment = item["deployment"]
    names = ("deployment_id", "model_id", "owned", "number_of_allocations", "adaptive_allocations")
    return {
        **{name: item[name] for name in ("inference_id", "task_type", "service")},
        **{name: deployment[name] for name in names},
    }

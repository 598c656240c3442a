# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe inference endpoints: how answers show them, and how they protect deployments.

An endpoint of the service ``elasticsearch`` owns a deployment that has its id, or is attached to another one.
Source: server-behaviour.md 3.1 row 7, 3.2 row 5 and 3.3; Elasticsearch's public inference sources.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..wire import errors
from . import nodes
from .adaptive import AdaptiveSettings, from_json
from .packages import PACKAGES
from .versions import Features

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

ELASTICSEARCH: Final = "elasticsearch"
ELSER: Final = "elser"
IN_CLUSTER: Final = (ELASTICSEARCH, ELSER)
SPARSE: Final = "sparse_embedding"
TEXT: Final = "text_embedding"
RERANK: Final = "rerank"
ANY: Final = "any"

ELSER_1: Final = ".elser_model_1"
ELSER_2: Final = ".elser_model_2"
E5: Final = ".multilingual-e5-small"
RERANKER: Final = ".rerank-v1"
LINUX: Final = f"_{nodes.LINUX}"
PACKAGED: Final = tuple(f".{name}" for name in PACKAGES)

DEFAULT_CHUNKING: Final[Mapping[str, Any]] = {"strategy": "sentence", "max_chunk_size": 250, "sentence_overlap": 1}
WORD_CHUNKING: Final[Mapping[str, Any]] = {"strategy": "word", "max_chunk_size": 250, "overlap": 100}
DEFAULT_IDS: Final[Mapping[str, tuple[str, str]]] = {
    ".elser-2-elasticsearch": (SPARSE, ELSER_2),
    ".multilingual-e5-small-elasticsearch": (TEXT, E5),
    ".rerank-v1-elasticsearch": (RERANK, RERANKER),
}
SECRETS: Final = frozenset(
    {"api_key", "access_key", "secret_key", "service_account_json", "entra_id", "client_secret", "secret_parameters"}
)
_INTERNAL: Final = frozenset({"internal"})
_ORDER: Final = ("num_allocations", "num_threads", "model_id", "adaptive_allocations", "deployment_id")


@dataclasses.dataclass
class Endpoint:
    """One endpoint; the settings are JSON as answers show them."""

    id: str
    task_type: str
    service: str
    service_settings: Json
    task_settings: Json = dataclasses.field(default_factory=dict)
    chunking_settings: Json | None = None
    secrets: Json = dataclasses.field(default_factory=dict)
    """What no answer shows."""
    metadata: Json = dataclasses.field(default_factory=dict)

    @property
    def in_cluster(self) -> bool:
        """Return whether a deployment of this cluster does its work."""
        return self.service in IN_CLUSTER

    @property
    def attached(self) -> bool:
        """Return whether it uses a deployment that it did not make."""
        return "deployment_id" in self.service_settings

    @property
    def deployment_id(self) -> str:
        """Return the deployment that does its work."""
        return str(self.service_settings.get("deployment_id", self.id))

    @property
    def model_id(self) -> str:
        """Return the model behind it."""
        return str(self.service_settings["model_id"])

    @property
    def adaptive(self) -> AdaptiveSettings | None:
        """Return adaptive allocations, if any were given."""
        given = self.service_settings.get("adaptive_allocations")
        return None if given is None else from_json(given)

    def as_json(self, version: Features, allocations: int | None = None) -> Json:
        """Return it as answers show it; ``allocations`` is the deployment's current number."""
        settings = dict(self.service_settings)
        if allocations is not None:
            settings["num_allocations"] = allocations
        if self.in_cluster:
            names = [*_ORDER, *(name for name in settings if name not in _ORDER)]
            settings = {name: settings[name] for name in names if name in settings}
        body: Json = {
            "inference_id" if version.endpoint_names else "model_id": self.id,
            "task_type": self.task_type,
            "service": self.service,
            "service_settings": settings,
        }
        if self.task_settings or not version.chunking:
            body["task_settings"] = dict(self.task_settings)
        if version.chunking and self.chunking_settings is not None:
            body["chunking_settings"] = dict(self.chunking_settings)
        if metadata := {name: value for name, value in self.metadata.items() if name not in _INTERNAL}:
            body["metadata"] = metadata
        return body


def without_secrets(settings: Json) -> tuple[Json, Json]:
    """Return settings of a service without its secrets, and these."""
    secrets = {name: value for name, value in settings.items() if name in SECRETS}
    return {name: value for name, value in settings.items() if name not in SECRETS}, secrets


# --- which there are ---


def packaged_variant(cluster: Cluster, model_id: str) -> str:
    """Return the variant of a packaged model for the ML nodes.

    The optimized one if it suits all of them (public service).
    """
    architectures = {node.architecture for node in cluster.nodes.values() if node.ml}
    return model_id + LINUX if architectures == {nodes.LINUX} and model_id != RERANKER else model_id


def defaults(cluster: Cluster) -> dict[str, Endpoint]:
    """Return the endpoints that exist without being created; the first use deploys their model."""
    if not cluster.version.live_allocations:
        return {}
    settings = cluster.settings
    bounds = {
        "min_number_of_allocations": int(settings.get("xpack.ml.models.default_allocations.min", 0)),
        "max_number_of_allocations": int(settings.get("xpack.ml.models.default_allocations.max", 32)),
    }
    found = {}
    for endpoint_id, (task_type, model_id) in DEFAULT_IDS.items():
        if task_type == RERANK and not cluster.version.rerank_default:
            continue
        found[endpoint_id] = Endpoint(
            endpoint_id,
            task_type,
            ELASTICSEARCH,
            {
                "num_threads": 1,
                "model_id": packaged_variant(cluster, model_id),
                "adaptive_allocations": {"enabled": True, **bounds},
            },
            {"return_documents": True} if task_type == RERANK else {},
            None if task_type == RERANK else dict(DEFAULT_CHUNKING),
        )
    return found


def known(cluster: Cluster) -> dict[str, Endpoint]:
    """Return all endpoints by id, in the order of their ids."""
    found = {**defaults(cluster), **cluster.endpoints}
    gone = cluster.no_defaults if cluster.choices["preset_after_delete"] == "stays_deleted" else ()
    return {endpoint_id: found[endpoint_id] for endpoint_id in sorted(found) if endpoint_id not in gone}


def existing(cluster: Cluster, endpoint_id: str) -> Endpoint:
    """Return an endpoint, or 404."""
    found = known(cluster).get(endpoint_id)
    if found is None:
        # The wording before 8.14 is [U].
        word = "Inference endpoint" if cluster.version.at_least((8, 14, 0)) else "Model"
        raise errors.not_found(f"{word} not found [{endpoint_id}]")
    return found


def of_type(endpoint: Endpoint, task_type: str) -> Endpoint:
    """Return the endpoint, if it has the type that the path names; 400 otherwise."""
    if task_type not in (ANY, endpoint.task_type):
        raise errors.status(
            400,
            f"Requested task type [{task_type}] does not match the inference endpoint's task type"
            f" [{endpoint.task_type}]",
        )
    return endpoint


def shown(cluster: Cluster, endpoint: Endpoint) -> Json:
    """Return it as GET shows it: from 8.17 on with the deployment's current number of allocations."""
    assignment = cluster.assignments.get(endpoint.deployment_id)
    if assignment is None or not endpoint.in_cluster or not cluster.version.live_allocations:
        return endpoint.as_json(cluster.version)
    if cluster.choices["endpoint_shows_adaptive"] == "live":
        settings = {name: value for name, value in endpoint.service_settings.items() if name != "adaptive_allocations"}
        if assignment.adaptive is not None:
            settings["adaptive_allocations"] = assignment.adaptive.as_json()
        endpoint = dataclasses.replace(endpoint, service_settings=settings)
    return endpoint.as_json(cluster.version, assignment.params.number_of_allocations)


# --- protection of deployments ---


def check_start(cluster: Cluster, model_id: str) -> None:
    """Follow server-behaviour.md 3.1 row 7: no deployment of a model that is named like an endpoint."""
    if cluster.choices.decides("endpoint_start_check", cluster.version.endpoint_start_check) and model_id in known(
        cluster
    ):
        reason = f"Model IDs must be unique. Requested model ID [{model_id}] matches existing model IDs but must not."
        raise errors.status(400, reason)


def check_update(cluster: Cluster, deployment_id: str) -> None:
    """Follow server-behaviour.md 3.2 row 5.

    Whose deployment it is; endpoints that are merely attached do not matter.
    """
    found = known(cluster).get(deployment_id)
    checked = cluster.choices.decides("endpoint_update_check", cluster.version.endpoint_update_check)
    if checked and found is not None and found.in_cluster:
        what = f"Cannot update deployment [{deployment_id}] as it was created by inference endpoint [{found.id}]."
        raise errors.status(409, f"{what} This model deployment must be updated through the inference API.")


def check_stop(cluster: Cluster, deployment_id: str) -> None:
    """Follow server-behaviour.md 3.3: no stop of a deployment that an endpoint made, or uses."""
    if not cluster.choices.decides("endpoint_stop_check", cluster.version.endpoint_stop_check):
        return
    advice = "; use force to stop the deployment" if cluster.choices["endpoint_stop_advice"] == "use_force" else ""
    mine = [each for each in known(cluster).values() if each.in_cluster and each.deployment_id == deployment_id]
    for endpoint in sorted(mine, key=lambda each: (each.attached, each.id)):
        how = "used" if endpoint.attached else "created"
        reason = f"Cannot stop deployment [{deployment_id}] as it {'is' if endpoint.attached else 'was'} {how}"
        raise errors.status(409, f"{reason} by inference endpoint [{endpoint.id}]{advice}")


# --- references to endpoints ---


def deletion(
    acknowledged: bool, pipelines: list[str], indexes: list[str], message: str | None, version: Features
) -> Json:
    """Return the answer to a delete or its dry run; 8.15 shows no indices."""
    body: Json = {"acknowledged": acknowledged, "pipelines": pipelines}
    if version.endpoint_references_indexes:
        body["indexes"] = indexes
        if message is not None:
            body["error_message"] = message
    return body


def references_text(endpoint_id: str, pipelines: list[str], indexes: list[str], version: Features) -> str:
    """Return why an endpoint cannot be deleted; empty if it can."""
    parts = []
    advice = "or use force to ignore this warning and delete the inference endpoint."
    if pipelines:
        parts.append(
            f"Inference endpoint {endpoint_id} is referenced by pipelines: [{', '.join(pipelines)}]. "
            f"Ensure that no pipelines are using this inference endpoint, {advice}"
        )
    if indexes:
        # Since when the blank in front is gone is [U].
        blank = "" if version.at_least((9, 2, 0)) else " "
        parts.append(
            f"{blank}Inference endpoint {endpoint_id} is being used in the mapping for indexes: "
            f"[{', '.join(indexes)}]. Ensure that no index mappings are using this inference endpoint, {advice}"
        )
    return "".join(parts)

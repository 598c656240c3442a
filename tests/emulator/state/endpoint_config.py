# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the body of a PUT or update into an inference endpoint: what is read, in which order, and the complaints.

Elasticsearch's public inference sources. The services ``elasticsearch`` and ``elser`` are complete; of other services
only the outline is checked, because the emulator never calls them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..wire import errors
from . import chunking, inference_services, licence, models, task_types
from .adaptive import AdaptiveSettings
from .endpoint_values import SERVICE as SETTINGS
from .endpoint_values import invalid, java_text, missing, optional_map, positive_integer, required_map, text, wrong_type
from .endpoints import (
    DEFAULT_IDS,
    E5,
    ELASTICSEARCH,
    ELSER,
    ELSER_1,
    ELSER_2,
    LINUX,
    RERANK,
    RERANKER,
    SPARSE,
    TEXT,
    Endpoint,
    packaged_variant,
    without_secrets,
)

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

SIMILARITIES: Final = ("cosine", "dot_product", "l2_norm")
_CONFIG_TASKS: Final = {"text_expansion": SPARSE, "text_embedding": TEXT, "text_similarity": RERANK}


# --- the whole configuration ---


def parse(cluster: Cluster, endpoint_id: str, in_path: str, body: Json) -> Endpoint:
    """Read an endpoint from the body of a PUT, before anything is started or stored."""
    config = dict(body)
    resolved = task_types.resolved(in_path, config.pop("task_type", None), cluster.version)
    service = config.pop("service", None)
    if service is None:
        newer = cluster.version.at_least((8, 15, 0))
        what = "Inference endpoint configuration is missing the [service] setting"
        raise errors.status(400, what if newer else "Model configuration is missing a service")
    service = str(service)
    licence.check_inference(cluster, service)
    if service != ELSER and not inference_services.is_known(service, cluster.version):
        raise errors.status(400, f"Unknown service [{service}]")
    if cluster.version.endpoint_start_check:
        _check_unique(cluster, endpoint_id)
    if service not in (ELASTICSEARCH, ELSER):
        return _foreign(cluster, endpoint_id, resolved, service, config)
    if endpoint_id in DEFAULT_IDS:
        what = f"[{endpoint_id}] is a reserved inference Id."
        raise errors.status(400, f"{what} Cannot create a new inference endpoint with a reserved Id")
    return _InCluster(cluster, endpoint_id, resolved, service, config).endpoint()


def _check_unique(cluster: Cluster, endpoint_id: str) -> None:
    """Refuse an id that a deployment has, or a model (or alias of one) that is deployed."""
    concrete = cluster.aliases.get(endpoint_id, endpoint_id)
    used = {concrete} & {each.params.model_id for each in cluster.assignments.values()}
    if concrete in cluster.assignments or used:
        if cluster.version.endpoint_id_text:
            text = f"Inference endpoint IDs must be unique. Requested inference endpoint ID [{endpoint_id}]"
            raise errors.status(400, f"{text} matches existing trained model ID(s) but must not.")
        text = f"Model IDs must be unique. Requested model ID [{endpoint_id}] matches existing model IDs but must not."
        raise errors.status(400, text)


def _foreign(cluster: Cluster, endpoint_id: str, resolved: str, service: str, config: Json) -> Endpoint:
    """Keep a service outside of the cluster as it is, never called; real ones also validate their settings."""
    settings, secrets = without_secrets(required_map(config, SETTINGS))
    tasks = optional_map(config, "task_settings")
    chunks = _chunks(config, resolved, cluster)
    refuse_rest(config, service, cluster)
    return Endpoint(endpoint_id, resolved, service, settings, tasks, chunks, secrets)


def _chunks(config: Json, task: str, cluster: Cluster) -> Json | None:
    """Take the chunking settings, which only tasks have that make embeddings."""
    if task not in (TEXT, SPARSE, task_types.EMBEDDING) or not cluster.version.chunking:
        return None
    return chunking.read(optional_map(config, chunking.SETTINGS), cluster.version)


def refuse_rest(config: Json, service: str, cluster: Cluster) -> None:
    """Refuse settings that the service did not read."""
    if config:
        # Since when the word "Model" is gone is [U].
        word = "Configuration" if cluster.version.at_least((8, 18, 0)) else "Model configuration"
        raise errors.status(400, f"{word} contains settings [{java_text(config)}] unknown to the [{service}] service")


class _InCluster:
    """The service ``elasticsearch``, and ``elser`` as a service of its own before 8.16."""

    def __init__(self, cluster: Cluster, endpoint_id: str, resolved: str, service: str, config: Json) -> None:
        self._cluster = cluster
        self._id = endpoint_id
        self._task = resolved
        self._asked = service
        self._service = ELASTICSEARCH if cluster.version.one_service else service
        self._config = config

    def endpoint(self) -> Endpoint:
        settings = required_map(self._config, SETTINGS)
        tasks = optional_map(self._config, "task_settings")
        chunks = _chunks(self._config, self._task, self._cluster)
        refuse_rest(self._config, self._service, self._cluster)
        if settings.get("deployment_id") is not None and self._cluster.version.one_service:
            read = self._of_deployment(settings)
        else:
            read = self._of_model(settings)
            refuse_rest(settings, self._service, self._cluster)
        return Endpoint(self._id, self._task, self._service, read, self._task_settings(tasks), chunks)

    def _task_settings(self, given: Json) -> Json:
        if self._task != RERANK:
            if given and not self._cluster.version.chunking:
                refuse_rest(given, self._service, self._cluster)
            return {}
        shown = given.pop("return_documents", True)
        if not isinstance(shown, bool):
            complaint = wrong_type("return_documents", shown, "Boolean")
            raise errors.validation([complaint], "validation_exception")
        refuse_rest(given, self._service, self._cluster)
        return {"return_documents": shown}

    def _of_deployment(self, settings: Json) -> Json:
        """Attach: return the deployment's own settings; other settings are not read."""
        deployment_id = str(settings["deployment_id"])
        assignment = self._cluster.assignments.get(deployment_id)
        if assignment is None:
            raise errors.status(404, f"Cannot find deployment [{deployment_id}]")
        params, desired = assignment.params, settings.get("model_id")
        if desired is not None and desired != params.model_id:
            what = f"Deployment [{deployment_id}] uses model [{params.model_id}]"
            raise errors.status(400, f"{what} which does not match the model [{desired}] in the request.")
        self._check_task(params.model_id)
        found: Json = {
            "num_allocations": params.number_of_allocations,
            "num_threads": params.threads_per_allocation,
            "model_id": params.model_id,
            "deployment_id": deployment_id,
        }
        if assignment.adaptive is not None:
            found["adaptive_allocations"] = assignment.adaptive.as_json()
        if self._task == TEXT and self._cluster.version.endpoint_attached_dimensions:
            found |= self._embedding(params.model_id, settings)
        return found

    def _of_model(self, settings: Json) -> Json:
        model_id = settings.get("model_id")
        tasks = (SPARSE,) if self._asked == ELSER and not self._cluster.version.one_service else (TEXT, SPARSE, RERANK)
        if self._task not in tasks:
            raise errors.status(400, f"The [{self._asked}] service does not support task type [{self._task}]")
        if model_id is None and self._asked == ELASTICSEARCH:
            raise errors.illegal_argument("Error parsing service settings, model_id must be provided")
        if model_id is None or model_id in (ELSER_1, ELSER_2, ELSER_2 + LINUX):
            return self._elser(settings)
        if model_id in (E5, E5 + LINUX):
            return self._packaged(settings, E5, "")
        if model_id != RERANKER:
            return self._custom(settings, str(model_id))
        return read_settings(settings, self._cluster)

    def _elser(self, settings: Json) -> Json:
        read = self._packaged(settings, ELSER_2, ". You may need to use a platform agnostic model.")
        read.setdefault("model_id", packaged_variant(self._cluster, ELSER_2))
        return read

    def _packaged(self, settings: Json, plain: str, advice: str) -> Json:
        read = read_settings(settings, self._cluster)
        model_id = read.get("model_id")
        if model_id not in (None, plain, packaged_variant(self._cluster, plain)):
            what = "Error parsing request config, model id does not match any models available on this platform."
            raise errors.illegal_argument(f"{what} Was [{model_id}]{advice}")
        return read

    def _custom(self, settings: Json, model_id: str) -> Json:
        """Return the settings of a custom model, which must exist."""
        if self._cluster.resolve_model(model_id) is None:
            raise models.missing_model(model_id, self._cluster.version)
        self._check_task(model_id)
        if self._task != TEXT:
            return read_settings(settings, self._cluster)
        given = {name: settings.pop(name, None) for name in ("similarity", "dimensions", "element_type")}
        return read_settings(settings, self._cluster) | self._embedding(model_id, given)

    def _embedding(self, model_id: str, given: Json) -> Json:
        """Return what an endpoint for text embeddings says of its vectors; the size is that of the model."""
        found: Json = {"similarity": _similarity(given.get("similarity"))}
        size = given.get("dimensions") or self._embedding_size(model_id)
        if size is not None:
            found["dimensions"] = size
        found["element_type"] = given.get("element_type") or "float"
        return found

    def _inference_config(self, model_id: str) -> Json:
        model = self._cluster.resolve_model(model_id)
        found: Json = (model.config.get("inference_config") if model is not None else None) or {}
        return found

    def _embedding_size(self, model_id: str) -> int | None:
        settings = self._inference_config(model_id).get("text_embedding") or {}
        return settings.get("embedding_size")

    def _check_task(self, model_id: str) -> None:
        """Check that the model is made for the task; a model without configuration (control port) passes."""
        kind = next(iter(self._inference_config(model_id)), None)
        if kind is None:
            return
        if kind not in _CONFIG_TASKS:
            what = f"Deployed model [{model_id}] has type [{kind}]"
            raise errors.status(400, f"{what} which does not map to any supported task types")
        if _CONFIG_TASKS[kind] != self._task:
            what = f"Deployed model [{model_id}] with type [{kind}]"
            raise errors.status(400, f"{what} does not match the requested task type [{self._task}]")


# --- single settings ---


def _similarity(given: Any) -> str:
    if given is None:
        return SIMILARITIES[0]
    if given not in SIMILARITIES:
        raise errors.validation([invalid("similarity", given, SIMILARITIES)], "validation_exception")
    return str(given)


def read_settings(settings: Json, cluster: Cluster) -> Json:
    """Take the settings of the service out of the map; complain of all at once."""
    complaints: list[str] = []
    number = positive_integer(settings, "num_allocations", complaints)
    threads = positive_integer(settings, "num_threads", complaints)
    if threads is None and not any("num_threads" in each for each in complaints):
        complaints.append(missing("num_threads"))
    adaptive = read_adaptive(settings, complaints) if cluster.version.adaptive else None
    model_id = text(settings, "model_id", complaints)
    if number is None and adaptive is None:
        one = not cluster.version.adaptive
        names = "required setting [num_allocations]"
        more = "one of the required settings [num_allocations, adaptive_allocations]"
        complaints.append(f"[{SETTINGS}] does not contain {'the ' + names if one else more}")
    if complaints:
        raise errors.validation(complaints, "validation_exception")
    read: Json = {"num_allocations": number, "num_threads": threads, "model_id": model_id}
    read["adaptive_allocations"] = None if adaptive is None else adaptive.as_json()
    return {name: value for name, value in read.items() if value is not None}


def read_adaptive(settings: Json, complaints: list[str]) -> AdaptiveSettings | None:
    """Read adaptive allocations in the settings of the service."""
    if settings.get("adaptive_allocations") is None:
        settings.pop("adaptive_allocations", None)
        return None
    given = optional_map(settings, "adaptive_allocations")
    enabled = given.pop("enabled", None)
    if enabled is not None and not isinstance(enabled, bool):
        complaints.append(wrong_type("enabled", enabled, "Boolean"))
        enabled = None
    bounds = []
    for name in ("min_number_of_allocations", "max_number_of_allocations"):
        value = given.pop(name, None)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            complaints.append(wrong_type(name, value, "Integer"))
            value = None
        bounds.append(value)
    complaints += [f"[adaptive_allocations] does not allow the setting [{name}]" for name in given]
    read = AdaptiveSettings(enabled, *bounds)
    complaints += read.complaints()
    return read

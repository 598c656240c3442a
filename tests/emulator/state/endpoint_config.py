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
from ..wire.values import INT_MAX, INT_MIN
from . import models
from .adaptive import AdaptiveSettings
from .endpoints import (
    ANY,
    DEFAULT_CHUNKING,
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

SETTINGS: Final = "service_settings"
TASK_TYPES: Final = (TEXT, SPARSE, RERANK, "completion", ANY, "chat_completion", "embedding")
_SINCE: Final = {RERANK: (8, 14, 0), "completion": (8, 14, 0), "chat_completion": (8, 18, 0), "embedding": (9, 4, 0)}
_SERVICES: Final = {
    "hugging_face": (8, 12, 0),
    "openai": (8, 12, 0),
    "cohere": (8, 13, 0),
    "azureaistudio": (8, 14, 0),
    "azureopenai": (8, 14, 0),
    "amazonbedrock": (8, 15, 0),
    "googleaistudio": (8, 15, 0),
    "googlevertexai": (8, 15, 0),
    "mistral": (8, 15, 0),
    "alibabacloud-ai-search": (8, 16, 0),
    "anthropic": (8, 16, 0),
    "watsonxai": (8, 16, 0),
    "elastic": (8, 16, 0),
    "jinaai": (8, 18, 0),
    "voyageai": (8, 19, 0),
    "deepseek": (8, 19, 0),
    "custom": (8, 19, 0),
    "amazon_sagemaker": (8, 19, 0),
    "ai21": (9, 2, 0),
    "contextualai": (9, 2, 0),
    "llama": (9, 2, 0),
    "groq": (9, 3, 0),
    "nvidia": (9, 3, 0),
    "openshift_ai": (9, 3, 0),
    "fireworksai": (9, 4, 0),
}
"""Services and the release that brought them, as the public specification has them; a patch in between is [U]."""
_CONFIG_TASKS: Final = {"text_expansion": SPARSE, "text_embedding": TEXT, "text_similarity": RERANK}


def java_text(value: Any) -> str:
    """Return a map, list or value as Java prints it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={java_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(java_text, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def task_type(text: str, cluster: Cluster) -> str:
    """Read a task type from path or body, whatever its case; 400 otherwise."""
    name = text.strip().lower()
    if name not in TASK_TYPES or not cluster.version.at_least(_SINCE.get(name, (8, 11, 0))):
        raise errors.status(400, f"Unknown task_type [{text}]")
    return name


def resolved_type(in_path: str, in_body: Any, cluster: Cluster) -> str:
    """Return the one task type that path and body agree on."""
    if in_body is None:
        if in_path == ANY:
            raise errors.status(400, "model is missing required setting [task_type]")
        return in_path
    parsed = task_type(str(in_body), cluster)
    if parsed == ANY:
        raise errors.status(400, "task_type [any] is not valid type for inference")
    if in_path not in (ANY, parsed):
        what = "Cannot resolve conflicting task_type parameter in the request URL"
        raise errors.status(400, f"{what} [{in_path}] and the request body [{parsed}]")
    return parsed


# --- the whole configuration ---


def parse(cluster: Cluster, endpoint_id: str, in_path: str, body: Json) -> Endpoint:
    """Read an endpoint from the body of a PUT, before anything is started or stored."""
    config = dict(body)
    resolved = resolved_type(in_path, config.pop("task_type", None), cluster)
    service = config.pop("service", None)
    if service is None:
        newer = cluster.version.at_least((8, 15, 0))
        text = "Inference endpoint configuration is missing the [service] setting"
        raise errors.status(400, text if newer else "Model configuration is missing a service")
    service = str(service)
    if not _is_known(service, cluster):
        raise errors.status(400, f"Unknown service [{service}]")
    if cluster.version.endpoint_start_check:
        _check_unique(cluster, endpoint_id)
    if service not in (ELASTICSEARCH, ELSER):
        return _foreign(cluster, endpoint_id, resolved, service, config)
    if endpoint_id in DEFAULT_IDS:
        what = f"[{endpoint_id}] is a reserved inference Id."
        raise errors.status(400, f"{what} Cannot create a new inference endpoint with a reserved Id")
    return _InCluster(cluster, endpoint_id, resolved, service, config).endpoint()


def _is_known(service: str, cluster: Cluster) -> bool:
    if service == ELSER:
        return True
    if service == ELASTICSEARCH:
        return cluster.version.at_least((8, 13, 0))
    return service in _SERVICES and cluster.version.at_least(_SERVICES[service])


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
    chunks: Json | None = optional_map(config, "chunking_settings") or dict(DEFAULT_CHUNKING)
    refuse_rest(config, service, cluster)
    if resolved not in (TEXT, SPARSE):
        chunks = None
    return Endpoint(endpoint_id, resolved, service, settings, tasks, chunks, secrets)


def required_map(config: Json, name: str) -> Json:
    """Return a map that must be given."""
    found = optional_map(config, name) if config.get(name) is not None else None
    if found is None:
        raise errors.status(400, f"Missing required field [{name}]")
    return found


def optional_map(config: Json, name: str) -> Json:
    """Return a map, or an empty one; Java's cast refuses anything else."""
    value = config.pop(name, None)
    if value is None:
        return {}
    if not isinstance(value, dict):
        java = {str: "lang.String", bool: "lang.Boolean", int: "lang.Integer", float: "lang.Double"}
        kind = f"java.{java.get(type(value), 'util.ArrayList')}"
        text = f"class {kind} cannot be cast to class java.util.Map ({kind} and java.util.Map are in module java.base"
        raise errors.ApiError(500, "class_cast_exception", f"{text} of loader 'bootstrap')")
    return dict(value)


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
        chunks = optional_map(self._config, "chunking_settings") if self._cluster.version.chunking else {}
        refuse_rest(self._config, self._service, self._cluster)
        if settings.get("deployment_id") is not None and self._cluster.version.one_service:
            read = self._of_deployment(settings)
        else:
            read = self._of_model(settings)
            refuse_rest(settings, self._service, self._cluster)
        return Endpoint(self._id, self._task, self._service, read, self._task_settings(tasks), self._chunks(chunks))

    def _chunks(self, given: Json) -> Json | None:
        return (given or dict(DEFAULT_CHUNKING)) if self._task in (TEXT, SPARSE) else None

    def _task_settings(self, given: Json) -> Json:
        if self._task != RERANK:
            if given and not self._cluster.version.chunking:
                refuse_rest(given, self._service, self._cluster)
            return {}
        shown = given.pop("return_documents", True)
        if not isinstance(shown, bool):
            complaint = _wrong_type("return_documents", shown, "Boolean")
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
        return found

    def _of_model(self, settings: Json) -> Json:
        model_id = settings.get("model_id")
        if self._asked == ELSER and not self._cluster.version.one_service and self._task != SPARSE:
            raise errors.status(400, f"The [elser] service does not support task type [{self._task}]")
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
        embedding = {name: settings.pop(name, None) for name in ("similarity", "dimensions", "element_type")}
        if self._task != TEXT:
            settings.update({name: value for name, value in embedding.items() if value is not None})
            return read_settings(settings, self._cluster)
        read = read_settings(settings, self._cluster)
        size = embedding["dimensions"] or self._embedding_size(model_id)
        read["similarity"] = embedding["similarity"] or "cosine"
        if size is not None:
            read["dimensions"] = size
        read["element_type"] = embedding["element_type"] or "float"
        return read

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


def read_settings(settings: Json, cluster: Cluster) -> Json:
    """Take the settings of the service out of the map; complain of all at once."""
    complaints: list[str] = []
    number = positive_integer(settings, "num_allocations", complaints)
    threads = positive_integer(settings, "num_threads", complaints)
    if threads is None and not any("num_threads" in each for each in complaints):
        complaints.append(_missing("num_threads"))
    adaptive = read_adaptive(settings, complaints) if cluster.version.adaptive else None
    model_id = _text(settings, "model_id", complaints)
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


def positive_integer(settings: Json, name: str, complaints: list[str]) -> int | None:
    """Read an ``Integer``, not a text or a fraction; ``None`` if it is missing or wrong."""
    value = settings.pop(name, None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not INT_MIN <= value <= INT_MAX:
        complaints.append(_wrong_type(name, value, "Integer"))
        return None
    if value <= 0:
        complaints.append(f"[{SETTINGS}] Invalid value [{value}]. [{name}] must be a positive integer")
        return None
    return value


def read_adaptive(settings: Json, complaints: list[str]) -> AdaptiveSettings | None:
    """Read adaptive allocations in the settings of the service."""
    if settings.get("adaptive_allocations") is None:
        settings.pop("adaptive_allocations", None)
        return None
    given = optional_map(settings, "adaptive_allocations")
    enabled = given.pop("enabled", None)
    if enabled is not None and not isinstance(enabled, bool):
        complaints.append(_wrong_type("enabled", enabled, "Boolean"))
        enabled = None
    bounds = []
    for name in ("min_number_of_allocations", "max_number_of_allocations"):
        value = given.pop(name, None)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            complaints.append(_wrong_type(name, value, "Integer"))
            value = None
        bounds.append(value)
    complaints += [f"[adaptive_allocations] does not allow the setting [{name}]" for name in given]
    read = AdaptiveSettings(enabled, *bounds)
    complaints += read.complaints()
    return read


def _text(settings: Json, name: str, complaints: list[str]) -> str | None:
    value = settings.pop(name, None)
    if value is None:
        return None
    if not isinstance(value, str):
        complaints.append(_wrong_type(name, value, "String"))
        return None
    if not value:
        complaints.append(f"[{SETTINGS}] Invalid value empty string. [{name}] must be a non-empty string")
    return value or None


def _wrong_type(name: str, value: Any, kind: str) -> str:
    found = java_text(value)
    return f"field [{name}] is not of the expected type. The value [{found}] cannot be converted to a [{kind}]"


def _missing(name: str) -> str:
    return f"[{SETTINGS}] does not contain the required setting [{name}]"

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create trained models, for a client or for an inference endpoint.

Source: server-behaviour.md 1.5 and 10; the order of checks and their texts are those of Elasticsearch's public
transport actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..wire import errors
from . import licence, model_config, models, packages
from .endpoints import TEXT, Endpoint
from .models import Model
from .unknowns import BY_VERSION

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]
_STORE: Final = 50 << 30


def _existing_download(cluster: Cluster, model_id: str) -> Model | None:
    """Return a model that is being downloaded, which is not created again."""
    model = cluster.models.get(model_id)
    return None if model is None or model.settle(cluster.now()) else model


def create(cluster: Cluster, model_id: str, config: Json) -> Model:
    """Create a model from a parsed configuration, or return the one that is being downloaded already.

    The licence is asked for before anything else (public source of the action).
    """
    licence.check_ml(cluster)
    return _existing_download(cluster, model_id) or _create(cluster, model_id, config)


# --- for an inference endpoint ---


def deploys_first(cluster: Cluster, endpoint: Endpoint) -> bool:
    """Return whether an endpoint is stored after its deployment has started (153886)."""
    return cluster.version.endpoint_deploys_first and endpoint.task_type == TEXT


def stops_what_it_started(cluster: Cluster, endpoint: Endpoint) -> bool:
    """Return whether a creation that fails stops the deployment that it has started, if there is one."""
    chosen = cluster.choices["endpoint_failed_deployment"]
    stops = deploys_first(cluster, endpoint) if chosen == BY_VERSION else chosen == "stopped"
    return stops and endpoint.id in cluster.assignments


# --- for all ---


def _create(cluster: Cluster, model_id: str, config: Json) -> Model:
    definition = config.pop("definition", None)
    _check_definition(model_id, config, definition)
    _check_names(cluster, model_id)
    package = None
    if model_config.is_packaged(model_id, cluster.version):
        package = packages.find(model_id, cluster.version, models.config_version(cluster.version))
        given = config if definition is None else config | {"definition": definition}
        if found := model_config.package_complaints(given):
            raise errors.validation(found)
        config = {**package.config(), **config}
    _check_tags(cluster, model_id, config.get("tags", []))
    before = cluster.models.get(model_id)
    overwrites = package is not None and cluster.version.at_least((8, 10, 0))
    if before is not None and not overwrites:
        reason = f"Trained machine learning model [{model_id}] already exists"
        raise errors.ApiError(400, "resource_already_exists_exception", reason)
    created = _built(cluster, model_id, config, definition)
    if created.model_type == model_config.PYTORCH:
        _check_store(cluster)
    cluster.models[model_id] = created
    if package is not None:
        created.bytes, created.package = package.size, package.shown(cluster.version)
        # A new download writes over what is there part by part, so that it stays complete [I].
        created.complete = before is not None and before.complete
        _download(cluster, created)
    return created


def _check_store(cluster: Cluster) -> None:
    if sum(model.stored_bytes for model in cluster.models.values()) > _STORE:
        what = "Native model store has exceeded the maximum acceptable size of 50gb"
        raise errors.status(409, f"{what}, please delete older unused pytorch models")


def _download(cluster: Cluster, model: Model) -> None:
    """Begin a download, which tells in the notifications how it goes (public source of the package loader)."""

    def tell(message: str, level: str) -> None:
        cluster.audit_line(model.id, message, level)

    failures = cluster.inferences.download_failures
    model.tell = tell
    model.download_fails = failures.pop(0) if failures else None
    model.download_ends = cluster.now() + int(cluster.inferences.download_ms * 1_000_000)
    tell("starting model import", "info")
    model.settle(cluster.now())


def _built(cluster: Cluster, model_id: str, config: Json, definition: Json | None) -> Model:
    tree = definition is not None or "compressed_definition" in config
    default = "tree_ensemble" if tree else model_config.PYTORCH
    model_type = str(config.get("model_type", default))
    size = int(config.get("model_size_bytes", 0))
    created = Model(model_id, size, model_type, complete=tree, has_vocabulary=False, has_location=not tree)
    if definition is not None:
        created.bytes, created.operations = model_config.tree_size(definition)
        created.definition = definition
    created.config = model_config.shown(config, cluster.version)
    created.create_time = cluster.now() // 1_000_000
    return created


def _check_definition(model_id: str, config: Json, definition: Json | None) -> None:
    """Check that a tree's definition fits the rest."""
    if definition is None:
        return
    kind = config.get("model_type", "tree_ensemble")
    if kind != "tree_ensemble":
        raise errors.status(400, f"model_type [{kind}] does not match the model definition type [tree_ensemble]")
    task, target = config["inference_config"][0], model_config.target_type(definition)
    if task != target:
        what = f"Model [{model_id}] inference config type [{task}]"
        raise errors.status(400, f"{what} does not support definition target type [{target}]")


def _check_names(cluster: Cluster, model_id: str) -> None:
    if model_id in cluster.aliases:
        what = f"requested model_id [{model_id}] is the same as an existing model_alias."
        raise errors.status(400, f"{what} Model model_aliases and ids must be unique")
    if model_id in cluster.assignments:
        # The fragment is public (``constants`` records); what stands before it is that of the earlier text [I].
        same = "the id is the same as an current model deployment"
        if cluster.version.at_least((8, 13, 0)):
            same = "the model id is the same as the deployment id of a current model deployment"
        raise errors.status(400, f"Cannot create model [{model_id}] {same}")


def _check_tags(cluster: Cluster, model_id: str, tags: list[str]) -> None:
    if any(model_id in model.tags for model in cluster.models.values()):
        raise errors.status(400, f"The provided model_id {model_id} must not match existing tags.")
    if set(tags) & set(cluster.models):
        raise errors.status(400, f"The provided tags [{', '.join(tags)}] must not match existing model_ids.")

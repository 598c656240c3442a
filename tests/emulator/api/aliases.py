# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve model aliases.

Source: server-behaviour.md 10; ``aliases`` records; order of checks, statuses and texts: the public transport
actions that put and delete an alias, and the public YAML tests ``ml/inference_crud`` and ``ml/3rd_party_deployment``.
"""

from __future__ import annotations

from typing import Final

from ..emulator import Emulator
from ..state import licence, model_config, models
from ..state.assignment import Assignment
from ..state.cluster import Cluster
from ..state.models import Model
from ..wire import errors
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route

_PUT: Final = "cluster:admin/xpack/ml/inference/model_aliases/put"
_DELETE: Final = "cluster:admin/xpack/ml/inference/model_aliases/delete"
_ALLOCATED: Final = ("started", "fully_allocated")


def put_alias(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT _ml/trained_models/{model_id}/model_aliases/{alias}``."""
    cluster = emulator.cluster
    model_id, alias = call.path_parameters["model_id"], call.path_parameters["model_alias"]
    reassign = call.boolean("reassign", False)

    async def run() -> Reply:
        held_by = cluster.aliases.get(alias)
        if held_by is not None and not reassign:
            reason = f"cannot assign model_alias [{alias}] to model_id [{model_id}]"
            reason += f" as model_alias already refers to [{held_by}]. "
            raise errors.status(400, reason + "Set parameter [reassign] to [true] if model_alias should be reassigned.")
        if alias in cluster.models:
            raise errors.status(400, "model_alias cannot be the same as an existing trained model_id")
        new = models.existing(cluster.models, model_id, cluster.version)
        if new.license_level != "basic":
            licence.check_ml(cluster)
        # The alias may outlive its model; then nothing is compared.
        if (old := cluster.models.get(held_by or "")) is not None:
            _check_reassignment(cluster, alias, old, new)
            if _inputs_differ(old, new):
                words = f"The input fields for new model [{new.id}] and for old model [{old.id}] differ significantly"
                call.warnings.append(f"{words}, model results may change drastically.")
        if held_by != model_id:
            cluster.aliases[alias] = model_id
            cluster.publish(by_api=True)
            call.committed = True
        return Reply(200, {"acknowledged": True})

    return Prepared(_PUT, run, models.alias_complaints(alias, model_id, cluster.version))


def _check_reassignment(cluster: Cluster, alias: str, old: Model, new: Model) -> None:
    """Refuse to move an alias to another kind of model, or from a deployed model to one that is not."""
    to = f"cannot reassign model_alias [{alias}] to model [{new.id}]"
    tasks = [next(iter(each.config.get("inference_config") or {}), None) for each in (new, old)]
    if None not in tasks and tasks[0] != tasks[1]:
        words = f"with inference config type [{tasks[0]}] from model [{old.id}] with type [{tasks[1]}]"
        raise errors.status(400, f"{to} {words}")
    if new.model_type != old.model_type:
        raise errors.status(
            400, f"{to} with type [{new.model_type}] from model [{old.id}] with type [{old.model_type}]"
        )
    if new.model_type != model_config.PYTORCH:
        return
    deployed = {model.id: _deployments(cluster, model.id) for model in (old, new)}
    if deployed[old.id] and not deployed[new.id]:
        raise errors.status(400, f"{to} from model [{old.id}] as it is not yet deployed")
    if any(map(_allocated, deployed[old.id])) and not all(map(_allocated, deployed[new.id])):
        # Two blanks: so the server says it.
        raise errors.status(400, f"{to}  from model [{old.id}] as it is not yet allocated to any nodes")


def _deployments(cluster: Cluster, model_id: str) -> list[Assignment]:
    return [each for each in cluster.assignments.values() if each.params.model_id == model_id]


def _allocated(each: Assignment) -> bool:
    status = each.allocation_status()
    return status is not None and status["state"] in _ALLOCATED


def _inputs_differ(old: Model, new: Model) -> bool:
    before, after = (set(each.field_names) for each in (old, new))
    return len(before - after) > len(before) // 2 or len(before & after) < len(before) // 2


def delete_alias(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``DELETE _ml/trained_models/{model_id}/model_aliases/{alias}``."""
    cluster = emulator.cluster
    model_id, alias = call.path_parameters["model_id"], call.path_parameters["model_alias"]

    async def run() -> Reply:
        if alias not in cluster.aliases:
            raise errors.status(404, f"model_alias [{alias}] could not be found")
        if cluster.aliases[alias] != model_id:
            raise errors.status(409, f"model_alias [{alias}] does not refer to provided model_id [{model_id}]")
        if any(alias in pipeline.checked_references for pipeline in cluster.pipelines.values()):
            raise errors.status(
                409, f"Cannot delete model_alias [{alias}] as it is still referenced by ingest processors"
            )
        del cluster.aliases[alias]
        cluster.publish(by_api=True)
        call.committed = True
        return Reply(200, {"acknowledged": True})

    return Prepared(_DELETE, run)


_PATH: Final = "/_ml/trained_models/{model_id}/model_aliases/{model_alias}"
ROUTES: Final = (
    Route("PUT", _PATH, "model", put_alias),
    Route("DELETE", _PATH, "model", delete_alias),
)

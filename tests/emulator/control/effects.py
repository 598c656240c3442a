# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change a cluster without the client: as other clients, the scaler and failing nodes do.

Applied through the control port, or by faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..state import adaptive, licence, node_versions, operations, requests, settings, upgrade_mode
from ..state.assignment import FAILED, STOPPED_BY_CLIENT, STOPPING
from ..state.cluster import Cluster, LoadFailure
from ..state.pipelines import Pipeline
from ..wire import errors, suggest, values
from . import cluster_effects, endpoint_effects, inference_effects
from .effect_targets import BadEffect, Effect, assignment, node_of_route

IMPOSSIBLE: Final = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""The exceptions of an effect without a target, or without sense."""
_SWITCH: Final = (True, False)
_OWN_SETTINGS: Final[Mapping[str, tuple[Any, ...]]] = {
    "license": licence.CHOICES,
    "mixed_versions": node_versions.CHOICES,
    "upgrade_mode": _SWITCH,
    upgrade_mode.BUSY: _SWITCH,
    "feature_reset": _SWITCH,
    "is_master_node": _SWITCH,
}
"""Settings of the emulator itself, and what each may be."""


def apply(cluster: Cluster, effect: Effect) -> dict[str, Any]:
    """Apply one effect; what the server would have refused comes back as ``refused``."""
    known(effect)
    action = ACTIONS[effect["do"]]
    try:
        action(cluster, effect)
    except errors.ApiError as refusal:
        return {"refused": refusal.body()}
    except KeyError as missing:
        raise BadEffect(f"the effect {effect['do']} lacks or does not find {missing}") from None
    return {"applied": True}


def known(effect: Any) -> None:
    """Raise ``BadEffect`` for an unknown effect; its target is checked when it is applied."""
    if effect is not None and (not isinstance(effect, Mapping) or effect.get("do") not in ACTIONS):
        named = effect.get("do") if isinstance(effect, Mapping) else effect
        hint = suggest.did_you_mean(str(named), ACTIONS)
        raise BadEffect(f"unknown effect: {named!r}{hint}; known: {', '.join(sorted(ACTIONS))}")


def _set_number(cluster: Cluster, effect: Effect) -> None:
    """Set the number as the scaler does: an internal update, which may set 0 and leaves an audit line."""
    assignment(cluster, effect)
    operations.update(
        cluster, requests.UpdateRequest(effect["deployment_id"], int(effect["number_of_allocations"]), internal=True)
    )


def _set_adaptive(cluster: Cluster, effect: Effect) -> None:
    each = assignment(cluster, effect)
    given = effect.get("adaptive_allocations")
    each.adaptive = None if given is None else adaptive.from_json(given)
    cluster.publish()


def _remove_deployment(cluster: Cluster, effect: Effect) -> None:
    assignment(cluster, effect)
    cluster.drop_assignment(effect["deployment_id"])
    cluster.publish()


def _stop_deployment(cluster: Cluster, effect: Effect) -> None:
    each = assignment(cluster, effect)
    if each.state != STOPPING:
        each.stop(STOPPED_BY_CLIENT)
        cluster.publish()


def _start_deployment(cluster: Cluster, effect: Effect) -> None:
    request = requests.new_start(effect["model_id"], effect.get("deployment_id"), cluster.version)
    for name in ("number_of_allocations", "threads_per_allocation", "queue_capacity", "priority"):
        if name in effect:
            setattr(request, name, effect[name])
    if effect.get("cache_size") is not None:
        request.cache_size = values.parse_bytes(str(effect["cache_size"]), "cache_size")
    if effect.get("adaptive_allocations") is not None:
        request.adaptive = adaptive.from_json(effect["adaptive_allocations"])
    complaints = request.complaints()
    if complaints:
        raise errors.validation(complaints)
    operations.start(cluster, request)


def _fail_route(cluster: Cluster, effect: Effect) -> None:
    route = assignment(cluster, effect).routes[node_of_route(cluster, effect)]
    route.state = FAILED
    route.reason = effect.get("reason", "failed by the test")
    cluster.publish()


def _fail_next_load(cluster: Cluster, effect: Effect) -> None:
    cluster.load_failures.append(
        LoadFailure(effect.get("reason", "failed by the test"), effect.get("node_id"), int(effect.get("times", 1)))
    )


def _hold(cluster: Cluster, effect: Effect) -> None:
    cluster.held.add(effect["deployment_id"])


def _release(cluster: Cluster, effect: Effect) -> None:
    cluster.held.discard(effect["deployment_id"])
    cluster.publish()


def _set_setting(cluster: Cluster, effect: Effect) -> None:
    name, value = effect["name"], effect.get("value")
    if name in settings.KNOWN:
        settings.check("persistent", {name: value}, cluster.version)
    elif name not in _OWN_SETTINGS:
        raise BadEffect(f"no setting {name!r}; of the double there are {', '.join(_OWN_SETTINGS)}")
    elif value is not None and value not in _OWN_SETTINGS[name]:
        raise BadEffect(f"{name} is one of {', '.join(map(str, _OWN_SETTINGS[name]))}, not {value!r}")
    if value is None:
        cluster.settings.pop(name, None)
    else:
        cluster.settings[name] = value
    cluster.publish()


def _put_pipeline_reference(cluster: Cluster, effect: Effect) -> None:
    """Add a pipeline with one inference processor, or one processor more; nothing is checked."""
    name, model_id = effect["pipeline"], effect["model_id"]
    pipeline = cluster.pipelines.setdefault(name, Pipeline(name, {"processors": []}))
    if model_id not in pipeline.references:
        pipeline.config["processors"].append({"inference": {"model_id": model_id}})
    cluster.publish()


def _remove_pipeline(cluster: Cluster, effect: Effect) -> None:
    cluster.pipelines.pop(effect["pipeline"], None)
    cluster.publish()


def _put_semantic_text_reference(cluster: Cluster, effect: Effect) -> None:
    """Add an index with a ``semantic_text`` field that refers to an inference endpoint."""
    index = cluster.indices.get(effect["index"]) or cluster.add_index(effect["index"])
    fields = index.mappings.setdefault("properties", {})
    fields[f"field_{len(fields)}"] = {"type": "semantic_text", "inference_id": effect["inference_id"]}
    cluster.publish()


def _remove_semantic_text_reference(cluster: Cluster, effect: Effect) -> None:
    cluster.indices.pop(effect["index"], None)
    cluster.publish()


ACTIONS: Final[Mapping[str, Callable[[Cluster, Effect], None]]] = {
    "set_number": _set_number,
    "set_adaptive": _set_adaptive,
    "remove_deployment": _remove_deployment,
    "stop_deployment": _stop_deployment,
    "start_deployment": _start_deployment,
    "fail_route": _fail_route,
    "fail_next_load": _fail_next_load,
    "hold": _hold,
    "release": _release,
    "set_setting": _set_setting,
    **inference_effects.ACTIONS,
    **endpoint_effects.ACTIONS,
    "put_pipeline_reference": _put_pipeline_reference,
    "remove_pipeline": _remove_pipeline,
    "put_semantic_text_reference": _put_semantic_text_reference,
    "remove_semantic_text_reference": _remove_semantic_text_reference,
    **cluster_effects.ACTIONS,
}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of resources from whose predicted state later tasks of a dry run plan."""

from __future__ import annotations

import types
import typing as t

from .._core.http.schema import ANY, boolean, integer, list_of, object_with, text
from .._core.options.spec import Spec
from .._core.run.predictions import Predicted, entry_schema
from .._core.server import Server
from .endpoint import Endpoint
from .model import MEMORY_FIGURES, Model
from .schemas import ADAPTIVE
from .settings import SETTINGS

KINDS = {
    "deployments": "deployment",
    "aliases": "alias",
    "models": "model",
    "endpoints": "endpoint",
    "upgrade_mode": "upgrade_mode",
}
"""Kind in the option ``predictions`` to the key of the resource in an entry of a fact."""

PREDICTIONS = Spec({"predictions": {"type": "dict", "options": {kind: {"type": "dict"} for kind in KINDS}}})

UPGRADE_MODE = "machine learning"
"""The name of the only entry of its kind."""
UPGRADE_MODE_ENTRY = entry_schema(upgrade_mode=object_with("enabled", enabled=boolean))

ALIAS_ENTRY = entry_schema(alias=object_with("model_alias", "model_id", model_alias=text, model_id=text))

MODEL_ENTRY = entry_schema(
    model=object_with(
        "model_id",
        **dict.fromkeys(("model_id", "model_type", "task", "license_level"), text),
        **dict.fromkeys(("model_bytes", *MEMORY_FIGURES), integer),
        **dict.fromkeys(("field_names", "model_aliases"), list_of(text)),
        fully_defined=boolean,
        config=object_with(tags=list_of(text), metadata=object_with()),
    )
)

ENDPOINT_ENTRY = entry_schema(
    endpoint=object_with(
        "inference_id",
        "task_type",
        "service",
        **dict.fromkeys(("inference_id", "task_type", "service"), text),
        **dict.fromkeys(("service_settings", "task_settings", "chunking_settings"), ANY),
        deployment=object_with(
            "deployment_id",
            "model_id",
            **dict.fromkeys(("deployment_id", "model_id", "assignment_state", "reason", "start_time"), text),
            **{name: setting.schema for name, setting in SETTINGS.items()},
            owned=boolean,
            adaptive_allocations=ADAPTIVE,
        ),
    )
)

_NOTHING: t.Mapping[str, t.Any] = types.MappingProxyType({})
_DEPLOYMENT_ENTRY = entry_schema(deployment=object_with("model_id", model_id=text))


def predicted_aliases(params: t.Mapping[str, t.Any], server: Server) -> dict[str, str | None]:
    """Return the aliases on *server* that a dry run would have changed: to their models, ``None`` if deleted.

    :raises Refusal: the option has what no fact has.
    """
    found = Predicted(params, "aliases", ALIAS_ENTRY).on(server)
    return {name: (entry.get("alias") or {}).get("model_id") for name, entry in found.items()}


def predicted_models(params: t.Mapping[str, t.Any], server: Server) -> dict[str, str | None]:
    """Return the deployments on *server* that a dry run would have changed: to their models, ``None`` if stopped.

    :raises Refusal: the option has what no fact has.
    """
    found = Predicted(params, "deployments", _DEPLOYMENT_ENTRY).on(server)
    return {name: (entry.get("deployment") or {}).get("model_id") for name, entry in found.items()}


def predicted_endpoints(params: t.Mapping[str, t.Any], server: Server) -> dict[str, Endpoint | None]:
    """Return the inference endpoints on *server* that a dry run would have changed, ``None`` if deleted.

    Their deployments are among the predicted deployments: those of an entry are there at once.

    :raises Refusal: the option has what no fact has.
    """
    found = Predicted(params, "endpoints", ENDPOINT_ENTRY).on(server)
    return {name: (shown := entry.get("endpoint")) and Endpoint.from_api(shown) for name, entry in found.items()}


def predicted_upgrade_mode(params: t.Mapping[str, t.Any], server: Server) -> bool | None:
    """Return whether a dry run would have turned the upgrade mode of *server* on or off, ``None`` if neither.

    :raises Refusal: the option has what no fact has.
    """
    entry = Predicted(params, "upgrade_mode", UPGRADE_MODE_ENTRY).on(server).get(UPGRADE_MODE)
    enabled = ((entry or {}).get("upgrade_mode") or {}).get("enabled")
    return None if enabled is None else bool(enabled)


def entry_of_deployment(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what the *entry* of a predicted inference endpoint says of the deployment that has its id.

    Only the endpoint has made that: if it would be gone, or would use another one, there is none.
    """
    shown = (entry.get("endpoint") or {}).get("deployment") or {}
    settings = {name: value for name, value in shown.items() if name != "owned"}
    return {**entry_of_gone(entry), "deployment": settings if shown.get("owned") else None}


def entry_of_download(entry: dict[str, t.Any]) -> dict[str, t.Any] | None:
    """Return the entry of the model that the creation of an inference endpoint would bring, at its own moment.

    ``None`` if the *entry* of the endpoint knows of none.
    """
    download = entry.get("downloads")
    if not download:
        return None
    model = {"model_id": download["model_id"], "model_type": "pytorch", "fully_defined": True}
    # A model that has a time takes the place of no other one, so it ends no deployment.
    model["create_time"] = "when the endpoint is created"
    return {**_without_resource(entry), "predicted": True, "order": download["order"], "model": model}


def entry_of_gone(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the entry of a deployment that is gone at the moment of the *entry* of another resource."""
    return {**_without_resource(entry), "deployment": None}


def _without_resource(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what an *entry* says of the moment and the cluster, and nothing of its resource."""
    return {name: value for name, value in entry.items() if name not in (*KINDS.values(), "downloads")}


def ends_deployments(entry: dict[str, t.Any]) -> bool:
    """Return whether the predicted *entry* of a model says that those of its deployments are gone that ran before."""
    model = entry.get("model")
    return model is None or model.get("create_time") is None


class PredictedModel(t.NamedTuple):
    """A model that a dry run would have made, with its configuration and its size as far as they are known before.

    ``is_new``: it is not what is there now, if anything is, and has none of its deployments.
    """

    model: Model
    config: dict[str, t.Any]
    model_bytes: int | None = None
    is_new: bool = True


def predicted_trained_models(params: t.Mapping[str, t.Any], server: Server) -> dict[str, PredictedModel | None]:
    """Return the models on *server* that a dry run would have changed, ``None`` if deleted.

    :raises Refusal: the option has what no fact has.
    """
    found = Predicted(params, "models", MODEL_ENTRY).on(server)
    return {name: _predicted_model(entry.get("model")) for name, entry in found.items()}


class Earlier(t.NamedTuple):
    """The state that earlier tasks of a dry run would have left, by kind and id; ``None`` if it would be gone.

    ``aliases``, ``deployments``: to their models. ``upgrade_mode``: ``None`` if they would have left it as it is.
    """

    aliases: t.Mapping[str, str | None] = _NOTHING
    deployments: t.Mapping[str, str | None] = _NOTHING
    models: t.Mapping[str, PredictedModel | None] = _NOTHING
    endpoints: t.Mapping[str, Endpoint | None] = _NOTHING
    upgrade_mode: bool | None = None


def earlier(params: t.Mapping[str, t.Any], server: Server) -> Earlier:
    """Return what earlier tasks of a dry run would have left on *server*.

    :raises Refusal: the option has what no fact has.
    """
    return Earlier(
        predicted_aliases(params, server),
        predicted_models(params, server),
        predicted_trained_models(params, server),
        predicted_endpoints(params, server),
        predicted_upgrade_mode(params, server),
    )


def deployments_left(
    found: t.Mapping[str, str],
    predicted: t.Mapping[str, str | None],
    models: t.Mapping[str, PredictedModel | None],
) -> dict[str, str]:
    """Return the deployments that a dry run would leave, to their models: none without its model.

    *found*: those that are there. *predicted*, *models*: the deployments and the models that it would have changed.
    """
    kept = {name: model_id for name, model_id in found.items() if keeps_deployments(model_id, models)}
    gone = {name for name, model in models.items() if model is None}
    return {name: model_id for name, model_id in {**kept, **predicted}.items() if model_id and model_id not in gone}


def keeps_deployments(model_id: str, models: t.Mapping[str, PredictedModel | None]) -> bool:
    """Return whether a dry run that would have changed *models* would leave the deployments that a model has now."""
    predicted = models.get(model_id)
    return model_id not in models or not (predicted is None or predicted.is_new)


def _predicted_model(shown: dict[str, t.Any] | None) -> PredictedModel | None:
    if shown is None:
        return None
    model = Model(
        model_id=shown["model_id"],
        model_type=shown.get("model_type") or "",
        fully_defined=shown.get("fully_defined"),
        task=shown.get("task"),
        license_level=shown.get("license_level") or "",
        field_names=frozenset(shown.get("field_names") or ()),
        aliases=tuple(shown.get("model_aliases") or ()),
        **{name: shown.get(name) or 0 for name in MEMORY_FIGURES},
    )
    is_new = shown.get("create_time") is None
    return PredictedModel(model, shown.get("config") or {}, shown.get("model_bytes"), is_new)

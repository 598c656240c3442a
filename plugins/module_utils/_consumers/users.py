# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users of a model: its deployments, and all consumers of the model or of one of these. Pure."""

from __future__ import annotations

import typing as t

from .._ml.endpoint import Endpoint
from .records import Aliases, Consumers, UsedBy, consumers_of


class ModelUsers(t.NamedTuple):
    """The users of one model. ``deployments``: their ids, sorted."""

    deployments: tuple[str, ...] = ()
    used_by: UsedBy = UsedBy()

    def as_result(self) -> dict[str, list[str] | None]:
        return {"deployments": list(self.deployments), **self.used_by.as_result()}

    def with_earlier(self, earlier: ModelUsers) -> ModelUsers:
        """Return these users and consumers found earlier: no name leads to a deployment that is gone."""
        return self._replace(used_by=self.used_by.joined(earlier.used_by))


def names_of(model_id: str, aliases: Aliases | None) -> set[str]:
    """Return the names that mean a model: its id and its aliases."""
    return {model_id, *(aliases or {}).get(model_id, ())}


def uses_model(endpoint: Endpoint, names: t.Container[str], deployments: t.Container[str]) -> bool:
    """Return whether *endpoint* names a model by one of its *names*, or uses one of its *deployments*."""
    return endpoint.model_id in names or endpoint.deployment_id in deployments


def model_users(model_id: str, models: t.Mapping[str, str], consumers: Consumers) -> ModelUsers:
    """Return the users of a model. *models*: the id of each deployment in the cluster to that of its model.

    A pipeline may name the model, an alias, a deployment or an endpoint; an index names an endpoint. These count even
    if the endpoint itself does not: one that Elasticsearch makes itself, and that has no deployment.
    """
    deployments = tuple(sorted(name for name, model in models.items() if model == model_id))
    names = names_of(model_id, consumers.aliases)
    endpoints = [each for each in consumers.endpoints or () if uses_model(each, names, deployments)]
    aliases = (consumers.aliases or {}).get(model_id, ())
    ids = (each.inference_id for each in endpoints)
    found = consumers_of({model_id, *deployments}, ids, aliases, consumers)
    if found.inference_endpoints is None:
        return ModelUsers(deployments, found)
    used = tuple(sorted(each.inference_id for each in endpoints if not is_idle_preset(each, models)))
    return ModelUsers(deployments, found._replace(inference_endpoints=used))


def is_idle_preset(endpoint: Endpoint, deployments: t.Container[str]) -> bool:
    """Return whether *endpoint* is one that Elasticsearch makes itself, and has no deployment: it needs no model."""
    return endpoint.inference_id.startswith(".") and endpoint.deployment_id not in deployments


def endpoint_users(endpoint: Endpoint, consumers: Consumers) -> UsedBy:
    """Return the users of an endpoint: other endpoints that use its deployment, pipelines and indices that name it."""
    owned = endpoint.inference_id if endpoint.owns_deployment else None
    others = {each.inference_id for each in consumers.endpoints or () if owned and each.deployment_id == owned}
    named = consumers_of((), [endpoint.inference_id], (), consumers)
    attached = tuple(sorted(others - {endpoint.inference_id}))
    return named._replace(inference_endpoints=None if consumers.endpoints is None else attached)

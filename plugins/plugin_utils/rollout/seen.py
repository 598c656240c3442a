# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of the cluster, as far as the decision needs them."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.settings import START_SETTINGS

Json = t.Mapping[str, t.Any]
_NUMBERS = ("number_of_allocations", "allow_zero")
_INHERITED = (*_NUMBERS, "adaptive_allocations", *(name for name in START_SETTINGS if name != "cache_size"))
"""Settings that a new deployment takes from the one whose work it takes over. A cache size depends on the model."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """The cluster, as far as the route needs to know it.

    ``deployments`` are as the module that reads them returns them, ``settings`` as a list that would start them, both
    by id. ``aliases``: to their models. ``now``: a time as text.
    """

    deployments: t.Mapping[str, Json]
    settings: t.Mapping[str, Json]
    models: frozenset[str]
    aliases: t.Mapping[str, str]
    endpoints: t.Mapping[str, Json]
    server: Json
    now: str

    @classmethod
    def of(cls, seen: Json) -> Seen:
        """Return it from the results of the info modules."""
        deployments, models = seen["deployments"], seen["models"]["models"]
        endpoints = (seen.get("endpoints") or {}).get("inference_endpoints") or ()
        return cls(
            {each["deployment_id"]: each for each in deployments["deployments"]},
            {each["deployment_id"]: each for each in deployments["as_list"] or ()},
            frozenset(each["model_id"] for each in models),
            {alias: each["model_id"] for each in models for alias in each["model_aliases"]},
            {each["inference_id"]: each for each in endpoints},
            deployments["server"],
            str(seen["now"]),
        )

    @property
    def version(self) -> Server:
        return Server(str(self.server["version"]), str(self.server["flavor"]), "")

    def of_model(self, model_id: str) -> list[str]:
        """Return the deployments of a model that are not being stopped, by id."""
        return sorted(name for name, each in self.settings.items() if each["model_id"] == model_id)

    def is_named(self, deployment_id: str, kind: str) -> bool:
        """Return whether a consumer of this *kind* names the deployment itself, or may do so unseen."""
        named = self.deployments[deployment_id]["named_by"][kind]
        return named is None or bool(named)

    def has_users_of_its_model(self, deployment_id: str) -> bool:
        """Return whether consumers use the deployment because they name its model or an alias, or may do so unseen."""
        found = self.deployments[deployment_id]
        kinds = ("ingest_pipelines", "model_aliases")
        return any(
            found["used_by"][kind] is None or found["used_by"][kind] != found["named_by"][kind] for kind in kinds
        )


def inherited(new: Json, old: t.Sequence[Json]) -> dict[str, t.Any]:
    """Return the settings of the *new* deployment with those of the *old* one for what is not given.

    Nothing is taken from several.
    """
    if len(old) != 1:
        return dict(new)
    found = {name: old[0][name] for name in _INHERITED if name in old[0]}
    given = new.keys()
    if given & {"number_of_allocations", "initial_number_of_allocations", "adaptive_allocations"}:
        found = {name: value for name, value in found.items() if name not in _NUMBERS}
    if given & {"number_of_allocations", "adaptive_allocations"}:
        found.pop("adaptive_allocations", None)
    return {**found, **new}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw consumers of deployments, and read them from the emulator's own state."""

from __future__ import annotations

import typing as t

from hypothesis import strategies as st

from support.emulated_cluster import Emulator
from support.interleaving import Assignments

Json = dict[str, t.Any]
ALIAS = "alias"
"""An alias of model ``m``, in some schedules. Tasks may name the model by it, too."""


def alias() -> Json:
    """Return the request that makes the alias."""
    return {"method": "PUT", "path": f"/_ml/trained_models/m/model_aliases/{ALIAS}", "body": None}


def owned(name: str, settings: Json) -> Json:
    """Return the request that makes an inference endpoint, and with it the deployment that it owns."""
    body = {"service": "elasticsearch", "service_settings": {"model_id": "m", "num_threads": 1, **settings}}
    return {"method": "PUT", "path": f"/_inference/sparse_embedding/{name}", "body": body}


@st.composite
def consumers(draw: st.DrawFn, name: str) -> list[Json]:
    """Draw requests that make consumers of a deployment, which name its own id, its model or an alias."""
    kinds = ("pipeline", "endpoint", "pipeline of endpoint", "index of endpoint")
    kind = draw(st.sampled_from((None, None, None, None, None, *kinds)))
    if kind is None:
        return []
    if kind == "pipeline":
        return [_pipeline(f"of-{name}", draw(st.sampled_from((name, name, "m", ALIAS))))]
    attached = {"service": "elasticsearch", "service_settings": {"deployment_id": name}}
    found = [{"method": "PUT", "path": f"/_inference/sparse_embedding/at-{name}", "body": attached}]
    if kind == "index of endpoint":
        return [*found, _index(f"of-{name}", f"at-{name}")]
    return found if kind == "endpoint" else [*found, _pipeline(f"by-{name}", f"at-{name}")]


def _pipeline(pipeline: str, model_id: str) -> Json:
    return {
        "method": "PUT",
        "path": f"/_ingest/pipeline/{pipeline}",
        "body": {"processors": [{"inference": {"model_id": model_id}}]},
    }


def _index(index: str, inference_id: str) -> Json:
    field = {"type": "semantic_text", "inference_id": inference_id}
    return {"method": "PUT", "path": f"/{index}", "body": {"mappings": {"properties": {"text": field}}}}


class Consumers(t.NamedTuple):
    """All consumers: alias to its model, pipeline to the names in it, endpoint to its deployment.

    Indices use a deployment only through an endpoint, which counts already.

    ``readable``: whether the task may read them. ``late``: whether other clients may add some during the run.
    ``ending``: deployments that the task itself is to stop.
    """

    aliases: t.Mapping[str, str]
    pipelines: t.Mapping[str, t.Sequence[str]]
    endpoints: t.Mapping[str, str]
    readable: bool
    late: bool
    ending: t.Collection[str] = ()

    @classmethod
    def of(cls, emulator: Emulator, *, readable: bool, late: bool = False) -> t.Self:
        """Read the consumers from the state of *emulator*."""
        state = emulator.control("GET", "/state")
        endpoints = {name: endpoint["service_settings"] for name, endpoint in state["endpoints"].items()}
        return cls(
            state["aliases"],
            state["pipelines"],
            {name: str(settings.get("deployment_id", name)) for name, settings in endpoints.items()},
            readable,
            late,
        )

    def use(self, name: str, there: Assignments) -> bool:
        """Return whether this deployment, one of those that are *there*, is known to have a consumer.

        A consumer that names a model uses the deployment whose id is the model id, or without one every deployment of
        the model. Of pipelines that the task may not read, Elasticsearch reports only those that name the deployment.
        """
        model_id = there[name]["task_parameters"]["model_id"]
        names_another = model_id != name and model_id in there and there[model_id]["assignment_state"] != "stopping"
        aliases = [] if names_another else [alias for alias, model in self.aliases.items() if model == model_id]
        endpoints = [endpoint for endpoint, made in self.endpoints.items() if made == name]
        if aliases or endpoints:
            return True
        names = {name} if names_another or not self.readable else {name, model_id}
        return any(names & set(named) for named in self.pipelines.values())

    def may_use(self, name: str, there: Assignments) -> bool:
        """Return the same as :meth:`use`, or true if it would be true without the deployments that the task stops."""
        left = {other: there[other] for other in there if other == name or other not in self.ending}
        return self.use(name, there) or self.use(name, left)

    def has_owner(self, name: str) -> bool:
        """Return whether an inference endpoint owns this deployment, and the task may know it."""
        return self.readable and self.endpoints.get(name) == name

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inference endpoint, as Elasticsearch shows it."""

from __future__ import annotations

import dataclasses
import typing as t

from .adaptive import AdaptiveAllocations

Json = t.Mapping[str, t.Any]
IN_CLUSTER = ("elasticsearch", "elser", "text_embedding")
"""Services of inference endpoints that use a deployment in the cluster.

Elasticsearch 8.12 called ``text_embedding`` what is ``elasticsearch`` since 8.13 (pull request 105753).
"""
_CALLED = {"number_of_allocations": "num_allocations", "threads_per_allocation": "num_threads"}
"""What the settings of a deployment are called in those of an endpoint."""


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """An inference endpoint, with what was read of its settings. ``chunking_settings``: ``None`` if it has none."""

    inference_id: str
    task_type: str
    service: str = "elasticsearch"
    service_settings: Json = dataclasses.field(default_factory=dict)
    task_settings: Json = dataclasses.field(default_factory=dict)
    chunking_settings: Json | None = None

    @classmethod
    def from_api(cls, raw: Json) -> Endpoint:
        """Return it from ``GET _inference``. Before 8.15 its id was called model_id, as that of its model is."""
        return cls(
            inference_id=str(raw.get("inference_id") or raw["model_id"]),
            task_type=str(raw["task_type"]),
            service=str(raw.get("service") or ""),
            service_settings=raw.get("service_settings") or {},
            task_settings=raw.get("task_settings") or {},
            chunking_settings=raw.get("chunking_settings"),
        )

    @property
    def in_cluster(self) -> bool:
        """Return whether it uses a deployment in the cluster."""
        return self.service in IN_CLUSTER

    @property
    def deployment_id(self) -> str | None:
        """Return the id of its deployment, ``None`` if its service is outside of the cluster."""
        return str(self.service_settings.get("deployment_id") or self.inference_id) if self.in_cluster else None

    @property
    def owns_deployment(self) -> bool:
        """Return whether it made its deployment, which then has its id; otherwise it uses an existing one."""
        return self.deployment_id == self.inference_id

    @property
    def model_id(self) -> str | None:
        return self.service_settings.get("model_id")

    @property
    def number_of_allocations(self) -> int | None:
        """Return the number that it shows, as the settings below; its deployment may have another one."""
        return self.service_settings.get(_CALLED["number_of_allocations"])

    @property
    def threads_per_allocation(self) -> int | None:
        return self.service_settings.get(_CALLED["threads_per_allocation"])

    @property
    def adaptive_allocations(self) -> AdaptiveAllocations | None:
        return AdaptiveAllocations.from_api(self.service_settings.get("adaptive_allocations"))


def in_endpoint(settings: Json) -> dict[str, t.Any]:
    """Return *settings* of a deployment under the names that they have in an endpoint."""
    return {_CALLED.get(name, name): value for name, value in settings.items()}


def endpoints_in(answer: Json) -> tuple[Endpoint, ...]:
    """Return the endpoints in the answer of ``GET _inference``."""
    return tuple(map(Endpoint.from_api, answer.get("endpoints") or answer.get("models") or ()))

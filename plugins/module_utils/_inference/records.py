# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of an inference: what a task asks for, and what answers."""

from __future__ import annotations

import dataclasses
import typing as t

from .._ml.inference import InferenceModel

Json = dict[str, t.Any]


class Expectations(t.NamedTuple):
    """Conditions of each answer; ``None``: anything. ``max_latency`` in seconds."""

    max_latency: float | None = None
    vector_length: int | None = None
    label: str | None = None
    min_score: float | None = None


@dataclasses.dataclass(frozen=True)
class Desired:
    """``docs``, ``inference_config``: ``None`` for those that the model can take. Times in seconds."""

    name: str
    docs: tuple[Json, ...] | None
    inference_config: Json | None
    expect: Expectations
    repeat: int
    wait_timeout: float
    wait_sleep: float
    request_timeout: float


class DeploymentFound(t.NamedTuple):
    """A deployment of a model. ``sleeps``: it has no allocation; ``wakes``: an inference gives it one."""

    deployment_id: str
    model_id: str
    sleeps: bool = False
    wakes: bool = False
    predicted: bool = False


class Target(t.NamedTuple):
    """The meaning of a name: a model, if it could be read, and the deployments that may answer.

    ``existing``: the ids of all deployments, and of all models.
    """

    name: str
    model: InferenceModel | None
    deployments: tuple[DeploymentFound, ...]
    existing: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @property
    def deployment_id(self) -> str | None:
        """Return the deployment that answers; ``None`` without one, or if it may be any of several."""
        return self.deployments[0].deployment_id if len(self.deployments) == 1 else None

    @property
    def is_predicted(self) -> bool:
        """Return whether an earlier task of a dry run would have made what answers."""
        return any(found.predicted for found in self.deployments)

    @property
    def sleeps(self) -> bool:
        """Return whether no deployment has an allocation."""
        return bool(self.deployments) and all(found.sleeps for found in self.deployments)

    @property
    def never_wakes(self) -> bool:
        """Return whether no deployment has an allocation, and no inference changes that."""
        return self.sleeps and not any(found.wakes for found in self.deployments)

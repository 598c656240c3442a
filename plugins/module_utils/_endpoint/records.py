# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inference endpoint as a task asks for it, and as it is found. Plain values."""

from __future__ import annotations

import dataclasses
import typing as t

from .._consumers.records import UsedBy
from .._core.errors import Difference
from .._core.run.long_work import WaitPolicy
from .._ml.deployment import Deployment
from .._ml.endpoint import Endpoint
from .._ml.endpoint_versions import is_preset
from .._ml.model import Model
from .live import with_live_allocations

Json = dict[str, t.Any]
Aim = t.Literal["none", "create", "update", "start", "recreate", "delete"]
WaitFor = t.Literal["started", "fully_allocated", "answering"]


@dataclasses.dataclass(frozen=True)
class Desired:
    """``may_break``: whether users of the endpoint may lose it. An empty dictionary leaves settings as they are."""

    inference_id: str
    state: t.Literal["present", "absent"] = "present"
    task_type: str | None = None
    service: str | None = None
    service_settings: Json = dataclasses.field(default_factory=dict)
    task_settings: Json = dataclasses.field(default_factory=dict)
    chunking_settings: Json = dataclasses.field(default_factory=dict)
    secrets: Json = dataclasses.field(default_factory=dict, repr=False)
    secrets_version: str | None = None
    secrets_state_file: str | None = None
    replace: t.Literal["never", "recreate"] = "never"
    may_break: bool = False
    on_adaptive: t.Literal["fail", "skip", "override"] = "fail"
    wait: WaitPolicy = WaitPolicy(True, 600.0, 2.0)
    wait_for: WaitFor = "fully_allocated"
    allow_zero: bool = False


@dataclasses.dataclass(frozen=True)
class EndpointState:
    """An endpoint as ``before`` and ``after`` show it: ``settings`` are those that a task manages.

    ``endpoint`` and ``deployment`` are all that is known of it, which Elasticsearch may change at any time.
    """

    settings: Json
    endpoint: Endpoint = dataclasses.field(compare=False)
    deployment: Deployment | None = dataclasses.field(default=None, compare=False)


@dataclasses.dataclass(frozen=True)
class Obstacles:
    """The conditions that keep Elasticsearch from creating an endpoint; what is not needed was not read.

    ``taken_by``: what has its id already, as a message says it. ``missing``: the model or the deployment that is not
    there. ``licensed``, ``upgrade_mode``: ``None`` if the user may not read them.
    """

    taken_by: str | None = None
    missing: str | None = None
    attached: Deployment | None = None
    """The deployment that it is to be attached to."""
    model: Model | None = None
    """The model that it is to use."""
    licensed: bool | None = True
    upgrade_mode: bool | None = False


@dataclasses.dataclass(frozen=True)
class Situation:
    """The cluster, as far as a plan needs to know it; what it does not need was not read.

    ``stored``: the endpoint, ``None`` if it is not there. ``deployment``: the one that it uses. ``shows_deployment``:
    whether the user may read deployments. ``is_new``: this run has created the endpoint, or started its deployment, so
    that this may show a little later. ``chunking_reset``: an update of this run has changed the chunking settings,
    too. ``earlier``: the endpoint that this run has deleted. ``takes_force``: whether this version knows force in a
    deletion. ``kept_version``: of the secrets that were sent last, by the file. ``used_by``: ``None`` if not read.
    ``state``, ``differences``, ``not_shown``: what the result shows of the endpoint, and of how it differs.
    """

    stored: Endpoint | None = None
    state: EndpointState | None = None
    deployment: Deployment | None = None
    shows_deployment: bool = True
    is_new: bool = False
    owes_number: bool = False
    """An update of this run has turned adaptive allocations off, and the number that the endpoint keeps comes next."""
    chunking_reset: bool = False
    earlier: Endpoint | None = None
    kept_version: str | None = None
    takes_force: bool = True
    differences: tuple[Difference, ...] = ()
    not_shown: tuple[str, ...] = ()
    used_by: UsedBy | None = None
    obstacles: Obstacles = Obstacles()
    downloads: str | None = None
    """The model that is not there, and that Elasticsearch downloads when it creates the endpoint."""
    answer: str | None = None
    """Why the endpoint does not answer yet; ``None`` if it does, or was not asked."""

    @property
    def origin(self) -> Endpoint | None:
        """Return the endpoint that is there, or that this run has deleted: its settings stay where none are given.

        Its allocations are those of its deployment, which may be others than it shows.
        """
        return with_live_allocations(self.stored, self.deployment) if self.stored else self.earlier

    def service(self, desired: Desired) -> str:
        """Return the service that the endpoint is to have; empty if nothing says it."""
        return desired.service or (self.origin.service if self.origin else "")

    @property
    def is_lost(self) -> bool:
        """Return whether the deployment that the endpoint made is gone. A preset starts its own at the first use."""
        stored = self.stored
        if stored is None or not stored.owns_deployment or is_preset(stored.inference_id):
            return False
        return self.shows_deployment and self.deployment is None and not self.is_new

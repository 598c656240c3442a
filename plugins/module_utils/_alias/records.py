# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of model aliases: what a task asks for, and the situation from which it plans."""

from __future__ import annotations

import dataclasses
import typing as t

from .._ml.model import Model


class Alias(t.NamedTuple):
    """A name that refers to a model."""

    model_alias: str
    model_id: str


@dataclasses.dataclass(frozen=True)
class Desired:
    """``model_id``: ``None`` if an alias is to be deleted whatever it refers to."""

    model_alias: str
    model_id: str | None
    reassign: bool
    state: t.Literal["present", "absent"]


class DeploymentStatus(t.NamedTuple):
    """A deployment of a model. ``allocated``: whether the model is loaded on a node."""

    model_id: str
    allocated: bool


@dataclasses.dataclass(frozen=True)
class Situation:
    """The cluster, as far as a plan needs to know it; what it does not need was not read.

    ``refers_to``: the model behind the alias. ``models``: all of them by id. ``aliases``: all aliases to their models.
    ``deployments``: of the old and the new model. ``pipelines``: the ingest pipelines that name the alias, ``None`` if
    the user may not read them. ``in_the_way``: those for which Elasticsearch would not delete it.
    ``licensed`` and ``upgrade_mode`` are ``None`` in that case, too.
    """

    refers_to: Alias | None
    models: t.Mapping[str, Model]
    aliases: t.Mapping[str, str]
    deployments: t.Mapping[str, DeploymentStatus] = dataclasses.field(default_factory=dict)
    pipelines: tuple[str, ...] | None = ()
    in_the_way: tuple[str, ...] | None = ()
    licensed: bool | None = True
    upgrade_mode: bool | None = False

    def deployments_of(self, model_id: str) -> dict[str, DeploymentStatus]:
        """Return the deployments of a model by id."""
        return {name: found for name, found in self.deployments.items() if found.model_id == model_id}

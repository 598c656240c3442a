# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of the models that were read, and of what could not be read."""

from __future__ import annotations

import dataclasses
import typing as t

from .._consumers.users import ModelUsers
from .._core.patterns import matches
from .._ml.downloads import Download
from .._ml.model import Model

Json = dict[str, t.Any]


class Missing(t.NamedTuple):
    """A part of the answer that could not be read. ``privilege``: what it needs; ``None`` if no privilege helps."""

    what: str
    privilege: str | None


@dataclasses.dataclass(frozen=True)
class Deployed:
    """The statistics of one model. ``runs``: whether a node has loaded it, so that its definition is complete."""

    model_bytes: int | None = None
    deployments: tuple[str, ...] = ()
    runs: bool = False


@dataclasses.dataclass(frozen=True)
class SeenModel:
    """A model and all that was read about it. ``raw``: its row. ``users``: ``None`` if they were not asked for."""

    model: Model
    raw: Json
    deployed: Deployed = Deployed()
    download: Download | None = None
    users: ModelUsers | None = None

    @property
    def model_bytes(self) -> int | None:
        """Return its size; Elasticsearch shows 0 in the configuration of a model that was uploaded in parts."""
        return self.deployed.model_bytes or self.raw.get("model_size_bytes") or None

    @property
    def in_use(self) -> bool | None:
        """Return whether anything uses the model; ``None`` if not all that may do so could be read."""
        if self.deployed.deployments or (self.users and any(self.users.used_by)):
            return True
        return None if self.users is None or None in self.users.used_by else False

    def is_meant(self, patterns: t.Iterable[str], tags: t.Collection[str]) -> bool:
        """Return whether one of the *patterns* names the model or an alias of it, and it has all *tags*."""
        names = (self.model.model_id, *self.model.aliases)
        named = any(matches(name, patterns) for name in names)
        return named and set(tags) <= set(self.raw.get("tags") or ())

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of the region policy: what a task asks for, and what is there."""

from __future__ import annotations

import dataclasses
import typing as t

Json = dict[str, t.Any]


class Region(t.NamedTuple):
    """A region of a cloud service provider."""

    csp: str
    region: str


@dataclasses.dataclass(frozen=True)
class RegionPolicy:
    """The places in which inference may happen, sorted: one kind or the other, or neither.

    ``stamps``: when and by whom it was made and changed, as far as that is known.
    """

    allowed_geos: tuple[str, ...] = ()
    allowed_regions: tuple[Region, ...] = ()
    stamps: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, geos: t.Iterable[str], regions: t.Iterable[t.Mapping[str, str]], stamps: Json | None = None) -> t.Self:
        """Return the policy; order and repetitions do not count."""
        pairs = {Region(str(each["csp"]), str(each["region"])) for each in regions}
        return cls(tuple(sorted(set(geos))), tuple(sorted(pairs)), stamps or {})

    def as_json(self) -> Json:
        """Return it as Elasticsearch takes it: with the only kind that it has."""
        regions = [each._asdict() for each in self.allowed_regions]
        parts = {"allowed_geos": list(self.allowed_geos), "allowed_regions": regions}
        return {name: value for name, value in parts.items() if value}


class Desired(t.NamedTuple):
    """``policy``: ``None`` if the task only reads it, or removes it."""

    state: t.Literal["present", "absent"]
    policy: RegionPolicy | None
    force: bool


class Situation(t.NamedTuple):
    """The cluster. ``policy``: ``None`` if there is none."""

    policy: RegionPolicy | None

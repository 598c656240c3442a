# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The version and the flavor of the Elasticsearch that answers."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .errors import Refusal
from .features import Availability, Feature

_LONGEST_SHOWN = 40
_NUMBER = re.compile(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?")


def version_tuple(version: str) -> tuple[int, int, int]:
    """Return ``8.16.0-SNAPSHOT`` as ``(8, 16, 0)``; a text that is no version is older than everything."""
    match = _NUMBER.match(version)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)


@dataclasses.dataclass(frozen=True)
class Server:
    """The answer of ``GET /``, as far as a task needs it."""

    version: str
    flavor: str
    cluster_name: str
    cluster_uuid: str = ""
    """Empty where the user may not read it, or the cluster has not formed yet."""
    addresses: str | None = None
    """What tells clusters apart without a uuid: a hash of the addresses under which the server was asked."""

    @classmethod
    def from_api(cls, raw: t.Mapping[str, t.Any]) -> Server:
        version = raw.get("version") or {}
        return cls(
            version=str(version.get("number") or ""),
            flavor=str(version.get("build_flavor") or "default"),
            cluster_name=str(raw.get("cluster_name") or ""),
            cluster_uuid=str(raw.get("cluster_uuid") or "").replace("_na_", ""),
        )

    @property
    def serverless(self) -> bool:
        return self.flavor == "serverless"

    @property
    def version_tuple(self) -> tuple[int, int, int]:
        """Return the version as numbers."""
        return version_tuple(self.version)

    @property
    def shown_version(self) -> str:
        """Return the version for a message, as one short line: the text comes from the response."""
        characters = (each if each.isprintable() else " " for each in self.version[:_LONGEST_SHOWN])
        return " ".join("".join(characters).split())

    def supports(self, feature: Feature) -> bool:
        """Return whether the server has *feature*. The version of Serverless never moves."""
        availability: Availability = feature.value
        return availability.serverless if self.serverless else availability.covers(self.version_tuple[:2])

    def require(self, feature: Feature, name: str = "", instead: str = "") -> None:
        """Refuse what the server does not support.

        *name*: what the message calls it, if not as the table does. *instead*: what the task can do without it.

        :raises Refusal: the server lacks *feature*.
        """
        if not self.supports(feature):
            raise Refusal(
                "unsupported_version",
                f"Elasticsearch {self.shown_version} does not support {name or feature.value.name}",
                hint=f"This needs {feature.first_version} or newer. {instead}".rstrip(),
            )

    def cluster(self) -> dict[str, str | None]:
        """Return name and uuid of the cluster, ``None`` where they are not known. Names repeat: the uuid decides."""
        return {"name": self.cluster_name or None, "uuid": self.cluster_uuid or None}

    def as_result(self) -> dict[str, str]:
        names = ("version", "flavor", "cluster_name", "cluster_uuid")
        return {name: getattr(self, name) for name in names}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles: what a role descriptor says, how it is read and shown.

Sources: the documentation of roles and of the API keys' ``role_descriptors``; the server's public source.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..wire import errors

Json = dict[str, Any]
_FIELDS: Final = ("cluster", "indices", "index", "applications", "run_as", "runAs", "metadata", "transient_metadata")
_LATER_FIELDS: Final = ("global", "remote_indices", "remote_cluster", "description", "restriction")
_INDEX_FIELDS: Final = ("names", "privileges", "allow_restricted_indices", "field_security", "query")


@dataclasses.dataclass(frozen=True)
class IndexGrant:
    """Privileges on indices."""

    names: tuple[str, ...]
    privileges: tuple[str, ...]
    restricted: bool = False

    def as_json(self) -> Json:
        """As a role shows it."""
        return {
            "names": list(self.names),
            "privileges": list(self.privileges),
            "allow_restricted_indices": self.restricted,
        }


@dataclasses.dataclass(frozen=True)
class ApplicationGrant:
    """Privileges of an application on its resources."""

    application: str
    privileges: tuple[str, ...]
    resources: tuple[str, ...]

    def as_json(self) -> Json:
        """As a role shows it."""
        return {
            "application": self.application,
            "privileges": list(self.privileges),
            "resources": list(self.resources),
        }


@dataclasses.dataclass(frozen=True)
class Role:
    """One role descriptor."""

    name: str
    cluster: tuple[str, ...] = ()
    indices: tuple[IndexGrant, ...] = ()
    applications: tuple[ApplicationGrant, ...] = ()
    run_as: tuple[str, ...] = ()
    reserved: bool = False
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    def as_json(self) -> Json:
        """As the APIs of roles and of API keys show it."""
        return {
            "cluster": list(self.cluster),
            "indices": [each.as_json() for each in self.indices],
            "applications": [each.as_json() for each in self.applications],
            "run_as": list(self.run_as),
            "metadata": {"_reserved": True} if self.reserved else dict(self.metadata),
            "transient_metadata": {"enabled": True},
        }


def texts(value: Any, where: str) -> tuple[str, ...]:
    """One text or a list of them."""
    listed = [value] if isinstance(value, str) else value
    if listed is None:
        return ()
    if not isinstance(listed, (list, tuple)) or not all(isinstance(each, str) for each in listed):
        raise errors.parse_failure(f"could not parse [{where}]. expected a string or an array of strings")
    return tuple(listed)


def _objects(value: Any, where: str) -> Iterable[Mapping[str, Any]]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, Mapping) for each in value):
        raise errors.parse_failure(f"failed to parse {where}. expected an array of objects")
    return value


def index_grants(value: Any, where: str) -> tuple[IndexGrant, ...]:
    """Grants on indices."""
    found = []
    for each in _objects(value, f"indices privileges for {where}"):
        unknown = next((name for name in each if name not in _INDEX_FIELDS), None)
        if unknown is not None:
            raise errors.parse_failure(f"failed to parse indices privileges for {where}. unexpected field [{unknown}]")
        names, privileges = texts(each.get("names"), "names"), texts(each.get("privileges"), "privileges")
        if not names or not privileges:
            missing = "privileges" if names else "names"
            raise errors.parse_failure(f"failed to parse indices privileges for {where}. missing required [{missing}]")
        found.append(IndexGrant(names, privileges, bool(each.get("allow_restricted_indices", False))))
    return tuple(found)


def application_grants(value: Any, where: str) -> tuple[ApplicationGrant, ...]:
    """Grants of applications."""
    found = []
    for each in _objects(value, f"application privileges for {where}"):
        if not isinstance(each.get("application"), str):
            raise errors.parse_failure(f"failed to parse application privileges for {where}. missing [application]")
        privileges, resources = texts(each.get("privileges"), "privileges"), texts(each.get("resources"), "resources")
        found.append(ApplicationGrant(each["application"], privileges, resources))
    return tuple(found)


def from_json(name: str, body: Any) -> Role:
    """A role out of its descriptor."""
    if not isinstance(body, Mapping):
        raise errors.parse_failure(f"failed to parse role [{name}]. expected an object")
    unknown = next((field for field in body if field not in (*_FIELDS, *_LATER_FIELDS)), None)
    if unknown is not None:
        raise errors.parse_failure(f"failed to parse role [{name}]. unexpected field [{unknown}]")
    where = f"role [{name}]"
    return Role(
        name,
        texts(body.get("cluster"), "cluster"),
        index_grants(body.get("indices", body.get("index")), where),
        application_grants(body.get("applications"), where),
        texts(body.get("run_as", body.get("runAs")), "run_as"),
        metadata=dict(body.get("metadata") or {}),
    )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and show role descriptors.

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
        """Return it as a role shows it."""
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
        """Return it as a role shows it."""
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
        """Return it as the APIs of roles and of API keys show it."""
        return {
            "cluster": list(self.cluster),
            "indices": [each.as_json() for each in self.indices],
            "applications": [each.as_json() for each in self.applications],
            "run_as": list(self.run_as),
            "metadata": {"_reserved": True} if self.reserved else dict(self.metadata),
            "transient_metadata": {"enabled": True},
        }


def texts(value: Any, where: str) -> tuple[str, ...]:
    """Read one text or a list of them."""
    listed = [value] if isinstance(value, str) else value
    if listed is None:
        return ()
    if not isinstance(listed, (list, tuple)) or not all(isinstance(each, str) for each in listed):
        raise errors.parse_failure(f"could not parse [{where}]. expected a string or an array of strings")
    return tuple(listed)


def _token(value: Any) -> str:
    """Return the server's name of the token it found."""
    kinds = {bool: "VALUE_BOOLEAN", str: "VALUE_STRING", type(None): "VALUE_NULL", dict: "START_OBJECT"}
    return kinds.get(type(value), "START_ARRAY" if isinstance(value, (list, tuple)) else "VALUE_NUMBER")


def string_array(value: Any, field: str, role: str) -> tuple[str, ...] | None:
    """Read a list of texts; one text is refused, null is nothing (public source of the role descriptor's parser)."""
    if value is None:
        return None
    expected = "expected a string array but"
    if not isinstance(value, (list, tuple)):
        complaint = f"could not parse [{field}] field. {expected} found [{_token(value)}] value instead"
        raise _wrapped(role, complaint)
    wrong = next((each for each in value if not isinstance(each, str)), None)
    if wrong is not None or None in value:
        # Within an array the server's parser has no name for the field.
        complaint = f"could not parse [null] field. {expected} one of the value in the array is [{_token(wrong)}]"
        raise _wrapped(role, complaint)
    return tuple(value)


def _wrapped(role: str, complaint: str) -> errors.ApiError:
    return errors.parse_failure(f"failed to parse role [{role}]", errors.parse_failure(complaint))


def _objects(value: Any, kind: str, field: str, role: str) -> Iterable[Mapping[str, Any]]:
    start = f"failed to parse {kind} privileges for role [{role}]. expected field"
    if not isinstance(value, (list, tuple)):
        raise errors.parse_failure(f"{start} [{field}] value to be an array, but found [{_token(value)}] instead")
    for each in value:
        if not isinstance(each, Mapping):
            what = f"value to be an array of objects, but found an array element of type [{_token(each)}]"
            raise errors.parse_failure(f"{start} [null] {what}")
    return value


def index_grants(value: Any, role: str, field: str = "indices") -> tuple[IndexGrant, ...]:
    """Read grants on indices; complaints name the role, or in its place the user whose privileges are checked."""
    return tuple(_index_grant(each, role) for each in _objects(value, "indices", field, role))


def _index_grant(given: Mapping[str, Any], role: str) -> IndexGrant:
    start = f"failed to parse indices privileges for role [{role}]."
    read: dict[str, tuple[str, ...] | None] = {"names": None, "privileges": None}
    for field, value in given.items():
        if field == "names":
            read["names"] = _index_names(value, role, start)
        elif field == "privileges":
            read["privileges"] = string_array(value, field, role)
        elif field == "allow_restricted_indices":
            if not isinstance(value, bool):
                what = f"expected field [{field}] value to be a boolean, but found [{_token(value)}] instead"
                raise errors.parse_failure(f"{start} {what}")
        elif field not in _INDEX_FIELDS:
            raise errors.parse_failure(f"{start} unexpected field [{field}]")
    for field, found in read.items():
        if found is None:
            raise errors.parse_failure(f"{start} missing required [{field}] field")
    return IndexGrant(read["names"] or (), read["privileges"] or (), bool(given.get("allow_restricted_indices", False)))


def _index_names(value: Any, role: str, start: str) -> tuple[str, ...] | None:
    """Read one name, or a list of at least one."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple)):
        if not value:
            raise errors.parse_failure(f"{start} [names] cannot be an empty array")
        return string_array(value, "names", role)
    what = "expected field [names] value to be a string or an array of strings"
    raise errors.parse_failure(f"{start} {what}, but found [{_token(value)}] instead")


def application_grants(value: Any, role: str, field: str = "applications") -> tuple[ApplicationGrant, ...]:
    """Read grants of applications; the complaint about a missing application name is [G]."""
    start = f"failed to parse application privileges for role [{role}]."
    found = []
    for each in _objects(value, "application", field, role):
        for name in ("resources", "privileges"):
            if each.get(name) is None:
                raise errors.parse_failure(f"{start} missing required [{name}] field")
        if not isinstance(each.get("application"), str):
            raise errors.parse_failure(f"{start} missing required [application] field")
        privileges, resources = texts(each["privileges"], "privileges"), texts(each["resources"], "resources")
        found.append(ApplicationGrant(each["application"], privileges, resources))
    return tuple(found)


def from_json(name: str, body: Any) -> Role:
    """Read a role from its descriptor."""
    if not isinstance(body, Mapping):
        raise errors.parse_failure(f"failed to parse role [{name}]. expected an object")
    unknown = next((field for field in body if field not in (*_FIELDS, *_LATER_FIELDS)), None)
    if unknown is not None:
        raise errors.parse_failure(f"failed to parse role [{name}]. unexpected field [{unknown}]")
    indices = next((field for field in ("indices", "index") if field in body), None)
    return Role(
        name,
        string_array(body.get("cluster"), "cluster", name) or (),
        index_grants(body[indices], name, indices) if indices else (),
        application_grants(body["applications"], name) if "applications" in body else (),
        string_array(body.get("run_as", body.get("runAs")), "run_as", name) or (),
        metadata=dict(body.get("metadata") or {}),
    )

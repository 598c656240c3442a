# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve identity and privileges: ``_security/_authenticate``, ``_has_privileges``, users, roles, privileges.

Sources: http:338-348, 393, 396; the documentation of the security APIs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..emulator import Emulator
from ..security import index_privileges, privileges, roles, store
from ..security.authentication import Identity
from ..security.permission import Permission
from ..security.roles import ApplicationGrant, IndexGrant
from ..security.store import Security
from ..wire import errors, xcontent
from ..wire.call import Call, Reply
from ..wire.router import Prepared
from ..wire.xcontent import Parser

Json = dict[str, Any]
PREFIX: Final = "cluster:admin/xpack/security/"


def present(emulator: Emulator) -> Security:
    """Return security; without it its routes do not exist."""
    security = emulator.cluster.security
    if security is None:
        raise errors.PlainError(500, "security is off")
    return security


def identity(call: Call) -> Identity:
    """Return the caller; these routes are never reached without credentials."""
    if call.identity is None:
        raise errors.PlainError(500, "the request is not authenticated")
    return call.identity


def required_body(call: Call) -> bytes:
    """Return the body of a request that must have one (http:348)."""
    body = call.take_body()
    if not body:
        raise errors.parse_failure("request body or source parameter is required")
    return body


def reply(body: Any, status: int = 200) -> Prepared:
    """Return an answer that takes no work; the caller sets action and rights."""

    async def run() -> Reply:
        return Reply(status, body)

    return Prepared("", run)


def authenticate(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _security/_authenticate``."""
    prepared = reply(identity(call).as_json())
    prepared.action, prepared.same_user = f"{PREFIX}user/authenticate", True
    return prepared


# --- has privileges ---


@dataclasses.dataclass(frozen=True)
class _Desired:
    cluster: tuple[str, ...]
    indices: tuple[IndexGrant, ...]
    applications: tuple[ApplicationGrant, ...]


def has_privileges(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``_security/user[/{username}]/_has_privileges``: all users may ask about themselves."""
    who = identity(call)
    username = call.path_parameters.get("username", who.effective.username)
    desired = _desired(required_body(call), username, emulator)
    complaints = [] if any(dataclasses.astuple(desired)) else ["must specify at least one privilege"]

    async def run() -> Reply:
        return Reply(200, _answer(username, desired, who.rights, present(emulator)))

    same = username == who.effective.username
    return Prepared(f"{PREFIX}user/has_privileges", run, complaints, same_user=same)


def _desired(body: bytes, username: str, emulator: Emulator) -> _Desired:
    """Read the privileges to check; complaints name the user where those about roles name the role (public source)."""
    read = xcontent.read_map(Parser(body, emulator.cluster.version))
    start = f"failed to parse privileges check [{username}]."
    cluster: tuple[str, ...] | None = None
    indices: tuple[IndexGrant, ...] | None = None
    applications: tuple[ApplicationGrant, ...] | None = None
    for field, value in read.items():
        if field == "index":
            indices = roles.index_grants(value, username, field)
            for each in value:
                _check_plain(each)
        elif field == "cluster":
            cluster = roles.string_array(value, field, username)
        elif field in ("application", "applications"):
            applications = roles.application_grants(value, username, field)
        else:
            raise errors.parse_failure(f"{start} unexpected field [{field}]")
    if cluster is None and indices is None and applications is None:
        raise errors.parse_failure(f"{start} All privilege fields [cluster,index,applications] are missing")
    return _Desired(cluster or (), indices or (), applications or ())


def _check_plain(grant: Mapping[str, Any]) -> None:
    """Refuse fields and documents, which cannot be checked; all fields count as none."""
    fields = grant.get("field_security") or {}
    limited = isinstance(fields, Mapping) and (fields.get("except") or fields.get("grant", ["*"]) != ["*"])
    for name, given in (("field_security", limited), ("query", grant.get("query"))):
        if given:
            raise errors.parse_failure(f"Field [{name}] is not supported in a has_privileges request")


def _answer(username: str, desired: _Desired, rights: Permission, security: Security) -> Json:
    cluster = {
        name: rights.has_cluster(privileges.resolve(name, security.version)) for name in java_order(desired.cluster)
    }
    index: dict[str, dict[str, bool]] = {}
    for each in desired.indices:
        for name in each.names:
            found = {
                privilege: rights.has_index(index_privileges.resolve(privilege), name, restricted=each.restricted)
                for privilege in java_order(each.privileges)
            }
            index.setdefault(name, {}).update(found)
    application: dict[str, dict[str, dict[str, bool]]] = {}
    for grant in desired.applications:
        resources = application.setdefault(grant.application, {})
        for resource in sorted(grant.resources):
            found = {
                privilege: rights.has_application(grant.application, privilege, resource)
                for privilege in java_order(grant.privileges)
            }
            resources.setdefault(resource, {}).update(found)
    nested = [*index.values(), *(each for resources in application.values() for each in resources.values())]
    return {
        "username": username,
        "has_all_requested": all(cluster.values()) and all(all(each.values()) for each in nested),
        "cluster": cluster,
        "index": dict(sorted(index.items())),
        "application": application,
    }


def java_order(names: Iterable[str]) -> list[str]:
    """Return keys in the order of a Java hash map (http:339: not that of the request)."""
    unique = list(dict.fromkeys(names))
    size = 16
    while len(unique) > size * 3 // 4:
        size *= 2
    return sorted(unique, key=lambda name: _java_hash(name) & (size - 1))


def _java_hash(text: str) -> int:
    value = 0
    raw = text.encode("utf-16-be")
    for place in range(0, len(raw), 2):
        value = (31 * value + int.from_bytes(raw[place : place + 2], "big")) & 0xFFFFFFFF
    return value ^ (value >> 16)


# --- users and roles ---


def users(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _security/user[/{username}]``: native and built-in users, without those of the file realm."""
    call.boolean("with_profile_uid", False)
    asked = call.path_parameters.get("username")
    shown = {user.username: user.as_json() for user in present(emulator).users.values() if user.realm != store.FILE}
    return _named(shown, asked, f"{PREFIX}user/get")


def list_roles(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _security/role[/{name}]``."""
    shown = {name: role.as_json() for name, role in present(emulator).roles.items()}
    return _named(shown, call.path_parameters.get("name"), f"{PREFIX}role/get")


def _named(shown: Mapping[str, Json], asked: str | None, action: str) -> Prepared:
    """Return all entries, or the requested ones; 404 if none of those exists."""
    found = dict(shown) if asked is None else {name: shown[name] for name in asked.split(",") if name in shown}
    prepared = reply(found, 404 if asked is not None and not found else 200)
    prepared.action = action
    return prepared


def own_privileges(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _security/user/_privileges``: the caller's rights, put together."""
    found = identity(call).rights.roles
    cluster = sorted({name for role in found for name in role.cluster})
    indices = [
        {
            "names": sorted(grant.names),
            "privileges": sorted(grant.privileges),
            "allow_restricted_indices": grant.restricted,
        }
        for grant in dict.fromkeys(grant for role in found for grant in role.indices)
    ]
    applications = [each.as_json() for each in dict.fromkeys(grant for role in found for grant in role.applications)]
    run_as = sorted({name for role in found for name in role.run_as})
    prepared = reply(
        {"cluster": cluster, "global": [], "indices": indices, "applications": applications, "run_as": run_as}
    )
    prepared.action, prepared.same_user = f"{PREFIX}user/list_privileges", True
    return prepared


def builtin_privileges(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _security/privilege/_builtin``."""
    cluster = sorted(privileges.named(emulator.cluster.version))
    prepared = reply({"cluster": cluster, "index": sorted(index_privileges.names())})
    prepared.action = f"{PREFIX}privilege/builtin/get"
    return prepared

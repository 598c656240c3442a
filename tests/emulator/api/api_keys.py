# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve API keys: create, grant, get, update, invalidate.

Sources: http:392-400; the documentation of the API key APIs; texts of refusals from the server's public source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..emulator import Emulator
from ..security import authentication, index_privileges, privileges, roles
from ..security.authentication import Identity
from ..security.roles import Role
from ..security.store import ApiKey, Security, User
from ..state.versions import Features
from ..wire import errors, object_parser
from ..wire.call import Call, Reply
from ..wire.object_parser import ObjectParser
from ..wire.router import Prepared
from ..wire.values import TimeValue, parse_time
from ..wire.xcontent import Parser
from .security import PREFIX, identity, present, required_body

Json = dict[str, Any]
_ACTION: Final = f"{PREFIX}api_key/"
_LONGEST_NAME: Final = 256
_FIELDS: Final = (
    object_parser.anything("role_descriptors"),
    object_parser.converted("expiration", lambda text: parse_time(text, "expiration")),
    object_parser.anything("metadata"),
)
_CREATE: Final = ObjectParser("api_key_request", (object_parser.text("name"), *_FIELDS))
_UPDATE: Final = ObjectParser("update_api_key_request_payload", _FIELDS)
_GRANT: Final = ObjectParser(
    "grant_api_key_request",
    (
        *(object_parser.text(name) for name in ("grant_type", "username", "password", "access_token", "run_as")),
        object_parser.nested("api_key", _CREATE.parse),
    ),
)
_INVALIDATE: Final = ObjectParser(
    "invalidate_api_key",
    (
        *(object_parser.text(name) for name in ("realm_name", "username", "id", "name")),
        object_parser.anything("ids"),
        object_parser.boolean("owner"),
    ),
)


# --- create ---


def create(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST`` or ``PUT _security/api_key``."""
    _refresh(call)
    given = _CREATE.parse(Parser(required_body(call), emulator.cluster.version)).values
    who = identity(call)
    descriptors, complaints = _checked(given, emulator.cluster.version, named=True)

    async def run() -> Reply:
        if who.api_key is not None and who.acting is None and (not descriptors or any(map(_grants, descriptors))):
            raise errors.illegal_argument(
                "creating derived api keys requires an explicit role descriptor that is empty (has no privileges)"
            )
        return _created(emulator, call, given, descriptors, owner(who), who)

    return Prepared(f"{_ACTION}create", run, complaints, own_keys=True)


def grant(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _security/api_key/grant``: create a key for the user whose credentials are in the body."""
    _refresh(call)
    given = _GRANT.parse(Parser(required_body(call), emulator.cluster.version)).values
    if "api_key" not in given:
        raise errors.illegal_argument("Required [api_key]")
    key = given["api_key"].values
    descriptors, complaints = _checked(key, emulator.cluster.version, named=True)
    complaints = _grant_complaints(given) + complaints

    async def run() -> Reply:
        who = _granted_to(present(emulator), given)
        return _created(emulator, call, key, descriptors, owner(who), who)

    return Prepared(f"{_ACTION}grant", run, complaints)


def _grant_complaints(given: Json) -> list[str]:
    kind = given.get("grant_type")
    needed = {"password": ("username", "password"), "access_token": ("access_token",)}.get(str(kind))
    if needed is None:
        return [f"invalid grant_type [{kind}]"]
    return [f"[{name}] is required for grant_type [{kind}]" for name in needed if not given.get(name)]


def _granted_to(security: Security, given: Json) -> Identity:
    if given["grant_type"] == "password":
        where = f"action [{_ACTION}grant]"
        return authentication.with_password(security, given["username"], given["password"], where)
    return authentication.of_token(security, given["access_token"])


def owner(who: Identity) -> User:
    """Return the user who owns the keys that an identity creates."""
    if who.acting is not None:
        return who.acting
    return who.user if who.api_key is None else who.api_key.owner


def _created(
    emulator: Emulator, call: Call, given: Json, descriptors: tuple[Role, ...], mine: User, who: Identity
) -> Reply:
    security = present(emulator)
    life: TimeValue | None = given.get("expiration")
    key = security.create_key(
        given["name"],
        mine,
        descriptors,
        who.rights.roles,
        expiration=None if life is None else security.now() + life.nanos // 1_000_000,
        metadata=given.get("metadata") or {},
    )
    call.committed = True
    expires = {} if key.expiration is None else {"expiration": key.expiration}
    return Reply(200, {"id": key.id, "name": key.name, **expires, "api_key": key.key, "encoded": key.encoded})


def _refresh(call: Call) -> None:
    given = call.text("refresh")
    if given not in (None, "", "true", "false", "wait_for"):
        raise errors.illegal_argument(f"Unknown value for refresh: [{given}].")


def _grants(role: Role) -> bool:
    return bool(role.cluster or role.indices or role.applications or role.run_as)


# --- what a body says ---


def _checked(given: Json, version: Features, *, named: bool) -> tuple[tuple[Role, ...], list[str]]:
    """Return the role descriptors, and what is wrong with name, privileges and metadata."""
    if named and "name" not in given:
        raise errors.illegal_argument("Required [name]")
    listed = given.get("role_descriptors") or {}
    metadata = given.get("metadata") or {}
    if not isinstance(listed, Mapping) or not isinstance(metadata, Mapping):
        raise errors.parse_failure("role_descriptors and metadata have to be objects")
    descriptors = tuple(roles.from_json(name, each) for name, each in listed.items())
    complaints = _name_complaints(given["name"]) if named else []
    if any(str(name).startswith("_") for name in metadata):
        complaints.append("API key metadata keys may not start with [_]")
    for role in descriptors:
        complaints += _unknown_privileges(role, version)
    return descriptors, complaints


def _name_complaints(name: str) -> list[str]:
    if not name.strip():
        return ["api key name is required"]
    found = []
    if len(name) > _LONGEST_NAME:
        found.append(f"api key name may not be more than {_LONGEST_NAME} characters long")
    if name != name.strip():
        found.append("api key name may not begin or end with whitespace")
    if name.startswith("_"):
        found.append("api key name may not begin with an underscore")
    return found


def _unknown_privileges(role: Role, version: Features) -> Iterable[str]:
    for name in role.cluster:
        try:
            privileges.resolve(name, version)
        except errors.ApiError as error:
            yield str(error.reason)
    for name in (name for grant in role.indices for name in grant.privileges):
        try:
            index_privileges.resolve(name)
        except errors.ApiError as error:
            yield str(error.reason)


# --- get ---


def get(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET _security/api_key``."""
    version, who = emulator.cluster.version, identity(call)
    key_id, name = call.text("id") or None, call.text("name") or None
    realm, username = call.text("realm_name") or None, call.text("username") or None
    mine, limited = call.boolean("owner", False), False
    if version.at_least((8, 5, 0)):
        limited = call.boolean("with_limited_by", False)
    active = version.at_least((8, 10, 0)) and call.boolean("active_only", False)
    if version.at_least((8, 14, 0)):
        call.boolean("with_profile_uid", False)
    itself = who.api_key is not None and key_id == who.api_key.id

    async def run() -> Reply:
        security = present(emulator)
        found = [
            key
            for key in _selected(security, who, (key_id,) if key_id else None, name, realm, username, mine=mine)
            if not active or key.active(security.now())
        ]
        status = 404 if key_id is not None and not found else 200
        return Reply(status, {"api_keys": [as_json(key, version, limited=limited) for key in found]})

    prepared = Prepared(f"{_ACTION}get", run, _get_complaints(key_id, name, realm, username, mine=mine))
    prepared.own_keys = itself or (who.api_key is None and (mine or _is_mine(who, realm, username)))
    prepared.same_user = itself and not limited
    return prepared


def _get_complaints(
    key_id: str | None, name: str | None, realm: str | None, username: str | None, *, mine: bool
) -> list[str]:
    found = []
    if (key_id or name) and (realm or username):
        found.append("username or realm name must not be specified when the api key id or api key name is specified")
    if mine and (realm or username):
        found.append("neither username nor realm-name may be specified when retrieving owned API keys")
    if key_id and name:
        found.append("only one of [api key id, api key name] can be specified")
    return found


def _is_mine(who: Identity, realm: str | None, username: str | None) -> bool:
    return realm == who.effective_realm.name and username == who.effective.username


def _selected(
    security: Security,
    who: Identity,
    ids: Iterable[str] | None,
    name: str | None,
    realm: str | None,
    username: str | None,
    *,
    mine: bool,
) -> list[ApiKey]:
    """Return the keys that the request selects; a star at the end of a name stands for anything."""
    chosen = None if ids is None else set(ids)

    def desired(key: ApiKey) -> bool:
        if chosen is not None and key.id not in chosen:
            return False
        if name is not None and name != "*" and not _named(key.name, name):
            return False
        if realm is not None and key.owner.realm.name not in realm.split(","):
            return False
        return (username is None or key.owner.username == username) and (not mine or who.owns(key))

    return [key for key in security.api_keys.values() if desired(key)]


def _named(name: str, desired: str) -> bool:
    return name.startswith(desired[:-1]) if desired.endswith("*") else name == desired


def as_json(key: ApiKey, version: Features, *, limited: bool) -> Json:
    """Return a key as it is shown, with what the version shows (documentation of each field)."""
    body: Json = {"id": key.id, "name": key.name}
    if version.at_least((8, 10, 0)):
        body["type"] = "rest"
    body["creation"] = key.creation
    if key.expiration is not None:
        body["expiration"] = key.expiration
    body["invalidated"] = key.invalidation is not None
    if key.invalidation is not None and version.at_least((8, 12, 0)):
        body["invalidation"] = key.invalidation
    body |= {"username": key.owner.username, "realm": key.owner.realm.name}
    if version.at_least((8, 14, 0)):
        body["realm_type"] = key.owner.realm.type
    body["metadata"] = dict(key.metadata)
    if version.at_least((8, 5, 0)):
        body["role_descriptors"] = {role.name: role.as_json() for role in key.descriptors}
    if limited:
        body["limited_by"] = [{role.name: role.as_json() for role in key.limited_by}]
    return body


# --- update ---


def update(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT _security/api_key/{id}``: only the owner may update a key."""
    key_id, who, version = call.path_parameters["id"], identity(call), emulator.cluster.version
    body = call.take_body()
    given = _UPDATE.parse(Parser(body, version)).values if body else {}
    descriptors, complaints = _checked(given, version, named=False)

    async def run() -> Reply:
        security = present(emulator)
        key = _updatable(security, who, key_id)
        before = (key.descriptors, key.limited_by, dict(key.metadata), key.expiration)
        if "role_descriptors" in given:
            key.descriptors = descriptors
        if "metadata" in given:
            key.metadata = given["metadata"] or {}
        if "expiration" in given:
            key.expiration = security.now() + given["expiration"].nanos // 1_000_000
        key.limited_by = who.rights.roles
        call.committed = (key.descriptors, key.limited_by, dict(key.metadata), key.expiration) != before
        return Reply(200, {"updated": call.committed})

    return Prepared(f"{_ACTION}update", run, complaints, own_keys=True)


def _updatable(security: Security, who: Identity, key_id: str) -> ApiKey:
    if who.api_key is not None:
        raise errors.illegal_argument(
            "authentication via API key not supported: only the owner user can update an API key"
        )
    key = security.api_keys.get(key_id)
    if key is None or not who.owns(key):
        raise errors.not_found(f"no API key owned by requesting user found for ID [{key_id}]")
    if key.invalidation is not None:
        raise errors.illegal_argument(f"cannot update invalidated API key [{key_id}]")
    if not key.active(security.now()):
        raise errors.illegal_argument(f"cannot update expired API key [{key_id}]")
    return key


# --- invalidate ---


def invalidate(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``DELETE _security/api_key``."""
    given = _INVALIDATE.parse(Parser(required_body(call), emulator.cluster.version)).values
    who, mine = identity(call), bool(given.get("owner", False))
    ids = given.get("ids", [given["id"]] if "id" in given else None)
    if ids is not None:
        ids = roles.texts(ids, "ids")
        _check_ids(ids)
    name, realm, username = (given.get(each) or None for each in ("name", "realm_name", "username"))

    async def run() -> Reply:
        security = present(emulator)
        found = _selected(security, who, ids, name, realm, username, mine=mine)
        # Those that were invalidated before are not even looked for.
        active = [key for key in found if key.invalidation is None]
        for key in active:
            key.invalidation = security.now()
        call.committed = bool(active)
        body = {
            "invalidated_api_keys": [key.id for key in active],
            "previously_invalidated_api_keys": [],
            "error_count": 0,
        }
        return Reply(200, body)

    prepared = Prepared(f"{_ACTION}invalidate", run, _invalidate_complaints(ids, name, realm, username, mine=mine))
    itself = who.api_key is not None and ids == (who.api_key.id,)
    prepared.own_keys = itself or (who.api_key is None and (mine or _is_mine(who, realm, username)))
    return prepared


def _check_ids(ids: tuple[str, ...]) -> None:
    if not ids:
        raise errors.validation(["Field [ids] cannot be an empty array"])
    blank = [place for place, each in enumerate(ids) if not each.strip()]
    if blank:
        one = len(blank) == 1
        what, where = ("id", "position") if one else ("ids", "positions")
        listed = ", ".join(map(str, blank))
        raise errors.validation(
            [f"Field [ids] must not contain blank id, but got blank {what} at index {where}: [{listed}]"]
        )


def _invalidate_complaints(
    ids: tuple[str, ...] | None, name: str | None, realm: str | None, username: str | None, *, mine: bool
) -> list[str]:
    found = []
    if not (ids or name or realm or username or mine):
        found.append(
            "One of [api key id(s), api key name, username, realm name] must be specified if [owner] flag is false"
        )
    if (ids or name) and (realm or username):
        found.append(
            "username or realm name must not be specified when the api key id(s) or api key name are specified"
        )
    if mine and (realm or username):
        found.append("neither username nor realm-name may be specified when invalidating owned API keys")
    if ids and name:
        found.append("only one of [api key id(s), api key name] can be specified")
    return found

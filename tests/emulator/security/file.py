# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the security file: users, roles, keys, tokens, certificates; or say what is wrong with it.

PyYAML is imported when a file is read. A message names places in the file and never a secret.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from ..state.versions import Features
from ..wire import errors
from ..wire.values import parse_time
from . import CLIENT_CERTIFICATES, TLS, index_privileges, privileges, roles, store
from .builtin_roles import builtin
from .roles import Role
from .store import Declared, ServiceAccount, User

Json = Mapping[str, Any]
_T = TypeVar("_T")
_TOP: Final = ("settings", "users", "roles", "api_keys", "tokens", "service_accounts", "certificates")
_USER: Final = ("password", "roles", "full_name", "email", "enabled", "metadata", "realm")
_KEY: Final = (
    "api_key",
    "id",
    "key",
    "name",
    "owner",
    "role_descriptors",
    "expires_in",
    "invalidated",
    "metadata",
)
_TOKEN: Final = ("token", "user", "expires_in", "refresh_token", "invalidated")
_RESERVED_USERS: Final = ("elastic", "kibana_system", "logstash_system", "beats_system", "apm_system")
_REALMS: Final = {"file": store.FILE, "native": store.NATIVE, "reserved": store.RESERVED}
_SERVICE_ROLES: Final = {
    "elastic/fleet-server": ("monitor", "manage_own_api_key"),
    "elastic/kibana": ("kibana_system",),
    "elastic/enterprise-search-server": ("manage", "manage_security"),
}
"""Cluster privileges of the accounts that exist (documentation of service accounts), as far as they are played."""


class BadSecurityFile(ValueError):
    """The mistake in a security file, and its place."""


def load(path: str | Path, version: Features) -> Declared:
    """Load a file; raise ``BadSecurityFile`` if it cannot be read or makes no sense."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSecurityFile(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        raise BadSecurityFile("a security file needs PyYAML: pip install PyYAML") from None
    try:
        body = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadSecurityFile(f"{path}: is not YAML{where}") from None
    return declared(body, version, str(path))


def declared(body: Any, version: Features, where: str = "security") -> Declared:
    """Read the same from the content of a file."""
    top = _fields({} if body is None else body, _TOP, where)
    settings = _fields(top.get("settings") or {}, ("tokens", "tls", "client_certificates"), f"{where}: settings")
    found_roles = _named(top, "roles", where, lambda name, each, at: _role(name, each, at, version))
    users = _named(top, "users", where, lambda name, each, at: _user(name, _fields(each, _USER, at), at))
    known = {user.username for user in users}
    keys = [_key(each, at, known) for each, at in _listed(top, "api_keys", _KEY, where)]
    return Declared(
        users,
        found_roles,
        tuple(keys),
        tuple(_token(each, at, known) for each, at in _listed(top, "tokens", _TOKEN, where)),
        _named(top, "service_accounts", where, lambda name, each, at: _service_account(name, each, at, version)),
        _certificates(top, where),
        _boolean(settings, "tokens", False, f"{where}: settings"),
        _tls(settings, f"{where}: settings"),
        _choice(settings, "client_certificates", CLIENT_CERTIFICATES, f"{where}: settings") or "none",
    )


def one_user(body: Json, version: Features) -> Declared:
    """Return the simple mode of the control port: one user with some privileges."""
    name = str(body.get("username", "elastic"))
    listed = tuple(body.get("roles") or (f"{name}_role",))
    given = tuple(str(each) for each in body["privileges"])
    grants = roles.index_grants(body.get("indices") or [], listed[0], "indices")
    named = (Role(listed[0], given, grants), *(Role(each) for each in listed[1:]))
    user = User(name, listed, body.get("password"))
    key, token = body.get("api_key"), body.get("bearer_token")
    keys = () if key is None else ({**_credentials({"api_key": key}, "api_key"), **_DEFAULT_KEY, "owner": name},)
    tokens = () if token is None else ({"token": str(token), "user": name},)
    return Declared((user,), named, keys, tokens, token_service=token is not None)


_DEFAULT_KEY: Final = {"name": "key", "descriptors": ()}


# --- parts ---


def _role(name: str, body: Any, where: str, version: Features) -> Role:
    role = _parsed(lambda: roles.from_json(name, body if body is not None else {}), where)
    for each in role.cluster:
        if privileges.find(each, version) is None:
            raise BadSecurityFile(f"{where}: unknown cluster privilege [{each}] in version {version.number}")
    for grant in role.indices:
        for each in grant.privileges:
            if index_privileges.find(each) is None:
                raise BadSecurityFile(f"{where}: unknown index privilege [{each}]")
    return role


def _user(name: str, body: Json, where: str) -> User:
    reserved = name in _RESERVED_USERS
    realm = _choice(body, "realm", tuple(_REALMS), where) or ("reserved" if reserved else "file")
    metadata = dict(_mapping(body, "metadata", where))
    if realm == "reserved":
        metadata.setdefault("_reserved", True)
    return User(
        name,
        _texts(body, "roles", where),
        _text(body, "password", where),
        _text(body, "full_name", where),
        _text(body, "email", where),
        metadata,
        _boolean(body, "enabled", True, where),
        _REALMS[realm],
    )


def _credentials(body: Json, where: str) -> dict[str, Any]:
    """Return id and key: given apart, as ``id:key``, or encoded."""
    given = body.get("api_key")
    if given is None:
        return {"id": _text(body, "id", where), "key": _text(body, "key", where)}
    if not isinstance(given, str) or not given:
        raise BadSecurityFile(f"{where}.api_key: expected a text")
    if ":" in given:
        key_id, _colon, key = given.partition(":")
        return {"id": key_id, "key": key}
    try:
        key_id, colon, key = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        key_id, colon, key = given, "", ""
    return {"id": key_id, "key": key} if colon else {"id": given, "key": "", "raw": given}


def _key(body: Json, where: str, known: set[str]) -> Json:
    descriptors = _mapping(body, "role_descriptors", where)
    return {
        **_credentials(body, where),
        "name": _text(body, "name", where) or "key",
        "owner": _known_user(body, "owner", where, known),
        "descriptors": _parsed(
            lambda: tuple(roles.from_json(str(name), each) for name, each in descriptors.items()), where
        ),
        "expires_in": _milliseconds(body, where),
        "invalidated": _boolean(body, "invalidated", False, where),
        "metadata": dict(_mapping(body, "metadata", where)),
    }


def _token(body: Json, where: str, known: set[str]) -> Json:
    value = _text(body, "token", where)
    if not value:
        raise BadSecurityFile(f"{where}.token: is missing")
    return {
        "token": value,
        "user": _known_user(body, "user", where, known),
        "expires_in": _milliseconds(body, where),
        "refresh_token": _text(body, "refresh_token", where),
        "invalidated": _boolean(body, "invalidated", False, where),
    }


def _service_account(name: str, body: Any, where: str, version: Features) -> ServiceAccount:
    given = _fields(body or {}, ("tokens", "cluster"), where)
    if not re.fullmatch(r"[^/]+/[^/]+", name):
        raise BadSecurityFile(f"{where}: a service account is named NAMESPACE/SERVICE")
    cluster = _texts(given, "cluster", where) or _SERVICE_ROLES.get(name, ())
    if cluster == ("kibana_system",):
        cluster = builtin(version)["kibana_system"].cluster
    tokens = {str(token): str(secret) for token, secret in _mapping(given, "tokens", where).items()}
    return ServiceAccount(name, _role(name, {"cluster": list(cluster)}, where, version), tokens)


def _certificates(top: Json, where: str) -> dict[str, User]:
    found = {}
    fields = ("dn", "username", "roles", "full_name", "email", "metadata")
    for each, at in _listed(top, "certificates", fields, where):
        name = _text(each, "dn", at)
        if not name:
            raise BadSecurityFile(f"{at}.dn: is missing")
        common = re.search(r"(?:^|,\s*)CN=([^,]+)", name, re.IGNORECASE)
        username = _text(each, "username", at) or (common[1] if common else name)
        found[name] = User(
            username,
            _texts(each, "roles", at),
            None,
            _text(each, "full_name", at),
            _text(each, "email", at),
            dict(_mapping(each, "metadata", at)),
            realm=store.PKI,
        )
    return found


def _tls(settings: Json, where: str) -> str | None:
    given = settings.get("tls")
    if given is None or given is False:
        return None
    return "valid" if given is True else _choice(settings, "tls", TLS, where)


# --- kinds of values ---


def _fields(body: Any, known: Sequence[str], where: str) -> Json:
    if not isinstance(body, Mapping):
        raise BadSecurityFile(f"{where}: expected a mapping")
    unknown = sorted(str(name) for name in body if name not in known)
    if unknown:
        raise BadSecurityFile(f"{where}: unknown {', '.join(unknown)}; known: {', '.join(known)}")
    return body


def _named(top: Json, part: str, where: str, read: Callable[[str, Any, str], Any]) -> tuple[Any, ...]:
    return tuple(
        read(str(name), each, f"{where}: {part}.{name}") for name, each in _mapping(top, part, f"{where}").items()
    )


def _listed(top: Json, part: str, known: Sequence[str], where: str) -> list[tuple[Json, str]]:
    given = top.get(part) or []
    if not isinstance(given, list):
        raise BadSecurityFile(f"{where}: {part}: expected a list")
    named = [(each, f"{where}: {part}[{number}]") for number, each in enumerate(given)]
    return [(_fields(each, known, at), at) for each, at in named]


def _mapping(body: Json, name: str, where: str) -> Json:
    found = body.get(name) or {}
    if not isinstance(found, Mapping):
        raise BadSecurityFile(f"{where}.{name}: expected a mapping")
    return found


def _text(body: Json, name: str, where: str) -> str | None:
    found = body.get(name)
    if found is None or isinstance(found, str):
        return found
    raise BadSecurityFile(f"{where}.{name}: expected a text; put numbers into quotes")


def _texts(body: Json, name: str, where: str) -> tuple[str, ...]:
    return _parsed(lambda: roles.texts(body.get(name), name), where)


def _boolean(body: Json, name: str, default: bool, where: str) -> bool:
    found = body.get(name, default)
    if not isinstance(found, bool):
        raise BadSecurityFile(f"{where}.{name}: expected true or false")
    return found


def _choice(body: Json, name: str, known: Sequence[str], where: str) -> str | None:
    found = body.get(name)
    if found is not None and found not in known:
        raise BadSecurityFile(f"{where}.{name}: expected one of {', '.join(known)}")
    return found


def _milliseconds(body: Json, where: str) -> int | None:
    given = _text(body, "expires_in", where)
    return None if given is None else _parsed(lambda: parse_time(given, "expires_in"), where).nanos // 1_000_000


def _known_user(body: Json, name: str, where: str, known: set[str]) -> str:
    found = _text(body, name, where)
    if found not in known:
        raise BadSecurityFile(f"{where}.{name}: expected one of the users")
    return str(found)


def _parsed(read: Callable[[], _T], where: str) -> _T:
    try:
        return read()
    except errors.ApiError as error:
        cause = "" if error.caused_by is None else f": {error.caused_by.reason}"
        raise BadSecurityFile(f"{where}: {error.reason}{cause}") from None

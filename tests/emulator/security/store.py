# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Store users, realms, API keys, tokens, service accounts and client certificates.

Sources: the secured rows of recorded-answers.md 1; the documentation of the security APIs.
"""

from __future__ import annotations

import base64
import dataclasses
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ..state.versions import Features
from .builtin_roles import builtin
from .permission import Permission
from .roles import Role

TOKEN_LIFE: Final = 20 * 60 * 1000
"""``xpack.security.authc.token.timeout``, in milliseconds."""
REFRESH_LIFE: Final = 24 * 60 * 60 * 1000


@dataclasses.dataclass(frozen=True)
class Realm:
    """The origin of a user."""

    name: str
    type: str

    def as_json(self) -> dict[str, str]:
        """Return name and type."""
        return {"name": self.name, "type": self.type}


RESERVED: Final = Realm("reserved", "reserved")
FILE: Final = Realm("default_file", "file")
NATIVE: Final = Realm("default_native", "native")
PKI: Final = Realm("pki1", "pki")
API_KEY: Final = Realm("_es_api_key", "_es_api_key")
SERVICE_ACCOUNT: Final = Realm("_service_account", "_service_account")


@dataclasses.dataclass(frozen=True)
class User:
    """A user. The password is compared and never shown."""

    username: str
    roles: tuple[str, ...] = ()
    password: str | None = dataclasses.field(default=None, repr=False)
    full_name: str | None = None
    email: str | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    enabled: bool = True
    realm: Realm = FILE

    def as_json(self) -> dict[str, Any]:
        """Return it as the API of users shows it."""
        return {
            "username": self.username,
            "roles": list(self.roles),
            "full_name": self.full_name,
            "email": self.email,
            "metadata": dict(self.metadata),
            "enabled": self.enabled,
        }


@dataclasses.dataclass
class ApiKey:
    """An API key. ``descriptors`` limit it further than ``limited_by``, which are its owner's roles at its creation."""

    id: str
    name: str
    key: str = dataclasses.field(repr=False)
    owner: User
    descriptors: tuple[Role, ...]
    limited_by: tuple[Role, ...]
    creation: int
    expiration: int | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    invalidation: int | None = None

    @property
    def encoded(self) -> str:
        """Return it as it travels."""
        return base64.b64encode(f"{self.id}:{self.key}".encode()).decode()

    def active(self, now: int) -> bool:
        """Return whether it is neither invalidated nor expired."""
        return self.invalidation is None and (self.expiration is None or self.expiration > now)

    def permission(self, version: Features) -> Permission:
        """Return the owner's rights, as far as the descriptors allow them."""
        limit = Permission(self.limited_by, version)
        return Permission(self.descriptors, version, limit) if self.descriptors else limit


@dataclasses.dataclass
class Token:
    """A bearer token, and the token that renews it."""

    value: str = dataclasses.field(repr=False)
    user: User
    expiration: int | None = None
    refresh: str | None = dataclasses.field(default=None, repr=False)
    refresh_expiration: int | None = None
    refreshed: bool = False
    invalidated: bool = False


@dataclasses.dataclass(frozen=True)
class ServiceAccount:
    """A service account and its tokens by name."""

    principal: str
    role: Role
    tokens: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False, repr=False)


@dataclasses.dataclass(frozen=True)
class Declared:
    """The content of a security file; the beginning of everything here."""

    users: tuple[User, ...] = ()
    roles: tuple[Role, ...] = ()
    api_keys: tuple[Mapping[str, Any], ...] = dataclasses.field(default=(), repr=False)
    tokens: tuple[Mapping[str, Any], ...] = dataclasses.field(default=(), repr=False)
    service_accounts: tuple[ServiceAccount, ...] = ()
    certificates: Mapping[str, User] = dataclasses.field(default_factory=dict)
    token_service: bool = False
    tls: str | None = None
    client_certificates: str = "none"


def normal_name(name: str) -> str:
    """Return a distinguished name without blanks after its commas."""
    return re.sub(r",\s+", ",", name.strip())


class Security:
    """Security, switched on: all that can authenticate."""

    def __init__(self, declared: Declared, version: Features, now: Callable[[], int]) -> None:
        self.version = version
        self.now = now
        self.token_service = declared.token_service
        self.users = {user.username: user for user in declared.users}
        self.own_roles = {role.name: role for role in declared.roles}
        self.certificates = {normal_name(name): user for name, user in declared.certificates.items()}
        self.service_accounts = {each.principal: each for each in declared.service_accounts}
        self.api_keys: dict[str, ApiKey] = {}
        self.tokens: dict[str, Token] = {}
        self.raw_keys: dict[str, str] = {}
        self._permissions: dict[tuple[str, ...], Permission] = {}
        for each in declared.api_keys:
            self._declare_key(each)
        for token in declared.tokens:
            self._declare_token(token)

    # --- roles ---

    @property
    def roles(self) -> dict[str, Role]:
        """Return all roles; a role of the file hides a built-in one of the same name."""
        return {**builtin(self.version), **self.own_roles}

    def found_roles(self, names: Iterable[str]) -> tuple[Role, ...]:
        """Return those that exist."""
        known = self.roles
        return tuple(known[name] for name in sorted(set(names)) if name in known)

    def permission(self, names: tuple[str, ...]) -> Permission:
        """Return the rights of some roles; answers are kept, since roles do not change."""
        if names not in self._permissions:
            self._permissions[names] = Permission(self.found_roles(names), self.version)
        return self._permissions[names]

    # --- API keys ---

    def create_key(
        self, name: str, owner: User, descriptors: tuple[Role, ...], limited_by: tuple[Role, ...], **more: Any
    ) -> ApiKey:
        """Create a key; twenty and twenty-two letters, as recorded."""
        found = ApiKey(
            more.pop("id", None) or secrets.token_urlsafe(15),
            name,
            more.pop("key", None) or secrets.token_urlsafe(16),
            owner,
            descriptors,
            limited_by,
            self.now(),
            **more,
        )
        self.api_keys[found.id] = found
        return found

    def _declare_key(self, given: Mapping[str, Any]) -> None:
        values = dict(given)
        owner = self.users[values.pop("owner")]
        raw = values.pop("raw", None)
        life, invalidated = values.pop("expires_in", None), values.pop("invalidated", False)
        key = self.create_key(
            values.pop("name"),
            owner,
            values.pop("descriptors"),
            self.found_roles(owner.roles),
            expiration=None if life is None else self.now() + life,
            invalidation=self.now() if invalidated else None,
            **values,
        )
        if raw is not None:
            self.raw_keys[raw] = key.id

    # --- tokens ---

    def create_token(self, user: User, *, refresh: bool) -> Token:
        """Create a bearer token."""
        token = Token(
            secrets.token_urlsafe(48),
            user,
            self.now() + TOKEN_LIFE,
            secrets.token_urlsafe(32) if refresh else None,
            self.now() + REFRESH_LIFE if refresh else None,
        )
        self.tokens[token.value] = token
        return token

    def _declare_token(self, given: Mapping[str, Any]) -> None:
        life = given.get("expires_in")
        self.tokens[given["token"]] = Token(
            given["token"],
            self.users[given["user"]],
            None if life is None else self.now() + life,
            given.get("refresh_token"),
            invalidated=bool(given.get("invalidated", False)),
        )

    # --- the control port's view ---

    def as_json(self) -> dict[str, Any]:
        """Return users and names; no password, no key and no token."""
        return {
            "users": {
                user.username: {"roles": list(user.roles), "enabled": user.enabled, "realm": user.realm.name}
                for user in self.users.values()
            },
            "roles": sorted(self.own_roles),
            "api_keys": [
                {
                    "id": key.id,
                    "name": key.name,
                    "username": key.owner.username,
                    "expiration": key.expiration,
                    "invalidated": key.invalidation is not None,
                }
                for key in self.api_keys.values()
            ],
            "tokens": len(self.tokens),
            "token_service": self.token_service,
            "service_accounts": sorted(self.service_accounts),
            "certificates": sorted(self.certificates),
        }

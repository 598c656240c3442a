# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn credentials into an identity, or 401.

Order of the server's chain: service account tokens, bearer tokens, API keys, then realms (passwords, certificates).
Texts: the secured rows of recorded-answers.md 1 (http:321-337, 397, 400); those of expired credentials from the
server's public source.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final

from ..wire import errors
from ..wire.call import Call
from . import java_base64, store
from .permission import Permission
from .store import ApiKey, Realm, Security, User

_SERVICE_MAGIC: Final = b"\x00\x01\x00\x01"
_COMMON_NAME: Final = re.compile(r"(?:^|,\s*)CN=([^,]+)", re.IGNORECASE)
_NO_ANONYMOUS: Final = (
    "unable to authenticate with provided credentials and anonymous access is not allowed for this request"
)


@dataclasses.dataclass(frozen=True)
class Identity:
    """An authenticated user and its rights; ``acting`` is the user of ``es-security-runas-user``."""

    user: User
    permission: Permission
    kind: str = "realm"
    realm: Realm = store.FILE
    api_key: ApiKey | None = None
    token_name: str | None = None
    acting: User | None = None
    acting_known: bool = True
    acting_permission: Permission | None = None

    @property
    def effective(self) -> User:
        """Return the user whose rights count."""
        return self.user if self.acting is None else self.acting

    @property
    def rights(self) -> Permission:
        """Return the rights that count."""
        return self.permission if self.acting_permission is None else self.acting_permission

    def owns(self, key: ApiKey) -> bool:
        """Return whether an API key is this user's own."""
        mine = self.effective
        return key.owner.username == mine.username and key.owner.realm == self.effective_realm

    @property
    def effective_realm(self) -> Realm:
        """Return the realm that a created API key notes."""
        if self.acting is not None:
            return self.acting.realm
        return self.api_key.owner.realm if self.api_key is not None else self.realm

    def as_json(self) -> dict[str, Any]:
        """Return the answer of ``_authenticate`` (http:338-345, 393; service accounts: documentation)."""
        mine = self.effective
        lookup = self.realm if self.acting is None else self.acting.realm
        plain = self.api_key is None or self.acting is not None
        body: dict[str, Any] = {
            "username": mine.username,
            "roles": list(mine.roles) if plain else [],
            "full_name": mine.full_name,
            "email": mine.email,
        }
        if self.token_name is not None:
            body["token"] = {"name": self.token_name, "type": "_service_account_file"}
        body |= {
            "metadata": dict(mine.metadata),
            "enabled": mine.enabled,
            "authentication_realm": self.realm.as_json(),
            "lookup_realm": lookup.as_json(),
            "authentication_type": self.kind,
        }
        if self.api_key is not None:
            body["api_key"] = {"name": self.api_key.name, "id": self.api_key.id}
        return body


def challenges(security: Security) -> list[str]:
    """Return values of ``WWW-Authenticate``.

    When the comma came into the first is [U]; Bearer is there only where tokens are on [G].
    """
    comma = "," if security.version.at_least((8, 9, 0)) else ""
    basic = f'Basic realm="security"{comma} charset="UTF-8"'
    bearer = ['Bearer realm="security"'] if security.token_service else []
    return [basic, *bearer, "ApiKey"]


def unauthorized(
    security: Security, reason: str, cause: errors.ApiError | None = None, **extra: Any
) -> errors.ApiError:
    """Return a 401."""
    found = challenges(security)
    headers = [("WWW-Authenticate", value) for value in found]
    more = {**extra, "header": {"WWW-Authenticate": found}}
    return errors.ApiError(401, "security_exception", reason, cause, extra=more, headers=headers, product=False)


def _not_accepted(security: Security, why: str) -> errors.ApiError:
    return unauthorized(security, _NO_ANONYMOUS, additional_unsuccessful_credentials=why)


def failed(security: Security, username: str, where: str) -> errors.ApiError:
    """Return the refusal of a wrong name or password; ``where`` is a request or an action."""
    return unauthorized(security, f"unable to authenticate user [{username}] for {where}")


def authenticate(call: Call, security: Security) -> Identity:
    """Return the identity behind a call; 401 if there is none."""
    scheme, _space, value = call.headers.get("authorization", "").strip().partition(" ")
    value = value.strip()
    kind = scheme.lower() if value else ""
    if kind == "bearer":
        found = _bearer(security, value)
    elif kind == "apikey":
        found = _by_api_key(security, value)
    elif kind == "basic":
        found = _basic(call, security, value)
    elif call.certificate is not None:
        found = _by_certificate(security, call.certificate)
    else:
        raise unauthorized(security, f"missing authentication credentials for REST request [{call.uri}]")
    return _acting(call, security, found)


def _acting(call: Call, security: Security, found: Identity) -> Identity:
    name = call.headers.get("es-security-runas-user")
    if name is None:
        return found
    if not name:
        raise failed(security, found.user.username, f"REST request [{call.uri}]")
    user = security.users.get(name)
    other = user or User(name)
    return dataclasses.replace(
        found, acting=other, acting_known=user is not None, acting_permission=security.permission(other.roles)
    )


# --- realms ---


def of_user(security: Security, user: User, kind: str = "realm") -> Identity:
    """Return the identity of a user of a realm."""
    return Identity(user, security.permission(user.roles), kind, user.realm)


def with_password(security: Security, username: str, password: str, where: str) -> Identity:
    """Return a user by name and password; 401 for a wrong one, an unknown user and a disabled one."""
    user = security.users.get(username)
    if user is None or user.password is None or user.password != password or not user.enabled:
        raise failed(security, username, where)
    return of_user(security, user)


def _basic(call: Call, security: Security, value: str) -> Identity:
    try:
        decoded = java_base64.decode(value)
    except java_base64.NotBase64 as wrong:
        cause = errors.illegal_argument(str(wrong))
        raise unauthorized(security, "invalid basic authentication header encoding", cause) from None
    name, colon, password = decoded.decode("utf-8", "replace").partition(":")
    if not colon:
        raise unauthorized(security, "invalid basic authentication header value")
    return with_password(security, name, password, f"REST request [{call.uri}]")


def _by_certificate(security: Security, name: str) -> Identity:
    """Authenticate by the PKI realm.

    The common name is the user's, roles come from a mapping and may be none (documentation).
    """
    common = _COMMON_NAME.search(name)
    username = common[1] if common else name
    user = security.certificates.get(store.normal_name(name))
    if user is None:
        user = User(username, realm=store.PKI)
    return of_user(security, dataclasses.replace(user, metadata={**user.metadata, "pki_dn": name}))


# --- API keys ---


def _by_api_key(security: Security, value: str) -> Identity:
    raw = security.raw_keys.get(value)
    if raw is not None:
        return _of_key(security, security.api_keys[raw])
    try:
        decoded = java_base64.decode(value).decode("utf-8", "replace")
    except java_base64.NotBase64 as wrong:
        raise _not_accepted(security, f"API key: {wrong}") from None
    key_id, colon, secret = decoded.partition(":")
    if not colon or not key_id:
        raise _not_accepted(security, "API key: invalid ApiKey value")
    key = security.api_keys.get(key_id)
    if key is None:
        raise _not_accepted(security, f"API key: unable to find apikey with id {key_id}")
    if key.invalidation is not None:
        raise _not_accepted(security, f"API key: api key [{key_id}] has been invalidated")
    if key.key != secret:
        raise _not_accepted(security, f"API key: invalid credentials for API key [{key_id}]")
    return _of_key(security, key)


def _of_key(security: Security, key: ApiKey) -> Identity:
    if key.invalidation is not None:
        raise _not_accepted(security, f"API key: api key [{key.id}] has been invalidated")
    if not key.active(security.now()):
        raise _not_accepted(security, "API key: api key is expired")
    return Identity(key.owner, key.permission(security.version), "api_key", store.API_KEY, key)


# --- tokens ---


def _bearer(security: Security, value: str) -> Identity:
    service = _service_token(value)
    if service is not None:
        return _service_account(security, *service)
    return of_token(security, value)


def of_token(security: Security, value: str) -> Identity:
    """Return the identity behind a bearer token."""
    token = security.tokens.get(value)
    if token is None:
        raise _not_accepted(security, "oauth2 token: invalid token")
    if token.invalidated or (token.expiration is not None and token.expiration <= security.now()):
        raise unauthorized(security, "token expired")
    return of_user(security, token.user, "token")


def _service_token(value: str) -> tuple[str, str, str] | None:
    """Return principal, name and secret of a service account token, which begins with a mark (http:334)."""
    try:
        decoded = java_base64.decode(value)
    except java_base64.NotBase64:
        return None
    if not decoded.startswith(_SERVICE_MAGIC):
        return None
    name, colon, secret = decoded[len(_SERVICE_MAGIC) :].decode("utf-8", "replace").partition(":")
    principal, slash, token_name = name.rpartition("/")
    return (principal, token_name, secret) if colon and slash and "/" in principal else None


def _service_account(security: Security, principal: str, name: str, secret: str) -> Identity:
    account = security.service_accounts.get(principal)
    if account is None or account.tokens.get(name) != secret:
        reason = f"failed to authenticate service account [{principal}] with token name [{name}]"
        raise unauthorized(security, reason)
    user = User(
        principal,
        full_name=f"Service account - {principal}",
        metadata={"_elastic_service_account": True},
        realm=store.SERVICE_ACCOUNT,
    )
    permission = Permission((account.role,), security.version)
    return Identity(user, permission, "token", store.SERVICE_ACCOUNT, token_name=name)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve bearer tokens: ``_security/oauth2/token``.

Sources: the documentation of the token APIs; rules and texts of refusals from the server's public source.
"""

from __future__ import annotations

from typing import Any, Final

from ..emulator import Emulator
from ..security import authentication
from ..security.authentication import Identity
from ..security.store import TOKEN_LIFE, Security, Token
from ..state import licence
from ..wire import errors, object_parser
from ..wire.call import Call, Reply
from ..wire.object_parser import ObjectParser
from ..wire.router import Prepared
from ..wire.xcontent import Parser
from .security import PREFIX, identity, present, required_body

_ACTION: Final = f"{PREFIX}token/"
_SECRETS: Final = ("username", "password", "kerberos_ticket", "refresh_token")
_UNSUPPORTED: Final = {
    "password": ("kerberos_ticket", "refresh_token"),
    "refresh_token": ("username", "password", "kerberos_ticket"),
    "client_credentials": _SECRETS,
    "_kerberos": ("username", "password", "refresh_token"),
}
_NEEDED: Final = {
    "password": ("username", "password"),
    "refresh_token": ("refresh_token",),
    "client_credentials": (),
    "_kerberos": ("kerberos_ticket",),
}
_GRANT_TYPES: Final = "[password, _kerberos, refresh_token, client_credentials]"
_CREATE: Final = ObjectParser(
    "token_request", tuple(object_parser.text(name) for name in ("grant_type", *_SECRETS, "scope"))
)
_INVALIDATE: Final = ObjectParser(
    "invalidate_token",
    tuple(object_parser.text(name) for name in ("token", "refresh_token", "realm_name", "username")),
)


def create(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``POST _security/oauth2/token``; its refusals are those of OAuth, without the usual envelope."""
    given = _CREATE.parse(Parser(required_body(call), emulator.cluster.version)).values
    who, kind = identity(call), given.get("grant_type")

    _check_licence(emulator)

    async def run() -> Reply:
        security = present(emulator)
        complaint = _complaint(given)
        if complaint is not None:
            return complaint
        if kind == "_kerberos":
            return _refused("invalid_grant", "the double has no Kerberos realm")
        mine = _granted(security, given) if kind == "password" else who
        _check_enabled(security)
        if kind == "refresh_token":
            return _refreshed(security, call, given["refresh_token"])
        return _issued(security, call, mine, refresh=kind == "password")

    return Prepared(f"{_ACTION}{'refresh' if kind == 'refresh_token' else 'create'}", run)


def _granted(security: Security, given: dict[str, Any]) -> Identity:
    where = f"action [{_ACTION}create]"
    return authentication.with_password(security, given["username"], given["password"], where)


def _check_licence(emulator: Emulator) -> None:
    """Require the standard licence or a higher one for the token service (public source: the security plugin)."""
    cluster = emulator.cluster
    if not licence.current(cluster).includes("standard", cluster.milliseconds()):
        raise licence.non_compliant("security tokens")


def _check_enabled(security: Security) -> None:
    """Refuse tokens where they are off: by default they are on only with TLS (documentation).

    Type, status, text and the further key are those of the public FeatureNotEnabledException; metadata is rendered
    without its ``es.``.
    """
    if not security.token_service:
        extra = {"disabled.feature": "security_tokens"}
        reason = "security tokens are not enabled"
        raise errors.ApiError(400, "feature_not_enabled_exception", reason, extra=extra)


def _complaint(given: dict[str, Any]) -> Reply | None:
    kind = str(given.get("grant_type"))
    if kind not in _NEEDED:
        words = f"grant_type only supports the values: {_GRANT_TYPES}"
        return _refused("unsupported_grant_type", f"Validation Failed: 1: {words};")
    wrong = [f"{name} is not supported with the {kind} grant_type" for name in _UNSUPPORTED[kind] if name in given]
    wrong += [f"{name} is missing" for name in _NEEDED[kind] if not given.get(name)]
    if not wrong:
        return None
    listed = "".join(f"{number}: {words};" for number, words in enumerate(wrong, 1))
    return _refused("invalid_request", f"Validation Failed: {listed}")


def _refused(error: str, description: str) -> Reply:
    return Reply(400, {"error": error, "error_description": description}, filterable=False)


def _issued(security: Security, call: Call, who: Identity, *, refresh: bool) -> Reply:
    token = security.create_token(who.effective, refresh=refresh)
    call.committed = True
    renewed = {} if token.refresh is None else {"refresh_token": token.refresh}
    return Reply(
        200,
        {
            "access_token": token.value,
            "type": "Bearer",
            "expires_in": TOKEN_LIFE // 1000,
            **renewed,
            "authentication": authentication.of_user(security, who.effective).as_json(),
        },
    )


def _refreshed(security: Security, call: Call, given: str) -> Reply:
    token = next((each for each in security.tokens.values() if each.refresh == given), None)
    if token is None:
        return _refused("invalid_grant", "could not refresh the requested token")
    if token.invalidated:
        return _refused("invalid_grant", "token has been invalidated")
    if token.refreshed:
        return _refused("invalid_grant", "token has already been refreshed more than 30 seconds in the past")
    if token.refresh_expiration is not None and token.refresh_expiration <= security.now():
        return _refused("invalid_grant", "refresh token is expired")
    token.refreshed = True
    return _issued(security, call, authentication.of_user(security, token.user), refresh=True)


def invalidate(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``DELETE _security/oauth2/token``; 404 if no token matches."""
    given = _INVALIDATE.parse(Parser(required_body(call), emulator.cluster.version)).values
    complaints = _invalidate_complaints(given)
    _check_licence(emulator)

    async def run() -> Reply:
        security = present(emulator)
        _check_enabled(security)
        found = [token for token in security.tokens.values() if _asked(token, given)]
        active = [token for token in found if not token.invalidated]
        for token in active:
            token.invalidated = True
        call.committed = bool(active)
        body = {
            "invalidated_tokens": len(active),
            "previously_invalidated_tokens": len(found) - len(active),
            "error_count": 0,
        }
        return Reply(200 if found else 404, body)

    return Prepared(f"{_ACTION}invalidate", run, complaints)


def _asked(token: Token, given: dict[str, Any]) -> bool:
    if "token" in given:
        return bool(token.value == given["token"])
    if "refresh_token" in given:
        return bool(token.refresh == given["refresh_token"])
    named = given.get("username") in (None, token.user.username)
    return named and given.get("realm_name") in (None, token.user.realm.name)


def _invalidate_complaints(given: dict[str, Any]) -> list[str]:
    if not given:
        return ["one of [token, refresh_token, realm_name, username] must be specified"]
    if "token" in given and "refresh_token" in given:
        return ["only one of [token, refresh_token] can be sent per request"]
    return []

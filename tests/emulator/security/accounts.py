# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication and privileges, when switched on.

Server behaviour notes, sections 0 and 8; ``privileges`` records and the secured rows of the recorded HTTP answers.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..state.versions import Features
from ..wire import errors
from ..wire.call import Call

_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/=]")
_ML_MONITOR: Final = ("monitor_ml", "manage_ml", "monitor", "manage", "all")
_ML_MANAGE: Final = ("manage_ml", "manage", "all")
_ML_DEPLOY: Final = ("manage_inference", *_ML_MANAGE)
_STATE: Final = ("cross_cluster_replication", "read_ccr", "transport_client", "manage_ccr", "monitor", "manage", "all")
_GRANTS: Final[Mapping[str, Sequence[str]]] = {
    "cluster:admin/xpack/ml/trained_models/deployment/start": _ML_DEPLOY,
    "cluster:admin/xpack/ml/trained_models/deployment/stop": _ML_DEPLOY,
    "cluster:monitor/state": _STATE,
    "cluster:monitor/main": ("monitor", "manage", "all"),
    "cluster:monitor/health": ("monitor", "manage", "all"),
    "cluster:monitor/settings": ("monitor", "manage", "all"),
    "cluster:admin/settings/update": ("manage", "all"),
}


def granting(action: str, version: Features) -> list[str]:
    """Cluster privileges that grant an action, narrowest first."""
    if action in _GRANTS:
        return [name for name in _GRANTS[action] if name != "manage_inference" or version.manage_inference]
    return list(_ML_MONITOR if action.startswith("cluster:monitor/xpack/ml/") else _ML_MANAGE)


@dataclasses.dataclass(frozen=True)
class User:
    """The one user of the simple mode, and the credentials it may come with."""

    username: str
    privileges: tuple[str, ...]
    password: str | None = None
    api_key: str | None = None
    bearer_token: str | None = None
    roles: tuple[str, ...] = ()

    @property
    def shown_roles(self) -> str:
        """Role names in a refusal."""
        return ",".join(self.roles or (f"{self.username}_role",))


def user_from_json(body: Mapping[str, Any]) -> User | None:
    """``privileges`` null switches security off."""
    if body.get("privileges") is None:
        return None
    return User(
        str(body.get("username", "elastic")),
        tuple(body["privileges"]),
        body.get("password"),
        body.get("api_key"),
        body.get("bearer_token"),
        tuple(body.get("roles", ())),
    )


def challenges(version: Features, user: User | None = None) -> list[str]:
    """Values of ``WWW-Authenticate``.

    When the comma came into the first is [U]; Bearer is there only where tokens are on [G].
    """
    comma = "," if version.at_least((8, 9, 0)) else ""
    basic = f'Basic realm="security"{comma} charset="UTF-8"'
    bearer = ['Bearer realm="security"'] if user is not None and user.bearer_token else []
    return [basic, *bearer, "ApiKey"]


def unauthorized(reason: str, version: Features, user: User | None = None, **extra: Any) -> errors.ApiError:
    """A 401."""
    found = challenges(version, user)
    headers = [("WWW-Authenticate", value) for value in found]
    return errors.ApiError(
        401,
        "security_exception",
        reason,
        extra={**extra, "header": {"WWW-Authenticate": found}},
        headers=headers,
        product=False,
    )


def authenticate(call: Call, user: User | None, version: Features) -> None:
    """Checks the credentials of a call; 401 otherwise."""
    if user is None:
        return
    scheme, _space, value = call.headers.get("authorization", "").strip().partition(" ")
    value = value.strip()
    scheme = scheme.lower()
    if scheme not in ("basic", "apikey", "bearer") or not value:
        raise unauthorized(f"missing authentication credentials for REST request [{call.uri}]", version, user)
    if scheme == "basic":
        _basic(call, value, user, version)
    elif scheme == "apikey":
        _api_key(value, user, version)
    elif user.bearer_token is None or value != user.bearer_token:
        raise _not_accepted(version, user, "oauth2 token: invalid token")
    call.by_api_key = scheme == "apikey"


def encoded_key(key: str) -> str:
    """``id:key`` as it travels."""
    return base64.b64encode(key.encode()).decode()


def _not_accepted(version: Features, user: User, why: str) -> errors.ApiError:
    reason = "unable to authenticate with provided credentials and anonymous access is not allowed for this request"
    return unauthorized(reason, version, user, additional_unsuccessful_credentials=why)


def _illegal_character(value: str) -> str | None:
    """Java's complaint about a text that is not Base64."""
    found = _NOT_BASE64.search(value)
    return None if found is None else f"Illegal base64 character {ord(found[0]):x}"


def _api_key(value: str, user: User, version: Features) -> None:
    """The control request may give the key as ``id:key`` or as it travels."""
    if user.api_key is not None and value in (user.api_key, encoded_key(user.api_key)):
        return
    illegal = _illegal_character(value)
    if illegal is not None:
        raise _not_accepted(version, user, f"API key: {illegal}")
    key_id = _key_id(value)
    if user.api_key is not None and key_id in (user.api_key.partition(":")[0], _key_id(user.api_key)):
        raise _not_accepted(version, user, f"API key: invalid credentials for API key [{key_id}]")
    raise _not_accepted(version, user, f"API key: unable to find apikey with id {key_id}")


def _key_id(value: str) -> str:
    """The id in an encoded key."""
    try:
        return base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[0]
    except binascii.Error:
        return value.partition(":")[0]


def _basic(call: Call, value: str, user: User, version: Features) -> None:
    illegal = _illegal_character(value)
    if illegal is not None:
        reason = "invalid basic authentication header encoding"
        refusal = unauthorized(reason, version, user)
        refusal.caused_by = errors.illegal_argument(illegal)
        raise refusal
    try:
        name, colon, password = base64.b64decode(value).decode("utf-8", "replace").partition(":")
    except binascii.Error:
        raise unauthorized("invalid basic authentication header encoding", version, user) from None
    if not colon:
        raise unauthorized("invalid basic authentication header value", version, user)
    if name != user.username or password != user.password:
        raise unauthorized(f"unable to authenticate user [{name}] for REST request [{call.uri}]", version, user)


def authorize(action: str, user: User | None, version: Features, *, by_api_key: bool = False) -> None:
    """Checks the privilege an action needs; 403 otherwise."""
    if user is None:
        return
    grants = granting(action, version)
    if set(grants) & set(user.privileges):
        return
    who = f"user [{user.username}] with effective roles [{user.shown_roles}]"
    if by_api_key and user.api_key is not None:
        key = user.api_key
        who = f"API key id [{key.partition(':')[0] if ':' in key else _key_id(key)}] of user [{user.username}]"
    granted = f"this action is granted by the cluster privileges [{','.join(grants)}]"
    reason = f"action [{action}] is unauthorized for {who}, {granted}"
    raise errors.ApiError(403, "security_exception", reason, product=False)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the paths of the security APIs; their handlers are imported with the first request.

Which of them serverless has: the availability notes of the public API specification.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from ..wire.call import Call
from ..wire.router import Handler, Prepared, Route

if TYPE_CHECKING:
    from ..emulator import Emulator

_OPERATION: Final = "security"


def _late(module: str, name: str) -> Handler:
    def handler(emulator: Emulator, call: Call) -> Prepared:
        found: Handler = getattr(importlib.import_module(f"emulator.api.{module}"), name)
        return found(emulator, call)

    return handler


def _route(method: str, path: str, handler: Handler, *, serverless: bool = False) -> Route:
    return Route(method, f"/_security/{path}", _OPERATION, handler, serverless=serverless)


_HAS_PRIVILEGES: Final = _late("security", "has_privileges")
_CREATE_KEY: Final = _late("api_keys", "create")

ROUTES: Final = (
    _route("GET", "_authenticate", _late("security", "authenticate"), serverless=True),
    _route("GET", "user/_has_privileges", _HAS_PRIVILEGES, serverless=True),
    _route("POST", "user/_has_privileges", _HAS_PRIVILEGES, serverless=True),
    _route("GET", "user/{username}/_has_privileges", _HAS_PRIVILEGES, serverless=True),
    _route("POST", "user/{username}/_has_privileges", _HAS_PRIVILEGES, serverless=True),
    _route("GET", "user/_privileges", _late("security", "own_privileges")),
    _route("GET", "user", _late("security", "users")),
    _route("GET", "user/{username}", _late("security", "users")),
    _route("GET", "role", _late("security", "list_roles"), serverless=True),
    _route("GET", "role/{name}", _late("security", "list_roles"), serverless=True),
    _route("GET", "privilege/_builtin", _late("security", "builtin_privileges")),
    _route("POST", "api_key", _CREATE_KEY, serverless=True),
    _route("PUT", "api_key", _CREATE_KEY, serverless=True),
    _route("GET", "api_key", _late("api_keys", "get"), serverless=True),
    _route("DELETE", "api_key", _late("api_keys", "invalidate"), serverless=True),
    _route("POST", "api_key/grant", _late("api_keys", "grant")),
    Route(
        "PUT",
        "/_security/api_key/{id}",
        _OPERATION,
        _late("api_keys", "update"),
        lambda version: version.at_least((8, 4, 0)),
    ),
    _route("POST", "oauth2/token", _late("tokens", "create")),
    _route("DELETE", "oauth2/token", _late("tokens", "invalidate")),
)

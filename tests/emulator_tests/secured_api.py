# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send requests as users of a secured emulator."""

from __future__ import annotations

import base64
import json
from typing import Any

from emulator.inprocess import InProcess
from emulator_tests.api import Answer

HOUR = 3600
SECURITY: dict[str, Any] = {
    "settings": {"tokens": True},
    "users": {
        "elastic": {"password": "p1", "roles": ["superuser"]},
        "ml": {"password": "p2", "roles": ["machine_learning_admin"], "full_name": "M. L.", "email": "ml@ml.invalid"},
        "reader": {"password": "p3", "roles": ["machine_learning_user", "gone"]},
        "keys": {"password": "p4", "roles": ["own_keys"], "realm": "native"},
        "off": {"password": "p5", "roles": ["superuser"], "enabled": False},
        "proxy": {"password": "p6", "roles": ["proxy"]},
    },
    "roles": {
        "own_keys": {"cluster": ["manage_own_api_key", "monitor_ml"]},
        "proxy": {"run_as": ["re*"], "indices": [{"names": ["logs-*"], "privileges": ["read"]}]},
    },
    "api_keys": [
        {"id": "preset", "key": "secret", "name": "k", "owner": "ml", "role_descriptors": {"r": {"cluster": ["all"]}}},
        {"api_key": "short:secret", "owner": "ml", "expires_in": "1h"},
        {"api_key": "dead:secret", "owner": "ml", "invalidated": True},
    ],
    "tokens": [{"token": "bearer", "user": "reader", "expires_in": "1h"}],
    "service_accounts": {"elastic/kibana": {"tokens": {"token1": "secret"}}},
}
USERS = {name: each["password"] for name, each in SECURITY["users"].items()}


def basic(name: str, password: str | None = None) -> str:
    """Return the header of a user."""
    raw = f"{name}:{USERS[name] if password is None else password}"
    return "Basic " + base64.b64encode(raw.encode()).decode()


def api_key(raw: str) -> str:
    """Return the header of an API key."""
    return "ApiKey " + base64.b64encode(raw.encode()).decode()


class Secured:
    """An emulator with these users, and a model ``m``."""

    def __init__(self, version: str = "9.5.3", security: Any = None, **options: Any) -> None:
        given = SECURITY if security is None else security
        self.emulator = InProcess(version, models=[("m", 1000)], clock="manual", security=given, **options)

    def send(self, who: str | None, method: str, target: str, body: Any = None, **headers: str) -> Answer:
        """Send a request with credentials: a user's name, or the header itself."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            sent["Authorization"] = basic(who) if who in USERS else who
        raw = None if body is None else json.dumps(body).encode()
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
        status, answered, text = self.emulator.request(method, target, sent, raw)
        return Answer(status, json.loads(text) if text else None, dict(answered))

    def pass_time(self, seconds: float) -> None:
        """Advance the clock."""
        self.emulator.control("POST", "/clock", {"advance": seconds})

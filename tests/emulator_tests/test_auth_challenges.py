# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test challenges, and API keys that lack a privilege (server-behaviour.md 0)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator_tests.api import Api

STATS = "/_ml/trained_models/_stats"
START = "/_ml/trained_models/m/deployment/_start"
KEY = "an-id:a-secret"


def refused(api: Api, method: str, path: str, headers: dict[str, str]) -> tuple[int, list[str], Any]:
    """Return status, challenges and error."""
    status, sent, raw = api.emulator.request(method, path, headers)
    return status, [value for name, value in sent if name.lower() == "www-authenticate"], json.loads(raw)["error"]


@pytest.mark.parametrize(
    ("version", "comma"), [("8.0.1", ""), ("8.8.2", ""), ("8.9.0", ","), ("8.19.21", ","), ("9.5.3", ",")]
)
@pytest.mark.parametrize("tokens", [False, True])
def test_challenges(version: str, comma: str, tokens: bool) -> None:
    """Test server-behaviour.md 0.

    A comma that older versions lack (since when is [U]), and a third where tokens are on.
    """
    api = Api(version)
    user = {"username": "u", "password": "p", "privileges": ["monitor_ml"]}
    api.emulator.control("POST", "/privileges", {**user, **({"bearer_token": "t"} if tokens else {})})
    status, offered, error = refused(api, "GET", STATS, {})
    bearer = ['Bearer realm="security"'] if tokens else []
    assert (status, offered) == (401, [f'Basic realm="security"{comma} charset="UTF-8"', *bearer, "ApiKey"])
    assert error["header"]["WWW-Authenticate"] == offered
    assert error["root_cause"][0]["header"]["WWW-Authenticate"] == offered


def test_api_key_without_the_privilege() -> None:
    """Test server-behaviour.md 0: the text names the key and its owner."""
    api = Api()
    user = {"username": "u", "password": "p", "api_key": KEY, "privileges": ["monitor_ml"]}
    api.emulator.control("POST", "/privileges", user)
    headers = {"Authorization": "ApiKey YW4taWQ6YS1zZWNyZXQ="}
    assert api.emulator.request("GET", STATS, headers)[0] == 200
    status, _challenges, error = refused(api, "POST", START, headers)
    assert status == 403
    assert error["reason"].startswith(
        "action [cluster:admin/xpack/ml/trained_models/deployment/start] is unauthorized for API key id [an-id] "
        "of user [u], this action is granted by the cluster privileges ["
    )

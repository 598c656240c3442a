# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the newest official clients over TLS: each way to authenticate, and what they raise if they are refused."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator_tests.clients import install
from emulator_tests.process import Process, running

RELEASE = "9.5.1"
CLIENTS = (install.PYTHON, install.JAVASCRIPT)
USERS = """
settings: {tls: true, client_certificates: optional, tokens: true}
users:
  runner: {password: right, roles: [machine_learning_admin]}
  reader: {password: right, roles: [machine_learning_user]}
api_keys:
  - {api_key: "good:secret", name: good, owner: runner}
  - {api_key: "revoked:secret", name: revoked, owner: runner, invalidated: true}
  - {api_key: "old:secret", name: old, owner: runner, expires_in: 1h}
tokens:
  - {token: a-token, user: runner}
  - {token: old-token, user: runner, expires_in: 1h}
certificates:
  - {dn: "CN=client,OU=tests,O=emulator", username: by-certificate, roles: [machine_learning_admin]}
"""
DONE = {"state": "started", "allocations": 2, "stopped": True}
WAYS = {
    "basic": "runner",
    "api-key": "runner",
    "bearer": "runner",
    "certificate": "by-certificate",
    "fingerprint": "runner",
}


def _encoded(key: str) -> str:
    return base64.b64encode(f"{key}:secret".encode()).decode()


def _cases(first: dict[str, Any], bad: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    plain = {"url": first["url"], "ca": first["ca_path"]}
    user = {"user": "runner", "password": "right"}
    pinned = {"url": first["url"], **user}
    named: dict[str, dict[str, Any]] = {
        "basic": plain | user,
        "api-key": plain | {"api_key": _encoded("good")},
        "bearer": plain | {"bearer": "a-token"},
        "certificate": plain | {"certificate": first["client_cert"], "key": first["client_key"]},
        "fingerprint": pinned | {"fingerprint": first["ca_fingerprint"]},
        "no-credentials": plain,
        "wrong-password": plain | user | {"password": "wrong"},
        "revoked": plain | {"api_key": _encoded("revoked")},
        "old-key": plain | {"api_key": _encoded("old")},
        "old-token": plain | {"bearer": "old-token"},
        "reader": plain | user | {"user": "reader"},
        "no-ca": pinned,
        "wrong-ca": plain | user | {"ca": bad["expired"]["ca_path"]},
        "wrong-fingerprint": pinned | {"fingerprint": bad["expired"]["ca_fingerprint"]},
    }
    named |= {kind: {"url": shown["url"], "ca": shown["ca_path"], **user} for kind, shown in bad.items()}
    return [{"name": name, **case} for name, case in named.items()]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    path = tmp_path_factory.mktemp("security") / "users.yml"
    path.write_text(USERS, encoding="utf-8")
    with contextlib.ExitStack() as stack:
        process: Process = stack.enter_context(running("--security", str(path), "--model", "m=1000"))
        process.control("POST", "/effects", {"do": "pass_time", "seconds": 7200})
        bad = {kind: stack.enter_context(running("--tls", kind)).first for kind in ("expired", "wrong_name")}
        yield _cases(process.first, bad)


@pytest.fixture(scope="module", params=CLIENTS)
def outcomes(request: pytest.FixtureRequest, cases: list[dict[str, Any]]) -> dict[str, Any]:
    client = str(request.param)
    folder = install.folder(client, RELEASE)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(install.node()), str(install.HERE / "secured.mjs"), str(folder)]
    if client == install.PYTHON:
        environment["PYTHONPATH"] = str(folder)
        command = [sys.executable, str(install.HERE / "secured.py")]
    done = subprocess.run(
        command, input=json.dumps(cases), env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["client"] == RELEASE
    return {"client": client, **found["cases"]}


@pytest.mark.parametrize("way", WAYS)
def test_a_life_with_credentials(outcomes: dict[str, Any], way: str) -> None:
    """Test server-behaviour.md 0 and 1: start, statistics, update, stop."""
    assert outcomes[way] == {**DONE, "username": WAYS[way]}


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("no-credentials", 401, "missing authentication credentials for REST request ["),
        ("wrong-password", 401, "unable to authenticate user [runner] for REST request ["),
        ("revoked", 401, "unable to authenticate with provided credentials"),
        ("old-key", 401, "unable to authenticate with provided credentials"),
        ("old-token", 401, "token expired"),
        ("reader", 403, "action [cluster:admin/xpack/ml/trained_models/deployment/start] is unauthorized for user"),
    ],
)
def test_refusals(outcomes: dict[str, Any], name: str, status: int, reason: str) -> None:
    """Test server-behaviour.md 0: the answer comes through as the client's exception."""
    python = {401: "AuthenticationException", 403: "AuthorizationException"}[status]
    found = outcomes[name]
    expected = python if outcomes["client"] == install.PYTHON else "ResponseError"
    assert (found["exception"], found["status"]) == (expected, status)
    assert found["body"]["error"]["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("name", "python", "javascript"),
    [
        ("no-ca", "certificate verify failed", "certificate"),
        ("wrong-ca", "certificate verify failed", "certificate"),
        ("wrong-fingerprint", "Fingerprints did not match", "fingerprint"),
        ("expired", "certificate has expired", "certificate has expired"),
        ("wrong_name", "doesn't match 'elsewhere.invalid'", "does not match certificate's altnames"),
    ],
)
def test_certificates_that_are_not_trusted(outcomes: dict[str, Any], name: str, python: str, javascript: str) -> None:
    """Test that the client raises its own kind of exception: there is no request then, and no status."""
    found = outcomes[name]
    plain = outcomes["client"] == install.PYTHON
    assert found["exception"] == ("TlsError" if plain else "ConnectionError")
    assert (python if plain else javascript) in found["message"]


def test_the_cases_are_all_looked_at(outcomes: dict[str, Any]) -> None:
    assert len(outcomes) == 1 + len(WAYS) + 6 + 5
    assert Path(install.HERE / "secured.mjs").exists()

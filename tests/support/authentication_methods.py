# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start an emulator with one user for each authentication method."""

from __future__ import annotations

import base64
import contextlib
import typing as t
from collections.abc import Iterator
from pathlib import Path

from support.emulator_process import ONE_NODE, Emulator, emulator

USERS = """
settings: {tokens: true}
users:
  by-password: {password: "p4ssw0rd-of-runner", roles: [machine_learning_admin]}
  by-key: {password: "never-sent", roles: [machine_learning_admin]}
  by-token: {password: "never-sent", roles: [machine_learning_admin]}
api_keys:
  - {api_key: "key-id:secret-of-the-key", name: ci, owner: by-key}
tokens:
  - {token: a-bearer-token, user: by-token}
certificates:
  - {dn: "CN=client,OU=tests,O=emulator", username: by-certificate, roles: [machine_learning_admin]}
"""
Json = dict[str, t.Any]
WAYS: dict[str, tuple[str, Json]] = {
    "api_key": ("by-key", {"api_key": base64.b64encode(b"key-id:secret-of-the-key").decode()}),
    "id:key": ("by-key", {"api_key": "key-id:secret-of-the-key"}),
    "basic": ("by-password", {"username": "by-password", "password": "p4ssw0rd-of-runner"}),
    "bearer": ("by-token", {"bearer_token": "a-bearer-token"}),
}
"""Each authentication method with its user and its options."""
TRUSTS = ("http", "ca_path", "ca_fingerprint", "validate_certs")


@contextlib.contextmanager
def secured(folder: Path, *options: str) -> Iterator[Emulator]:
    """Start the emulator; with ``--tls`` among *options* it accepts client certificates."""
    file = folder / "users.yml"
    file.write_text(USERS)
    certificates = ("--client-certificates", "optional") if "--tls" in options else ()
    with emulator("--security", str(file), *ONE_NODE, "--interval", "0.002", *certificates, *options) as server:
        yield server


def trusting(how: str, server: Emulator) -> Json:
    """Return the connection options for *server*, by one of TRUSTS."""
    trusted: dict[str, Json] = {
        "http": {},
        "ca_path": {"ca_path": server.shown.get("ca_path")},
        "ca_fingerprint": {"ca_fingerprint": server.shown.get("ca_fingerprint")},
        "validate_certs": {"validate_certs": False},
    }
    return {"hosts": [server.url], **trusted[how]}


def certificate(server: Emulator) -> Json:
    """Return the options for the client certificate."""
    return {name: server.shown[name] for name in ("client_cert", "client_key")}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test several releases of the official clients, through a whole life with their typed methods.

The steps are in ``clients/life_cycle.json``. Each route that the emulator serves is asked for by a typed method of each
release, or ``clients/untyped.json`` says why it is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import pytest

from emulator.app import ROUTER
from emulator.state.versions import features
from emulator.wire.call import Call
from emulator.wire.router import plugin
from emulator_tests.clients import install
from emulator_tests.process import Process, running

SERVERS = ("8.9.2", "8.19.21", "9.0.1", "9.5.3")
CLIENTS = (install.PYTHON, install.JAVASCRIPT)
PAIRS = [(client, release) for client in CLIENTS for release in install.RELEASES[client]]
FITTING = [(*pair, server) for pair in PAIRS for server in SERVERS if int(pair[1][0]) <= int(server[0])]
NEWER = [(*pair, server) for pair in PAIRS for server in SERVERS if int(pair[1][0]) > int(server[0])]
MATRIX = pytest.mark.client_matrix
UNTYPED: dict[str, dict[str, dict[str, str]]] = json.loads((install.HERE / "untyped.json").read_text("utf-8"))


def _newest(versions: Iterable[str], major: str) -> str:
    return [version for version in versions if version.startswith(f"{major}.")][-1]


NEWEST = _newest(install.RELEASES[install.PYTHON], "9")
ALWAYS = {
    (client, _newest(install.RELEASES[client], major), _newest(SERVERS, major)) for client in CLIENTS for major in "89"
} | {(install.PYTHON, NEWEST, _newest(SERVERS, "8"))}
"""One client of each language and major version, and one that is refused; ``make emulator-clients`` tries all."""


def _marked(triples: Iterable[tuple[str, str, str]]) -> list[Any]:
    """Mark what only the whole matrix tries."""
    return [pytest.param(*each, marks=() if each in ALWAYS else MATRIX) for each in triples]


def _run(client: str, release: str, *arguments: str) -> dict[str, Any]:
    folder = install.folder(client, release)
    # Not the tests' own path: the client of the test environment must not be found first.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if client == install.PYTHON:
        environment["PYTHONPATH"] = str(folder)
        command = [sys.executable, str(install.HERE / "life_cycle.py")]
    else:
        command = [str(install.node()), str(install.HERE / "life_cycle.mjs"), str(folder)]
    done = subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["client"] == release
    return found


def _asked(process: Process, server: str) -> tuple[set[str], set[str]]:
    """Return the routes that typed methods requested, and those of untyped requests."""
    typed: set[str] = set()
    untyped: set[str] = set()
    for line in process.control("GET", "/requests"):
        route, _methods = ROUTER.find(Call(line["method"], line["path"], "", {}, b""), features(server))
        assert route is not None, line
        used = untyped if line["headers"].get("x-opaque-id") == "untyped" else typed
        used.add(f"{route.method} {route.template}")
    return typed, untyped


WITHOUT_METHOD = {
    "DELETE /",
    "POST /{index}/_doc/{id}",
    "GET /{index}/_search",
    "POST /_license",
    "GET /_ingest/pipeline/_simulate",
    "GET /_ingest/pipeline/{id}/_simulate",
    "GET /_inference/_services",
    "GET /_inference/_services/{task_type}",
}
"""Routes without a typed method in any client: deleting nothing, the second way to do something, what Kibana asks."""


def _served(server: str) -> set[str]:
    known = {route for route in ROUTER.routes if route.known(features(server)) and not route.phantom}
    # Without security its routes are not there; test_client_authentication.py asks with it.
    known = {route for route in known if plugin(route) != "security"}
    return {f"{route.method} {route.template}" for route in known} - WITHOUT_METHOD


def _whole_life(client: str, release: str, server: str, *kind: str) -> None:
    with running("--version", server, "--model", "m=1000") as process:
        found = _run(client, release, process.first["url"], server, *kind)
        typed, untyped = _asked(process, server)
    assert found["wrong"] == []
    known = UNTYPED.get(f"{client} {release}", {"routes": {}, "arguments": {}})
    served = _served(server)
    assert served - typed == known["routes"].keys() & served, (
        "add a step to clients/life_cycle.json, or the reason why there is none to clients/untyped.json"
    )
    assert untyped <= known["routes"].keys()
    assert typed <= served
    assert set(found["dropped"]) == set(known["arguments"])


@pytest.mark.parametrize(("client", "release", "server"), _marked(FITTING))
def test_whole_life(client: str, release: str, server: str) -> None:
    """Test server-behaviour.md 1 to 4: the typed methods of each client, with each server that it may be used with."""
    _whole_life(client, release, server)


@pytest.mark.parametrize(
    "release",
    [pytest.param(each, marks=() if each == NEWEST else MATRIX) for each in install.RELEASES[install.PYTHON]],
)
def test_whole_life_of_the_asynchronous_client(release: str) -> None:
    """Test server-behaviour.md 1 to 4: the same through aiohttp."""
    _whole_life(install.PYTHON, release, "9.5.3", "async")


@pytest.mark.parametrize(("client", "release", "server"), _marked(NEWER))
def test_newer_clients_are_refused(client: str, release: str, server: str) -> None:
    """Test server-behaviour.md 0.

    A server of version 8 does not speak version 9 of the REST API; clients ask for no other.
    """
    with running("--version", server) as process:
        refused = _run(client, release, process.first["url"], server)["refused"]
    exception = "BadRequestError" if client == install.PYTHON else "ResponseError"
    assert (refused["status"], refused["exception"]) == (400, exception)
    error = refused["body"]["error"]
    assert error["type"] == "media_type_header_exception"
    assert error["reason"] == "Invalid media-type value on headers [Content-Type, Accept]"
    assert error["caused_by"]["type"] == "status_exception"
    accept = "application/vnd.elasticsearch+json; compatible-with=9"
    accept += ",text/plain" if client == install.JAVASCRIPT else ""
    text = f"Accept version must be either version 8 or 7, but found 9. Accept={accept}"
    assert error["caused_by"]["reason"] == text


def test_what_is_always_tried_is_in_the_matrix() -> None:
    assert {*FITTING, *NEWER} >= ALWAYS
    assert len(ALWAYS) == 5


def test_exceptions_are_not_out_of_date() -> None:
    """Test that each entry of untyped.json is about a release that is tested and a route that is served."""
    templates = {f"{route.method} {route.template}" for route in ROUTER.routes}
    for name, entries in UNTYPED.items():
        assert tuple(name.split(" ")) in PAIRS
        assert entries["routes"].keys() <= templates
        assert all(reason for group in entries.values() for reason in group.values())

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test rights on endpoints and pipelines, and their places (around-deployments.md 1.3, server-behaviour.md 8)."""

from __future__ import annotations

import base64
import json

import pytest

from emulator_tests.api import Api

ROUTES = {
    ("GET", "/_inference/_all"): "cluster:monitor/xpack/inference/get",
    ("PUT", "/_inference/rerank/e"): "cluster:admin/xpack/inference/put",
    ("PUT", "/_inference/rerank/e/_update"): "cluster:admin/xpack/inference/update",
    ("DELETE", "/_inference/e"): "cluster:admin/xpack/inference/delete",
    ("GET", "/_ingest/pipeline"): "cluster:admin/ingest/pipeline/get",
    ("PUT", "/_ingest/pipeline/p"): "cluster:admin/ingest/pipeline/put",
    ("DELETE", "/_ingest/pipeline/p"): "cluster:admin/ingest/pipeline/delete",
    ("POST", "/_ingest/pipeline/_simulate"): "cluster:admin/ingest/pipeline/simulate",
}
GRANTED = {
    "none": (),
    "monitor_inference": ("/inference/get",),
    "manage_inference": ("/inference/",),
    "manage_ml": (),
    "read_pipeline": ("pipeline/get", "pipeline/simulate"),
    "manage_pipeline": ("pipeline/",),
    "manage": ("/",),
}


def _status(api: Api, method: str, path: str) -> tuple[int, str]:
    headers = {"Authorization": "Basic " + base64.b64encode(b"u:p").decode()}
    body = b'{"a": 1}' if method in ("PUT", "POST") else None
    if body is not None:
        headers["Content-Type"] = "application/json"
    status, _headers, answer = api.emulator.request(method, path, headers, body)
    return status, str(json.loads(answer).get("error"))


@pytest.mark.parametrize("privilege", GRANTED)
def test_privileges(privilege: str) -> None:
    """Test around-deployments.md 1.3: endpoints have privileges of their own; managing models does not grant them."""
    api = Api()
    api.emulator.control("POST", "/privileges", {"username": "u", "password": "p", "privileges": [privilege]})
    for (method, path), action in ROUTES.items():
        status, text = _status(api, method, path)
        assert (status == 403) != any(part in action for part in GRANTED[privilege]), (action, status)
        if status == 403:
            assert f"action [{action}] is unauthorized for user [u]" in text


@pytest.mark.parametrize(
    ("version", "privilege", "allowed"),
    [
        ("8.13.4", "manage", "get put"),
        ("8.13.4", "monitor", "get"),
        ("8.15.3", "manage_inference", "get put dry_run"),
        ("8.15.3", "monitor_inference", "get"),
        ("8.16.0", "manage_inference", "get put dry_run update"),
        ("9.5.3", "manage_inference", "get put dry_run update"),
        ("9.5.3", "monitor_inference", "get"),
        ("9.5.3", "monitor", "get"),
    ],
)
def test_privileges_by_version(version: str, privilege: str, allowed: str) -> None:
    """Test around-deployments.md 7 item 17: a dry run is a delete, so it needs the privilege to change endpoints."""
    api = Api(version)
    api.emulator.control("POST", "/privileges", {"username": "u", "password": "p", "privileges": [privilege]})
    asked = {"get": ("GET", "/_inference/e"), "put": ("PUT", "/_inference/sparse_embedding/e")}
    if version != "8.13.4":
        asked["dry_run"] = ("DELETE", "/_inference/e?dry_run=true")
    if version not in ("8.13.4", "8.15.3"):
        asked["update"] = ("PUT", "/_inference/sparse_embedding/e/_update")
    assert [name for name, request in asked.items() if _status(api, *request)[0] != 403] == allowed.split()


def test_serverless_has_them() -> None:
    """Let endpoints and pipelines be used there: server-behaviour.md 8 takes other APIs away."""
    api = Api(flavor="serverless", clock="eager")
    settings = {"num_allocations": 1, "num_threads": 1, "model_id": "m"}
    body = {"service": "elasticsearch", "service_settings": settings}
    assert api.send("PUT", "/_inference/sparse_embedding/e", body).status == 200
    assert api.assignment("e")["adaptive_allocations"]["enabled"] is True
    assert api.send("PUT", "/_ingest/pipeline/p", {"processors": []}).status == 200
    assert api.send("GET", "/_ingest/pipeline/p").status == 200
    assert api.send("DELETE", "/_inference/e").status == 200

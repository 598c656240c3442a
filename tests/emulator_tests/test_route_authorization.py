# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that every route checks the user and the rights, and that no secret is in what is answered or kept."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from emulator.app import ROUTER
from emulator.wire.router import Route
from emulator_tests.process import running
from emulator_tests.secured_api import SECURITY, Secured, api_key

POOR: dict[str, Any] = {
    **SECURITY,
    "users": {**SECURITY["users"], "poor": {"password": "p7", "roles": ["poor"]}},
    "roles": {**SECURITY["roles"], "poor": {}},
}
UNPRIVILEGED = "Basic cG9vcjpwNw=="
NAMES = {
    "task_type_or_id": "sparse_embedding",
    "metrics": "metadata",
    "metric": "os",
    "index_metric": "docs",
}
NAMES |= {
    "task_type": "rerank",
    "type": "_doc",
    "username": "elastic",
    "part": "0",
    "index": "logs",
    "indices": "logs",
    "name": "superuser",
    "model_alias": "nick",
    "task_id": "n1:1",
}
DOCS = {"docs": [{"_source": {"a": 1}}], "pipeline": {"processors": []}}
ENDPOINT = {
    "service": "elasticsearch",
    "service_settings": {"num_allocations": 1, "num_threads": 1, "model_id": "m"},
}
LICENCE = {"license": {"type": "platinum", "signature": "s", "expiry_date_in_millis": 9_999_999_999_999}}
BODIES: dict[str, Any] = {
    "PUT /_cluster/settings": {"persistent": {"xpack.ml.max_lazy_ml_nodes": 1}},
    "PUT /_ml/trained_models/{model_id}": {
        "model_type": "pytorch",
        "inference_config": {"pass_through": {}},
        "input": {"field_names": ["f"]},
    },
    "PUT /_ml/trained_models/{model_id}/definition/{part}": {
        "definition": "AA==",
        "total_definition_length": 1,
        "total_parts": 1,
    },
    "PUT /_ml/trained_models/{model_id}/vocabulary": {"vocabulary": ["a"]},
    "POST /_ml/trained_models/{model_id}/deployment/_update": {"number_of_allocations": 2},
    "POST /_ml/trained_models/{model_id}/_infer": {"docs": [{"input": "a"}]},
    "POST /_ml/trained_models/{model_id}/deployment/_infer": {"docs": [{"input": "a"}]},
    "PUT /_nodes/{node_id}/shutdown": {"type": "restart", "reason": "r"},
    "POST /{index}/_doc": {"a": 1},
    "PUT /{index}/_doc/{id}": {"a": 1},
    "POST /{index}/_doc/{id}": {"a": 1},
    "PUT /_inference/{task_type_or_id}": {"task_type": "sparse_embedding", **ENDPOINT},
    "PUT /_inference/{task_type_or_id}/{inference_id}": ENDPOINT,
    "PUT /_inference/{task_type_or_id}/_update": {"service_settings": {"num_allocations": 2}},
    "PUT /_inference/{task_type_or_id}/{inference_id}/_update": {"service_settings": {"num_allocations": 2}},
    "POST /_inference/{task_type_or_id}": {"input": ["a"]},
    "POST /_inference/{task_type_or_id}/{inference_id}": {"input": ["a"]},
    "PUT /_inference/_region_policy": {"region_policy": {"allowed_geos": ["eu"]}},
    "PUT /_ingest/pipeline/{id}": {"processors": []},
    **{f"{method} /_ingest/pipeline/{place}_simulate": DOCS for method in ("GET", "POST") for place in ("", "{id}/")},
    **{
        f"{method} /_security/user/{whose}_has_privileges": {"cluster": ["monitor"]}
        for method in ("GET", "POST")
        for whose in ("", "{username}/")
    },
    "POST /_security/api_key": {"name": "k"},
    "PUT /_security/api_key": {"name": "k"},
    "DELETE /_security/api_key": {"ids": ["preset"]},
    "POST /_security/api_key/grant": {
        "grant_type": "password",
        "username": "ml",
        "password": "p2",
        "api_key": {"name": "k"},
    },
    "PUT /_security/api_key/{id}": {"metadata": {}},
    "POST /_security/oauth2/token": {"grant_type": "client_credentials"},
    "DELETE /_security/oauth2/token": {"token": "bearer"},
    "PUT /_license": LICENCE,
    "POST /_license": LICENCE,
}
"""Content without which something else would be wrong with a request: validation comes before privileges."""
OWN = (
    "GET /_security/_authenticate",
    "GET /_security/user/_has_privileges",
    "POST /_security/user/_has_privileges",
    "GET /_security/user/_privileges",
)
"""Routes on which every user may ask about that user."""


def _target(route: Route) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: NAMES.get(found[1], "m"), route.template)


def _label(route: Route) -> str:
    return f"{route.method} {route.template}"


SERVED = [route for route in ROUTER.routes if not route.phantom and _label(route) != "DELETE /"]
"""All but the one that does nothing for anybody: validation refuses to delete no index."""


@pytest.fixture(scope="module")
def emulator() -> Secured:
    return Secured(security=POOR)


@pytest.mark.parametrize("route", SERVED, ids=_label)
def test_every_route_needs_credentials(emulator: Secured, route: Route) -> None:
    """Test server-behaviour.md 0: 401 before anything else is looked at, also with credentials that are no good."""
    for who in (None, "Basic cG9vcjp4", api_key("dead:secret"), "Bearer x", "Nonsense x"):
        answer = emulator.send(who, route.method, _target(route), BODIES.get(_label(route)))
        assert answer.status == 401, answer.body


@pytest.mark.parametrize("route", SERVED, ids=_label)
def test_every_route_needs_a_privilege(emulator: Secured, route: Route) -> None:
    """Test server-behaviour.md 0: 403 with the action's name; nothing has changed."""
    before = emulator.emulator.cluster.state_version
    answer = emulator.send(UNPRIVILEGED, route.method, _target(route), BODIES.get(_label(route)))
    if _label(route) in OWN:
        assert answer.status == 200
        return
    assert answer.status == 403, answer.body
    assert emulator.emulator.cluster.state_version == before
    if route.method != "HEAD":
        action = r"action \[(cluster|indices):[a-z0-9_/:\[\]]+\]"
        assert re.match(f"{action} is unauthorized for user", answer.reason)


def test_the_list_of_bodies_is_not_out_of_date() -> None:
    assert set(BODIES) | set(OWN) <= {_label(route) for route in SERVED}


# --- secrets ---

SECRET = "hunter2-of-the-test"
_TOKEN = "/_security/oauth2/token"
_KEYS = "/_security/api_key"
LEAKS: tuple[tuple[str, str, Any, dict[str, str]], ...] = (
    ("GET", "/", None, {"Authorization": api_key(f"preset:{SECRET}")}),
    ("GET", "/", None, {"Authorization": f"ApiKey {SECRET}"}),
    ("GET", "/", None, {"Authorization": f"Basic {SECRET}"}),
    ("GET", "/", None, {"Authorization": f"Bearer {SECRET}"}),
    ("GET", "/", None, {"ES-Secondary-Authorization": f"Bearer {SECRET}"}),
    ("GET", "/", None, {"ES-Client-Authentication": f"SharedSecret {SECRET}"}),
    ("POST", _TOKEN, {"grant_type": "password", "username": "ml", "password": SECRET}, {}),
    ("POST", _TOKEN, {"grant_type": "password", "username": "ml", "password": [SECRET]}, {}),
    ("POST", _TOKEN, {"grant_type": "refresh_token", "refresh_token": SECRET}, {}),
    ("POST", _TOKEN, {"grant_type": "_kerberos", "kerberos_ticket": SECRET}, {}),
    ("DELETE", _TOKEN, {"token": SECRET}, {}),
    ("DELETE", _TOKEN, {"refresh_token": SECRET}, {}),
    ("POST", f"{_KEYS}/grant", {"grant_type": "access_token", "access_token": SECRET, "api_key": {"name": "k"}}, {}),
    ("POST", f"{_KEYS}/grant", {"grant_type": "x", "password": SECRET, "api_key": {"name": "k"}}, {}),
    ("PUT", "/_inference/sparse_embedding/e", {**ENDPOINT, "service_settings": {"api_key": SECRET}}, {}),
    (
        "PUT",
        "/_inference/text_embedding/b",
        {
            "service": "amazonbedrock",
            "service_settings": {"access_key": SECRET, "secret_key": SECRET, "region": "r", "model": "m"},
        },
        {},
    ),
    ("PUT", "/_inference/text_embedding/o", {"service": "openai", "service_settings": {"api_key": SECRET}}, {}),
    ("POST", f"{_TOKEN}?password={SECRET}", {"grant_type": "client_credentials"}, {}),
)


@pytest.mark.parametrize(("method", "target", "body", "headers"), LEAKS)
def test_no_answer_tells_a_secret(method: str, target: str, body: Any, headers: dict[str, str]) -> None:
    """Test that neither the API's answers nor the control port show what was sent as a secret."""
    emulator = Secured(security=POOR)
    given = dict(headers)
    who = given.pop("Authorization", "elastic")
    answers: list[Any] = [emulator.send(who, method, target, body, **given).body]
    answers += [emulator.send("elastic", "GET", path).body for path in ("/_inference", _KEYS, "/_security/user")]
    answers += [
        emulator.emulator.control("GET", path) for path in ("/state", "/journal", "/requests", "/audit", "/faults")
    ]
    assert SECRET not in json.dumps(answers)
    assert "hunter2" not in repr(emulator.emulator.cluster.security)


def test_what_is_made_is_shown_once() -> None:
    """Test that only the answer to its creation has a key or token."""
    emulator = Secured()
    key = emulator.send("elastic", "POST", _KEYS, {"name": "k"}).body
    token = emulator.send(
        "elastic", "POST", _TOKEN, {"grant_type": "password", "username": "ml", "password": "p2"}
    ).body
    shown = [emulator.emulator.control("GET", path) for path in ("/state", "/journal", "/requests", "/audit")]
    shown += [emulator.send("elastic", "GET", path).body for path in (_KEYS, "/_security/user", "/_cluster/state")]
    text = json.dumps(shown)
    for secret in (key["api_key"], key["encoded"], token["access_token"], token["refresh_token"], "p1", '"p2"'):
        assert secret not in text


def test_faults_hide_credentials() -> None:
    """Test that the control port does not show the credentials of another client's request in a fault."""
    emulator = Secured()
    do = {
        "type": "request",
        "method": "GET",
        "path": "/_security/_authenticate",
        "headers": {"Authorization": f"Bearer {SECRET}"},
    }
    planted = emulator.emulator.control("POST", "/faults", {"operation": "stats", "do": do})
    assert planted["do"]["headers"] == {"Authorization": "<hidden>"}
    assert emulator.send("elastic", "GET", "/_ml/trained_models/_stats").status == 200
    listed = emulator.emulator.control("GET", "/faults")
    assert listed[0]["results"][0]["status"] == 401
    assert SECRET not in json.dumps(listed)


def test_the_program_prints_no_secret(tmp_path: Path) -> None:
    """Test that nothing but the first line is printed, whatever is sent."""
    path = tmp_path / "users.yml"
    path.write_text(f"users: {{elastic: {{password: {SECRET}, roles: [superuser]}}}}", encoding="utf-8")
    with running("--security", str(path)) as process:
        sent = base64.b64encode(f"elastic:{SECRET}".encode()).decode()
        assert process.api("GET", "/", Authorization=f"Basic {sent}")[0] == 200
        assert process.api("GET", "/", Authorization=f"Bearer {SECRET}")[0] == 401
        assert process.api("POST", _TOKEN, {"password": SECRET}, Authorization=f"Basic {sent}")[0] == 400
        assert SECRET not in json.dumps(process.first)
        process.popen.terminate()
        assert process.popen.stdout is not None
        assert process.popen.stderr is not None
        assert process.popen.stdout.read() + process.popen.stderr.read() == ""

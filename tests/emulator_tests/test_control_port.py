# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the control port: what it shows, what it steers, and what it refuses."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from emulator.inprocess import InProcess
from emulator_tests.api import Api


def basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


def test_state_shows_everything() -> None:
    api = Api()
    api.started()
    state = api.emulator.control("GET", "/state")
    assert state["deployments"]["m"] == api.assignment()
    assert state["clock"]["mode"] == "manual"
    assert {"version", "flavor", "cluster_state_version", "nodes", "models", "settings", "counters"} <= set(state)
    assert {"audit", "journal", "unknowns", "read_only", "held"} <= set(state)


def test_journal_keeps_writes_and_requests_keep_all() -> None:
    api = Api()
    api.send("GET", "/")
    api.send("POST", "/_ml/trained_models/m/deployment/_update", b"{broken", timeout="5s")
    (entry,) = api.writes()
    assert entry == {
        "n": 1,
        "method": "POST",
        "path": "/_ml/trained_models/m/deployment/_update",
        "query": {"timeout": "5s"},
        "body": "{broken",
        "status": 400,
        "committed": False,
    }
    assert [line["path"] for line in api.emulator.control("GET", "/requests")] == ["/", entry["path"]]
    api.emulator.control("DELETE", "/journal")
    assert api.writes() == api.emulator.control("GET", "/requests") == api.emulator.control("GET", "/audit") == []


def test_secrets_are_not_kept() -> None:
    emulator = InProcess()
    emulator.request("GET", "/", {"Authorization": "Basic c2VjcmV0", "Cookie": "secret", "X-Mine": "kept"})
    (line,) = emulator.control("GET", "/requests")
    assert line["headers"] == {"x-mine": "kept"}


def test_read_only() -> None:
    api = Api()
    api.started()
    api.emulator.control("POST", "/read_only", {"enabled": True})
    before = api.state_version
    answer = api.update(number_of_allocations=2)
    assert (answer.status, answer.body) == (
        403,
        {"error": "the double is read-only: a check-mode run tried to write", "status": 403},
    )
    assert api.state_version == before
    assert api.writes()[-1]["status"] == 403
    assert api.send("GET", "/_ml/trained_models/m/_stats").status == 200
    api.emulator.control("POST", "/read_only", {"enabled": False})
    assert api.update(number_of_allocations=2).status == 200


def test_reset() -> None:
    api = Api()
    api.started()
    for path, body in (
        ("/faults", {"operation": "any", "do": {"type": "drop"}}),
        ("/privileges", {"username": "u", "password": "p", "privileges": []}),
        ("/read_only", {"enabled": True}),
        ("/effects", {"do": "remove_node", "node_id": "n1"}),
    ):
        api.emulator.control("POST", path, body)
    api.emulator.control("POST", "/reset")
    state = api.emulator.control("GET", "/state")
    assert (state["deployments"], state["journal"], set(state["nodes"])) == ({}, [], {"n1", "n2"})
    assert api.start().status == 200


def test_clock_can_be_changed() -> None:
    api = Api()
    assert api.emulator.control("POST", "/clock", {"mode": "eager", "interval": 1})["mode"] == "eager"
    assert api.start(wait_for="started").assignment["assignment_state"] == "started"
    with pytest.raises(ValueError, match="mode must be one of"):
        api.emulator.control("POST", "/clock", {"mode": "fast"})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/clock", [1]),
        ("/clock", {"mdoe": "eager"}),
        ("/clock", {"interval": 0}),
        ("/clock", {"interval": float("nan")}),
        ("/clock", {"scaler_interval": -1}),
        ("/clock", {"advance": float("inf")}),
        ("/clock", {"mode": "eager", "frozen": "no"}),
        ("/tick", {"step": 2}),
        ("/tick", {"steps": float("inf")}),
        ("/tick", {"steps": -1}),
        ("/settle", "all"),
        ("/scaler", {"seconds": float("inf")}),
        ("/read_only", {"enabled": "false"}),
        ("/reset", {"everything": True}),
        ("/unknowns", {"reducer_tie": "last_zone", "zero_allocations": "maybe"}),
        ("/models", {"model_id": "x", "fully_defined": "no"}),
    ],
)
def test_nonsense_changes_nothing(path: str, body: Any) -> None:
    api = Api()
    before = api.emulator.control("GET", "/state")
    with pytest.raises(ValueError, match=f"POST {path}: "):
        api.emulator.control("POST", path, body)
    after = api.emulator.control("GET", "/state")
    for state in (before, after):
        del state["clock"]["now"]
    assert after == before


def test_an_inference_is_no_write() -> None:
    api = Api()
    api.started()
    api.emulator.control("DELETE", "/journal")
    assert api.send("POST", "/_ml/trained_models/m/_infer", {"docs": [{"input": "a"}]}).status == 200
    assert api.emulator.control("GET", "/journal") == []
    assert [request["path"] for request in api.emulator.control("GET", "/requests")] == ["/_ml/trained_models/m/_infer"]


def test_an_inference_through_an_endpoint_is_no_write() -> None:
    api = Api()
    for path in ("/_inference/e", "/_inference/sparse_embedding/e", "/_inference/completion/e/_stream"):
        api.send("POST", path, b'{"input": ["a"]}')
    api.send("PUT", "/_inference/sparse_embedding/e", b"{}")
    api.send("PUT", "/_inference/sparse_embedding/e/_update", b"{}")
    assert [each["method"] for each in api.writes()] == ["PUT", "PUT"]


@pytest.mark.parametrize("number", ["NaN", "1e400", '"\\ud800"'])
def test_the_journal_keeps_what_is_no_json_as_a_text(number: str) -> None:
    api = Api()
    body = f'{{"number_of_allocations":{number}}}'
    api.send("POST", "/_ml/trained_models/m/deployment/_update", body.encode())
    (entry,) = api.writes()
    assert entry["body"] == body
    json.dumps(api.emulator.control("GET", "/state"), allow_nan=False, ensure_ascii=False).encode()


def test_settings_of_no_kind_are_not_kept() -> None:
    """Test that a setting which the server refuses is refused here, too, and that the emulator's own settings work."""
    api = Api()
    for name, value in (("xpack.ml.max_lazy_ml_nodes", "1_0"), ("xpack.ml.allocated_processors_scale", 0)):
        refused = api.effect("set_setting", name=name, value=value)["refused"]
        assert refused["status"] == 400
    for name, value in (("nope", 1), ("mixed_versions", "no"), ("license", "free")):
        with pytest.raises(ValueError, match=name):
            api.effect("set_setting", name=name, value=value)
    assert api.emulator.control("GET", "/state")["settings"] == {}


def test_ticks() -> None:
    api = Api()
    api.start()
    assert api.emulator.control("POST", "/tick", {"steps": 2}) == {"changed": True, "ticks": 2}
    assert api.emulator.control("POST", "/tick") == {"changed": False, "ticks": 3}


def test_effects_of_others() -> None:
    api = Api()
    settings = {"enabled": True, "max_number_of_allocations": 4}
    started: dict[str, Any] = {"model_id": "m", "deployment_id": "d", "number_of_allocations": 2, "queue_capacity": 5}
    assert api.effect("start_deployment", **started, cache_size="1mb") == {"applied": True}
    assert api.assignment("d")["task_parameters"]["cache_size"] == "1mb"
    assert api.effect("start_deployment", **started)["refused"]["status"] == 400
    refused = api.effect("start_deployment", model_id="m", deployment_id="e", queue_capacity=0)["refused"]
    assert refused["error"]["type"] == "action_request_validation_exception"
    api.effect("set_adaptive", deployment_id="d", adaptive_allocations=settings)
    assert api.assignment("d")["adaptive_allocations"] == settings
    api.effect("set_adaptive", deployment_id="d", adaptive_allocations=None)
    assert api.assignment("d")["adaptive_allocations"] is None
    assert api.writes() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"do": "nothing"},
        {"do": "set_number"},
        {"do": "set_number", "deployment_id": "none", "number_of_allocations": 1},
        {"do": "fail_route", "deployment_id": "m", "node_id": "n9"},
        {"do": "remove_node", "node_id": "n9"},
        {"do": "add_node", "node_id": "n3", "roles": "ml"},
        {"do": "add_node", "node_id": "n3", "roles": ["mll"]},
        {"do": "add_node", "node_id": "n3", "zone": 5},
        {"do": "add_node", "node_id": None},
        {"do": "pass_time", "seconds": 1e30},
        {"do": "pass_time", "seconds": float("nan")},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    api = Api()
    api.started()
    with pytest.raises(ValueError, match="/effects"):
        api.emulator.control("POST", "/effects", wrong)


def test_unknown_path_and_possibility() -> None:
    emulator = InProcess()
    with pytest.raises(ValueError, match="no such control"):
        emulator.control("GET", "/nothing")
    with pytest.raises(ValueError, match="no possibility"):
        emulator.control("POST", "/unknowns", {"stats_missing_text": "other"})
    assert emulator.control("GET", "/unknowns")["low_priority_update"] == "by_version"


# --- security, as far as the control port switches it on ---


@pytest.mark.parametrize(
    ("privileges", "stats", "start", "update", "state"),
    [
        (["monitor_ml"], 200, 403, 403, 403),
        (["manage_ml"], 200, 200, 404, 403),
        (["monitor"], 200, 403, 403, 200),
        (["manage_inference"], 403, 200, 403, 403),
        (["all"], 200, 200, 404, 200),
        ([], 403, 403, 403, 403),
    ],
)
def test_privileges(privileges: list[str], stats: int, start: int, update: int, state: int) -> None:
    emulator = InProcess(models=[("m", 1)])
    emulator.control("POST", "/privileges", {"username": "u", "password": "p", "privileges": privileges})
    ml = "/_ml/trained_models"
    body, kind = b'{"number_of_allocations":1}', {"Content-Type": "application/json"}
    sent = basic("u", "p")
    assert emulator.request("GET", f"{ml}/_stats", sent)[0] == stats
    assert emulator.request("POST", f"{ml}/x/deployment/_update", {**sent, **kind}, body)[0] == update
    assert emulator.request("POST", f"{ml}/m/deployment/_start", sent)[0] == start
    assert emulator.request("GET", "/_cluster/state", sent)[0] == state
    assert emulator.request("GET", "/")[0] == 401


@pytest.mark.parametrize("header", ["ApiKey aWQ6a2V5", "apikey aWQ6a2V5", "Bearer token"])
def test_keys_and_tokens(header: str) -> None:
    emulator = InProcess()
    user = {"username": "u", "privileges": ["monitor"], "api_key": "id:key", "bearer_token": "token"}
    emulator.control("POST", "/privileges", user)
    assert emulator.request("GET", "/", {"Authorization": header})[0] == 200
    status, headers, _raw = emulator.request("GET", "/", {"Authorization": header[:-2]})
    assert status == 401
    assert [value for name, value in headers if name == "WWW-Authenticate"] == [
        'Basic realm="security", charset="UTF-8"',
        'Bearer realm="security"',
        "ApiKey",
    ]
    emulator.control("POST", "/privileges", {"privileges": None})
    assert emulator.request("GET", "/")[0] == 200


# --- the bridge ---


def test_nothing_runs_between_requests() -> None:
    with pytest.raises(ValueError, match="eager or manual"):
        InProcess(clock="auto")


def test_reset_with_changes() -> None:
    emulator = InProcess(models=[("m", 1)])
    emulator.reset(version="8.9.2", models=[("other", 2)])
    assert (emulator.cluster.version.number, list(emulator.cluster.models)) == ("8.9.2", ["other"])
    emulator.close()

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test creations of inference endpoints whose deployment does not start, or whose answer does not come."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from emulator_tests.api import Api
from emulator_tests.endpoint_requests import ADAPTIVE, put, shown
from emulator_tests.process import running

OPTIMIZED = ".elser_model_2_linux-x86_64"
BY_VERSION = {"endpoint_after_failed_start": "by_version", "endpoint_failed_deployment": "by_version"}


def test_endpoint_stays_when_its_start_fails() -> None:
    """Test the bug of 9.2.0 (issue 137127); the other possibility is played on demand."""
    both: dict[str, Any] = {"num_allocations": 1, "adaptive_allocations": ADAPTIVE}
    api = Api(clock="eager")
    answer = put(api, **both)
    assert (answer.status, answer.type) == (400, "action_request_validation_exception")
    assert answer.reason == (
        "Validation Failed: 1: [number_of_allocations] cannot be set if adaptive allocations is enabled;"
    )
    assert shown(api)["service_settings"]["num_allocations"] == 1
    assert "e" not in api.emulator.cluster.assignments
    api.emulator.control("POST", "/unknowns", {"endpoint_after_failed_start": "removed"})
    assert put(api, "f", **both).status == 400
    assert api.send("GET", "/_inference/f").status == 404


@pytest.mark.parametrize(
    ("version", "task", "choices", "endpoint", "deployment"),
    [
        ("9.4.0", "text_embedding", {}, True, True),
        ("9.5.3", "text_embedding", {}, False, False),
        ("9.5.3", "sparse_embedding", {}, True, True),
        ("9.5.3", "text_embedding", BY_VERSION, False, False),
        ("9.5.3", "sparse_embedding", {"endpoint_failed_deployment": "stopped"}, True, False),
        ("9.5.3", "text_embedding", {"endpoint_failed_deployment": "left"}, False, True),
        ("9.5.3", "text_embedding", {"endpoint_after_failed_start": "kept"}, True, False),
        ("9.4.0", "text_embedding", {"endpoint_after_failed_start": "removed"}, False, True),
    ],
)
def test_what_a_creation_leaves_that_times_out(
    version: str, task: str, choices: dict[str, str], endpoint: bool, deployment: bool
) -> None:
    """Test around-deployments.md 4.1: text embeddings are deployed first from 9.5 on, and cleaned up (153886)."""
    api = Api(version, clock="eager")
    api.emulator.control("POST", "/unknowns", choices)
    api.fault("endpoint", {"type": "timeout"})
    assert put(api, task=task).status == 408
    assert (api.send("GET", "/_inference/e").status == 200) is endpoint
    assert ("e" in api.emulator.cluster.assignments) is deployment
    assert api.writes()[-1]["committed"] is True


def test_text_embeddings_are_stored_after_their_start() -> None:
    api = Api(clock="eager")
    assert put(api, task="text_embedding").status == 200
    assert shown(api)["task_type"] == "text_embedding"
    assert api.assignment("e")["assignment_state"] == "started"
    api.effect("fail_endpoint_start")
    assert put(api, "f", task="text_embedding").status == 500
    assert api.send("GET", "/_inference/f").status == 404
    assert api.writes()[-1]["committed"] is False


@pytest.mark.parametrize("model_id", ["m", OPTIMIZED])
def test_creation_in_upgrade_mode(model_id: str) -> None:
    """Test around-deployments.md 5.4: the endpoint is stored, neither a download nor a start begins."""
    api = Api(clock="eager")
    api.send("POST", "/_ml/set_upgrade_mode", None, enabled="true")
    answer = put(api, model_id=model_id)
    assert answer.status == 429
    assert answer.reason.endswith("action while upgrade mode is enabled")
    assert shown(api)["service_settings"]["model_id"] == model_id
    assert OPTIMIZED not in api.emulator.cluster.models
    assert api.emulator.control("GET", "/state")["deployments"] == {}


@pytest.mark.parametrize(
    ("version", "licence", "service", "status"),
    [
        ("9.5.3", "platinum", "elasticsearch", 403),
        ("9.5.3", "basic", "openai", 403),
        ("9.5.3", "basic", "elastic", 200),
        ("9.5.3", "enterprise", "elasticsearch", 200),
        ("8.14.0", "platinum", "elasticsearch", 200),
    ],
)
def test_licence_of_endpoints(version: str, licence: str, service: str, status: int) -> None:
    """Test that nothing is stored without one, and that what is there cannot be used (public sources)."""
    api = Api(version, clock="eager")
    api.effect("set_setting", name="license", value=licence)
    settings = {"num_allocations": 1, "num_threads": 1, "model_id": "m"}
    body = {"service": service, "service_settings": settings}
    answer = api.send("PUT", "/_inference/sparse_embedding/e", body)
    assert answer.status == status
    if status == 403:
        assert (answer.type, answer.reason) == (
            "security_exception",
            "current license is non-compliant for [inference]",
        )
        assert api.send("GET", "/_inference/e").status == 404
        api.effect("put_endpoint", inference_id="e", task_type="sparse_embedding", **body)
        assert api.send("POST", "/_inference/e", {"input": "x"}).status == 403
        assert api.send("PUT", "/_inference/sparse_embedding/e/_update", {"task_settings": {"a": 1}}).status == 403


def test_no_room_for_the_deployment() -> None:
    api = Api(clock="eager")
    answer = put(api, num_allocations=99)
    assert (answer.status, answer.type) == (429, "status_exception")


def test_incomplete_model() -> None:
    api = Api(clock="eager")
    api.emulator.control("POST", "/models", {"model_id": "part", "missing_parts": "all"})
    answer = put(api, model_id="part")
    assert (answer.status, answer.reason) == (
        404,
        "Could not deploy model [part] as the model cannot be found."
        " Custom models need to be loaded into the cluster with Eland before they can be started.",
    )


def test_start_that_takes_too_long() -> None:
    api = Api()
    answer = put(api)
    assert (answer.status, answer.type) == (408, "model_deployment_timeout_exception")
    assert api.assignment("e")["assignment_state"] == "starting"
    assert api.send("GET", "/_inference/e").status == 200


@pytest.mark.parametrize("kind", ["bad_gateway", "gateway_timeout"])
def test_answers_that_a_gateway_gives_while_a_model_loads(kind: str) -> None:
    """Test around-deployments.md 4.1: 502 or no answer in time, and the endpoint is there nevertheless."""
    api = Api(clock="eager")
    api.effect("set_download_time", seconds=60)
    api.fault("endpoint", {"type": kind}, when="after")
    body = {"num_allocations": 1, "num_threads": 1, "model_id": OPTIMIZED}
    raw = json.dumps({"service": "elasticsearch", "service_settings": body}).encode()
    headers = {"Content-Type": "application/json"}
    status, _headers, _page = api.emulator.request("PUT", "/_inference/sparse_embedding/e", headers, raw)
    assert status in (502, 504)
    assert shown(api)["service_settings"]["model_id"] == OPTIMIZED
    assert api.assignment("e")["assignment_state"] == "started"


def test_creation_goes_on_without_its_client() -> None:
    """Test around-deployments.md 4.1: a client that hangs up ends nothing."""
    settings = {"num_allocations": 1, "num_threads": 1, "model_id": "m"}
    raw = json.dumps({"service": "elasticsearch", "service_settings": settings}).encode()
    with running("--clock", "manual", "--model", "m=1000") as process:
        url = f"{process.first['url']}/_inference/sparse_embedding/e"
        request = urllib.request.Request(url, raw, {"Content-Type": "application/json"}, method="PUT")
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(request, timeout=0.3)
        assert process.control("GET", "/state")["deployments"]["e"]["assignment_state"] == "starting"
        process.control("POST", "/settle")
        state = process.control("GET", "/state")
    assert (list(state["endpoints"]), state["deployments"]["e"]["assignment_state"]) == (["e"], "started")

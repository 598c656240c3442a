# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test licences: what they are, how they change, and machine learning's answer without one."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.inprocess import InProcess
from emulator_tests.api import Api

DAY = 86_400


def _start(api: Api) -> int:
    return api.start().status


@pytest.mark.parametrize(
    ("kind", "status", "start"),
    [
        ("basic", "active", 403),
        ("gold", "active", 403),
        ("platinum", "active", 200),
        ("enterprise", "active", 200),
        ("trial", "active", 200),
        ("expired", "expired", 403),
    ],
)
def test_states(kind: str, status: str, start: int) -> None:
    """Test server-behaviour.md 3.1 row 3: a start needs a licence with machine learning."""
    api = Api(license_type=kind)
    found = api.send("GET", "/_license").body["license"]
    assert found["status"] == status
    assert (found["max_nodes"] is None) == (kind == "enterprise")
    assert ("expiry_date_in_millis" in found) == (kind != "basic")
    assert _start(api) == start
    features = api.send("GET", "/_xpack").body["features"]
    assert features["ml"] == {"available": start == 200, "enabled": True}


def test_refusal() -> None:
    """Test server-behaviour.md 3.1 row 3."""
    refused = Api(license_type="basic").start()
    assert refused.status == 403
    assert refused.reason == "current license is non-compliant for [ml]"
    assert refused.body["error"]["license.expired.feature"] == "ml"


@pytest.mark.parametrize("kind", ["basic", "expired"])
def test_update_and_stop_do_not_ask(kind: str) -> None:
    """Test server-behaviour.md 3.4: neither looks at the licence."""
    api = Api()
    api.started()
    api.effect("set_setting", name="license", value=kind)
    assert api.update(number_of_allocations=2).status == 200
    api.emulator.control("POST", "/clock", {"mode": "eager"})
    assert api.stop().status == 200
    assert _start(api) == 403
    api.effect("set_setting", name="license", value=None)
    assert _start(api) == 200


def _statuses(api: Api) -> dict[str, int]:
    """Return the status of each request about models."""
    base = "/_ml/trained_models"
    config = {"model_type": "pytorch", "inference_config": {"pass_through": {}}, "input": {"field_names": ["f"]}}
    part = {"definition": "AA==", "total_definition_length": 1, "total_parts": 1}
    requests: dict[str, tuple[str, str, Any]] = {
        "put": ("PUT", f"{base}/new", config),
        "part": ("PUT", f"{base}/other/definition/0", part),
        "vocabulary": ("PUT", f"{base}/other/vocabulary", {"vocabulary": ["a"]}),
        "alias": ("PUT", f"{base}/other/model_aliases/nick", None),
        "start": ("POST", f"{base}/other/deployment/_start?wait_for=starting", None),
        "infer": ("POST", f"{base}/m/_infer", {"docs": [{"input": "a"}]}),
        "get": ("GET", base, None),
        "stats": ("GET", f"{base}/_stats", None),
        "update": ("POST", f"{base}/m/deployment/_update", {"number_of_allocations": 2}),
        "cache": ("POST", f"{base}/m/deployment/cache/_clear", None),
        "unalias": ("DELETE", f"{base}/other/model_aliases/nick", None),
    }
    return {name: api.send(*request).status for name, request in requests.items()}


def test_what_a_licence_blocks() -> None:
    """Test server-behaviour.md 3.1 row 3; for the others the public transport actions.

    Those that create, load or infer ask.
    """
    api = Api()
    api.started()
    api.effect("set_setting", name="license", value="gold")
    found = _statuses(api)
    assert {name for name, status in found.items() if status == 403} == {
        "put",
        "part",
        "vocabulary",
        "alias",
        "start",
        "infer",
    }
    assert {name for name, status in found.items() if status == 200} == {"get", "stats", "update", "cache"}
    assert found["unalias"] == 404
    api.effect("set_setting", name="license", value="platinum")
    assert 403 not in _statuses(api).values()


def test_inference_without_a_licence_looks_for_the_model() -> None:
    """Test that the stored model says whether it needs a licence (public source of the inference action)."""
    api = Api()
    api.started("d")
    api.effect("set_setting", name="license", value="basic")
    refused = api.send("POST", "/_ml/trained_models/d/_infer", {"docs": [{"input": "a"}]})
    assert (refused.status, refused.reason) == (404, "Could not find trained model [d]")
    assert api.send("POST", "/_ml/trained_models/m/_infer", {"docs": [{"input": "a"}]}).status == 403


def test_a_trial_ends() -> None:
    api = Api()
    assert _start(api) == 200
    api.clock(advance=31 * DAY)
    assert api.send("GET", "/_license").body["license"]["status"] == "expired"
    assert api.start(deployment_id="other").status == 403


def test_from_basic_to_trial_and_back() -> None:
    """Test the steps of the documentation of the licensing APIs."""
    api = Api(license_type="basic")
    assert api.send("GET", "/_license/trial_status").body == {"eligible_to_start_trial": True}
    assert api.send("GET", "/_license/basic_status").body == {"eligible_to_start_basic": False}
    unsaid = api.send("POST", "/_license/start_trial").body
    assert (unsaid["acknowledged"], unsaid["trial_was_started"]) == (False, False)
    begun = api.send("POST", "/_license/start_trial", acknowledge="true").body
    assert begun == {"acknowledged": True, "trial_was_started": True, "type": "trial"}
    assert _start(api) == 200
    again = api.send("POST", "/_license/start_trial", acknowledge="true")
    assert (again.status, again.body["error_message"]) == (403, "Operation failed: Trial was already activated.")
    assert api.send("POST", "/_license/start_basic").body["basic_was_started"] is False
    basic = api.send("POST", "/_license/start_basic", acknowledge="true").body
    assert basic == {"acknowledged": True, "basic_was_started": True}
    assert api.send("POST", "/_license/start_basic", acknowledge="true").status == 403
    assert [entry["committed"] for entry in api.writes()].count(True) == 3


@pytest.mark.parametrize(
    ("changed", "status"),
    [({}, "valid"), ({"signature": None}, "invalid"), ({"expiry_date_in_millis": 1}, "expired")],
)
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_put(method: str, changed: dict[str, Any], status: str) -> None:
    api = Api(license_type="basic")
    given = {"type": "platinum", "uid": "u", "signature": "s", "expiry_date_in_millis": 9_999_999_999_999, **changed}
    answer = api.send(method, "/_license", {"licenses": [given]}, acknowledge="true").body
    assert answer == {"acknowledged": True, "license_status": status}
    assert api.send("GET", "/_license").body["license"]["type"] == ("platinum" if status == "valid" else "basic")
    assert _start(api) == (200 if status == "valid" else 403)


def test_put_complaints() -> None:
    api = Api()
    assert api.send("PUT", "/_license").reason == "The license must be provided in the request body"
    refused = api.send("PUT", "/_license", {"license": {"type": "basic"}})
    assert refused.reason.startswith("Installing basic licenses is no longer allowed.")
    assert api.send("PUT", "/_license", {"foo": 1}).type == "parse_exception"


def test_delete_leaves_a_basic_licence() -> None:
    api = Api()
    assert api.send("DELETE", "/_license").body == {"acknowledged": True}
    assert api.send("GET", "/_license").body["license"]["type"] == "basic"
    assert _start(api) == 403


def test_reset_brings_the_licence_back() -> None:
    api = Api(license_type="basic")
    api.send("POST", "/_license/start_trial", acknowledge="true")
    api.emulator.control("POST", "/reset")
    assert api.emulator.control("GET", "/state")["license"]["type"] == "basic"
    assert api.send("GET", "/_license/trial_status").body["eligible_to_start_trial"] is True


def test_unknown_licences() -> None:
    with pytest.raises(ValueError, match="no licence 'free'"):
        InProcess(license_type="free")
    with pytest.raises(ValueError, match="license is one of basic, .*, not 'free'"):
        Api().effect("set_setting", name="license", value="free")


def test_xpack() -> None:
    """Test the documented answer of ``_xpack``."""
    body = Api().send("GET", "/_xpack", categories="license,features").body
    assert set(body) == {"license", "features", "tagline"}
    assert set(body["license"]) == {"uid", "type", "mode", "status", "expiry_date_in_millis"}
    assert list(body["features"]) == sorted(body["features"])
    assert body["features"]["security"] == {"available": True, "enabled": False}
    assert "tagline" not in Api().send("GET", "/_xpack", human="false").body
    assert "esql" not in Api("8.9.2").send("GET", "/_xpack").body["features"]


def test_pretty_by_default() -> None:
    """Test the recorded http:313."""
    emulator = InProcess()
    assert emulator.request("GET", "/_license")[2].startswith(b'{\n  "license" : {\n    "status" : "active"')
    assert emulator.request("GET", "/_license?pretty=false")[2].startswith(b'{"license":{"status":"active"')
    assert b'"start_date"' in emulator.request("GET", "/_license?human")[2]

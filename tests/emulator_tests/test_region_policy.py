# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the region policy of the Elastic Inference Service, and the list of services (around-deployments.md 4.7)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from emulator_tests.api import Api

PATH = "/_inference/_region_policy"
REGIONS = {"allowed_regions": [{"csp": "aws", "region": "us-east-1"}]}


def put(api: Api, policy: Any, **query: Any) -> Any:
    return api.send("PUT", PATH, {"region_policy": policy}, **query)


def test_life_of_a_policy() -> None:
    api = Api()
    missing = api.send("GET", PATH)
    assert (missing.status, missing.type) == (404, "resource_not_found_exception")
    assert missing.reason == "No region policy is configured for this deployment"
    first = put(api, {"allowed_geos": ["eu"]}).body
    assert list(first) == ["region_policy", "created_at"]
    assert first["region_policy"] == {"allowed_geos": ["eu"]}
    api.clock(advance=60)
    second = put(api, REGIONS).body
    assert second["region_policy"] == REGIONS
    assert second["created_at"] == first["created_at"] < second["updated_at"]
    assert api.send("GET", PATH).body == second == api.emulator.control("GET", "/state")["region_policy"]
    assert api.send("DELETE", PATH).body == {"acknowledged": True}
    assert api.send("DELETE", PATH).reason == missing.reason
    assert [line["committed"] for line in api.writes()] == [True, True, True, False]


@pytest.mark.parametrize("version", ["9.4.0", "8.19.21"])
def test_before_9_5(version: str) -> None:
    """Test that the path is one of an endpoint there."""
    api = Api(version)
    assert api.send("GET", PATH).reason == "Inference endpoint not found [_region_policy]"
    assert put(api, {}).status == 400


def test_what_is_not_taken() -> None:
    api = Api()
    assert put(api, {"allowed_geos": []}).reason.endswith("[region_policy.allowed_geos] must not be empty;")
    assert api.send("PUT", PATH, {}).reason == "Required [region_policy]"
    assert api.send("PUT", PATH).reason == "request body is required"
    assert api.send("PUT", PATH, {"region_policy": {}}, forced="true").status == 400
    assert api.emulator.control("GET", "/state")["region_policy"] is None


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        ({"allowed_geos": ["eu"]}, 409),
        ({"allowed_geos": ["eu", "us"]}, 200),
        ({"allowed_regions": [{"csp": "gcp", "region": "us-east-1"}]}, 409),
        (REGIONS, 200),
        ({}, 200),
    ],
)
def test_policy_that_denies_what_is_in_use(policy: Any, status: int) -> None:
    """Test pull request 153004: endpoints that pipelines or indices use, and that would be denied."""
    api = Api()
    regions = {"regions": [{"csp": "aws", "region": "us-east-1", "geo": "us"}]}
    for name in ("used", "free"):
        api.effect("put_endpoint", inference_id=name, task_type="rerank", service="elastic", metadata=regions)
    api.effect("put_endpoint", inference_id="other", task_type="rerank", service="openai", metadata=regions)
    for name in ("used", "other"):
        api.effect("put_semantic_text_reference", index=f"of-{name}", inference_id=name)
    api.effect("put_pipeline_reference", pipeline="p", model_id="used")
    answer = put(api, policy)
    assert answer.status == status
    if status == 409:
        assert answer.reason == (
            "Cannot put the region policy because it would deny access to the following in-use inference endpoints:"
            " [used]. Ensure that these inference endpoints are not in use, or use force to ignore this warning and"
            " proceed anyway."
        )
        assert answer.body["error"]["denied_endpoint_ids"] == ["used"]
        assert answer.body["error"]["referencing_pipelines"] == ["used:p"]
        assert answer.body["error"]["referencing_indexes"] == ["used:of-used"]
        assert api.send("GET", PATH).status == 404
        assert put(api, policy, force="true").status == 200


@pytest.mark.parametrize(
    ("privilege", "allowed"), [("none", ""), ("monitor_inference", "GET"), ("manage_inference", "GET PUT DELETE")]
)
def test_privileges(privilege: str, allowed: str) -> None:
    api = Api()
    api.emulator.control("POST", "/privileges", {"username": "u", "password": "p", "privileges": [privilege]})
    headers = {"Authorization": "Basic " + base64.b64encode(b"u:p").decode(), "Content-Type": "application/json"}
    for method in ("PUT", "GET", "DELETE"):
        body = json.dumps({"region_policy": REGIONS}).encode() if method == "PUT" else None
        sent = headers if body else {"Authorization": headers["Authorization"]}
        status, _headers, answer = api.emulator.request(method, PATH, sent, body)
        assert (status != 403) is (method in allowed.split()), answer
        if status == 200 and method != "DELETE":
            assert json.loads(answer)["created_by"] == "u"


def test_services() -> None:
    api = Api()
    listed = {each["service"]: each for each in api.send("GET", "/_inference/_services").body}
    assert {"elasticsearch", "openai", "fireworksai"} <= set(listed)
    assert listed["elasticsearch"]["task_types"] == ["text_embedding", "sparse_embedding", "rerank"]
    assert listed["elasticsearch"]["configurations"]["num_allocations"]["updatable"] is True
    rerank = [each["service"] for each in api.send("GET", "/_inference/_services/rerank").body]
    assert "jinaai" in rerank
    assert "openai" not in rerank
    assert api.send("GET", "/_inference/_services/bogus").reason == "Unknown task_type [bogus]"
    older = [each["service"] for each in Api("8.18.0").send("GET", "/_inference/_services").body]
    assert "fireworksai" not in older
    assert Api(flavor="serverless").send("GET", "/_inference/_services").status != 200

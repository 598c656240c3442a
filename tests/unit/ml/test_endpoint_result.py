# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test how results show an inference endpoint: with its deployment, and never with a secret."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import AllocationStatus, Deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.endpoint import Endpoint
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.endpoint_result import endpoint_result

Json = dict[str, t.Any]
RUNNING = Deployment(
    deployment_id="e", model_id="m", number_of_allocations=2, allocation_status=AllocationStatus(2, 2, "started")
)


def test_an_endpoint_with_its_deployment() -> None:
    shown = endpoint_result(Endpoint("e", "sparse_embedding", service_settings={"model_id": "m"}), RUNNING)
    assert shown["deployment"] == {
        "deployment_id": "e",
        "model_id": "m",
        "owned": True,
        "number_of_allocations": 2,
        "adaptive_allocations": None,
        "threads_per_allocation": None,
        "assignment_state": None,
        "reason": None,
        "start_time": None,
        "allocation_status": {"allocation_count": 2, "target_allocation_count": 2, "state": "started"},
    }
    assert (shown["service_settings"], shown["chunking_settings"]) == ({"model_id": "m"}, None)
    attached = Endpoint("a", "sparse_embedding", service_settings={"deployment_id": "e"})
    assert endpoint_result(attached, RUNNING)["deployment"]["owned"] is False
    assert endpoint_result(attached, None)["deployment"] is None


@pytest.mark.parametrize(
    "name", ["api_key", "Access_Key", "secret-key", "client_secret", "my_api_key", "private_key", "password"]
)
def test_a_secret_that_a_server_shows_is_left_out(name: str) -> None:
    settings: Json = {"url": "u", name: "hidden", "headers": {name: "hidden", "a": "b"}, "list": [{name: "hidden"}, 1]}
    endpoint = Endpoint("e", "completion", "openai", settings, {name: {"x": "hidden"}}, {"strategy": "none"})
    shown = endpoint_result(endpoint, None)
    assert shown["service_settings"] == {"url": "u", "headers": {"a": "b"}, "list": [{}, 1]}
    assert (shown["task_settings"], shown["chunking_settings"]) == ({}, {"strategy": "none"})

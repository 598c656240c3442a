# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what the control port does to inference endpoints, and the secrets that it shows."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Api
from emulator_tests.endpoint_requests import put, shown

OPENAI: dict[str, Any] = {"service": "openai", "service_settings": {"api_key": "first", "model_id": "small"}}


def _secrets(api: Api) -> Any:
    return api.emulator.control("GET", "/secrets")


def test_endpoints_of_other_clients() -> None:
    api = Api()
    settings = {"model_id": "small", "api_key": "planted"}
    assert api.effect(
        "put_endpoint", inference_id="o", task_type="completion", service="openai", service_settings=settings
    ) == {"applied": True}
    assert shown(api, "o")["service_settings"] == {"model_id": "small"}
    assert _secrets(api) == {"o": {"api_key": "planted"}}
    in_cluster = {"num_allocations": 2, "num_threads": 1, "model_id": "m"}
    api.effect(
        "put_endpoint",
        inference_id="e",
        task_type="sparse_embedding",
        service="elasticsearch",
        service_settings=in_cluster,
    )
    assert shown(api)["service_settings"] == in_cluster
    assert api.emulator.control("GET", "/state")["deployments"] == {}
    api.effect("remove_endpoint", inference_id="e")
    assert api.send("GET", "/_inference/e").status == 404
    assert api.writes() == []


def test_an_effect_without_sense() -> None:
    api = Api()
    with pytest.raises(ValueError, match="service_settings must be an object"):
        api.effect("put_endpoint", inference_id="o", task_type="completion", service="openai", service_settings=[1])
    with pytest.raises(ValueError, match="remove_endpoint lacks or does not find 'o'"):
        api.effect("remove_endpoint", inference_id="o")


def test_secrets_of_create_and_update() -> None:
    api = Api()
    assert api.send("PUT", "/_inference/completion/o", OPENAI).status == 200
    assert _secrets(api) == {"o": {"api_key": "first"}}
    before = shown(api, "o")
    changed = {"service_settings": {"api_key": "second"}}
    assert api.send("PUT", "/_inference/completion/o/_update", changed).status == 200
    assert _secrets(api) == {"o": {"api_key": "second"}}
    assert [line["committed"] for line in api.writes()] == [True, True]
    assert shown(api, "o") == before
    assert "first" not in str(api.writes())
    assert "second" not in str(api.emulator.control("GET", "/state"))


@pytest.mark.parametrize("version", ["8.17.10", "9.5.3"])
def test_put_that_fails_after_the_endpoint_is_stored(version: str) -> None:
    api = Api(version, clock="eager")
    api.effect("fail_endpoint_start", status=503, reason="no")
    answer = put(api)
    assert (answer.status, answer.reason) == (503, "no")
    assert api.writes()[-1]["committed"] is True
    assert shown(api)["inference_id"] == "e"
    assert api.emulator.control("GET", "/state")["deployments"] == {}
    assert put(api, "f").status == 200


@pytest.mark.parametrize(("version", "forced"), [("8.17.10", 500), ("8.19.0", 200), ("9.0.1", 500), ("9.5.3", 200)])
def test_deployment_that_cannot_be_stopped(version: str, forced: int) -> None:
    """Test pull request 129090: force deletes the endpoint and leaves the deployment behind."""
    api = Api(version, clock="eager")
    put(api)
    api.effect("fail_endpoint_stop", inference_id="other")
    api.effect("fail_endpoint_stop", inference_id="e", times=2)
    answer = api.send("DELETE", "/_inference/e")
    assert (answer.status, answer.reason) == (500, "Failed to stop inference endpoint e")
    assert shown(api)["inference_id"] == "e"
    assert api.send("DELETE", "/_inference/e", None, force="true").status == forced
    assert api.send("GET", "/_inference/e").status == (404 if forced == 200 else 200)
    assert "e" in api.emulator.cluster.assignments


@pytest.mark.parametrize(("version", "status"), [("9.3.0", 200), ("9.4.0", 400)])
def test_services_that_refuse(version: str, status: int) -> None:
    """Test around-deployments.md 1.2: from 9.4 on an update asks the service, too."""
    api = Api(version)
    api.effect("fail_endpoint_service", status=400, reason="bad key")
    refused = api.send("PUT", "/_inference/completion/o", OPENAI)
    assert (refused.status, refused.reason) == (400, "bad key")
    assert api.send("GET", "/_inference/o").status == 404
    assert api.send("PUT", "/_inference/completion/o", OPENAI).status == 200
    api.effect("fail_endpoint_service", status=400, inference_id="o")
    update = {"service_settings": {"api_key": "second"}}
    assert api.send("PUT", "/_inference/completion/o/_update", update).status == status
    assert _secrets(api)["o"]["api_key"] == ("second" if status == 200 else "first")

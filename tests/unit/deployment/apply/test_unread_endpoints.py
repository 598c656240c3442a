# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test inference endpoints that may not be read: a task goes on, and says what may follow."""

from __future__ import annotations

import typing as t

import pytest

from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
UNREAD = "The user may not read inference endpoints (that needs the cluster privilege monitor_inference or monitor). "
REFUSED = UNREAD + "If an inference endpoint made deployment 'd', Elasticsearch refuses this update."
APART = UNREAD + (
    "If an inference endpoint made deployment 'd', that endpoint keeps its old settings, "
    "which then differ from those of the deployment."
)
THREE: Json = {"deployment_id": "d", "number_of_allocations": 3}
LOOKED_AT = ["warnings", "used_by", "changed", "operation", "api_calls"]


def owned(version: str) -> Emulator:
    """Create an endpoint with its deployment, and a user who may see the latter alone."""
    emulator = Emulator(version)
    settings = {"model_id": "m", "num_threads": 1, "num_allocations": 2}
    body = {"service": "elasticsearch", "service_settings": settings}
    call = {"method": "PUT", "path": "/_inference/sparse_embedding/d", "query": {}, "body": body}
    assert emulator.send(call) == 200
    emulator.settle()
    emulator.forget()
    emulator.allow("manage_ml")
    return emulator


def attached(version: str) -> Emulator:
    emulator = Emulator(version)
    emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=2)
    emulator.settle()
    emulator.forget()
    emulator.allow("manage_ml")
    return emulator


@pytest.mark.parametrize("version", ["8.16.0", "8.19.21", "9.1.10"])
def test_an_endpoint_that_would_be_left_behind_is_warned_of(version: str) -> None:
    with owned(version) as emulator:
        checked, real = (emulator.run(mode, **THREE) for mode in (True, False))
        assert not real.get("failed"), real.get("msg")
        assert [checked[key] for key in LOOKED_AT] == [real[key] for key in LOOKED_AT]
        assert (real["warnings"], real["used_by"], real["changed"]) == ([APART], None, True)
        again = emulator.run(**THREE)
        assert (again["warnings"], again["changed"]) == ([], False)


def test_a_server_that_minds_says_so_and_what_helps_is_named() -> None:
    with owned("9.5.3") as emulator:
        checked, real = (emulator.run(mode, **THREE) for mode in (True, False))
        assert checked["warnings"] == real["warnings"] == [REFUSED]
        assert real["changed"] is False
        assert real["msg"].endswith(
            "must be updated through the inference API. Set on_endpoint_owned to update_endpoint, which changes the "
            "endpoint, too: that needs the cluster privileges manage_inference, and monitor_inference or monitor."
        )


@pytest.mark.parametrize("version", ["8.16.0", "9.5.3"])
def test_who_may_only_manage_deployments_scales_them(version: str) -> None:
    with attached(version) as emulator:
        result = emulator.run(**THREE)
        assert not result.get("failed"), result.get("msg")
        assert result["warnings"] == [REFUSED if emulator.has(9, 2) else APART]


def test_serverless_refuses_it_itself() -> None:
    with Emulator("8.11.0", flavor="serverless") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d")
        emulator.settle()
        hidden = {"type": "answer", "status": 404, "headers": {}, "body": {"message": "no"}, "product": False}
        emulator.control("POST", "/faults", {"path": "/_inference/_all", "times": -1, "when": "before", "do": hidden})
        bounds = {"adaptive_allocations": {"max_number_of_allocations": 5}}
        assert emulator.run(True, deployment_id="d", **bounds)["warnings"] == [REFUSED]


def test_an_update_that_is_not_sent_after_all_is_not_warned_of() -> None:
    """Test that another client has made the update while it waited to be sent."""
    with attached("9.5.3") as emulator:
        emulator.effect("remove_deployment", deployment_id="d")
        emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=2)
        emulator.effect("hold", deployment_id="d")
        moved = {"do": "set_number", "deployment_id": "d", "number_of_allocations": 3}
        emulator.fault("stats", {"type": "effect", "effect": {"do": "release", "deployment_id": "d"}}, after=1)
        emulator.fault("stats", {"type": "effect", "effect": moved}, after=2)
        result = emulator.run(**THREE)
        assert not result.get("failed"), result.get("msg")
        assert (result["changed"], result["warnings"]) == (False, [])


def test_an_update_that_is_sent_later_is_still_warned_of() -> None:
    with attached("9.5.3") as emulator:
        emulator.effect("remove_deployment", deployment_id="d")
        emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=2)
        emulator.effect("hold", deployment_id="d")
        emulator.fault("stats", {"type": "effect", "effect": {"do": "release", "deployment_id": "d"}}, after=1)
        result = emulator.run(**THREE)
        assert not result.get("failed"), result.get("msg")
        assert (result["changed"], result["warnings"]) == (True, [REFUSED])


def test_what_no_endpoint_can_have_made_needs_no_warning() -> None:
    for version, deployment_id in (("9.5.3", "m"), ("8.9.2", "d")):
        with Emulator(version) as emulator:
            emulator.effect("start_deployment", model_id="m", deployment_id=deployment_id)
            emulator.settle()
            emulator.allow("manage_ml")
            result = emulator.run(deployment_id=deployment_id, number_of_allocations=3)
            assert (result["changed"], result["warnings"]) == (True, [])


def test_a_lost_deployment_that_an_endpoint_may_have_made() -> None:
    said = "the task needs the cluster privilege monitor_inference or monitor to see that"
    with owned("9.5.3") as emulator:
        emulator.effect("remove_deployment", deployment_id="d")
        checked, real = (emulator.run(mode, deployment_id="d") for mode in (True, False))
        assert checked["msg"] == real["msg"]
        assert "the cluster has no trained model 'd'" in real["msg"]
        assert said in real["msg"]
        assert said not in emulator.run(deployment_id="d", model_id="none")["msg"]
        emulator.allow("manage_ml", "monitor")
        assert not emulator.run(deployment_id="d").get("failed")
        assert said not in emulator.run(deployment_id="e")["msg"]

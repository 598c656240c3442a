# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test a deployment that is stopped while its inference endpoint lives: it starts again as the endpoint says."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
BOUNDS: Json = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
COUNT: Json = {"num_allocations": 2}
STEPS = ["stopping", "gone"]


def going(step: str, scaled: Json, privileges: tuple[str, ...] = ("manage_ml", "monitor")) -> Emulator:
    """Create an endpoint with two threads, and stop its deployment by force, as another client."""
    emulator = Emulator("9.5.3")
    settings = {"model_id": "m", "num_threads": 2, **scaled}
    body = {"service": "elasticsearch", "service_settings": settings}
    call = {"method": "PUT", "path": "/_inference/sparse_embedding/d", "query": {}, "body": body}
    assert emulator.send(call) == 200
    emulator.settle()
    if step == "gone":
        emulator.effect("remove_deployment", deployment_id="d")
    else:
        emulator.effect("stop_deployment", deployment_id="d", force=True)
    emulator.forget()
    emulator.allow(*privileges)
    return emulator


@pytest.mark.parametrize("step", STEPS)
def test_it_is_started_with_what_the_endpoint_says(step: str) -> None:
    for scaled in (COUNT, {"adaptive_allocations": BOUNDS}):
        with going(step, scaled) as emulator:
            checked, real = (emulator.run(mode, deployment_id="d") for mode in (True, False))
            assert not real.get("failed"), real.get("msg")
            keys = ("operation", "api_calls", "after", "used_by", "warnings")
            assert [checked[key] for key in keys] == [real[key] for key in keys]
            found = real["deployment"]
            assert (real["operation"], found["model_id"], found["threads_per_allocation"]) == ("start", "m", 2)
            if scaled is COUNT:
                assert found["number_of_allocations"] == 2
            else:
                assert found["adaptive_allocations"] == BOUNDS


@pytest.mark.parametrize("step", STEPS)
def test_what_the_task_names_counts(step: str) -> None:
    with going(step, COUNT) as emulator:
        found = emulator.run(deployment_id="d", threads_per_allocation=1)["deployment"]
        assert (found["threads_per_allocation"], found["number_of_allocations"]) == (1, 2)
    with going(step, COUNT) as emulator:
        found = emulator.run(deployment_id="d", model_id="m")["deployment"]
        assert (found["threads_per_allocation"], found["number_of_allocations"]) == (2, 2)


def test_a_restart_goes_on_with_what_ran() -> None:
    """Test that a setting the task does not name stays, whatever the endpoint has."""
    with going("stopping", COUNT) as emulator:
        result = emulator.run(deployment_id="d", state="restarted")
        found = result["deployment"]
        assert (found["threads_per_allocation"], found["number_of_allocations"]) == (2, 2)


def test_without_an_endpoint_it_is_started_as_the_task_says() -> None:
    with Emulator("9.5.3") as emulator:
        for deployment_id in ("d", "m"):
            emulator.effect("start_deployment", model_id="m", deployment_id=deployment_id, number_of_allocations=2)
        emulator.settle()
        for deployment_id in ("d", "m"):
            emulator.effect("stop_deployment", deployment_id=deployment_id, force=True)
            found = emulator.run(deployment_id=deployment_id)["deployment"]
            assert (found["model_id"], found["number_of_allocations"]) == ("m", 1)
        asked = [each["path"] for each in emulator.control("GET", "/requests")]
        assert asked.count("/_inference/_all") == 1  # no endpoint has the id of a model


def test_where_endpoints_may_not_be_read_it_is_started_as_the_task_says() -> None:
    with going("stopping", COUNT, ("manage_ml",)) as emulator:
        found = emulator.run(deployment_id="d")["deployment"]
        assert (found["model_id"], found["number_of_allocations"]) == ("m", 1)


@pytest.mark.parametrize("outdated", [False, True])
def test_a_recovery_file_comes_first_unless_it_is_of_an_earlier_one(outdated: bool, tmp_path: pathlib.Path) -> None:
    file = str(tmp_path / "d.json")
    with going("gone", COUNT) as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=3)
        emulator.settle()
        with emulator.kill(survived=0, what="_start"):
            emulator.run(deployment_id="d", state="restarted", recovery_file=file, on_referenced="force")
        emulator.settle()
        if outdated:
            emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
            emulator.settle()
            emulator.effect("stop_deployment", deployment_id="d", force=True)
        found = emulator.run(deployment_id="d", recovery_file=file)["deployment"]
        expected = (1, 2) if outdated else (3, 1)  # an endpoint shows the count that runs, but threads of its own
        assert (found["number_of_allocations"], found["threads_per_allocation"]) == expected

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment that is being stopped while its inference endpoint lives: it comes back as the endpoint says."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from support.double import Double

Json = dict[str, t.Any]
BOUNDS: Json = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
COUNT: Json = {"num_allocations": 2}
STEPS = ["stopping", "gone"]


def going(step: str, scaled: Json, privileges: tuple[str, ...] = ("manage_ml", "monitor")) -> Double:
    """An endpoint with two threads, whose deployment somebody stops by force."""
    double = Double("9.5.3")
    settings = {"model_id": "m", "num_threads": 2, **scaled}
    body = {"service": "elasticsearch", "service_settings": settings}
    call = {"method": "PUT", "path": "/_inference/sparse_embedding/d", "query": {}, "body": body}
    assert double.send(call) == 200
    double.settle()
    if step == "gone":
        double.effect("remove_deployment", deployment_id="d")
    else:
        double.effect("stop_deployment", deployment_id="d", force=True)
    double.forget()
    double.allow(*privileges)
    return double


@pytest.mark.parametrize("step", STEPS)
def test_it_is_started_with_what_the_endpoint_says(step: str) -> None:
    for scaled in (COUNT, {"adaptive_allocations": BOUNDS}):
        with going(step, scaled) as double:
            checked, real = (double.run(mode, deployment_id="d") for mode in (True, False))
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
    with going(step, COUNT) as double:
        found = double.run(deployment_id="d", threads_per_allocation=1)["deployment"]
        assert (found["threads_per_allocation"], found["number_of_allocations"]) == (1, 2)
    with going(step, COUNT) as double:
        found = double.run(deployment_id="d", model_id="m")["deployment"]
        assert (found["threads_per_allocation"], found["number_of_allocations"]) == (1, 1)


def test_a_restart_goes_on_with_what_ran() -> None:
    """It names what is not to change by not naming it, whatever the endpoint has."""
    with going("stopping", COUNT) as double:
        result = double.run(deployment_id="d", state="restarted")
        found = result["deployment"]
        assert (found["threads_per_allocation"], found["number_of_allocations"]) == (2, 2)


def test_without_an_endpoint_it_is_started_as_the_task_says() -> None:
    with Double("9.5.3") as double:
        for deployment_id in ("d", "m"):
            double.effect("start_deployment", model_id="m", deployment_id=deployment_id, number_of_allocations=2)
        double.settle()
        for deployment_id in ("d", "m"):
            double.effect("stop_deployment", deployment_id=deployment_id, force=True)
            found = double.run(deployment_id=deployment_id)["deployment"]
            assert (found["model_id"], found["number_of_allocations"]) == ("m", 1)
        asked = [each["path"] for each in double.control("GET", "/requests")]
        assert asked.count("/_inference/_all") == 1  # no endpoint has the id of a model


def test_where_endpoints_may_not_be_read_it_is_started_as_the_task_says() -> None:
    with going("stopping", COUNT, ("manage_ml",)) as double:
        found = double.run(deployment_id="d")["deployment"]
        assert (found["model_id"], found["number_of_allocations"]) == ("m", 1)


@pytest.mark.parametrize("outdated", [False, True])
def test_a_recovery_file_comes_first_unless_it_is_of_an_earlier_one(outdated: bool, tmp_path: pathlib.Path) -> None:
    file = str(tmp_path / "d.json")
    with going("gone", COUNT) as double:
        double.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=3)
        double.settle()
        with double.kill(survived=0, what="_start"):
            double.run(deployment_id="d", state="restarted", recovery_file=file, on_referenced="force")
        double.settle()
        if outdated:
            double.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=1)
            double.settle()
            double.effect("stop_deployment", deployment_id="d", force=True)
        found = double.run(deployment_id="d", recovery_file=file)["deployment"]
        expected = (1, 2) if outdated else (3, 1)  # an endpoint shows the count that runs, but threads of its own
        assert (found["number_of_allocations"], found["threads_per_allocation"]) == expected

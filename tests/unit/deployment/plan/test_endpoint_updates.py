# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the two updates of an endpoint that leave adaptive allocations: what may happen to each, and between them."""

from __future__ import annotations

import json
import typing as t

import pytest

from emulator.inprocess import ConnectionDropped
from support.emulated_cluster import Answer, Emulator
from support.scenario_helpers import Forward, between, meanwhile

Json = dict[str, t.Any]
BOUNDS: Json = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
TWO: list[Json] = [{"adaptive_allocations": {"enabled": False}}, {"num_allocations": 3}]
LEAVE: Json = {
    "deployment_id": "ep",
    "number_of_allocations": 3,
    "on_adaptive": "override",
    "on_endpoint_owned": "update_endpoint",
}
PRODUCT = [("content-type", "application/json"), ("X-elastic-product", "Elasticsearch")]
UPDATE = "/_inference/sparse_embedding/ep/_update"


@pytest.fixture(params=["9.2.8", "9.5.3"])
def adaptive(request: pytest.FixtureRequest) -> t.Iterator[Emulator]:
    """Give an endpoint ``ep``, whose deployment has adaptive allocations and runs two."""
    with Emulator(request.param) as emulator:
        settings = {"model_id": "m", "num_threads": 1, "adaptive_allocations": BOUNDS}
        body = {"service": "elasticsearch", "service_settings": settings}
        emulator.send({"method": "PUT", "path": "/_inference/sparse_embedding/ep", "query": {}, "body": body})
        emulator.effect("set_number", deployment_id="ep", number_of_allocations=2)
        emulator.settle()
        emulator.forget()
        yield emulator


def sent(emulator: Emulator) -> list[Json]:
    """Return the settings in each update of an endpoint that arrived."""
    return [entry["body"]["service_settings"] for entry in emulator.journal()]


def state(emulator: Emulator) -> tuple[bool, int]:
    """Return whether adaptive allocations are enabled, and the number of allocations."""
    found = emulator.deployments()["ep"]
    return found["adaptive_allocations"]["enabled"], found["task_parameters"]["number_of_allocations"]


def test_one_setting_is_sent_at_a_time_and_checked(adaptive: Emulator) -> None:
    checked = adaptive.run(True, **LEAVE)
    assert adaptive.journal() == []
    result = adaptive.run(**LEAVE)
    assert [call["body"]["service_settings"] for call in result["api_calls"]] == sent(adaptive) == TWO
    for key in ("api_calls", "diff", "changed", "operation"):
        assert checked[key] == result[key]
    paths = [each["path"].rpartition("/")[2] for each in adaptive.control("GET", "/requests")]
    assert "_stats" in paths[paths.index("_update") :][: paths[paths.index("_update") + 1 :].index("_update") + 1]
    assert state(adaptive) == (False, 3)


@pytest.mark.parametrize("present", [2, 3])
def test_a_run_that_is_killed_between_is_gone_on_with(adaptive: Emulator, present: int) -> None:
    adaptive.effect("set_number", deployment_id="ep", number_of_allocations=present)
    with adaptive.kill(what=UPDATE, sent=True):
        adaptive.run(**LEAVE)
    assert state(adaptive) == (False, present)
    result = adaptive.run(**LEAVE)
    assert not result.get("failed"), result.get("msg")
    assert sent(adaptive) == TWO[: 2 if present == 2 else 1]
    assert state(adaptive) == (False, 3)
    assert adaptive.run(**LEAVE)["changed"] is False


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("applied", [True, False])
def test_an_update_whose_answer_is_lost_is_sent_again_only_if_it_took_no_effect(
    adaptive: Emulator, nth: int, applied: bool
) -> None:
    seen: list[str] = []

    def act(path: str, forward: Forward) -> Answer:
        seen.extend([path] if path == UPDATE else [])
        if path == UPDATE and len(seen) == nth:
            if applied:
                forward()
            raise ConnectionDropped
        return forward()

    between(adaptive, act)
    result = adaptive.run(**LEAVE)
    assert not result.get("failed"), result.get("msg")
    assert sent(adaptive) == TWO
    assert state(adaptive) == (False, 3)
    assert adaptive.run(**LEAVE)["changed"] is False


def refuse_second(emulator: Emulator) -> None:
    """Let Elasticsearch have no room for the number."""
    seen: list[str] = []
    error = {"type": "status_exception", "reason": "planted"}
    no_room = 429, PRODUCT, json.dumps({"error": error, "status": 429}).encode()

    def act(path: str, forward: Forward) -> Answer:
        seen.extend([path] if path == UPDATE else [])
        return no_room if path == UPDATE and len(seen) == 2 else forward()

    between(emulator, act)


def test_a_refused_number_leaves_a_warning_and_the_next_run_goes_on(adaptive: Emulator) -> None:
    refuse_second(adaptive)
    result = adaptive.run(**LEAVE)
    assert (result["failure"], result["changed"]) == ({"code": "no_capacity"}, True)
    assert result["warnings"] == [
        "The adaptive allocations of deployment 'ep' were changed, its number of allocations was not: it is 2. Run the "
        "task again to set it."
    ]
    assert state(adaptive) == (False, 2)
    assert not adaptive.run(**LEAVE).get("failed")
    assert state(adaptive) == (False, 3)


def test_a_refused_number_is_rolled_back(adaptive: Emulator) -> None:
    refuse_second(adaptive)
    result = adaptive.run(**LEAVE, on_unsatisfied="rollback")
    assert "It was rolled back to its previous state." in result["msg"]
    assert result["warnings"] == []
    assert sent(adaptive) == [TWO[0], {"adaptive_allocations": BOUNDS}]
    assert state(adaptive) == (True, 2)


@pytest.mark.parametrize("version", ["9.2.8", "9.5.3"])
def test_a_number_comes_back_in_two_updates(version: str) -> None:
    """Test the rollback of adaptive allocations: they are turned off first."""
    with Emulator(version) as emulator:
        settings = {"model_id": "m", "num_threads": 1, "num_allocations": 2}
        body = {"service": "elasticsearch", "service_settings": settings}
        emulator.send({"method": "PUT", "path": "/_inference/sparse_embedding/ep", "query": {}, "body": body})
        emulator.settle()
        emulator.forget()
        four = {"deployment_id": "ep", "number_of_allocations": 4}
        meanwhile(emulator, UPDATE, lambda: emulator.effect("hold", deployment_id="ep"))
        meanwhile(emulator, UPDATE, lambda: emulator.effect("set_number", **four), after=True)
        result = emulator.run(
            deployment_id="ep",
            adaptive_allocations=BOUNDS,
            on_endpoint_owned="update_endpoint",
            on_unsatisfied="rollback",
            wait_timeout=6,
        )
        assert "It was rolled back to its previous state." in result["msg"]
        assert [list(each) for each in sent(emulator)] == [["adaptive_allocations"]] * 2 + [["num_allocations"]]
        assert state(emulator) == (False, 2)


@pytest.mark.parametrize(
    ("code", "more"),
    [("conflict", {}), ("rollback_failed", {"on_unsatisfied": "rollback"}), ("conflict", {"wait": False})],
)
def test_another_client_between_the_updates_is_noticed(adaptive: Emulator, code: str, more: Json) -> None:
    def enable() -> None:
        body = {"service_settings": {"adaptive_allocations": {**BOUNDS, "max_number_of_allocations": 5}}}
        adaptive.send({"method": "PUT", "path": UPDATE, "query": {}, "body": body})

    meanwhile(adaptive, UPDATE, enable, after=True)
    result = adaptive.run(**LEAVE, **more)
    assert result["failure"] == {"code": code}, result["msg"]
    assert state(adaptive) == (True, 2)


def test_a_deployment_that_vanishes_between_the_updates_is_noticed(adaptive: Emulator) -> None:
    meanwhile(adaptive, UPDATE, lambda: adaptive.effect("remove_deployment", deployment_id="ep"), after=True)
    result = adaptive.run(**LEAVE)
    assert (result["failure"], len(adaptive.journal())) == ({"code": "conflict"}, 1)
    assert "Deployment 'ep' was stopped by another client meanwhile." in result["msg"]


def test_a_guard_holds_between_the_updates(adaptive: Emulator) -> None:
    number = {"deployment_id": "ep", "number_of_allocations": 1}
    meanwhile(adaptive, UPDATE, lambda: adaptive.effect("set_number", **number), after=True)
    result = adaptive.run(**LEAVE, guard={"max_step": 1})
    assert result["failure"] == {"code": "guard_violated"}
    assert "would go from 1 to 3, and a step of 2 is above max_step 1." in result["msg"]
    assert state(adaptive) == (False, 1)


def test_a_number_that_has_to_wait_is_checked_again(adaptive: Emulator) -> None:
    """Test a list whose other item frees the capacity for the number first."""
    adaptive.effect("start_deployment", model_id="m", deployment_id="big", number_of_allocations=4)
    adaptive.settle()
    stop = {"deployment_id": "big", "state": "stopped"}
    result = adaptive.run_many([LEAVE, stop])
    assert not result.get("failed"), result.get("msg")
    assert state(adaptive) == (False, 3)
    assert [entry["path"] for entry in adaptive.journal()].count(UPDATE) == 2

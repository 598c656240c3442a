# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the complaints of update and stop, in order, and no-ops (server-behaviour.md 3.2 to 3.4)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.inprocess import ConnectionDropped
from emulator_tests.api import Api

ADAPTIVE = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
WITH_ADAPTIVE = "Validation Failed: 1: [number_of_allocations] cannot be set if adaptive allocations is enabled;"
NOT_STARTED = "cannot update deployment that is not in [started] state"


def grown(api: Api, name: str = "m") -> None:
    """Start an adaptive deployment."""
    assert api.start(deployment_id=name, body={"adaptive_allocations": ADAPTIVE}).status == 200
    api.settle()


# --- update ---


def test_rows_of_an_update_in_order() -> None:
    """Test server-behaviour.md 3.2 row 1 to 3.2 row 12: each step takes away what was complained of."""
    api = Api()
    steps: list[tuple[dict[str, Any], int, str]] = [
        ({"model_id": "x", "number_of_allocations": 0}, 400, "status_exception"),
        ({"number_of_allocations": 0}, 400, "action_request_validation_exception"),
        (
            {"number_of_allocations": 1, "adaptive_allocations": {"enabled": True}},
            400,
            "action_request_validation_exception",
        ),
        ({"adaptive_allocations": {"max_number_of_allocations": 0}}, 400, "action_request_validation_exception"),
        ({"number_of_allocations": 99}, 404, "resource_not_found_exception"),
    ]
    for body, status, kind in steps:
        answer = api.update(**body)
        assert (answer.status, answer.type) == (status, kind), body
    api.start(body={"adaptive_allocations": ADAPTIVE})
    assert api.update(number_of_allocations=99).type == "validation_exception"
    crossed = {"min_number_of_allocations": 9, "enabled": False}
    merged = api.update(number_of_allocations=99, adaptive_allocations=crossed)
    assert merged.type == "action_request_validation_exception"
    assert api.update(adaptive_allocations=ADAPTIVE).status == 200
    assert api.update(number_of_allocations=99, adaptive_allocations=None).status == 409
    api.settle()
    assert api.update(number_of_allocations=99, adaptive_allocations=None).status == 429


def test_update_of_nothing() -> None:
    """Test server-behaviour.md 3.2 row 6."""
    answer = Api().update("none", number_of_allocations=2)
    assert (answer.status, answer.type) == (404, "resource_not_found_exception")
    assert answer.reason == "No known model deployment with id [none]"


@pytest.mark.parametrize("number", [1, 2])
def test_number_of_an_adaptive_deployment(number: int) -> None:
    """Test server-behaviour.md 3.2 row 7.

    Refused even if it is the same; another type than that of the request's own validation.
    """
    api = Api()
    grown(api)
    answer = api.update(number_of_allocations=number)
    assert (answer.status, answer.type, answer.reason) == (400, "validation_exception", WITH_ADAPTIVE)


def test_no_op_comes_before_the_state() -> None:
    """Test server-behaviour.md 3.2 row 9, 3.2 row 10 and 3.4.

    Nothing that differs is fine in any state, everything else is not.
    """
    api = Api()
    api.start(number_of_allocations=2)
    assert api.update(number_of_allocations=2).status == 200
    refused = api.update(number_of_allocations=3)
    assert (refused.status, refused.type, refused.reason) == (409, "status_exception", NOT_STARTED)
    api.settle()
    api.effect("stop_deployment", deployment_id="m")
    assert api.update(number_of_allocations=2).status == 200
    assert api.update(number_of_allocations=3).reason == NOT_STARTED


@pytest.mark.parametrize("choice", ["by_version", "refuse", "accept"])
@pytest.mark.parametrize(
    ("version", "refused"),
    [("8.18.8", False), ("8.19.0", False), ("8.19.14", True), ("9.1.10", False), ("9.5.3", True)],
)
def test_low_priority(choice: str, version: str, refused: bool) -> None:
    """Test server-behaviour.md 3.2 row 8b.

    Since the patches of January 2026, and not by the request's own validation.
    """
    api = Api(version)
    api.emulator.control("POST", "/unknowns", {"low_priority_update": choice})
    assert api.update("none", number_of_allocations=2).status == 404
    api.started(priority="low")
    status = 400 if choice == "refuse" or (choice == "by_version" and refused) else 200
    assert api.update(number_of_allocations=2).status == status


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"number_of_allocations": 2}, "number_of_allocations"),
        ({"adaptive_allocations": {"enabled": False, "max_number_of_allocations": 2}}, "max_number_of_allocations"),
    ],
)
def test_form_of_that_refusal(body: dict[str, Any], name: str, started: bool) -> None:
    """Test server-behaviour.md 3.2 row 8b: before the state is looked at; nothing changes."""
    api = Api()
    api.start(priority="low")
    if started:
        api.settle()
    before = api.state_version
    answer = api.update(**body)
    assert (answer.status, answer.type, api.state_version) == (400, "validation_exception", before)
    assert answer.reason == f"Validation Failed: 1: [{name}] must be 1 when [priority] is low;"


def test_increase_without_room() -> None:
    """Test server-behaviour.md 3.2 row 12."""
    api = Api()
    api.started()
    answer = api.update(number_of_allocations=9)
    assert (answer.status, answer.type) == (429, "status_exception")
    assert answer.reason == (
        "Could not update deployment because there are not enough resources to provide all requested allocations"
    )


@pytest.mark.parametrize(
    ("given", "differs"),
    [
        ({"number_of_allocations": 1}, False),
        ({"adaptive_allocations": {**ADAPTIVE, "enabled": False}}, False),
        ({"number_of_allocations": 1, "adaptive_allocations": {**ADAPTIVE, "enabled": False}}, False),
        ({}, False),
        ({"number_of_allocations": 2}, True),
        ({"adaptive_allocations": {"enabled": False}}, True),
        ({"adaptive_allocations": None}, True),
        ({"adaptive_allocations": {}}, True),
    ],
)
def test_what_differs(given: dict[str, Any], differs: bool) -> None:
    """Test server-behaviour.md 3.2.

    Settings are compared as given, before they are merged. Only what differs needs a started state.
    """
    api = Api()
    api.start(body={"adaptive_allocations": {**ADAPTIVE, "enabled": False}})
    before = api.state_version
    assert api.update(**given).status == (409 if differs else 200)
    assert api.state_version == before


def test_merge_that_changes_nothing_is_not_published() -> None:
    """Test server-behaviour.md 3.2: but it needs a started deployment."""
    api = Api()
    grown(api)
    before = api.state_version
    assert api.update(adaptive_allocations={"enabled": True}).status == 200
    assert api.state_version == before


# --- stop ---


def test_stop_of_an_unknown_id() -> None:
    """Test server-behaviour.md 3.3."""
    api = Api(clock="eager")
    assert api.stop("none").body == {"stopped": True}
    answer = api.stop("none", allow_no_match="false")
    assert (answer.status, answer.type) == (404, "resource_not_found_exception")
    assert answer.reason == "No known model deployment with id [none]"


@pytest.mark.parametrize(("version", "subject"), [("8.7.1", "deployment for model [m]"), ("8.8.0", "deployment [m]")])
def test_stop_of_what_a_pipeline_uses(version: str, subject: str) -> None:
    """Test server-behaviour.md 3.3: with the wording of before 8.8; force skips the check."""
    api = Api(version, clock="eager")
    api.start()
    api.effect("put_pipeline_reference", pipeline="p", model_id="m")
    answer = api.stop()
    assert (answer.status, answer.type) == (409, "status_exception")
    assert answer.reason == (
        f"Cannot stop {subject} as it is referenced by ingest processors; use force to stop the deployment"
    )
    assert api.stop(force="true").body == {"stopped": True}


def test_stop_of_what_a_pipeline_uses_by_alias() -> None:
    """Test server-behaviour.md 3.3."""
    api = Api(clock="eager")
    api.send("PUT", "/_ml/trained_models/m/model_aliases/nick")
    api.started()
    api.effect("put_pipeline_reference", pipeline="p", model_id="nick")
    answer = api.stop()
    assert answer.status == 409
    assert answer.reason == (
        "Cannot stop deployment [m] as it has a model_alias [nick] that is still referenced by ingest processors; "
        "use force to stop the deployment"
    )
    assert api.stop(force="true").status == 200


def test_other_id_in_the_body_of_a_stop() -> None:
    """Test server-behaviour.md 3.3: of another type than in start and update."""
    answer = Api().send("POST", "/_ml/trained_models/m/deployment/_stop", {"model_id": "x"})
    assert (answer.status, answer.type) == (400, "illegal_argument_exception")
    assert answer.reason.startswith("Inconsistent model_id; 'x'")


def test_stop_twice() -> None:
    """Test server-behaviour.md 3.3: a stop of what is stopping is fine."""
    api = Api()
    api.started()
    with pytest.raises(ConnectionDropped):
        api.stop()
    before = api.state_version
    with pytest.raises(ConnectionDropped):
        api.stop()
    assert api.state_version == before


def test_node_lost_while_stopping() -> None:
    """Test server-behaviour.md 3.3: the stop goes on without it."""
    api = Api()
    api.started(number=6)
    api.effect("stop_deployment", deployment_id="m")
    api.tick()
    api.effect("remove_node", node_id="n1")
    api.settle()
    assert api.emulator.control("GET", "/state")["deployments"] == {}


# --- no-ops ---


def test_same_value_is_audited() -> None:
    """Test server-behaviour.md 3.4.

    No new cluster state and no new plan, but a line for it; a settings-only update shows null.
    """
    api = Api()
    api.started(number=2)
    before = api.state_version
    assert api.update(number_of_allocations=2).assignment == api.assignment()
    assert api.state_version == before
    assert api.audit()[-1] == "Updated number_of_allocations to [2]"
    api.update(adaptive_allocations={"enabled": False})
    assert api.audit()[-1] == "Updated number_of_allocations to [null]"


def test_repeated_start_is_never_a_no_op() -> None:
    """Test server-behaviour.md 3.4."""
    api = Api()
    assert [api.start(number_of_allocations=2).status for _time in range(2)] == [200, 400]


def test_last_writer_wins() -> None:
    """Test server-behaviour.md 3.4: neither of two clients sees a conflict."""
    api = Api()
    api.started()
    api.fault(
        "update", {"type": "effect", "effect": {"do": "set_number", "deployment_id": "m", "number_of_allocations": 5}}
    )
    assert api.update(number_of_allocations=3).status == 200
    assert api.assignment()["task_parameters"]["number_of_allocations"] == 3


@pytest.mark.parametrize(("operation", "status"), [("start", 403), ("update", 200), ("stop", 200)])
def test_licence_and_upgrade(operation: str, status: int) -> None:
    """Test server-behaviour.md 3.4: only a start looks at the licence, and at the versions of the nodes."""
    for name, value in (("license", "basic"), ("mixed_versions", True)):
        api = Api(clock="eager")
        api.started()
        api.effect("set_setting", name=name, value=value)
        answers = {
            "start": lambda api=api: api.start("other"),
            "update": lambda api=api: api.update(number_of_allocations=2),
            "stop": lambda api=api: api.stop(),
        }
        assert answers[operation]().status == status

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test updates: order of checks, no-ops, both directions, settings (server-behaviour.md 3.2, 3.4, 4.3 to 4.5)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_tests.api import Api, with_memory_for_one

ADAPTIVE = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
NOT_STARTED = "cannot update deployment that is not in [started] state"


# --- growing and shrinking ---


def test_increase_over_two_nodes_takes_the_documented_steps() -> None:
    """Test server-behaviour.md 4.3 and 4.1: the old node shrinks only after the new one has started."""
    api = with_memory_for_one()
    api.started(number=4)
    answer = api.update(number_of_allocations=5)
    assert answer.assignment["routing_table"] == {
        "n1": {"current_allocations": 4, "target_allocations": 1, "routing_state": "started", "reason": ""},
        "n2": {"current_allocations": 4, "target_allocations": 4, "routing_state": "starting", "reason": ""},
    }
    assert answer.assignment["assignment_state"] == "started"
    seen = [api.deployment_stats()["allocation_status"]["allocation_count"]]
    while api.tick():
        seen.append(api.deployment_stats()["allocation_status"]["allocation_count"])
    assert seen == [4, 8, 5]
    assert api.assignment()["max_assigned_allocations"] == 8


def test_increase_on_one_node_keeps_current_until_the_node_follows() -> None:
    """Test server-behaviour.md 4.3."""
    api = Api()
    api.started(number=1)
    route = api.update(number_of_allocations=4).assignment["routing_table"]["n1"]
    assert (route["current_allocations"], route["target_allocations"]) == (1, 4)
    assert api.deployment_stats()["allocation_status"] == {
        "allocation_count": 1,
        "target_allocation_count": 4,
        "state": "started",
    }
    api.tick()
    assert api.counts() == {"n1": 4}


def test_increase_that_does_not_fit_changes_nothing() -> None:
    """Test server-behaviour.md 3.2 and 4.3."""
    api = Api()
    api.started(number=2)
    before = (api.state_version, api.assignment())
    answer = api.update(number_of_allocations=9)
    assert (answer.status, answer.type) == (429, "status_exception")
    assert answer.reason == (
        "Could not update deployment because there are not enough resources to provide all requested allocations"
    )
    assert (api.state_version, api.assignment()) == before
    assert api.audit()[-1] == "Started deployment"


def test_increase_where_the_cluster_can_grow_is_placed_in_part() -> None:
    """Test server-behaviour.md 4.3."""
    api = Api()
    api.started(number=2)
    api.effect("set_setting", name="xpack.ml.max_ml_node_size", value="64gb")
    answer = api.update(number_of_allocations=9)
    assert answer.status == 200
    assert answer.assignment["task_parameters"]["number_of_allocations"] == 9
    assert sum(api.targets().values()) == 8
    assert "insufficient allocated processors" in answer.assignment["reason"]
    # The same number again is no new attempt.
    version = api.state_version
    api.emulator.cluster.nodes["n3"] = api.emulator.cluster.nodes["n1"]
    assert api.update(number_of_allocations=9).status == 200
    assert (api.state_version, sum(api.targets().values())) == (version, 8)


@pytest.mark.parametrize(
    ("number", "desired", "expected"),
    [(5, 4, [4]), (8, 5, [1, 4]), (8, 4, [4]), (8, 8, [4, 4])],
)
def test_decrease_drops_whole_nodes_or_takes_single_steps(number: int, desired: int, expected: list[int]) -> None:
    """Test server-behaviour.md 4.4, one zone."""
    api = Api()
    api.started(number=number)
    assert api.update(number_of_allocations=desired).status == 200
    assert sorted(api.targets().values()) == expected
    api.settle()
    assert api.counts() == api.targets()


def test_decrease_shows_more_than_the_target_until_nodes_follow() -> None:
    """Test server-behaviour.md 4.1 and 4.4."""
    api = Api()
    api.started(number=4)
    api.update(number_of_allocations=2)
    status = api.deployment_stats()["allocation_status"]
    assert status == {"allocation_count": 4, "target_allocation_count": 2, "state": "fully_allocated"}


def test_decrease_to_what_is_placed_only_changes_the_number() -> None:
    """Test server-behaviour.md 4.4."""
    api = Api()
    api.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=9)
    api.started(number=11)
    placed = api.targets()
    kept = api.update(number_of_allocations=9).assignment
    assert "reason" in kept
    exact = api.update(number_of_allocations=8).assignment
    assert "reason" not in exact
    assert api.targets() == placed


def test_decrease_frees_room_only_for_the_next_plan() -> None:
    api = Api(nodes={"n1": 4})
    api.started(number=4)
    api.update(number_of_allocations=1)
    assert api.start("other", deployment_id="b", number_of_allocations=3).status == 200


# --- order of checks ---


def test_missing_comes_after_validation() -> None:
    """Test server-behaviour.md 3.2."""
    api = Api()
    assert api.update("none", number_of_allocations=0).status == 400
    answer = api.update("none", number_of_allocations=1)
    assert (answer.status, answer.type) == (404, "resource_not_found_exception")
    assert answer.reason == "No known model deployment with id [none]"


def test_model_id_is_no_deployment_id() -> None:
    """Test server-behaviour.md 1.2."""
    api = Api()
    api.started("d", model_id="m")
    assert api.update("m", number_of_allocations=2).status == 404


def test_other_model_in_the_body() -> None:
    """Test server-behaviour.md 1.2 and 3.2."""
    api = Api()
    api.started("d")
    assert api.update("d", model_id="d", number_of_allocations=1).status == 200
    answer = api.update("d", model_id="other", number_of_allocations=1)
    assert (answer.status, answer.type) == (400, "status_exception")


def test_body_is_required() -> None:
    """Test server-behaviour.md 1.2."""
    answer = Api().send("POST", "/_ml/trained_models/m/deployment/_update")
    assert (answer.type, answer.reason) == ("parse_exception", "request body is required")


def test_number_while_adaptive() -> None:
    """Test server-behaviour.md 3.2. Even the same number is refused, and in a starting deployment too.

    The check precedes both.
    """
    api = Api()
    api.start(body={"adaptive_allocations": ADAPTIVE})
    answer = api.update(number_of_allocations=1)
    assert (answer.status, answer.type) == (400, "validation_exception")
    assert answer.reason == (
        "Validation Failed: 1: [number_of_allocations] cannot be set if adaptive allocations is enabled;"
    )


def test_merged_bounds_are_validated() -> None:
    """Test server-behaviour.md 3.2."""
    api = Api()
    api.start(body={"adaptive_allocations": ADAPTIVE})
    api.settle()
    answer = api.update(adaptive_allocations={"min_number_of_allocations": 5})
    assert answer.type == "action_request_validation_exception"
    assert "must not be larger than" in answer.reason


def test_not_started() -> None:
    """Test server-behaviour.md 3.2."""
    api = Api()
    api.start(number_of_allocations=2)
    answer = api.update(number_of_allocations=3)
    assert (answer.status, answer.reason) == (409, NOT_STARTED)


def test_number_and_enabled_in_one_body() -> None:
    """Test server-behaviour.md 3.2."""
    answer = Api().update(number_of_allocations=2, adaptive_allocations={"enabled": True})
    assert answer.type == "action_request_validation_exception"


def test_query_parameter_replaces_the_body() -> None:
    """Test server-behaviour.md 1.2."""
    api = Api()
    api.started()
    path = "/_ml/trained_models/m/deployment/_update"
    assert api.send("POST", path, None, number_of_allocations=2).status == 200
    both = api.send("POST", path, {"number_of_allocations": 3}, number_of_allocations=2)
    assert both.reason == f"request [POST {path}] does not support having a body"
    older = Api("8.14.3")
    older.started()
    assert "unrecognized parameter" in older.send("POST", path, {}, number_of_allocations=2).body["error"]["reason"]


def test_empty_body_by_version() -> None:
    """Test server-behaviour.md 1.2."""
    newer, older = Api("8.16.0"), Api("8.15.3")
    newer.started()
    older.started()
    assert newer.update().status == 200
    assert older.update().reason == "Validation Failed: 1: [number_of_allocations] must be a positive integer;"


def test_no_update_before_8_6() -> None:
    """Test server-behaviour.md 1.2."""
    api = Api("8.5.3")
    answer = api.update(number_of_allocations=2)
    assert answer.status == 400
    assert answer.body == {
        "error": "no handler found for uri [/_ml/trained_models/m/deployment/_update] and method [POST]"
    }


@pytest.mark.parametrize(
    ("version", "choice", "status"),
    [
        ("9.5.3", "by_version", 400),
        ("9.1.10", "by_version", 200),
        ("9.5.3", "accept", 200),
        ("9.1.10", "refuse", 400),
    ],
)
def test_low_priority_above_one(version: str, choice: str, status: int) -> None:
    """Test server-behaviour.md 3.2."""
    api = Api(version)
    api.emulator.control("POST", "/unknowns", {"low_priority_update": choice})
    api.started(priority="low")
    assert api.update(number_of_allocations=2).status == status


# --- no-ops ---


def test_same_number_writes_nothing_but_an_audit_line() -> None:
    """Test server-behaviour.md 2.4 and 3.4; it also succeeds in a deployment that has not started."""
    api = Api()
    api.start(number_of_allocations=2)
    before = api.state_version
    answer = api.update(number_of_allocations=2)
    assert answer.status == 200
    assert api.state_version == before
    assert not api.writes()[-1]["committed"]
    assert api.audit()[1:] == ["Started deployment", "Updated number_of_allocations to [2]"]


@pytest.mark.parametrize("given", [{"enabled": True}, None])
def test_partial_settings_and_null_are_never_no_ops(given: Any) -> None:
    """Test server-behaviour.md 3.2."""
    api = Api()
    stored = {**ADAPTIVE, "enabled": given is not None}
    api.start(body={"adaptive_allocations": stored})
    assert api.update(adaptive_allocations=given).reason == NOT_STARTED
    api.settle()
    assert api.update(adaptive_allocations=given).status == 200


def test_equal_settings_are_a_no_op() -> None:
    api = Api()
    api.start(body={"adaptive_allocations": ADAPTIVE})
    before = api.state_version
    assert api.update(adaptive_allocations=ADAPTIVE).status == 200
    assert api.state_version == before


def test_merge_that_ends_equal_publishes_nothing() -> None:
    """Test server-behaviour.md 3.2."""
    api = Api()
    api.start(body={"adaptive_allocations": ADAPTIVE})
    api.settle()
    before = api.state_version
    assert api.update(adaptive_allocations={"enabled": True}).assignment["adaptive_allocations"] == ADAPTIVE
    assert api.state_version == before
    assert api.audit()[-1] == "Updated number_of_allocations to [null]"


# --- adaptive settings ---


def test_settings_change_without_touching_the_number() -> None:
    """Test server-behaviour.md 4.5."""
    api = Api()
    api.started(number=2)
    answer = api.update(adaptive_allocations=ADAPTIVE)
    assert answer.assignment["adaptive_allocations"] == ADAPTIVE
    assert answer.assignment["task_parameters"]["number_of_allocations"] == 2
    assert api.targets() == {"n1": 2}


def test_leaving_adaptive_mode_and_setting_the_number_in_one_body() -> None:
    """Test server-behaviour.md 1.2."""
    api = Api()
    api.start(body={"adaptive_allocations": ADAPTIVE})
    api.settle()
    answer = api.update(adaptive_allocations={"enabled": False}, number_of_allocations=3)
    assert answer.assignment["adaptive_allocations"] == {**ADAPTIVE, "enabled": False}
    assert answer.assignment["task_parameters"]["number_of_allocations"] == 3


@pytest.mark.parametrize(
    ("master", "stored", "expected"),
    [
        (True, ADAPTIVE, None),
        (True, None, None),
        (False, ADAPTIVE, {"enabled": False}),
        (False, None, {"enabled": False, "min_number_of_allocations": -1, "max_number_of_allocations": -1}),
    ],
)
def test_reset_by_null(master: bool, stored: Any, expected: Any) -> None:
    """Test server-behaviour.md 7 item 5 and 10: away from the master the reset loses its identity."""
    api = Api()
    api.effect("set_setting", name="is_master_node", value=master)
    api.start(body={"adaptive_allocations": stored})
    api.settle()
    assert api.update(adaptive_allocations=None).assignment["adaptive_allocations"] == expected


def test_unset_bound_is_stored_as_given_the_first_time_and_cleared_later() -> None:
    """Test server-behaviour.md 10."""
    api = Api()
    api.started()
    first = api.update(adaptive_allocations={"enabled": True, "max_number_of_allocations": None})
    assert first.assignment["adaptive_allocations"] == {"enabled": True, "max_number_of_allocations": -1}
    second = api.update(adaptive_allocations={"max_number_of_allocations": None, "min_number_of_allocations": 1})
    assert second.assignment["adaptive_allocations"] == {"enabled": True, "min_number_of_allocations": 1}


# --- the scaler ---


def test_scaler_sets_zero_and_leaves_the_deployment_started() -> None:
    """Test server-behaviour.md 3.2."""
    api = Api()
    api.start(body={"adaptive_allocations": {"enabled": True}})
    api.settle()
    assert api.effect("set_number", deployment_id="m", number_of_allocations=0) == {"applied": True}
    zero = api.assignment()
    assert (zero["assignment_state"], zero["routing_table"]) == ("started", {})
    assert api.deployment_stats()["allocation_status"]["state"] == "fully_allocated"
    assert api.effect("set_number", deployment_id="m", number_of_allocations=2) == {"applied": True}
    api.settle()
    assert api.counts() == {"n1": 2}


def test_scaler_is_refused_for_lack_of_room() -> None:
    api = Api()
    api.start(body={"adaptive_allocations": {"enabled": True}})
    api.settle()
    refused = api.effect("set_number", deployment_id="m", number_of_allocations=99)
    assert refused["refused"]["status"] == 429

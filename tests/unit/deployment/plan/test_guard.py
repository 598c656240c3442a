# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test guards: what breaks them, what they say, and that nothing is sent then."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import deployment as options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import fleet as many
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.guard import max_total_step
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.decide import Situation, decide
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.guard import violation
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.desired import Desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.guard import Guard
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.adaptive import AdaptiveAllocations, AdaptivePatch
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment
from support.emulated_cluster import Emulator
from support.scenario_helpers import started

Json = dict[str, t.Any]
FOUR = Deployment("d", "m", number_of_allocations=4, threads_per_allocation=1, assignment_state="started")
SCALED = Deployment("d", "m", 4, AdaptiveAllocations(True, 1, 8), threads_per_allocation=1, assignment_state="started")
STOPPING = Deployment("d", "m", 4, threads_per_allocation=1, assignment_state="stopping")
UNTOLD = Deployment("d", "m", threads_per_allocation=1, assignment_state="failed")
REPLACE: Json = {"replace": "stop_start", "threads_per_allocation": 2}


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        yield made


# --- what breaks a guard ---

# The way 4 -> 6 and its neighbours: each part of the guard at its edge, on both sides.
EDGES = [
    (Guard(expected=4), 6, ""),
    (Guard(expected=3), 6, "number_of_allocations 3 was expected before"),
    (Guard(expected=6), 6, "number_of_allocations 6 was expected before"),
    (Guard(high=6), 6, ""),
    (Guard(high=5), 6, "6 is above max 5"),
    (Guard(low=6), 6, ""),
    (Guard(low=7), 6, "6 is below min 7"),
    (Guard(max_step=2), 6, ""),
    (Guard(max_step=1), 6, "a step of 2 is above max_step 1"),
    (Guard(max_step=2), 2, ""),
    (Guard(max_step=1), 2, "a step of 2 is above max_step 1"),
    (Guard(max_step=0), 5, "a step of 1 is above max_step 0"),
    (Guard(4, 1, 6, 2), 6, ""),
]


@pytest.mark.parametrize(("guard", "number", "said"), EDGES)
def test_each_part_at_its_edge(guard: Guard, number: int, said: str) -> None:
    desired = Desired("d", number_of_allocations=number, guard=guard)
    if not said:
        assert decide(desired, Situation(FOUR)).changed
        return
    with pytest.raises(Refusal) as caught:
        decide(desired, Situation(FOUR))
    assert str(caught.value) == (
        f"Deployment 'd' is guarded: number_of_allocations would go from 4 to {number}, and {said}. "
        "This deployment was not changed. Ask for a number that the guard allows, or change the guard."
    )


def test_all_that_is_broken_is_in_one_sentence() -> None:
    with pytest.raises(Refusal) as caught:
        decide(Desired("d", number_of_allocations=9, guard=Guard(3, 1, 8, 2)), Situation(FOUR))
    said = "number_of_allocations 3 was expected before; 9 is above max 8; a step of 5 is above max_step 2."
    assert f"would go from 4 to 9, and {said}" in str(caught.value)


BROKEN = Guard(expected=99, low=100, high=100, max_step=0)
"""No change passes it."""


@pytest.mark.parametrize(
    ("current", "desired"),
    [
        (FOUR, {}),
        (FOUR, {"number_of_allocations": 4}),
        (FOUR, {"initial_number_of_allocations": 9}),
        (FOUR, {"adaptive_allocations": AdaptivePatch(True, 1, 8)}),  # adaptive allocations own the number from then on
        (FOUR, REPLACE),  # it comes back with the number that it had
        (FOUR, {"state": "restarted"}),
        (SCALED, {"number_of_allocations": 9, "on_adaptive": "skip"}),
        (SCALED, {"number_of_allocations": 4, "on_adaptive": "override"}),
        (SCALED, {"adaptive_allocations": AdaptivePatch(enabled=False)}),
        (None, {"state": "stopped"}),
        (None, {"on_missing": "skip"}),
        (STOPPING, {"state": "stopped"}),
    ],
)
def test_what_leaves_the_number_is_not_guarded(current: Deployment | None, desired: Json) -> None:
    unguarded = decide(Desired("d", **desired), Situation(current))
    assert decide(Desired("d", guard=BROKEN, **desired), Situation(current)) == unguarded


@pytest.mark.parametrize(
    ("current", "desired", "way"),
    [
        (FOUR, {"number_of_allocations": 5}, "from 4 to 5"),
        (SCALED, {"number_of_allocations": 5, "on_adaptive": "override"}, "from 4 to 5"),
        (FOUR, {"state": "stopped"}, "from 4 to 0"),
        (SCALED, {"state": "stopped"}, "from 4 to 0"),
        (None, {"number_of_allocations": 5}, "from 0 to 5"),
        (None, {"initial_number_of_allocations": 5}, "from 0 to 5"),
        (None, {"adaptive_allocations": AdaptivePatch(True, 3, 8)}, "from 0 to 3"),
        (None, {}, "from 0 to 1"),
        (FOUR, {**REPLACE, "number_of_allocations": 2}, "from 4 to 2"),
        (FOUR, {"state": "restarted", "number_of_allocations": 2}, "from 4 to 2"),
        (
            SCALED,
            {"state": "restarted"},
            "from 4 to 1",
        ),  # with adaptive allocations a start begins with their lower bound
        (STOPPING, {"number_of_allocations": 2}, "from 0 to 2"),
        (STOPPING, {"state": "restarted"}, "from 0 to 4"),
        (UNTOLD, {"state": "restarted"}, "from an unknown number to 1"),
    ],
)
def test_what_changes_the_number_is_guarded(current: Deployment | None, desired: Json, way: str) -> None:
    with pytest.raises(Refusal, match=f"number_of_allocations would go {way}, and number_of_allocations 99 was exp"):
        decide(Desired("d", guard=BROKEN, **desired), Situation(current))


def test_a_step_from_an_unknown_number_is_too_long() -> None:
    assert violation(Guard(max_step=100), UNTOLD, FOUR).endswith(
        "how large that step is cannot be seen, and max_step is 100"
    )
    assert violation(Guard(low=1, high=8), UNTOLD, FOUR) == ""
    assert violation(Guard(max_step=0), FOUR, UNTOLD) == ""


def test_a_skip_leaves_everything_as_it_is_and_says_why() -> None:
    desired = Desired("d", number_of_allocations=9, guard=Guard(high=8, on_violation="skip"), **REPLACE)
    plan = decide(desired, Situation(FOUR))
    assert (plan.changed, plan.operation, plan.before, plan.after) == (False, "none", FOUR, FOUR)
    assert plan.skipped_because == (
        "guard.on_violation is skip: number_of_allocations would go from 4 to 9, and 9 is above max 8"
    )


# --- what may be said of them ---


@pytest.mark.parametrize(
    ("guard", "said"),
    [
        ({"min": 3, "max": 2}, "guard.min 3 is above guard.max 2"),
        ({"min": -1}, "guard.min must be 0 or more, not -1"),
        ({"max": -1}, "guard.max must be 0 or more, not -1"),
        ({"max_step": -1}, "guard.max_step must be 0 or more, not -1"),
        ({"number_of_allocations": -1}, "guard.number_of_allocations must be 0 or more, not -1"),
    ],
)
def test_guards_that_nothing_passes_are_refused(emulator: Emulator, guard: Json, said: str) -> None:
    assert said in emulator.run(model_id="m", guard=guard)["msg"]
    in_list = emulator.run_many([{"model_id": "m", "guard": guard}])["msg"]
    assert f"deployments[0] ('m'): {said}" in in_list
    assert emulator.control("GET", "/requests") == []


def test_a_list_has_a_guard_of_its_own(emulator: Emulator) -> None:
    assert (
        "guard.max_total_step must be 0 or more, not -1" in emulator.run_many([], guard={"max_total_step": -1})["msg"]
    )
    assert max_total_step({"guard": None}) is None
    for spec, guard in ((options.SPEC, {"max_total_step": 1}), (many.SPEC, {"max": 1})):
        given = {"model_id": "m", "deployments": [], "hosts": ["http://a"], "guard": guard}
        assert "guard" in "".join(ArgumentSpecValidator(**spec.to_kwargs()).validate(given).error_messages)


def test_an_empty_guard_guards_nothing(emulator: Emulator) -> None:
    assert emulator.run(model_id="m", guard={})["operation"] == "start"


# --- on a cluster ---


@pytest.mark.parametrize(
    "given",
    [{"number_of_allocations": 4}, {"state": "stopped"}, {"state": "restarted", "number_of_allocations": 4}],
)
@pytest.mark.parametrize("on_violation", ["fail", "skip"])
def test_both_modes_decide_the_same_and_send_nothing(emulator: Emulator, given: Json, on_violation: str) -> None:
    started(emulator, d=2)
    task = {"deployment_id": "d", "guard": {"max_step": 1, "on_violation": on_violation}, **given}
    checked, real = emulator.run(check_mode=True, **task), emulator.run(**task)
    assert checked == real
    assert (real["changed"], real["operation"], real["api_calls"], emulator.journal()) == (False, "none", [], [])
    assert real["deployment"]["number_of_allocations"] == 2
    if on_violation == "fail":
        assert "is guarded: number_of_allocations would go from 2 to" in real["msg"]
    else:
        assert not real.get("failed")
        assert real["skipped_because"].startswith(
            "guard.on_violation is skip: number_of_allocations would go from 2 to"
        )


def test_a_number_that_moved_is_not_taken_for_the_expected_one(emulator: Emulator) -> None:
    """Test a step from two to three, as the pipeline says, after another client has made it six at 3 a.m."""
    started(emulator, d=6)
    task: Json = {"deployment_id": "d", "number_of_allocations": 3, "guard": {"number_of_allocations": 2}}
    assert "number_of_allocations 2 was expected before" in emulator.run(**task)["msg"]
    emulator.effect("set_number", deployment_id="d", number_of_allocations=3)
    emulator.settle()
    assert not emulator.run(**task).get("failed")  # there already: nothing to guard


def test_a_write_is_not_sent_again_over_a_number_that_moved(emulator: Emulator) -> None:
    """Test a write that is lost with its answer, while another client changes the number."""
    started(emulator, d=2)
    emulator.fault("update", {"type": "drop"})
    emulator.fault("update", {"type": "effect", "effect": moved(6)})
    result = emulator.run(deployment_id="d", number_of_allocations=3, guard={"max_step": 1})
    assert "number_of_allocations would go from 6 to 3, and a step of 3 is above max_step 1." in result["msg"]
    assert result["failure"] == {"code": "conflict"}
    assert result["deployment"]["number_of_allocations"] == 6
    assert len(emulator.journal()) == 1


def test_a_write_that_had_to_wait_checks_the_guard_again(emulator: Emulator) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=2)
    emulator.fault(
        "stats", {"type": "effect", "effect": moved(6)}, after=2
    )  # the plan's reading, and one while starting
    result = emulator.run(deployment_id="d", number_of_allocations=3, guard={"number_of_allocations": 2})
    assert "'d' is guarded: number_of_allocations would go from 6 to 3, and number_of_allocations 2" in result["msg"]
    assert (result["changed"], emulator.journal()) == (False, [])


@pytest.mark.parametrize(("on_violation", "said"), [("fail", "cannot be recovered: "), ("skip", "is not recovered: ")])
def test_what_is_stuck_and_guarded_is_not_called_done(emulator: Emulator, on_violation: str, said: str) -> None:
    """Test a restart that would begin with the lower bound of adaptive allocations, two less than it has."""
    adaptive = {"enabled": True, "min_number_of_allocations": 3, "max_number_of_allocations": 8}
    emulator.effect("start_deployment", model_id="m", deployment_id="d", adaptive_allocations=adaptive)
    emulator.effect(
        "set_adaptive", deployment_id="d", adaptive_allocations={**adaptive, "min_number_of_allocations": 1}
    )
    emulator.effect("hold", deployment_id="d")
    result = emulator.run(deployment_id="d", on_failed="recover", guard={"max_step": 1, "on_violation": on_violation})
    assert result["failed"]
    assert "although on_failed is recover. " in result["warnings"][0]
    assert "a step of 2 is above max_step 1" in result["details"][0]
    assert f"on node n1 it is starting. It {said}" in result["msg"]
    assert "number_of_allocations would go from 3 to 1, and a step of 2 is above max_step 1" in result["msg"]
    assert emulator.journal() == []


def moved(number: int) -> Json:
    return {"do": "set_number", "deployment_id": "d", "number_of_allocations": number}


# --- a list ---

LIST: list[Json] = [
    {"deployment_id": "a", "number_of_allocations": 3},
    {"deployment_id": "b", "state": "stopped"},
    {"deployment_id": "c", "model_id": "m", "number_of_allocations": 1},
    {"deployment_id": "same", "number_of_allocations": 1},
]


def test_a_list_that_moves_too_much_is_refused_as_a_whole(emulator: Emulator) -> None:
    started(emulator, a=1, b=2, same=1)
    checked, real = (emulator.run_many(LIST, check_mode, guard={"max_total_step": 4}) for check_mode in (True, False))
    assert (
        checked["msg"]
        == real["msg"]
        == (
            "The list is guarded: the list would move numbers of allocations by 5 in all, and max_total_step is 4 "
            "('a' from 1 to 3, 'b' from 2 to 0, 'c' from 0 to 1). "
            "Nothing was changed. Ask for less at once, or change the guard."
        )
    )
    assert (real["changed"], emulator.journal()) == (False, [])
    assert [each["after"] for each in real["deployments"]] == [each["before"] for each in real["deployments"]]
    assert emulator.run_many(LIST, guard={"max_total_step": 5})["summary"]["changed"] == 3


def test_a_list_that_moves_too_much_is_skipped_as_a_whole(emulator: Emulator) -> None:
    started(emulator, a=1, b=2, same=1)
    task: Json = {"guard": {"max_total_step": 4, "on_violation": "skip"}}
    checked, real = (emulator.run_many(LIST, check_mode, **task) for check_mode in (True, False))
    assert not real.get("failed")
    assert checked["deployments"][:3] == real["deployments"][:3]
    assert [bool(item["skipped_because"]) for item in real["deployments"]] == [True, True, True, False]
    assert (
        "guard.on_violation is skip: the list would move numbers of allocations by 5"
        in real["deployments"][0]["skipped_because"]
    )
    assert real["summary"] | {"skipped": 3, "changed": 0, "failed": 0} == real["summary"]
    assert (real["changed"], emulator.journal()) == (False, [])


def test_what_is_stopped_unlisted_counts(emulator: Emulator) -> None:
    """Test that a list that lost most of its lines does not empty the cluster."""
    started(emulator, a=1, b=2, c=3)
    task: Json = {"stop_unlisted": True, "unlisted_except": [], "guard": {"max_total_step": 2}}
    result = emulator.run_many([{"deployment_id": "a"}], **task)
    assert "by 5 in all, and max_total_step is 2 ('c' from 3 to 0, 'b' from 2 to 0)" in result["msg"]
    assert sorted(emulator.deployments()) == ["a", "b", "c"]


def test_an_item_that_its_own_guard_keeps_does_not_count(emulator: Emulator) -> None:
    started(emulator, a=1, b=1)
    items = [
        {"deployment_id": "a", "number_of_allocations": 4, "guard": {"max": 2, "on_violation": "skip"}},
        {"deployment_id": "b", "number_of_allocations": 2},
    ]
    result = emulator.run_many(items, guard={"max_total_step": 1, "on_violation": "skip"})
    assert [item["operation"] for item in result["deployments"]] == ["none", "update"]
    assert "4 is above max 2" in result["deployments"][0]["skipped_because"]
    items[0]["guard"] = {"max": 2}
    result = emulator.run_many(items, guard={"max_total_step": 1, "on_violation": "skip"})
    assert result["msg"].startswith("1 of 2 deployments failed, 1 is unchanged. Deployment 'a' is guarded:")


def test_a_long_list_is_named_in_part(emulator: Emulator) -> None:
    items = [{"deployment_id": f"d{number}", "model_id": "m"} for number in range(12)]
    result = emulator.run_many(items, guard={"max_total_step": 3})
    assert "by 12 in all" in result["msg"]
    assert "'d9' from 0 to 1 and 2 more)" in result["msg"]

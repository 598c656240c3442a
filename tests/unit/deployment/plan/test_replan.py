# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that a replan from a later read says the same of what no read can have changed."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.plan import Plan
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.plan.replan import (
    conform,
    with_known_start_settings,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.step import Step
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.deployment import Deployment
from support.emulated_cluster import Emulator
from support.scenario_helpers import item, meanwhile, owned, started, task, verbs

KNOWN = Deployment("d", "m", 1, cache_size="1572864b", cache_size_exact=True, assignment_state="started")
KNOWN = dataclasses.replace(KNOWN, start_time="2024-05-01T10:00:00.000Z")
SEEN = dataclasses.replace(KNOWN, cache_size="1.5mb", cache_size_exact=False)


def test_the_settings_of_the_start_stay_exact() -> None:
    assert with_known_start_settings(SEEN, KNOWN) == KNOWN
    assert with_known_start_settings(KNOWN, SEEN) == KNOWN
    assert with_known_start_settings(SEEN, SEEN) == SEEN


def test_another_deployment_has_its_own() -> None:
    another = dataclasses.replace(SEEN, start_time="2024-05-01T11:00:00.000Z")
    assert with_known_start_settings(another, KNOWN) == another


def test_what_was_not_there_says_nothing_of_it() -> None:
    assert with_known_start_settings(None, KNOWN) is None
    assert with_known_start_settings(SEEN, None) == SEEN


def test_a_write_of_another_kind_is_refused() -> None:
    """Test a deployment without a start time, which another client may have replaced unnoticed."""
    update = Plan(KNOWN, KNOWN, "update", (Step("update", "d", {"number_of_allocations": 2}),))
    replacement = Plan(KNOWN, KNOWN, "replace", (Step("stop", "d"), Step("start", "d", {"model_id": "m"})))
    with pytest.raises(Refusal, match="and needs another change now: update instead of replace"):
        conform(replacement, update)
    assert conform(dataclasses.replace(replacement, operation="recover"), update) == update


def test_check_mode_predicts_an_update_that_waits_for_a_stop() -> None:
    with Emulator("9.5.3") as checked, Emulator("9.5.3") as real:
        reported = []
        for emulator in (checked, real):
            for name in ("d", "e"):
                emulator.effect("start_deployment", model_id="m", deployment_id=name, cache_size="1536kb")
            emulator.settle()
            items: list[dict[str, t.Any]] = [
                {"deployment_id": "d", "number_of_allocations": 2},
                {"deployment_id": "e", "state": "stopped"},
            ]
            reported.append(emulator.run_many(items, check_mode=emulator is checked)["diff"])
        assert reported[0] == reported[1]


def test_what_was_said_of_the_first_plan_is_not_said_of_the_next() -> None:
    """Test adaptive allocations that own the number when the task plans, and not any more when it applies the plan."""
    with Emulator("9.5.3") as emulator:
        adaptive = {"enabled": True, "min_number_of_allocations": 1}
        emulator.effect("start_deployment", model_id="m", deployment_id="d", adaptive_allocations=adaptive)
        emulator.settle()
        off = {"enabled": False}
        meanwhile(
            emulator,
            "_has_privileges",
            lambda: emulator.effect("set_adaptive", deployment_id="d", adaptive_allocations=off),
        )
        result = emulator.run(deployment_id="d", state="restarted", number_of_allocations=2, on_adaptive="skip")
        assert (result["after"]["number_of_allocations"], result["warnings"]) == (2, [])


def test_consumers_are_not_named_where_nothing_is_stopped() -> None:
    with Emulator("9.5.3") as emulator:
        started(emulator, d=2)
        emulator.effect("put_pipeline_reference", pipeline="p", model_id="d")
        meanwhile(
            emulator,
            "_has_privileges",
            lambda: emulator.effect("set_number", deployment_id="d", number_of_allocations=3),
        )
        guarded: dict[str, t.Any] = {"guard": {"number_of_allocations": 2, "on_violation": "skip"}}
        result = emulator.run(deployment_id="d", state="stopped", on_referenced="force", **guarded)
        assert verbs(result) == []
        assert result["warnings"] == [f"Deployment 'd' was skipped: {result['skipped_because']}."]
        assert "guard.on_violation is skip" in result["skipped_because"]


AMPLE = ("n1=32,64gb",)
RECOVERED: dict[str, t.Any] = {"deployment_id": "d", "on_failed": "recover"}


def failed(emulator: Emulator, name: str = "d") -> None:
    emulator.effect("fail_route", deployment_id=name, node_id="id-n1", reason="planted")
    emulator.forget()


def revived(emulator: Emulator) -> None:
    """Revive failed routes: Elasticsearch tries them with each new plan, as after the stop of another deployment."""
    emulator.effect("start_deployment", model_id="other", deployment_id="other")
    emulator.effect("stop_deployment", deployment_id="other")
    emulator.settle()
    emulator.forget()


@pytest.mark.parametrize("version", ["8.19.21", "9.5.3"])
@pytest.mark.parametrize(
    ("number", "operation", "sent"), [(3, "update", ["_update"]), (1, "update", ["_update"]), (2, "none", [])]
)
def test_what_the_stop_of_another_item_has_revived_is_only_updated(
    version: str, number: int, operation: str, sent: list[str], tmp_path: Path
) -> None:
    with Emulator(version, AMPLE) as emulator:
        started(emulator, a=1, d=2)
        failed(emulator)
        recovered = {**RECOVERED, "number_of_allocations": number, "recovery_file": str(tmp_path / "d.json")}
        items = [{"deployment_id": "a", "state": "restarted"}, recovered]
        was = task(emulator, "d")
        checked, result = emulator.run_many(items, check_mode=True), emulator.run_many(items)
        assert item(checked, "d")["operation"] == "recover"
        assert not result.get("failed"), result["msg"]
        found = item(result, "d")
        assert (found["operation"], verbs(found), found["changed"]) == (operation, sent, bool(sent))
        assert found["waited"]["reached"] is True
        assert task(emulator, "d") == {**was, "number_of_allocations": number}
        assert list(tmp_path.iterdir()) == []
        assert emulator.run_many([recovered])["changed"] is False


def lives_again(emulator: Emulator, name: str, number: int) -> None:
    """Mend the nodes, and change the number, as another client."""
    revived(emulator)
    emulator.effect("set_number", deployment_id=name, number_of_allocations=number)


@pytest.mark.parametrize("options", [{}, {"on_violation": "skip"}])
def test_an_update_in_place_of_a_recovery_is_guarded(options: dict[str, t.Any]) -> None:
    with Emulator("9.5.3", AMPLE) as emulator:
        started(emulator, d=2)
        failed(emulator)
        meanwhile(emulator, "_has_privileges", lambda: lives_again(emulator, "d", 4))
        result = emulator.run(**RECOVERED, number_of_allocations=2, guard={"max_step": 1, **options})
        said = "a step of 2 is above max_step 1"
        assert said in (result["skipped_because"] if options else result["msg"])
        assert emulator.journal() == []


def test_a_deployment_that_starts_again_is_left_alone_where_no_server_could_update_it() -> None:
    with Emulator("8.5.3", AMPLE) as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="m", number_of_allocations=2)
        emulator.settle()
        failed(emulator, "m")
        meanwhile(emulator, "_has_privileges", lambda: revived(emulator))
        result = emulator.run(model_id="m", on_failed="recover", number_of_allocations=3)
        assert result["failure"] == {"code": "unsupported_version"}
        assert emulator.journal() == []


@pytest.mark.parametrize("by_endpoint", [True, False])
def test_an_update_in_place_of_a_recovery_does_not_go_past_the_endpoint(by_endpoint: bool) -> None:
    with Emulator("8.19.21", AMPLE) as emulator:
        owned(emulator)
        failed(emulator, "ep")
        meanwhile(emulator, "_has_privileges", lambda: lives_again(emulator, "ep", 2))
        again: dict[str, t.Any] = {"deployment_id": "ep", "on_failed": "recover", "on_referenced": "force"}
        allowed: dict[str, t.Any] = {"on_endpoint_owned": "update_endpoint"} if by_endpoint else {}
        result = emulator.run(**again, **allowed, number_of_allocations=1)
        assert [entry["path"] for entry in emulator.journal()] == [
            "/_inference/sparse_embedding/ep/_update"
        ] * by_endpoint
        if by_endpoint:
            assert (result.get("failed"), result["operation"]) == (None, "update")
        else:
            assert (
                "belongs to the inference endpoint of that name, and the endpoint would keep its old" in result["msg"]
            )


def test_an_update_in_place_of_a_recovery_waits_until_what_hangs_is_stuck() -> None:
    """Test that a deployment that hangs on its second try is stuck as any other is."""
    with Emulator("9.5.3", AMPLE) as emulator:
        started(emulator, a=1, d=2)
        failed(emulator)
        emulator.effect("hold", deployment_id="d")
        items = [{"deployment_id": "a", "state": "restarted"}, {**RECOVERED, "number_of_allocations": 3}]
        emulator.fault("stop", {"type": "effect", "effect": {"do": "release", "deployment_id": "d"}}, after=1)
        result = emulator.run_many(items, wait_timeout=6)
        assert not result.get("failed"), result["msg"]
        assert (item(result, "d")["operation"], verbs(item(result, "d"))) == ("recover", ["_stop", "_start"])
        assert task(emulator, "d")["number_of_allocations"] == 3


@pytest.mark.parametrize(("number", "sent"), [(3, ["_update"]), (2, [])])
def test_what_comes_up_right_before_it_is_recovered_is_only_updated(number: int, sent: list[str]) -> None:
    """Test a deployment that hangs until the task reads its consumers, when the nodes let go of it."""
    with Emulator("9.5.3", AMPLE) as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="d", number_of_allocations=2)
        emulator.effect("hold", deployment_id="d")
        emulator.forget()

        def comes_up() -> None:
            emulator.effect("release", deployment_id="d")
            emulator.settle()

        meanwhile(emulator, "_ingest/pipeline", comes_up, nth=2)  # the first look is for the warning
        result = emulator.run(**RECOVERED, number_of_allocations=number, wait_timeout=6)
        assert (result.get("msg"), verbs(result), result["changed"]) == (None, sent, bool(sent))
        assert task(emulator, "d")["number_of_allocations"] == number
        assert result["waited"]["reached"] is True

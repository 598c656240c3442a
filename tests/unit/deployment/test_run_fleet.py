# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test many deployments in one task: what the list may say, in which order steps are sent, what they cost."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.wait import WaitBudget
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run_fleet as deployments
from support.emulated_cluster import Emulator, TurnedClock
from support.scenario_helpers import item, started

Json = dict[str, t.Any]


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as cluster:
        yield cluster


def verbs(result: Json) -> list[str]:
    """Return id and verb of each write, in their order."""
    reported = []
    for call in result["api_calls"]:
        name = call["query"].get("deployment_id") or call["path"].split("/")[3]
        reported.append(f"{name} {call['path'].rpartition('_')[2]}")
    return reported


def requests(emulator: Emulator) -> list[str]:
    return [f"{entry['method']} {entry['path']}" for entry in emulator.control("GET", "/requests")]


# --- the list ---


def test_a_list_is_refused_with_all_reasons_at_once(emulator: Emulator) -> None:
    wrong: list[Json] = [
        {"deployment_id": "a", "number_of_allocations": 0},
        {"deployment_id": "b"},
        {"model_id": "m", "cache_size": "much"},
    ]
    result = emulator.run_many(wrong)
    assert result["failed"]
    assert "deployments[0] ('a'): number_of_allocations must be 1 or more" in result["msg"]
    assert "deployments[2] ('m'): cache_size 'much'" in result["msg"]
    assert requests(emulator) == []


def test_an_id_is_named_once(emulator: Emulator) -> None:
    result = emulator.run_many([{"deployment_id": "a"}, {"model_id": "m"}, {"model_id": "a"}, {"deployment_id": "m"}])
    assert "Deployment 'a' is listed 2 times, in deployments[0], deployments[2]." in result["msg"]
    assert "Deployment 'm' is listed 2 times, in deployments[1], deployments[3]." in result["msg"]
    assert requests(emulator) == []


def test_repeated_ids_are_named_with_the_other_mistakes(emulator: Emulator) -> None:
    items: list[Json] = [
        {"deployment_id": "a", "recovery_file": "/tmp/one"},
        {"deployment_id": "a", "recovery_file": "/tmp/one"},
        {"deployment_id": "b", "recovery_file": "/tmp/one"},
        {"deployment_id": "c", "number_of_allocations": 0},
    ]
    message = emulator.run_many(items)["msg"]
    assert "Deployment 'a' is listed 2 times, in deployments[0], deployments[1]." in message
    assert "Deployments 'a', 'b' have the same recovery_file" in message
    assert "deployments[3] ('c'): number_of_allocations must be 1 or more" in message


def test_a_thousand_are_too_many(emulator: Emulator) -> None:
    result = emulator.run_many([{"deployment_id": f"d{number}", "model_id": "m"} for number in range(1000)])
    assert result["msg"] == "The list has 1000 deployments to run, and Elasticsearch takes at most 100."


def test_more_than_fit_beside_those_that_are_there() -> None:
    emulator = Emulator("9.5.3", nodes=["n1=200,64gb"])
    started(emulator, **{f"d{number}": 1 for number in range(7)})
    many = [{"deployment_id": f"e{number}", "model_id": "m"} for number in range(94)]
    result = emulator.run_many(many)
    assert "has 7 deployments and would have 101" in result["msg"]
    assert emulator.journal() == []
    room = emulator.run_many(many, check_mode=True, stop_unlisted=True, unlisted_except=["d[1-6]"])
    assert not room.get("failed")
    assert room["summary"]["operations"] == {"start": 94, "stop": 1}


def test_the_id_of_another_model_stops_the_whole_list(emulator: Emulator) -> None:
    result = emulator.run_many([{"model_id": "m"}, {"deployment_id": "other", "model_id": "m"}])
    assert "'other' is the id of another trained model" in result["msg"]
    assert emulator.journal() == []


def test_what_the_server_does_not_have_stops_the_whole_list() -> None:
    with Emulator("8.5.3") as old:
        result = old.run_many(
            [{"model_id": "m"}, {"deployment_id": "a", "model_id": "m"}, {"model_id": "other", "priority": "low"}]
        )
        assert "'a': Elasticsearch 8.5.3 does not support a deployment_id" in result["msg"]
        assert "'other': Elasticsearch 8.5.3 does not support priority: low" in result["msg"]
        assert old.journal() == []


def test_a_dead_cluster_gives_the_same_keys(emulator: Emulator) -> None:
    alive = emulator.run_many([])
    dead = emulator.run_many([{"model_id": "m"}], hosts=["http://dead:9200"], request_retries=0)
    assert dead["failed"]
    assert dead["error"]["kind"] == "connection"
    assert alive.keys() - {"ansible_facts"} == dead.keys() - {"failed", "msg", "error"}
    assert alive.keys() - {"warnings", "ansible_facts"} == deployments.empty_result().keys()


def test_a_total_that_cannot_fit_is_refused_before_any_write(emulator: Emulator) -> None:
    """Test eight processors, two of them held by a deployment that is left alone."""
    started(emulator, stays=2, shrinks=4)
    desired: list[Json] = [
        {"deployment_id": "new", "model_id": "m", "threads_per_allocation": 2, "number_of_allocations": 3},
        {"deployment_id": "low", "model_id": "m", "priority": "low"},
        {"deployment_id": "shrinks", "number_of_allocations": 1},
    ]
    for check_mode in (True, False):
        result = emulator.run_many(desired, check_mode)
        assert result["msg"].startswith(
            "The ML nodes have room for 2 of the 3 allocations of deployment 'new'. "
            "n1: 0 of 4 processors free, 2 needed; n2: 1 of 4 processors free, 2 needed. Ask for fewer allocations"
        )
    assert emulator.journal() == []
    emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=3)
    assert emulator.run_many(desired, check_mode=True)["summary"]["changed"] == 3
    emulator.effect("set_setting", name="xpack.ml.max_lazy_ml_nodes", value=None)
    desired[2]["state"] = "stopped"
    del desired[2]["number_of_allocations"]
    assert not emulator.run_many(desired).get("failed")


def test_capacity_is_read_only_where_it_is_taken(emulator: Emulator) -> None:
    started(emulator, a=2)
    emulator.run_many([{"deployment_id": "a", "number_of_allocations": 1}])
    assert [each for each in requests(emulator) if "_nodes" in each] == []


# --- those that are not listed ---


def test_stopping_what_is_not_listed_needs_a_word_on_the_others(emulator: Emulator) -> None:
    started(emulator, a=1, b=1)
    assert "stop_unlisted is set without unlisted_except" in emulator.run_many([], stop_unlisted=True)["msg"]
    assert emulator.journal() == []


def test_what_is_not_listed_is_stopped(emulator: Emulator) -> None:
    started(emulator, a=1, b=1, mine=1)
    result = emulator.run_many([{"deployment_id": "a"}], stop_unlisted=True, unlisted_except=["m*"])
    assert [each["deployment_id"] for each in result["deployments"]] == ["a", "b"]
    assert verbs(result) == ["b stop"]
    assert sorted(emulator.deployments()) == ["a", "mine"]
    facts = result["ansible_facts"]["elasticsearch_ml_deployments"]
    assert [name for name, entry in facts.items() if entry["deployment"]] == ["a"]


# --- order ---


def test_capacity_is_freed_before_it_is_taken(emulator: Emulator) -> None:
    started(emulator, grows=1, shrinks=4, goes=2)
    desired: list[Json] = [
        {"deployment_id": "low", "model_id": "m", "priority": "low"},
        {"deployment_id": "new", "model_id": "m"},
        {"deployment_id": "grows", "number_of_allocations": 5},
        {"deployment_id": "shrinks", "number_of_allocations": 1},
        {"deployment_id": "goes", "state": "stopped"},
    ]
    predicted = emulator.run_many(desired, check_mode=True)
    result = emulator.run_many(desired)
    assert not result.get("failed"), result["msg"]
    assert verbs(result) == ["goes stop", "shrinks update", "grows update", "new start", "low start"]
    assert predicted["api_calls"] == result["api_calls"]


def test_increases_wait_for_a_decrease_that_cannot_be_sent_yet(emulator: Emulator) -> None:
    """Test that an update needs a started deployment; the time that blocks others does not count as theirs."""
    emulator.effect("start_deployment", model_id="m", deployment_id="shrinks", number_of_allocations=8)
    desired: list[Json] = [
        {"deployment_id": "new", "model_id": "m", "number_of_allocations": 4, "wait_timeout": 3},
        {"deployment_id": "shrinks", "number_of_allocations": 4},
    ]
    emulator.effect("hold", deployment_id="shrinks")
    release = {"type": "effect", "effect": {"do": "release", "deployment_id": "shrinks"}}
    emulator.fault("stats", release, after=4)
    result = emulator.run_many(desired)
    assert not result.get("failed"), result["msg"]
    assert verbs(result) == ["shrinks update", "new start"]
    assert result["waited"]["seconds"] > 3 >= item(result, "new")["waited"]["seconds"]


def test_a_replacement_starts_when_the_old_one_is_gone(emulator: Emulator) -> None:
    started(emulator, a=2, b=2)
    desired: list[Json] = [
        {"deployment_id": "a", "threads_per_allocation": 2, "replace": "stop_start"},
        {"deployment_id": "b", "state": "restarted"},
    ]
    result = emulator.run_many(desired)
    assert verbs(result) == ["a stop", "b stop", "a start", "b start"]
    assert result["summary"]["operations"] == {"replace": 1, "restart": 1}


# --- failures ---


def test_one_that_fails_does_not_keep_the_others(emulator: Emulator) -> None:
    started(emulator, fixed=1)
    emulator.allow("manage_ml")  # without monitor, the task does not know before that there is no capacity
    desired: list[Json] = [
        {"deployment_id": "fixed", "threads_per_allocation": 2},
        {"deployment_id": "large", "model_id": "m", "number_of_allocations": 50},
        {"deployment_id": "fine", "model_id": "m"},
        {"deployment_id": "lost", "on_missing": "skip"},
    ]
    result = emulator.run_many(desired)
    assert result["failed"]
    assert result["msg"].startswith(
        "2 of 4 deployments failed, 1 was changed, 1 was skipped. Deployment 'fixed' cannot be changed in place"
    )
    assert "Cannot start deployment 'large'" in result["msg"]
    counts = {name: result["summary"][name] for name in ("deployments", "changed", "unchanged", "failed", "skipped")}
    assert counts == {"deployments": 4, "changed": 1, "unchanged": 0, "failed": 2, "skipped": 1}
    assert item(result, "large")["error"]["kind"] == "capacity"
    assert sorted(emulator.deployments()) == ["fine", "fixed"]


REFUSED_AS_A_WHOLE: dict[str, tuple[Json, Json, str]] = {
    "guard": ({"deployment_id": "a", "number_of_allocations": 4}, {"guard": {"max_total_step": 1}}, "The list is"),
    "no room": (
        {"deployment_id": "a", "number_of_allocations": 99},
        {},
        "n1, n2: 0 of 4 processors free, 1 needed. The other 93 need 93 processors.",
    ),
    "namesake": ({"deployment_id": "other", "model_id": "m"}, {}, "'other' is the id of another trained model"),
}


@pytest.mark.parametrize("reason", REFUSED_AS_A_WHOLE)
def test_what_was_seen_is_reported_of_a_list_that_is_refused(emulator: Emulator, reason: str) -> None:
    """Test that each item has its own refusal, too, and nothing of what was only planned."""
    refused, options, said = REFUSED_AS_A_WHOLE[reason]
    started(emulator, a=2, b=1, c=1)
    emulator.effect("put_pipeline_reference", pipeline="p", model_id="c")
    items = [refused, {"deployment_id": "b", "threads_per_allocation": 2}, {"deployment_id": "c", "state": "stopped"}]
    checked, result = emulator.run_many(items, check_mode=True, **options), emulator.run_many(items, **options)
    for key in ("msg", "deployments", "summary", "changed", "diff", "api_calls", "warnings"):
        assert checked[key] == result[key]
    assert said in result["msg"]
    first, second, third = result["deployments"]
    if reason == "namesake":
        assert (first["failed"], first["after"]) == (True, first["before"])
    else:
        assert (first.get("failed", False), first["after"]) == (False, first["before"])
        assert first["before"]["number_of_allocations"] == first["deployment"]["number_of_allocations"] == 2
    assert "cannot be changed in place" in second["msg"]
    assert "is used by ingest pipeline 'p'" in third["msg"]
    failed = 2 + (reason == "namesake")
    assert result["summary"]["failed"] == failed
    assert (result["summary"]["changed"], result["summary"]["unchanged"]) == (0, 3 - failed)
    assert "ansible_facts" not in result
    assert emulator.journal() == []


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_is_kept_although_it_is_not_ready_counts_as_unchanged(emulator: Emulator, check_mode: bool) -> None:
    started(emulator, d=6)
    emulator.effect("fail_route", deployment_id="d", reason="planted")
    result = emulator.run_many([{"deployment_id": "d"}], check_mode, on_unsatisfied="keep", detail="changed")
    assert result["deployments"][0]["details"]
    assert (result["summary"]["changed"], result["summary"]["unchanged"], result["summary"]["failed"]) == (0, 1, 0)


def test_a_poll_that_fails_for_good_ends_all_who_wait(emulator: Emulator) -> None:
    emulator.fault(
        "stats", {"type": "answer", "status": 403, "body": {"error": {"type": "security_exception"}}}, after=1
    )
    result = emulator.run_many([{"deployment_id": name, "model_id": "m"} for name in "ab"])
    assert result["summary"]["failed"] == 2
    assert result["changed"]


def test_a_write_that_never_comes_through_ends_with_its_time(emulator: Emulator) -> None:
    emulator.fault("start", {"type": "drop"}, times=-1)
    result = emulator.run_many(
        [{"deployment_id": "a", "model_id": "m", "wait_timeout": 1}, {"deployment_id": "b", "model_id": "m"}]
    )
    assert result["summary"]["failed"] == 2
    assert emulator.deployments() == {}


# --- results ---


def test_detail_keeps_what_was_not_changed_short(emulator: Emulator) -> None:
    started(emulator, same=1, grows=1)
    desired: list[Json] = [{"deployment_id": "same"}, {"deployment_id": "grows", "number_of_allocations": 2}]
    result = emulator.run_many(desired, detail="changed", fact_name="")
    assert item(result, "same") == {"deployment_id": "same", "changed": False, "operation": "none"}
    assert item(result, "grows")["allocations"]["running"] == 2
    assert sorted(result["diff"]["before"]) == ["grows"]
    assert result["ansible_facts"] == {}


def test_items_take_the_waiting_of_the_task_unless_they_say_otherwise(emulator: Emulator) -> None:
    desired: list[Json] = [
        {"deployment_id": "a", "model_id": "m"},
        {"deployment_id": "b", "model_id": "m", "wait": True},
    ]
    result = emulator.run_many(desired, wait=False)
    assert item(result, "a")["waited"] == {"seconds": 0.0, "polls": 0, "reached": None}
    assert item(result, "b")["waited"]["reached"] is True
    # The task waited for b, so what it reports of a is as recent.
    assert item(result, "a")["routing_source"] == "cluster_state"


def test_what_moved_others_is_reported_of_them(emulator: Emulator) -> None:
    """Test that facts say where routes are in the end: the second start moves those of what was there before."""
    started(emulator, a=4)
    result = emulator.run_many(
        [{"deployment_id": "a"}, {"deployment_id": "b", "model_id": "m", "number_of_allocations": 4}]
    )
    for name, assignment in emulator.deployments().items():
        reported = {node: route["current_allocations"] for node, route in item(result, name)["routing_table"].items()}
        assert reported == {node: route["current_allocations"] for node, route in assignment["routing_table"].items()}


def test_a_warning_is_shown_once_with_those_that_it_is_for(emulator: Emulator) -> None:
    started(emulator, a=1, b=1, c=1)
    emulator.allow("manage_ml")
    items: list[Json] = [{"deployment_id": name, "state": "stopped"} for name in "abc"]
    checked, result = emulator.run_many(items, check_mode=True), emulator.run_many(items)
    assert checked["warnings"] == result["warnings"]
    endpoints, pipelines = result["warnings"]
    assert endpoints.startswith("'a', 'b', 'c': The user may not read inference endpoints")
    assert pipelines.startswith("'a', 'b', 'c': The user may not read ingest pipelines")


def test_a_warning_that_names_its_deployment_stays_as_it_is(emulator: Emulator) -> None:
    started(emulator, a=1, b=1)
    for name in "ab":
        emulator.effect("set_adaptive", deployment_id=name, adaptive_allocations={"enabled": True})
        emulator.effect("put_pipeline_reference", pipeline=name, model_id=name)
    force: Json = {"state": "restarted", "on_referenced": "force", "number_of_allocations": 2, "on_adaptive": "skip"}
    skipped = (
        "The task does not set the number of allocations: adaptive allocations are enabled and on_adaptive is skip."
    )
    assert emulator.run_many([{"deployment_id": name, **force} for name in "ab"])["warnings"] == [
        f"'a', 'b': {skipped}",
        "Deployment 'a' is stopped by force although it is used by ingest pipeline 'a'.",
        "Deployment 'b' is stopped by force although it is used by ingest pipeline 'b'.",
    ]
    assert emulator.run_many([{"deployment_id": "a", **force}], check_mode=True)["warnings"][0] == f"'a': {skipped}"


# --- what it costs ---


@pytest.mark.parametrize("number", [1, 10, 50])
def test_reading_costs_the_same_whatever_the_number(number: int) -> None:
    with Emulator("9.5.3", nodes=["n1=64,64gb"]) as emulator:
        started(emulator, **{f"d{each}": 1 for each in range(number)})
        desired: list[Json] = [
            {"deployment_id": f"d{each}", "model_id": "m", "number_of_allocations": 1} for each in range(number)
        ]
        result = emulator.run_many(desired)
        assert not result["changed"]
        read = ["GET /", "GET /_ml/trained_models/_stats", "GET /_cluster/state/metadata,nodes"]
        assert requests(emulator) == read
        emulator.allow("manage_ml")
        emulator.forget()
        emulator.run_many(desired)
        forbidden = ["GET /_ml/info", "GET /_ml/trained_models/_stats"]
        assert [
            each for each in requests(emulator) if each not in ("GET /", "GET /_cluster/state/metadata,nodes")
        ] == forbidden


def test_all_wait_in_the_same_polls(emulator: Emulator) -> None:
    desired: list[Json] = [{"deployment_id": f"d{each}", "model_id": "m"} for each in range(5)]
    result = emulator.run_many(desired)
    polls = [each for each in requests(emulator) if each.endswith("trained_models/_stats")]
    assert len(polls) == 1 + result["waited"]["polls"]
    assert result["waited"]["polls"] <= 3


def test_blocked_time_counts_neither_before_nor_after_the_beginning(emulator: Emulator) -> None:
    """Test a replacement that has stopped its deployment when it is blocked; the other item has not begun."""
    started(emulator, replaced=1)
    emulator.effect("start_deployment", model_id="m", deployment_id="shrinks", number_of_allocations=4)
    emulator.effect("hold", deployment_id="shrinks")
    release = {"type": "effect", "effect": {"do": "release", "deployment_id": "shrinks"}}
    emulator.fault("stats", release, after=8)
    desired: list[Json] = [
        {"deployment_id": "replaced", "state": "restarted", "wait_timeout": 3},
        {"deployment_id": "shrinks", "number_of_allocations": 2},
    ]
    result = emulator.run_many(desired)
    assert not result.get("failed"), result["msg"]
    assert result["waited"]["seconds"] > 6


def test_a_wait_budget_that_has_not_begun_is_not_extended() -> None:
    watch = WaitBudget(5.0, 2.0, TurnedClock(lambda: None))
    watch.exclude(100)
    watch.start()
    assert watch.left == 5
    watch.exclude(100)
    assert watch.left == 105


@pytest.mark.parametrize("options", [{"state": "restarted", "wait": False}, {"number_of_allocations": 2}])
def test_one_deployment_is_a_list_of_one(options: Json) -> None:
    with Emulator("9.5.3") as single, Emulator("9.5.3") as listed:
        for emulator in (single, listed):
            started(emulator, d=1)
        alone, [item] = (
            single.run(deployment_id="d", **options),
            listed.run_many([{"deployment_id": "d", **options}])["deployments"],
        )
        assert {key: alone[key] for key in ("changed", "operation", "api_calls", "allocations", "routing_source")} == {
            key: item[key] for key in ("changed", "operation", "api_calls", "allocations", "routing_source")
        }


def test_a_cluster_state_that_cannot_be_read_fails_the_whole_list(emulator: Emulator) -> None:
    emulator.fault("cluster_state", {"type": "answer", "status": 503, "body": {"error": "planted"}}, times=-1)
    result = emulator.run_many([{"deployment_id": "a", "model_id": "m"}, {"deployment_id": "b", "model_id": "m"}])
    assert result["failure"] == {"code": "cluster_unavailable"}
    assert (result["deployments"], result["summary"]["deployments"], emulator.journal()) == ([], 0, [])

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test facts that grow over tasks and loop items of one run."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts import (
    Key,
    entries_of_run,
    fact_in,
    merge_facts,
    next_order,
    other_cluster_warning,
    other_kind,
    predictions,
    run_id,
    would_hide,
)

Json = dict[str, t.Any]
_TASK = itertools.count()
RUN = "0242ac11-0002-5a2b-3c4d"
OURS = {"a": {"deployment": {"deployment_id": "a"}, "run": "an earlier run"}}


def key() -> Key:
    return (f"task-{next(_TASK)}", "localhost", "fact")


def entry(uuid: str | None = "1", *, runs: bool = True, predicted: bool = False, **more: t.Any) -> Json:
    return {"deployment": {} if runs else None, "predicted": predicted, "cluster": {"name": "c", "uuid": uuid}, **more}


def merged(at: Key, fact: t.Any, new: Json, facts: Json | None = None) -> Json:
    """Return the value of the fact after a task, which had the value *fact* before."""
    order = next_order(at, RUN, {"fact": fact, **(facts or {})})
    return merge_facts(at, RUN, entries_of_run(at, RUN, fact), new, order)


def test_the_run_is_what_tasks_share() -> None:
    assert run_id("0242ac11-0002-5a2b-3c4d-000000000007") == RUN


def test_a_second_task_adds() -> None:
    first = merged(key(), None, {"a": entry()})
    assert first == {"a": entry(run=RUN, order=1)}
    assert merged(key(), first, {"b": entry()}) == {**first, "b": entry(run=RUN, order=2)}


def test_loop_items_add_though_each_sees_the_facts_from_before_the_loop() -> None:
    loop = key()
    before = merged(key(), None, {"a": entry()})
    merged(loop, before, {"b": entry()})
    assert {name: each["order"] for name, each in merged(loop, before, {"c": entry()}).items()} == {
        "a": 1,
        "b": 2,
        "c": 3,
    }


@pytest.mark.parametrize("uuid", ["1", None])
def test_a_stop_removes_its_deployment_alone(uuid: str | None) -> None:
    before = {name: entry(run=RUN, order=1) for name in "ab"}
    gone = {"a": entry(uuid, runs=False), "never there": entry(runs=False)}
    assert merged(key(), before, gone) == {"b": before["b"]}
    assert other_cluster_warning("fact", before, gone) == ()


def test_a_stop_keeps_what_has_the_same_id_in_another_cluster() -> None:
    before = {"a": entry("1", run=RUN, order=1)}
    gone = {"a": entry("2", runs=False)}
    assert merged(key(), before, gone) == before
    assert other_cluster_warning("fact", before, gone) == ()


def test_a_predicted_stop_has_an_entry() -> None:
    gone = entry(runs=False, predicted=True)
    assert merged(key(), {"a": entry(run=RUN, order=1)}, {"a": gone}) == {"a": {**gone, "run": RUN, "order": 2}}


def test_entries_of_another_run_are_dropped() -> None:
    before = {"old": {"run": "other"}, "odd": 1, "mine": entry(run=RUN, order=1)}
    assert sorted(merged(key(), before, {"new": entry()})) == ["mine", "new"]
    assert merged(key(), "text", {}) == {}


def orders(found: dict[str, dict[str, list[Json]]]) -> dict[str, list[int]]:
    assert found.keys() == {"deployments"}
    return {name: [each["order"] for each in entries] for name, entries in found["deployments"].items()}


def test_predictions_are_in_the_order_in_which_they_were_made_whatever_the_fact() -> None:
    one = merged(key(), None, {"x": entry(predicted=True)})
    two = merged(key(), None, {"x": entry(predicted=True), "real": entry()}, {"one": one})
    three = merged(key(), None, {"x": entry(predicted=True)}, {"two": two, "one": one})
    for facts in ({"one": one, "two": two, "fact": three}, {"fact": three, "two": two, "one": one}):
        assert orders(predictions(key(), RUN, facts)) == {"x": [1, 2, 3]}
    assert predictions(key(), RUN, {"one": {**one, "of the user": 1}}) == {}


def test_predictions_are_kept_apart_by_kind() -> None:
    alias = {**{name: value for name, value in entry(predicted=True).items() if name != "deployment"}, "alias": None}
    one = merged(key(), None, {"x": entry(predicted=True)})
    two = merged(key(), None, {"x": alias}, {"one": one})
    found = predictions(key(), RUN, {"one": one, "two": two})
    assert {kind: list(entries) for kind, entries in found.items()} == {"deployments": ["x"], "aliases": ["x"]}


def endpoint(deployment: Json | None, *, predicted: bool = True, gone: bool = False) -> Json:
    """Return the entry of an inference endpoint."""
    made = {name: value for name, value in entry(predicted=predicted).items() if name != "deployment"}
    return {**made, "endpoint": None if gone else {"inference_id": "x", "deployment": deployment}}


OWN: Json = {"deployment_id": "x", "model_id": "m", "owned": True}


@pytest.mark.parametrize(
    ("made", "deployments"),
    [
        (endpoint(OWN), {"x": [{"deployment_id": "x", "model_id": "m"}]}),
        (endpoint({**OWN, "deployment_id": "y", "owned": False}), {"x": [None]}),
        (endpoint(None), {"x": [None]}),
        (endpoint(None, gone=True), {"x": [None]}),
        (endpoint(OWN, predicted=False), {}),
    ],
)
def test_a_predicted_endpoint_predicts_the_deployment_that_has_its_id(made: Json, deployments: Json) -> None:
    found = predictions(key(), RUN, {"one": merged(key(), None, {"x": made})})
    assert {
        name: [each["deployment"] for each in entries] for name, entries in found.get("deployments", {}).items()
    } == (deployments)
    assert ("endpoints" in found) is made["predicted"]


def test_the_last_task_counts_whether_it_is_about_the_deployment_or_about_its_endpoint() -> None:
    one = merged(key(), None, {"x": endpoint(OWN)})
    two = merged(key(), None, {"x": entry(predicted=True)}, {"one": one})
    for facts in ({"one": one, "two": two}, {"two": two, "one": one}):
        assert orders({"deployments": predictions(key(), RUN, facts)["deployments"]}) == {"x": [1, 2]}
    three = merged(key(), one, {"x": endpoint(None, gone=True)}, {"two": two})
    [*_others, last] = predictions(key(), RUN, {"two": two, "one": three})["deployments"]["x"]
    assert (last["deployment"], last["order"]) == (None, 3)


def bringing(made: Json) -> Json:
    """Return the entry of an endpoint whose creation brings a model."""
    return {**made, "downloads": {"model_id": "m"}}


def test_the_model_that_an_endpoint_brings_is_there_from_that_moment_on() -> None:
    one = merged(key(), None, {"x": bringing(endpoint(OWN))})
    found = predictions(key(), RUN, {"one": one})
    [brought] = found["models"]["m"]
    assert (brought["model"]["model_id"], brought["predicted"], brought["order"]) == ("m", True, 1)
    assert "endpoint" not in brought
    [*_others, last] = found["deployments"]["x"]
    assert last["deployment"]["model_id"] == "m"


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (endpoint(None, gone=True), [1, 2]),
        (endpoint(OWN), [1, 2]),
        (bringing(endpoint(OWN)), [2, 3]),
        (endpoint(OWN, predicted=False), [2]),
        ({**endpoint(OWN), "cluster": {"name": "prod", "uuid": "another"}}, [2]),
    ],
)
def test_it_stays_whatever_becomes_of_the_endpoint_until_a_task_deletes_it(later: Json, expected: list[int]) -> None:
    one = merged(key(), None, {"x": bringing(endpoint(OWN))})
    two = merged(key(), None, {"m": model(None)}, {"one": one})
    three = merged(key(), one, {"x": later}, {"two": two})
    found = predictions(key(), RUN, {"one": three, "two": two})["models"]["m"]
    assert [each["order"] for each in found] == expected


def model(shown: Json | None, uuid: str = "1") -> Json:
    """Return the entry of a model that a dry run would have changed."""
    made = {name: value for name, value in entry(uuid, predicted=True).items() if name != "deployment"}
    return {**made, "model": shown}


@pytest.mark.parametrize(
    ("made", "gone"),
    [
        (model(None), True),
        (model({"create_time": None}), True),
        (model({"create_time": "before"}), False),
        (model(None, "another"), False),
    ],
)
def test_with_a_model_go_the_deployments_that_it_had_at_that_moment(made: Json, gone: bool) -> None:
    def runs(name: str, model_id: str) -> Json:
        return {name: {**entry(predicted=True), "deployment": {"model_id": model_id}}}

    one = merged(key(), None, {**runs("before", "m"), **runs("of another", "n"), "stopped": entry(runs=False)})
    two = merged(key(), None, {"m": made}, {"one": one})
    three = merged(key(), one, runs("after", "m"), {"two": two})
    found = predictions(key(), RUN, {"one": three, "two": two})["deployments"]
    ended = [name for name, entries in found.items() if entries[-1]["deployment"] is None]
    assert ended == (["before"] if gone else [])


@pytest.mark.parametrize(
    ("fact", "other"), [(OURS, None), ({}, None), (None, None), ({"a": {"alias": {}, "run": "r"}}, "aliases")]
)
def test_a_fact_of_another_kind_is_known(fact: t.Any, other: str | None) -> None:
    assert other_kind("deployments", fact) == other


def test_loop_items_with_other_names_of_the_fact_follow_each_other() -> None:
    task, host, _name = loop = key()
    merged((task, host, "one"), None, {"x": entry(predicted=True)})
    merged((task, host, "two"), None, {"x": entry(predicted=True)})
    assert orders(predictions(loop, RUN, {})) == {"x": [1, 2]}
    assert predictions((task, "another host", "one"), RUN, {}) == predictions(key(), RUN, {}) == {}


def test_ansible_removes_its_prefix_from_the_names_of_facts() -> None:
    variables = {"ansible_facts": {"mine": 1}}
    assert fact_in(variables, "mine") == fact_in(variables, "ansible_mine") == 1
    assert fact_in({}, "mine") is None


@pytest.mark.parametrize(
    ("variables", "hides"),
    [
        ({}, False),
        ({"ansible_facts": {"fact": OURS}}, False),
        ({"fact": OURS, "ansible_facts": {"fact": OURS}}, False),
        ({"fact": {}, "ansible_facts": {"fact": {}}}, False),
        ({"fact": {}, "ansible_facts": {"fact": OURS}}, False),
        ({"fact": {}, "ansible_facts": {}}, True),
        ({"fact": {}}, True),
        ({"fact": None}, True),
        ({"fact": OURS}, True),
        ({"fact": {"a": 2}, "ansible_facts": {"fact": OURS}}, True),
        ({"fact": {"a": 2}, "ansible_facts": {"fact": {"a": 2}}}, True),
        ({"fact": {"a": {"run": "r"}}, "ansible_facts": {"fact": {"a": {"run": "r"}}}}, True),
        ({"fact": {**OURS, "b": 1}, "ansible_facts": {"fact": {**OURS, "b": 1}}}, True),
        ({"fact": ["a"], "ansible_facts": {"fact": ["a"]}}, True),
    ],
)
def test_a_variable_that_is_no_fact_of_ours_would_be_hidden(variables: Json, hides: bool) -> None:
    assert would_hide(key(), variables) is hides


def test_a_loop_knows_the_variable_that_its_earlier_items_made() -> None:
    loop = key()
    variable = merged(loop, {}, {"a": entry()})
    assert not would_hide(loop, {"fact": variable, "ansible_facts": {}})
    assert would_hide(key(), {"fact": variable, "ansible_facts": {}})
    assert would_hide(loop, {"fact": {"a": 1}, "ansible_facts": {}})


@pytest.mark.parametrize(
    ("known", "new"), [(entry(), entry()), (entry(), entry(None)), (entry(None), entry()), ({}, entry())]
)
def test_an_entry_of_the_same_cluster_is_replaced_in_silence(known: Json, new: Json) -> None:
    assert other_cluster_warning("fact", {"a": known}, {"a": new}) == ()


def test_an_entry_of_another_cluster_is_replaced_with_a_warning_that_names_no_cluster() -> None:
    known = {name: entry() for name in "abc"}
    [warning] = other_cluster_warning("fact", known, {name: entry("2") for name in "bad"})
    assert warning.startswith("The fact fact no longer has 'a', 'b' of another cluster:")

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test facts that grow over tasks and loop items of one run."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts import (
    entries_of_run,
    fact_in,
    merge_facts,
    other_cluster_warning,
    run_id,
    would_hide,
)

Json = dict[str, t.Any]
_TASK = itertools.count()
RUN = "0242ac11-0002-5a2b-3c4d"
OURS = {"a": {"deployment": {"deployment_id": "a"}, "run": "an earlier run"}}


def key() -> tuple[str, str, str]:
    return (f"task-{next(_TASK)}", "localhost", "fact")


def merged(at: tuple[str, str, str], fact: t.Any, new: Json, ids: list[str]) -> Json:
    return merge_facts(at, RUN, entries_of_run(at, RUN, fact), new, ids)


def test_the_run_is_what_tasks_share() -> None:
    assert run_id("0242ac11-0002-5a2b-3c4d-000000000007") == RUN


def test_a_second_task_adds() -> None:
    first = merged(key(), None, {"a": {"n": 1}}, ["a"])
    assert first == {"a": {"n": 1, "run": RUN}}
    assert merged(key(), first, {"b": {"n": 2}}, ["b"]) == {**first, "b": {"n": 2, "run": RUN}}


def test_loop_items_add_though_each_sees_the_facts_from_before_the_loop() -> None:
    loop = key()
    before = merged(key(), None, {"a": {"n": 1}}, ["a"])
    merged(loop, before, {"b": {}}, ["b"])
    assert sorted(merged(loop, before, {"c": {}}, ["c"])) == ["a", "b", "c"]


def test_a_stop_removes_its_deployment_alone() -> None:
    before = {"a": {"run": RUN}, "b": {"run": RUN}}
    assert merged(key(), before, {}, ["a"]) == {"b": {"run": RUN}}


def test_entries_of_another_run_are_dropped() -> None:
    before = {"old": {"run": "other"}, "odd": 1, "mine": {"run": RUN}}
    assert sorted(merged(key(), before, {"new": {}}, ["new"])) == ["mine", "new"]
    assert merged(key(), "text", {}, ["x"]) == {}


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
    variable = merged(loop, {}, {"a": {"deployment": {}}}, ["a"])
    assert not would_hide(loop, {"fact": variable, "ansible_facts": {}})
    assert would_hide(key(), {"fact": variable, "ansible_facts": {}})
    assert would_hide(loop, {"fact": {"a": 1}, "ansible_facts": {}})


def entry(name: str | None, uuid: str | None) -> Json:
    return {"cluster": {"name": name, "uuid": uuid}}


@pytest.mark.parametrize(
    ("known", "new"),
    [
        (entry("c", "1"), entry("c", "1")),
        (entry("c", "1"), entry("renamed", "1")),
        (entry("c", "1"), entry(None, None)),
        (entry(None, None), entry("c", "1")),
        ({}, entry("c", "1")),
    ],
)
def test_an_entry_of_the_same_cluster_is_replaced_in_silence(known: Json, new: Json) -> None:
    assert other_cluster_warning("fact", {"a": known}, {"a": new}) == ()


def test_an_entry_of_another_cluster_is_replaced_with_a_warning() -> None:
    known = {name: entry("production", "1") for name in "abc"}
    [warning] = other_cluster_warning("fact", known, {name: entry("production", "2") for name in "bad"})
    assert warning.startswith("The fact fact no longer has 'a' of cluster production, 'b' of cluster production:")

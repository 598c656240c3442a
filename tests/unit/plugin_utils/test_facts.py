# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test facts that grow over tasks and loop items of one run."""

from __future__ import annotations

import itertools

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts import merge_facts, run_id

_TASK = itertools.count()
RUN = "0242ac11-0002-5a2b-3c4d"


def key() -> tuple[str, str, str]:
    return (f"task-{next(_TASK)}", "localhost", "fact")


def test_the_run_is_what_tasks_share() -> None:
    assert run_id("0242ac11-0002-5a2b-3c4d-000000000007") == RUN


def test_a_second_task_adds() -> None:
    first = merge_facts(key(), RUN, None, {"a": {"n": 1}}, ["a"])
    assert first == {"a": {"n": 1, "run": RUN}}
    assert merge_facts(key(), RUN, first, {"b": {"n": 2}}, ["b"]) == {**first, "b": {"n": 2, "run": RUN}}


def test_loop_items_add_though_each_sees_the_facts_from_before_the_loop() -> None:
    loop = key()
    before = merge_facts(key(), RUN, None, {"a": {"n": 1}}, ["a"])
    merge_facts(loop, RUN, before, {"b": {}}, ["b"])
    assert sorted(merge_facts(loop, RUN, before, {"c": {}}, ["c"])) == ["a", "b", "c"]


def test_a_stop_removes_its_deployment_alone() -> None:
    before = {"a": {"run": RUN}, "b": {"run": RUN}}
    assert merge_facts(key(), RUN, before, {}, ["a"]) == {"b": {"run": RUN}}


def test_entries_of_another_run_are_dropped() -> None:
    before = {"old": {"run": "other"}, "odd": 1, "mine": {"run": RUN}}
    assert sorted(merge_facts(key(), RUN, before, {"new": {}}, ["new"])) == ["mine", "new"]
    assert merge_facts(key(), RUN, "text", {}, ["x"]) == {}
